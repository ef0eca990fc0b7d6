"""What a service tag promised to an order decides which plan answers: a damage guarantee is kept by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from builders import START, World, hours, order_paid, order_promised, plan, policy, refund_requested
from hypothesis import given
from hypothesis import strategies as st

from aftercare.events.vocabulary import OptionKind
from aftercare.kernel.envelope import Event, EventData
from aftercare.kernel.times import to_text
from aftercare.negotiation.model import casefile
from aftercare.negotiation.model.cases import CaseState
from aftercare.negotiation.service import rules_of

A_MOMENT = timedelta(seconds=2)
WAITING = timedelta(minutes=5)


def guaranteed(**situation: Any) -> dict[str, Any]:
    """The plan of a shop that refunds all of what broke on the way, where its tag had promised that."""
    asked = {"triggers": ["refund_requested"], "promised_tags": ["damage_guarantee"], **situation}
    return plan("guarantee", options=[{"kind": "full_refund"}], situation=asked, priority=500)


@pytest.fixture
def world() -> World:
    """A shop that keeps its guarantee, and offers a share to everybody else."""
    world = World()
    world.save(policy(guaranteed(), plan("share")))
    return world


def offered(world: World) -> OptionKind:
    shown = world.case().round
    assert shown is not None
    return shown.options[0].kind


def test_an_order_that_a_tag_promised_to_gets_what_was_promised(world: World) -> None:
    world.hear(order_paid(), order_promised())
    world.pass_time(hours(30))
    world.hear(refund_requested(requested_at=to_text(world.clock.now())))
    assert offered(world) is OptionKind.FULL_REFUND


def test_an_order_without_the_promise_gets_the_next_plan(world: World) -> None:
    world.hear(order_paid(), order_promised("ships_24h"))
    world.pass_time(WAITING)
    world.hear(refund_requested())
    assert offered(world) is OptionKind.PARTIAL_REFUND
    chosen = next(step for step in world.case().history if "verdicts" in step.facts or "plans" in step.facts)
    assert "no_match:promised_tags" in str(chosen.facts)


def test_a_promise_of_another_source_counts_like_a_tags(world: World) -> None:
    world.hear(order_paid(), order_promised(source="listing"))
    world.pass_time(WAITING)
    world.hear(refund_requested())
    assert offered(world) is OptionKind.FULL_REFUND


def test_a_promise_that_names_no_tag_changes_nothing(world: World) -> None:
    world.hear(order_paid())
    before = world.order()
    world.hear(order_promised(tag=None, terms=None, ship_by=to_text(START + hours(24))))
    assert world.order() == before


DELIVERIES = (order_paid, order_promised, refund_requested)


@given(order=st.permutations(DELIVERIES))
def test_who_asks_at_once_gets_what_was_promised_in_whatever_order_it_is_heard(order: Any) -> None:
    world = World()
    world.save(policy(guaranteed(), plan("share")))
    for delivery in order:
        world.hear(delivery())
        world.pass_time(A_MOMENT)
    world.pass_time(WAITING)
    assert offered(world) is OptionKind.FULL_REFUND


def test_a_case_waits_for_promises_up_to_five_minutes_after_the_payment_was_heard_of(world: World) -> None:
    world.hear(order_paid(), refund_requested())
    world.pass_time(WAITING - timedelta(seconds=1))
    assert world.case().state is CaseState.AWAITING_ORDER
    world.pass_time(timedelta(seconds=1))
    assert offered(world) is OptionKind.PARTIAL_REFUND


def test_no_promise_is_waited_for_so_long_that_the_offer_itself_would_come_too_late(world: World) -> None:
    # an offer ends an hour before the marketplace's deadline, and is not made with less than half an hour left
    soon = to_text(START + timedelta(minutes=92))
    world.hear(order_paid(), refund_requested(respond_by=soon))
    world.pass_time(WAITING)
    assert offered(world) is OptionKind.PARTIAL_REFUND


def test_nobody_waits_for_a_plan_of_another_trigger() -> None:
    world = World()
    world.save(policy(guaranteed(triggers=["parcel_anomaly"]), plan("share")))
    world.hear(order_paid(), refund_requested())
    assert world.case().state is CaseState.OFFERED


def test_where_no_plan_turns_on_a_promise_nobody_waits() -> None:
    world = World()
    world.hear(order_paid(), refund_requested())
    assert world.case().state is CaseState.OFFERED


def test_a_promise_heard_after_the_offer_changes_it_no_more(world: World) -> None:
    world.hear(order_paid(), refund_requested())
    world.pass_time(WAITING)
    world.hear(order_promised())
    assert offered(world) is OptionKind.PARTIAL_REFUND
    assert "damage_guarantee" in world.order().promised


def promises(*made: str) -> list[Event[EventData]]:
    return [order_promised(made_at=at, terms=f"rules of {at}") for at in made]


@given(st.permutations(["2026-11-01T08:00:00Z", "2026-11-01T09:00:00Z", "2026-11-01T10:00:00Z"]))
def test_of_several_promises_of_one_tag_the_earliest_is_kept(made: list[str]) -> None:
    world = World()
    world.hear(*promises(*made), *promises(*made))
    assert world.order().promised["damage_guarantee"].terms == "rules of 2026-11-01T08:00:00Z"


def test_the_case_file_says_what_was_promised_and_by_which_rules(world: World) -> None:
    world.hear(order_paid(), order_promised())
    world.pass_time(WAITING)
    world.hear(refund_requested())
    order = world.order()
    shown = casefile.whole(order, world.case(), (), rules_of(order, world.clock.now()))
    assert shown["promised"] == {
        "damage_guarantee": {"made_at": to_text(START - hours(1)), "terms": "damage_guarantee/tags-standard-1"}
    }
