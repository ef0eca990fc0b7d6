"""A day's summary folds from its rows, a window from its days, in any order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from aftercare.kernel import compact
from aftercare.kernel.days import CLOSES_AT
from aftercare.rulepacks.scores import Counting
from aftercare.scores.model.benchmarks import Measure
from aftercare.scores.model.contributions import EXCLUDED, ITEM, Row


class Tally(NamedTuple):
    """A metric on one day. ``later`` holds what the numerator owes to evidence of later days, by those days; ``excess``
    are the seconds of single cases beyond the metric's cap."""

    numerator: int = 0
    denominator: int = 0
    later: Mapping[date, int] = {}
    excess: int = 0

    def __add__(self, other: object) -> Tally:
        if not isinstance(other, Tally):
            return NotImplemented
        later = dict(self.later)
        for day, count in other.later.items():
            later[day] = later.get(day, 0) + count
        return Tally(
            self.numerator + other.numerator,
            self.denominator + other.denominator,
            later,
            self.excess + other.excess,
        )

    def before(self, end: date) -> tuple[int, int]:
        """Numerator and denominator with the evidence of days before ``end`` alone."""
        return self.numerator + sum(count for day, count in self.later.items() if day < end), self.denominator


Summary = Mapping[str, Tally]
"""A day by metric."""


def summary(rows: Iterable[Row], caps: Mapping[str, int] | None = None) -> Summary:
    """The day that the rows make. ``caps``: the most seconds that a case of a metric counts in its points.

    What was counted by item stays in the rows: there are as many items as a shop has.
    """
    totals: dict[str, list[int]] = {}
    late: dict[str, dict[date, int]] = {}
    caps = caps or {}
    for row in rows:
        for metric, (numerator, denominator, evidence) in row.metrics.items():
            total = totals.get(metric)
            if total is None:
                total = totals[metric] = [0, 0, 0]
            total[1] += denominator
            if evidence is None:
                total[0] += numerator
                if metric in caps:
                    total[2] += max(0, numerator - caps[metric] * denominator)
            elif numerator:
                by_day = late.setdefault(metric, {})
                by_day[evidence] = by_day.get(evidence, 0) + numerator
    return {
        metric: Tally(numerator, denominator, dict(sorted(late.get(metric, {}).items())), excess)
        for metric, (numerator, denominator, excess) in sorted(totals.items())
        if not metric.startswith(ITEM) and (numerator or denominator or metric in late)
    }


def item_counts(rows: Iterable[Row]) -> dict[str, Tally]:
    """By item: orders with a problem, of all that had it."""
    counts: dict[str, Tally] = {}
    for row in rows:
        for metric, (numerator, denominator, _) in row.metrics.items():
            if metric.startswith(ITEM):
                item = metric.removeprefix(ITEM)
                counts[item] = counts.get(item, Tally()) + Tally(numerator, denominator)
    return counts


def day_measures(day: Summary) -> tuple[Measure, ...]:
    """All that is known of the day, whenever it became known."""
    return tuple(Measure(metric, *tally.before(date.max)) for metric, tally in day.items())


def week_measures(days: Mapping[date, Summary], end: date, counting: Counting) -> tuple[Measure, ...]:
    """The metrics of the window that ends with the first moment of ``end``; those without a case are left out."""
    totals: dict[str, tuple[int, int, int]] = {}
    for day, found in days.items():
        for metric, tally in found.items():
            first, last = window(metric, end, counting)
            if first <= day < last:
                numerator, denominator = tally.before(end)
                was = totals.get(metric, (0, 0, 0))
                totals[metric] = (was[0] + numerator, was[1] + denominator, was[2] + tally.excess)
    return tuple(
        Measure(metric, numerator, denominator, numerator - excess if excess else None)
        for metric, (numerator, denominator, excess) in sorted(totals.items())
        if numerator or denominator
    )


def measures_between(
    days: Mapping[date, Summary], end: date, later_end: date, counting: Counting
) -> tuple[tuple[Measure, ...], tuple[Measure, ...]]:
    """What left the windows that end with ``end``, and what entered those that end with ``later_end``: that of the days
    which are in the one and not in the other, each with the evidence of its own end."""
    left: dict[str, Measure] = {}
    entered: dict[str, Measure] = {}
    for day, found in days.items():
        for metric, tally in found.items():
            before, after = window(metric, end, counting), window(metric, later_end, counting)
            was_in, is_in = before[0] <= day < before[1], after[0] <= day < after[1]
            if was_in and not is_in:
                _add(left, metric, tally, end)
            elif is_in and not was_in:
                _add(entered, metric, tally, later_end)
    return tuple(left.values()), tuple(entered.values())


def _add(measures: dict[str, Measure], metric: str, tally: Tally, end: date) -> None:
    was = measures.get(metric, Measure(metric, 0, 0, 0))
    numerator, denominator = tally.before(end)
    total = was.numerator + numerator
    cut = (was.winsorised or 0) + numerator - tally.excess
    measures[metric] = Measure(metric, total, was.denominator + denominator, cut)


def window(metric: str, end: date, counting: Counting) -> tuple[date, date]:
    """The first day of a metric's window, and the first day after it.

    A negotiated case is looked at once its buyer has had all the days for second thoughts.
    """
    if metric.removeprefix(EXCLUDED).startswith("net_keep_rate."):
        return end - timedelta(days=counting.keep_window_days), end - timedelta(days=counting.kept_days)
    return end - timedelta(days=counting.window_days), end


def first_day_needed(end: date, counting: Counting) -> date:
    return end - timedelta(days=max(counting.window_days, counting.keep_window_days))


# ---------------------------------------------------------------- weeks


def week_id(end: date) -> str:
    """The ISO week that ended with the Monday ``end``."""
    year, week, _ = (end - timedelta(days=1)).isocalendar()
    return f"{year}-W{week:02d}"


def last_week_end(moment: datetime, zone: str) -> date:
    """The latest Monday of whose week the count may be closed."""
    local = moment.astimezone(ZoneInfo(zone))
    day = local.date() if local.time() >= CLOSES_AT else local.date() - timedelta(days=1)
    return day - timedelta(days=day.weekday())


# ---------------------------------------------------------------- as JSON


_tally = compact.row(Tally, None, None, compact.mapping(compact.day, int), None)
read_summary = compact.mapping(str, _tally)
