"""Whichever call a function dies in, what the buyer accepted is carried out once and everything is said.

Every story runs through the real template. It is first played undisturbed, which shows the calls there are; then once
for every point at which a function can die, with the redelivery that follows from queues, streams and leases.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

import pytest
from flows import (
    COUPON_STORY,
    FULL_STORY,
    REFUND_STORY,
    STORIES,
    Ending,
    Point,
    Story,
    Town,
    ending,
    kill,
    points_of,
    struck_at,
    town,
)

from aftercare.negotiation.model.cases import CaseState
from sandbox.twins.standard import PATIENCE, Fault

FUNCTIONS = (
    "webhook_intake",
    "notification_translate",
    "refund_negotiation",
    "refund_settlement",
    "shipment_watch",
    "fact_ledger",
    "service_tags",
    "score_rows",
    "event_relay",
    "buyer_notice",
    "offer_page",
)
ORDERS = count(1)


@dataclass(frozen=True)
class Undisturbed:
    """How a story ends when nothing goes wrong, and where it can."""

    ending: Ending
    points: Sequence[Point]


@pytest.fixture(scope="module")
def lotus() -> Iterator[Town]:
    with town() as lotus:
        yield lotus


@pytest.fixture(scope="module")
def undisturbed(lotus: Town) -> Mapping[str, Undisturbed]:
    REFUND_STORY.play(lotus, f"A{next(ORDERS)}")  # a cold start makes more calls than what comes after it
    return {story.name: observe(lotus, story) for story in STORIES}


def observe(lotus: Town, story: Story) -> Undisturbed:
    order_id = f"A{next(ORDERS)}"
    lotus.wait_for_the_morning()
    story.before(lotus, order_id)
    start = len(lotus.sandbox.invocations)
    story.play(lotus, order_id)
    return Undisturbed(ending(lotus, order_id), points_of(lotus.sandbox.invocations[start:]))


def test_the_stories_end_as_told(undisturbed: Mapping[str, Undisturbed]) -> None:
    refund, coupon, full = (undisturbed[story.name].ending for story in STORIES)
    assert refund.given == (("refund.partial", 2000),)
    assert coupon.coupons == ((800, "issued"),)
    assert full.coupons == ((800, "revoked"),)
    assert full.given == (("refund.agree", 10000),)
    assert [one.cases[-1] for one in (refund, coupon, full)] == [
        ("settled", "kept"),
        ("settled", "kept"),
        ("settled", "passed_on"),
    ]
    assert all(one.ids == 1 for one in (refund, coupon, full))


def test_every_function_of_the_flow_is_struck(undisturbed: Mapping[str, Undisturbed]) -> None:
    assert {point.function for one in undisturbed.values() for point in one.points} == set(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_kill_at_any_call_changes_nothing_in_the_end(
    lotus: Town, undisturbed: Mapping[str, Undisturbed], story: Story, function: str
) -> None:
    expected = undisturbed[story.name]
    for point in expected.points:
        if point.function != function:
            continue
        order_id = f"A{next(ORDERS)}"
        lotus.wait_for_the_morning()
        story.before(lotus, order_id)
        with struck_at(lotus.sandbox, point, kill) as struck:
            story.play(lotus, order_id)
        assert struck.by == function, point
        assert ending(lotus, order_id) == expected.ending, point
        assert lotus.books.double_payments() == []
        assert lotus.waiting() == {}


# ---------------------------------------------------------------- the marketplace's own faults

SETTLING_CALLS = (
    pytest.param(REFUND_STORY, "r1o1", id="refund"),
    pytest.param(COUPON_STORY, "r1o1", id="coupon"),
    pytest.param(FULL_STORY, "revoke-1", id="revocation before a full refund"),
    pytest.param(FULL_STORY, "r1o1", id="full refund after a revocation"),
)


FAILURES = tuple(fault for fault in Fault if fault is not Fault.REFUSE)
FAULTS = (*((fault, None) for fault in FAILURES), *((fault, Fault.TIMEOUT_BEFORE) for fault in FAILURES[2:4]))
"""How the call fails, and how the look-ups that follow do."""


@pytest.mark.parametrize(("fault", "look_ups"), FAULTS)
@pytest.mark.parametrize(("story", "step"), SETTLING_CALLS)
def test_a_settling_call_that_fails_is_made_good_once(
    lotus: Town, undisturbed: Mapping[str, Undisturbed], story: Story, step: str, fault: Fault, look_ups: Fault | None
) -> None:
    def fail() -> None:
        key = lotus.payout_key(order_id, step)
        lotus.twin.fail(fault, key=key, delay=2 * PATIENCE)
        if look_ups is not None:
            lotus.twin.fail(look_ups, key=key, method="GET", times=2, delay=2 * PATIENCE)

    order_id = f"A{next(ORDERS)}"
    story.before(lotus, order_id)
    story.play(lotus, order_id, after_choice=fail)
    payouts = lotus.payouts(lotus.order(order_id))
    [disturbed] = [one for one in payouts if one.key == lotus.payout_key(order_id, step)]
    assert "unknown" in [move.what for move in disturbed.history], "the fault did not happen"
    assert ending(lotus, order_id) == undisturbed[story.name].ending
    assert lotus.books.double_payments() == []


@pytest.mark.parametrize("fault", FAILURES)
def test_a_message_that_fails_reaches_the_buyer_once(
    lotus: Town, undisturbed: Mapping[str, Undisturbed], fault: Fault
) -> None:
    """The offer's message at first, and then the result's."""

    def fail_again() -> None:
        lotus.twin.fail(fault, key=result_key(lotus, order_id), delay=2 * PATIENCE)

    order_id = f"A{next(ORDERS)}"
    lotus.twin.fail(fault, delay=2 * PATIENCE)
    REFUND_STORY.play(lotus, order_id, after_choice=fail_again)
    assert [planned.left for planned in lotus.twin._planned[-2:]] == [0, 0], "the faults did not happen"
    assert ending(lotus, order_id) == undisturbed[REFUND_STORY.name].ending


def result_key(lotus: Town, order_id: str) -> str:
    return f"{lotus.case(order_id).negotiation_id}/0/settled/message.send"


@pytest.mark.parametrize("story", [REFUND_STORY, COUPON_STORY, FULL_STORY], ids=lambda story: story.name)
def test_a_refusal_pays_nothing_and_asks_a_person(lotus: Town, story: Story) -> None:
    order_id = f"A{next(ORDERS)}"
    story.before(lotus, order_id)
    given_before = ending(lotus, order_id).given if story is FULL_STORY else ()
    story.play(lotus, order_id, lambda: lotus.twin.fail(Fault.REFUSE, key=lotus.payout_key(order_id, "r1o1")))
    assert ending(lotus, order_id).given == given_before
    assert lotus.case(order_id).state is CaseState.NEEDS_HUMAN


def test_a_coupon_that_the_marketplace_does_not_take_back_stays_and_the_refund_is_paid(lotus: Town) -> None:
    order_id = f"A{next(ORDERS)}"
    FULL_STORY.before(lotus, order_id)
    FULL_STORY.play(lotus, order_id, lambda: lotus.twin.fail(Fault.REFUSE, key=lotus.payout_key(order_id, "revoke-1")))
    end = ending(lotus, order_id)
    assert (end.given, end.coupons) == ((("refund.agree", 10000),), ((800, "issued"),))


@pytest.mark.parametrize("fault", [Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AFTER])
def test_a_marketplace_that_is_silent_for_a_day_leaves_the_payout_to_a_person(lotus: Town, fault: Fault) -> None:
    order_id = f"A{next(ORDERS)}"

    def fall_silent() -> None:
        key = lotus.payout_key(order_id, "r1o1")
        lotus.twin.fail(fault, key=key, times=1_000)
        lotus.twin.fail(Fault.TIMEOUT_BEFORE, key=key, times=1_000, method="GET")

    REFUND_STORY.play(lotus, order_id, after_choice=fall_silent)
    lotus.wait(timedelta(hours=36))
    assert lotus.case(order_id).state is CaseState.NEEDS_HUMAN
    paid = 2000 if fault is Fault.TIMEOUT_AFTER else 0
    assert sum(amount for _, amount in ending(lotus, order_id).given) == paid
    assert lotus.waiting() == {}
