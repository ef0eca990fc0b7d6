"""What is due is handed to its owner's queue, oldest first.

In: a schedule's event, once a minute. Out: how many keys were sent.
"""

from __future__ import annotations

from typing import Any

from aftercare import bootstrap
from aftercare.aws.metrics import measure

WORTH_A_METRIC = 120
"""Seconds; a sweep a minute finds everything up to a minute late."""


def handler(event: dict[str, Any], context: object) -> dict[str, int]:
    swept = [sweep.run() for sweep in bootstrap.deadline_sweep()]
    for owner, seconds in (late for one in swept for late in one.late.items()):
        if seconds >= WORTH_A_METRIC:
            measure("OldestDueSeconds", seconds, by=owner)
    return {"sent": sum(one.sent for one in swept)}
