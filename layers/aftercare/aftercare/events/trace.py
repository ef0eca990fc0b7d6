"""A parcel's trace as a set of scans: told by several parties, late and twice, and corrected as a whole.

Neither order nor repetition matters to what comes out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

from aftercare.events.parcels import ParcelScanned, ParcelTraced
from aftercare.events.parcels import Scan as ToldScan
from aftercare.events.vocabulary import PICKED_UP_STATUSES, Region, ScanReason, ScanStatus, SignedBy
from aftercare.kernel import compact
from aftercare.kernel.envelope import Event, EventData

TEXT_DIGEST_LENGTH = 8
_RANKS = {status: rank for rank, status in enumerate(ScanStatus)}


class Place(NamedTuple):
    """A place as coarse as it was told; ``country`` is ISO 3166-1 alpha-2."""

    country: str
    province: str | None = None
    city: str | None = None


class Scan(NamedTuple):
    """One entry of a trace. ``arrived`` is when it was told last; ``text_digest`` stands for the carrier's words."""

    at: datetime
    status: ScanStatus
    arrived: datetime
    code: str
    text_digest: str
    reason: ScanReason | None = None
    place: Place | None = None
    hub: str | None = None
    signed_by: SignedBy | None = None

    @property
    def identity(self) -> tuple[datetime, ScanStatus, str, str]:
        """The same scan is told by several parties, late and twice."""
        return self.at, self.status, self.code, self.text_digest

    @property
    def in_time(self) -> tuple[datetime, int, str, str]:
        """Sorts scans; within one moment the status later in the catalogue's list counts as later."""
        return self.at, _RANKS[self.status], self.code, self.text_digest

    def as_row(self) -> tuple[object, ...]:
        # most scans are told at once: the time need not stand there twice
        return (*self[:2], None, *self[3:]) if self.arrived == self.at else self


class Told(NamedTuple):
    """Scans of one parcel that came together. ``complete_at`` is when, if they are the whole trace.

    A scan counts as told when it arrived last: a complete trace does not take back what is told after it.
    """

    scans: tuple[Scan, ...] = ()
    complete_at: datetime | None = None


class Trace(NamedTuple):
    """``corrected_at`` is when the latest complete trace arrived: what was told before it and is not in it is void."""

    scans: tuple[Scan, ...] = ()
    corrected_at: datetime | None = None

    def with_told(self, told: Told) -> Trace:
        corrections = [at for at in (self.corrected_at, told.complete_at) if at is not None]
        corrected_at = max(corrections, default=None)
        scans = {scan.identity: scan for scan in self.scans}
        for scan in told.scans:
            known = scans.get(scan.identity)
            # several parties may tell the same scan at the same time, one with more in it: any fixed choice will do
            if known is None or (known.arrived, repr(known)) < (scan.arrived, repr(scan)):
                scans[scan.identity] = scan
        kept = [scan for scan in scans.values() if corrected_at is None or scan.arrived >= corrected_at]
        return Trace(tuple(sorted(kept, key=attrgetter("in_time"))), corrected_at)

    def with_trace(self, other: Trace) -> Trace:
        """With all that is known elsewhere of the same parcel."""
        return self.with_told(Told(other.scans, other.corrected_at))


def told(event: Event[EventData]) -> Told:
    """The scans that an event tells of a parcel; none for an event of another kind."""
    arrived = event.metadata.received_at or event.metadata.occurred_at
    match event.data:
        case ParcelScanned() as scanned:
            return Told((scan_of(scanned, arrived),))
        case ParcelTraced(scans=scans, complete=complete):
            return Told(tuple(scan_of(scan, arrived) for scan in scans), arrived if complete else None)
    return Told()


def scan_of(scan: ToldScan, arrived: datetime) -> Scan:
    hub = scan.hub
    return Scan(
        at=scan.scanned_at,
        status=scan.status,
        arrived=arrived,
        code=scan.raw.code,
        text_digest=hashlib.sha256(scan.raw.text.encode()).hexdigest()[:TEXT_DIGEST_LENGTH],
        reason=scan.reason,
        place=place_of(scan.region),
        hub=None if hub is None else hub.code or hub.name,
        signed_by=scan.signed_by,
    )


def place_of(region: Region | None) -> Place | None:
    return None if region is None else Place(region.country, region.province, region.city)


def first_pickup(scans: Iterable[Scan]) -> Scan | None:
    """The earliest scan that proves the carrier has it: this, not the upload, is when a parcel is shipped."""
    picked_up = (scan for scan in scans if scan.status in PICKED_UP_STATUSES)
    return min(picked_up, key=attrgetter("in_time"), default=None)


def first_delivery(scans: Iterable[Scan]) -> Scan | None:
    arrived = (scan for scan in scans if scan.status is ScanStatus.DELIVERED)
    return min(arrived, key=attrgetter("in_time"), default=None)


read_place = compact.row(Place, None, None, None)
_read_scan = compact.row(
    Scan, compact.moment, ScanStatus, compact.moment, None, None, ScanReason, read_place, None, SignedBy
)


def read_scan(row: list[Any]) -> Scan:
    at, status, arrived, *rest = row
    return _read_scan([at, status, arrived or at, *rest])


read_trace = compact.row(Trace, compact.many(read_scan), compact.moment)
