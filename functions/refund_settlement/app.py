"""Accepted offers carried out: the only function whose marketplaces can spend.

In: SQS messages, OfferAccepted or a payout's key from deadline_sweep. Out: the partial batch answer; every payout
stands in the negotiation table before the marketplace is called.
"""

from __future__ import annotations

from typing import Any

from aftercare import bootstrap
from aftercare.aws.metrics import measure


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    answer = bootstrap.settlement_consumer().consume(event)
    failed = len(answer["batchItemFailures"])
    if failed:
        # by version: a new one that fails is taken back, and an old one that fails does not keep its mend out
        measure("SettlementsFailed", failed, by=context.function_version)
    return answer
