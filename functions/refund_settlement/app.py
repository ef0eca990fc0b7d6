"""Accepted offers carried out: the only function whose marketplaces can spend.

In: SQS messages, OfferAccepted or a payout's key from deadline_sweep. Out: the partial batch answer; every payout
stands in the negotiation table before the marketplace is called.
"""

from __future__ import annotations

from typing import Any

from aftercare import bootstrap


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    return bootstrap.settlement_consumer().consume(event)
