"""What is wrong with a shipment: every kind by its own story, what ends it, and which kind stands for another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from shipments import (
    MUCH_LATER,
    NEARBY,
    P1,
    P2,
    Fact,
    alarm,
    asked,
    decided,
    ended,
    entry,
    findings,
    hour,
    kinds,
    known,
    paid,
    promised,
    region,
    scan,
    shipped,
    traced,
)

from aftercare.events.vocabulary import AnomalyOutcome
from aftercare.kernel.times import ONE_SECOND, to_text
from aftercare.shipments.model.facts import as_peer, with_peer
from aftercare.shipments.model.shipment import UNNAMED, Shipment

DAYS = 24
MOVED, DELIVERED, CLOSED = AnomalyOutcome.MOVED, AnomalyOutcome.DELIVERED, AnomalyOutcome.CLOSED
Story = tuple[Fact, ...]
ON_THE_WAY: Story = (paid(), shipped(0), scan("picked_up", 1), scan("in_transit", 2))
Summary = tuple[str, float | None, float | None, AnomalyOutcome | None]


def summary(*facts: Fact, pack: str = "standard", now: datetime = MUCH_LATER) -> list[Summary]:
    """Kind, since, ended and outcome of every finding but stalls, times in hours."""
    shipment = known(*facts, pack=pack)
    assert set(findings(shipment, now)) == set(findings(known(*reversed(facts), pack=pack), now))
    return sorted(
        (each.kind.value, _hours(each.since), _hours(each.ended_at), each.outcome)
        for each in findings(shipment, now)
        if each.kind.value != "stalled"
    )


def _hours(moment: datetime | None) -> float | None:
    return None if moment is None else (moment - hour(0)) / timedelta(hours=1)


def stalled(*facts: Fact) -> list[tuple[str, float | None, AnomalyOutcome | None]]:
    return [
        (each.leg.value if each.leg else "", _hours(each.ended_at), each.outcome)
        for each in findings(known(*facts))
        if each.kind.value == "stalled"
    ]


# ---------------------------------------------------------------- lost, damaged, refused


@pytest.mark.parametrize("mark", [{"status": "lost"}, {"status": "on_hold", "reason": "carrier_lost"}])
def test_a_lost_parcel(mark: dict[str, str]) -> None:
    lost = *ON_THE_WAY, scan(mark["status"], 10, reason=mark.get("reason"))
    assert summary(*lost) == [("lost", 10, None, None)]
    assert summary(*lost, scan("in_transit", 40)) == [("lost", 10, 40, MOVED)]
    assert summary(*lost, scan("delivered", 40)) == [("lost", 10, 40, DELIVERED)]
    assert summary(*lost, scan("unknown", 40), scan("lost", 41)) == [("lost", 10, None, None)]
    assert summary(*lost, scan("in_transit", 40), scan("lost", 50)) == [
        ("lost", 10, 40, MOVED),
        ("lost", 50, None, None),
    ]


def test_what_is_lost_after_the_delivery_is_not_lost() -> None:
    assert summary(*ON_THE_WAY, scan("delivered", 20), scan("lost", 30)) == []


def test_a_damaged_parcel() -> None:
    damaged = *ON_THE_WAY, scan("on_hold", 10, reason="carrier_damaged")
    assert summary(*damaged) == [("damaged", 10, None, None)]
    assert summary(*damaged, scan("in_transit", 20)) == [("damaged", 10, None, None)]
    assert summary(*damaged, scan("delivered", 30)) == [("damaged", 10, 30, DELIVERED)]


def test_a_refused_parcel() -> None:
    refused = *ON_THE_WAY, scan("delivery_failed", 10, reason="consignee_refused")
    assert summary(*refused) == [("refused", 10, None, None)]
    assert summary(*refused, scan("delivered", 30)) == [("refused", 10, 30, DELIVERED)]
    back = *refused, scan("return_started", 20), scan("returned", 60)
    assert summary(*back) == [("refused", 10, 60, MOVED)]


# ---------------------------------------------------------------- on the way back


def test_a_parcel_that_is_sent_back_without_being_asked_for() -> None:
    back = *ON_THE_WAY, scan("return_started", 20), scan("returned", 60)
    assert summary(*back) == [("returned_without_consent", 20, None, None)]
    assert summary(*ON_THE_WAY, scan("returned", 60)) == [("returned_without_consent", 60, None, None)]
    sent_again = *back, scan("in_transit", 70), scan("delivered", 90)
    assert ("returned_without_consent", 20, 90, DELIVERED) in summary(*sent_again)


@pytest.mark.parametrize(
    "before",
    [
        scan("delivery_failed", 19, reason="consignee_refused"),
        scan("delivery_failed", 19, reason="consignee_address"),
        asked(19, "not_wanted"),
        asked(20, "not_wanted"),
        ended("OrderCancelled", 20),
    ],
    ids=lambda each: each.data.name,
)
def test_consent_is_a_request_a_cancellation_or_a_reason_on_the_buyers_side(before: Fact) -> None:
    found = kinds(known(*ON_THE_WAY, before, scan("return_started", 20), scan("returned", 30)))
    assert "returned_without_consent" not in found


def test_a_request_that_comes_after_it_is_no_consent() -> None:
    found = summary(*ON_THE_WAY, scan("return_started", 20), asked(hour(20) + ONE_SECOND, "late"))
    assert found == [("return_loop", 20, None, None), ("returned_without_consent", 20, None, None)]


def test_a_delivered_parcel_that_goes_back_feeds_the_return_kinds() -> None:
    back = *ON_THE_WAY, scan("delivered", 10), scan("return_started", 20), scan("returned", 30)
    assert summary(*back) == [("returned_without_consent", 20, None, None)]


@pytest.mark.parametrize(("second", "found"), [(-1, []), (0, []), (1, ["return_loop"])])
def test_a_return_that_takes_longer_than_15_days(second: int, found: list[str]) -> None:
    started = *ON_THE_WAY, asked(10, "not_wanted"), scan("return_started", 20)
    at = hour(20 + 15 * DAYS + second / 3600)
    assert [each for each in kinds(known(*started), at) if each != "stalled"] == found
    assert [each for each in kinds(known(*started, scan("returned", at))) if each != "stalled"] == found


def test_a_parcel_that_moves_again_after_it_was_back() -> None:
    back = *ON_THE_WAY, asked(10, "not_wanted"), scan("return_started", 20), scan("returned", 30)
    assert summary(*back) == []
    assert summary(*back, scan("in_transit", 40)) == [("return_loop", 40, None, None)]
    assert summary(*back, scan("unknown", 35), scan("in_transit", 40)) == [("return_loop", 40, None, None)]
    assert summary(*back, scan("in_transit", 40), scan("delivered", 50)) == [("return_loop", 40, 50, DELIVERED)]
    assert summary(*back, scan("in_transit", 40), scan("returned", 50)) == [("return_loop", 40, 50, MOVED)]


def through(*hubs: str) -> Story:
    return paid(), *(scan("in_transit", at, hub={"code": hub}) for at, hub in enumerate(hubs, start=1))


def test_a_parcel_that_comes_to_one_hub_for_the_third_time() -> None:
    assert summary(*through("A", "B", "A", "B")) == []
    assert summary(*through("A", "B", "A", "B", "A")) == [("return_loop", 5, None, None)]
    assert summary(*through("A", "B", "A", "B", "A"), scan("delivered", 9)) == [("return_loop", 5, 9, DELIVERED)]


def test_scans_in_a_row_at_one_hub_are_one_visit() -> None:
    assert summary(*through("A", "A", "A", "B", "A", "A")) == []
    assert summary(*through("A", "B", "A"), scan("on_hold", 4), scan("in_transit", 5, hub={"code": "A"})) == []


def test_where_a_parcel_is_seen_after_its_delivery_is_no_loop() -> None:
    after = (scan("in_transit", at, hub={"code": hub}) for at, hub in ((21, "B"), (22, "A"), (23, "B"), (24, "A")))
    assert summary(*through("A", "B"), scan("delivered", 20), *after) == []


# ---------------------------------------------------------------- fake shipments


@pytest.mark.parametrize(("second", "found"), [(-1, ["fake_shipment"]), (0, []), (1, [])])
def test_a_parcel_that_was_on_its_way_before_the_payment(second: int, found: list[str]) -> None:
    moved = paid(), shipped(-5), scan("picked_up", hour(second / 3600)), scan("delivered", 20)
    assert kinds(known(*moved)) == found


def test_a_label_before_the_payment_is_nothing() -> None:
    assert summary(paid(), shipped(-1), scan("label_created", -1), scan("picked_up", 2), scan("delivered", 9)) == []


def test_a_parcel_before_the_payment_that_arrives_afterwards_was_real() -> None:
    assert summary(paid(), scan("picked_up", -1), scan("delivered", 9)) == [("fake_shipment", -1, 9, DELIVERED)]


def test_a_parcel_that_was_delivered_before_the_payment_is_another_orders() -> None:
    assert summary(paid(), scan("picked_up", -20), scan("delivered", -9)) == [("fake_shipment", -20, None, None)]


@pytest.mark.parametrize(
    ("deposit", "at", "found"),
    [(-48, -20, []), (-48, -48, []), (-48, -49, ["fake_shipment"]), (None, -20, []), (None, -500, [])],
)
def test_the_parcel_of_a_presale_may_leave_after_the_deposit(deposit: int | None, at: int, found: list[str]) -> None:
    presale = paid(presale=True, deposit_paid_at=deposit and to_text(hour(deposit)))
    assert kinds(known(presale, scan("picked_up", at), scan("delivered", at + 10))) == found


def test_without_a_payment_nobody_knows() -> None:
    assert kinds(known(scan("picked_up", -500), scan("delivered", -490))) == []


def with_the_number_of(own: Shipment, other: Shipment) -> list[str]:
    return kinds(with_peer(own, P1, as_peer(other, P1)), hour(10))


@pytest.mark.parametrize(
    ("keys", "uploads", "found"),
    [
        (("home", "office"), (5, 1), ["fake_shipment"]),
        (("home", "office"), (1, 5), []),
        (("home", "home"), (5, 1), []),
        ((None, "office"), (5, 1), []),
        (("home", None), (5, 1), []),
    ],
)
def test_a_number_used_again_for_another_address(
    keys: tuple[str | None, str | None], uploads: tuple[int, int], found: list[str]
) -> None:
    own, other = (
        known(paid(order_id, destination_key=key), shipped(at, order_id), order_id=order_id)
        for order_id, key, at in zip(("A1", "A2"), keys, uploads, strict=True)
    )
    assert with_the_number_of(own, other) == found


def test_of_two_uploads_in_one_second_exactly_one_is_the_second() -> None:
    one, other = (
        known(paid(order_id, destination_key=key), shipped(1, order_id), order_id=order_id)
        for order_id, key in (("A1", "home"), ("A2", "office"))
    )
    assert sorted((with_the_number_of(one, other), with_the_number_of(other, one))) == [[], ["fake_shipment"]]


# ---------------------------------------------------------------- delivered, but


ARRIVED = region("四川省", city="成都市")


def delivered(at: float = 20, **more: Any) -> Story:
    return paid(city="成都市", door=True), scan("picked_up", 1), scan("delivered", at, **more)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (region("四川省", city="成都市"), []),
        (region("四川省", city="成都"), []),
        (region("四川省", city="绵阳市"), ["wrong_destination"]),
        (region("四川省"), []),
        (None, []),
    ],
)
def test_a_delivery_in_another_city(where: object, found: list[str]) -> None:
    assert kinds(known(*delivered(region=where))) == found


def test_a_destination_without_a_city_is_never_the_wrong_one() -> None:
    assert kinds(known(paid(), scan("picked_up", 1), scan("delivered", 20, region=ARRIVED))) == []


@pytest.mark.parametrize("taker", ["locker", "station", "neighbour"])
def test_a_parcel_left_elsewhere_where_the_door_was_promised(taker: str) -> None:
    assert summary(*delivered(signed_by=taker)) == [("not_at_door", 20, None, None)]
    assert summary(paid(), scan("picked_up", 1), scan("delivered", 20, signed_by=taker)) == []
    by_tag = promised("tag", tag="T", door_delivery=True)
    assert summary(paid(), by_tag, scan("picked_up", 1), scan("delivered", 20, signed_by=taker)) == [
        ("not_at_door", 20, None, None)
    ]


@pytest.mark.parametrize("taker", ["recipient", "household", "guard", "other", "unknown", None])
def test_a_parcel_that_somebody_at_the_door_took(taker: str | None) -> None:
    assert kinds(known(*delivered(signed_by=taker))) == []


LAST = hour(20) + timedelta(days=5)


@pytest.mark.parametrize(
    ("at", "found"),
    [
        (hour(20) - ONE_SECOND, []),
        (hour(20), []),
        (hour(20) + ONE_SECOND, ["not_received"]),
        (LAST - ONE_SECOND, ["not_received"]),
        (LAST, ["not_received"]),
        (LAST + ONE_SECOND, []),
    ],
)
def test_a_buyer_who_has_not_received_it_says_so_within_five_days(at: datetime, found: list[str]) -> None:
    assert kinds(known(*delivered(), asked(at))) == found


def test_not_received_ends_with_the_request() -> None:
    said = *delivered(), asked(30)
    assert summary(*said) == [("not_received", 30, None, None)]
    assert summary(*said, decided(50, "refused")) == [("not_received", 30, 50, CLOSED)]
    assert summary(*said, decided(50, "withdrawn")) == [("not_received", 30, 50, CLOSED)]
    assert summary(*said, decided(50)) == [("not_received", 30, 50, CLOSED)]


def test_another_reason_and_a_reason_that_was_changed_are_none() -> None:
    assert summary(*delivered(), asked(30, "quality")) == []
    assert summary(*delivered(), asked(30), asked(30, "quality", revision=2)) == []
    assert summary(*delivered(), asked(30, "quality"), asked(30, "not_received", revision=2)) != []


def test_two_requests_of_one_second_are_one_anomaly_until_both_are_decided() -> None:
    both = *delivered(), asked(30), asked(30, refund_id="R2")
    assert summary(*both) == [("not_received", 30, None, None)]
    assert summary(*both, decided(40, "refused")) == [("not_received", 30, None, None)]
    one_by_one = decided(40, "refused"), decided(60, "refused", refund_id="R2")
    assert summary(*both, *one_by_one) == [("not_received", 30, 60, CLOSED)]


def test_what_a_buyer_says_before_a_delivery_is_known_counts_once_it_is() -> None:
    assert summary(paid(), scan("picked_up", 1), asked(30)) == []
    assert summary(paid(), scan("picked_up", 1), asked(30), scan("delivered", 20)) == [("not_received", 30, None, None)]


# ---------------------------------------------------------------- out of stock, late


def test_goods_that_are_declared_not_to_be_there() -> None:
    declared = paid(ship_by=48), ended("OutOfStockDeclared", 20)
    assert summary(*declared) == [("out_of_stock", 20, None, None)]
    assert summary(*declared, scan("picked_up", 30), scan("delivered", 40)) == [("out_of_stock", 20, 30, MOVED)]
    assert summary(*declared, ended("OrderCancelled", 25)) == [("out_of_stock", 20, 25, CLOSED)]


def test_goods_that_were_on_their_way_when_they_were_declared_are_there() -> None:
    assert summary(paid(), scan("picked_up", 20), ended("OutOfStockDeclared", 20), scan("delivered", 40)) == []


LIMIT = hour(48 + 72)


@pytest.mark.parametrize(("second", "found"), [(-1, False), (0, False), (1, True)])
def test_goods_that_nobody_picked_up_72_hours_after_their_time(second: int, *, found: bool) -> None:
    at = LIMIT + timedelta(seconds=second)
    assert ("out_of_stock" in kinds(known(paid(ship_by=48)), at)) is found
    picked = known(paid(ship_by=48), scan("picked_up", at), scan("delivered", 500))
    assert ("out_of_stock" in kinds(picked)) is found


def test_goods_are_given_up_by_the_original_time_and_late_by_the_agreed_one() -> None:
    agreed = paid(ship_by=48), promised("agreement", 10, ship_by=300)
    assert kinds(known(*agreed), LIMIT) == []
    assert kinds(known(*agreed), LIMIT + ONE_SECOND) == ["out_of_stock"]
    in_time_after_all = *agreed, scan("picked_up", 290), scan("delivered", 295)
    assert summary(*in_time_after_all) == [("out_of_stock", 48, 290, MOVED)]


def test_an_order_without_a_time_is_never_given_up() -> None:
    assert kinds(known(paid())) == []


def test_a_declaration_after_the_goods_were_given_up_changes_nothing() -> None:
    assert summary(paid(ship_by=48), ended("OutOfStockDeclared", 130)) == summary(paid(ship_by=48))


def test_a_late_pickup() -> None:
    late = paid(ship_by=48), scan("picked_up", 60), scan("delivered", 70)
    assert summary(*late) == [("late_pickup", 48, 60, MOVED)]
    assert summary(paid(ship_by=48), now=hour(60)) == [("late_pickup", 48, None, None)]


def test_a_late_delivery() -> None:
    late = paid(deliver_by=48), scan("out_for_delivery", 40)
    assert summary(*late) == [("late_delivery", 48, None, None)]
    assert summary(*late, scan("delivered", 60)) == [("late_delivery", 48, 60, DELIVERED)]


def test_a_delivery_alone_ends_both() -> None:
    assert summary(paid(ship_by=48, deliver_by=50), scan("delivered", 60)) == [
        ("late_delivery", 50, 60, DELIVERED),
        ("late_pickup", 48, 60, DELIVERED),
    ]


def test_no_pickup_after_24_hours_is_a_stall_on_the_pickup_and_nothing_else() -> None:
    assert kinds(known(paid(ship_by=48), shipped(0)), hour(25)) == ["stalled"]


def test_of_two_parcels_of_an_order_the_first_one_counts_for_lateness_and_each_for_itself() -> None:
    both = (paid(ship_by=48, deliver_by=96), shipped(0), shipped(0, parcel=P2),
            scan("picked_up", 20), scan("delivered", 40))  # fmt: skip
    assert summary(*both) == []
    assert stalled(*both) == [("pickup", None, None)]
    assert stalled(*both, scan("picked_up", 10, parcel=P2), scan("delivered", 50, parcel=P2)) == [
        ("dispatch", 50, DELIVERED)
    ]


# ---------------------------------------------------------------- one kind stands for another

GRAVE = {
    "lost": scan("lost", 10),
    "damaged": scan("on_hold", 10, reason="carrier_damaged"),
    "refused": scan("delivery_failed", 10, reason="consignee_refused"),
    "returned_without_consent": scan("return_started", 10),
}


@pytest.mark.parametrize("kind", GRAVE)
def test_a_grave_kind_stands_for_stalls_and_lateness_that_begin_after_it(kind: str) -> None:
    late = paid(ship_by=5, deliver_by=48), scan("picked_up", 1), scan("in_transit", 2), GRAVE[kind]
    assert [each for each in kinds(known(*late)) if each != "return_loop"] == [kind]


@pytest.mark.parametrize("kind", GRAVE)
def test_what_was_late_before_is_closed_when_the_grave_kind_begins(kind: str) -> None:
    late = paid(deliver_by=8), scan("picked_up", 1), scan("in_transit", 2), GRAVE[kind]
    assert ("late_delivery", 8, 10, CLOSED) in summary(*late)


def test_a_loop_stands_for_them_too() -> None:
    looping = paid(deliver_by=48), *through("A", "B", "A", "B", "A")[1:]
    assert kinds(known(*looping)) == ["return_loop"]


def test_what_is_merely_suspicious_stands_for_nothing() -> None:
    fake = paid(deliver_by=48), scan("in_transit", -1)
    assert kinds(known(*fake)) == ["fake_shipment", "late_delivery", "stalled"]


def test_a_grave_kind_that_is_over_stands_for_nothing_that_lasts_longer() -> None:
    found_again = paid(deliver_by=48), scan("in_transit", 2), scan("lost", 10), scan("in_transit", 60)
    assert kinds(known(*found_again), hour(59)) == ["late_delivery", "lost"]
    assert summary(*found_again, scan("delivered", 80)) == [
        ("late_delivery", 48, 80, DELIVERED),
        ("lost", 10, 60, MOVED),
    ]


def test_while_it_is_open_it_stands_for_them() -> None:
    lost = paid(deliver_by=48), scan("in_transit", 2), scan("lost", 10)
    assert kinds(known(*lost), hour(59)) == ["lost"]


def test_two_grave_kinds_that_follow_each_other_stand_for_it_together() -> None:
    """It was told at no time: not while the one parcel was lost, nor when the other was damaged by then."""
    lost = scan("in_transit", 2), scan("lost", 10), scan("in_transit", 60)
    damaged = (scan("on_hold", 55, parcel=P2, reason="carrier_damaged"),)
    assert summary(paid(deliver_by=48), *lost, *damaged) == [("damaged", 55, None, None), ("lost", 10, 60, MOVED)]
    assert summary(paid(deliver_by=48), *damaged, *lost) == [("damaged", 55, None, None), ("lost", 10, 60, MOVED)]


def test_a_stall_of_one_parcel_is_not_covered_by_the_loss_of_another() -> None:
    two = paid(), scan("in_transit", 1), scan("lost", 2), scan("in_transit", 1, parcel=P2)
    assert kinds(known(*two)) == ["lost", "stalled"]


def test_goods_that_are_not_there_are_not_late_as_well() -> None:
    assert summary(paid(ship_by=48), ended("OutOfStockDeclared", 20)) == [("out_of_stock", 20, None, None)]
    assert summary(paid(ship_by=48), ended("OutOfStockDeclared", 60)) == [
        ("late_pickup", 48, 60, CLOSED),
        ("out_of_stock", 60, None, None),
    ]
    assert summary(paid(ship_by=48)) == [("late_pickup", 48, 120, CLOSED), ("out_of_stock", 48, None, None)]


def test_goods_that_are_not_there_do_not_stand_for_a_late_delivery() -> None:
    assert kinds(known(paid(ship_by=48, deliver_by=96), ended("OutOfStockDeclared", 20))) == [
        "late_delivery",
        "out_of_stock",
    ]


def test_the_carriers_own_alarm_is_kept_and_changes_nothing() -> None:
    told = *ON_THE_WAY, alarm(50), alarm(60, lifted=True), alarm(50, parcel=None, order_id="A1")
    assert findings(known(*told)) == findings(known(*ON_THE_WAY))
    assert [(each.parcel, each.lifted) for each in known(*told, *told).reports] == [
        (UNNAMED, False), (P1, False), (P1, True)
    ]  # fmt: skip


# ---------------------------------------------------------------- what ends everything

ENDS = {
    "cancelled": (ended("OrderCancelled", 100),),
    "completed": (ended("OrderCompleted", 100),),
    "paid back at once": (decided(100),),
    "paid back in parts": (decided(30, minor=60_000), decided(100, minor=40_000, refund_id="R2")),
    "paid back but for the postage": (decided(100, minor=99_000),),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_is_over_with_its_order_is_closed(end: str) -> None:
    amount = paid(ship_by=12, deliver_by=48, postage={"minor": 1000, "currency": "CNY"})
    if end != "paid back but for the postage":
        amount = paid(ship_by=12, deliver_by=48)
    told = amount, shipped(0), scan("in_transit", 20), *ENDS[end]
    assert summary(*told) == [("late_delivery", 48, 100, CLOSED), ("late_pickup", 12, 20, MOVED)]
    assert stalled(*told) == [("transit", 100, CLOSED)]


@pytest.mark.parametrize("part", [99_999, 1])
def test_part_of_the_money_ends_nothing(part: int) -> None:
    assert summary(paid(deliver_by=48), scan("in_transit", 20), decided(100, minor=part)) == [
        ("late_delivery", 48, None, None)
    ]


def test_what_would_begin_after_the_end_does_not_begin() -> None:
    over = paid(ship_by=48, deliver_by=96), shipped(0), ended("OrderCancelled", 24)
    assert kinds(known(*over)) == []
    assert kinds(known(*over, scan("in_transit", 30), scan("lost", 40))) == []


def test_what_is_wrong_with_the_delivery_may_be_found_after_the_order_was_confirmed() -> None:
    told = (
        *delivered(20, signed_by="locker", region=region("四川省", city="绵阳市")),
        ended("OrderCompleted", 10),
        asked(30),
    )
    assert summary(*told) == [
        ("not_at_door", 20, None, None),
        ("not_received", 30, None, None),
        ("wrong_destination", 20, None, None),
    ]
    assert {(each[2], each[3]) for each in summary(*told, decided(50))} == {(50, CLOSED)}


def test_a_confirmation_after_the_delivery_closes_what_was_wrong_with_it() -> None:
    told = *delivered(20, signed_by="locker"), ended("OrderCompleted", 40)
    assert summary(*told) == [("not_at_door", 20, 40, CLOSED)]


# ---------------------------------------------------------------- worked examples


@pytest.mark.parametrize(("hours", "stages"), [(48, []), (96, ["breach", "serious"])])
def test_a_gap_within_a_province_is_late_when_longer_and_abnormal_when_as_long(hours: int, stages: list[str]) -> None:
    gap = known(paid(lane=NEARBY), scan("in_transit", 0), scan("delivered", hours), pack="tmall")
    assert [each.stage.value for found in findings(gap) for each in found.stages(MUCH_LATER)] == stages


def test_a_gap_on_the_way_to_hong_kong_is_never_late() -> None:
    gap = known(paid(lane=("广东省", "香港")), scan("in_transit", 0), scan("delivered", 2000), pack="tmall")
    assert kinds(gap) == []


@pytest.mark.parametrize(("day", "found"), [(12, []), (24, ["breach"])])
def test_a_gap_of_90_hours_is_late_unless_it_was_paid_for_in_the_spring_festival(day: int, found: list[str]) -> None:
    at = datetime(2026, 2, day, 12, tzinfo=ZoneInfo("Asia/Shanghai")).astimezone(UTC)
    moved, done = at + timedelta(hours=1), at + timedelta(hours=91)
    gap = known(paid(at=at, lane=NEARBY), scan("in_transit", moved), scan("delivered", done), pack="tmall")
    assert [each.stage.value for one in findings(gap) for each in one.stages(MUCH_LATER)] == found


def test_a_complete_trace_takes_back_what_it_does_not_hold() -> None:
    wrong = *ON_THE_WAY, scan("lost", 10)
    corrected = traced(entry("picked_up", 1), entry("in_transit", 2), entry("delivered", 30), told=31)
    assert summary(*wrong, corrected) == []
    assert summary(*wrong, traced(entry("delivered", 30), told=31, complete=False)) == [("lost", 10, 30, DELIVERED)]
