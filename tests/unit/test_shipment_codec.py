"""A shipment as text: nothing is lost, and little is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shipments import P1, P2, Fact, alarm, asked, decided, ended, entry, known, paid, promised, scan, shipped, traced

from aftercare.events.vocabulary import (
    AnomalyKind,
    AnomalyOutcome,
    AnomalyStage,
    Leg,
    PromiseSource,
    ScanReason,
    ScanStatus,
    SignedBy,
)
from aftercare.shipments.codec import (
    from_json,
    reports_from_json,
    reports_to_json,
    scans_from_json,
    scans_to_json,
    to_json,
)
from aftercare.shipments.model.shipment import (
    UNNAMED,
    Due,
    Mute,
    Parcel,
    ParcelId,
    Payment,
    Peer,
    Place,
    Promise,
    Refund,
    Report,
    Said,
    Scan,
    Shipment,
)

texts = st.text(max_size=6)
names = st.text(min_size=1, max_size=6)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
maybe = st.none() | moments
numbers = st.integers(0, 10**12)
places = st.none() | st.builds(Place, texts, st.none() | texts, st.none() | texts)
parcel_ids = st.just(UNNAMED) | st.builds(ParcelId, texts, texts)
scans = st.builds(
    Scan, moments, st.sampled_from(ScanStatus), moments, texts, texts, st.none() | st.sampled_from(ScanReason), places,
    st.none() | texts, st.none() | st.sampled_from(SignedBy),
)  # fmt: skip
many_scans = st.lists(scans | scans.map(lambda scan: scan._replace(arrived=scan.at)), max_size=3).map(tuple)
reports = st.lists(st.builds(Report, parcel_ids, texts, moments, texts, st.booleans()), max_size=2).map(tuple)
dues = st.builds(Due, maybe, maybe, maybe, st.booleans(), texts)
shipments = st.builds(
    Shipment,
    shop=names,
    order_id=names,
    pack=names,
    payment=st.none() | st.builds(
        Payment, moments, texts, texts, numbers, maybe, maybe, st.booleans(), places, places, st.none() | texts, maybe,
        st.none() | texts, st.none() | texts, st.booleans(),
    ),
    promises=st.lists(
        st.builds(Promise, st.sampled_from(PromiseSource), moments, st.none() | texts, st.none() | texts, maybe, maybe,
                  st.none() | st.booleans()),
        max_size=2,
    ).map(tuple),
    cancelled_at=maybe,
    completed_at=maybe,
    out_of_stock_at=maybe,
    refunds=st.dictionaries(
        texts, st.builds(Refund, maybe, st.integers(-1, 9), st.booleans(), maybe, numbers, maybe), max_size=2
    ),
    reports=reports,
    parcels=st.dictionaries(
        parcel_ids,
        st.builds(Parcel, maybe, many_scans, maybe,
                  st.lists(st.builds(Peer, texts, maybe, st.none() | texts), max_size=2).map(tuple)),
        max_size=2,
    ),
    said=st.dictionaries(
        texts,
        st.builds(
            Said, st.sampled_from(AnomalyKind), parcel_ids, st.none() | st.sampled_from(Leg), moments,
            st.sampled_from(AnomalyStage), moments, maybe, st.none() | st.sampled_from(AnomalyOutcome), st.booleans(),
            st.none() | numbers, texts,
        ),
        max_size=2,
    ),
    mutes=st.dictionaries(texts, st.builds(Mute, texts, texts, moments, maybe), max_size=2),
    due_said=st.none() | dues,
    delivered_said=st.dictionaries(parcel_ids, texts, max_size=2),
)  # fmt: skip


@settings(max_examples=60, derandomize=True)
@given(shipments)
def test_a_shipment_is_read_as_it_was_written(shipment: Shipment) -> None:
    assert from_json(to_json(shipment)) == shipment


@settings(max_examples=30, derandomize=True)
@given(many_scans, reports)
def test_so_is_what_waits_for_an_order(many: tuple[Scan, ...], told: tuple[Report, ...]) -> None:
    assert scans_from_json(scans_to_json(many)) == many
    assert reports_from_json(reports_to_json(told)) == told


FULL: tuple[Fact, ...] = (
    paid(ship_by=48, deliver_by=96, city="成都市", presale=True, deposit_paid_at="2026-10-01T00:00:00Z",
         destination_key="home", time_zone="Asia/Shanghai", locale="zh-CN"),
    promised("tag", tag="T", terms="T-1", ship_by=24, door_delivery=True),
    shipped(0), shipped(1, parcel=P2),
    scan("picked_up", 1, told=5, hub={"code": "H1"}), scan("on_hold", 2, reason="carrier_damaged", text="破损"),
    scan("delivered", 3, parcel=None, order_id="A1", signed_by="locker"),
    traced(entry("in_transit", 4), told=9, parcel=P2),
    asked(30), decided(40, minor=5), alarm(5), ended("OrderCompleted", 90),
)  # fmt: skip


def test_everything_that_can_be_told_survives() -> None:
    shipment = known(*FULL)
    assert from_json(to_json(shipment)) == shipment
    assert from_json(to_json(from_json(to_json(shipment)))) == shipment


def test_an_order_with_ten_scans_takes_less_than_two_of_the_units_that_are_charged_for() -> None:
    scans_of_a_way = [scan("in_transit", at, hub={"code": f"HUB-{at}"}, region={"country": "CN", "province": "浙江省"})
                      for at in range(10)]  # fmt: skip
    shipment = known(paid(ship_by=48, deliver_by=96), shipped(0), *scans_of_a_way)
    assert len(to_json(shipment).encode()) < 2048


@pytest.mark.parametrize("text", ["", "{}", '{"shop": "s"}',
                                  '{"shop": "s", "order_id": "o", "pack": "p", "x": 1}',
                                  '{"shop": "s", "order_id": "o", "pack": "p", "cancelled_at": "soon"}'])  # fmt: skip
def test_what_is_no_shipment_is_refused(text: str) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        from_json(text)


def test_fractions_of_seconds_and_other_zones_are_kept_as_moments() -> None:
    moment: Any = datetime(2026, 11, 2, 8, 0, 0, 123456, tzinfo=UTC)
    shipment = known(paid())._replace(cancelled_at=moment, completed_at=moment + timedelta(microseconds=1))
    again = from_json(to_json(shipment))
    assert (again.cancelled_at, again.completed_at) == (moment, moment + timedelta(microseconds=1))
    assert P1 not in again.parcels
