"""What counting a shop's days and weeks asks of its table: calls and units, by the sizes of the items."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import cycle, islice

from aftercare.kernel.records import DUE_AT, DUE_SHARD, OUTBOX, RecordWriter
from aftercare.kernel.table import PARTITION, SORT, Check, Delete, Item, Key, Page, Put, Query, Write
from aftercare.scores import keys, store
from aftercare.scores.model.contributions import Row
from aftercare.scores.model.formulas.chat import OF_CHATS
from aftercare.scores.model.shops import ShopState
from aftercare.scores.rollup import ScoreRollup
from benchmarks.folding import BEGIN, ZONE, Months
from benchmarks.units import KeysOnlyIndex, WireItem, query_units, read_units, write_units
from sandbox.clock import VirtualClock
from sandbox.memory_table import MemoryTable

SHOP, NEIGHBOUR = "standard:0123456789ab", "standard:123456789abc"
"""The neighbour is counted first, so that it is the one who makes their category's bar."""
DUE = KeysOnlyIndex((DUE_SHARD, DUE_AT, PARTITION, SORT))
A_DAY = timedelta(days=1)
EVENING, CLOSING = timedelta(hours=17), timedelta(hours=3)
LATE = timedelta(days=10)
"""So long ago is the day of which something more is heard after it was counted."""
WEEKS_BEFORE = 7
TUESDAY, WEDNESDAY, THURSDAY, SUNDAY = 1, 2, 3, 6
ROWS = 10, 100, 1000
EVENING_LOOK, QUIET, BUSY = "a look in the evening", "a night, nothing on its day", "a night"
RESTATED, WEEK = "a night, and one day heard of late", "the week's last night"


@dataclass
class Asked:
    """Calls by operation, and what they cost; ``events`` is what was put into outboxes."""

    calls: Counter[str] = field(default_factory=Counter)
    read_units: float = 0
    write_units: int = 0
    events: Counter[str] = field(default_factory=Counter)
    milliseconds: float = 0
    """CPU, with the table in memory."""


@dataclass(frozen=True)
class Night:
    """One waking of a shop with so many rows a day."""

    name: str
    rows: int
    asked: Asked


class CountedTable:
    """Implements ``Table``: one in memory that counts what DynamoDB would charge. All reads are consistent, as the
    adapter asks for them."""

    def __init__(self) -> None:
        self.table = MemoryTable()
        self.asked = Asked()

    def get(self, key: Key) -> Item | None:
        item = self.table.get(key)
        self._read("GetItem", read_units([_wire(key, item)], consistent=True))
        return item

    def get_many(self, keys: Sequence[Key]) -> Mapping[Key, Item]:
        found = self.table.get_many(keys)
        self._read("BatchGetItem", read_units((_wire(key, found.get(key)) for key in keys), consistent=True))
        return found

    def query(self, query: Query) -> Page:
        page = self.table.query(query)
        items = (
            wire for key, item in zip(page.keys, page.items, strict=True) if (wire := _wire(key, item)) is not None
        )
        self._read("Query", query_units(items, consistent=query.index is None))
        return page

    def write(self, write: Write) -> None:
        operation = {Put: "PutItem", Delete: "DeleteItem"}.get(type(write), "UpdateItem")
        self.asked.calls[operation] += 1
        before = self.table.get(write.key)
        if isinstance(write, Put) and OUTBOX in write.attributes:
            said = json.loads(str(write.attributes[OUTBOX]))
            self.asked.events.update(entry["detail-type"] for entry in said)
        try:
            self.table.write(write)
        finally:
            after = self.table.get(write.key)
            self.asked.write_units += write_units(
                _wire(write.key, before), _wire(write.key, after), [DUE], transactional=False
            )

    def transact(self, writes: Sequence[Write | Check]) -> None:
        raise NotImplementedError("counting needs no transactions")

    def _read(self, operation: str, units: float) -> None:
        self.asked.calls[operation] += 1
        self.asked.read_units += units


def _wire(key: Key, item: Item | None) -> WireItem | None:
    if item is None:
        return None
    values = {PARTITION: key.partition, SORT: key.sort, **item}
    return {name: {"S": value} if isinstance(value, str) else {"N": str(value)} for name, value in values.items()}


# ---------------------------------------------------------------- nights


class Shop:
    """A shop that is looked at every evening and counted every night, for some weeks already."""

    def __init__(self, rows: int) -> None:
        rng = random.Random(4)
        self._rows = rows
        self._templates = [kept.row for kept in Months(rng).of_a_shop()]
        rng.shuffle(self._templates)
        self._table = CountedTable()
        self._clock = VirtualClock(BEGIN)
        writer = RecordWriter(due_shards=4)
        self._rollup = ScoreRollup(self._table, self._clock, writer)
        for shop in (SHOP, NEIGHBOUR):
            state = ShopState.entered(shop, BEGIN, zone=ZONE, category="home")
            self._table.table.write(store.write_shop(writer, None, state, BEGIN + A_DAY + CLOSING, BEGIN))
        self._written = 0
        for _ in range(WEEKS_BEFORE * 7):
            self.evening_and_night(rows)

    def evening_and_night(self, rows: int, late: int = 0) -> tuple[Asked, Asked]:
        """A day's rows come in; in the evening and the night the shop is woken. Between them, ``late`` more rows of an
        earlier day come in."""
        today = self._clock.now().date()
        midnight = BEGIN + (today - BEGIN.date())
        self._add(SHOP, today, rows)
        self._add(NEIGHBOUR, today, 1)
        evening = self._wake(midnight + EVENING)
        if late:
            self._add(SHOP, today - LATE, late)
            self._table.table.write(store.mark_late(SHOP, today - LATE, self._clock.now()))
        night = self._wake(midnight + A_DAY + CLOSING)
        return evening, night

    def on(self, weekday: int, rows: int | None = None, late: int = 0) -> tuple[Asked, Asked]:
        """Of the next such day."""
        while self._clock.now().weekday() != weekday:
            self.evening_and_night(self._rows)
        return self.evening_and_night(self._rows if rows is None else rows, late)

    def _wake(self, moment: datetime) -> Asked:
        self._clock.advance_to(moment)
        self._rollup.wake(keys.shop_key(NEIGHBOUR))
        self._table.asked = Asked()
        start = time.process_time()
        self._rollup.wake(keys.shop_key(SHOP))
        asked, self._table.asked = self._table.asked, Asked()
        asked.milliseconds = (time.process_time() - start) * 1000
        return asked

    def _add(self, shop: str, day: date, rows: int) -> None:
        for row in islice(cycle(self._templates), rows):
            self._written += 1
            moved = _moved(row, day)
            self._table.table.write(store.write_row(shop, moved._replace(subject=_subject(row, self._written)), 1))


def _subject(row: Row, number: int) -> str:
    """As long as a marketplace's order numbers are; those of sessions begin as theirs do."""
    return f"{OF_CHATS if row.subject.startswith(OF_CHATS) else ''}{number:018d}"


def _moved(row: Row, day: date) -> Row:
    """The row on another day, with its evidence as many days later as it was."""
    by = day - row.day
    metrics = {
        metric: (numerator, denominator, None if evidence is None else evidence + by)
        for metric, (numerator, denominator, evidence) in row.metrics.items()
    }
    return Row(day, row.subject, metrics)


def nights(rows: Sequence[int] = ROWS) -> list[Night]:
    found = []
    for count in rows:
        shop = Shop(count)
        evening, night = shop.on(TUESDAY)
        _, quiet = shop.on(WEDNESDAY, rows=0)
        _, late = shop.on(THURSDAY, late=1)
        _, week = shop.on(SUNDAY)
        found += [
            Night(EVENING_LOOK, count, evening),
            Night(QUIET, count, quiet),
            Night(BUSY, count, night),
            Night(RESTATED, count, late),
            Night(WEEK, count, week),
        ]
    return found
