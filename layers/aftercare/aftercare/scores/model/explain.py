"""What a merchant asks of a score: what changed it since last week, and how far it is to the next step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from aftercare.rulepacks.scores import Metric
from aftercare.scores.model.benchmarks import SECONDS, Measure, MetricBar
from aftercare.scores.model.card import (
    AdjustmentLine,
    Card,
    MetricLine,
    Terms,
    bar_in_force,
    judge,
    rounded_down,
    shown_score,
    total_score,
)
from aftercare.scores.model.statistics import decimal_text_down

MOST_CASES = 10_000
_STEP = Decimal("0.1")


class MetricChange(NamedTuple):
    """How many points of the score came or went with one metric. ``left`` and ``entered``: by the cases that left the
    window and those that entered it; ``restated``: by all else, such as late facts, a new bar or other weights."""

    id: str
    before: Fraction
    after: Fraction
    left: Fraction
    entered: Fraction
    restated: Fraction


class Change(NamedTuple):
    """The parts add up to ``total`` exactly; ``limits`` is what the bounds of the scale swallowed."""

    total: Fraction
    metrics: tuple[MetricChange, ...]
    bonus: Fraction
    deductions: Fraction
    limits: Fraction


class NextStep(NamedTuple):
    """The way to the next 0.1: ``shown`` is what it would be.

    ``good_cases``: for each scored metric how many good cases of it alone would do, None where not even 10,000 would;
    ``good_orders``: how many orders with nothing wrong about them.
    """

    shown: str
    good_cases: Mapping[str, int | None]
    good_orders: int | None


def change(before: Card, after: Card, left: Iterable[Measure] = (), entered: Iterable[Measure] = ()) -> Change:
    """The change from one card to another, metric by metric.

    ``left`` and ``entered`` are the measures of the days that are only in the one window or the other. Their effects do
    not simply add up; each is the mean of what it does before and after the other, under the terms of ``before``.
    """
    gone = {measure.id: measure for measure in left}
    come = {measure.id: measure for measure in entered}
    old = {line.metric.id: line for line in before.metrics}
    new = {line.metric.id: line for line in after.metrics}
    metrics = tuple(
        _metric_change(before.terms, id_, old.get(id_), new.get(id_), gone.get(id_), come.get(id_))
        for id_ in dict.fromkeys([*old, *new])
    )
    bonus = _sum(after.bonus) - _sum(before.bonus)
    deductions = _sum(after.deductions) - _sum(before.deductions)
    total = (after.exact or Fraction(0)) - (before.exact or Fraction(0))
    parts = sum((each.after - each.before for each in metrics), Fraction(0)) + bonus + deductions
    return Change(total, metrics, bonus, deductions, total - parts)


def next_step(card: Card) -> NextStep | None:
    """How many good cases it takes to be shown 0.1 more; None at the top, and where there is no score.

    For a shop that is not shown yet: to 0.1 more than would be shown.
    """
    if card.score is None:
        return None
    rules = card.terms.rules
    goal = Decimal(shown_score(rules, Decimal(card.score))) + _STEP
    if goal > rules.display[-1][1]:
        return None
    points = {line.metric.id: None if line.points is None else Decimal(line.points) for line in card.metrics}
    scored = [line for line in card.metrics if line.metric.weight and line.points is not None]

    def reached(lines: Iterable[MetricLine], cases: int) -> bool:
        tried = points | {line.metric.id: _points_with(card.terms, line, cases) for line in lines}
        score = total_score(card.terms, tried)
        return score is not None and Decimal(shown_score(rules, rounded_down(score))) >= goal

    def needed(lines: list[MetricLine]) -> int | None:
        return _smallest(lambda cases: reached(lines, cases))

    orders = [line for line in scored if line.metric.cases == "orders"]
    return NextStep(decimal_text_down(goal, 1), {line.metric.id: needed([line]) for line in scored}, needed(orders))


def with_good_cases(metric: Metric, measure: Measure, cases: int, bar: MetricBar | None = None) -> Measure:
    """A measure with so many good cases more: none bad; of a mean, each as good as its best tier and as the best
    quantile of the ``bar`` that it is measured by."""
    if metric.kind != "mean":
        good = cases if metric.better == "higher" else 0
        return measure._replace(numerator=measure.numerator + good, denominator=measure.denominator + cases)
    marks = [place for place, _ in metric.tiers] + ([] if bar is None else list(bar.quantiles))
    best = min(marks, default=Decimal(0)) if metric.better == "lower" else max(marks, default=Decimal(0))
    each = int(best * SECONDS[metric.unit])
    return measure._replace(
        numerator=measure.numerator + each * cases,
        denominator=measure.denominator + cases,
        winsorised=None if measure.winsorised is None else measure.winsorised + each * cases,
    )


def _points_with(terms: Terms, line: MetricLine, cases: int) -> Decimal | None:
    more = with_good_cases(line.metric, line.measure, cases, bar_in_force(terms, line.metric))
    return judge(terms, line.metric, more).points


def _smallest(enough: Callable[[int], bool]) -> int | None:
    # more good cases never hurt, so the first that is enough can be halved toward
    if not enough(MOST_CASES):
        return None
    low, high = 0, MOST_CASES
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _metric_change(
    terms: Terms,
    id_: str,
    old: MetricLine | None,
    new: MetricLine | None,
    gone: Measure | None,
    come: Measure | None,
) -> MetricChange:
    before = Fraction(0) if old is None else old.contribution
    after = Fraction(0) if new is None else new.contribution
    if old is None or old.points is None:
        return MetricChange(id_, before, after, Fraction(0), Fraction(0), after - before)
    nothing = Measure(id_, 0, 0)
    without = _sum_of(old.measure, gone or nothing, -1)
    only_left = _worth(terms, old, without)
    only_entered = _worth(terms, old, _sum_of(old.measure, come or nothing, 1))
    both = _worth(terms, old, _sum_of(without, come or nothing, 1))
    left = (only_left - before + both - only_entered) / 2
    entered = (only_entered - before + both - only_left) / 2
    return MetricChange(id_, before, after, left, entered, after - before - left - entered)


def _worth(terms: Terms, line: MetricLine, measure: Measure) -> Fraction:
    return line.share * Fraction(judge(terms, line.metric, measure).points or 0)


def _sum_of(one: Measure, other: Measure, sign: int) -> Measure:
    # late facts can make a day larger than it was when it was counted
    cases = max(0, one.denominator + sign * other.denominator)
    total = max(0, one.numerator + sign * other.numerator)
    known = one.winsorised is not None and (other.winsorised is not None or other.denominator == 0)
    cut = max(0, (one.winsorised or 0) + sign * (other.winsorised or 0)) if known else None
    return Measure(one.id, total, cases, cut)


def _sum(lines: Iterable[AdjustmentLine]) -> Fraction:
    return sum((Fraction(line.points) for line in lines), Fraction(0))
