"""Folds what is told of an order into its shipment, in any order and any number of times."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

from aftercare.events import vocabulary
from aftercare.events.orders import (
    OrderCancelled,
    OrderCompleted,
    OrderPaid,
    OrderPromised,
    OrderShipped,
    OutOfStockDeclared,
)
from aftercare.events.parcels import (
    ParcelExceptionLifted,
    ParcelExceptionReported,
    ParcelScanned,
    ParcelTraced,
)
from aftercare.events.refunds import RefundDecided, RefundRequested, RefundUpdated
from aftercare.events.trace import Told, Trace, place_of, told
from aftercare.events.vocabulary import RefundOutcome, RefundReason
from aftercare.kernel.envelope import Event, EventData
from aftercare.shipments.model.shipment import (
    UNNAMED,
    Parcel,
    ParcelId,
    Payment,
    Peer,
    Promise,
    Refund,
    Report,
    Shipment,
)

FactT = TypeVar("FactT", Promise, Report)


def fold(shipment: Shipment, event: Event[EventData]) -> Shipment:
    """The shipment with the event in it; the very same one when it says nothing new."""
    match event.data:
        case OrderPaid() as paid:
            return shipment if shipment.payment is not None else shipment._replace(payment=payment_of(paid))
        case OrderPromised() as promised:
            return _fold_promise(shipment, promised)
        case OrderCancelled(at=at):
            return shipment._replace(cancelled_at=earliest(shipment.cancelled_at, at))
        case OrderCompleted(at=at):
            return shipment._replace(completed_at=earliest(shipment.completed_at, at))
        case OutOfStockDeclared(at=at):
            return shipment._replace(out_of_stock_at=earliest(shipment.out_of_stock_at, at))
        case RefundRequested() | RefundUpdated() | RefundDecided():
            return _fold_refund(shipment, event.data)
    return _fold_parcel(shipment, event)


# ---------------------------------------------------------------- parcels and scans


def _fold_parcel(shipment: Shipment, event: Event[EventData]) -> Shipment:
    match event.data:
        case OrderShipped(parcel=named, uploaded_at=uploaded_at):
            known = shipment.parcel(parcel_id(named))
            uploaded = known._replace(uploaded_at=earliest(known.uploaded_at, uploaded_at))
            return shipment.with_parcel(parcel_id(named), uploaded)
        case ParcelScanned(parcel=maybe_named) | ParcelTraced(parcel=maybe_named):
            return fold_scans(shipment, parcel_id(maybe_named), told(event))
    reports = with_report(shipment.reports, event)
    return shipment if reports == shipment.reports else shipment._replace(reports=reports)


def parcel_id(parcel: vocabulary.Parcel | None) -> ParcelId:
    return UNNAMED if parcel is None else ParcelId(parcel.carrier, parcel.number)


def fold_scans(shipment: Shipment, parcel_id: ParcelId, told: Told) -> Shipment:
    """The shipment with the scans in the parcel's set."""
    return shipment.with_parcel(parcel_id, with_scans(shipment.parcel(parcel_id), told))


def with_scans(parcel: Parcel, told: Told) -> Parcel:
    scans, corrected_at = Trace(parcel.scans, parcel.corrected_at).with_told(told)
    return parcel._replace(scans=scans, corrected_at=corrected_at)


def with_trace(shipment: Shipment, parcel_id: ParcelId, known: Parcel, reports: Iterable[Report]) -> Shipment:
    """The shipment with all that is known elsewhere of the parcel's scans, and those of the reports that are of it."""
    of_it = (report for report in reports if report.parcel == parcel_id)
    shipment = shipment._replace(reports=_as_set((*shipment.reports, *of_it)))
    told = Told(known.scans, known.corrected_at)
    return shipment.with_parcel(parcel_id, with_scans(shipment.parcel(parcel_id), told))


def with_report(reports: tuple[Report, ...], event: Event[EventData]) -> tuple[Report, ...]:
    """The alarms with the one that an event tells, if it tells one."""
    match event.data:
        case ParcelExceptionReported() | ParcelExceptionLifted() as report:
            lifted = isinstance(report, ParcelExceptionLifted)
            raw = report.raw if isinstance(report.raw, str) else report.raw.code
            return _as_set((*reports, Report(parcel_id(report.parcel), report.kind, report.at, raw, lifted)))
    return reports


def with_peer(shipment: Shipment, parcel_id: ParcelId, peer: Peer) -> Shipment:
    """The shipment with what is known of another order under the same parcel number; older news take nothing back."""
    parcel = shipment.parcel(parcel_id)
    peers = {known.order_id: known for known in parcel.peers}
    known = peers.get(peer.order_id, peer)
    peers[peer.order_id] = Peer(
        peer.order_id,
        uploaded_at=min((at for at in (known.uploaded_at, peer.uploaded_at) if at is not None), default=None),
        destination_key=peer.destination_key or known.destination_key,
    )
    return shipment.with_parcel(parcel_id, parcel._replace(peers=tuple(peers[order_id] for order_id in sorted(peers))))


def as_peer(shipment: Shipment, parcel_id: ParcelId) -> Peer:
    """What other orders under the same number must know of this one."""
    key = shipment.payment.destination_key if shipment.payment else None
    return Peer(shipment.order_id, shipment.parcel(parcel_id).uploaded_at, key)


# ---------------------------------------------------------------- the order


def earliest(known: datetime | None, told: datetime) -> datetime:
    return told if known is None else min(known, told)


def payment_of(paid: OrderPaid) -> Payment:
    postage = paid.postage.minor if paid.postage and paid.postage.currency == paid.amount.currency else 0
    return Payment(
        paid_at=paid.paid_at,
        buyer=paid.buyer,
        currency=paid.amount.currency,
        goods=max(0, paid.amount.minor - postage),
        ship_by=paid.promise.ship_by,
        deliver_by=paid.promise.deliver_by,
        door_delivery=paid.promise.door_delivery,
        origin=place_of(paid.origin),
        destination=place_of(paid.destination),
        destination_key=paid.destination_key,
        presale_from=paid.deposit_paid_at if paid.presale else None,
        locale=paid.locale,
        time_zone=paid.time_zone,
        presale=bool(paid.presale),
    )


def _fold_promise(shipment: Shipment, promised: OrderPromised) -> Shipment:
    promise = Promise(
        source=promised.source,
        made_at=promised.made_at,
        tag=promised.tag,
        terms=promised.terms,
        ship_by=promised.ship_by,
        deliver_by=promised.deliver_by,
        door_delivery=promised.door_delivery,
    )
    return shipment._replace(promises=_as_set((*shipment.promises, promise)))


def _fold_refund(shipment: Shipment, data: RefundRequested | RefundUpdated | RefundDecided) -> Shipment:
    known = shipment.refunds.get(data.refund_id, Refund())
    if isinstance(data, RefundDecided):
        refund = known._replace(decided_at=earliest(known.decided_at, data.decided_at))
        if data.outcome is RefundOutcome.REFUNDED and data.amount is not None:
            refund = refund._replace(
                refunded=max(known.refunded, data.amount.minor),
                refunded_at=earliest(known.refunded_at, data.decided_at),
            )
    else:
        refund = known._replace(requested_at=earliest(known.requested_at, data.requested_at))
        if data.revision >= known.revision:
            not_received = data.reason.code is RefundReason.NOT_RECEIVED
            refund = refund._replace(revision=data.revision, not_received=not_received)
    if refund == known:
        return shipment
    return shipment._replace(refunds={**shipment.refunds, data.refund_id: refund})


def _as_set(facts: Iterable[FactT]) -> tuple[FactT, ...]:
    # repr orders what has no order of its own: any fixed one will do
    return tuple(sorted(set(facts), key=repr))
