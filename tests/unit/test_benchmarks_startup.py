"""A cold start measured in processes of its own: one that loads too much shows, and what it loads is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks import startup
from benchmarks.run import start_figures
from sandbox.resources import Function
from sandbox.template import read_template

HANDLER = """
from aftercare import bootstrap

def handler(event, context):
    return bootstrap.event_relay().publish([])
"""


@pytest.fixture
def function(tmp_path: Path) -> Callable[[str], Function]:
    def make(source: str) -> Function:
        (tmp_path / "app.py").write_text(source, encoding="utf-8")
        variables = {"BUS_NAME": "bus", "INTAKE_TABLE": "table"}
        return Function("F", "made", "arn", tmp_path, "app.handler", timedelta(seconds=10), 512, variables, frozenset())

    return make


def test_a_function_that_works_while_it_is_imported_misses_the_target(function: Callable[[str], Function]) -> None:
    late = function("sum(len(str(number)) for number in range(6_000_000))\n" + HANDLER)
    [figure] = start_figures(startup.measure([late], rounds=1))
    assert figure.far_off


def test_what_a_function_loads_beyond_the_baseline_is_named(function: Callable[[str], Function]) -> None:
    named = dict(startup.dearest_imports(function("import sqlite3\n" + HANDLER), count=1000))
    assert {"sqlite3", "aftercare.bootstrap", "aftercare.intake.relay"} <= named.keys()
    assert not {"boto3", "botocore", "pydantic"} & named.keys()


def test_every_function_of_the_template_says_what_it_assembles() -> None:
    for each in read_template().functions.values():
        assert "bootstrap." in startup.program_of(each)


def test_a_function_that_assembles_nothing_cannot_be_measured(function: Callable[[str], Function]) -> None:
    with pytest.raises(ValueError, match="assembles nothing"):
        startup.program_of(function("def handler(event, context):\n    return {}\n"))


def test_a_measured_process_sees_no_setting_of_the_callers_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    seen = startup.environment({"BUS_NAME": "bus"})
    assert "AWS_PROFILE" not in seen
    assert (seen["BUS_NAME"], seen["AWS_ACCESS_KEY_ID"]) == ("bus", "offline")


def test_the_ratio_is_taken_of_the_best_runs_and_of_the_medians() -> None:
    time = startup.StartTime("f", runs=(300, 200, 250), baseline=(100, 400, 125))
    assert (time.best, time.median) == (2.0, 2.0)
