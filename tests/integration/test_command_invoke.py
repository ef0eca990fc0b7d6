"""``python -m sandbox invoke``: one function, one event, and all that it did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.__main__ import main
from sandbox.commands.invoke import SAMPLES, changes

FUNCTIONS = Path(__file__).parents[2] / "functions"
CapSys = pytest.CaptureFixture[str]


def sample(function: str) -> Any:
    return json.loads((SAMPLES / f"{function}.json").read_text(encoding="utf-8"))


def shown(out: str) -> dict[str, list[str]]:
    """What was printed, by the titles of its sections."""
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in out.splitlines():
        if line and not line.startswith((" ", "{")):
            lines = sections.setdefault(line.split(" at ")[0], [])
        elif line:
            lines.append(line[2:])
    return sections


def put(event: Any, folder: Path) -> str:
    path = folder / "event.json"
    path.write_text(event if isinstance(event, str) else json.dumps(event), encoding="utf-8")
    return str(path)


WRITES = {
    "buyer_notice": "put NegotiationTable: NOTICE#",
    "notification_translate": "put IntakeTable: QUARANTINE#standard:tea-house",
    "offer_page": "updated NegotiationTable: ORDER#standard:tea-house#202611020002",
    "refund_negotiation": "put NegotiationTable: ORDER#standard:tea-house#202611050006",
    "fact_ledger": "put ScoresTable: ORDER#standard:tea-house#202611050006",
    "score_rollup": "put ScoresTable: SHOP#standard:tea-house | DAY#2026-11-0",
    "service_tags": "updated TagsTable: SHOP#standard:tea-house | TAGS",
    "tag_publication": "put TagsTable: SHOP#standard:tea-house | CHANNEL#files",
    "score_rows": "put ScoresTable: DAY#standard:tea-house#2026-11-02",
    "shipment_watch": "put ShipmentsTable: ORDER#standard:tea-house#202611050006",
    "refund_settlement": "put NegotiationTable: PAYOUT#standard:tea-house/202611020003/",
}
FOLLOWS = {
    "deadline_sweep": "OffersExpired",
    "event_relay": "OffersPresented",
    "notification_translate": "RefundRequested",
    "offer_page": "SettlementRecorded",
    "refund_negotiation": "OffersPresented",
    "refund_settlement": "NegotiationClosed",
    "score_rollup": "DayMeasured",
    "service_tags": "TagChanged",
    "shipment_watch": "ShipmentAnomalyRaised",
    "webhook_intake": "OrderPaid",
}


@pytest.mark.parametrize("function", sorted(app.parent.name for app in FUNCTIONS.glob("*/app.py")))
def test_every_function_has_a_sample_that_shows_its_work(function: str, capsys: CapSys) -> None:
    assert main(["invoke", function, str(SAMPLES / f"{function}.json")]) == 0
    said = shown(capsys.readouterr().out)
    assert list(said) == [function, "answer", "writes", "calls", "events"]
    answer = json.loads("\n".join(said["answer"]))
    assert answer.get("batchItemFailures", []) == []
    assert answer.get("statusCode", 200) < 400
    assert said["calls"] != ["none"]
    assert WRITES.get(function, "") in "\n".join(said["writes"])
    assert FOLLOWS.get(function, "") in "\n".join(said["events"])


def test_an_unknown_function_is_answered_with_those_there_are(tmp_path: Path, capsys: CapSys) -> None:
    assert main(["invoke", "fly", put({}, tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "no function 'fly'" in error
    assert "webhook_intake" in error


@pytest.mark.parametrize(("text", "complaint"), [("{", "is not JSON"), ("[]", "is no event")])
def test_an_event_that_cannot_be_read_is_named(tmp_path: Path, text: str, complaint: str, capsys: CapSys) -> None:
    path = put(text, tmp_path)
    assert main(["invoke", "webhook_intake", path]) == 2
    assert f"{path} {complaint}" in capsys.readouterr().err


def test_an_event_that_is_not_there_is_answered_with_where_samples_are(capsys: CapSys) -> None:
    assert main(["invoke", "webhook_intake", "nowhere.json"]) == 2
    assert "events/functions/" in capsys.readouterr().err


def test_a_webhook_of_an_unknown_shop_cannot_be_signed(tmp_path: Path, capsys: CapSys) -> None:
    event = sample("webhook_intake")
    event["pathParameters"]["shop_id"] = "nobody"
    assert main(["invoke", "webhook_intake", put(event, tmp_path)]) == 2
    assert "no shop standard:nobody" in capsys.readouterr().err


def test_without_a_history_there_is_no_link_to_open(tmp_path: Path, capsys: CapSys) -> None:
    nothing = tmp_path / "nothing.jsonl"
    nothing.touch()
    arguments = ["invoke", "offer_page", str(SAMPLES / "offer_page.json"), "--history", str(nothing)]
    assert main(arguments) == 2
    assert "--history" in capsys.readouterr().err


def test_a_function_that_fails_is_shown_with_its_error(tmp_path: Path, capsys: CapSys) -> None:
    assert main(["invoke", "refund_negotiation", put({}, tmp_path)]) == 1
    assert shown(capsys.readouterr().out)["FAILED"] == ["KeyError('Records')"]


def test_the_call_comes_at_the_time_that_is_asked_for(tmp_path: Path, capsys: CapSys) -> None:
    late = "2026-11-06T10:00:00Z"
    assert main(["invoke", "offer_page", str(SAMPLES / "offer_page.json"), "--at", late]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"offer_page at {late}")
    assert shown(out)["writes"] == ["none"]  # the offer ran out half an hour before


def test_changes_name_what_was_put_updated_and_deleted() -> None:
    key = {"pk": {"S": "a"}, "sk": {"S": "b"}}
    one = {**key, "version": {"N": "1"}, "outbox": {"S": "[]"}}
    two = {**key, "version": {"N": "2"}}
    at = ("T", "a", "b")
    assert list(changes({}, {at: one})) == ["put T: a | b", "  outbox: []", "  version: 1"]
    assert list(changes({at: one}, {at: two})) == ["updated T: a | b", "  outbox: removed", "  version: 1 -> 2"]
    assert list(changes({at: one}, {})) == ["deleted T: a | b"]
    assert list(changes({at: one}, {at: one})) == []
