"""What is known of one order's shipment: facts as they were told, and what was said of them.

Every fact is folded so that neither order nor repetition matters: milestones keep the earliest time, scans are a set,
revisions keep the highest. Named tuples, since each event of an order reads and writes all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from aftercare.events.trace import Place, Scan
from aftercare.events.vocabulary import AnomalyKind, AnomalyOutcome, AnomalyStage, Leg, PromiseSource


class ParcelId(NamedTuple):
    """A parcel by its carrier and number; both empty for scans of an order that name no parcel."""

    carrier: str
    number: str


UNNAMED = ParcelId("", "")


class Peer(NamedTuple):
    """Another order that bears the same parcel number."""

    order_id: str
    uploaded_at: datetime | None
    destination_key: str | None


class Parcel(NamedTuple):
    """``corrected_at`` is when the latest complete trace arrived: what was told before it and is not in it is void."""

    uploaded_at: datetime | None = None
    scans: tuple[Scan, ...] = ()
    corrected_at: datetime | None = None
    peers: tuple[Peer, ...] = ()

    @property
    def is_told_of(self) -> bool:
        """Something is known of it beside other orders that bear its number."""
        return bool(self.uploaded_at or self.scans or self.corrected_at)


class Payment(NamedTuple):
    """What OrderPaid says. Amounts are in minor units of ``currency``; ``goods`` leaves the postage out."""

    paid_at: datetime
    buyer: str
    currency: str
    goods: int
    ship_by: datetime | None
    deliver_by: datetime | None
    door_delivery: bool
    origin: Place | None
    destination: Place | None
    destination_key: str | None
    presale_from: datetime | None = None
    """Of a presale: when the deposit was paid, if that is known."""
    locale: str | None = None
    time_zone: str | None = None
    presale: bool = False
    """Its parcel may be on its way before the rest is paid."""


class Promise(NamedTuple):
    """What was promised beside the payment."""

    source: PromiseSource
    made_at: datetime
    tag: str | None
    terms: str | None
    ship_by: datetime | None
    deliver_by: datetime | None
    door_delivery: bool | None


class Refund(NamedTuple):
    """A refund request by its latest revision; ``refunded`` in minor units once money has moved."""

    requested_at: datetime | None = None
    revision: int = -1
    not_received: bool = False
    decided_at: datetime | None = None
    refunded: int = 0
    refunded_at: datetime | None = None


class Report(NamedTuple):
    """A marketplace's or carrier's own alarm, or the taking back of one."""

    parcel: ParcelId
    kind: str
    at: datetime
    raw: str
    lifted: bool


class Mute(NamedTuple):
    """An anomaly that the merchant does not want to hear of, for good when ``until`` is missing.

    ``ended_by`` is who wanted to hear of it again before that time.
    """

    author: str
    reason: str
    at: datetime
    until: datetime | None
    ended_by: str | None = None


class Said(NamedTuple):
    """What was last said of an anomaly; ``outcome`` is missing while it is open."""

    kind: AnomalyKind
    parcel: ParcelId
    leg: Leg | None
    since: datetime
    stage: AnomalyStage
    crossed_at: datetime
    cleared_at: datetime | None
    outcome: AnomalyOutcome | None
    notified: bool
    at_risk: int | None
    rule: str


class Due(NamedTuple):
    """When an order is due by all that was promised; ``original_ship_by`` is the time before any agreed new date."""

    ship_by: datetime | None
    original_ship_by: datetime | None
    deliver_by: datetime | None
    door_delivery: bool
    rule: str


class Shipment(NamedTuple):
    """An order's shipment. ``pack`` names the rules; ``delivered_said`` a digest of what was said of each parcel."""

    shop: str
    order_id: str
    pack: str
    payment: Payment | None = None
    promises: tuple[Promise, ...] = ()
    cancelled_at: datetime | None = None
    completed_at: datetime | None = None
    out_of_stock_at: datetime | None = None
    refunds: Mapping[str, Refund] = {}
    reports: tuple[Report, ...] = ()
    parcels: Mapping[ParcelId, Parcel] = {}
    said: Mapping[str, Said] = {}
    mutes: Mapping[str, Mute] = {}
    due_said: Due | None = None
    delivered_said: Mapping[ParcelId, str] = {}

    def parcel(self, parcel_id: ParcelId) -> Parcel:
        return self.parcels.get(parcel_id, Parcel())

    def with_parcel(self, parcel_id: ParcelId, parcel: Parcel) -> Shipment:
        if self.parcels.get(parcel_id) == parcel:
            return self
        return self._replace(parcels={**self.parcels, parcel_id: parcel})
