"""Parcels: what carriers, and marketplaces for them, say of a parcel's way."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aftercare.events.vocabulary import (
    CARRIERS,
    MARKETPLACES,
    Flag,
    Foreign,
    Hub,
    Name,
    Parcel,
    Raw,
    Region,
    ScanReason,
    ScanStatus,
    Shape,
    SignedBy,
)
from aftercare.kernel.envelope import EventData
from aftercare.kernel.ids import Id
from aftercare.kernel.times import UtcTime


class Scan(Shape):
    """One entry of a parcel's trace. A foreign status that is in no table is ``unknown`` and stays in ``raw``."""

    scanned_at: UtcTime
    status: ScanStatus
    reason: ScanReason | None = None
    region: Region | None = None
    hub: Hub | None = None
    signed_by: SignedBy | None = None
    raw: Raw


def _has(field: str) -> dict[str, Any]:
    return {"required": [field], "properties": {field: {"not": {"type": "null"}}}}


class _OfParcelOrOrder(BaseModel):
    model_config = ConfigDict(json_schema_extra={"anyOf": [_has("parcel"), _has("order_id")]})

    parcel: Parcel | None = None
    order_id: Id | None = None

    @model_validator(mode="after")
    def _name_one(self) -> Self:
        if self.parcel is None and self.order_id is None:
            raise ValueError("it names neither a parcel nor an order")
        return self


class ParcelScanned(Scan, _OfParcelOrOrder, EventData):
    """One scan of a parcel. At least one of ``parcel`` and ``order_id`` is there.

    Recognise it by parcel (else order), ``scanned_at``, ``status`` and ``raw``: the same scan may arrive from the
    marketplace and from the carrier, late, twice and in any order.
    """

    name = "ParcelScanned"
    sources = (MARKETPLACES, CARRIERS)


class ParcelTraced(EventData):
    """A parcel's trace as one party tells it. A complete one replaces all that the same carrier said before.

    Recognise its scans one by one as those of ParcelScanned: traces overlap each other and single scans.
    """

    name = "ParcelTraced"
    sources = (MARKETPLACES, CARRIERS)

    parcel: Parcel
    order_id: Id | None = None
    complete: Annotated[Flag, Field(description="the whole trace: what is not in it did not happen")]
    scans: tuple[Scan, ...]


class ParcelExceptionReported(_OfParcelOrOrder, EventData):
    """A marketplace or carrier itself says that something is wrong with a parcel.

    At least one of ``parcel`` and ``order_id`` is there; recognise it by that, ``kind`` and ``at``.
    """

    name = "ParcelExceptionReported"
    sources = (MARKETPLACES, CARRIERS)

    kind: Annotated[Name, Field(description="the reporting party's own word")]
    raw: Foreign
    at: UtcTime


class ParcelExceptionLifted(_OfParcelOrOrder, EventData):
    """A marketplace or carrier takes its own report back. It ends the reports of the same parcel (else order) and
    ``kind`` made before ``at``; recognise it by those three."""

    name = "ParcelExceptionLifted"
    sources = (MARKETPLACES, CARRIERS)

    kind: Annotated[Name, Field(description="the reporting party's own word")]
    raw: Foreign
    at: UtcTime
