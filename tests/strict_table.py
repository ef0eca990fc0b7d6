"""Tables in memory that refuse what DynamoDB refuses and memory would not mind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aftercare.kernel.table import PARTITION, SORT, Check, Delete, Increment, Item, Key, Page, Put, Query, Write
from sandbox.cloud import Sandbox
from sandbox.memory_streams import StreamedTable

LONGEST_PARTITION, LONGEST_SORT = 2048, 1024
"""Bytes of a key."""
DIGITS = 38
"""Of a number."""


class NotInDynamoDb(ValueError):
    """DynamoDB answers with a ValidationException."""


class StrictTable(StreamedTable):
    def get(self, key: Key) -> Item | None:
        _check_key(key.partition, key.sort)
        return super().get(key)

    def get_many(self, keys: Sequence[Key]) -> Mapping[Key, Item]:
        for key in keys:
            _check_key(key.partition, key.sort)
        return super().get_many(keys)

    def write(self, write: Write) -> None:
        _check_write(write)
        super().write(write)

    def transact(self, writes: Sequence[Write | Check]) -> None:
        for write in writes:
            _check_write(write)
        super().transact(writes)

    def query(self, query: Query) -> Page:
        _check_key(query.partition)
        if query.after is not None:
            after = {name: str(value) for name, value in query.after.items()}
            sort = after[SORT if query.index is None else query.index.sort]
            _check_key(after[PARTITION], after[SORT], sort)
            if not query.lowest <= sort <= query.highest:
                raise NotInDynamoDb("the starting key lies outside of what is asked for")
        return super().query(query)


def _check_key(partition: str, *sorts: str) -> None:
    if not 0 < len(partition.encode()) <= LONGEST_PARTITION:
        raise NotInDynamoDb(f"a partition key of {len(partition.encode())} bytes")
    for sort in sorts:
        if not 0 < len(sort.encode()) <= LONGEST_SORT:
            raise NotInDynamoDb(f"a sort key of {len(sort.encode())} bytes")


def _check_write(write: Write | Check) -> None:
    _check_key(write.key.partition, write.key.sort)
    values: list[Any] = []
    if isinstance(write, Put | Increment):
        values += write.attributes.values()
    if isinstance(write, Increment):
        values += [*write.by.values(), *write.ceilings.values()]
    if isinstance(write, Put | Delete | Check):
        values += [value for condition in write.conditions for value in condition]
    if any(isinstance(value, int) and abs(value) >= 10**DIGITS for value in values):
        raise NotInDynamoDb(f"a number of more than {DIGITS} digits")


class Restorable:
    """The tables of a sandbox in memory, which go back to where they stood."""

    def __init__(self, sandbox: Sandbox) -> None:
        services: Any = sandbox._services
        self._tables = [table._table for table in services._tables.values()]
        self._stood = [{pk: dict(items) for pk, items in table._items.items()} for table in self._tables]
        self._touched: set[str] = set()
        for table in self._tables:
            table._on_write = lambda key, item: self._touched.add(key.partition)

    def restore(self) -> None:
        if not self._touched:
            return
        for table, stood in zip(self._tables, self._stood, strict=True):
            for partition in self._touched:
                table._items[partition] = dict(stood.get(partition, {}))
            table._indexes, table._queried = {}, {}
        self._touched.clear()
