"""A table of items as the rooms see it: keys, conditions and writes as plain data, sent through the ``Table`` port.

Most are named tuples: every function loads them, and making a dataclass takes seven times as long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple, Protocol

from aftercare.kernel.errors import Conflict

Scalar = str | int
Item = Mapping[str, Scalar]
"""An item without its key: flat, text and integers only."""

_EMPTY: Mapping[str, int] = MappingProxyType({})

PARTITION = "pk"
SORT = "sk"
VERSION = "version"


class Key(NamedTuple):
    partition: str
    sort: str

    def __str__(self) -> str:
        return f"{self.partition}|{self.sort}"


class Absent(NamedTuple):
    """Nothing stands under the key yet."""


class VersionIs(NamedTuple):
    """The item is still the one that was read."""

    version: int


class AtLeast(NamedTuple):
    """A number of the stored item is not below ``minimum``."""

    attribute: str
    minimum: int


class Below(NamedTuple):
    """Nothing stands under the key yet, or a number of it is below ``limit``: what stands there is older."""

    attribute: str
    limit: int


Condition = Absent | VersionIs | AtLeast | Below


class Put(NamedTuple):
    """Replaces the whole item; what ``attributes`` does not name is gone afterwards."""

    key: Key
    attributes: Item
    conditions: tuple[Condition, ...]


class Increment(NamedTuple):
    """Adds to counters that start at 0; refused as a whole where a sum would pass its ceiling."""

    key: Key
    by: Mapping[str, int]
    ceilings: Mapping[str, int] = _EMPTY
    attributes: Item = _EMPTY


class Delete(NamedTuple):
    key: Key
    conditions: tuple[Condition, ...]


class Check(NamedTuple):
    """Changes nothing; refuses the transaction that it is part of unless its conditions hold."""

    key: Key
    conditions: tuple[Condition, ...]


Write = Put | Increment | Delete


class Index(NamedTuple):
    """A secondary index: its name and the two attributes that make its key."""

    name: str
    partition: str
    sort: str


@dataclass(frozen=True, slots=True)
class Query:
    """The items of one partition whose sort value lies in [lowest, highest], oldest first unless ``descending``."""

    partition: str
    lowest: str = ""
    highest: str = "\U0010ffff"
    index: Index | None = None
    descending: bool = False
    limit: int = 100
    after: Mapping[str, Scalar] | None = None


class Page(NamedTuple):
    """``items`` hold what the index projects, at least the key; ``next`` goes into ``Query.after``, None at the end."""

    keys: tuple[Key, ...]
    items: tuple[Item, ...]
    next: Mapping[str, Scalar] | None


class WriteRefused(Conflict):
    """A condition did not hold; ``existing`` is what stands there instead."""

    def __init__(self, key: Key, existing: Item | None) -> None:
        super().__init__(f"condition failed on {key}")
        self.key = key
        self.existing = existing


class TransactionRefused(Conflict):
    """Nothing was written. ``refused`` maps the index of each write whose condition failed to what stands there.

    It is empty when another write was under way on one of the items: read again and try again.
    """

    def __init__(self, refused: Mapping[int, Item | None]) -> None:
        super().__init__(f"transaction refused at writes {sorted(refused)}")
        self.refused = refused


class Table(Protocol):
    """One table. Reads by key are strongly consistent. Raises ``Transient`` when the store cannot answer now."""

    def get(self, key: Key) -> Item | None: ...

    def get_many(self, keys: Sequence[Key]) -> Mapping[Key, Item]:
        """What stands under the keys, in one round trip for up to 100 of them; absent ones are left out."""

    def write(self, write: Write) -> None:
        """One conditional write; raises ``WriteRefused``."""

    def transact(self, writes: Sequence[Write | Check]) -> None:
        """All or nothing; raises ``TransactionRefused``. At least one of them is no ``Check``."""

    def query(self, query: Query) -> Page: ...


def every(table: Table, query: Query) -> list[tuple[Key, Item]]:
    """All items of a query with their keys, page after page."""
    found: list[tuple[Key, Item]] = []
    while True:
        page = table.query(query)
        found += zip(page.keys, page.items, strict=True)
        if page.next is None:
            return found
        query = replace(query, after=page.next)
