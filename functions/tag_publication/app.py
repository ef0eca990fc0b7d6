"""A shop's service tags are published where buyers look.

In: SQS messages, changes of tags from the bus and keys of channels from deadline_sweep. Out: the partial batch answer;
files in the public bucket, and signed actions to the shop's marketplace.
"""

from __future__ import annotations

from typing import Any

from aftercare import bootstrap


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    return bootstrap.publication_consumer().consume(event)
