"""What the documents state as facts is what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aftercare.kernel.ports import ActionType
from aftercare.marketplaces.standard.translate import TOPICS
from aftercare.negotiation.model.cases import CaseState
from aftercare.negotiation.model.payouts import MOVES, PayoutState

ROOT = Path(__file__).parents[2]
DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_the_standard_doors_page_lists_every_type_with_its_event() -> None:
    page = (ROOT / "docs" / "standard-door.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z_.]+)` \| \[(\w+)\]", page, re.MULTILINE))
    assert rows == {type_: topic.event for type_, topic in TOPICS.items()}


def test_the_standard_doors_page_names_every_action_that_is_sent() -> None:
    page = (ROOT / "docs" / "standard-door.md").read_text(encoding="utf-8")
    sent = set(ActionType) - {ActionType.TAG_CHANGED}
    assert [action for action in sent if f"`{action.value}`" not in page] == []


def test_the_payouts_diagram_draws_exactly_the_table_of_moves() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = set(re.findall(r"^  ([A-Z_]{2,}) --> ([A-Z_]{2,})", page, re.MULTILINE))
    moves = {(was.name, to.name) for was in PayoutState for to in MOVES[was] if was is not to}
    assert drawn == moves


def test_the_cases_diagram_knows_every_state_but_the_pause() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = {state for pair in re.findall(r"^  ([a-z_]+) --> ([a-z_]+)", page, re.MULTILINE) for state in pair}
    assert drawn == {state.value for state in CaseState} - {"paused"}


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_document_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
