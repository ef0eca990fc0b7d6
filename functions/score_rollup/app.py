"""A shop's days are counted and its weeks scored.

In: SQS messages, keys of shops from deadline_sweep. Out: the partial batch answer; days and weeks stand in the scores
table, and what they say goes out through event_relay.
"""

from __future__ import annotations

from typing import Any

from aftercare import bootstrap


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    return bootstrap.rollup_consumer().consume(event)
