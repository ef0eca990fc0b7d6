"""The written minimum: it names real functions, and the page shows it as it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cases import CASES
from benchmarks.document import PAGE, minimum_tables
from benchmarks.minimum import NEEDED, STEPS, least_calls

FUNCTIONS = Path(__file__).parents[2] / "functions"


def test_the_page_shows_the_minimum_that_the_code_has() -> None:
    assert minimum_tables() in PAGE.read_text(encoding="utf-8")


def test_every_case_that_is_played_has_a_minimum() -> None:
    assert list(CASES) == list(NEEDED)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.function}-{step.heard}")
def test_every_step_belongs_to_a_function_and_a_case_and_has_its_reason(step: object) -> None:
    [known] = [one for one in STEPS if one == step]
    assert (FUNCTIONS / known.function / "app.py").exists()
    assert any(known in needed for needed in NEEDED.values())
    assert known.why


def test_the_fewest_calls_of_a_case_are_the_sum_of_its_steps() -> None:
    assert least_calls("order paid only") == {
        "webhook_intake": 1,
        "notification_translate": 2,
        "refund_negotiation": 1,
        "shipment_watch": 2,
        "fact_ledger": 2,
        "service_tags": 1,
        "score_rows": 5,
    }
    assert sum(least_calls("accepted partial refund").values()) == 60
