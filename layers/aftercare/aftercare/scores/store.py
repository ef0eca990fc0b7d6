"""The scores table's items and every access to them as plain data; the keys are in ``keys.py``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from aftercare.events.trace import Trace, read_trace
from aftercare.kernel import compact
from aftercare.kernel.envelope import EventData
from aftercare.kernel.errors import MalformedInput
from aftercare.kernel.records import STATE, Change, RecordWriter, Stored
from aftercare.kernel.table import (
    VERSION,
    Absent,
    Below,
    Condition,
    Delete,
    Increment,
    Item,
    Key,
    Put,
    Query,
    Scalar,
    VersionIs,
)
from aftercare.scores import keys
from aftercare.scores.model.contributions import Row
from aftercare.scores.model.days import Summary, read_summary
from aftercare.scores.model.formulas.chat import OF_CHATS
from aftercare.scores.model.records import OrderRecord, SessionRecord, read_order, read_session
from aftercare.scores.model.shops import ShopState, read_shop_state

ROWS = "rows"
METRICS = "metrics"
RECORD_VERSION = "record_version"
EXPIRES_AT = "expires_at"
ROWS_KEPT = timedelta(days=180)
"""So long every number opens the list of what is behind it; the summaries stay."""
NUMBERS_KEPT = timedelta(days=400)
LARGEST_STATE = 300_000
"""Bytes; an item has room for 400 KB."""
PAGE = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# ---------------------------------------------------------------- records


class OrderItem(NamedTuple):
    record: OrderRecord
    stored: Stored | None


class SessionItem(NamedTuple):
    record: SessionRecord
    stored: Stored | None


def stored_order(key: Key, item: Item | None) -> OrderItem | None:
    if item is None:
        return None
    stored = Stored.of(key, item)
    return OrderItem(read_order(json.loads(stored.state)), stored)


def stored_session(key: Key, item: Item | None) -> SessionItem | None:
    if item is None:
        return None
    stored = Stored.of(key, item)
    return SessionItem(read_session(json.loads(stored.state)), stored)


def write_record(
    key: Key, was: Stored | None, shop: str, record: OrderRecord | SessionRecord, rows: Iterable[Row], now: datetime
) -> Put:
    """``rows`` are those that this version changes: they stand in it, and nowhere else, until they are written out.

    Raises ``MalformedInput`` for a record that grew beyond an item.
    """
    state = compact.to_json(record)
    if len(state.encode()) > LARGEST_STATE:
        raise MalformedInput(f"{key} has more facts than fit into an item")
    changed = tuple(rows)
    attributes: dict[str, Scalar] = {}
    if changed:
        attributes = {"shop": shop, "zone": record.zone, ROWS: compact.to_json(changed)}
    change = Change(shop=shop, state=state, said=(), deadline=None, now=now)
    return RecordWriter(due_shards=1).put(key, was, change, attributes)


# ---------------------------------------------------------------- rows


def read_rows(text: str) -> tuple[Row, ...]:
    """What one version of a record changes, as its item says it."""
    rows: tuple[Row, ...] = compact.many(_row)(json.loads(text))
    return rows


def write_row(shop: str, row: Row, version: int) -> Put:
    """Refused where a later version of the record has written its row already. An empty row stands for none."""
    attributes: Item = {
        METRICS: compact.to_json(row.metrics),
        RECORD_VERSION: version,
        EXPIRES_AT: _epoch(row.day + ROWS_KEPT),
    }
    return Put(keys.row_key(shop, row.day, row.subject), attributes, (Below(RECORD_VERSION, version),))


def are_rows_kept(day: date, now: datetime) -> bool:
    """Whether the rows of a day are all still there: afterwards what was counted of it stands."""
    return now < datetime.combine(day + ROWS_KEPT, time(), UTC)


def rows_of(shop: str, day: date, after: Mapping[str, Scalar] | None = None, limit: int = PAGE) -> Query:
    return Query(partition=keys.row_key(shop, day, "").partition, limit=limit, after=after)


def chat_rows_of(shop: str, day: date) -> Query:
    partition = keys.row_key(shop, day, "").partition
    after_chats = OF_CHATS[:-1] + chr(ord(OF_CHATS[-1]) + 1)
    return Query(partition=partition, lowest=OF_CHATS, highest=after_chats, limit=PAGE)


def read_row(key: Key, item: Item, day: date) -> Row:
    return Row(day, key.sort, _shares(json.loads(str(item[METRICS]))))


def read_rows_of(items: Sequence[tuple[Key, Item]], day: date) -> list[Row]:
    """The rows of a day: parsed together, which takes less than half of the time of one after the other."""
    metrics = json.loads(f"[{','.join(str(item[METRICS]) for _, item in items)}]")
    return [Row(day, key.sort, _shares(each)) for (key, _), each in zip(items, metrics, strict=True)]


def _share(values: list[Any]) -> tuple[int, int, date | None]:
    numerator, denominator, evidence = values
    return numerator, denominator, None if evidence is None else date.fromisoformat(evidence)


_shares = compact.mapping(str, _share)
_row = compact.row(Row, compact.day, None, _shares)


# ---------------------------------------------------------------- parcel numbers


class NumberItem(NamedTuple):
    """The orders that a parcel number belongs to, and what was scanned before the first of them was known."""

    orders: tuple[str, ...]
    waiting: Trace
    version: int


def read_number(item: Item | None) -> NumberItem:
    if item is None:
        return NumberItem((), Trace(), 0)
    trace = read_trace(json.loads(str(item["waiting"])))
    return NumberItem(tuple(json.loads(str(item["orders"]))), trace, int(item[VERSION]))


def write_number(shop: str, parcel: str, was: NumberItem, number: NumberItem, now: datetime) -> Put:
    """Raises ``MalformedInput`` for a number that cannot be one parcel's any more."""
    waiting = compact.to_json(number.waiting)
    if len(waiting.encode()) > LARGEST_STATE:
        raise MalformedInput(f"parcel {parcel} has more scans than fit into an item")
    attributes: Item = {
        VERSION: was.version + 1,
        "orders": json.dumps(number.orders, ensure_ascii=False),
        "waiting": waiting,
        EXPIRES_AT: int((now + NUMBERS_KEPT).timestamp()),
    }
    guard: Condition = VersionIs(was.version) if was.version else Absent()
    return Put(keys.parcel_key(shop, parcel), attributes, (guard,))


# ---------------------------------------------------------------- shops, days, weeks


class ShopItem(NamedTuple):
    state: ShopState
    stored: Stored


def read_shop(key: Key, item: Item) -> ShopItem:
    stored = Stored.of(key, item)
    return ShopItem(read_shop_state(json.loads(stored.state)), stored)


def write_shop(
    writer: RecordWriter,
    was: Stored | None,
    state: ShopState,
    deadline: datetime,
    now: datetime,
    said: Iterable[EventData] = (),
) -> Put:
    """``deadline`` is when the shop's next day can be counted, or is to be looked at before it ends."""
    change = Change(shop=state.shop, state=compact.to_json(state), said=tuple(said), deadline=deadline, now=now)
    return writer.put(keys.shop_key(state.shop), was, change)


def mark_late(shop: str, day: date, now: datetime) -> Increment:
    """Something was added to a day that may have been counted.

    By the clock instead of by 1: a mark set anew after it was taken away is never taken for the old one.
    """
    return Increment(keys.late_key(shop, day), {VERSION: (now - _EPOCH) // timedelta(microseconds=1)})


def shop_with_late_days(shop: str) -> Query:
    """They stand side by side."""
    key = keys.shop_key(shop)
    return Query(partition=key.partition, lowest="LATE#", highest=key.sort, limit=PAGE)


def late_days(shop: str) -> Query:
    partition = keys.shop_key(shop).partition
    return Query(partition=partition, lowest="LATE#", highest="LATE#~", limit=PAGE)


def forget_late(shop: str, day: date, version: int) -> Delete:
    """Refused where more was added after it was looked at."""
    return Delete(keys.late_key(shop, day), (VersionIs(version),))


def days_between(shop: str, first: date, last: date) -> Query:
    return Query(
        partition=keys.shop_key(shop).partition,
        lowest=keys.day_key(shop, first).sort,
        highest=keys.day_key(shop, last).sort,
        limit=PAGE,
    )


def weeks_since(shop: str, first: date) -> Query:
    partition = keys.shop_key(shop).partition
    return Query(partition=partition, lowest=keys.week_key(shop, first).sort, highest="WEEK#~", limit=PAGE)


class Note(NamedTuple):
    """Somebody kept a record out of metrics, or brought it back (``lifted``); of an order or of a chat session."""

    kind: str
    id: str
    metrics: tuple[str, ...]
    reason: str
    by: str
    at: datetime
    lifted: bool


def write_note(shop: str, note: Note) -> Put:
    # to the microsecond: who excludes and brings back within a second says two things
    at = note.at.astimezone(UTC).isoformat(timespec="microseconds")
    key = keys.exclusion_key(shop, at, f"{note.kind}/{note.id}")
    return Put(key, {STATE: compact.to_json(note)}, (Absent(),))


def notes(shop: str, limit: int, after: Mapping[str, Scalar] | None) -> Query:
    """The newest first."""
    partition = keys.shop_key(shop).partition
    return Query(partition, "EXCLUSION#", "EXCLUSION#~", descending=True, limit=limit, after=after)


def read_note(item: Item) -> Note:
    note: Note = _note(json.loads(str(item[STATE])))
    return note


_note = compact.row(Note, None, None, tuple, None, None, compact.moment, None)


def last_weeks(shop: str, end: date, number: int) -> Query:
    """The latest weeks up to the one that ends with ``end``, the latest first."""
    highest = keys.week_key(shop, end)
    return Query(highest.partition, "WEEK#", highest.sort, descending=True, limit=number)


def read_day(item: Item) -> Summary:
    summary: Summary = read_summary(json.loads(str(item["state"])))
    return summary


def items_of(page_items: Iterable[tuple[Key, Item]]) -> Iterator[tuple[date, Stored]]:
    for key, item in page_items:
        yield keys.day_of(key), Stored.of(key, item)


def _epoch(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())
