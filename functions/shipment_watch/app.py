"""Facts about orders and parcels, and timers of shipments: what is wrong, since when, and what is over.

In: SQS messages, events of the bus or keys from deadline_sweep. Out: the partial batch answer; verdicts stand in the
shipments table, and what they say goes out through event_relay.
"""

from __future__ import annotations

from typing import Any

from aftercare import bootstrap


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    return bootstrap.shipment_consumer().consume(event)
