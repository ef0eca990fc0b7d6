"""Facts about orders and timers of cases: what to offer, and what follows from it.

In: SQS messages, events of the bus or keys from deadline_sweep. Out: the partial batch answer; decisions stand in the
negotiation table, and what they say goes out through event_relay.
"""

from __future__ import annotations

from typing import Any

from aftercare import bootstrap


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    return bootstrap.negotiation_consumer().consume(event)
