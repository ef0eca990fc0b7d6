"""DynamoDB's request units, from the items themselves.

moto's own figures are not real. The rules: a write costs one unit per KB begun of the larger of the item before and
after, twice that inside a transaction; an index entry costs one unit per KB begun to write and one to delete, whatever
wrote the item; a read costs one unit per 4 KB begun, half that where it is not consistent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

WRITE_UNIT_BYTES = 1024
READ_UNIT_BYTES = 4096

WireItem = Mapping[str, Mapping[str, str]]
"""An item as the API carries it: text (``S``) and numbers (``N``)."""


@dataclass(frozen=True)
class KeysOnlyIndex:
    """A secondary index that projects keys alone: its own attributes and those of the table's key."""

    attributes: tuple[str, ...]

    def entry(self, item: WireItem | None) -> WireItem | None:
        """What stands in the index for an item; None for one that lacks an attribute."""
        if item is None or any(name not in item for name in self.attributes):
            return None
        return {name: item[name] for name in self.attributes}

    def write_units(self, before: WireItem | None, after: WireItem | None) -> int:
        """What keeping up with a write of the item costs here: nothing where the entry stays as it is."""
        return _entry_units(self.entry(before), self.entry(after))


def item_bytes(item: WireItem) -> int:
    """The size that DynamoDB bills: names and values as UTF-8."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def write_units(
    before: WireItem | None, after: WireItem | None, indexes: Sequence[KeysOnlyIndex], *, transactional: bool
) -> int:
    """Units of one write that found ``before`` and left ``after``; a refused write leaves what it found."""
    larger = max(item_bytes(before or {}), item_bytes(after or {}))
    table = _units(larger, WRITE_UNIT_BYTES) * (2 if transactional else 1)
    return table + sum(index.write_units(before, after) for index in indexes)


def read_units(items: Iterable[WireItem | None], *, consistent: bool) -> float:
    """Units of reading items by key; one that is absent costs as much as the smallest."""
    units = sum(_units(item_bytes(item or {}), READ_UNIT_BYTES) for item in items)
    return units if consistent else units / 2


def query_units(items: Iterable[WireItem], *, consistent: bool) -> float:
    """Units of a query: the items found are added up before the 4 KB are counted."""
    units = _units(sum(map(item_bytes, items)), READ_UNIT_BYTES)
    return units if consistent else units / 2


def _entry_units(before: WireItem | None, after: WireItem | None) -> int:
    if before == after:
        return 0
    return sum(_units(item_bytes(entry), WRITE_UNIT_BYTES) for entry in (before, after) if entry is not None)


def _units(size: int, unit: int) -> int:
    return max(1, -(-size // unit))


def _value_bytes(value: Mapping[str, str]) -> int:
    [(kind, text)] = value.items()
    if kind == "S":
        return len(text.encode())
    if kind == "N":
        # two digits a byte, one byte for the exponent, one more for a sign
        digits = text.lstrip("-").strip("0") or "0"
        return -(-len(digits) // 2) + 1 + text.startswith("-")
    raise ValueError(f"items hold text and numbers only, not {kind}")
