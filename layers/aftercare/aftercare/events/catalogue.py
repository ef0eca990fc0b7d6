"""The catalogue: which events there are, and how one is read from its JSON.

A family's module is imported when the first event of it is read, so that a function pays only for what it hears.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from aftercare.events.vocabulary import CARRIERS, MARKETPLACES
from aftercare.kernel.envelope import Event, EventData, Metadata
from aftercare.kernel.errors import MalformedInput

_INCOMING_FAMILIES = {
    "orders": (
        "OrderPaid",
        "OrderCancelled",
        "OrderCompleted",
        "OutOfStockDeclared",
        "OrderPromised",
        "OrderShipped",
    ),
    "parcels": ("ParcelScanned", "ParcelTraced", "ParcelExceptionReported", "ParcelExceptionLifted"),
    "refunds": (
        "RefundRequested",
        "RefundUpdated",
        "RefundDecided",
        "ReturnShipped",
        "ReturnReceived",
        "PlatformSteppedIn",
        "PlatformStepClosed",
        "OfferAnswered",
    ),
    "support": ("SupportContacted", "ChatMessagePosted", "ChatRoundClosed", "ChatRated"),
    "shop": ("ReviewPosted", "ServiceEnrolled", "ViolationRecorded", "ShopAuthorizationRevoked"),
}
_OUTGOING_FAMILIES = {
    "negotiation": (
        "NegotiationOpened",
        "OffersPresented",
        "OfferAccepted",
        "OffersDeclined",
        "OffersExpired",
        "SettlementRecorded",
        "NegotiationClosed",
    ),
    "shipments": (
        "ShipmentAnomalyRaised",
        "ShipmentAnomalyEscalated",
        "ShipmentAnomalyCleared",
        "OrderDue",
        "OrderDelivered",
    ),
    "scores": ("DayMeasured", "DailyStandardAtRisk", "ScorePublished"),
    "tags": ("TagChanged",),
}

INCOMING = frozenset(name for names in _INCOMING_FAMILIES.values() for name in names)
"""The names of the events that marketplaces and carriers say."""

INCOMING_SOURCES = frozenset({MARKETPLACES, CARRIERS})

_HOMES: Mapping[tuple[str, int], str] = {
    (name, 1): family
    for families in (_INCOMING_FAMILIES, _OUTGOING_FAMILIES)
    for family, names in families.items()
    for name in names
}

_LONGEST_ECHO = 80
_MOST_FAULTS_NAMED = 5


def entries() -> tuple[tuple[str, int], ...]:
    """Name and version of every event there is, in the order in which the catalogue lists them."""
    return tuple(_HOMES)


def model_of(name: str, version: int) -> type[EventData]:
    """The model of one version of one event; raises ``MalformedInput`` for one that does not exist."""
    family = _HOMES.get((name, version))
    if family is None:
        known = any(name == known_name for known_name, _ in _HOMES)
        what = f"{name} has no version {version!r:.20}" if known else f"unknown event {name!r:.{_LONGEST_ECHO}}"
        raise MalformedInput(what)
    model: type[EventData] = getattr(import_module(f"aftercare.events.{family}"), name)
    return model


def parse(source: str, detail_type: str, detail: Any) -> Event[EventData]:
    """Reads one event of the bus from the three fields of EventBridge's event; ``detail`` is what JSON made of it.

    Unknown fields are ignored and unknown values of closed lists become ``unknown``. Raises ``MalformedInput`` for an
    event, version or source that the catalogue does not have and for data that does not fit; its one line names the
    fields and what is wrong with them, never their content.
    """
    if not isinstance(detail, Mapping) or not {"metadata", "data"} <= detail.keys():
        raise MalformedInput("the detail of an event is an object with metadata and data")
    try:
        metadata = Metadata.model_validate(detail["metadata"])
    except ValidationError as invalid:
        raise MalformedInput(f"{detail_type!r:.{_LONGEST_ECHO}} metadata: {_faults(invalid)}") from None
    model = model_of(detail_type, metadata.version)
    if source not in model.sources:
        raise MalformedInput(f"{model.name} is not said by {source!r:.{_LONGEST_ECHO}}")
    try:
        data = model.model_validate(detail["data"])
    except ValidationError as invalid:
        raise MalformedInput(f"{model.name} v{model.version} data: {_faults(invalid)}") from None
    return Event(source=source, metadata=metadata, data=data)


def read_json(text: str | bytes) -> Event[EventData]:
    """Reads the event that an SQS message from EventBridge carries as its body; raises ``MalformedInput``."""
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        raise MalformedInput("the text is not JSON") from None
    match event:
        case {"source": str(source), "detail-type": str(detail_type), "detail": detail}:
            return parse(source, detail_type, detail)
    raise MalformedInput("an event of the bus is an object with source, detail-type and detail")


def _faults(invalid: ValidationError) -> str:
    # pydantic's own text repeats what was read, which may be a buyer's
    faults = invalid.errors(include_url=False, include_context=False, include_input=False)
    named = [f"{'.'.join(str(part) for part in fault['loc']) or 'it'} ({fault['type']})" for fault in faults]
    more = len(named) - _MOST_FAULTS_NAMED
    return ", ".join(named[:_MOST_FAULTS_NAMED]) + (f" and {more} more" if more > 0 else "")
