"""Tables in plain memory with the template's indexes and streams, as functions and pollers see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count

from aftercare.aws.table import BATCH_GET_KEYS
from aftercare.kernel.ports import Clock
from aftercare.kernel.records import DUE_INDEX
from aftercare.kernel.table import (
    PARTITION,
    SORT,
    Check,
    Delete,
    Increment,
    Index,
    Item,
    Key,
    Page,
    Put,
    Query,
    Scalar,
    TransactionRefused,
    Write,
    WriteRefused,
)
from aftercare.kernel.times import from_text
from sandbox import resources
from sandbox.intrinsics import REGION, STREAM_LABEL, TemplateError
from sandbox.memory_table import MemoryTable, Projections
from sandbox.services import EPOCH, Record, Witness, call

DYNAMODB = "dynamodb"


class StreamedTable:
    """Implements ``Table``: a table in memory with the template's indexes, whose writes its stream tells."""

    def __init__(self, table: resources.Table, clock: Clock, witness: Witness) -> None:
        self._indexes, projections = _indexes_of(table)
        self._name = table.name
        self._table = MemoryTable(projections=projections)
        self._stream = Stream(table, clock)
        self._witness = witness

    def get(self, key: Key) -> Item | None:
        with call(self._witness, DYNAMODB, "GetItem"):
            return self._table.get(key)

    def get_many(self, keys: Sequence[Key]) -> Mapping[Key, Item]:
        distinct = list(dict.fromkeys(keys))
        found: dict[Key, Item] = {}
        for start in range(0, len(distinct), BATCH_GET_KEYS):
            with call(self._witness, DYNAMODB, "BatchGetItem"):
                found.update(self._table.get_many(distinct[start : start + BATCH_GET_KEYS]))
        return found

    def write(self, write: Write) -> None:
        with call(self._witness, DYNAMODB, _operation(write)), self._told([write]):
            self._table.write(write)

    def transact(self, writes: Sequence[Write | Check]) -> None:
        if len(writes) == 1 and not isinstance(writes[0], Check):
            try:
                self.write(writes[0])
            except WriteRefused as refusal:
                raise TransactionRefused({0: refusal.existing}) from None
            return
        with call(self._witness, DYNAMODB, "TransactWriteItems"), self._told(writes):
            self._table.transact(writes)

    def query(self, query: Query) -> Page:
        """Raises ``TemplateError`` for an index that the template does not declare."""
        if query.index is not None and self._indexes.get(query.index.name) != query.index:
            raise TemplateError(f"the table {self._name} has no index {query.index}")
        if query.lowest > query.highest:
            return Page((), (), None)
        with call(self._witness, DYNAMODB, "Query"):
            return self._table.query(query)

    def reader(self) -> Reader:
        return self._stream.reader()

    def first_due(self) -> datetime | None:
        first = self._table.first(DUE_INDEX)
        return None if first is None else from_text(first)

    @contextmanager
    def _told(self, writes: Sequence[Write | Check]) -> Iterator[None]:
        """The stream hears of what the block has changed; of a write that changed nothing it hears nothing."""
        keys = [write.key for write in writes if not isinstance(write, Check)]
        before = [self._table.get(key) for key in keys]
        yield
        for key, old in zip(keys, before, strict=True):
            new = self._table.get(key)
            if old != new:
                self._stream.add(key, old, new)


class Stream:
    """Tells each of its readers of every write from then on."""

    def __init__(self, table: resources.Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock
        self._numbers = count(1)
        self._readers: list[Reader] = []

    def reader(self) -> Reader:
        reader = Reader()
        self._readers.append(reader)
        return reader

    def add(self, key: Key, old: Item | None, new: Item | None) -> None:
        if self._table.stream_view is None or not self._readers:
            return
        record = self._record(key, old, new)
        for reader in self._readers:
            reader.waiting.append(record)

    def _record(self, key: Key, old: Item | None, new: Item | None) -> Record:
        view, number = self._table.stream_view or "", next(self._numbers)
        image: Record = {
            "StreamViewType": view,
            "ApproximateCreationDateTime": (self._clock.now() - EPOCH) // timedelta(seconds=1),
            "SequenceNumber": f"{number:021d}",
            "SizeBytes": 1,
            "Keys": _keyed(key, {}),
        }
        if new is not None and "NEW" in view:
            image["NewImage"] = _keyed(key, new)
        if old is not None and "OLD" in view:
            image["OldImage"] = _keyed(key, old)
        return {
            "eventID": f"{number:032x}",
            "eventName": "INSERT" if old is None else "REMOVE" if new is None else "MODIFY",
            "eventSource": "aws:dynamodb",
            "eventVersion": "1.0",
            "awsRegion": REGION,
            "eventSourceARN": f"{self._table.arn}/stream/{STREAM_LABEL}",
            "dynamodb": image,
        }


class Reader:
    """Implements ``PolledStream``; what it has taken is kept nowhere."""

    def __init__(self) -> None:
        self.waiting: list[Record] = []

    def take(self) -> list[Record]:
        taken, self.waiting = self.waiting, []
        return taken


def _keyed(key: Key, item: Item) -> dict[str, dict[str, str]]:
    """As the wire has it, every value with its type."""
    texts: Mapping[str, Scalar] = {PARTITION: key.partition, SORT: key.sort, **item}
    return {name: {"S": value} if isinstance(value, str) else {"N": str(value)} for name, value in texts.items()}


def _indexes_of(table: resources.Table) -> tuple[Mapping[str, Index], Projections]:
    """The table's indexes by name, and what each of them holds beside the keys."""
    indexes: dict[str, Index] = {}
    projections: dict[str, frozenset[str] | None] = {}
    declared = ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")
    for index in (each for kind in declared for each in table.request.get(kind, ())):
        attributes = {part["KeyType"]: part["AttributeName"] for part in index["KeySchema"]}
        name, projection = index["IndexName"], index["Projection"]
        indexes[name] = Index(name, attributes["HASH"], attributes["RANGE"])
        everything = projection["ProjectionType"] == "ALL"
        projections[name] = None if everything else frozenset(projection.get("NonKeyAttributes", ()))
    return indexes, projections


def _operation(write: Write) -> str:
    match write:
        case Put():
            return "PutItem"
        case Increment():
            return "UpdateItem"
        case Delete():
            return "DeleteItem"
