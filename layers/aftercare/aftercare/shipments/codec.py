"""A shipment as JSON text, short and without loss: lists in the order of their fields, less what is missing at the end.

The item is read and written with every event, and DynamoDB charges by the kilobyte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aftercare.events.trace import Scan, read_place, read_scan
from aftercare.events.vocabulary import (
    AnomalyKind,
    AnomalyOutcome,
    AnomalyStage,
    Leg,
    PromiseSource,
)
from aftercare.kernel import compact
from aftercare.shipments.model.shipment import (
    Due,
    Mute,
    Parcel,
    ParcelId,
    Payment,
    Peer,
    Promise,
    Refund,
    Report,
    Said,
    Shipment,
)


def to_json(shipment: Shipment) -> str:
    fields = {name: compact.plain(value) for name, value in zip(shipment._fields, shipment, strict=True) if value}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> Shipment:
    """Raises ``KeyError``, ``TypeError`` or ``ValueError`` for what ``to_json`` did not write."""
    raw: dict[str, Any] = json.loads(text)
    return Shipment(**{name: _READERS[name](value) if name in _READERS else value for name, value in raw.items()})


def scans_to_json(scans: tuple[Scan, ...]) -> str:
    return compact.to_json(scans)


def scans_from_json(text: str) -> tuple[Scan, ...]:
    return tuple(read_scan(row) for row in json.loads(text))


def reports_to_json(reports: tuple[Report, ...]) -> str:
    return compact.to_json(reports)


def reports_from_json(text: str) -> tuple[Report, ...]:
    return tuple(_report(row) for row in json.loads(text))


_parcel_id = compact.row(ParcelId, None, None)
_peer = compact.row(Peer, None, compact.moment, None)
_report = compact.row(Report, _parcel_id, None, compact.moment, None, None)
_parcel = compact.row(Parcel, compact.moment, compact.many(read_scan), compact.moment, compact.many(_peer))
_READERS: Mapping[str, compact.Read] = {
    "payment": compact.row(
        Payment,
        compact.moment,
        None,
        None,
        None,
        compact.moment,
        compact.moment,
        None,
        read_place,
        read_place,
        None,
        compact.moment,
        None,
        None,
        None,
    ),
    "promises": compact.many(
        compact.row(Promise, PromiseSource, compact.moment, None, None, compact.moment, compact.moment, None)
    ),
    "cancelled_at": compact.moment,
    "completed_at": compact.moment,
    "out_of_stock_at": compact.moment,
    "refunds": compact.mapping(
        str, compact.row(Refund, compact.moment, None, None, compact.moment, None, compact.moment)
    ),
    "reports": compact.many(_report),
    "parcels": compact.mapping(_parcel_id, _parcel),
    "said": compact.mapping(
        str,
        compact.row(
            Said,
            AnomalyKind,
            _parcel_id,
            Leg,
            compact.moment,
            AnomalyStage,
            compact.moment,
            compact.moment,
            AnomalyOutcome,
            None,
            None,
            None,
        ),
    ),
    "mutes": compact.mapping(str, compact.row(Mute, None, None, compact.moment, compact.moment, None)),
    "due_said": compact.row(Due, compact.moment, compact.moment, compact.moment, None, None),
    "delivered_said": compact.mapping(_parcel_id, str),
}
