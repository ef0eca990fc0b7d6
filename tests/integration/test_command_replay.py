"""``python -m sandbox replay``: recorded events in their own time, and what the system says to them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from aftercare.events.vocabulary import NEGOTIATION
from sandbox.__main__ import main
from sandbox.services import Backend

SHOP = "standard:tea-house"
CapSys = pytest.CaptureFixture[str]
Entry = dict[str, Any]


def event(name: str, at: str, data: dict[str, Any], shop: str = SHOP) -> Entry:
    metadata = {"event_id": f"{name}/{at}/{data.get('order_id')}", "version": 1, "occurred_at": at, "shop": shop}
    return {"source": "aftercare.marketplaces", "detail-type": name, "detail": {"metadata": metadata, "data": data}}


def cny(minor: int) -> dict[str, Any]:
    return {"minor": minor, "currency": "CNY"}


def paid(order_id: str, at: str, shop: str = SHOP) -> Entry:
    line = {"line_id": "1", "item_id": "cup", "category": "tea", "quantity": 1, "amount": cny(20000)}
    promise = {"ship_by": "2026-12-01T00:00:00Z", "door_delivery": False}
    order = {"order_id": order_id, "buyer": f"b_{order_id}", "paid_at": at, "amount": cny(20000), "lines": [line]}
    return event("OrderPaid", at, {**order, "promise": promise}, shop)


def asked(order_id: str, at: str, shop: str = SHOP) -> Entry:
    request = {
        "refund_id": f"R-{order_id}",
        "order_id": order_id,
        "buyer": f"b_{order_id}",
        "kind": "refund_only",
        "stage": "delivered",
        "reason": {"code": "damaged", "raw": "broken"},
        "amount": cny(5000),
        "requested_at": at,
        "respond_by": "2026-11-20T00:00:00Z",
        "revision": 1,
    }
    return event("RefundRequested", at, request, shop)


Replay = Callable[..., tuple[int, list[Entry]]]


@pytest.fixture
def replay(tmp_path: Path) -> Replay:
    """Answers the exit code and what negotiation said: others hear the orders too and have their own to say."""

    def replay(*lines: Entry | str, options: tuple[str, ...] = ()) -> tuple[int, list[Entry]]:
        events, out = tmp_path / "events.jsonl", tmp_path / "out.jsonl"
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        events.write_text("\n".join(texts), encoding="utf-8")
        code = main(["replay", str(events), "--out", str(out), *options])
        said = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        return code, [entry for entry in said if entry["source"] == NEGOTIATION]

    return replay


def names(said: list[Entry]) -> list[str]:
    return [entry["detail-type"] for entry in said]


PAID, ASKED = paid("1", "2026-11-02T08:00:00Z"), asked("1", "2026-11-02T09:00:00Z")


@pytest.mark.parametrize("backend", get_args(Backend))
def test_either_backend_can_be_asked_for(replay: Replay, backend: Backend) -> None:
    code, said = replay(PAID, ASKED, options=("--backend", backend))
    assert (code, names(said)) == (0, ["NegotiationOpened", "OffersPresented"])


def test_a_function_that_fails_is_in_the_summary_and_its_messages_too(
    replay: Replay, capsys: CapSys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("on request")

    monkeypatch.setattr("aftercare.consuming.Consumer.consume", fail)
    code, said = replay(PAID, ASKED, options=("--until", "2026-11-03T09:00:00Z"))
    assert (code, said) == (0, [])
    out = capsys.readouterr().out
    assert "invocations failed, the first: refund_negotiation: RuntimeError('on request')" in out
    assert "2 messages ended in NegotiationDeadLetters" in out


def test_only_what_the_system_itself_said_is_written_in_the_same_shape(replay: Replay, capsys: CapSys) -> None:
    code, said = replay(PAID, ASKED)
    assert code == 0
    assert names(said) == ["NegotiationOpened", "OffersPresented"]
    assert all(set(entry) == {"source", "detail-type", "detail"} for entry in said)
    assert said[0]["detail"]["metadata"]["occurred_at"] == "2026-11-02T09:00:00Z"
    out = capsys.readouterr().out
    assert "2 events in" in out
    assert "events/s" in out
    assert "NegotiationOpened 1, OffersPresented 1" in out


def test_what_is_due_before_an_event_happens_before_it(replay: Replay) -> None:
    later = asked("2", "2026-11-05T09:00:00Z")
    _, said = replay(PAID, ASKED, paid("2", "2026-11-02T09:30:00Z"), later)
    assert names(said) == [
        *("NegotiationOpened", "OffersPresented"),
        *("OffersExpired", "NegotiationClosed"),
        *("NegotiationOpened", "OffersPresented"),
    ]
    assert said[2]["detail"]["metadata"]["occurred_at"] == "2026-11-03T09:00:00Z"


@pytest.mark.parametrize(
    ("until", "ended"),
    [("2026-11-03T08:59:59Z", False), ("2026-11-03T09:00:00Z", True), ("2026-11-01T00:00:00Z", False)],
)
def test_until_a_time_that_is_itself_included(replay: Replay, until: str, ended: bool) -> None:
    _, said = replay(PAID, ASKED, options=("--until", until))
    assert ("OffersExpired" in names(said)) == ended


def test_an_event_from_the_past_is_heard_at_the_present(replay: Replay, capsys: CapSys) -> None:
    code, said = replay(paid("2", "2026-11-02T10:00:00Z"), PAID, ASKED)
    assert code == 0
    assert names(said) == ["NegotiationOpened", "OffersPresented"]
    assert {entry["detail"]["metadata"]["occurred_at"] for entry in said} == {"2026-11-02T10:00:00Z"}
    assert "the clock stands at 2026-11-02T10:00:00Z" in capsys.readouterr().out


def test_an_accepted_offer_is_paid_by_a_marketplace_that_knows_the_order(replay: Replay) -> None:
    _, said = replay(PAID, ASKED)
    presented = said[1]["detail"]["data"]
    order = "MQ"  # "1" in base64
    external = f"{order}.{presented['negotiation_id']}.1.{presented['options'][0]['option_id']}"
    at = "2026-11-02T10:00:00Z"
    answer = {"refund_id": "R-1", "external_offer_id": external, "choice": "accepted", "answered_at": at}
    _, said = replay(PAID, PAID, ASKED, ASKED, event("OfferAnswered", at, answer))
    assert names(said)[2:] == ["OfferAccepted", "SettlementRecorded", "NegotiationClosed"]
    assert said[3]["detail"]["data"]["result"] == "paid"


@pytest.mark.parametrize("backend", get_args(Backend))
def test_what_is_on_record_in_the_end_is_written_with_the_names_of_its_fields(
    replay: Replay, tmp_path: Path, backend: Backend
) -> None:
    at, path = "2026-11-02T10:00:00Z", tmp_path / "records.jsonl"
    wrote = event("ChatMessagePosted", at, {"session_id": "S", "message_id": "M", "sender": "buyer", "at": at})
    replay(PAID, ASKED, wrote, options=("--records", str(path), "--backend", backend))
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [(one["kind"], one["shop"]) for one in records] == [
        ("order", SHOP),
        ("session", SHOP),
        *(("shop", f"standard:{name}") for name in ("boot-room", "new-shop", "tea-house")),
    ]
    order, session, *_, shop = records
    assert order["promised"] == {
        "revision": -1,
        "ship_by": "2026-12-01T00:00:00Z",
        "deliver_by": None,
        "door_delivery": False,
    }
    assert order["refunds"]["R-1"]["reason"] == "damaged"
    assert order["refunds"]["R-1"]["decisions"] == []
    [case] = order["cases"].values()
    assert (case["arm"], case["turns"]) == ("offer", {"1": ["2026-11-02T09:00:00Z", None]})
    assert session["messages"] == {"M": {"at": at, "sender": "buyer"}}
    assert (shop["zone"], shop["counted_to"]) == ("Asia/Shanghai", "2026-11-01")


def test_a_shop_that_nobody_registered_is_heard_too(replay: Replay) -> None:
    stranger = "standard:stranger"
    code, said = replay(paid("1", "2026-11-02T08:00:00Z", stranger), asked("1", "2026-11-02T09:00:00Z", stranger))
    assert code == 0
    assert [entry["detail"]["metadata"]["shop"] for entry in said] == [stranger] * len(said)
    assert names(said)[0] == "NegotiationOpened"


def without_zone(entry: Entry) -> Entry:
    metadata = {**entry["detail"]["metadata"], "occurred_at": "2026-11-02T08:00:00"}
    return {**entry, "detail": {**entry["detail"], "metadata": metadata}}


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        ("{", "not JSON"),
        ("[1]", "not an event"),
        ('{"source": "aftercare.marketplaces"}', "not an event"),
        (json.dumps(without_zone(PAID)), "without an offset"),
        ('{"a": "\\ud800"}', "not an event"),
        (json.dumps(event("X", "2026-11-02T08:00:00Z", {"text": "\ud800"})), "surrogates not allowed"),
        (json.dumps(event("", "2026-11-02T08:00:00Z", {})), "the bus refuses it"),
        (json.dumps(event("OrderPaid", "2026-11-02T08:00:00Z", {"text": "x" * 1_100_000})), "the bus refuses it"),
    ],
    ids=[
        "no JSON",
        "no object",
        "no detail",
        "no offset",
        "half a pair in nothing",
        "half a pair",
        "no name",
        "too large",
    ],
)
def test_a_broken_line_is_named_and_the_others_are_played(
    replay: Replay, broken: str, complaint: str, capsys: CapSys
) -> None:
    code, said = replay(PAID, broken, "", ASKED)
    assert code == 1
    assert names(said) == ["NegotiationOpened", "OffersPresented"]
    error = capsys.readouterr().err
    assert "line 2: " in error
    assert complaint in error


def test_an_event_that_the_catalogue_does_not_know_is_not_held_against_the_others(replay: Replay) -> None:
    odd = event("OrderPaid", "2026-11-02T08:30:00Z", {"order_id": "9"})
    code, said = replay(PAID, odd, ASKED)
    assert (code, names(said)) == (0, ["NegotiationOpened", "OffersPresented"])


def test_a_packed_file_is_unpacked_and_a_torn_one_read_as_far_as_it_goes(tmp_path: Path, capsys: CapSys) -> None:
    packed = gzip.compress("\n".join(map(json.dumps, [PAID, ASKED])).encode())
    whole, torn = tmp_path / "whole.jsonl.gz", tmp_path / "torn.jsonl.gz"
    whole.write_bytes(packed)
    assert main(["replay", str(whole)]) == 0
    assert "2 events in" in capsys.readouterr().out
    torn.write_bytes(packed[:-9])
    assert main(["replay", str(torn)]) == 1
    assert "cannot be read on from here" in capsys.readouterr().err


def test_an_empty_file_is_no_error(replay: Replay, capsys: CapSys) -> None:
    assert replay() == (0, [])
    assert "the system said: nothing" in capsys.readouterr().out


def test_a_file_that_is_not_there_is_named(capsys: CapSys) -> None:
    assert main(["replay", "nowhere.jsonl"]) == 2
    assert "nowhere.jsonl: No such file" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--out", "--records"])
def test_the_events_are_not_overwritten(option: str, tmp_path: Path, capsys: CapSys) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps(PAID), encoding="utf-8")
    assert main(["replay", str(path), option, str(path)]) == 2
    assert "would overwrite the events" in capsys.readouterr().err
    assert json.loads(path.read_text(encoding="utf-8")) == PAID


def test_two_outputs_do_not_overwrite_each_other(tmp_path: Path, capsys: CapSys) -> None:
    events, out = tmp_path / "events.jsonl", tmp_path / "out.jsonl"
    events.write_text(json.dumps(PAID), encoding="utf-8")
    assert main(["replay", str(events), "--out", str(out), "--records", str(out)]) == 2
    assert "would overwrite what --out writes" in capsys.readouterr().err
