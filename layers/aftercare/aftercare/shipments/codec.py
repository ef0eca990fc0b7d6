"""A shipment as JSON text, short and without loss: lists in the order of their fields, less what is missing at the end.

The item is read and written with every event, and DynamoDB charges by the kilobyte.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from aftercare.events.vocabulary import (
    AnomalyKind,
    AnomalyOutcome,
    AnomalyStage,
    Leg,
    PromiseSource,
    ScanReason,
    ScanStatus,
    SignedBy,
)
from aftercare.kernel.times import to_text
from aftercare.shipments.model.shipment import (
    Due,
    Mute,
    Parcel,
    ParcelId,
    Payment,
    Peer,
    Place,
    Promise,
    Refund,
    Report,
    Said,
    Scan,
    Shipment,
)

Read = Callable[[Any], Any]
RowT = TypeVar("RowT", bound=NamedTuple)


def to_json(shipment: Shipment) -> str:
    fields = {name: _plain(value) for name, value in zip(shipment._fields, shipment, strict=True) if value}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> Shipment:
    """Raises ``KeyError``, ``TypeError`` or ``ValueError`` for what ``to_json`` did not write."""
    raw: dict[str, Any] = json.loads(text)
    return Shipment(**{name: _READERS[name](value) if name in _READERS else value for name, value in raw.items()})


def scans_to_json(scans: tuple[Scan, ...]) -> str:
    return json.dumps(_plain(scans), ensure_ascii=False, separators=(",", ":"))


def scans_from_json(text: str) -> tuple[Scan, ...]:
    return tuple(_scan(row) for row in json.loads(text))


def reports_to_json(reports: tuple[Report, ...]) -> str:
    return json.dumps(_plain(reports), ensure_ascii=False, separators=(",", ":"))


def reports_from_json(text: str) -> tuple[Report, ...]:
    return tuple(_report(row) for row in json.loads(text))


# ---------------------------------------------------------------- writing


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return to_text(value)
        case Enum():
            return value.value
        case Scan(at=at, arrived=arrived) if at == arrived:
            # most scans are told at once: the time need not stand there twice
            return _row((*value[:2], None, *value[3:]))
        case tuple():
            return _row(value) if hasattr(value, "_fields") else [_plain(each) for each in value]
        case Mapping():
            return [[_plain(key), _plain(each)] for key, each in value.items()]
    return value


def _row(fields: tuple[Any, ...]) -> list[Any]:
    row = [_plain(each) for each in fields]
    while row and row[-1] is None:
        row.pop()
    return row


# ---------------------------------------------------------------- reading


def _reader(of: type[RowT], *readers: Read | None) -> Callable[[list[Any]], RowT]:
    """Reads one tuple whose fields are read by ``readers``, None for a field that JSON holds as it is."""

    def read(row: list[Any]) -> RowT:
        values = [*row, *[None] * (len(readers) - len(row))]
        return of(*[
            value if reader is None or value is None else reader(value)
            for value, reader in zip(values, readers, strict=True)
        ])  # fmt: skip

    return read


def _many(read: Read) -> Read:
    return lambda rows: tuple(read(row) for row in rows)


def _mapping(key: Read, value: Read) -> Read:
    return lambda pairs: {key(each_key): value(each) for each_key, each in pairs}


def _scan(row: list[Any]) -> Scan:
    at, status, arrived, *rest = row
    return _scan_row([at, status, arrived or at, *rest])


_moment = datetime.fromisoformat
_place = _reader(Place, None, None, None)
_parcel_id = _reader(ParcelId, None, None)
_scan_row = _reader(Scan, _moment, ScanStatus, _moment, None, None, ScanReason, _place, None, SignedBy)
_peer = _reader(Peer, None, _moment, None)
_report = _reader(Report, _parcel_id, None, _moment, None, None)
_parcel = _reader(Parcel, _moment, _many(_scan), _moment, _many(_peer))
_READERS: Mapping[str, Read] = {
    "payment": _reader(
        Payment, _moment, None, None, None, _moment, _moment, None, _place, _place, None, _moment, None, None, None
    ),
    "promises": _many(_reader(Promise, PromiseSource, _moment, None, None, _moment, _moment, None)),
    "cancelled_at": _moment,
    "completed_at": _moment,
    "out_of_stock_at": _moment,
    "refunds": _mapping(str, _reader(Refund, _moment, None, None, _moment, None, _moment)),
    "reports": _many(_report),
    "parcels": _mapping(_parcel_id, _parcel),
    "said": _mapping(
        str,
        _reader(
            Said,
            AnomalyKind,
            _parcel_id,
            Leg,
            _moment,
            AnomalyStage,
            _moment,
            _moment,
            AnomalyOutcome,
            None,
            None,
            None,
        ),
    ),
    "mutes": _mapping(str, _reader(Mute, None, None, _moment, _moment, None)),
    "due_said": _reader(Due, _moment, _moment, _moment, None, None),
    "delivered_said": _mapping(_parcel_id, str),
}
