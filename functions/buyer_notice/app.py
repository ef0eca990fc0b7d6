"""Buyers are told of offers and results, once each.

In: SQS messages, OffersPresented, OffersExpired or SettlementRecorded. Out: the partial batch answer; a message whose
fate is unknown is sent again under the same key.
"""

from __future__ import annotations

from typing import Any

from aftercare import bootstrap


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    return bootstrap.notice_consumer().consume(event)
