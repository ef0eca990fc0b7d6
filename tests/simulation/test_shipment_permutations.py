"""Whatever is told of a shop's parcels, in any order and any number of times, the same things are wrong in the end."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from itertools import count, product
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shipments import (
    DAY0,
    P1,
    P2,
    Fact,
    Final,
    WatchedShop,
    alarm,
    asked,
    decided,
    ended,
    entry,
    hour,
    paid,
    promised,
    scan,
    shipped,
    traced,
)

from aftercare.events.shipments import ShipmentAnomalyCleared
from aftercare.shipments.codec import from_json, to_json
from aftercare.shipments.model.shipment import Parcel, ParcelId, Shipment
from aftercare.shipments.model.trace import watched_parcels

P3 = ParcelId("yto", "P3")
ORDERS = ("A1", "A2", "A3")
PARCELS = (P1, P2, P3)
THE_END = DAY0 + timedelta(days=150)

STATUSES = (
    *("label_created", "picked_up", "in_transit", "in_transit", "in_transit", "out_for_delivery", "delivery_failed"),
    *("ready_for_pickup", "delivered", "delivered", "on_hold", "unknown", "return_started", "returned", "lost"),
    "cancelled",
)
REASONS = (None, None, None, "carrier_lost", "carrier_damaged", "consignee_refused")
HUBS = (None, {"code": "H1"}, {"code": "H2"})
TAKERS = (None, "recipient", "locker")
HOURS = range(-12, 241, 6)
"""Few enough that ties, and meetings at a limit, happen."""

PAYMENTS = {
    "paid A1": paid("A1", ship_by=48, deliver_by=96, destination_key="home"),
    "paid A2": paid("A2", lane=("浙江省", "浙江省"), deliver_by=192, destination_key="home", presale=True),
    "paid A3": paid("A3", 6, ship_by=72, lane=("浙江省", None), door=True, destination_key="office"),
}
UPLOADS = {
    f"{parcel.number} for {order_id}@{at}": shipped(at, order_id, parcel)
    for order_id, parcel, at in (
        *(("A1", P1, 6), ("A1", P2, 12), ("A1", P1, 30), ("A2", P1, 6), ("A2", P2, 36)),
        *(("A3", P1, 24), ("A3", P2, -6), ("A3", P3, 6)),
    )
}
REST = {
    "title of A1@12": promised("title", 0, "A1", ship_by=12, deliver_by=72),
    "listing of A1@36": promised("listing", 0, "A1", ship_by=36),
    "listing of A1@24": promised("listing", 0, "A1", ship_by=24, door_delivery=True),
    "agreed for A1@120": promised("agreement", 6, "A1", ship_by=120, deliver_by=216),
    "agreed for A1@96": promised("agreement", 12, "A1", ship_by=96),
    "tag of A2@48": promised("tag", 0, "A2", tag="T", ship_by=48),
    "R1 not received@100": asked(100),
    "R1 changed@110": asked(110, "quality", revision=2),
    "R2 not received@100": asked(100, refund_id="R2"),
    "R1 half back@130": decided(130, minor=50_000),
    "R2 half back@150": decided(150, minor=50_000, refund_id="R2"),
    "R3 of A3 not received@180": asked(180, refund_id="R3", order_id="A3"),
    "R3 of A3 refused@200": decided(200, "refused", refund_id="R3", order_id="A3"),
    "R4 of A2 all back@90": decided(90, refund_id="R4", order_id="A2"),
    "A1 cancelled@54": ended("OrderCancelled", 54, "A1"),
    "A1 completed@210": ended("OrderCompleted", 210, "A1"),
    "A3 completed@150": ended("OrderCompleted", 150, "A3"),
    "A1 sold out@30": ended("OutOfStockDeclared", 30, "A1"),
    "A3 sold out@100": ended("OutOfStockDeclared", 100, "A3"),
    "alarm for P1": alarm(60),
    "alarm for P1 of A1": alarm(70, order_id="A1"),
    "no alarm for P1": alarm(80, lifted=True),
    "alarm for A2": alarm(60, parcel=None, order_id="A2"),
}


def _entries(rng: random.Random, number: int) -> list[dict[str, object]]:
    return [
        {
            "status": rng.choice(STATUSES),
            "at": rng.choice(HOURS),
            "reason": rng.choice(REASONS),
            "hub": rng.choice(HUBS),
            "signed_by": rng.choice(TAKERS),
            "text": rng.choice(("", "派件")),
        }
        for _ in range(number)
    ]


def _scans(rng: random.Random) -> Mapping[str, Fact]:
    """Some name their parcel, some their order, some both; some arrive late."""
    found = {}
    for one in _entries(rng, 90):
        parcel, order_id = rng.choice((*((each, None) for each in PARCELS * 3),
                                       *((rng.choice(PARCELS), each) for each in ORDERS),
                                       *((None, each) for each in ORDERS)))  # fmt: skip
        told = int(str(one["at"])) + rng.choice((0, 0, 6, 48))
        name = f"{one['status']} {parcel.number if parcel else '-'} of {order_id or '-'}@{one['at']}, told @{told}"
        found[name] = scan(**one, parcel=parcel, order_id=order_id, told=told)  # type: ignore[arg-type]
    return found


def _traces(rng: random.Random) -> Mapping[str, Fact]:
    found = {}
    for number in range(16):
        entries = _entries(rng, rng.randint(0, 5))
        told = max((int(str(one["at"])) for one in entries), default=60) + rng.choice((0, 12, 48))
        complete, parcel, order_id = rng.random() < 0.7, rng.choice((P1, P1, P2, P3)), rng.choice((None, None, *ORDERS))
        name = f"trace {number} of {parcel.number} of {order_id or '-'}{', complete' if complete else ''}, told @{told}"
        found[name] = traced(
            *(entry(**one) for one in entries),  # type: ignore[arg-type]
            told=told, complete=complete, parcel=parcel, order_id=order_id,
        )  # fmt: skip
    return found


SCANS, TRACES = _scans(random.Random(1)), _traces(random.Random(2))
FACTS: Mapping[str, Fact] = {**PAYMENTS, **UPLOADS, **REST, **SCANS, **TRACES}


def arrival(name: str) -> datetime:
    metadata = FACTS[name].metadata
    return metadata.received_at or metadata.occurred_at


@st.composite
def histories(draw: st.DrawFn) -> list[str]:
    """Names of things that are told of one to three orders, in the order in which they arrive."""
    names = {
        *draw(st.sets(st.sampled_from(sorted(PAYMENTS)), min_size=1)),
        *draw(st.sets(st.sampled_from(sorted(UPLOADS)), max_size=4)),
        *draw(st.sets(st.sampled_from(sorted(SCANS)), min_size=1, max_size=9)),
        *draw(st.sets(st.sampled_from(sorted(TRACES)), max_size=2)),
        *draw(st.sets(st.sampled_from(sorted(REST)), max_size=4)),
    }
    return sorted(names, key=lambda name: (arrival(name), name))


@st.composite
def shuffled(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """A history, and the same with some of it repeated and all of it in another order."""
    names = draw(histories())
    repeated = draw(st.lists(st.sampled_from(names), max_size=4))
    return names, draw(st.permutations([*names, *repeated]))


class Ending(NamedTuple):
    """All that must be the same however it was told."""

    wrong: set[Final]
    known: dict[str, Shipment]


def ending(shop: WatchedShop) -> Ending:
    shop.run_until(THE_END)
    assert all(shop.armed_for(order_id) is None for order_id in ORDERS), "something more would happen by itself"
    return Ending(shop.finals(ORDERS), {order_id: shop.facts(order_id) for order_id in ORDERS})


def told_in_time(names: Iterable[str]) -> WatchedShop:
    shop = WatchedShop(start=hour(-24))
    for name in names:
        shop.run_until(arrival(name))
        shop.hear(FACTS[name])
    return shop


explored = settings(max_examples=50, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
SHUFFLED, HISTORIES = shuffled(), histories()


@explored
@given(SHUFFLED)
def test_told_in_any_order_after_all_of_it_the_same_things_are_wrong(drawn: tuple[list[str], list[str]]) -> None:
    names, others = drawn
    shop = WatchedShop(start=hour(300))
    shop.hear(*(FACTS[name] for name in others))
    assert ending(shop) == ending(told_in_time(names))


@explored
@given(SHUFFLED, st.integers(0, 30))
def test_told_in_any_order_while_time_goes_on_the_same_things_are_wrong(
    drawn: tuple[list[str], list[str]], gap: int
) -> None:
    """Even what has not happened yet: the clocks of carriers do not agree with ours."""
    names, others = drawn
    shop = WatchedShop(start=hour(-24))
    for name in others:
        shop.run_until(shop.clock.time + timedelta(hours=gap))
        shop.hear(FACTS[name])
    assert ending(shop) == ending(told_in_time(names))


@explored
@given(HISTORIES, st.sets(st.integers(0, 20)))
def test_timers_that_come_late_or_all_at_once_end_the_same(names: list[str], asleep: set[int]) -> None:
    shop = WatchedShop(start=hour(-24))
    for number, name in enumerate(names):
        if number in asleep:
            shop.sleep_until(arrival(name))
        else:
            shop.run_until(arrival(name))
        shop.hear(FACTS[name])
    shop.sleep_until(THE_END)
    assert ending(shop) == ending(told_in_time(names))


@explored
@given(SHUFFLED)
def test_what_is_said_holds_together(drawn: tuple[list[str], list[str]]) -> None:
    names, others = drawn
    shop = told_in_time(names)
    end = ending(shop)
    cleared = [one for one in shop.anomalies() if isinstance(one, ShipmentAnomalyCleared)]
    assert all(one.cleared_at >= one.crossed_at for one in cleared)
    assert [final for final in end.wrong if final.cleared_at is None and _is_over(end.known, final)] == []
    for order_id in ORDERS:
        assert from_json(to_json(shop.order(order_id))) == shop.order(order_id)
    said = len(shop.said)
    shop.hear(*(FACTS[name] for name in others))
    assert len(shop.said) == said, "repeats have nothing new to say"


def _is_over(known: Mapping[str, Shipment], final: Final) -> bool:
    """A stall is over when its parcel is delivered, lateness when the first of the order's parcels is."""
    parcels = {
        f"{each.carrier}/{each.number}": parcel for each, parcel in watched_parcels(known[final.order_id]).items()
    }
    if final.kind == "stalled":
        return _is_delivered(parcels[final.parcel or "/"])
    return final.kind in {"late_pickup", "late_delivery"} and any(map(_is_delivered, parcels.values()))


def _is_delivered(parcel: Parcel) -> bool:
    return any(scan.status == "delivered" for scan in parcel.scans)


# ---------------------------------------------------------------- at the same time

BEFORE = (paid("A1", ship_by=48, deliver_by=96, destination_key="home"), scan("picked_up", 3))
AT_ONCE: Mapping[str, Fact] = {
    "upload for A1": shipped(2, "A1"),
    "upload for A2": shipped(4, "A2"),
    "payment of A2": paid("A2", destination_key="office"),
    "scan": scan("in_transit", 5),
    "scan of A1": scan("out_for_delivery", 6, order_id="A1"),
    "scan of A2": scan("on_hold", 7, order_id="A2"),
    "trace": traced(entry("picked_up", 3), entry("lost", 4), told=9),
    "alarm": alarm(8),
}
PAIRS = list(product(AT_ONCE, AT_ONCE))


class Killed(BaseException):
    """The function ends here."""


def die() -> None:
    raise Killed


def with_both(first: str, second: str, moment: int | None, how: str) -> tuple[Ending, bool]:
    """The end after two deliveries, and whether there was such a moment in the first."""
    shop = WatchedShop(start=hour(300))
    shop.hear(*BEFORE)
    one, other = AT_ONCE[first], AT_ONCE[second]
    if moment is None:
        shop.hear(one, other)
        reached = True
    elif how == "in the midst of it":
        reached = shop.hear_interrupted(one, {moment: lambda: shop.hear(other)}) > moment
    else:
        try:
            shop.hear_interrupted(one, {moment: die})
            reached = False
        except Killed:
            reached = True
            shop.hear(other, one)
    return ending(shop), reached


@pytest.mark.parametrize("how", ["in the midst of it", "before it comes again"])
def test_two_deliveries_at_the_same_time_end_as_one_after_the_other(how: str) -> None:
    """The first is interrupted, or killed and repeated, at every call to the table; the second comes in between."""
    for first, second in PAIRS:
        expected, _ = with_both(first, second, None, how)
        for moment in count():
            end, reached = with_both(first, second, moment, how)
            if not reached:
                break
            assert end == expected, (first, second, moment)


def test_a_timer_in_the_midst_of_a_delivery_changes_nothing_in_the_end() -> None:
    for first in AT_ONCE:
        expected, _ = with_both(first, first, None, "")
        for moment in count():
            shop = WatchedShop(start=hour(300))
            shop.hear(*BEFORE)
            moments = shop.hear_interrupted(AT_ONCE[first], {moment: partial(shop.run_until, 400)})
            assert ending(shop) == expected, (first, moment)
            if moments <= moment:
                break
