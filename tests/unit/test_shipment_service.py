"""Whose order a scan is: numbers without orders, orders under one number, and how little is read and written."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from builders import SHARDS, SHOP
from shipments import (
    P1,
    P2,
    Fact,
    Interrupted,
    ShortWording,
    WatchedShop,
    alarm,
    asked,
    entry,
    hour,
    paid,
    promised,
    scan,
    shipped,
    traced,
)

from aftercare.kernel.errors import MalformedInput, Transient
from aftercare.kernel.records import RecordWriter
from aftercare.kernel.table import Query
from aftercare.shipments import keys, store
from aftercare.shipments.model.settings import ShopSettings
from aftercare.shipments.model.shipment import UNNAMED, Shipment
from aftercare.shipments.service import ShipmentWatch


def statuses(shop: WatchedShop, order_id: str = "A1") -> list[str]:
    return [each.status.value for each in shop.order(order_id).parcel(P1).scans]


def number(shop: WatchedShop) -> store.NumberRecord:
    return store.read_number(shop.table.get(keys.parcel_key(SHOP, P1)))


# ---------------------------------------------------------------- a number without an order


NAMING_BOTH = (
    shipped(2),
    scan("on_hold", 9, order_id="A1"),
    traced(entry("in_transit", 4), told=9, complete=False, order_id="A1"),
)


@pytest.mark.parametrize("by", NAMING_BOTH, ids=lambda each: each.data.name)
def test_what_is_told_of_an_unknown_parcel_waits_for_the_order_that_bears_it(by: Fact) -> None:
    shop = WatchedShop()
    shop.hear(scan("picked_up", 1), traced(entry("in_transit", 3), told=5, complete=False), alarm(6))
    assert len(number(shop).scans) == 2
    assert shop.said == []
    shop.hear(by)
    assert statuses(shop)[:2] == ["picked_up", "in_transit"]
    assert [each.kind for each in shop.order().reports] == ["DELAY"]
    assert number(shop).orders == ("A1",)


def test_a_complete_trace_corrects_what_waits_too() -> None:
    shop = WatchedShop()
    shop.hear(scan("delivered", 1), traced(entry("picked_up", 1), told=5), shipped(2))
    assert statuses(shop) == ["picked_up"]


def test_once_the_order_is_known_scans_by_the_number_alone_reach_it() -> None:
    shop = WatchedShop()
    shop.hear(shipped(0), scan("picked_up", 1), scan("delivered", 9))
    assert statuses(shop) == ["picked_up", "delivered"]
    assert number(shop).scans == ()


def test_a_scan_that_names_order_and_parcel_links_them() -> None:
    shop = WatchedShop()
    shop.hear(scan("picked_up", 1, order_id="A1"), scan("delivered", 9))
    assert statuses(shop) == ["picked_up", "delivered"]


def test_a_number_that_cannot_be_one_parcels_any_more_is_refused_and_the_rest_is_kept() -> None:
    shop = WatchedShop()
    many = [entry("in_transit", at) for at in range(store.MOST_WAITING)]
    shop.hear(traced(*many, told=600))
    with pytest.raises(MalformedInput, match="more orders or news"):
        shop.hear(scan("delivered", 601))
    assert len(number(shop).scans) == store.MOST_WAITING


def test_an_order_that_would_not_fit_into_its_item_is_refused_and_stays() -> None:
    shop = WatchedShop()
    shop.hear(shipped(0))
    many = [entry("in_transit", at, code="X" * 4000) for at in range(80)]
    with pytest.raises(MalformedInput, match="more facts than fit"):
        shop.hear(traced(*many, told=600))
    assert statuses(shop) == []


# ---------------------------------------------------------------- before the payment


def test_scans_before_the_payment_are_judged_again_with_it() -> None:
    """Far away until it is known that it is not: 48 hours within a province instead of 72."""
    shop = WatchedShop()
    shop.follow([shipped(0), scan("in_transit", 0)])
    shop.run_until(60)
    assert shop.story() == []
    shop.hear(paid(lane=("浙江省", "浙江省")))
    assert shop.story() == ["Raised stalled/transit breach!"]
    assert [one.crossed_at for one in shop.anomalies()] == [hour(48)]


def test_an_anomaly_from_before_the_payment_moves_to_the_limits_of_the_rules_that_hold() -> None:
    shop = WatchedShop(ShopSettings(pack="tmall"))
    shop.follow([shipped(0), scan("in_transit", 0)])
    shop.run_until(100)
    assert shop.story() == ["Raised stalled/transit breach!"]
    shop.hear(paid(lane=("浙江省", "西藏自治区"), ship_by=99))
    assert shop.finals() == set()
    shop.run_until(200)
    assert [(final.stage, final.crossed_at) for final in shop.finals()] == [("serious", "2026-11-07T08:00:00Z")]


def test_a_breach_that_was_earlier_than_thought_is_told_anew() -> None:
    shop = WatchedShop()
    shop.follow([shipped(0), scan("in_transit", 0)])
    shop.run_until(80)
    shop.hear(paid(lane=("浙江省", "浙江省")))
    assert [(one.name, one.crossed_at) for one in shop.anomalies()] == [
        ("ShipmentAnomalyRaised", hour(72)),
        ("ShipmentAnomalyRaised", hour(48)),
    ]
    assert [final.crossed_at for final in shop.finals()] == ["2026-11-04T08:00:00Z"]


def test_the_rules_are_those_the_shop_had_chosen_when_the_order_was_paid() -> None:
    shop = WatchedShop(ShopSettings(pack="douyin"))
    shop.hear(paid("A1"))
    was = store.read_settings(SHOP, shop.table.get(keys.settings_key(SHOP)))
    shop.table.write(store.write_settings(SHOP, was, ShopSettings(pack="tmall")))
    shop.hear(paid("A2"), paid("A1"), promised("title", ship_by=30))
    assert (shop.order("A1").pack, shop.order("A2").pack) == ("douyin", "tmall")


# ---------------------------------------------------------------- scans without a parcel, several parcels


def test_scans_without_a_parcel_are_those_of_the_orders_only_one_whenever_it_becomes_known() -> None:
    shop = WatchedShop()
    shop.follow([paid(), scan("in_transit", 1, parcel=None, order_id="A1")])
    shop.run_until(80)
    assert [one.parcel for one in shop.anomalies()] == [None]
    shop.hear(shipped(0))
    finals = shop.finals()
    assert [(final.parcel, final.since) for final in finals] == [("sto/P1", "2026-11-02T09:00:00Z")]
    shop.hear(scan("delivered", 90, parcel=None, order_id="A1"))
    assert [final.outcome for final in shop.finals()] == ["delivered"]


def test_each_parcel_of_an_order_is_watched_by_itself() -> None:
    shop = WatchedShop()
    shop.follow([paid(), shipped(0), shipped(0, parcel=P2), scan("in_transit", 2), scan("in_transit", 12, parcel=P2)])
    shop.run_until(100)
    assert sorted((final.parcel, final.since[8:13]) for final in shop.finals()) == [
        ("sto/P1", "02T10"),
        ("sto/P2", "02T20"),
    ]


# ---------------------------------------------------------------- one number on two orders


def test_a_parcel_of_two_orders_is_told_to_both_whoever_names_which() -> None:
    for told in (scan("delivered", 9), scan("delivered", 9, order_id="A1"), scan("delivered", 9, order_id="A2")):
        shop = WatchedShop()
        shop.hear(shipped(0, "A1"), scan("picked_up", 1, order_id="A1"), shipped(0, "A2"), told)
        assert statuses(shop, "A1") == statuses(shop, "A2") == ["picked_up", "delivered"]


def test_one_number_on_two_orders_to_the_same_address_is_nothing() -> None:
    shop = WatchedShop()
    for order_id in ("A1", "A2"):
        shop.hear(paid(order_id, destination_key="home"), shipped(1, order_id))
    shop.hear(scan("picked_up", 2), scan("delivered", 9))
    assert shop.finals(("A1", "A2")) == set()


FIRST = (paid("A1", destination_key="home"), shipped(1, "A1"))
SECOND = (paid("A2", destination_key="office"), shipped(2, "A2"))


@pytest.mark.parametrize(
    "told",
    [(*FIRST, *SECOND), (*SECOND, *FIRST), (FIRST[1], SECOND[1], FIRST[0], SECOND[0]), (SECOND[1], *FIRST, SECOND[0]),
     (FIRST[0], SECOND[0], SECOND[1], FIRST[1]), (SECOND[1], FIRST[1], SECOND[0], FIRST[0])],
)  # fmt: skip
def test_a_number_used_again_for_another_address_is_the_later_uploads_fault(told: tuple[Fact, ...]) -> None:
    shop = WatchedShop()
    shop.run_until(3)
    shop.hear(*told)
    assert [(final.order_id, final.kind, final.since[11:13]) for final in shop.finals(("A1", "A2"))] == [
        ("A2", "fake_shipment", "10")
    ]


def test_an_earlier_upload_that_is_heard_of_late_turns_the_verdict_round() -> None:
    shop = WatchedShop()
    shop.run_until(3)
    shop.hear(*FIRST, *SECOND, shipped(0, "A2"))
    assert [final.order_id for final in shop.finals(("A1", "A2"))] == ["A1"]


# ---------------------------------------------------------------- the carrier's own words


def words(shop: WatchedShop) -> list[str]:
    page = shop.table.query(Query(partition=keys.words_key(SHOP, "A1", "").partition))
    return [str(item[store.WORDS]) for item in page.items if store.WORDS in item]


def test_the_words_of_a_scan_that_does_not_explain_itself_are_kept_beside_the_order() -> None:
    shop = WatchedShop()
    told = scan("unknown", 1, text="谁也不懂"), scan("on_hold", 2, text="包裹破损", reason="carrier_damaged")
    shop.hear(shipped(0), *told, scan("in_transit", 3, text="已发往上海"), *told)
    assert sorted(words(shop)) == ["包裹破损", "谁也不懂"]


# ---------------------------------------------------------------- what it costs


class Counting(Interrupted):
    """Counts the calls by their names."""

    def __init__(self, shop: WatchedShop) -> None:
        super().__init__(shop.table, {})
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return super().__getattr__(name)


def calls_of(shop: WatchedShop, told: Fact) -> dict[str, int]:
    counting: Any = Counting(shop)
    ShipmentWatch(counting, shop.clock, RecordWriter(SHARDS), ShortWording()).take_in(told)
    return dict(counting.calls)


def test_a_scan_of_a_known_order_costs_one_read_and_one_conditional_write() -> None:
    shop = WatchedShop()
    shop.hear(paid(), shipped(0))
    assert calls_of(shop, scan("picked_up", 1, order_id="A1")) == {"get": 1, "write": 1}
    assert calls_of(shop, scan("in_transit", 2, order_id="A1")) == {"get": 1, "write": 1}
    assert calls_of(shop, scan("on_hold", 3, parcel=None, order_id="A1")) == {"get": 1, "write": 1}
    assert calls_of(shop, scan("in_transit", 4)) == {"get": 2, "write": 1}


def test_a_repeat_writes_nothing() -> None:
    shop = WatchedShop()
    shop.hear(paid(), shipped(0), scan("picked_up", 1))
    for told in (paid(), scan("picked_up", 1)):
        assert "write" not in calls_of(shop, told)
    # the number is written unread: that it stands there already is how the repeat is known
    assert calls_of(shop, shipped(0)) == {"write": 1, "get": 1}


def test_the_timers_index_is_touched_only_when_the_timer_moves() -> None:
    shop = WatchedShop()
    shop.hear(paid(), shipped(0))
    armed = shop.armed_for()
    shop.follow([scan("picked_up", 1), scan("in_transit", 2), scan("in_transit", 20)])
    assert shop.armed_for() == armed


# ---------------------------------------------------------------- others at the same item


def test_who_is_faster_forces_a_second_look_and_nothing_is_lost() -> None:
    shop = WatchedShop()
    shop.hear(shipped(0))
    shop.hear_interrupted(scan("picked_up", 1), {2: lambda: shop.hear(scan("in_transit", 2))})
    assert statuses(shop) == ["picked_up", "in_transit"]


def test_an_item_that_never_rests_is_left_for_another_time() -> None:
    shop = WatchedShop()
    shop.hear(paid())
    at = iter(range(100))

    def restless(shipment: Shipment) -> Shipment:
        shop.hear(asked(next(at), "quality", refund_id=f"R{next(at)}"))
        return shipment._replace(cancelled_at=hour(1))

    with pytest.raises(Transient, match="kept changing"):
        shop.watch.edit(SHOP, "A1", restless)
    assert shop.order().cancelled_at is None


# ---------------------------------------------------------------- what it says


def test_every_word_names_the_fact_that_caused_it() -> None:
    shop = WatchedShop()
    shop.hear(paid(ship_by=48))
    told = promised("title", ship_by=24)
    shop.hear(told)
    [(_, due)] = shop.said
    assert due.metadata.caused_by == told.metadata.event_id
    assert (due.metadata.shop, due.source) == (SHOP, "aftercare.shipments")


def test_nothing_of_the_carriers_words_goes_out() -> None:
    shop = WatchedShop()
    shop.hear(paid(), shipped(0))
    shop.run_until(30)
    shop.hear(scan("lost", 1, text="张三 13800000000"))
    assert "13800000000" not in json.dumps([event.entry() for _, event in shop.said], ensure_ascii=False)
    assert "13800000000" not in json.dumps(shop.table.get(keys.shipment_key(SHOP, "A1")), ensure_ascii=False)


def test_an_order_is_not_told_of_a_parcel_that_it_only_shares() -> None:
    shop = WatchedShop()
    shop.hear(shipped(0, "A1"), shipped(0, "A2"))
    assert shop.order("A1").parcel(P1).is_told_of
    assert UNNAMED not in shop.order("A1").parcels
