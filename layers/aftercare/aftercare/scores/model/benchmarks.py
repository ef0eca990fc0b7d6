"""The bar of a category: where its shops stand, metric by metric, frozen so that everybody knows it on Monday."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from aftercare.rulepacks.scores import Metric, Peers, ScoreRules
from aftercare.scores.model.statistics import beta_binomial_strength, decimal_text, height_at, weighted_quantiles

LEVELS = tuple(Decimal(level) for level in ("0.1", "0.25", "0.5", "0.75", "0.9"))
_PLACES = 6
_WEIGHT_OF_A_FULL_SHOP = 1000
SECONDS = {"hours": 3600, "seconds": 1, "ratio": 1, "stars": 1}


class Measure(NamedTuple):
    """What was counted of one metric in a window: orders, rounds or ratings; whole seconds where it measures time.

    ``winsorised`` is the numerator of a metric of time with every case cut at the metric's ``cap_seconds``; where it is
    not given, only the whole is held to what the cap allows.
    """

    id: str
    numerator: int
    denominator: int
    winsorised: int | None = None


class MetricBar(NamedTuple):
    """``quantiles`` P10, P25, P50, P75, P90 in the metric's unit; ``strength`` as in the rules."""

    peers: int
    quantiles: tuple[Decimal, ...]
    strength: Decimal


class CategoryBar(NamedTuple):
    """What the shops of a category stand at; ``week`` is the one whose revisions 1 it was made of."""

    category: str
    week: str
    metrics: Mapping[str, MetricBar]


def counted_value(metric: Metric, measure: Measure, *, winsorised: bool = False) -> Decimal | None:
    """Numerator over denominator in the metric's unit; None where there was no case."""
    if measure.denominator == 0:
        return None
    return total_in_unit(metric, measure, winsorised=winsorised) / measure.denominator


def total_in_unit(metric: Metric, measure: Measure, *, winsorised: bool) -> Decimal:
    total = measure.numerator
    if winsorised and metric.cap_seconds is not None:
        cut = total if measure.winsorised is None else measure.winsorised
        total = min(cut, metric.cap_seconds * measure.denominator)
    return Decimal(total) / SECONDS[metric.unit]


def category_bar(rules: ScoreRules, category: str, week: str, shops: Iterable[Sequence[Measure]]) -> CategoryBar:
    """The bar of one category from its shops' measures of one week, those with enough orders to be shown.

    A shop weighs as much as can be told of it, cases / (cases + strength): a shop of three orders says little about its
    category, and one of a million says no more than its own. Metrics that are not measured against peers have no bar.
    """
    if rules.peers is None:
        return CategoryBar(category, week, {})
    wanted = {metric.id: metric for metric in rules.metrics if metric.by_peers}
    seen: dict[str, list[Measure]] = {id_: [] for id_ in wanted}
    for shop in shops:
        for measure in shop:
            if measure.id in wanted and measure.denominator > 0:
                seen[measure.id].append(measure)
    return CategoryBar(category, week, {id_: _bar(rules.peers, wanted[id_], seen[id_]) for id_ in wanted if seen[id_]})


def _bar(peers: Peers, metric: Metric, measures: Sequence[Measure]) -> MetricBar:
    strength = None
    if metric.kind == "rate":
        samples = [(measure.numerator, measure.denominator) for measure in measures]
        strength = beta_binomial_strength(samples, peers.strength_from, peers.strength_to)
    weighted = []
    for measure in measures:
        known = measure.denominator / (measure.denominator + metric.strength)
        value = total_in_unit(metric, measure, winsorised=True) / measure.denominator
        weighted.append((value, max(1, int(_WEIGHT_OF_A_FULL_SHOP * known))))
    quantiles = tuple(Decimal(decimal_text(value, _PLACES)) for value in weighted_quantiles(weighted, LEVELS))
    return MetricBar(len(measures), quantiles, metric.strength if strength is None else strength)


def points_among_peers(points: Sequence[Decimal], metric: Metric, bar: MetricBar, value: Decimal) -> Decimal:
    """The points of a value between the quantiles, ``points`` from the worst to the best."""
    heights = points if metric.better == "higher" else tuple(reversed(points))
    return height_at(tuple(zip(bar.quantiles, heights, strict=True)), value)


def beats_percent(metric: Metric, bar: MetricBar, value: Decimal) -> int:
    """How many percent of the category a value is better than: whole, between the quantiles in a straight line.

    Beyond the outer ones only that much is known: 0 below the worst, 90 above the best.
    """
    better = [100 * level for level in LEVELS]
    if metric.better == "lower":
        better = [100 - percent for percent in better]
    worst = bar.quantiles[0] if metric.better == "higher" else bar.quantiles[-1]
    if value < worst if metric.better == "higher" else value > worst:
        return 0
    return int(height_at(tuple(zip(bar.quantiles, better, strict=True)), value))


def bar_to_item(bar: CategoryBar) -> dict[str, Any]:
    """As plain data, numbers as decimal text."""
    return {
        "category": bar.category,
        "week": bar.week,
        "metrics": {
            id_: {
                "peers": metric.peers,
                "quantiles": [decimal_text(value, _PLACES) for value in metric.quantiles],
                "strength": decimal_text(metric.strength, 0),
            }
            for id_, metric in bar.metrics.items()
        },
    }


def bar_from_item(item: Mapping[str, Any]) -> CategoryBar:
    """What ``bar_to_item`` wrote; numbers of peers may come back as any kind of integer."""
    return CategoryBar(
        item["category"],
        item["week"],
        {
            id_: MetricBar(
                int(metric["peers"]),
                tuple(Decimal(value) for value in metric["quantiles"]),
                Decimal(metric["strength"]),
            )
            for id_, metric in item["metrics"].items()
        },
    )
