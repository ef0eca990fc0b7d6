"""Weekly cards as the merchant API answers them, from made-up counts of real packs."""

from __future__ import annotations

import functools
import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from aftercare.rulepacks.scores import Metric, score_pack
from aftercare.scores.model.basis import Basis, card_of
from aftercare.scores.model.benchmarks import CategoryBar, Measure, MetricBar
from aftercare.scores.model.card import ServiceUse
from aftercare.scores.model.days import Tally
from aftercare.scores.model.overview import Scored, whole

MARKETPLACES = {"standard-1": "standard", "taobao-2025-06": "taobao", "taobao-2026-03": "taobao"}
END = date(2026, 11, 30)


def measure(metric: Metric, cases: int = 200, bad: int = 9) -> Measure:
    if metric.kind == "mean":
        return Measure(metric.id, cases * (4 if metric.unit == "stars" else 90_061), cases)
    good = cases - bad
    return Measure(metric.id, bad if metric.better == "lower" else good, cases)


def scored(
    pack: str = "standard-1",
    cases: int = 200,
    orders: int = 200,
    end: date = END,
    revision: int | None = 1,
    bar: CategoryBar | None = None,
    **more: Any,
) -> Scored:
    marketplace = MARKETPLACES.get(pack, pack.partition("-")[0])
    measures = tuple(measure(metric, cases, min(9, cases)) for metric in score_pack(pack).metrics)
    found = Basis((*(each for each in measures if each.id != "valid_orders"), Measure("valid_orders", orders, orders)),
                  marketplace, **more)  # fmt: skip
    return Scored(end, found, card_of(found, end, "Asia/Shanghai", bar), revision)


def full() -> dict[str, Any]:
    """A card on which everything stands that can."""
    told: dict[str, Any] = json.loads(_full())
    return told


@functools.cache
def _full() -> str:
    measured = {metric.id: Tally(1, 2) for metric in score_pack("standard-1").metrics}
    days = {END - timedelta(days=number): measured for number in (1, 35)}
    last_week = scored(cases=150, end=END - timedelta(days=7))
    uses = (ServiceUse("freight_insurance", 40, 200, 9), ServiceUse("category_service", 100, 200))
    kinds = {"brushing": 1, "late_shipment": 2, "invoice_refused": 3}
    this_week = scored(category="shoes", services=uses, violations=kinds, bar=peers())
    this_week = this_week._replace(
        basis=this_week.basis._replace(measures=(*this_week.basis.measures, Measure("excluded.on_time_pickup", 0, 17)))
    )
    return json.dumps(whole(this_week, "Asia/Shanghai", last_week, days))


def peers() -> CategoryBar:
    metric = next(each for each in score_pack("standard-1").metrics if each.id == "on_time_pickup")
    quantiles = tuple(Decimal(each) for each in ("0.8", "0.85", "0.9", "0.95", "0.99"))
    return CategoryBar(
        "shoes", "2026-W47", metrics={metric.id: MetricBar(peers=40, quantiles=quantiles, strength=Decimal(50))}
    )


def card(**changed: Any) -> dict[str, Any]:
    return whole(scored(**changed), "Asia/Shanghai", None, {})


def weeks(*scores: tuple[str, str | None, str | None]) -> list[dict[str, Any]]:
    """Of (week, points, what was shown)."""
    return [
        {
            "week": week,
            "revision": 1,
            "score": score,
            "shown": shown,
            "reason": None if shown else "too_few_orders",
            "grade": "high" if score else None,
            "valid_orders": 41,
        }
        for week, score, shown in scores
    ]


TREND = weeks(("2026-W48", "90.1234", "4.7"), ("2026-W47", "88.0000", "4.6"), ("2026-W45", "71.5000", None))
