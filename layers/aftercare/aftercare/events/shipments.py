"""Shipments: anomalies of parcels, what is due when, and what was delivered."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from aftercare.events.vocabulary import (
    SHIPMENTS,
    AnomalyKind,
    AnomalyOutcome,
    AnomalyStage,
    Buyer,
    Flag,
    Leg,
    Name,
    Parcel,
    Region,
    Revision,
    Shape,
    Words,
)
from aftercare.kernel.envelope import EventData
from aftercare.kernel.ids import Id
from aftercare.kernel.money import NonNegativeMoney
from aftercare.kernel.times import UtcTime


class AnomalyMark(Shape):
    """An anomaly that a delivered order had on its way, with the worst stage it reached."""

    anomaly_id: Id
    kind: AnomalyKind
    leg: Leg | None = None
    stage: AnomalyStage


class ShipmentAnomaly(EventData):
    """An anomaly as it stands: what ShipmentAnomalyRaised, Escalated and Cleared have in common."""

    anomaly_id: Id
    parcel: Parcel | None = None
    order_id: Id
    kind: AnomalyKind
    leg: Leg | None = None
    stage: AnomalyStage
    since: Annotated[UtcTime, Field(description="where the time that ran out began")]
    crossed_at: Annotated[UtcTime, Field(description="when the limit of the event's stage was passed")]
    cleared_at: UtcTime | None = None
    outcome: AnomalyOutcome | None = None
    rule: Annotated[Name, Field(description="the rule of the pack that sets the limit")]
    at_risk: Annotated[NonNegativeMoney | None, Field(description="compensation that may fall due")] = None
    buyer: Buyer | None = None
    text: Annotated[Words | None, Field(description="what a buyer can be told")] = None
    action: Annotated[Name | None, Field(description="what the shop is advised to do")] = None
    notify: Annotated[Flag, Field(description="false when it was already over on arrival: tell nobody")]


class ShipmentAnomalyRaised(ShipmentAnomaly):
    """A parcel, or an order without one, passed a limit: no pickup, no movement, no delivery, lost, on its way back.

    Recognise it by ``anomaly_id``: there is one open anomaly for each kind and leg of a parcel.
    """

    name = "ShipmentAnomalyRaised"
    sources = (SHIPMENTS,)


class ShipmentAnomalyEscalated(ShipmentAnomaly):
    """An open anomaly reached its next stage. Recognise it by ``anomaly_id`` and ``stage``."""

    name = "ShipmentAnomalyEscalated"
    sources = (SHIPMENTS,)


class ShipmentAnomalyCleared(ShipmentAnomaly):
    """An anomaly is over: the parcel moved or arrived, the order closed, or the report was withdrawn.

    Recognise it by ``anomaly_id``. ``stage`` is the final one by the whole set of scans, ``crossed_at`` the time of
    breach, and ``cleared_at`` the time of the scan that cleared it, which may lie well before its arrival.
    """

    name = "ShipmentAnomalyCleared"
    sources = (SHIPMENTS,)

    cleared_at: UtcTime
    outcome: AnomalyOutcome


class OrderDue(EventData):
    """An order is due at another time than its payment promised, by the rules or by a later promise.

    Recognise it by ``order_id`` and ``revision``; the highest revision is the truth. An order that has none is due as
    OrderPaid says.
    """

    name = "OrderDue"
    sources = (SHIPMENTS,)

    order_id: Id
    ship_by: UtcTime | None = None
    original_ship_by: Annotated[UtcTime | None, Field(description="as OrderPaid promised")] = None
    deliver_by: UtcTime | None = None
    door_delivery: Flag
    rule: Name
    revision: Revision


class OrderDelivered(EventData):
    """An order's parcel reached its buyer, with all that is needed to judge how it went.

    Recognise it by ``order_id``, ``parcel`` and ``revision``: late scans correct it, and the highest revision is the
    truth.
    """

    name = "OrderDelivered"
    sources = (SHIPMENTS,)
    public = True

    order_id: Id
    parcel: Parcel
    paid_at: UtcTime | None = None
    picked_up_at: UtcTime | None = None
    delivered_at: UtcTime
    ship_by: UtcTime | None = None
    deliver_by: UtcTime | None = None
    origin: Region | None = None
    destination: Region | None = None
    anomalies: tuple[AnomalyMark, ...]
    revision: Revision
