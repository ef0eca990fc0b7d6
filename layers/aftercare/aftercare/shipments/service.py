"""Shipments' use cases: read the order, fold, judge, write once; read again where somebody else was faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial

from aftercare.events.orders import OrderPaid, OrderShipped
from aftercare.events.parcels import ParcelExceptionLifted, ParcelExceptionReported, ParcelScanned, ParcelTraced
from aftercare.events.trace import Scan, told
from aftercare.events.vocabulary import ScanStatus
from aftercare.kernel.envelope import Event, EventData
from aftercare.kernel.errors import DomainError, Transient
from aftercare.kernel.ports import Clock
from aftercare.kernel.records import Change, RecordWriter
from aftercare.kernel.shops import PLAIN, ShopDefaults
from aftercare.kernel.table import Key, Table, WriteRefused
from aftercare.rulepacks.shipments import ShipmentRules, shipment_rules
from aftercare.shipments import codec, keys, store
from aftercare.shipments.model.facts import (
    as_peer,
    fold,
    parcel_id,
    with_peer,
    with_report,
    with_scans,
    with_trace,
)
from aftercare.shipments.model.lifecycle import Wording, bring_up_to_date
from aftercare.shipments.model.risk import order_at_risk
from aftercare.shipments.model.shipment import UNNAMED, ParcelId, Peer, Shipment
from aftercare.shipments.model.trace import judged_at
from aftercare.shipments.store import NumberRecord, ShipmentRecord

ATTEMPTS = 6
"""How often a decision is made anew because somebody else wrote first, before the message is returned."""

Edit = Callable[[Shipment], Shipment]
OF_A_PARCEL = (OrderShipped, ParcelScanned, ParcelTraced, ParcelExceptionReported, ParcelExceptionLifted)


class Contended(Transient):
    """Others kept writing the same item; the message goes back to its queue."""


class NotLinked(DomainError):
    """An order has not been told of a parcel yet."""


class NotTold(DomainError):
    """The other orders of a number have not been told what an order is to be written with."""


class ShipmentWatch:
    """The shipments of orders: what events and timers do to them."""

    def __init__(
        self, table: Table, clock: Clock, writer: RecordWriter, wording: Wording, defaults: ShopDefaults = PLAIN
    ) -> None:
        self._table = table
        self._defaults = defaults
        self._clock = clock
        self._writer = writer
        self._wording = wording

    def take_in(self, event: Event[EventData]) -> None:
        """Folds one event of the bus; right under repeats and in any order. Raises ``Transient`` to be called again."""
        shop, data = event.metadata.shop, event.data
        parcel = parcel_id(getattr(data, "parcel", None)) if isinstance(data, OF_A_PARCEL) else UNNAMED
        order_id: str | None = getattr(data, "order_id", None)
        if order_id is None:
            self._take_in_by_number(shop, parcel, event)
        elif isinstance(data, OrderShipped):
            self._link(shop, order_id, parcel, event)
        elif parcel != UNNAMED:
            self._take_in_by_orders(shop, [order_id], parcel, event)
        else:
            self._take_in_by_order(shop, order_id, event)

    def wake(self, key: Key) -> None:
        """A timer fired for an order's item; whether anything is due is looked at anew."""
        shop, order_id = keys.order_of(key)
        self.edit(shop, order_id, lambda shipment: shipment, rearm=True)

    # ------------------------------------------------------------ which orders an event is about

    def _take_in_by_order(self, shop: str, order_id: str, event: Event[EventData]) -> None:
        paid, cause = isinstance(event.data, OrderPaid), event.metadata.event_id
        edited = self.edit(shop, order_id, partial(fold, event=event), caused_by=cause, begins=paid)
        self._keep_words(order_id, event)
        if paid:
            for linked in edited.parcels:
                self._tell_peers(edited, linked)

    def _take_in_by_number(self, shop: str, parcel: ParcelId, event: Event[EventData]) -> None:
        """A number that no order bears yet keeps what is told of it until one does."""
        for _ in range(ATTEMPTS):
            number = store.read_number(self._table.get(keys.parcel_key(shop, parcel)))
            if number.orders:
                self._take_in_by_orders(shop, list(number.orders), parcel, event)
                return
            if self._write_number(shop, parcel, number, waiting(number, event)):
                return
        raise Contended(f"parcel {parcel.number} kept changing")

    def _take_in_by_orders(self, shop: str, order_ids: list[str], parcel: ParcelId, event: Event[EventData]) -> None:
        """What is told of a parcel is told to all its orders, whichever of them it names."""

        def fold_in(shipment: Shipment) -> Shipment:
            if not shipment.parcel(parcel).is_told_of:
                raise NotLinked
            return fold(shipment, event)

        for order_id in order_ids:
            try:
                edited = self.edit(shop, order_id, fold_in, caused_by=event.metadata.event_id)
                self._keep_words(order_id, event)
            except NotLinked:
                edited = self._link(shop, order_id, parcel, event)
            # an order that was linked meanwhile has told the others, and may have read their scans before this one
            order_ids += [peer.order_id for peer in edited.parcel(parcel).peers if peer.order_id not in order_ids]

    # ------------------------------------------------------------ a parcel's number and its orders

    def _link(self, shop: str, order_id: str, parcel: ParcelId, event: Event[EventData]) -> Shipment:
        """The number is the order's from now on; what was told of it before, or is known to its other orders, is too.

        The order itself is written last: until then a repeated delivery begins anew.
        """
        number, cause = self._bear(shop, order_id, parcel), event.metadata.event_id
        others = {other for other in number.orders if other != order_id}
        peers: list[Shipment] = []
        told_peer: Peer | None = None

        def join(shipment: Shipment) -> Shipment:
            own = joined(shipment, event=event, parcel=parcel, number=number, peers=peers)
            linked = {peer.order_id for peer in own.parcel(parcel).peers}
            # what changed about the order while the others were told must reach them too, and who came meanwhile
            if not linked <= others or told_peer not in {None, as_peer(own, parcel)}:
                others.update(linked)
                raise NotTold
            return own

        while True:
            if others:
                told_peer = as_peer(fold(self._read(shop, order_id).shipment, event), parcel)
                tell = partial(with_peer, parcel_id=parcel, peer=told_peer)
                peers = [self.edit(shop, other, tell, caused_by=cause) for other in sorted(others)]
            with suppress(NotTold):
                own = self.edit(shop, order_id, join, caused_by=cause)
                self._keep_words(order_id, event)
                return own

    def _bear(self, shop: str, order_id: str, parcel: ParcelId) -> NumberRecord:
        # nearly every number is new with the upload: it is written unread, and a refusal brings what stands there
        number = store.read_number(None)
        for _ in range(ATTEMPTS):
            if order_id in number.orders:
                return number
            linked = replace(number, orders=(*number.orders, order_id))
            try:
                self._table.write(store.write_number(shop, parcel, number, linked, self._clock.now()))
            except WriteRefused as refused:
                number = store.read_number(refused.existing)
            else:
                return linked
        raise Contended(f"parcel {parcel.number} kept changing")

    def _write_number(self, shop: str, parcel: ParcelId, was: NumberRecord, number: NumberRecord) -> bool:
        try:
            self._table.write(store.write_number(shop, parcel, was, number, self._clock.now()))
        except WriteRefused:
            return False
        return True

    def _tell_peers(self, shipment: Shipment, parcel: ParcelId) -> None:
        own = as_peer(shipment, parcel)
        for peer in shipment.parcel(parcel).peers:
            self.edit(shipment.shop, peer.order_id, partial(with_peer, parcel_id=parcel, peer=own))

    def _keep_words(self, order_id: str, event: Event[EventData]) -> None:
        for scan, text in unexplained(event):
            with suppress(WriteRefused):
                self._table.write(store.keep_words(event.metadata.shop, order_id, scan, text, self._clock.now()))

    # ------------------------------------------------------------ how a change becomes a write

    def edit(
        self,
        shop: str,
        order_id: str,
        change: Edit,
        *,
        caused_by: str | None = None,
        rearm: bool = False,
        begins: bool = False,
    ) -> Shipment:
        """The shipment as it stands afterwards; what ``change`` raises, nothing is written for.

        ``begins`` is for the payment, with which the shop's choice of rules is settled. Raises ``Contended``.
        """
        for _ in range(ATTEMPTS):
            now = self._clock.now()
            record = self._read(shop, order_id, begins=begins)
            shipment = change(record.shipment)
            rules = rules_of(shipment, now)
            outcome = bring_up_to_date(shipment, rules, self._wording, now, record.next_version)
            if outcome.shipment == record.shipment and not outcome.said and not (rearm and _has_fired(record, now)):
                return outcome.shipment
            update = Change(
                shop=shop,
                state=codec.to_json(outcome.shipment),
                said=outcome.said,
                deadline=outcome.next_look,
                now=now,
                caused_by=caused_by,
            )
            at_risk = order_at_risk(outcome.shipment, rules)
            try:
                self._table.write(store.write_shipment(self._writer, record, update, outcome.shipment, at_risk))
            except WriteRefused:
                continue
            return outcome.shipment
        raise Contended(f"order {order_id} kept changing")

    def _read(self, shop: str, order_id: str, *, begins: bool = False) -> ShipmentRecord:
        key = keys.shipment_key(shop, order_id)
        if not begins:
            return store.read_shipment(shop, order_id, self._table.get(key))
        found = self._table.get_many([key, keys.settings_key(shop)])
        record = store.read_shipment(shop, order_id, found.get(key))
        if record.shipment.payment is not None:
            return record
        pack = store.read_settings(shop, found.get(keys.settings_key(shop)), self._defaults).settings.pack_of(shop)
        return replace(record, shipment=record.shipment._replace(pack=pack))


def rules_of(shipment: Shipment, now: datetime) -> ShipmentRules:
    """The rules that judge the shipment: those in force when it was paid."""
    return shipment_rules(shipment.pack, judged_at(shipment) or now)


def unexplained(event: Event[EventData]) -> list[tuple[Scan, str]]:
    """The scans whose status or reason only the carrier's own words explain, with those words."""
    match event.data:
        case ParcelScanned() as scanned:
            texts = [scanned.raw.text]
        case ParcelTraced(scans=scans):
            texts = [scan.raw.text for scan in scans]
        case _:
            return []
    pairs = zip(told(event).scans, texts, strict=True)
    return [
        (scan, text) for scan, text in pairs if text and (scan.status is ScanStatus.UNKNOWN or scan.reason is not None)
    ]


def joined(
    shipment: Shipment, *, event: Event[EventData], parcel: ParcelId, number: NumberRecord, peers: Sequence[Shipment]
) -> Shipment:
    """The order with a number that it bears: what waited for one, and what is known to its other orders."""
    shipment = with_trace(shipment, parcel, number.parcel, number.reports)
    for peer in peers:
        shipment = with_trace(shipment, parcel, peer.parcel(parcel), peer.reports)
        shipment = with_peer(shipment, parcel, as_peer(peer, parcel))
    return fold(shipment, event)


def waiting(number: NumberRecord, event: Event[EventData]) -> NumberRecord:
    """A number with what no order can be told of yet."""
    parcel = with_scans(number.parcel, told(event))
    reports = with_report(number.reports, event)
    return replace(number, scans=parcel.scans, corrected_at=parcel.corrected_at, reports=reports)


def _has_fired(record: ShipmentRecord, now: datetime) -> bool:
    # a timer that fired for nothing must be armed anew, or the sweep would send it every minute
    return record.stored is not None and record.stored.due_at is not None and record.stored.due_at <= now
