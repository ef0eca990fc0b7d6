"""One order's events in any order and any number of times lead to the same end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from builders import (
    START,
    World,
    cny,
    event,
    hours,
    order_paid,
    order_promised,
    plan,
    policy,
    refund_decided,
    refund_requested,
    refund_updated,
    step_closed,
    stepped_in,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from aftercare.kernel.envelope import Event, EventData
from aftercare.kernel.errors import DomainError
from aftercare.kernel.times import to_text
from aftercare.negotiation.model import history
from aftercare.negotiation.model.cases import ENDED, Case, CaseState
from aftercare.negotiation.model.orders import Order

Fact = Callable[[], Event[EventData]]
"""Every call is another delivery of the same fact, under an id of its own."""


def contact() -> Event[EventData]:
    data = {"session_id": "S1", "order_id": "A1", "buyer": "b_1", "topic": "after_sale", "contacted_at": to_text(START)}
    return event("SupportContacted", data)


def anomaly() -> Event[EventData]:
    data = {
        "anomaly_id": "N1",
        "order_id": "A1",
        "kind": "late_pickup",
        "stage": "breach",
        "since": to_text(START),
        "crossed_at": to_text(START),
        "rule": "standard-1",
        "notify": True,
    }
    return event("ShipmentAnomalyRaised", data)


def cancelled() -> Event[EventData]:
    return event("OrderCancelled", {"order_id": "A1", "at": to_text(START)})


BEFORE = START - timedelta(hours=1)
FACTS: Mapping[str, Fact] = {
    "paid": order_paid,
    "promised": order_promised,
    "promised again": lambda: order_promised(made_at=to_text(START - hours(3)), terms="damage_guarantee/older"),
    "requested": refund_requested,
    "given more time": lambda: refund_updated(revision=2, respond_by=to_text(START + hours(60))),
    "stepped in": lambda: stepped_in(BEFORE),
    "stepped out": lambda: step_closed(START - timedelta(minutes=30)),
    "refunded elsewhere": lambda: refund_decided("refunded", "R7", amount=cny(1000), revision=3),
}
ENDINGS: Mapping[str, Fact] = {
    "changed": lambda: refund_updated(revision=3, amount=cny(5000)),
    "asked for less": lambda: refund_requested(revision=4, amount=cny(3000)),
    "withdrawn": lambda: refund_decided("withdrawn", by="buyer"),
    "refused": lambda: refund_decided("refused", revision=8),
    "cancelled": cancelled,
}
"""After any of these no offer stands; which of them a case is closed for depends on which comes first."""
OTHER_TRIGGERS: Mapping[str, Fact] = {"contact": contact, "anomaly": anomaly}

SITUATIONS = ({"triggers": ["support_contacted"]}, {"triggers": ["parcel_anomaly"]})


def new_world() -> World:
    """A shop with a plan for every trigger, within a budget."""
    world = World()
    limits = {"budgets": ["daily"]}
    coupon = [{"kind": "coupon", "face_value": cny(2000), "valid_days": 30}]
    others = [
        plan(f"other-{number}", options=coupon, situation=one, limits=limits) for number, one in enumerate(SITUATIONS)
    ]
    world.save(policy(plan(limits=limits), *others, budgets={"daily": {"per_day": cny(50_000)}}))
    return world


def only_refunds() -> World:
    """A shop that makes offers on refund requests alone: contacts and anomalies are no cases."""
    world = World()
    world.save(policy(plan(limits={"budgets": ["daily"]}), budgets={"daily": {"per_day": cny(50_000)}}))
    return world


@st.composite
def deliveries(draw: st.DrawFn, *families: Mapping[str, Fact]) -> tuple[frozenset[str], list[Fact]]:
    """Some of the facts, and a list in which each of them stands at least once, shuffled."""
    facts = {name: fact for family in families for name, fact in family.items()}
    chosen = draw(st.sets(st.sampled_from(sorted(facts)), min_size=1))
    repeated = draw(st.lists(st.sampled_from(sorted(chosen)), max_size=6))
    order = draw(st.permutations([*sorted(chosen), *repeated]))
    return frozenset(chosen), [facts[name] for name in order]


# ---------------------------------------------------------------- what must be equal


@dataclass(frozen=True)
class Known:
    """What an order knows: equal after the same facts in whatever order, and however much time passed between them."""

    purchase: Any
    promised: Any
    cancelled: bool
    requests: Any
    interventions: Any
    refunded_elsewhere: Any
    remaining: Any
    triggers: frozenset[str]

    @classmethod
    def of(cls, order: Order) -> Known:
        return cls(
            order.purchase,
            dict(order.promised),
            order.cancelled_at is not None,
            dict(order.requests),
            dict(order.interventions),
            dict(order.refunded_elsewhere),
            order.remaining,
            frozenset(order.triggers),
        )


@dataclass(frozen=True)
class Stands:
    """How its cases stand: equal when one trigger alone can open a case and no time passes.

    What was offered in between is not in it (an offer may have stood before the fact that ends it came), nor the sum
    of an offer (it follows what was left to refund when it was made). ``outcomes`` and ``arms`` are left empty where
    more than one fact, or any fact, ends the case.
    """

    states: tuple[CaseState, ...]
    outcomes: tuple[str | None, ...]
    arms: tuple[str, ...]
    compensation: Any
    opened: int
    closed: int
    budget_cases: int


def stands(world: World, endings: int) -> Stands:
    order = world.order()
    return Stands(
        states=tuple(case.state for case in order.cases),
        outcomes=tuple(case.outcome for case in order.cases) if endings < 2 else (),
        arms=tuple(case.arm.value for case in order.cases) if not endings else (),
        compensation=order.compensation_given,
        opened=world.names().count("NegotiationOpened"),
        closed=world.names().count("NegotiationClosed"),
        budget_cases=sum(hold.cases for case in order.cases for hold in case.holds),
    )


def assert_sound(world: World) -> None:
    order = world.order()
    assert sum(not case.ended for case in order.cases) <= 1
    assert order.remaining is None or order.remaining.minor >= 0
    for case in order.cases:
        history.verify(case.history)
    given = world.marketplace.paid_out()
    assert given <= 10000
    opened = [one.data.negotiation_id for one in world.said if one.data.name == "NegotiationOpened"]  # type: ignore[attr-defined]
    assert len(set(opened)) == len(opened)


def heard(world: World, events: Sequence[Fact]) -> World:
    for fact in events:
        world.hear(fact())
        world.run()
        assert_sound(world)
    return world


# ---------------------------------------------------------------- one trigger


@settings(max_examples=200, derandomize=True)
@given(deliveries(FACTS, ENDINGS, OTHER_TRIGGERS))
def test_the_facts_of_an_order_lead_to_one_end_in_whatever_order_they_come(
    drawn: tuple[frozenset[str], list[Fact]],
) -> None:
    names, events = drawn
    every = {**FACTS, **ENDINGS, **OTHER_TRIGGERS}
    straight = heard(only_refunds(), [every[name] for name in every if name in names])
    shuffled = heard(only_refunds(), events)
    endings = len(names & ENDINGS.keys())
    assert Known.of(shuffled.order()) == Known.of(straight.order())
    if "stepped in" in names and "stepped out" not in names:
        # while the platform is in, an offer waits in one and has not been made in the other: the end is when it is out
        for world in (straight, shuffled):
            heard(world, [FACTS["stepped out"]])
    assert stands(shuffled, endings) == stands(straight, endings)


@settings(max_examples=100, derandomize=True)
@given(deliveries(FACTS, ENDINGS))
def test_the_very_same_delivery_repeated_says_nothing_new(drawn: tuple[frozenset[str], list[Fact]]) -> None:
    _, facts = drawn
    events = [fact() for fact in facts]
    world = only_refunds()
    world.hear(*events)
    said, order = world.names(), world.order()
    world.hear(*reversed(events))
    assert (world.names(), world.order()) == (said, order)


# ---------------------------------------------------------------- more than one trigger


@settings(max_examples=200, derandomize=True)
@given(deliveries(FACTS, OTHER_TRIGGERS), st.booleans())
def test_triggers_in_any_order_make_one_case_with_one_arm(
    drawn: tuple[frozenset[str], list[Fact]], accepts: bool
) -> None:
    """Which of them opens the case, and so which plan answers it, is that of the first to come."""
    names, events = drawn
    world = heard(new_world(), events)
    order = world.order()
    triggers = names & {"requested", *OTHER_TRIGGERS}
    assert len(order.cases) == (1 if triggers else 0)
    for case in order.cases:
        assert (case.refund_id is not None, case.session_id is not None, case.anomaly_id is not None) == (
            "requested" in names,
            "contact" in names,
            "anomaly" in names,
        )
        if accepts and case.state is CaseState.OFFERED:
            world.negotiation.accept(world.link(), "r1o1")
            world.run()
            assert world.case().state is CaseState.SETTLED
    given_back = world.order().compensation_given
    assert given_back is None or given_back.minor <= 3000
    straight = heard(new_world(), [{**FACTS, **OTHER_TRIGGERS}[name] for name in sorted(names)])
    if not accepts:
        assert Known.of(world.order()) == Known.of(straight.order())


REQUESTS = ("R1", "R2", "R3")


@settings(max_examples=150, derandomize=True)
@given(
    st.permutations([(name, what) for name in REQUESTS for what in ("asked", "decided")]),
    st.sets(st.sampled_from(REQUESTS)),
)
def test_no_request_of_an_order_is_swallowed_by_another(order: list[tuple[str, str]], decided: set[str]) -> None:
    """As long as one of them is undecided there is an open case, and each that is not in it had one or will have it."""
    world = only_refunds()
    world.hear(order_paid())
    asked: set[str] = set()
    over: set[str] = set()
    for refund_id, what in order:
        if what == "asked":
            world.hear(refund_requested(refund_id, amount=cny(3000)))
            asked.add(refund_id)
        elif refund_id in decided:
            world.hear(refund_decided("refused", refund_id))
            over.add(refund_id)
        assert_sound(world)
        open_case = world.order().open_case
        assert (open_case is not None) is bool(asked - over)
        assert open_case is None or open_case.refund_id in asked - over


# ---------------------------------------------------------------- time goes on in between


@settings(max_examples=150, derandomize=True)
@given(
    deliveries(FACTS, ENDINGS, OTHER_TRIGGERS),
    st.lists(st.integers(0, 40), min_size=20, max_size=20),
    st.lists(st.booleans(), min_size=20, max_size=20),
)
def test_late_news_never_leave_two_cases_or_too_much_paid(
    drawn: tuple[frozenset[str], list[Fact]], gaps: list[int], accepting: list[bool]
) -> None:
    names, events = drawn
    world = new_world()
    for fact, gap, accepts in zip(events, gaps, accepting, strict=False):
        world.pass_time(hours(gap))
        heard(world, [fact])
        if accepts and world.order().cases and world.case().round is not None:
            with suppress(DomainError):
                world.negotiation.accept(world.link(), "r1o1")
            world.run()
            assert_sound(world)
    world.pass_time(timedelta(days=10))
    assert_sound(world)
    every = {**FACTS, **ENDINGS, **OTHER_TRIGGERS}
    known = Known.of(heard(new_world(), [every[name] for name in every if name in names]).order())
    order = world.order()
    assert (order.requests, order.interventions, order.refunded_elsewhere) == (
        known.requests,
        known.interventions,
        known.refunded_elsewhere,
    )
    if not order.under_intervention:
        assert all(_is_at_its_end(case) for case in order.cases)


def _is_at_its_end(case: Case) -> bool:
    return case.state in {*ENDED, CaseState.NEEDS_HUMAN}
