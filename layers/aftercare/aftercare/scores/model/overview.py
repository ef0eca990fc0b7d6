"""A shop's score as its merchant sees it: plain JSON, every number beside what it is made of. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from aftercare.kernel.days import start_of
from aftercare.kernel.times import to_text
from aftercare.rulepacks.scores import ItemIndex
from aftercare.scores.model.basis import Basis
from aftercare.scores.model.benchmarks import Measure
from aftercare.scores.model.card import Card, MetricLine
from aftercare.scores.model.contributions import EXCLUDED
from aftercare.scores.model.days import Summary, Tally, measures_between, week_id
from aftercare.scores.model.explain import Change, MetricChange, change, next_step
from aftercare.scores.model.statistics import decimal_text, height_at


class Scored(NamedTuple):
    """A score and what it rests on. ``end`` is the day after its window; ``revision`` is None for a provisional one."""

    end: date
    basis: Basis
    card: Card
    revision: int | None


def headline(scored: Scored) -> dict[str, Any]:
    """One line of a list of weeks."""
    card = scored.card
    return {
        "week": None if scored.revision is None else week_id(scored.end),
        "revision": scored.revision,
        "score": card.score,
        "shown": card.shown,
        "reason": card.reason,
        "grade": card.grade,
        "valid_orders": card.terms.valid_orders,
    }


def whole(scored: Scored, zone: str, before: Scored | None, days: Mapping[date, Summary]) -> dict[str, Any]:
    """The card: what was counted, what it is worth, what changed since the score ``before``, and what to do next.

    ``days`` are those of both windows: they tell what entered and what left.
    """
    card = scored.card
    rules = card.terms.rules
    changed = None if before is None else _change(before, scored, days)
    first = scored.end - timedelta(days=rules.counting.window_days)
    by_metric = {} if changed is None else {each.id: each for each in changed.metrics}
    return {
        **headline(scored),
        "window": {"from": to_text(start_of(first, zone)), "to": to_text(start_of(scored.end, zone))},
        "pack": rules.id,
        "category": scored.basis.category,
        "service_weight": card.service_weight,
        "dimensions": [line._asdict() for line in card.dimensions],
        "metrics": [_metric(line, by_metric.get(line.metric.id)) for line in card.metrics],
        "bonus": [line._asdict() for line in card.bonus],
        "deductions": [line._asdict() for line in card.deductions],
        "unpriced_violations": list(card.unpriced),
        "exclusions": _exclusions(scored.basis.measures),
        "change": None if changed is None else _totals(changed),
        "next": _next(card),
    }


def _metric(line: MetricLine, changed: MetricChange | None) -> dict[str, Any]:
    metric = line.metric
    return {
        "id": metric.id,
        "title": metric.title,
        "counted": metric.counted,
        "of": metric.of,
        "dimension": metric.dimension,
        "better": metric.better,
        "unit": metric.unit,
        "numerator": line.measure.numerator,
        "denominator": line.measure.denominator,
        "value": line.value,
        "interval": None if line.interval is None else {"low": line.interval[0], "high": line.interval[1]},
        "target": None if metric.target is None else f"{metric.target:f}",
        "label": line.label,
        "judged": line.shrunk,
        "points": line.points,
        "share": _points(line.share),
        "contribution": None if line.points is None else _points(line.contribution),
        "beats_percent": line.beats,
        "note": line.note,
        "change": None if changed is None else _metric_change(changed),
    }


def _metric_change(changed: MetricChange) -> dict[str, str]:
    return {
        "points": _points(changed.after - changed.before),
        "left": _points(changed.left),
        "entered": _points(changed.entered),
        "restated": _points(changed.restated),
    }


def _totals(changed: Change) -> dict[str, str]:
    metrics = changed.metrics
    return {
        "score": _points(changed.total),
        "left": _points(sum((each.left for each in metrics), Fraction(0))),
        "entered": _points(sum((each.entered for each in metrics), Fraction(0))),
        "restated": _points(sum((each.restated for each in metrics), Fraction(0))),
        "bonus": _points(changed.bonus),
        "deductions": _points(changed.deductions),
        "limits": _points(changed.limits),
    }


def _change(before: Scored, after: Scored, days: Mapping[date, Summary]) -> Change:
    counting = after.card.terms.rules.counting
    left, entered = measures_between(days, before.end, after.end, counting)
    return change(before.card, after.card, left, entered)


def _exclusions(measures: Iterable[Measure]) -> list[dict[str, Any]]:
    return [
        {"metric": each.id.removeprefix(EXCLUDED), "cases": each.denominator}
        for each in measures
        if each.id.startswith(EXCLUDED)
    ]


def _next(card: Card) -> dict[str, Any] | None:
    step = next_step(card)
    if step is None:
        return None
    return {"shown": step.shown, "good_orders": step.good_orders, "good_cases": dict(step.good_cases)}


def item_indices(counts: Mapping[str, Tally], index: ItemIndex) -> list[dict[str, Any]]:
    """Every item that has enough orders, the worst first; the others have their counts and no index."""
    found = [(item, tally, _item_index(tally, index)) for item, tally in counts.items()]
    ordered = sorted(found, key=lambda each: (each[2] is None, each[2] or Decimal(0), each[0]))
    return [
        {
            "item_id": item,
            "orders": tally.denominator,
            "problems": tally.numerator,
            "index": None if value is None else decimal_text(value, 0),
        }
        for item, tally, value in ordered
    ]


def _item_index(tally: Tally, index: ItemIndex) -> Decimal | None:
    if tally.denominator < index.least:
        return None
    return height_at(index.curve, Decimal(tally.numerator) / tally.denominator)


def _points(exact: Fraction) -> str:
    return decimal_text(Decimal(exact.numerator) / exact.denominator, 4)
