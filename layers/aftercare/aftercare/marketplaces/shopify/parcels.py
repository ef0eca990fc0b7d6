"""What a fulfillment and its events say of parcels. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from aftercare.events.vocabulary import ScanReason, ScanStatus
from aftercare.kernel.errors import MalformedInput, NotTranslated
from aftercare.marketplaces.shopify.carriers import carrier_of
from aftercare.marketplaces.shopify.reading import (
    Body,
    Told,
    optional_id,
    parts,
    region,
    required_id,
    required_time,
    text,
)


class Meaning(NamedTuple):
    status: ScanStatus
    reason: ScanReason | None = None


STATUSES: Mapping[str, Meaning] = {
    "attempted_delivery": Meaning(ScanStatus.DELIVERY_FAILED),
    "carrier_picked_up": Meaning(ScanStatus.PICKED_UP),
    # the value that stands where nothing else is known: it proves no pickup
    "confirmed": Meaning(ScanStatus.LABEL_CREATED),
    "delayed": Meaning(ScanStatus.ON_HOLD, ScanReason.CARRIER_DELAY),
    "delivered": Meaning(ScanStatus.DELIVERED),
    # the carrier could not be asked, or knows no such number: nothing is said of the parcel
    "failure": Meaning(ScanStatus.UNKNOWN),
    "in_transit": Meaning(ScanStatus.IN_TRANSIT),
    "label_printed": Meaning(ScanStatus.LABEL_CREATED),
    "label_purchased": Meaning(ScanStatus.LABEL_CREATED),
    "out_for_delivery": Meaning(ScanStatus.OUT_FOR_DELIVERY),
    "ready_for_pickup": Meaning(ScanStatus.READY_FOR_PICKUP),
}
"""The ``status`` of a fulfillment event. https://shopify.dev/docs/api/admin-graphql/latest/enums/FulfillmentEventStatus"""

DELIVERED = "delivered"

CALLED_OFF = frozenset({"cancelled", "error", "failure"})
"""The values of a fulfillment's ``status`` with which it ships nothing."""


def fulfilled(order: Body) -> Iterable[Told]:
    """``orders/fulfilled`` and ``orders/partially_fulfilled``: every parcel of the order's fulfillments."""
    live = [each for each in parts(order, "fulfillments") if text(each, "status") not in CALLED_OFF and _numbers(each)]
    if not live:
        raise NotTranslated("the order names no tracking number")
    for fulfillment in live:
        yield from shipped(fulfillment)


def shipped(fulfillment: Body) -> Iterable[Told]:
    """``fulfillments/create`` and ``fulfillments/update``: the parcels, and what their status proves.

    ``updated_at`` is when a number was uploaded at the latest; of several deliveries whoever listens takes the
    earliest. The status says how things stand, not when that began, so an update for another reason would look like a
    fresh scan and hide a parcel that stands still. One value proves something whenever it is read: what is delivered
    has been delivered. Of several parcels it would not say which.
    """
    if text(fulfillment, "status") in CALLED_OFF:
        raise NotTranslated("the fulfillment was called off")
    numbers = _numbers(fulfillment)
    if not numbers:
        raise NotTranslated("the fulfillment has no tracking number")
    order_id = required_id(fulfillment, "order_id")
    updated_at = required_time(fulfillment, "updated_at")
    carrier = carrier_of(text(fulfillment, "tracking_company"))
    parcels = [{"carrier": carrier, "number": number} for number in numbers]
    for parcel in parcels:
        yield Told("OrderShipped", updated_at, {"order_id": order_id, "parcel": parcel, "uploaded_at": updated_at})
    if text(fulfillment, "shipment_status") == DELIVERED and len(parcels) == 1:
        data = {"parcel": parcels[0], "order_id": order_id, "scanned_at": updated_at, **_said(DELIVERED, "")}
        yield Told("ParcelScanned", updated_at, data)


def scanned(event: Body) -> Iterable[Told]:
    """``fulfillment_events/create``: a carrier's scan. It names the order, not the parcel's number."""
    status = text(event, "status")
    if status is None:
        raise MalformedInput("status is missing")
    scanned_at = required_time(event, "happened_at")
    data = {
        "order_id": required_id(event, "order_id"),
        "scanned_at": scanned_at,
        "region": region(event, "country"),
        **_said(status, text(event, "message") or ""),
    }
    yield Told("ParcelScanned", scanned_at, data)


def _said(status: str, message: str) -> dict[str, Any]:
    meaning = STATUSES.get(status, Meaning(ScanStatus.UNKNOWN))
    return {"status": meaning.status, "reason": meaning.reason, "raw": {"code": status, "text": message}}


def _numbers(fulfillment: Body) -> list[str]:
    stated = fulfillment.get("tracking_numbers") or []
    if not isinstance(stated, list):
        raise MalformedInput("tracking_numbers is not a list")
    numbered = [{"tracking_number": each} for each in [*stated, fulfillment.get("tracking_number")] if each != ""]
    found = [(optional_id(each, "tracking_number") or "").strip() for each in numbered]
    return list(dict.fromkeys(number for number in found if number))
