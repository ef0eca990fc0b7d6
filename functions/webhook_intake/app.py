"""POST /webhooks/{door}/{shop_id}: a marketplace delivers a notification.

In: an API Gateway request (payload format 2.0). Out: 202 once the raw bytes are durably queued, 401 for whatever is
not proven genuine and fresh, 413 above 256 KB, 503 when the sender should try again.
"""

from __future__ import annotations

from typing import Any

from aftercare import bootstrap
from aftercare.aws.logs import log
from aftercare.aws.metrics import measure
from aftercare.intake.receiving import Request

ACCEPTED = 202
UNAVAILABLE = 503


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    path = event.get("pathParameters") or {}
    request = Request(
        door=path.get("door", ""),
        shop_id=path.get("shop_id", ""),
        headers=event.get("headers") or {},
        body=event.get("body") or "",
        is_base64=bool(event.get("isBase64Encoded")),
    )
    answer = bootstrap.webhook_intake().receive(request)
    # what a stranger sends to no shop of ours is counted by the API alone: it must not be able to fill the log
    if answer.status == UNAVAILABLE or (answer.status != ACCEPTED and answer.shop is not None):
        measure("DeliveriesRefused", by=answer.outcome, shop=answer.shop)
        log("delivery not taken", level="WARNING", shop=answer.shop, http_status=answer.status, reason=answer.outcome)
    return {
        "statusCode": answer.status,
        "headers": {"content-type": "application/json"},
        "body": answer.body,
    }
