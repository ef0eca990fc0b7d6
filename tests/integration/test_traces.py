"""The log leads from a payout back to the delivery that it began with, and tells nobody's personal data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flows import A_WHILE, PARTIAL, town

Line = Mapping[str, Any]
Lines = Callable[[], list[dict[str, Any]]]
PRIVATE = "My phone is 13800138000"


def one(lines: list[dict[str, Any]], **fields: str) -> Line:
    [found] = [line for line in lines if fields.items() <= line.items()]
    return found


def test_a_payout_is_followed_back_to_the_delivery_that_asked_for_it(log_lines: Lines) -> None:
    with town(backend="memory") as lotus:
        lotus.pay("A1")
        lotus.ask("A1", PARTIAL, note=PRIVATE)
        lotus.wait(A_WHILE)
        lotus.choose(lotus.link("A1"), "r1o1")
        lotus.wait(A_WHILE)
    lines = log_lines()
    paid = one(lines, event_name="SettlementRecorded")
    assert paid["payout_key"].startswith("standard:lotus/A1/")
    accepted = one(lines, event_name="OfferAccepted", negotiation_id=paid["negotiation_id"])
    opened = one(lines, event_name="NegotiationOpened", negotiation_id=accepted["negotiation_id"])
    asked = one(lines, event_name="RefundRequested", event_id=opened["caused_by"])
    assert asked["delivery_id"]
    assert PRIVATE not in str(lines)
    assert "13800138000" not in str(lines)
