"""``Table`` in memory, for simulations and load."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Mapping, Sequence

from aftercare.kernel.table import (
    PARTITION,
    SORT,
    VERSION,
    Absent,
    AtLeast,
    Below,
    Check,
    Condition,
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
    VersionIs,
    Write,
    WriteRefused,
)

MAX_TRANSACTION_WRITES = 100
LARGEST_ITEM_BYTES = 409_600

Projections = Mapping[str, frozenset[str] | None]
"""What the indexes hold by their names: attributes beside the keys, None for whole items."""

_Entry = tuple[str, Key]
"""A sort value and the key of the item that has it: the order of a query's answer, and a place in it."""

_Partitions = dict[str, list[_Entry]]
"""The ordered entries of an index by the value of its partition attribute."""


class ItemTooLarge(ValueError):
    """DynamoDB stores no item of that size."""


class MemoryTable:
    """Implements ``Table``. Hands out the stored items themselves: nobody may change them.

    ``on_write`` hears every new image in the order of the writes (None for a deleted item), as a stream would tell it.
    An index that is not among ``projections`` answers with its own two attributes alone, as one that projects keys
    only. A write raises ``ItemTooLarge`` beyond DynamoDB's 400 KB.
    """

    def __init__(
        self, on_write: Callable[[Key, Item | None], None] | None = None, projections: Projections | None = None
    ) -> None:
        self._items: dict[str, dict[str, Item]] = {}
        self._indexes: dict[Index, _Partitions] = {}
        self._queried: _Partitions = {}
        """The table's own partitions in order, those that were ever queried."""
        self._on_write = on_write
        self._projections = projections or {}

    def get(self, key: Key) -> Item | None:
        return self._items.get(key.partition, {}).get(key.sort)

    def get_many(self, keys: Sequence[Key]) -> Mapping[Key, Item]:
        found = ((key, self.get(key)) for key in keys)
        return {key: item for key, item in found if item is not None}

    def write(self, write: Write) -> None:
        existing = self.get(write.key)
        if not _allows(write, existing):
            raise WriteRefused(write.key, existing)
        self._store(write.key, existing, _image(write, existing))

    def transact(self, writes: Sequence[Write | Check]) -> None:
        if not 1 <= len(writes) <= MAX_TRANSACTION_WRITES:
            raise ValueError(f"a transaction has 1 to {MAX_TRANSACTION_WRITES} writes, not {len(writes)}")
        if len({write.key for write in writes}) < len(writes):
            raise ValueError("a transaction writes an item once")
        before = [self.get(write.key) for write in writes]
        refused = {
            index: existing
            for index, (write, existing) in enumerate(zip(writes, before, strict=True))
            if not _allows(write, existing)
        }
        if refused:
            raise TransactionRefused(refused)
        changes = [
            (write.key, existing, _image(write, existing))
            for write, existing in zip(writes, before, strict=True)
            if not isinstance(write, Check)
        ]
        for key, old, new in changes:
            self._store(key, old, new)

    def query(self, query: Query) -> Page:
        """A full page has a ``next`` even where nothing follows, as with DynamoDB: callers must stand an empty page."""
        entries = self._ordered(query)
        start = bisect_left(entries, query.lowest, key=_sort_value)
        end = bisect_right(entries, query.highest, key=_sort_value)
        if query.after is not None:
            last = _place(query.after, query.index)
            if query.descending:
                end = min(end, bisect_left(entries, last))
            else:
                start = max(start, bisect_right(entries, last))
        if query.descending:
            chosen = entries[max(start, end - query.limit) : end][::-1]
        else:
            chosen = entries[start : min(end, start + query.limit)]
        return Page(
            keys=tuple(key for _, key in chosen),
            items=tuple(self._projection(query, entry) for entry in chosen),
            next=_after(query, chosen[-1]) if len(chosen) == query.limit else None,
        )

    def first(self, index: Index) -> str | None:
        """The lowest sort value in all partitions of an index; None for an empty one."""
        return min((entries[0][0] for entries in self._partitions(index).values() if entries), default=None)

    def _ordered(self, query: Query) -> list[_Entry]:
        if query.index is not None:
            return self._partitions(query.index).get(query.partition, [])
        if query.partition not in self._queried:
            sorts = self._items.get(query.partition, ())
            self._queried[query.partition] = sorted((sort, Key(query.partition, sort)) for sort in sorts)
        return self._queried[query.partition]

    def _projection(self, query: Query, entry: _Entry) -> Item:
        sort, key = entry
        item = self._items[key.partition][key.sort]
        if query.index is None:
            return item
        projected = self._projections.get(query.index.name, frozenset())
        if projected is None:
            return item
        keys = {query.index.partition: query.partition, query.index.sort: sort}
        return keys | {name: item[name] for name in projected if name in item}

    def _store(self, key: Key, old: Item | None, new: Item | None) -> None:
        if old is None and new is None:
            return
        if new is None:
            del self._items[key.partition][key.sort]
        else:
            self._items.setdefault(key.partition, {})[key.sort] = new
        if key.partition in self._queried:
            entries = self._queried[key.partition]
            if old is None:
                insort(entries, (key.sort, key))
            elif new is None:
                _take_out(entries, (key.sort, key))
        for index, partitions in self._indexes.items():
            _move(partitions, index, key, old, new)
        if self._on_write is not None:
            self._on_write(key, new)

    def _partitions(self, index: Index) -> _Partitions:
        if index not in self._indexes:
            partitions: _Partitions = {}
            for partition, items in self._items.items():
                for sort, item in items.items():
                    _move(partitions, index, Key(partition, sort), None, item)
            self._indexes[index] = partitions
        return self._indexes[index]


def _image(write: Write, existing: Item | None) -> Item | None:
    """What stands there after the write; raises ``ItemTooLarge``."""
    new: Item
    match write:
        case Put(attributes=attributes):
            new = dict(attributes)
        case Increment(by=by, attributes=attributes):
            old = existing or {}
            new = {**old, **{name: _number(old, name) + more for name, more in by.items()}, **attributes}
        case Delete():
            return None
    size = _size(write.key, new)
    if size > LARGEST_ITEM_BYTES:
        raise ItemTooLarge(f"{write.key} would have {size} bytes, DynamoDB stores {LARGEST_ITEM_BYTES}")
    return new


def _size(key: Key, item: Item) -> int:
    """In bytes, as DynamoDB counts them; numbers as their text, which is a little too much."""
    texts = [PARTITION, key.partition, SORT, key.sort, *item, *map(str, item.values())]
    return sum(len(text) if text.isascii() else len(text.encode()) for text in texts)


def _allows(write: Write | Check, existing: Item | None) -> bool:
    if isinstance(write, Increment):
        old = existing or {}
        return all(_number(old, name) + write.by.get(name, 0) <= ceiling for name, ceiling in write.ceilings.items())
    return all(_holds(condition, existing) for condition in write.conditions)


def _holds(condition: Condition, existing: Item | None) -> bool:
    match condition:
        case Absent():
            return existing is None
        case VersionIs(version):
            return existing is not None and existing.get(VERSION) == version
        case AtLeast(attribute, minimum):
            stored = None if existing is None else existing.get(attribute)
            return isinstance(stored, int) and stored >= minimum
        case Below(attribute, limit):
            stored = None if existing is None else existing.get(attribute)
            return existing is None or (isinstance(stored, int) and stored < limit)


def _number(item: Item, name: str) -> int:
    value = item.get(name, 0)
    if not isinstance(value, int):
        raise TypeError(f"{name} is not a number")
    return value


def _move(partitions: _Partitions, index: Index, key: Key, old: Item | None, new: Item | None) -> None:
    """Keeps an index in step; an item stands in it only while it has both attributes."""
    before, after = _index_values(index, old), _index_values(index, new)
    if before == after:
        return
    if before is not None:
        partition, sort = before
        _take_out(partitions[partition], (sort, key))
    if after is not None:
        partition, sort = after
        insort(partitions.setdefault(partition, []), (sort, key))


def _take_out(entries: list[_Entry], entry: _Entry) -> None:
    del entries[bisect_left(entries, entry)]


def _index_values(index: Index, item: Item | None) -> tuple[str, str] | None:
    if item is None or index.partition not in item or index.sort not in item:
        return None
    return str(item[index.partition]), str(item[index.sort])


def _sort_value(entry: _Entry) -> str:
    return entry[0]


def _after(query: Query, last: _Entry) -> Mapping[str, Scalar]:
    sort, key = last
    place: dict[str, Scalar] = {PARTITION: key.partition, SORT: key.sort}
    if query.index is not None:
        place |= {query.index.partition: query.partition, query.index.sort: sort}
    return place


def _place(after: Mapping[str, Scalar], index: Index | None) -> _Entry:
    sort = after[SORT] if index is None else after[index.sort]
    return str(sort), Key(str(after[PARTITION]), str(after[SORT]))
