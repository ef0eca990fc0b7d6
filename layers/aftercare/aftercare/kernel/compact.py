"""Named tuples as JSON, short and without loss: lists in the order of the fields, less what is missing at the end.

For items that are read and written with every event: DynamoDB charges by the kilobyte.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from aftercare.kernel.times import to_text

Read = Callable[[Any], Any]
RowT = TypeVar("RowT", bound=NamedTuple)


def to_json(value: Any) -> str:
    """``value`` is made of named tuples, tuples, mappings, times, days, enums, text, numbers and None.

    A named tuple that can be told in fewer words has a method ``as_row`` for it.
    """
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))


def plain(value: Any) -> Any:
    match value:
        case datetime():
            return to_text(value)
        case date():
            return value.isoformat()
        case Enum():
            return value.value
        case tuple():
            short = value.as_row() if hasattr(value, "as_row") else value
            row = [plain(each) for each in short]
            while row and row[-1] is None and hasattr(value, "_fields"):
                row.pop()
            return row
        case Mapping():
            return [[plain(key), plain(each)] for key, each in value.items()]
    return value


def row(of: type[RowT], *readers: Read | None) -> Callable[[list[Any]], RowT]:
    """Reads one tuple whose fields are read by ``readers``, None for a field that JSON holds as it is."""

    def read(values: list[Any]) -> RowT:
        padded = [*values, *[None] * (len(readers) - len(values))]
        return of(*[
            value if reader is None or value is None else reader(value)
            for value, reader in zip(padded, readers, strict=True)
        ])  # fmt: skip

    return read


def many(read: Read) -> Read:
    return lambda rows: tuple(read(each) for each in rows)


def mapping(key: Read, value: Read) -> Read:
    return lambda pairs: {key(each_key): value(each) for each_key, each in pairs}


moment = datetime.fromisoformat
day = date.fromisoformat
