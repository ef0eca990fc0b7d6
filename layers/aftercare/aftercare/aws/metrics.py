"""Metrics by allow-list, written into the log as embedded metrics (CloudWatch EMF).

Only what AWS does not count by itself, and only where something happened: an invocation that goes well writes none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple


class Metric(NamedTuple):
    """``by`` is the dimension whose values are few and known; ``by_shop`` says whether the shop is one beside it.

    A shop is a dimension only where it shows up when something is wrong with it: so they stay few.
    """

    unit: Literal["Count", "Seconds"]
    by: str | None = None
    by_shop: bool = False


METRICS: Mapping[str, Metric] = {
    "DeliveriesRefused": Metric("Count", by="reason", by_shop=True),
    "DeliveriesSetAside": Metric("Count", by="shelf", by_shop=True),
    "CodesUnknown": Metric("Count", by="event"),
    "EventsSetAside": Metric("Count"),
    "OffersStoppedByBudget": Metric("Count", by_shop=True),
    "PayoutsStuck": Metric("Count", by="state", by_shop=True),
    "PayoutStuckSeconds": Metric("Seconds", by="state"),
    "SettlementsFailed": Metric("Count", by="version"),
    "CasesNeedHuman": Metric("Count", by_shop=True),
    "OldestDueSeconds": Metric("Seconds", by="owner"),
    "RequestsOverLimit": Metric("Count", by_shop=True),
}


def measure(name: str, value: float = 1, *, by: str | None = None, shop: str | None = None) -> None:
    """Writes one metric, in all and by its dimensions. ``name`` is one of ``METRICS``, else ``KeyError``.

    The namespace is the environment's ``POWERTOOLS_METRICS_NAMESPACE``.
    """
    # the import costs a cold start as much as a third of the SDK, and most processes never need it
    from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

    metric = METRICS[name]
    written = AmazonCloudWatchEMFProvider()
    written.add_metric(name, metric.unit, value)
    if metric.by is not None and by is not None:
        written.add_dimensions(**{metric.by: by})
    if metric.by_shop and shop is not None:
        written.add_dimensions(shop=shop)
    written.flush_metrics()
