"""What a table's items say goes out on the bus.

In: DynamoDB stream records whose new image carries an outbox. Out: the first sequence number that failed, from which
the stream is read again; an event that the bus refuses for good is kept whole in the intake table.
"""

from __future__ import annotations

from typing import Any

from aftercare import bootstrap
from aftercare.aws.logs import log
from aftercare.intake.relay import Outbox


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    outboxes = [
        Outbox(record["dynamodb"]["SequenceNumber"], record["dynamodb"]["NewImage"]["outbox"]["S"])
        for record in event["Records"]
        if "outbox" in record["dynamodb"].get("NewImage", {})
    ]
    relayed = bootstrap.event_relay().publish(outboxes)
    if relayed.set_aside:
        log("events refused by the bus", level="ERROR", count=relayed.set_aside)
    if relayed.failed is None:
        return {"batchItemFailures": []}
    log("relay stopped", level="WARNING", sequence=relayed.failed)
    return {"batchItemFailures": [{"itemIdentifier": relayed.failed}]}
