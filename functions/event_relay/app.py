"""What a table's items say goes out on the bus.

In: DynamoDB stream records whose new image carries an outbox. Out: the first sequence number that failed, from which
the stream is read again; an event that the bus refuses for good is kept whole in the intake table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aftercare import bootstrap
from aftercare.aws.logs import log
from aftercare.aws.metrics import measure
from aftercare.intake.relay import Outbox

BUDGET_SPENT, NEEDS_HUMAN = "budget_spent", "needs_human"


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    outboxes = [
        Outbox(record["dynamodb"]["SequenceNumber"], record["dynamodb"]["NewImage"]["outbox"]["S"])
        for record in event["Records"]
        if "outbox" in record["dynamodb"].get("NewImage", {})
    ]
    relayed = bootstrap.event_relay().publish(outboxes)
    for entry in relayed.published:
        note(entry["detail-type"], entry["detail"])
    if relayed.set_aside:
        measure("EventsSetAside", relayed.set_aside)
        log("events refused by the bus", level="ERROR", count=relayed.set_aside)
    if relayed.failed is None:
        return {"batchItemFailures": []}
    log("relay stopped", level="WARNING", sequence=relayed.failed)
    return {"batchItemFailures": [{"itemIdentifier": relayed.failed}]}


def note(name: str, detail: Mapping[str, Any]) -> None:
    """Leaves a trace by which a payout is followed back to the delivery that it began with."""
    metadata, data = detail["metadata"], detail["data"]
    about = {field: data[field] for field in ("order_id", "negotiation_id", "payout_key") if data.get(field)}
    caused_by = metadata.get("caused_by")
    log(
        "published", event_name=name, event_id=metadata["event_id"], caused_by=caused_by, shop=metadata["shop"], **about
    )
    if data.get("outcome") == NEEDS_HUMAN:
        measure("CasesNeedHuman", shop=metadata["shop"])
    if data.get("why_not") == BUDGET_SPENT:
        measure("OffersStoppedByBudget", shop=metadata["shop"])
