"""Queued deliveries become catalogue events on the bus.

In: SQS messages from webhook_intake. Out: events of source ``aftercare.marketplaces``; what cannot be understood is
set aside in the intake table and acknowledged; what failed in passing is delivered again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aftercare import bootstrap
from aftercare.aws.batch import process_batch
from aftercare.aws.logs import log
from aftercare.aws.metrics import measure
from aftercare.events.vocabulary import has_unknown_code
from aftercare.kernel.envelope import Event, EventData


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    messages = {record["messageId"]: record["body"] for record in event["Records"]}
    outcome = bootstrap.notification_translator().translate(messages)
    for delivery_id, fact in outcome.published:
        note(delivery_id, fact.event)
    for entry in outcome.set_aside:
        measure("DeliveriesSetAside", by=entry.shelf, shop=entry.shop)
        log(
            "delivery set aside",
            level="WARNING",
            state=entry.shelf,
            shop=entry.shop,
            delivery_id=entry.delivery_id,
            reason=entry.reason,
        )

    def raise_its_error(record: Mapping[str, Any]) -> None:
        error = outcome.errors.get(record["messageId"])
        if error is not None:
            raise error

    return process_batch(event, raise_its_error)


def note(delivery_id: str, event: Event[EventData]) -> None:
    """Leaves a trace from the delivery to what comes of it."""
    about = {
        "shop": event.metadata.shop,
        "delivery_id": delivery_id,
        "event_name": event.data.name,
        "event_id": event.metadata.event_id,
        "order_id": getattr(event.data, "order_id", None),
    }
    log("translated", **about)
    if has_unknown_code(event.data):
        measure("CodesUnknown", by=event.data.name)
        log("code not known", level="WARNING", **about)
