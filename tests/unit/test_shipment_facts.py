"""Folding what is told of an order: order and repetition do not matter, and nothing is guessed away."""

from __future__ import annotations

from itertools import permutations

import pytest
from builders import cny
from shipments import (
    P1,
    P2,
    Fact,
    alarm,
    asked,
    decided,
    ended,
    entry,
    fact,
    hour,
    known,
    paid,
    promised,
    region,
    scan,
    shipped,
    traced,
)

from aftercare.kernel.times import to_text
from aftercare.shipments.model.facts import as_peer, fold, with_peer
from aftercare.shipments.model.shipment import UNNAMED, Parcel, Peer
from aftercare.shipments.model.trace import watched_parcels


def same_in_any_order(*facts: Fact) -> Parcel:
    """The parcel that every order of the facts leads to, repeats included."""
    ways = [known(*way, *facts).parcel(P1) for way in permutations(facts)]
    assert all(parcel == ways[0] for parcel in ways)
    return ways[0]


def statuses(parcel: Parcel) -> list[str]:
    return [each.status.value for each in parcel.scans]


# ---------------------------------------------------------------- scans are a set


def test_scans_stand_in_the_order_of_their_times() -> None:
    parcel = same_in_any_order(scan("delivered", 9), scan("picked_up", 1), scan("in_transit", 5))
    assert statuses(parcel) == ["picked_up", "in_transit", "delivered"]


def test_the_same_scan_is_one_however_often_and_by_whom_it_is_told() -> None:
    twice = (
        scan("in_transit", 5),
        scan("in_transit", 5, told=20),
        traced(entry("in_transit", 5), told=30, complete=False),
    )
    [only] = same_in_any_order(*twice).scans
    assert (only.at, only.arrived) == (hour(5), hour(30))


@pytest.mark.parametrize("other", [{"code": "X"}, {"text": "已到达"}, {"status": "on_hold"}])
def test_what_differs_in_the_carriers_own_words_is_another_scan(other: dict[str, str]) -> None:
    named = {"status": "in_transit", "code": "T", "text": "运输中"}
    one, two = named, {**named, **other}
    told = (scan(each["status"], 5, code=each["code"], text=each["text"]) for each in (one, two))
    assert len(same_in_any_order(*told).scans) == 2


def test_of_two_tellings_at_the_same_time_that_differ_in_detail_the_same_one_is_kept() -> None:
    bare, detailed = scan("in_transit", 5), scan("in_transit", 5, region=region("浙江省"), hub={"code": "H1"})
    assert len(same_in_any_order(bare, detailed).scans) == 1


def test_a_scan_keeps_what_the_carrier_called_it() -> None:
    [only] = known(scan("unknown", 5, code="0815", text="谁也不懂")).parcel(P1).scans
    assert (only.code, len(only.text_digest)) == ("0815", 8)


def test_event_time_and_arrival_time_are_both_kept() -> None:
    [only] = known(scan("in_transit", 5, told=50)).parcel(P1).scans
    assert (only.at, only.arrived) == (hour(5), hour(50))


# ---------------------------------------------------------------- complete traces


def test_a_complete_trace_voids_what_was_told_before_it_and_is_not_in_it() -> None:
    wrong, right = scan("delivered", 3), scan("picked_up", 1)
    parcel = same_in_any_order(wrong, right, traced(entry("picked_up", 1), entry("in_transit", 4), told=10))
    assert statuses(parcel) == ["picked_up", "in_transit"]


def test_what_is_told_after_a_complete_trace_stands() -> None:
    parcel = same_in_any_order(scan("in_transit", 3, told=20), traced(entry("picked_up", 1), told=10))
    assert statuses(parcel) == ["picked_up", "in_transit"]


def test_the_latest_complete_trace_corrects_an_earlier_one() -> None:
    earlier = traced(entry("picked_up", 1), entry("delivered", 2), told=10)
    later = traced(entry("picked_up", 1), entry("in_transit", 3), told=20)
    assert statuses(same_in_any_order(earlier, later)) == ["picked_up", "in_transit"]


def test_a_part_of_a_trace_takes_nothing_back() -> None:
    parcel = same_in_any_order(scan("picked_up", 1), traced(entry("in_transit", 4), told=10, complete=False))
    assert statuses(parcel) == ["picked_up", "in_transit"]


def test_an_empty_complete_trace_says_that_nothing_happened() -> None:
    assert statuses(same_in_any_order(scan("delivered", 3), traced(told=10))) == []


def test_another_carriers_parcel_is_not_corrected() -> None:
    told = known(scan("delivered", 3, parcel=P2), traced(told=10))
    assert statuses(told.parcel(P2)) == ["delivered"]


# ---------------------------------------------------------------- scans without a parcel


def test_scans_without_a_parcel_belong_to_the_only_one() -> None:
    told = known(shipped(0), scan("picked_up", 1), scan("delivered", 9, parcel=None, order_id="A1"))
    assert {each: statuses(parcel) for each, parcel in watched_parcels(told).items()} == {
        P1: ["picked_up", "delivered"]
    }


def test_without_a_parcel_they_stand_for_themselves() -> None:
    assert list(watched_parcels(known(scan("picked_up", 1, parcel=None, order_id="A1")))) == [UNNAMED]


def test_with_two_parcels_nobody_guesses_whose_they_are() -> None:
    told = known(shipped(0), shipped(0, parcel=P2), scan("delivered", 9, parcel=None, order_id="A1"))
    assert {each: statuses(parcel) for each, parcel in watched_parcels(told).items()} == {
        P1: [],
        P2: [],
        UNNAMED: ["delivered"],
    }


# ---------------------------------------------------------------- the order


def test_an_order_is_paid_once() -> None:
    assert known(paid(amount=100), paid(amount=100)).payment == known(paid(amount=100)).payment


def test_goods_are_what_was_paid_less_the_postage() -> None:
    for postage, goods in ((None, 1000), (cny(200), 800), (cny(2000), 0), ({"minor": 1, "currency": "USD"}, 1000)):
        payment = known(paid(amount=1000, postage=postage)).payment
        assert payment is not None
        assert payment.goods == goods


@pytest.mark.parametrize("name", ["OrderCancelled", "OrderCompleted", "OutOfStockDeclared"])
def test_of_what_happens_once_the_earliest_time_counts(name: str) -> None:
    assert known(ended(name, 9), ended(name, 5)) == known(ended(name, 5), ended(name, 9)) == known(ended(name, 5))


def test_promises_are_a_set() -> None:
    one, two = promised("title", ship_by=24), promised("tag", tag="T", ship_by=48)
    assert known(one, two, one) == known(two, one)
    assert len(known(one, two).promises) == 2


def test_alarms_are_a_set() -> None:
    told = alarm(5), alarm(6, lifted=True), alarm(5)
    assert known(*told) == known(*reversed(told))
    assert [each.lifted for each in known(*told).reports] == [False, True]


def test_of_a_refund_the_highest_revision_counts_and_the_earliest_request() -> None:
    first, second = asked(30), asked(40, "quality", revision=2)
    refund = known(second, first).refunds["R1"]
    assert known(first, second).refunds["R1"] == refund
    assert (refund.not_received, refund.requested_at) == (False, hour(30))


def test_a_refund_counts_once_however_often_it_is_told() -> None:
    told = decided(50), decided(50), decided(45, "agreed"), decided(60)
    refund = known(*told).refunds["R1"]
    assert known(*reversed(told)).refunds["R1"] == refund
    assert (refund.refunded, refund.refunded_at, refund.decided_at) == (100_000, hour(50), hour(45))


def test_an_event_of_no_concern_changes_nothing() -> None:
    order = known(paid(), scan("picked_up", 1))
    data = {"refund_id": "R1", "order_id": "A1", "parcel": P1._asdict(), "at": to_text(hour(5))}
    assert fold(order, fact("ReturnShipped", data, 5)) is order


@pytest.mark.parametrize("told", [paid(), shipped(3), scan("in_transit", 5), ended("OrderCancelled", 9), asked(4)])
def test_the_very_same_fact_again_leaves_the_order_as_it_is(told: Fact) -> None:
    once = known(told)
    assert fold(once, told) == once


# ---------------------------------------------------------------- orders under one number


def test_older_news_of_another_order_take_nothing_back() -> None:
    own, fresh, stale = known(shipped(0)), Peer("A2", hour(5), "office"), Peer("A2", None, None)
    for peers in ((fresh, stale), (stale, fresh)):
        order = own
        for peer in peers:
            order = with_peer(order, P1, peer)
        assert order.parcel(P1).peers == (fresh,)


def test_an_order_tells_of_itself_its_upload_and_its_address() -> None:
    assert as_peer(known(shipped(3)), P1) == Peer("A1", hour(3), None)
    assert as_peer(known(paid(destination_key="home")), P1) == Peer("A1", None, "home")
