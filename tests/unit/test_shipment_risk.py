"""Money at risk: what the marketplace's rules would charge, by worked examples in yuan of 100 minor units."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from builders import cny
from shipments import (
    DAY0,
    MUCH_LATER,
    NEARBY,
    P2,
    Fact,
    ShortWording,
    ended,
    fact,
    hour,
    known,
    paid,
    promised,
    region,
    rules_for,
    scan,
    shipped,
)

from aftercare.events.vocabulary import AnomalyKind, AnomalyOutcome
from aftercare.shipments.model.facts import fold
from aftercare.shipments.model.lifecycle import bring_up_to_date
from aftercare.shipments.model.promise import due_of
from aftercare.shipments.model.risk import OrderRisk, capped_by_buyer_day, order_at_risk, order_risk
from aftercare.shipments.model.shipment import Said, Shipment

YUAN = 100
DAYS = 24


def said(*facts: Fact, pack: str, now: float | datetime = MUCH_LATER) -> tuple[Shipment, dict[str, Said]]:
    """What is said of an order, by kind and leg."""
    shipment = known(*facts, pack=pack)
    at = now if isinstance(now, datetime) else hour(now)
    after = bring_up_to_date(shipment, rules_for(shipment), ShortWording(), at, 1).shipment
    return after, {f"{one.kind.value}{f'/{one.leg.value}' if one.leg else ''}": one for one in after.said.values()}


def risks(*facts: Fact, pack: str, now: float | datetime = MUCH_LATER) -> dict[str, int | None]:
    return {name: one.at_risk for name, one in said(*facts, pack=pack, now=now)[1].items()}


def all_together(*facts: Fact, pack: str, now: float | datetime = MUCH_LATER) -> int | None:
    at = now if isinstance(now, datetime) else hour(now)
    shipment, _ = said(*facts, pack=pack, now=at)
    return order_at_risk(shipment, rules_for(shipment))


# ---------------------------------------------------------------- worked examples


@pytest.mark.parametrize("pack", ["tmall", "taobao"])
def test_a_trail_of_1000_yuan_costs_50_when_late_and_50_more_when_abnormal(pack: str) -> None:
    moving = paid(amount=1000 * YUAN, lane=NEARBY), scan("in_transit", 0)
    assert risks(*moving, pack=pack, now=49) == {"stalled/transit": 50 * YUAN}
    assert risks(*moving, pack=pack, now=96) == {"stalled/transit": 100 * YUAN}
    assert all_together(*moving, pack=pack, now=96) == 100 * YUAN


def owed(shipment: Shipment) -> OrderRisk:
    rules = rules_for(shipment)
    risk = order_risk(shipment, rules, due_of(shipment, rules))
    assert risk is not None
    return risk


def late_and_out_of_stock(ship_by: float) -> OrderRisk:
    """An order of 1000 yuan that was not sent until 72 hours after its time: both breaches are owed."""
    shipment, by_kind = said(paid(amount=1000 * YUAN, ship_by=ship_by), pack="taobao")
    assert set(by_kind) == {"late_pickup", "out_of_stock"}
    return owed(shipment)


def test_late_and_out_of_stock_within_48_hours_costs_110_and_is_capped_at_100_a_day() -> None:
    risk = late_and_out_of_stock(48)
    table = rules_for(known(paid(), pack="taobao")).compensation
    assert table is not None
    assert (risk.amount, risk.exceptional) == (110 * YUAN, False)
    assert capped_by_buyer_day([risk], table) == 100 * YUAN


def test_late_and_out_of_stock_after_more_than_48_hours_costs_180() -> None:
    """30 for being late (50, capped) and 150: the day's cap is the higher one."""
    risk = late_and_out_of_stock(7 * DAYS)
    table = rules_for(known(paid(), pack="taobao")).compensation
    assert table is not None
    assert (risk.amount, risk.exceptional) == (180 * YUAN, True)
    assert capped_by_buyer_day([risk], table) == 180 * YUAN


DUE = datetime(2026, 11, 7, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("declared", "amount"),
    [(DUE.replace(hour=9), 30), (DUE, 30), (DUE.replace(second=1), 45), (DUE.replace(day=18), 45)],
)
def test_of_a_date_that_was_moved_the_original_decides_what_out_of_stock_costs(declared: datetime, amount: int) -> None:
    moved = promised("agreement", 1, ship_by=datetime(2026, 11, 20, 10, tzinfo=UTC))
    # a declaration after the goods were given up changes nothing any more
    facts = paid(amount=300 * YUAN, ship_by=DUE), moved, ended("OutOfStockDeclared", 0)
    at = known(*facts, pack="taobao")._replace(out_of_stock_at=declared)
    found = bring_up_to_date(at, rules_for(at), ShortWording(), declared.replace(day=19), 1).shipment.said.values()
    assert {one.at_risk for one in found if one.kind is AnomalyKind.OUT_OF_STOCK} == {amount * YUAN}


# ---------------------------------------------------------------- the base, floors and caps


def test_postage_is_no_part_of_it() -> None:
    moving = scan("in_transit", 0)
    with_postage = paid(amount=1010 * YUAN, lane=NEARBY, postage=cny(10 * YUAN))
    assert risks(with_postage, moving, pack="tmall", now=49) == {"stalled/transit": 50 * YUAN}
    half = paid(amount=500 * YUAN, lane=NEARBY, postage=cny(100 * YUAN))
    assert risks(half, moving, pack="tmall", now=49) == {"stalled/transit": 20 * YUAN}


@pytest.mark.parametrize(
    ("goods", "cost"),
    [(1, 500), (10 * YUAN, 500), (100 * YUAN, 500), (10_019, 500), (10_020, 501), (999 * YUAN, 4995),
     (1000 * YUAN, 5000), (5000 * YUAN, 5000), (0, 0)],
)  # fmt: skip
def test_a_share_of_the_goods_in_whole_minor_units_between_floor_and_cap(goods: int, cost: int) -> None:
    assert risks(paid(amount=goods, lane=NEARBY), scan("in_transit", 0), pack="tmall", now=49) == {
        "stalled/transit": cost
    }


def test_in_another_currency_nobody_knows() -> None:
    dollars = {"minor": 100_000, "currency": "USD"}
    lines = [{"line_id": "1", "item_id": "I1", "category": "c", "quantity": 1, "amount": dollars}]
    order = paid(lines=lines).data.model_dump(mode="json") | {"amount": dollars}
    facts = fact("OrderPaid", order, 0), scan("in_transit", 0)
    assert risks(*facts, pack="tmall") == {"stalled/transit": None}
    assert all_together(*facts, pack="tmall") is None


def test_by_the_standard_rules_nobody_knows() -> None:
    assert risks(paid(ship_by=12), scan("in_transit", 20), pack="standard") == {
        "late_pickup": None,
        "stalled/transit": None,
    }


def test_before_the_payment_nobody_knows() -> None:
    assert risks(scan("in_transit", 0), pack="tmall") == {"stalled/transit": None}


CHARGES: list[tuple[str, tuple[Fact, ...], str, dict[str, int], float]] = [
    ("tmall", (paid(ship_by=24), scan("picked_up", 30)), "late_pickup", {"late_pickup": 50}, 31),
    ("tmall", (paid(ship_by=72), scan("picked_up", 80)), "late_pickup", {"late_pickup": 50}, 81),
    ("taobao", (paid(ship_by=24), scan("picked_up", 30)), "late_pickup", {"late_pickup": 10}, 31),
    ("taobao", (paid(ship_by=72), scan("picked_up", 80)), "late_pickup", {"late_pickup": 30}, 81),
    ("tmall", (paid(ship_by=99), shipped(0)), "pickup", {"stalled/pickup": 50}, 25),
    ("tmall", (paid(ship_by=99), shipped(0)), "pickup, serious", {"stalled/pickup": 50}, 48),
    ("tmall", (paid(), scan("picked_up", 1)), "dispatch", {"stalled/dispatch": 50}, 26),
    ("tmall", (paid(), scan("picked_up", 1)), "dispatch, serious", {"stalled/dispatch": 100}, 73),
    ("tmall", (paid(), scan("picked_up", -1)), "fake", {"fake_shipment": 300}, 1),
    ("taobao", (paid(), scan("picked_up", -1)), "fake", {"fake_shipment": 100}, 1),
    ("tmall", (paid(), scan("picked_up", 1), scan("return_started", 2)), "sent back",
     {"returned_without_consent": 100}, 3),
    ("tmall", (paid(city="成都市"), scan("delivered", 1, region=region("四川省", city="绵阳市"))), "elsewhere",
     {"wrong_destination": 100}, 3),
    ("douyin", (paid(ship_by=24), scan("picked_up", 30)), "late within 48 h", {"late_pickup": -1}, 31),
    ("douyin", (paid(ship_by=99), shipped(0)), "pickup, serious", {"stalled/pickup": 100}, 48),
]  # fmt: skip


@pytest.mark.parametrize(("pack", "facts", "name", "yuan", "now"), CHARGES, ids=lambda each: str(each)[:24])
def test_what_one_thing_wrong_with_1000_yuan_costs(
    pack: str, facts: tuple[Fact, ...], name: str, yuan: dict[str, int], now: float
) -> None:
    """-1 stands for nothing that the rules name."""
    expected = {kind: None if cost < 0 else cost * YUAN for kind, cost in yuan.items()}
    assert risks(*facts, pack=pack, now=now) == expected


@pytest.mark.parametrize("kind", ["lost", "delivery", "collection"])
def test_what_the_rules_do_not_charge_has_no_price(kind: str) -> None:
    marks = {"lost": "lost", "delivery": "out_for_delivery", "collection": "ready_for_pickup"}
    assert set(risks(paid(), scan("in_transit", 1), scan(marks[kind], 2), pack="tmall").values()) == {None}


# ---------------------------------------------------------------- together


def test_stalls_of_one_order_are_capped_together() -> None:
    two = paid(amount=400 * YUAN, lane=NEARBY), scan("in_transit", 0), scan("in_transit", 0, parcel=P2)
    assert risks(*two, pack="tmall", now=96) == {"stalled/transit": 80 * YUAN}
    assert all_together(*two, pack="tmall", now=96) == 80 * YUAN
    dear = paid(amount=1000 * YUAN, lane=NEARBY), *two[1:]
    assert all_together(*dear, pack="tmall", now=96) == 100 * YUAN


def test_other_breaches_add_up() -> None:
    both = paid(amount=1000 * YUAN, ship_by=12), shipped(0)
    assert risks(*both, pack="tmall", now=25) == {"late_pickup": 50 * YUAN, "stalled/pickup": 50 * YUAN}
    assert all_together(*both, pack="tmall", now=25) == 100 * YUAN


def test_what_is_over_is_owed_all_the_same() -> None:
    moved = paid(amount=1000 * YUAN, lane=NEARBY), scan("in_transit", 0), scan("in_transit", 60)
    assert all_together(*moved, pack="tmall", now=61) == 50 * YUAN


def test_what_never_was_is_not_owed() -> None:
    shipment, _ = said(paid(amount=1000 * YUAN, lane=NEARBY), scan("in_transit", 0), pack="tmall", now=60)
    known_later = fold(shipment, scan("in_transit", 30))
    rules = rules_for(shipment)
    after = bring_up_to_date(known_later, rules, ShortWording(), hour(61), 2).shipment
    assert [one.outcome for one in after.said.values()] == [AnomalyOutcome.WITHDRAWN]
    assert order_at_risk(after, rules) is None
    assert order_risk(after, rules, due_of(after, rules)) is None


def test_goods_that_were_there_after_all_do_not_raise_the_days_cap() -> None:
    """A scan that comes late shows that they were picked up, though late."""
    shipment, by_kind = said(paid(ship_by=99), pack="taobao")
    assert "out_of_stock" in by_kind
    rules = rules_for(shipment)
    after = bring_up_to_date(fold(shipment, scan("in_transit", 120)), rules, ShortWording(), MUCH_LATER, 2).shipment
    risk = order_risk(after, rules, due_of(after, rules))
    assert risk is not None
    assert not risk.exceptional


def order(amount: int, *, buyer: str = "b_1", day: int = 2, exceptional: bool = False) -> OrderRisk:
    return OrderRisk(buyer, DAY0.date().replace(day=day), amount * YUAN, exceptional)


@pytest.mark.parametrize(
    ("orders", "taobao", "tmall"),
    [
        ([order(60), order(60)], 100, 120),
        ([order(60), order(60, day=3)], 120, 120),
        ([order(60), order(60, buyer="b_2")], 120, 120),
        ([order(60), order(60, exceptional=True)], 120, 120),
        ([order(400, exceptional=True), order(200)], 500, 500),
        ([order(60, buyer=""), order(60, buyer="")], 120, 120),
        ([], 0, 0),
    ],
)
def test_one_buyers_orders_of_one_day_are_capped_together(orders: list[OrderRisk], taobao: int, tmall: int) -> None:
    tables: dict[str, Any] = {pack: rules_for(known(paid(), pack=pack)).compensation for pack in ("taobao", "tmall")}
    assert capped_by_buyer_day(orders, tables["taobao"]) == taobao * YUAN
    assert capped_by_buyer_day(orders, tables["tmall"]) == tmall * YUAN


def test_the_day_is_that_of_the_payment_at_the_marketplace() -> None:
    late_evening = datetime(2026, 11, 2, 16, tzinfo=UTC)
    shipment, _ = said(paid(at=late_evening, lane=NEARBY), scan("in_transit", hour(10)), pack="tmall")
    assert owed(shipment).day == late_evening.date().replace(day=3)


def test_an_order_with_nothing_to_pay_has_no_part_in_the_report() -> None:
    shipment, by_kind = said(paid(), scan("in_transit", 1), scan("lost", 2), pack="tmall")
    rules = rules_for(shipment)
    assert set(by_kind) == {"lost"}
    assert order_risk(shipment, rules, due_of(shipment, rules)) is None
