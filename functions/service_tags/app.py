"""What is measured of a shop decides its service tags, and what these promise reaches the orders.

In: SQS messages, events of the bus and keys of shops from deadline_sweep. Out: the partial batch answer; a shop's tags
stand in the tags table, and what changed of them goes out through event_relay.
"""

from __future__ import annotations

from typing import Any

from aftercare import bootstrap


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    return bootstrap.tags_consumer().consume(event)
