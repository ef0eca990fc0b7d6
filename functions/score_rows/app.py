"""What records add to days is written under those days.

In: DynamoDB stream records whose new image carries rows. Out: the first sequence number that failed, from which the
stream is read again.
"""

from __future__ import annotations

from typing import Any

from aftercare import bootstrap
from aftercare.aws.logs import log
from aftercare.kernel.errors import Transient


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    writer = bootstrap.row_writer()
    for record in event["Records"]:
        image = record["dynamodb"].get("NewImage", {})
        if "rows" not in image:
            continue
        try:
            writer.write_out(
                shop=image["shop"]["S"],
                zone=image["zone"]["S"],
                version=int(image["version"]["N"]),
                rows=image["rows"]["S"],
            )
        except Transient as fault:
            sequence = record["dynamodb"]["SequenceNumber"]
            log("rows not written", level="WARNING", sequence=sequence, reason=str(fault))
            return {"batchItemFailures": [{"itemIdentifier": sequence}]}
    return {"batchItemFailures": []}
