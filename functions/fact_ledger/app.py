"""Every fact that counts for a shop's service goes on record.

In: SQS messages, events of the bus. Out: the partial batch answer; records stand in the scores table, and what they add
to days is written out by score_rows.
"""

from __future__ import annotations

from typing import Any

from aftercare import bootstrap


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    return bootstrap.ledger_consumer().consume(event)
