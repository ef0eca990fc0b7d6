"""A day's summary folds from its rows, a window from its days, in any order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from aftercare.kernel import compact
from aftercare.rulepacks.scores import Counting
from aftercare.scores.model.benchmarks import Measure
from aftercare.scores.model.contributions import Row

CLOSES_AT = time(3)
"""A day, and a week, is counted when so much of the next day has passed in the shop's zone."""


class Tally(NamedTuple):
    """A metric on one day. ``later`` holds what the numerator owes to evidence of later days, by those days."""

    numerator: int = 0
    denominator: int = 0
    later: Mapping[date, int] = {}

    def __add__(self, other: object) -> Tally:
        if not isinstance(other, Tally):
            return NotImplemented
        later = dict(self.later)
        for day, count in other.later.items():
            later[day] = later.get(day, 0) + count
        return Tally(self.numerator + other.numerator, self.denominator + other.denominator, later)

    def before(self, end: date) -> tuple[int, int]:
        """Numerator and denominator with the evidence of days before ``end`` alone."""
        return self.numerator + sum(count for day, count in self.later.items() if day < end), self.denominator


Summary = Mapping[str, Tally]
"""A day by metric."""


def summary(rows: Iterable[Row]) -> Summary:
    tallies: dict[str, Tally] = {}
    for row in rows:
        for metric, (numerator, denominator, evidence) in row.metrics.items():
            one = Tally(numerator, denominator) if evidence is None else Tally(0, denominator, {evidence: numerator})
            tallies[metric] = tallies.get(metric, Tally()) + one
    return {metric: tally for metric, tally in sorted(tallies.items()) if tally != Tally()}


def day_measures(day: Summary) -> tuple[Measure, ...]:
    """All that is known of the day, whenever it became known."""
    return tuple(Measure(metric, *tally.before(date.max)) for metric, tally in day.items())


def week_measures(days: Mapping[date, Summary], end: date, counting: Counting) -> tuple[Measure, ...]:
    """The metrics of the window that ends with the first moment of ``end``; those without a case are left out."""
    totals: dict[str, tuple[int, int]] = {}
    for day, found in days.items():
        for metric, tally in found.items():
            first, last = window(metric, end, counting)
            if first <= day < last:
                numerator, denominator = tally.before(end)
                was = totals.get(metric, (0, 0))
                totals[metric] = (was[0] + numerator, was[1] + denominator)
    return tuple(Measure(metric, *total) for metric, total in sorted(totals.items()) if total != (0, 0))


def window(metric: str, end: date, counting: Counting) -> tuple[date, date]:
    """The first day of a metric's window, and the first day after it.

    A negotiated case is looked at once its buyer has had all the days for second thoughts.
    """
    if metric.startswith("net_keep_rate."):
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


def last_day(moment: datetime, zone: str) -> date:
    """The latest day of which the count may be closed."""
    local = moment.astimezone(ZoneInfo(zone))
    return local.date() - timedelta(days=1 if local.time() >= CLOSES_AT else 2)


def next_closing(moment: datetime, zone: str) -> datetime:
    """When the next day may be closed, in UTC."""
    local = moment.astimezone(ZoneInfo(zone))
    day = local.date() if local.time() < CLOSES_AT else local.date() + timedelta(days=1)
    return datetime.combine(day, CLOSES_AT, ZoneInfo(zone)).astimezone(UTC)


def start_of(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


# ---------------------------------------------------------------- as JSON


_tally = compact.row(Tally, None, None, compact.mapping(compact.day, int))
read_summary = compact.mapping(str, _tally)
