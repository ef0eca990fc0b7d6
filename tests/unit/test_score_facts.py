"""What is on record of an order, a session and a shop: facts in any order, repeated, and read back as written."""

from __future__ import annotations

import json
from typing import get_type_hints

import pytest
from builders import SHOP
from scores import (
    Fact,
    anomaly,
    answered,
    asked,
    at,
    cancelled,
    closed,
    completed,
    decided,
    due,
    enrolled,
    entry,
    fact,
    opened,
    order_of,
    paid,
    presented,
    rated,
    reviewed,
    round_closed,
    scan,
    session_of,
    step_closed,
    stepped_in,
    traced,
    violated,
    wrote,
)

from aftercare.events.vocabulary import RefundReason
from aftercare.kernel import compact
from aftercare.scores.model.facts import fold_order, fold_session
from aftercare.scores.model.records import (
    Case,
    Exclusion,
    OrderRecord,
    Refund,
    SessionRecord,
    Step,
    read_order,
    read_session,
)
from aftercare.scores.model.shops import ShopState, fold_shop, read_shop_state

A_BIT_OF_ALL = [
    paid(at(0), ship_by=at(2), deliver_by=at(5), door=True, items=("I2", "I1"), insured=True, flags=("installation",)),
    due(4, ship_by=at(3), deliver_by=at(6)),
    cancelled(at(9)),
    completed(at(8)),
    scan("picked_up", at(1)),
    scan("delivered", at(4), number="P1", order_id="A1", signed_by="locker"),
    traced(entry("in_transit", at(2)), told=at(5), order_id="A1"),
    reviewed(4, at(6)),
    reviewed(None, at(6), review_id="V2"),
    asked(at(5), "damaged"),
    decided(at(6), "refused", justified=True),
    decided(at(7), "refunded", by="system"),
    stepped_in(at(6), refund_id="R1"),
    step_closed(at(7)),
    step_closed(at(7), step="S2"),
    anomaly("Raised", "breach", at(2), 3),
    anomaly("Cleared", "breach", at(2), 4, outcome="moved"),
    opened(at(5)),
    presented(at(5)),
    answered("Declined", at(6)),
    presented(at(6), 2),
    answered("Accepted", at(7), 3),
    closed(at(7)),
    opened(at(5), "none", case="C2", refund_id=None),
]
CHATS = [
    wrote("buyer", at(0, "10:00:00")),
    wrote("human", at(0, "10:00:00.500000")),
    round_closed(at(0, "11:00:00")),
    round_closed(at(0, "12:00:00"), at(0, "12:01:00"), "assisted"),
    rated(at(1), True, resolved=False, stars=4, by="human"),
]


def test_a_record_reads_back_as_it_was_written() -> None:
    record = order_of(*A_BIT_OF_ALL)._replace(
        exclusions=(Exclusion("ship_hours", "a flood", "lin", at(9)),), bearers={"sto/P1": ("A1", "A2")}
    )
    assert all(getattr(record, field) for field in get_type_hints(OrderRecord)), "all of it is tried"
    assert read_order(json.loads(compact.to_json(record))) == record
    lifted = Exclusion("*", "a test", "lin", at(9), "wang", at(10))
    session = session_of(*CHATS)._replace(exclusions=(lifted,))
    assert all(getattr(session, field) for field in get_type_hints(SessionRecord)), "all of it is tried"
    assert read_session(json.loads(compact.to_json(session))) == session
    assert read_order(json.loads(compact.to_json(order_of()))) == order_of()
    assert read_session(json.loads(compact.to_json(session_of()))) == session_of()


def test_nothing_personal_is_on_record() -> None:
    text = compact.to_json(order_of(*A_BIT_OF_ALL))
    assert "b_1" not in text


@pytest.mark.parametrize("told", [*A_BIT_OF_ALL, *CHATS], ids=lambda each: each.data.name)
def test_a_fact_told_twice_is_one(told: Fact) -> None:
    if told in CHATS:
        session = session_of(*CHATS)
        assert fold_session(session, told) == session
    else:
        order = order_of(*A_BIT_OF_ALL)
        assert fold_order(order, told) == order


def test_what_concerns_nobody_changes_nothing() -> None:
    told = fact("OutOfStockDeclared", at(9), {"order_id": "A1", "at": at(9)})
    assert order_of(told) == order_of()
    assert session_of(told) == session_of()


def test_of_a_refund_the_first_reason_and_the_earliest_request_stand() -> None:
    facts = [asked(at(3), "quality", revision=7), asked(at(2), "not_wanted"), asked(at(4), "fake", revision=3)]
    for told in (facts, facts[::-1]):
        assert order_of(*told).refunds == {"R1": Refund(at(2), 1, RefundReason.NOT_WANTED)}


def test_a_decision_may_come_before_its_request() -> None:
    assert order_of(decided(at(1)), asked(at(0))) == order_of(asked(at(0)), decided(at(1)))
    assert order_of(decided(at(1))).refunds["R1"].requested_at is None


def test_a_step_of_the_platform_may_be_closed_before_it_is_opened() -> None:
    assert order_of(step_closed(at(3)), stepped_in(at(1), refund_id="R1")).steps == {
        "S1": Step("dispute", at(1), at(3), "R1")
    }


def test_a_case_is_known_by_its_last_end_and_the_earliest_times_of_its_rounds() -> None:
    facts = [
        opened(at(1)),
        presented(at(2)),
        presented(at(3)),
        answered("Accepted", at(5)),
        answered("Accepted", at(4)),
        closed(at(6), "kept", sequence=8),
        closed(at(5), "needs_human", sequence=6),
    ]
    for told in (facts, facts[::-1]):
        case = order_of(*told).cases["C1"]
        assert case == Case("R1", "refund_requested", case.arm, at(1), 8, at(6), "kept", {1: (at(2), at(4))})


def test_a_payment_does_not_undo_what_is_due_by_now() -> None:
    told = [due(0, ship_by=at(9)), paid(at(0), ship_by=at(2))]
    assert order_of(*told) == order_of(*reversed(told))
    assert order_of(*told).promised == (0, at(9), None, False)


def test_a_session_begins_with_its_first_word() -> None:
    assert session_of(rated(at(5), True)).begun_at == at(5)
    assert session_of(rated(at(5), True), wrote("buyer", at(3)), round_closed(at(2))).begun_at == at(2)
    assert session_of().begun_at is None


def test_two_ratings_of_one_moment_count_alike_in_any_order() -> None:
    told = [rated(at(1), True, resolved=False), rated(at(1), True), rated(at(1), False)]
    assert session_of(*told) == session_of(*reversed(told))


# ---------------------------------------------------------------- shops


def shop_of(*facts: Fact) -> ShopState:
    state = ShopState.entered(SHOP, at(0))
    for each in facts:
        state = fold_shop(state, each)
    return state


def test_a_shop_has_the_services_it_enrolled_for_last_and_every_violation_once() -> None:
    told = [
        enrolled("insurance", at(1)),
        enrolled("insurance", at(3), active=False),
        enrolled("insurance", at(2)),
        enrolled("express", at(1)),
        violated(at(5)),
        violated(at(2), "mismatch"),
        violated(at(5)),
    ]
    state = shop_of(*told)
    assert state == shop_of(*reversed(told))
    assert {name: enrolments[-1].active for name, enrolments in state.services.items()} == {
        "insurance": False,
        "express": True,
    }
    assert [each.kind for each in sorted(state.violations, key=lambda each: each.at)] == ["mismatch", "brushing"]
    assert state.changed_from == at(1).date(), "all weeks since may be others"
    published_to, chats_on, warned_on = (at(day).date() for day in range(3))
    counted = state._replace(
        published_to=published_to, chats_on=chats_on, warned_on=warned_on, category="apparel", shop_class="flagship"
    )
    assert all(getattr(counted, field) for field in get_type_hints(ShopState)), "all of it is tried"
    assert read_shop_state(json.loads(compact.to_json(counted))) == counted


def test_joining_and_leaving_in_one_moment_ends_alike_in_any_order() -> None:
    told = [enrolled("insurance", at(1)), enrolled("insurance", at(1), active=False)]
    assert shop_of(*told) == shop_of(*reversed(told))


def test_records_of_facts_that_are_unknown_here_stay_empty() -> None:
    assert session_of(paid(at(0))) == SessionRecord(SHOP, "chat-1", "UTC", "standard")
    assert shop_of(paid(at(0))) == ShopState.entered(SHOP, at(0))
