"""Whatever is told of orders and chats, in any order and any number of times, the same is counted in the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count, product
from typing import Any

import pytest
from builders import SHOP
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scores import (
    CountedShop,
    Fact,
    Killed,
    anomaly,
    answered,
    asked,
    at,
    cancelled,
    closed,
    decided,
    die,
    due,
    enrolled,
    entry,
    opened,
    paid,
    presented,
    rated,
    reviewed,
    round_closed,
    scan,
    shipped,
    step_closed,
    stepped_in,
    traced,
    violated,
    wrote,
)
from shipments import Interrupted

from aftercare.kernel.table import Query
from aftercare.scores import keys, store

ORDERS, CHATS = ("A1", "A2"), ("chat-1", "chat-2")
ZONE = "Asia/Shanghai"
THE_END = at(80)


def _facts() -> dict[str, Fact]:
    found: dict[str, Fact] = {}

    def add(name: str, one: Fact) -> None:
        found[f"{one.data.name} {name}"] = one

    for order_id, day in zip(ORDERS, (0, 5), strict=True):
        about: dict[str, Any] = {"order_id": order_id}
        add(order_id, paid(at(day), order_id, ship_by=at(day + 2), deliver_by=at(day + 5), door=True))
        for number in (1, 2):
            add(f"{number} {order_id}", shipped(at(day, "06:00:00"), order_id, f"P{number}"))
            add(
                f"{number} {order_id}",
                due(number, ship_by=at(day + 1 + number), deliver_by=at(day + 6), door=True, **about),
            )
            add(f"{number} {order_id}", asked(at(day + 4), ("damaged", "late")[number - 1], revision=number, **about))
            add(f"{number} {order_id}", presented(at(day + 4, "02:00:00"), number, **about))
            add(f"{number} {order_id}", closed(at(day + 5 + number), ("needs_human", "kept")[number - 1],
                                               sequence=number, **about))  # fmt: skip
            add(f"{number} {order_id}", stepped_in(at(day + 5), ("dispute", "contact")[number - 1], step=f"S{number}",
                                                   **about))  # fmt: skip
            add(f"{number} {order_id}", reviewed((5, 1)[number - 1], at(day + 9), revision=number, **about))
        add(f"again {order_id}", asked(at(day + 12), "quality", refund_id="R2", **about))
        add(f"gone {order_id}", reviewed(1, at(day + 9), revision=3, removed=True, **about))
        add(order_id, cancelled(at(day + 2), **about))
        add(f"refused {order_id}", decided(at(day + 5), "refused", **about))
        add(f"justified {order_id}", decided(at(day + 5), "refused", justified=True, revision=3, **about))
        add(f"withdrawn {order_id}", decided(at(day + 6), "withdrawn", by="buyer", revision=4, **about))
        add(f"R2 {order_id}", decided(at(day + 13), refund_id="R2", **about))
        add(order_id, step_closed(at(day + 5, "04:00:00"), **about))
        add(order_id, opened(at(day + 4), ("offer", "hold_out")[day > 0], **about))
        add(f"1 {order_id}", answered("Declined", at(day + 4, "05:00:00"), **about))
        add(f"2 {order_id}", answered("Accepted", at(day + 4, "09:00:00"), 2, **about))
        add(f"3 {order_id}", answered("Expired", at(day + 5), 3, **about))
        add(f"breach {order_id}", anomaly("Raised", "breach", at(day + 2), 3, **about))
        add(f"serious {order_id}", anomaly("Escalated", "serious", at(day + 8), 5, **about))
        add(f"moved {order_id}", anomaly("Cleared", "serious", at(day + 2), 6, outcome="moved", **about))
        add(f"withdrawn {order_id}", anomaly("Cleared", "breach", at(day + 2), 7, outcome="withdrawn", **about))
        add(f"of no number {order_id}", scan("in_transit", at(day + 1), **about))
        add(f"of its number {order_id}", scan("delivered", at(day + 4), number="P1", signed_by="locker", **about))
        add(f"of its number late {order_id}", scan("picked_up", at(day + 1), number="P1", told=at(day + 9), **about))
    for number in ("P1", "P2"):
        add(f"moved {number}", scan("picked_up", at(1, "12:00:00"), number=number))
        add(f"there {number}", scan("delivered", at(4, "02:00:00"), number=number, signed_by="household"))
        add(f"there, told late {number}", scan("delivered", at(3), number=number, told=at(20)))
        add(f"all {number}", traced(entry("picked_up", at(1)), entry("delivered", at(6)), told=at(8), number=number))
        add(f"part {number}", traced(entry("on_hold", at(2)), told=at(3), number=number, complete=False))
    for session, day in zip(CHATS, (2, 6), strict=True):
        for sender, clock in (("buyer", "01:00:00"), ("bot", "01:00:00"), ("assisted", "01:02:00"),
                              ("buyer", "02:00:00"), ("human", "02:09:00")):  # fmt: skip
            add(f"{sender} {clock} {session}", wrote(sender, at(day, clock), session=session))
        add(f"open {session}", round_closed(at(day, "03:00:00"), session=session))
        add(f"by a bot {session}", round_closed(at(day, "03:00:00"), at(day, "03:00:01"), "bot", session=session))
        add(f"answered {session}", round_closed(at(day, "03:00:00"), at(day, "03:03:00"), "human", session=session))
        add(f"first {session}", rated(at(day, "04:00:00"), True, session=session))
        add(f"then {session}", rated(at(day + 1), True, resolved=False, session=session))
    add("joined", enrolled("insurance", at(1)))
    add("left", enrolled("insurance", at(3), active=False))
    add("fraud", violated(at(4)))
    return found


FACTS: Mapping[str, Fact] = _facts()
NAMES = sorted(FACTS)


def arrival(name: str) -> datetime:
    return FACTS[name].metadata.received_at or FACTS[name].metadata.occurred_at


@st.composite
def histories(draw: st.DrawFn) -> list[str]:
    """Names of things that are told, in the order in which they arrive."""
    names = draw(st.sets(st.sampled_from(NAMES), min_size=3, max_size=16))
    return sorted(names, key=lambda name: (arrival(name), name))


@st.composite
def shuffled(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """A history, and the same with some of it repeated and all of it in another order."""
    names = draw(histories())
    repeated = draw(st.lists(st.sampled_from(names), max_size=4))
    return names, draw(st.permutations([*names, *repeated]))


def on_record(shop: CountedShop) -> dict[str, object]:
    return {
        **{order_id: shop.order(order_id) for order_id in ORDERS},
        **{session: shop.session(session) for session in CHATS},
        "shop": _shop(shop),
    }


def _shop(shop: CountedShop) -> object:
    # scans that wait for an order enter no shop
    known = shop.table.get(keys.shop_key(SHOP)) is not None
    return (shop.state().services, shop.state().violations) if known else ({}, ())


def rows(shop: CountedShop) -> dict[str, object]:
    found = {f"{day}": shop.rows(at(day).date()) for day in range(-2, 30)}
    return {day: held for day, held in found.items() if held}


def ending(shop: CountedShop) -> tuple[object, ...]:
    shop.run_until(THE_END)
    assert shop.late() == []
    return (on_record(shop), rows(shop), *shop.finals())


def told_in_time(names: list[str]) -> CountedShop:
    shop = CountedShop(at(-1), zone=ZONE)
    for name in names:
        shop.run_until(arrival(name))
        shop.hear(FACTS[name])
    return shop


explored = settings(max_examples=15, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@settings(explored, max_examples=60)
@given(shuffled())
def test_told_in_any_order_the_same_is_on_record_and_adds_the_same_to_the_same_days(
    drawn: tuple[list[str], list[str]],
) -> None:
    names, others = drawn
    one, other = CountedShop(at(30), zone=ZONE), CountedShop(at(30), zone=ZONE)
    one.hear(*(FACTS[name] for name in names))
    other.hear(*(FACTS[name] for name in others))
    assert on_record(one) == on_record(other)
    assert rows(one) == rows(other)


@explored
@given(shuffled(), st.integers(0, 40))
def test_told_in_any_order_while_weeks_are_published_the_last_revisions_are_the_same(
    drawn: tuple[list[str], list[str]], gap: int
) -> None:
    names, others = drawn
    shop = CountedShop(at(-1), zone=ZONE)
    for name in others:
        shop.run_until(shop.clock.time + timedelta(hours=gap))
        shop.hear(FACTS[name])
    assert ending(shop) == ending(told_in_time(names))


@explored
@given(histories(), st.sets(st.integers(0, 15)))
def test_a_rollup_that_sleeps_for_days_ends_the_same(names: list[str], asleep: set[int]) -> None:
    shop = CountedShop(at(-1), zone=ZONE)
    for number, name in enumerate(names):
        if number in asleep:
            shop.sleep_until(arrival(name))
        else:
            shop.run_until(arrival(name))
        shop.hear(FACTS[name])
    assert ending(shop) == ending(told_in_time(names))


def test_all_of_it_together_reaches_every_metric() -> None:
    shop = told_in_time(sorted((name for name in NAMES if "gone" not in name), key=arrival))
    _, _, days, _ = ending(shop)
    counted = {metric for counts in days.values() for metric in counts}  # type: ignore[attr-defined]
    assert len({type(one.data) for one in FACTS.values()}) == 26
    logistics = {"on_time_delivery", "arrival_hours", "negative_feedback", "damage_returns", "door_delivery"}
    service = {"reply_3min", "reply_seconds", "chat_satisfaction", "refund_hours", "refund_refusals", "platform_help"}
    rest = {"justified_refusals", "net_keep_rate.offer", "net_keep_rate.hold_out"}
    assert counted >= logistics | service | rest


# ---------------------------------------------------------------- killed, and at the same time

AT_ONCE = (
    "OrderPaid A1",
    "OrderShipped 1 A1",
    "OrderShipped 1 A2",
    "ParcelScanned there P1",
    "ParcelTraced all P1",
    "ParcelScanned of its number A2",
    "ChatMessagePosted buyer 02:00:00 chat-1",
    "ChatRoundClosed answered chat-1",
    "ServiceEnrolled left",
)


@pytest.mark.parametrize("before", [("ParcelScanned moved P1",), ("ParcelScanned moved P1", "OrderShipped 1 A1")])
@pytest.mark.parametrize("how", ["in the midst of it", "before it comes again"])
def test_two_deliveries_at_the_same_time_end_as_one_after_the_other(how: str, before: Sequence[str]) -> None:
    """The first is interrupted, or killed and repeated, at every call to the table; the second comes in between."""
    for first, second in product(AT_ONCE, AT_ONCE):
        plain = CountedShop(at(30))
        plain.hear(*(FACTS[name] for name in (*before, first, second)))
        for moment in count():
            shop = CountedShop(at(30))
            shop.hear(*(FACTS[name] for name in before))
            happening: Callable[[], object] = die
            if how == "in the midst of it":
                happening = lambda shop=shop, second=second: shop.hear(FACTS[second])  # noqa: E731
            table = Interrupted(shop.table, {moment: happening})
            try:
                shop.ledger(table).take_in(FACTS[first])  # type: ignore[arg-type]
                reached = table.moment >= moment
            except Killed:
                shop.hear(FACTS[second], FACTS[first])
                reached = True
            if not reached:
                break
            shop.write_rows()
            assert (on_record(shop), rows(shop)) == (on_record(plain), rows(plain)), (first, second, moment)


def test_a_ledger_a_writer_and_a_rollup_killed_at_every_call_of_a_history_end_the_same() -> None:
    """Each function dies once at every call that it makes; what it was called for comes again."""
    names = [name for name in sorted(NAMES, key=lambda each: (arrival(each), each)) if "A1" in name or "chat-1" in name]
    dying = CountedShop(at(-1), zone=ZONE)
    for name in names:
        _to_death(dying, lambda table: dying.ledger(table).take_in(FACTS[name]))  # noqa: B023
        _to_death(dying, dying.write_rows)
        dying.sleep_until(arrival(name))
        while dying.armed_for() <= dying.clock.time:
            _to_death(dying, dying.wake)
    in_time = CountedShop(at(-1), zone=ZONE)
    in_time.hear(FACTS[names[0]])
    for name in names:
        in_time.run_until(arrival(name))
        in_time.hear(FACTS[name])
    assert ending(dying) == ending(in_time)
    page = dying.table.query(Query(keys.shop_key(SHOP).partition, lowest="WEEK#", highest="WEEK#~"))
    assert len(page.keys) >= 5
    assert dying.table.query(store.late_days(SHOP)).keys == ()


def _to_death(shop: CountedShop, call: Callable[[Any], object]) -> None:
    for moment in count():
        try:
            call(Interrupted(shop.table, {moment: die}))
        except Killed:
            continue
        return
