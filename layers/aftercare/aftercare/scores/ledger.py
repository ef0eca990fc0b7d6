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


class FactLedger:
    def __init__(self, table: Table, clock: Clock, writer: RecordWriter) -> None:
        self._table = table
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
        told_to: frozenset[str] = frozenset()
        while True:
            number = self._number(shop, parcel, order_id, event)
            if told_to.issuperset(number.orders) or not self._tell(shop, number, parcel, event):
                return
            # an order that was linked meanwhile may have read what the others know before this was among it
            told_to = frozenset(number.orders)

    def _tell(self, shop: str, number: NumberItem, parcel: str, event: Event[EventData]) -> bool:
        """Whether any of the number's orders had not known it all."""
        trace = number.waiting
        if len(number.orders) > 1:
            # what one of them has heard is known of the number, and so of the others
            found = self._table.get_many([keys.order_key(shop, bearer) for bearer in number.orders])
            items = [store.stored_order(key, item) for key, item in found.items()]
            for item in items:
                trace = trace.with_trace(item.record.parcels.get(parcel, Trace()) if item else Trace())
        fold = partial(_with_parcel, parcel=parcel, trace=trace, event=event)
        changed = [self._fold_order(shop, bearer, fold) for bearer in number.orders]
        return any(changed)

    def _number(self, shop: str, parcel: str, order_id: str | None, event: Event[EventData]) -> NumberItem:
        for _ in range(ATTEMPTS):
            was = store.read_number(self._table.get(keys.parcel_key(shop, parcel)))
            number = was
            if order_id is not None and order_id not in was.orders:
                number = number._replace(orders=tuple(sorted((*was.orders, order_id))))
            if not number.orders:
                number = number._replace(waiting=was.waiting.with_told(told(event)))
            if number == was:
                return number
            try:
                self._table.write(store.write_number(shop, parcel, was, number, self._clock.now()))
            except WriteRefused:
                continue
            return number
        raise Contended(f"parcel {parcel} kept changing")

    # ------------------------------------------------------------ records

    def edit_order(self, shop: str, order_id: str, edit: Callable[[OrderRecord], OrderRecord], note: Put) -> bool:
        """Changes a record by a person's will; ``note`` says whose, and stands or falls with the change."""
        return self._fold_order(shop, order_id, edit, note)

    def edit_session(
        self, shop: str, session_id: str, edit: Callable[[SessionRecord], SessionRecord], note: Put
    ) -> bool:
        return self._change_session(shop, session_id, edit, note)

    def _fold_order(
        self, shop: str, order_id: str, fold: Callable[[OrderRecord], OrderRecord], note: Put | None = None
    ) -> bool:
        """Whether the order's record changed."""
        key = keys.order_key(shop, order_id)
        for _ in range(ATTEMPTS):
            reading = self._read(shop, key)
            was = store.stored_order(key, reading.item)
            known = was.record if was else OrderRecord(shop, order_id, reading.shop.zone, reading.shop.pack)
            record = fold(known)
            if was is not None and record == known:
                return False
            before = order_rows(known, definitions_of(known, known.paid_at)) if was else {}
            rows = changed_rows(before, order_rows(record, definitions_of(record, record.paid_at)))
            if self._write(key, was.stored if was else None, record, rows, note):
                return True
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
        """The shop; with its first fact it is entered under its marketplace's pack, in UTC."""
        key = keys.shop_key(shop)
        if item is not None:
            return store.read_shop(key, item)
        now = self._clock.now()
        state = ShopState.entered(shop, now)
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


def _with_parcel(record: OrderRecord, *, parcel: str, trace: Trace, event: Event[EventData]) -> OrderRecord:
    known = record.parcels.get(parcel, Trace()).with_trace(trace).with_told(told(event))
    return record._replace(parcels={**record.parcels, parcel: known})
