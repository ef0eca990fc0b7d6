"""Answers about shipments."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from aftercare.events.vocabulary import (
    AnomalyKind,
    AnomalyOutcome,
    AnomalyStage,
    Leg,
    PromiseSource,
    ScanReason,
    ScanStatus,
    SignedBy,
    Words,
)
from aftercare.kernel.money import Money
from aftercare.shipments.model.settings import ShopSettings
from tools.openapi.answers.shared import Count, Cursor, Time, Version


class ParcelName(TypedDict):
    """Null for scans of an order that name no parcel."""

    carrier: str | None
    number: str | None


class LastScan(TypedDict):
    at: Time
    status: ScanStatus


class AlertedParcel(ParcelName):
    last_scan: LastScan | None


class Anomaly(TypedDict):
    """Something wrong with an order or one of its parcels; `text` is what its buyer can be told."""

    anomaly_id: str
    parcel: ParcelName | None
    kind: AnomalyKind
    leg: Leg | None
    stage: AnomalyStage
    since: Time
    crossed_at: Time
    at_risk: Money | None
    rule: str
    text: Words
    action: Annotated[str, Field(description="what the shop is advised to do, as a code")]


class Mute(TypedDict):
    """Without `until` for good; `ended_by` is who wanted to hear of it again before."""

    author: str
    reason: str
    at: Time
    until: Time | None
    ended_by: str | None


class FollowedAnomaly(Anomaly):
    """An anomaly, open, muted or ended, with who muted it last."""

    state: Literal["open", "muted", "ended"]
    cleared_at: Time | None
    outcome: AnomalyOutcome | None
    mute: Mute | None


class Report(TypedDict):
    """The marketplace's or the carrier's own alarm."""

    parcel: ParcelName | None
    kind: str
    raw: str
    at: Time


class StandingReport(Report):
    stands: Annotated[bool, Field(description="it was not taken back")]


class Alert(TypedDict):
    """An order with something wrong that nobody muted, the dearest first. `at_risk` counts what is over too."""

    order_id: str
    at_risk: Money | None
    parcels: list[AlertedParcel]
    anomalies: list[Anomaly]
    reports: list[Report]


class Alerts(TypedDict):
    """A page of orders, the most money at risk first. It may be empty and still have a cursor."""

    alerts: list[Alert]
    cursor: Cursor


class CurrencyAtRisk(TypedDict):
    """`capped`: all orders of one buyer paid on one local day are capped together as well."""

    currency: str
    orders: Count
    at_risk: Money
    capped: Money


class KindAtRisk(TypedDict):
    """Every anomaly alone, before anything is capped together."""

    kind: AnomalyKind
    anomalies: Count
    open: Count
    at_risk: list[Money]


class Exposure(TypedDict):
    """The money at risk in the shop's alerts. `cut` says that there may be more."""

    orders: Count
    orders_without_amount: Count
    currencies: list[CurrencyAtRisk]
    kinds: list[KindAtRisk]
    cut: bool


class SavedSettings(TypedDict):
    version: Version
    settings: ShopSettings


class ChangedAnomaly(TypedDict):
    order_id: str
    anomaly: FollowedAnomaly


class Place(TypedDict):
    country: str
    province: str | None
    city: str | None


class Payment(TypedDict):
    """`goods` is what was paid without the postage."""

    paid_at: Time
    presale_from: Time | None
    goods: Money
    ship_by: Time | None
    deliver_by: Time | None
    door_delivery: bool
    origin: Place | None
    destination: Place | None


class OrderPromise(TypedDict):
    """What was promised beside the payment."""

    source: PromiseSource
    made_at: Time
    tag: str | None
    terms: str | None
    ship_by: Time | None
    deliver_by: Time | None
    door_delivery: bool | None


class Due(TypedDict):
    """When the order is due by all that was promised; `rule` says by what."""

    ship_by: Time | None
    original_ship_by: Time | None
    deliver_by: Time | None
    door_delivery: bool
    rule: str


class ShipmentRefund(TypedDict):
    refund_id: str
    requested_at: Time | None
    not_received: bool
    decided_at: Time | None
    refunded: Money | None
    refunded_at: Time | None


class Milestones(TypedDict):
    uploaded_at: Time | None
    picked_up_at: Time | None
    out_for_delivery_at: Time | None
    ready_for_pickup_at: Time | None
    delivered_at: Time | None
    return_started_at: Time | None
    returned_at: Time | None


class Scan(TypedDict):
    """One entry of a trace; `words` are the carrier's own, as far as they were kept."""

    at: Time
    status: ScanStatus
    reason: ScanReason | None
    place: Place | None
    hub: str | None
    signed_by: SignedBy | None
    code: str
    words: str | None
    arrived_at: Time


class TracedParcel(ParcelName):
    """A parcel with its way. `also_on` are other orders that bear its number."""

    milestones: Milestones
    scans: list[Scan]
    corrected_at: Time | None
    also_on: list[str]


class Shipment(TypedDict):
    """All that is known of an order's shipment."""

    order_id: str
    rules: str
    payment: Payment | None
    promises: list[OrderPromise]
    due: Due | None
    cancelled_at: Time | None
    completed_at: Time | None
    out_of_stock_at: Time | None
    refunds: list[ShipmentRefund]
    parcels: list[TracedParcel]
    at_risk: Money | None
    anomalies: list[FollowedAnomaly]
    reports: list[StandingReport]
