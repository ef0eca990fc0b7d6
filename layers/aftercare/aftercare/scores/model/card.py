"""A shop's score of one window: from what was counted to what buyers see, every step kept.

A metric's points are rounded to two places and the score is made of these published numbers, exactly; so whoever reads
the card can do the sum again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from aftercare.events import scores as events
from aftercare.events.vocabulary import Interval
from aftercare.kernel.errors import DomainError
from aftercare.kernel.statistics import wilson
from aftercare.rulepacks.scores import Metric, ScoreRules
from aftercare.scores.model.benchmarks import (
    CategoryBar,
    Measure,
    MetricBar,
    beats_percent,
    counted_value,
    points_among_peers,
    total_in_unit,
)
from aftercare.scores.model.statistics import decimal_text, decimal_text_down, height_at, shrunk

Label = Literal["on_target", "below_target", "alarm", "no_data"]
Grade = Literal["high", "medium", "low"]
Note = Literal["prior_only", "guarded", "small_sample", "left_out"]

_PLACES_OF_UNIT = {"ratio": 4, "hours": 2, "seconds": 2, "stars": 2}
_SHRUNK_PLACES = 6
_POINTS_PLACES = 2
_SCORE_PLACES = 4
_OTHER_SHOPS = "other"

TOO_FEW_ORDERS = "too_few_orders"
NOTHING_MEASURED = "nothing_measured"


class MiscountedMeasure(DomainError):
    """More cases than there were, or fewer than none: the count is wrong, and no score can be right."""


class ServiceUse(NamedTuple):
    """A service of the pack's bonus items in the window: cases that had it, of all; ``active_days`` in a row up to the
    window's end for which the shop was enrolled, where that is known."""

    id: str
    numerator: int
    denominator: int
    active_days: int | None = None


class Terms(NamedTuple):
    """All that a score depends on beside the measures. ``rules`` are those of the shop's category.

    ``violations``: how many of each kind in the window. ``shop_class``: the marketplace's own, such as ``flagship``.
    """

    rules: ScoreRules
    category: CategoryBar | None
    services: tuple[ServiceUse, ...]
    violations: Mapping[str, int]
    valid_orders: int
    shop_class: str


class MetricLine(NamedTuple):
    """One metric of a card. ``value`` is what was counted, ``shrunk`` what the points are for: guarded, winsorised and
    drawn toward the category. ``share`` is its part of the score after what was left out."""

    metric: Metric
    measure: Measure
    value: str | None
    shrunk: str | None
    points: str | None
    interval: tuple[str, str] | None
    share: Fraction
    label: Label | None
    beats: int | None
    note: Note | None

    @property
    def contribution(self) -> Fraction:
        """The points of the score that come from it."""
        return Fraction(0) if self.points is None else self.share * Fraction(self.points)


class DimensionLine(NamedTuple):
    """``points`` are absent where nothing of it was measured: it is left out and the other weights count for more."""

    id: str
    points: str | None
    weight: str


class AdjustmentLine(NamedTuple):
    id: str
    points: str


class Card(NamedTuple):
    """A score explained. ``exact`` is the score before it was rounded down to ``score``, by which the rest goes;
    ``unpriced`` are violations of kinds that the pack does not know, which cost nothing."""

    terms: Terms
    metrics: tuple[MetricLine, ...]
    dimensions: tuple[DimensionLine, ...]
    bonus: tuple[AdjustmentLine, ...]
    deductions: tuple[AdjustmentLine, ...]
    exact: Fraction | None
    score: str | None
    shown: str | None
    reason: str | None
    grade: Grade | None
    service_weight: str
    unpriced: tuple[str, ...]


def card(
    rules: ScoreRules,
    measures: Iterable[Measure],
    category: CategoryBar | None = None,
    services: Iterable[ServiceUse] = (),
    violations: Mapping[str, int] | None = None,
    *,
    valid_orders: int,
    shop_class: str = _OTHER_SHOPS,
) -> Card:
    """The card of one shop and window. Measures that the pack does not define are left aside, missing ones are 0 of 0.

    A metric of which nothing was seen stands at its prior; one without a prior is left out of its dimension, and a
    dimension without metrics is left out of the score, the other weights counting for more. Raises
    ``MiscountedMeasure`` for a count that cannot be.
    """
    terms = Terms(rules, category, tuple(services), violations or {}, valid_orders, shop_class)
    found = {measure.id: measure for measure in measures}
    counted = [found.get(metric.id, Measure(metric.id, 0, 0)) for metric in rules.metrics]
    judged = [
        judge(terms, metric, _checked(metric, measure)) for metric, measure in zip(rules.metrics, counted, strict=True)
    ]
    points = {metric.id: each.points for metric, each in zip(rules.metrics, judged, strict=True)}
    shares = metric_shares(rules, points)
    lines = tuple(
        _line(terms, metric, measure, each, shares.get(metric.id, Fraction(0)))
        for metric, measure, each in zip(rules.metrics, counted, judged, strict=True)
    )
    exact = total_score(terms, points)
    score = None if exact is None else rounded_down(exact)
    shown, reason = _shown(terms, score)
    weight = rules.service_weight
    return Card(
        terms=terms,
        metrics=lines,
        dimensions=tuple(_dimensions(rules, points)),
        bonus=tuple(AdjustmentLine(id_, decimal_text(each, 2)) for id_, each in bonus_points(terms)),
        deductions=tuple(AdjustmentLine(id_, decimal_text(-each, 2)) for id_, each in deducted_points(terms)),
        exact=exact,
        score=None if score is None else decimal_text(score, _SCORE_PLACES),
        shown=shown,
        reason=reason,
        grade=None if score is None else _grade(rules, score),
        service_weight=decimal_text_down(weight.unscored if score is None else height_at(weight.curve, score), 4),
        unpriced=_unpriced(terms),
    )


def published(card: Card) -> dict[str, Any]:
    """The fields of ``ScorePublished`` that a card fills: all but week, window and revision."""
    return {
        "pack": card.terms.rules.id,
        "metrics": tuple(
            events.ScoredMeasure(
                id=line.metric.id,
                numerator=line.measure.numerator,
                denominator=line.measure.denominator,
                value=line.value,
                points=line.points,
                interval=None if line.interval is None else Interval(low=line.interval[0], high=line.interval[1]),
            )
            for line in card.metrics
        ),
        "dimensions": tuple(events.Dimension(**line._asdict()) for line in card.dimensions),
        "bonus": tuple(events.Adjustment(**line._asdict()) for line in card.bonus),
        "deductions": tuple(events.Adjustment(**line._asdict()) for line in card.deductions),
        "score": card.score,
        "shown": card.shown,
        "reason": card.reason,
        "service_weight": card.service_weight,
    }


# ---------------------------------------------------------------- one metric


class Judged(NamedTuple):
    """What a metric's count is worth; ``points`` rounded as they are published, absent where it is not scored."""

    shrunk: Decimal | None
    points: Decimal | None
    note: Note | None


def judge(terms: Terms, metric: Metric, measure: Measure) -> Judged:
    """Guard, cap, prior and curve: never lower for a good case more, or for a bad one less, where all it has are a
    prior, a guard and tiers."""
    bar = bar_in_force(terms, metric)
    value, guarded = _drawn(metric, measure, bar)
    if not metric.weight:
        return Judged(value, None, None)
    if metric.small_sample is not None and _too_small(terms, metric, measure):
        return Judged(value, metric.small_sample.points, "small_sample")
    if value is None:
        return Judged(None, None, "left_out")
    points = height_at(metric.tiers, value)
    if bar is not None and terms.rules.peers is not None:
        # a category in which all are good would make half of them bad: up to the usual the kinder measure counts
        kinder = min(points, terms.rules.peers.usual)
        points = max(kinder, points_among_peers(terms.rules.peers.points, metric, bar, value))
    note: Note | None = "prior_only" if measure.denominator == 0 else "guarded" if guarded else None
    return Judged(value, Decimal(decimal_text(points, _POINTS_PLACES)), note)


def bad_cases(metric: Metric, measure: Measure) -> int:
    return measure.numerator if metric.better == "lower" else measure.denominator - measure.numerator


def _drawn(metric: Metric, measure: Measure, bar: MetricBar | None) -> tuple[Decimal | None, bool]:
    total = total_in_unit(metric, measure, winsorised=True)
    guarded = metric.kind != "mean" and 0 < bad_cases(metric, measure) < metric.guard
    if guarded:
        total = Decimal(0 if metric.better == "lower" else measure.denominator)
    if metric.prior is None:
        return (total / measure.denominator if measure.denominator else None), guarded
    if bar is None:
        return shrunk(total, measure.denominator, metric.prior, metric.strength), guarded
    return shrunk(total, measure.denominator, bar.quantiles[2], bar.strength), guarded


def bar_in_force(terms: Terms, metric: Metric) -> MetricBar | None:
    """The bar that a metric is measured by: None where it has none, or too few shops made it."""
    if terms.category is None or not metric.by_peers or terms.rules.peers is None:
        return None
    bar = terms.category.metrics.get(metric.id)
    return bar if bar is not None and bar.peers >= terms.rules.peers.minimum else None


def _too_small(terms: Terms, metric: Metric, measure: Measure) -> bool:
    small = metric.small_sample
    if small is None:
        return False
    below = small.orders_below.get(terms.shop_class, small.orders_below.get(_OTHER_SHOPS, 0))
    few_orders = terms.valid_orders < below and bad_cases(metric, measure) <= small.bad_at_most
    return few_orders or measure.denominator <= small.cases_at_most


def _checked(metric: Metric, measure: Measure) -> Measure:
    impossible = metric.kind == "rate" and measure.numerator > measure.denominator
    if impossible or measure.numerator < 0 or measure.denominator < 0:
        raise MiscountedMeasure(f"{metric.id}: {measure.numerator} of {measure.denominator}")
    return measure


def _line(terms: Terms, metric: Metric, measure: Measure, judged: Judged, share: Fraction) -> MetricLine:
    value = counted_value(metric, measure)
    interval = None
    if metric.kind == "rate" and value is not None:
        low, high = wilson(measure.numerator, measure.denominator)
        interval = (f"{low:.4f}", f"{high:.4f}")
    bar = bar_in_force(terms, metric)
    return MetricLine(
        metric=metric,
        measure=measure,
        value=None if value is None else decimal_text(value, _PLACES_OF_UNIT[metric.unit]),
        shrunk=None if judged.shrunk is None else decimal_text(judged.shrunk, _SHRUNK_PLACES),
        points=None if judged.points is None else decimal_text(judged.points, _POINTS_PLACES),
        interval=interval,
        share=share,
        label=_label(metric, measure, value),
        beats=None
        if bar is None or value is None or judged.shrunk is None
        else beats_percent(metric, bar, judged.shrunk),
        note=judged.note,
    )


def _label(metric: Metric, measure: Measure, value: Decimal | None) -> Label | None:
    if metric.target is None:
        return None
    if value is None:
        return "no_data"
    if _meets(metric, value, metric.target):
        return "on_target"
    return (
        "alarm" if metric.alarm is not None and _surely_worse(metric, measure, value, metric.alarm) else "below_target"
    )


def _meets(metric: Metric, value: Decimal, mark: Decimal) -> bool:
    return value >= mark if metric.better == "higher" else value <= mark


def _surely_worse(metric: Metric, measure: Measure, value: Decimal, mark: Decimal) -> bool:
    # the near end of the interval, so that one bad order in ten alarms nobody
    if metric.kind == "rate":
        low, high = wilson(measure.numerator, measure.denominator)
        return high < mark if metric.better == "higher" else low > mark
    return not _meets(metric, value, mark)


# ---------------------------------------------------------------- the sum


def metric_shares(rules: ScoreRules, points: Mapping[str, Decimal | None]) -> dict[str, Fraction]:
    """The share of the score that each metric with points has; together 1, or nothing was measured."""
    weights = _measured_weights(rules, points)
    measured = {dimension.id: dimension.weight for dimension in rules.dimensions if dimension.id in weights}
    whole = sum(measured.values())
    return {
        id_: Fraction(measured[dimension] * weight, whole * sum(metrics.values()))
        for dimension, metrics in weights.items()
        for id_, weight in metrics.items()
        if whole
    }


def total_score(terms: Terms, points: Mapping[str, Decimal | None]) -> Fraction | None:
    """The score of metrics with these points under these terms, exactly; None where none has any."""
    weights = _measured_weights(terms.rules, points)
    total, whole = Fraction(0), 0
    for dimension in terms.rules.dimensions:
        if metrics := weights.get(dimension.id):
            weighted = sum((weight * (points[id_] or 0) for id_, weight in metrics.items()), Decimal(0))
            total += Fraction(weighted) * dimension.weight / sum(metrics.values())
            whole += dimension.weight
    if not whole:
        return None
    added = sum((each for _, each in bonus_points(terms)), Decimal(0))
    taken = sum((each for _, each in deducted_points(terms)), Decimal(0))
    total = total / whole + Fraction(added - taken)
    return min(Fraction(terms.rules.highest), max(Fraction(terms.rules.lowest), total))


def rounded_down(exact: Fraction) -> Decimal:
    """A score as it is published."""
    return Decimal(math.floor(exact * 10**_SCORE_PLACES)).scaleb(-_SCORE_PLACES)


def _measured_weights(rules: ScoreRules, points: Mapping[str, Decimal | None]) -> dict[str, dict[str, int]]:
    weights: dict[str, dict[str, int]] = {}
    for metric in rules.metrics:
        if metric.weight and metric.dimension is not None and points[metric.id] is not None:
            weights.setdefault(metric.dimension, {})[metric.id] = metric.weight
    return weights


def bonus_points(terms: Terms) -> Iterable[tuple[str, Decimal]]:
    """The bonus items that the shop has, with their points."""
    used = {use.id: use for use in terms.services}
    for bonus in terms.rules.bonus:
        use = used.get(bonus.id)
        if use is None or use.numerator < bonus.least or use.numerator < bonus.share * use.denominator:
            continue
        if bonus.active_days is None or (use.active_days is not None and use.active_days >= bonus.active_days):
            yield bonus.id, bonus.points


def deducted_points(terms: Terms) -> Iterable[tuple[str, Decimal]]:
    """The deduction items that the shop's violations come to, as points above zero (or zero, where unsized)."""
    for deduction in terms.rules.deductions:
        cases = sum(terms.violations.get(kind, 0) for kind in deduction.kinds)
        if cases:
            yield deduction.id, min(deduction.cap, deduction.points * cases)


def shown_score(rules: ScoreRules, score: Decimal) -> str:
    """What buyers see of a score: 3.0 to 5.0, rounded down to 0.1."""
    return decimal_text_down(height_at(rules.display, score), 1)


def _shown(terms: Terms, score: Decimal | None) -> tuple[str | None, str | None]:
    if terms.valid_orders < terms.rules.minimum_orders:
        return None, TOO_FEW_ORDERS
    if score is None:
        return None, NOTHING_MEASURED
    return shown_score(terms.rules, score), None


def _dimensions(rules: ScoreRules, points: Mapping[str, Decimal | None]) -> Iterable[DimensionLine]:
    for dimension in rules.dimensions:
        scored = [
            (metric.weight, each)
            for metric in rules.metrics
            if metric.dimension == dimension.id and metric.weight and (each := points[metric.id]) is not None
        ]
        whole = sum(weight for weight, _ in scored)
        mean = sum((weight * each for weight, each in scored), Decimal(0)) / whole if whole else None
        yield DimensionLine(
            dimension.id,
            None if mean is None else decimal_text(mean, _POINTS_PLACES),
            decimal_text(Decimal(dimension.weight) / 100, 2),
        )


def _grade(rules: ScoreRules, score: Decimal) -> Grade:
    return "high" if score >= rules.high else "medium" if score >= rules.medium else "low"


def _unpriced(terms: Terms) -> tuple[str, ...]:
    priced = {kind for deduction in terms.rules.deductions for kind in deduction.kinds}
    return tuple(sorted(kind for kind, cases in terms.violations.items() if cases and kind not in priced))
