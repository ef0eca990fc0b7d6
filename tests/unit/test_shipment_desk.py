"""What a merchant sees of shipments, and what is muted and chosen there."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from builders import SHOP, cny
from shipments import (
    P2,
    ShortWording,
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

from aftercare.kernel.fields import InvalidFields
from aftercare.kernel.table import Page, Query, Write
from aftercare.kernel.times import to_text
from aftercare.shipments import merchant as merchant_module
from aftercare.shipments import store
from aftercare.shipments.merchant import ShipmentDesk
from aftercare.shipments.model.refusals import AnomalyEnded, NoSuchAnomaly, NoSuchShipment
from aftercare.shipments.model.settings import ShopSettings
from aftercare.shipments.model.shipment import ParcelId

OTHER_SHOP = "standard:peony"
TAOBAO = ShopSettings(pack="taobao")
"""Rules with a table of compensation, in CNY."""


def desk(shop: WatchedShop) -> ShipmentDesk:
    return ShipmentDesk(shop.table, shop.clock, shop.watch, ShortWording())


@pytest.fixture
def shop() -> WatchedShop:
    return WatchedShop(TAOBAO)


def listed(shop: WatchedShop, **query: str) -> list[str]:
    return [alert["order_id"] for alert in desk(shop).alerts(SHOP, query)["alerts"]]


def pages(shop: WatchedShop, limit: int) -> Iterator[list[str]]:
    query = {"limit": str(limit)}
    while True:
        page = desk(shop).alerts(SHOP, query)
        yield [alert["order_id"] for alert in page["alerts"]]
        if page["cursor"] is None:
            return
        query["cursor"] = page["cursor"]


def stall(shop: WatchedShop, *order_ids: str, amount: int = 100_000, gone_quiet: float = 10) -> None:
    """Orders of 1000 yuan whose parcels were last seen on their way between two provinces."""
    for order_id in order_ids:
        parcel = ParcelId("sto", f"P{order_id}")
        shop.hear(
            paid(order_id, amount=amount),
            shipped(1, order_id, parcel),
            scan("picked_up", 2, parcel=parcel),
            scan("in_transit", gone_quiet, parcel=parcel),
        )


def open_anomaly(shop: WatchedShop, order_id: str = "A1") -> str:
    [alert] = [alert for alert in desk(shop).alerts(SHOP, {})["alerts"] if alert["order_id"] == order_id]
    return str(alert["anomalies"][0]["anomaly_id"])


# ---------------------------------------------------------------- alerts


def test_an_alert_says_what_is_wrong_since_when_and_what_it_may_cost(shop: WatchedShop) -> None:
    stall(shop, "A1")
    shop.run_until(10 + 73)
    [alert] = desk(shop).alerts(SHOP, {})["alerts"]
    assert alert == {
        "order_id": "A1",
        "at_risk": cny(5_000),
        "parcels": [
            {"carrier": "sto", "number": "PA1", "last_scan": {"at": to_text(hour(10)), "status": "in_transit"}}
        ],
        "anomalies": [
            {
                "anomaly_id": open_anomaly(shop),
                "parcel": {"carrier": "sto", "number": "PA1"},
                "kind": "stalled",
                "leg": "transit",
                "stage": "breach",
                "since": to_text(hour(10)),
                "crossed_at": to_text(hour(10 + 72)),
                "at_risk": cny(5_000),
                "rule": "shipments-taobao-1/stalled.transit.other",
                "text": {"zh": "stalled", "en": "stalled"},
                "action": "see_to_stalled",
            }
        ],
        "reports": [],
    }


def test_the_most_money_at_risk_comes_first_then_what_lasts_longest(shop: WatchedShop) -> None:
    stall(shop, "cheap", amount=20_000)
    stall(shop, "dear", amount=90_000, gone_quiet=15)
    stall(shop, "newer", amount=50_000, gone_quiet=14)
    stall(shop, "older", amount=50_000, gone_quiet=12)
    shop.run_until(15 + 73)
    assert listed(shop) == ["dear", "older", "newer", "cheap"]


def test_what_no_rule_charges_for_is_listed_after_all_that_costs() -> None:
    shop = WatchedShop()
    stall(shop, "A1", "A2")
    shop.run_until(10 + 73)
    alerts = desk(shop).alerts(SHOP, {})["alerts"]
    assert [(alert["order_id"], alert["at_risk"]) for alert in alerts] == [("A2", None), ("A1", None)]


def test_an_orders_dearest_anomaly_stands_first(shop: WatchedShop) -> None:
    shop.hear(paid(ship_by=12))
    shop.run_until(12 + 73)
    [alert] = desk(shop).alerts(SHOP, {})["alerts"]
    assert [(one["kind"], one["at_risk"]) for one in alert["anomalies"]] == [("out_of_stock", cny(10_000))]
    assert alert["at_risk"] == cny(11_000)


def test_an_order_whose_parcel_moves_is_no_alert_any_more(shop: WatchedShop) -> None:
    stall(shop, "A1")
    shop.run_until(10 + 73)
    assert listed(shop) == ["A1"]
    shop.hear(scan("in_transit", 10 + 73, parcel=ParcelId("sto", "PA1")))
    assert listed(shop) == []


def test_a_warning_alone_is_no_alert_and_stands_beside_one_that_is() -> None:
    shop = WatchedShop(ShopSettings(pack="douyin"))
    shop.hear(paid(ship_by=500), shipped(1), scan("in_transit", 10))
    shop.hear(shipped(1, parcel=P2), scan("in_transit", 20, parcel=P2))
    shop.run_until(10 + 55)
    assert listed(shop) == []
    shop.run_until(10 + 73)
    [alert] = desk(shop).alerts(SHOP, {})["alerts"]
    assert [one["stage"] for one in alert["anomalies"]] == ["breach", "pre"]


def test_two_stalls_of_an_order_are_capped_together(shop: WatchedShop) -> None:
    shop.hear(paid(amount=100_000))
    for parcel in (ParcelId("sto", "P1"), P2):
        shop.hear(shipped(1, parcel=parcel), scan("in_transit", 10, parcel=parcel))
    shop.run_until(10 + 121)
    [alert] = desk(shop).alerts(SHOP, {})["alerts"]
    assert [one["at_risk"] for one in alert["anomalies"]] == [cny(10_000), cny(10_000)]
    assert alert["at_risk"] == cny(10_000)


def test_a_carriers_own_report_stands_beside_ours_until_it_is_lifted(shop: WatchedShop) -> None:
    stall(shop, "A1")
    parcel = ParcelId("sto", "PA1")
    shop.hear(alarm(40, parcel=parcel))
    shop.run_until(10 + 73)
    [alert] = desk(shop).alerts(SHOP, {})["alerts"]
    report = {"parcel": parcel._asdict(), "kind": "DELAY", "raw": "late", "at": to_text(hour(40))}
    assert alert["reports"] == [report]
    shop.hear(alarm(50, lifted=True, parcel=parcel))
    [alert] = desk(shop).alerts(SHOP, {})["alerts"]
    assert alert["reports"] == []
    assert desk(shop).shipment(SHOP, "A1")["reports"] == [{**report, "stands": False}]


def test_a_report_made_after_another_was_lifted_stands(shop: WatchedShop) -> None:
    shop.hear(paid(), shipped(1), alarm(40), alarm(50, lifted=True), alarm(60))
    assert [one["stands"] for one in desk(shop).shipment(SHOP, "A1")["reports"]] == [False, True]


def test_another_shop_sees_nothing_of_it(shop: WatchedShop) -> None:
    stall(shop, "A1")
    shop.run_until(10 + 73)
    anomaly_id = open_anomaly(shop)
    other = desk(shop)
    assert other.alerts(OTHER_SHOP, {}) == {"alerts": [], "cursor": None}
    assert other.exposure(OTHER_SHOP, {})["orders"] == 0
    with pytest.raises(NoSuchShipment):
        other.shipment(OTHER_SHOP, "A1")
    with pytest.raises(NoSuchAnomaly):
        other.mute(OTHER_SHOP, "eve", "A1", anomaly_id, {"reason": "mine"})
    with pytest.raises(NoSuchAnomaly):
        other.unmute(OTHER_SHOP, "eve", "A1", anomaly_id)
    assert other.settings(OTHER_SHOP)["version"] == 0


# ---------------------------------------------------------------- pages


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_the_pages_together_are_the_whole_list_once(shop: WatchedShop, limit: int) -> None:
    for number in range(7):
        stall(shop, f"A{number}", amount=90_000 - number * 10_000)
    shop.run_until(10 + 73)
    found = list(pages(shop, limit))
    assert [order_id for page in found for order_id in page] == [f"A{number}" for number in range(7)]
    assert all(len(page) <= limit for page in found)


def test_an_alert_that_the_index_still_shows_is_left_out(shop: WatchedShop, monkeypatch: pytest.MonkeyPatch) -> None:
    stall(shop, "A1", "A2")
    shop.run_until(10 + 73)
    behind = shop.table.query(store.alerts(SHOP, 50, None))

    def query(asked: Query) -> Page:
        return behind

    monkeypatch.setattr(shop.table, "query", query)
    assert listed(shop) == ["A2", "A1"]
    shop.hear(scan("delivered", 10 + 73, parcel=ParcelId("sto", "PA2")))
    assert listed(shop) == ["A1"]


def forged(*content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


RANK = "000000000005000#000008208000000"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"state": "open"}, "state"),
        ({"cursor": "???"}, "cursor"),
        ({"cursor": "你好"}, "cursor"),
        ({"cursor": forged("A1")}, "cursor"),
        ({"cursor": forged(1, 2)}, "cursor"),
        ({"cursor": forged("A1", "5000")}, "cursor"),
        ({"cursor": forged("A1", RANK + "\n")}, "cursor"),
        ({"cursor": forged("", RANK)}, "cursor"),
        ({"cursor": forged("\ud800", RANK)}, "cursor"),
        ({"cursor": forged("x" * 2000, RANK)}, "cursor"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused_at_its_field(
    shop: WatchedShop, query: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidFields) as caught:
        desk(shop).alerts(SHOP, query)
    assert [error.field for error in caught.value.errors] == [field]


# ---------------------------------------------------------------- one order


def test_a_shipment_tells_what_was_paid_promised_and_is_due(shop: WatchedShop) -> None:
    shop.hear(paid(ship_by=168, city="成都市"), promised("title", tag="in_stock"))
    shown = desk(shop).shipment(SHOP, "A1")
    assert shown["rules"] == "shipments-taobao-1"
    assert (shown["payment"]["goods"], shown["payment"]["ship_by"]) == (cny(100_000), to_text(hour(168)))
    assert shown["payment"]["destination"] == {"country": "CN", "province": "四川省", "city": "成都市"}
    assert [(one["source"], one["tag"]) for one in shown["promises"]] == [("title", "in_stock")]
    assert (shown["due"]["ship_by"], shown["due"]["rule"]) == (
        to_text(hour(48)),
        "shipments-taobao-1/due.title:in_stock",
    )
    assert json.loads(json.dumps(shown)) == shown
    assert "b_1" not in json.dumps(shown)


def test_a_shipment_tells_a_parcels_milestones_and_scans(shop: WatchedShop) -> None:
    shop.hear(paid(), shipped(1), scan("picked_up", 2, region={"country": "CN", "province": "浙江省"}))
    shop.hear(scan("out_for_delivery", 30), scan("delivered", 31, signed_by="locker", told=33))
    [parcel] = desk(shop).shipment(SHOP, "A1")["parcels"]
    assert {name: at for name, at in parcel["milestones"].items() if at} == {
        "uploaded_at": to_text(hour(1)),
        "picked_up_at": to_text(hour(2)),
        "out_for_delivery_at": to_text(hour(30)),
        "delivered_at": to_text(hour(31)),
    }
    assert [one["status"] for one in parcel["scans"]] == ["picked_up", "out_for_delivery", "delivered"]
    last = parcel["scans"][-1]
    assert (last["signed_by"], last["at"], last["arrived_at"]) == ("locker", to_text(hour(31)), to_text(hour(33)))


def test_a_carriers_own_words_stand_beside_the_scan_that_they_belong_to(shop: WatchedShop) -> None:
    shop.hear(paid(), shipped(1), scan("picked_up", 2, text="已揽收"), scan("unknown", 5, text="快件异常,等待处理"))
    [parcel] = desk(shop).shipment(SHOP, "A1")["parcels"]
    assert [(one["status"], one["words"]) for one in parcel["scans"]] == [
        ("picked_up", None),
        ("unknown", "快件异常,等待处理"),
    ]


def test_a_number_on_two_orders_is_told_on_both(shop: WatchedShop) -> None:
    shop.hear(paid("A1"), shipped(1, "A1"), paid("A2"), shipped(2, "A2"))
    assert desk(shop).shipment(SHOP, "A1")["parcels"][0]["also_on"] == ["A2"]
    assert desk(shop).shipment(SHOP, "A2")["parcels"][0]["also_on"] == ["A1"]


def test_a_shipment_keeps_what_was_wrong_with_it_and_how_that_ended(shop: WatchedShop) -> None:
    stall(shop, "A1")
    shop.run_until(10 + 73)
    shop.hear(scan("delivered", 90, parcel=ParcelId("sto", "PA1")))
    shown = desk(shop).shipment(SHOP, "A1")
    [anomaly] = shown["anomalies"]
    assert (anomaly["state"], anomaly["outcome"], anomaly["cleared_at"]) == ("ended", "delivered", to_text(hour(90)))
    assert (anomaly["mute"], shown["at_risk"]) == (None, cny(5_000))


def test_a_shipment_tells_how_its_order_ended(shop: WatchedShop) -> None:
    shop.hear(paid(), asked(5), decided(7, minor=100_000), ended("OrderCancelled", 8))
    shown = desk(shop).shipment(SHOP, "A1")
    assert shown["cancelled_at"] == to_text(hour(8))
    assert shown["refunds"] == [
        {
            "refund_id": "R1",
            "requested_at": to_text(hour(5)),
            "not_received": True,
            "decided_at": to_text(hour(7)),
            "refunded": cny(100_000),
            "refunded_at": to_text(hour(7)),
        }
    ]


def test_scans_that_came_before_the_payment_are_shown_without_one(shop: WatchedShop) -> None:
    shop.hear(shipped(1), traced(entry("picked_up", 2), told=3))
    shown = desk(shop).shipment(SHOP, "A1")
    assert (shown["payment"], shown["due"], shown["at_risk"]) == (None, None, None)
    assert shown["parcels"][0]["corrected_at"] == to_text(hour(3))


def test_scans_that_name_no_parcel_are_shown_under_none(shop: WatchedShop) -> None:
    shop.hear(paid(), scan("picked_up", 2, parcel=None, order_id="A1"))
    [parcel] = desk(shop).shipment(SHOP, "A1")["parcels"]
    assert (parcel["carrier"], parcel["number"], len(parcel["scans"])) == (None, None, 1)


@pytest.mark.parametrize("order_id", ["A2", "", "x" * 257, "A1#SHIPMENT"])
def test_an_order_that_nothing_is_known_of_has_no_shipment(shop: WatchedShop, order_id: str) -> None:
    shop.hear(paid())
    with pytest.raises(NoSuchShipment):
        desk(shop).shipment(SHOP, order_id)
    with pytest.raises(NoSuchAnomaly):
        desk(shop).mute(SHOP, "ann", order_id, "x", {"reason": "x"})


# ---------------------------------------------------------------- muting


@pytest.fixture
def stalled(shop: WatchedShop) -> WatchedShop:
    stall(shop, "A1")
    shop.run_until(10 + 73)
    return shop


def test_what_is_muted_for_good_is_no_alert_and_keeps_who_muted_it_and_why(stalled: WatchedShop) -> None:
    anomaly_id = open_anomaly(stalled)
    answer = desk(stalled).mute(SHOP, "ann", "A1", anomaly_id, {"reason": " the buyer knows "})
    assert (answer["order_id"], answer["anomaly"]["state"]) == ("A1", "muted")
    assert listed(stalled) == []
    stalled.run_until(hour(10 + 73) + timedelta(days=60))
    assert listed(stalled) == []
    [shown] = desk(stalled).shipment(SHOP, "A1")["anomalies"]
    assert (shown["state"], shown["stage"]) == ("muted", "serious")
    assert shown["mute"] == {
        "author": "ann",
        "reason": "the buyer knows",
        "at": to_text(hour(10 + 73)),
        "until": None,
        "ended_by": None,
    }


def test_a_snooze_that_ends_brings_the_alert_back(stalled: WatchedShop) -> None:
    until = hour(10 + 73 + 5)
    body = {"reason": "asked the carrier", "until": to_text(until)}
    desk(stalled).mute(SHOP, "ann", "A1", open_anomaly(stalled), body)
    stalled.run_until(until - timedelta(seconds=1))
    assert listed(stalled) == []
    stalled.run_until(until)
    assert listed(stalled) == ["A1"]


def test_the_other_anomalies_of_an_order_stay_alerts(stalled: WatchedShop) -> None:
    stalled.hear(shipped(1, "A1", P2), scan("in_transit", 20, parcel=P2))
    stalled.run_until(20 + 73)
    [alert] = desk(stalled).alerts(SHOP, {})["alerts"]
    first, second = [one["anomaly_id"] for one in alert["anomalies"]]
    desk(stalled).mute(SHOP, "ann", "A1", first, {"reason": "known"})
    [alert] = desk(stalled).alerts(SHOP, {})["alerts"]
    assert [one["anomaly_id"] for one in alert["anomalies"]] == [second]


def test_the_same_mute_again_changes_nothing(stalled: WatchedShop) -> None:
    anomaly_id = open_anomaly(stalled)
    desk(stalled).mute(SHOP, "ann", "A1", anomaly_id, {"reason": "known"})
    before = stalled.order()
    stalled.sleep_until(10 + 74)
    desk(stalled).mute(SHOP, "ann", "A1", anomaly_id, {"reason": "known"})
    assert stalled.order() == before


def test_another_mute_takes_the_place_of_the_first(stalled: WatchedShop) -> None:
    anomaly_id = open_anomaly(stalled)
    desk(stalled).mute(SHOP, "ann", "A1", anomaly_id, {"reason": "known", "until": to_text(hour(90))})
    answer = desk(stalled).mute(SHOP, "bob", "A1", anomaly_id, {"reason": "for good"})
    assert (answer["anomaly"]["mute"]["author"], answer["anomaly"]["mute"]["until"]) == ("bob", None)


def test_what_is_unmuted_is_an_alert_again_and_keeps_who_wanted_it_back(stalled: WatchedShop) -> None:
    anomaly_id = open_anomaly(stalled)
    desk(stalled).mute(SHOP, "ann", "A1", anomaly_id, {"reason": "known"})
    answer = desk(stalled).unmute(SHOP, "bob", "A1", anomaly_id)
    assert (answer["anomaly"]["state"], answer["anomaly"]["mute"]["author"]) == ("open", "ann")
    assert answer["anomaly"]["mute"]["ended_by"] == "bob"
    assert listed(stalled) == ["A1"]
    assert desk(stalled).unmute(SHOP, "eve", "A1", anomaly_id) == answer
    again = desk(stalled).mute(SHOP, "ann", "A1", anomaly_id, {"reason": "known"})
    assert (again["anomaly"]["state"], again["anomaly"]["mute"]["ended_by"]) == ("muted", None)


def test_what_was_never_wrong_can_be_neither_muted_nor_unmuted(stalled: WatchedShop) -> None:
    with pytest.raises(NoSuchAnomaly):
        desk(stalled).mute(SHOP, "ann", "A1", "0" * 32, {"reason": "known"})
    with pytest.raises(NoSuchAnomaly):
        desk(stalled).unmute(SHOP, "ann", "A1", "0" * 32)


def test_what_is_over_can_be_neither_muted_nor_unmuted(stalled: WatchedShop) -> None:
    anomaly_id = open_anomaly(stalled)
    stalled.hear(scan("delivered", 90, parcel=ParcelId("sto", "PA1")))
    with pytest.raises(AnomalyEnded, match="delivered"):
        desk(stalled).mute(SHOP, "ann", "A1", anomaly_id, {"reason": "known"})
    with pytest.raises(AnomalyEnded):
        desk(stalled).unmute(SHOP, "ann", "A1", anomaly_id)


def test_muting_an_unknown_order_writes_nothing(shop: WatchedShop) -> None:
    with pytest.raises(NoSuchAnomaly):
        desk(shop).mute(SHOP, "ann", "A9", "0" * 32, {"reason": "known"})
    with pytest.raises(NoSuchShipment):
        desk(shop).shipment(SHOP, "A9")


def test_a_scan_that_is_written_in_between_is_not_lost(stalled: WatchedShop, monkeypatch: pytest.MonkeyPatch) -> None:
    anomaly_id, write = open_anomaly(stalled), stalled.table.write

    def write_after_a_scan(wanted: Write) -> None:
        monkeypatch.setattr(stalled.table, "write", write)
        stalled.hear(scan("unknown", 20, parcel=ParcelId("sto", "PA1"), told=80))
        stalled.table.write(wanted)

    monkeypatch.setattr(stalled.table, "write", write_after_a_scan)
    # the parcel was seen at hour 20: the silence that was muted never was, and is withdrawn
    with pytest.raises(AnomalyEnded, match="withdrawn"):
        desk(stalled).mute(SHOP, "ann", "A1", anomaly_id, {"reason": "known"})
    [parcel] = desk(stalled).shipment(SHOP, "A1")["parcels"]
    assert len(parcel["scans"]) == 3


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "reason"),
        ({"reason": ""}, "reason"),
        ({"reason": "  "}, "reason"),
        ({"reason": 3}, "reason"),
        ({"reason": "x" * 301}, "reason"),
        ({"reason": "x", "until": "tomorrow"}, "until"),
        ({"reason": "x", "until": 1_794_000_000}, "until"),
        ({"reason": "x", "until": to_text(hour(83))}, "until"),
        ({"reason": "x", "until": to_text(hour(82))}, "until"),
        ({"reason": "x", "until": to_text(hour(83) + timedelta(days=90, seconds=1))}, "until"),
        ({"reason": "x", "for": "good"}, "for"),
        (None, ""),
        ([], ""),
    ],
)
def test_a_mute_that_makes_no_sense_is_refused_at_its_field(stalled: WatchedShop, body: Any, field: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        desk(stalled).mute(SHOP, "ann", "A1", open_anomaly(stalled), body)
    assert [error.field for error in caught.value.errors] == [field]


def test_a_snooze_may_last_ninety_days(stalled: WatchedShop) -> None:
    until = to_text(hour(83) + timedelta(days=90))
    answer = desk(stalled).mute(SHOP, "ann", "A1", open_anomaly(stalled), {"reason": "x", "until": until})
    assert answer["anomaly"]["mute"]["until"] == until


# ---------------------------------------------------------------- exposure


def test_late_and_out_of_stock_add_up_to_the_cap_of_a_buyers_day(shop: WatchedShop) -> None:
    """Promised within 48 h, 1000 yuan paid: 10 late and 100 out of stock, 100 a buyer and day."""
    shop.hear(paid(amount=100_000))
    shop.run_until(48 + 73)
    [figures] = desk(shop).exposure(SHOP, {})["currencies"]
    assert figures == {"currency": "CNY", "orders": 1, "at_risk": cny(11_000), "capped": cny(10_000)}


def test_goods_promised_for_later_that_are_out_of_stock_raise_the_cap(shop: WatchedShop) -> None:
    """Promised for more than 48 h, 1000 yuan paid: 30 late and 150 out of stock, 500 a buyer and day."""
    shop.hear(paid(amount=100_000, ship_by=168))
    shop.run_until(168 + 73)
    [figures] = desk(shop).exposure(SHOP, {})["currencies"]
    assert (figures["at_risk"], figures["capped"]) == (cny(18_000), cny(18_000))


@pytest.mark.parametrize(("declared", "amount"), [(168, 3_000), (169, 4_500)])
def test_the_original_promise_decides_what_a_lack_of_goods_costs(
    shop: WatchedShop, declared: float, amount: int
) -> None:
    """300 yuan paid, due at hour 168 and by agreement at hour 500: admitted in time, or after the original one."""
    shop.hear(paid(ship_by=168, amount=30_000), promised("agreement", 100, ship_by=500))
    shop.run_until(declared)
    shop.hear(ended("OutOfStockDeclared", declared))
    [figures] = desk(shop).exposure(SHOP, {})["currencies"]
    assert figures["at_risk"] == cny(amount)


def test_orders_of_one_buyer_paid_on_one_local_day_are_capped_together(shop: WatchedShop) -> None:
    # 2026-11-02T16:00Z is midnight in the marketplace's zone
    shop.hear(paid("A1", 0), paid("A2", 7.5), paid("A3", 8), paid("A4", 0, buyer="b_2"), paid("A5", 0, buyer=""))
    shop.run_until(8 + 48 + 73)
    [figures] = desk(shop).exposure(SHOP, {})["currencies"]
    assert figures == {"currency": "CNY", "orders": 5, "at_risk": cny(55_000), "capped": cny(41_000)}


def test_kinds_are_counted_alone_before_anything_is_capped(shop: WatchedShop) -> None:
    shop.hear(paid())
    for parcel in (ParcelId("sto", "P1"), P2):
        shop.hear(shipped(1, parcel=parcel), scan("in_transit", 10, parcel=parcel))
    shop.run_until(10 + 121)
    shop.hear(scan("in_transit", 10 + 121, parcel=P2))
    report = desk(shop).exposure(SHOP, {})
    assert report["kinds"] == [{"kind": "stalled", "anomalies": 2, "open": 1, "at_risk": [cny(20_000)]}]
    assert report["currencies"][0]["at_risk"] == cny(10_000)


def test_orders_that_no_rule_charges_for_are_counted_without_an_amount(shop: WatchedShop) -> None:
    shop.hear(paid("A1"), paid("A2", door=True), shipped(1, "A2"), scan("delivered", 20, signed_by="locker"))
    shop.run_until(48 + 1)
    report = desk(shop).exposure(SHOP, {})
    assert (report["orders"], report["orders_without_amount"], report["cut"]) == (2, 1, False)
    assert {one["kind"]: one["at_risk"] for one in report["kinds"]} == {"late_pickup": [cny(1_000)], "not_at_door": []}


def test_a_report_of_a_shop_without_alerts_is_empty(shop: WatchedShop) -> None:
    assert desk(shop).exposure(SHOP, {}) == {
        "orders": 0,
        "orders_without_amount": 0,
        "currencies": [],
        "kinds": [],
        "cut": False,
    }


def test_a_report_looks_at_a_bounded_number_of_orders_and_says_so(
    shop: WatchedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merchant_module, "PAGE", 2)
    monkeypatch.setattr(merchant_module, "PAGES_A_REPORT", 2)
    for number in range(5):
        stall(shop, f"A{number}", amount=90_000 - number * 10_000)
    shop.run_until(10 + 73)
    report = desk(shop).exposure(SHOP, {})
    assert (report["orders"], report["cut"]) == (4, True)
    monkeypatch.setattr(merchant_module, "PAGES_A_REPORT", 3)
    report = desk(shop).exposure(SHOP, {})
    assert (report["orders"], report["cut"]) == (5, False)


def test_a_report_knows_no_choices(shop: WatchedShop) -> None:
    with pytest.raises(InvalidFields) as caught:
        desk(shop).exposure(SHOP, {"currency": "CNY"})
    assert [error.field for error in caught.value.errors] == ["currency"]
