"""The ledger's use cases: facts into records, and what records add into the rows of days."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import partial
from typing import NamedTuple

from aftercare.events.orders import OrderShipped
from aftercare.events.parcels import ParcelScanned, ParcelTraced
from aftercare.events.shop import ServiceEnrolled, ViolationRecorded
from aftercare.events.support import ChatMessagePosted, ChatRated, ChatRoundClosed
from aftercare.events.trace import Trace, told
from aftercare.kernel.days import next_closing
from aftercare.kernel.envelope import Event, EventData
from aftercare.kernel.errors import Transient
from aftercare.kernel.ports import Clock
from aftercare.kernel.records import RecordWriter, Stored
from aftercare.kernel.shops import PLAIN, ShopDefaults
from aftercare.kernel.table import Item, Key, Put, Table, TransactionRefused, WriteRefused
from aftercare.kernel.times import local_day
from aftercare.rulepacks.scores import Definitions, definitions
from aftercare.scores import keys, store
from aftercare.scores.model.contributions import Row, order_rows, session_rows
from aftercare.scores.model.facts import fold_order, fold_session, parcel_name
from aftercare.scores.model.records import OrderRecord, SessionRecord
from aftercare.scores.model.shops import ShopState, fold_shop
from aftercare.scores.store import NumberItem, ShopItem

ATTEMPTS = 6
"""How often a fact is folded anew because somebody else wrote first, before the message is returned."""
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
Rows = Mapping[tuple[date, str], Row]
OF_SESSIONS = (ChatMessagePosted, ChatRoundClosed, ChatRated)
OF_SHOPS = (ServiceEnrolled, ViolationRecorded)
OF_PARCELS = (OrderShipped, ParcelScanned, ParcelTraced)


class Contended(Transient):
    """Others kept writing the same item; the message goes back to its queue."""


class Reading(NamedTuple):
    """A record's item and the shop it is of."""

    item: Item | None
    shop: ShopState


class FoldedOrder(NamedTuple):
    """An order's record as it stands, and whether it was written just now."""

    record: OrderRecord
    changed: bool


class FactLedger:
    def __init__(self, table: Table, clock: Clock, writer: RecordWriter, defaults: ShopDefaults = PLAIN) -> None:
        self._table = table
        self._defaults = defaults
        self._clock = clock
        self._writer = writer

    def take_in(self, event: Event[EventData]) -> None:
        """Folds one event of the bus; right under repeats and in any order. Raises ``Transient`` to be called again."""
        shop, data = event.metadata.shop, event.data
        order_id: str | None = getattr(data, "order_id", None)
        if isinstance(data, OF_SESSIONS):
            self._change_session(shop, data.session_id, partial(fold_session, event=event))
        elif isinstance(data, OF_SHOPS):
            self._fold_shop(shop, event)
        elif isinstance(data, OF_PARCELS) and data.parcel is not None:
            self._take_in_parcel(shop, order_id, parcel_name(data.parcel), event)
        elif order_id is not None:
            self._fold_order(shop, order_id, partial(fold_order, event=event))

    # ------------------------------------------------------------ parcels

    def _take_in_parcel(self, shop: str, order_id: str | None, parcel: str, event: Event[EventData]) -> None:
        """Scans go to every order that bears the number, and wait where none does yet."""
        if order_id is None:
            self._tell(shop, self._bearers(shop, parcel, event), parcel, event)
        elif isinstance(event.data, OrderShipped) or not self._told_by_order(shop, order_id, parcel, event):
            self._link(shop, order_id, parcel, event)

    def _told_by_order(self, shop: str, order_id: str, parcel: str, event: Event[EventData]) -> bool:
        """Whether the order is known to bear the number: then the number itself is not asked."""
        record = self._fold_order(shop, order_id, partial(_told_if_linked, parcel=parcel, event=event)).record
        bearers = record.bearers.get(parcel, ())
        if order_id not in bearers:
            return False
        self._tell(shop, bearers, parcel, event, but=order_id)
        return True

    def _tell(
        self, shop: str, orders: Iterable[str], parcel: str, event: Event[EventData], but: str | None = None
    ) -> None:
        """To these orders, and to those that were linked to one of them before it was told."""
        left, told_to = list(orders), {but}
        while left:
            order_id = left.pop()
            if order_id not in told_to:
                record = self._fold_order(shop, order_id, partial(_told, parcel=parcel, event=event)).record
                told_to.add(order_id)
                left += record.bearers.get(parcel, ())

    def _link(self, shop: str, order_id: str, parcel: str, event: Event[EventData]) -> None:
        """An order gets a number, and with it all that is known of it.

        The others that bear it are told of the order before they are asked what they know: whoever tells one of them
        more afterwards tells this one too.
        """
        number = self._bear(shop, parcel, order_id)
        others, trace = [each for each in number.orders if each != order_id], number.waiting
        for other in others:
            record = self._fold_order(shop, other, partial(_with_bearers, parcel=parcel, bearers=[order_id])).record
            trace = trace.with_trace(record.parcels.get(parcel, Trace()))
        link = partial(_linked, parcel=parcel, trace=trace, bearers=number.orders, event=event)
        own = self._fold_order(shop, order_id, link).record
        if not isinstance(event.data, OrderShipped):
            self._tell(shop, own.bearers[parcel], parcel, event, but=order_id)

    def _bear(self, shop: str, parcel: str, order_id: str) -> NumberItem:
        # nearly every number is new with its first order: it is written unread, and a refusal brings what stands there
        was = store.read_number(None)
        for _ in range(ATTEMPTS):
            if order_id in was.orders:
                return was
            number = was._replace(orders=tuple(sorted((*was.orders, order_id))))
            try:
                self._table.write(store.write_number(shop, parcel, was, number, self._clock.now()))
            except WriteRefused as refused:
                was = store.read_number(refused.existing)
                continue
            return number
        raise Contended(f"parcel {parcel} kept changing")

    def _bearers(self, shop: str, parcel: str, event: Event[EventData]) -> tuple[str, ...]:
        """The orders that bear a number; for a number without any the scans wait."""
        for _ in range(ATTEMPTS):
            was = store.read_number(self._table.get(keys.parcel_key(shop, parcel)))
            number = was if was.orders else was._replace(waiting=was.waiting.with_told(told(event)))
            if number == was:
                return was.orders
            try:
                self._table.write(store.write_number(shop, parcel, was, number, self._clock.now()))
            except WriteRefused:
                continue
            return ()
        raise Contended(f"parcel {parcel} kept changing")

    # ------------------------------------------------------------ records

    def edit_order(self, shop: str, order_id: str, edit: Callable[[OrderRecord], OrderRecord], note: Put) -> bool:
        """Changes a record by a person's will; ``note`` says whose, and stands or falls with the change.

        Answers whether anything changed.
        """
        return self._fold_order(shop, order_id, edit, note).changed

    def edit_session(
        self, shop: str, session_id: str, edit: Callable[[SessionRecord], SessionRecord], note: Put
    ) -> bool:
        return self._change_session(shop, session_id, edit, note)

    def _fold_order(
        self, shop: str, order_id: str, fold: Callable[[OrderRecord], OrderRecord], note: Put | None = None
    ) -> FoldedOrder:
        """The order's record, written where it changed."""
        key = keys.order_key(shop, order_id)
        for _ in range(ATTEMPTS):
            reading = self._read(shop, key)
            was = store.stored_order(key, reading.item)
            known = was.record if was else OrderRecord(shop, order_id, reading.shop.zone, reading.shop.pack)
            record = fold(known)
            if record is known or (was is not None and record == known):
                return FoldedOrder(known, changed=False)
            before = order_rows(known, definitions_of(known, known.paid_at)) if was else {}
            rows = changed_rows(before, order_rows(record, definitions_of(record, record.paid_at)))
            if self._write(key, was.stored if was else None, record, rows, note):
                return FoldedOrder(record, changed=True)
        raise Contended(f"order {order_id} kept changing")

    def _change_session(
        self,
        shop: str,
        session_id: str,
        fold: Callable[[SessionRecord], SessionRecord],
        note: Put | None = None,
    ) -> bool:
        """Whether the session's record changed."""
        key = keys.session_key(shop, session_id)
        for _ in range(ATTEMPTS):
            reading = self._read(shop, key)
            was = store.stored_session(key, reading.item)
            known = was.record if was else SessionRecord(shop, session_id, reading.shop.zone, reading.shop.pack)
            record = fold(known)
            if was is not None and record == known:
                return False
            before = session_rows(known, definitions_of(known, known.begun_at)) if was else {}
            rows = changed_rows(before, session_rows(record, definitions_of(record, record.begun_at)))
            if self._write(key, was.stored if was else None, record, rows, note):
                return True
        raise Contended(f"session {session_id} kept changing")

    def _fold_shop(self, shop: str, event: Event[EventData]) -> None:
        for _ in range(ATTEMPTS):
            found = self._table.get(keys.shop_key(shop))
            item = self._registered(shop, found)
            state = fold_shop(item.state, event)
            if state == item.state:
                return
            now = self._clock.now()
            # a count that is due stays due
            closing = item.stored.due_at or next_closing(now, state.zone)
            try:
                self._table.write(store.write_shop(self._writer, item.stored, state, closing, now))
            except WriteRefused:
                continue
            return
        raise Contended(f"shop {shop} kept changing")

    def _read(self, shop: str, key: Key) -> Reading:
        at = keys.shop_key(shop)
        found = self._table.get_many([key, at])
        return Reading(found.get(key), self._registered(shop, found.get(at)).state)

    def _registered(self, shop: str, item: Item | None) -> ShopItem:
        """The shop; with its first fact it is entered as the defaults say."""
        key = keys.shop_key(shop)
        if item is not None:
            return store.read_shop(key, item)
        now = self._clock.now()
        state = ShopState.entered(shop, now, zone=self._defaults.zone, pack=self._defaults.pack_of(shop))
        put = store.write_shop(self._writer, None, state, next_closing(now, state.zone), now)
        try:
            self._table.write(put)
        except WriteRefused as refused:
            return store.read_shop(key, refused.existing or put.attributes)
        return ShopItem(state, Stored.of(key, put.attributes))

    def _write(
        self,
        key: Key,
        was: Stored | None,
        record: OrderRecord | SessionRecord,
        rows: Iterable[Row],
        note: Put | None,
    ) -> bool:
        put = store.write_record(key, was, record.shop, record, rows, self._clock.now())
        try:
            if note is None:
                self._table.write(put)
            else:
                self._table.transact([put, note])
        except (WriteRefused, TransactionRefused):
            return False
        return True


class RowWriter:
    """Writes what records say they add to days: the newest version of a record wins, in whatever order they come."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def write_out(self, *, shop: str, zone: str, version: int, rows: str) -> None:
        """Right under repeats and after crashes; ``rows`` as the record's item has them. Raises ``Transient``."""
        now = self._clock.now()
        today = local_day(now, zone)
        late: set[date] = set()
        for row in store.read_rows(rows):
            with suppress(WriteRefused):
                self._table.write(store.write_row(shop, row, version))
            if row.day < today:
                late.add(row.day)
        for day in sorted(late):
            # today and the days to come are counted in their turn; of what is over, somebody must be told
            self._table.write(store.mark_late(shop, day, now))


def changed_rows(before: Rows, after: Rows) -> list[Row]:
    """The rows that are new or other, and an empty one in the place of each that is gone."""
    changed = [row for key, row in after.items() if before.get(key) != row]
    gone = [row._replace(metrics={}) for key, row in before.items() if key not in after]
    return [*changed, *gone]


def definitions_of(record: OrderRecord | SessionRecord, begun_at: datetime | None) -> Definitions:
    """What the record's pack counted when it began; before that is known, as the oldest pack does."""
    return definitions(record.pack, begun_at or _LONG_AGO)


def _told(record: OrderRecord, *, parcel: str, event: Event[EventData]) -> OrderRecord:
    known = record.parcels.get(parcel, Trace()).with_told(told(event))
    return record._replace(parcels={**record.parcels, parcel: known})


def _told_if_linked(record: OrderRecord, *, parcel: str, event: Event[EventData]) -> OrderRecord:
    linked = record.order_id in record.bearers.get(parcel, ())
    return _told(record, parcel=parcel, event=event) if linked else record


def _linked(
    record: OrderRecord, *, parcel: str, trace: Trace, bearers: Iterable[str], event: Event[EventData]
) -> OrderRecord:
    record = _with_bearers(record, parcel=parcel, bearers=bearers)
    known = record.parcels.get(parcel, Trace()).with_trace(trace).with_told(told(event))
    return record._replace(parcels={**record.parcels, parcel: known})


def _with_bearers(record: OrderRecord, *, parcel: str, bearers: Iterable[str]) -> OrderRecord:
    """The record with orders that bear the same number."""
    known = tuple(sorted({*record.bearers.get(parcel, ()), *bearers}))
    return record._replace(bearers={**record.bearers, parcel: known})
