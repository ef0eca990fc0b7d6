"""A parcel's way as its scans tell it: legs, the silences between scans, and the times that matter."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from aftercare.events.trace import Place, Scan
from aftercare.events.vocabulary import PICKED_UP_STATUSES, Leg, ScanStatus
from aftercare.rulepacks.shipments import LaneRules, StallThresholds, Threshold
from aftercare.shipments.model.shipment import UNNAMED, Parcel, ParcelId, Shipment

LEG_AFTER: Mapping[ScanStatus, Leg | None] = {
    ScanStatus.PICKED_UP: Leg.DISPATCH,
    ScanStatus.IN_TRANSIT: Leg.TRANSIT,
    ScanStatus.OUT_FOR_DELIVERY: Leg.DELIVERY,
    ScanStatus.DELIVERY_FAILED: Leg.DELIVERY,
    ScanStatus.READY_FOR_PICKUP: Leg.COLLECTION,
    ScanStatus.DELIVERED: None,
    ScanStatus.RETURN_STARTED: None,
    ScanStatus.RETURNED: None,
    ScanStatus.LOST: None,
    ScanStatus.CANCELLED: None,
}
"""The leg that begins with a scan. ON_HOLD and UNKNOWN leave a parcel on the leg it was on."""
NOT_PHYSICAL = frozenset({ScanStatus.LABEL_CREATED, ScanStatus.UNKNOWN, ScanStatus.CANCELLED})
"""These scans can be made without the parcel."""


class Silence(NamedTuple):
    """The time after one scan, up to the next that says something of the way; ``until`` is missing for the last."""

    leg: Leg
    since: datetime
    until: datetime | None
    ended_by: ScanStatus | None


def watched_parcels(shipment: Shipment) -> dict[ParcelId, Parcel]:
    """The parcels by what is known of them. Scans that name none belong to the order's only parcel, if it has one."""
    parcels = dict(shipment.parcels)
    unnamed = parcels.get(UNNAMED)
    if unnamed is not None and len(parcels) == 2:
        del parcels[UNNAMED]
        ((only, parcel),) = parcels.items()
        scans = {scan.identity: scan for scan in (*unnamed.scans, *parcel.scans)}
        parcels[only] = parcel._replace(scans=tuple(sorted(scans.values(), key=attrgetter("in_time"))))
    return parcels


def silences(parcel: Parcel) -> list[Silence]:
    """Every silence on a leg, in order. The first delivery ends the watch; an upload begins the wait for the pickup."""
    found: list[Silence] = []
    leg: Leg | None = None
    since: datetime | None = None
    touched = False
    for at, status in _timeline(parcel):
        if status is None:
            leg, since = (leg, since) if touched else (Leg.PICKUP, at)
            continue
        if status is ScanStatus.LABEL_CREATED and not touched:
            continue
        touched = touched or status not in NOT_PHYSICAL
        if leg is not None and since is not None:
            found.append(Silence(leg, since, at, status))
        leg, since = LEG_AFTER.get(status, leg), at
        if status is ScanStatus.DELIVERED:
            return found
    if leg is not None and since is not None:
        found.append(Silence(leg, since, None, None))
    return found


def picked_up(parcel: Parcel) -> Scan | None:
    """The earliest scan that proves the carrier has it: this, not the upload, is when a parcel is shipped."""
    return next((scan for scan in parcel.scans if scan.status in PICKED_UP_STATUSES), None)


def delivered(parcel: Parcel) -> Scan | None:
    """The first delivery."""
    return next((scan for scan in parcel.scans if scan.status is ScanStatus.DELIVERED), None)


def first_of(scans: Iterable[Scan | None]) -> Scan | None:
    """The earliest of them: of several parcels of an order, the first one counts."""
    return min((scan for scan in scans if scan is not None), key=lambda scan: scan.at, default=None)


def judged_at(shipment: Shipment) -> datetime | None:
    """The moment whose rules judge the shipment: the payment, or the first that was heard while that is not known."""
    if shipment.payment is not None:
        return shipment.payment.paid_at
    scans = [scan.at for parcel in shipment.parcels.values() for scan in parcel.scans[:1]]
    uploads = [parcel.uploaded_at for parcel in shipment.parcels.values() if parcel.uploaded_at is not None]
    return min((*scans, *uploads), default=None)


def _timeline(parcel: Parcel) -> list[tuple[datetime, ScanStatus | None]]:
    """The scans, and the upload as one without a status, which comes first within its second."""
    timeline: list[tuple[datetime, ScanStatus | None]] = [(scan.at, scan.status) for scan in parcel.scans]
    if parcel.uploaded_at is not None:
        before = sum(1 for scan in parcel.scans if scan.at < parcel.uploaded_at)
        timeline.insert(before, (parcel.uploaded_at, None))
    return timeline


# ---------------------------------------------------------------- lanes

_PROVINCE_FORMS = ("特别行政区", "维吾尔自治区", "壮族自治区", "回族自治区", "自治区", "省", "市")


@functools.lru_cache(maxsize=1000)
def short_province(province: str) -> str:
    """浙江 for 浙江省: marketplaces and carriers write either."""
    for form in _PROVINCE_FORMS:
        if province.endswith(form) and len(province) > len(form) + 1:
            return province.removesuffix(form)
    return province


class Lane(NamedTuple):
    """The short names of provinces and countries at both ends, as far as they are known."""

    origin: Place | None
    destination: Place | None

    @property
    def names(self) -> frozenset[str]:
        ends = [end for end in (self.origin, self.destination) if end is not None]
        provinces = {short_province(end.province) for end in ends if end.province is not None}
        return frozenset(provinces | {end.country for end in ends})

    def thresholds(self, stalls: StallThresholds, lanes: LaneRules) -> Mapping[Leg, Threshold]:
        """By leg; a leg that is not watched on this lane is left out."""
        if self.names & set(lanes.excluded):
            return {Leg.PICKUP: stalls.pickup}
        return {
            Leg.PICKUP: stalls.pickup,
            Leg.DISPATCH: stalls.dispatch,
            Leg.TRANSIT: getattr(stalls.transit, self.transit(lanes)),
            Leg.DELIVERY: stalls.delivery,
            Leg.COLLECTION: stalls.collection,
        }

    def transit(self, lanes: LaneRules) -> str:
        """``remote``, ``same_province`` or ``other``."""
        if self.names & set(lanes.remote):
            return "remote"
        return "same_province" if self._near(lanes) else "other"

    def _near(self, lanes: LaneRules) -> bool:
        origin, destination = self.origin, self.destination
        if origin is None or destination is None or origin.country != destination.country:
            return False
        if origin.province is None or destination.province is None:
            return False
        ends = {short_province(origin.province), short_province(destination.province)}
        return len(ends) == 1 or any(ends <= set(group) for group in lanes.near)
