"""What is due is handed to its owner's queue, oldest first.

In: a schedule's event, once a minute. Out: how many keys were sent.
"""

from __future__ import annotations

from typing import Any

from aftercare import bootstrap


def handler(event: dict[str, Any], context: object) -> dict[str, int]:
    return {"sent": sum(sweep.run() for sweep in bootstrap.deadline_sweep())}
