"""What the measures of a shop say of a tag at the close of a day."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple

from aftercare.kernel.statistics import wilson
from aftercare.rulepacks.tags import SCORE, Condition, Reading, TagDefinition, Value
from aftercare.tags.model.shop import ONE_DAY, Evidence, ShopTags

ONE = Decimal(1)
SCALES = {"ratio": ONE, "percent": Decimal("0.01"), "hours": Decimal(3600), "seconds": ONE, "points": ONE}


class Cell(NamedTuple):
    """A metric on a day; a week's score is one case with its points."""

    day: date
    numerator: int | Decimal
    denominator: int


class Window(NamedTuple):
    """The days that have a case, the latest first, and their sums."""

    cells: tuple[Cell, ...]
    numerator: int | Decimal
    denominator: int


class Verdict(NamedTuple):
    """What the evidence of a day says. ``earned``: it gets the tag; ``enough``: it is no less than keeping it asks for;
    ``lost``: it takes the tag away; ``near``: it warns of that."""

    earned: bool
    enough: bool
    lost: bool
    near: bool
    evidence: Evidence | None = None
    value: str | None = None


def verdict(definition: TagDefinition, shop: ShopTags, day: date) -> Verdict:
    """All conditions of a tag together, at the close of the day; ``evidence`` is of the one that decides."""
    each = [judged(condition, shop, day) for condition in definition.conditions]
    if definition.value is not None:
        each.insert(0, _shown(definition.value, shop, day))
    decisive = (
        next((one for one in each if not one.enough), None)
        or next((one for one in each if one.lost), None)
        or next((one for one in each if one.near), None)
        or next(iter(each), None)
    )
    return Verdict(
        earned=all(one.earned for one in each),
        enough=all(one.enough for one in each),
        lost=any(one.lost for one in each),
        near=any(one.near for one in each),
        evidence=None if decisive is None else decisive.evidence,
        value=next((one.value for one in each if one.value is not None), None),
    )


def judged(condition: Condition, shop: ShopTags, day: date) -> Verdict:
    """One condition at the close of the day."""
    last = _checked_on(condition, day)
    staying = window(condition, shop, last, condition.exit_days)
    same = condition.enter_days == condition.exit_days
    entering = staying if same else window(condition, shop, last, condition.enter_days)
    complete = condition.window == "days" or len(entering.cells) == condition.enter_days
    enough = bool(staying.cells) and staying.denominator >= condition.exit_sample
    lost = enough and _bad(condition, staying) >= condition.guard and _is_lost(condition, staying)
    return Verdict(
        # what would be lost at once is not given
        earned=complete
        and enough
        and not lost
        and entering.denominator >= condition.enter_sample
        and _is_reached(condition, entering),
        enough=enough,
        lost=lost,
        near=enough and _is_beyond(condition, staying, condition.warn, condition.exit_reads),
        evidence=None if condition.is_of_score else _evidence(condition.metric, staying),
    )


def window(condition: Condition, shop: ShopTags, last: date, length: int) -> Window:
    """The window of so many days that ends with ``last``."""
    if condition.is_of_score:
        return summed(_scores(condition.metric, shop, last, length))
    if condition.look_back_days is None:
        return summed(_cells(condition.metric, shop, last, length, length))
    return summed(_cells(condition.metric, shop, last, condition.look_back_days, length))


def summed(cells: Iterable[Cell]) -> Window:
    found = tuple(cells)
    return Window(found, sum(cell.numerator for cell in found), sum(cell.denominator for cell in found))


# ---------------------------------------------------------------- bounds


def _is_reached(condition: Condition, seen: Window) -> bool:
    if condition.enter_reads == "wilson":
        _, most = wilson(_bad(condition, seen), seen.denominator)
        return Decimal(most) <= _bad_share(condition, condition.enter)
    return not _is_beyond(condition, seen, condition.enter, condition.enter_reads)


def _is_lost(condition: Condition, seen: Window) -> bool:
    return _is_beyond(condition, seen, condition.exit, condition.exit_reads, at=condition.lost_at_bound)


def _is_beyond(condition: Condition, seen: Window, bound: Decimal, reads: Reading, *, at: bool = False) -> bool:
    """Whether the window is worse than the bound, or ``at`` it; by Wilson's interval: surely so."""
    if reads == "wilson":
        least, _ = wilson(_bad(condition, seen), seen.denominator)
        limit = _bad_share(condition, bound)
        return Decimal(least) > limit or (at and Decimal(least) == limit)
    parts: Iterable[tuple[int | Decimal, int]] = [(seen.numerator, seen.denominator)]
    if reads != "pooled":
        cells = seen.cells[:1] if reads == "latest" else seen.cells
        parts = [(cell.numerator, cell.denominator) for cell in cells]
    scale = SCALES[condition.unit]
    for numerator, denominator in parts:
        limit = bound * scale * denominator
        if (at and numerator == limit) or condition.is_stricter(limit, Decimal(numerator)):
            return True
    return False


def _bad_share(condition: Condition, bound: Decimal) -> Decimal:
    return 1 - bound if condition.better == "higher" else bound


def _bad(condition: Condition, seen: Window) -> int:
    """Bad cases of a ratio; a mean has none, and its guard is 1."""
    if condition.unit != "ratio":
        return condition.guard
    counted = min(int(seen.numerator), seen.denominator)
    return counted if condition.better == "lower" else seen.denominator - counted


def _evidence(metric: str, seen: Window) -> Evidence | None:
    if not seen.cells:
        return None
    return Evidence(metric, int(seen.numerator), seen.denominator, seen.cells[-1].day, seen.cells[0].day)


# ---------------------------------------------------------------- the days of a window


def _checked_on(condition: Condition, day: date) -> date:
    """The latest day on which the condition was looked at."""
    while condition.check_on and day.day not in condition.check_on:
        day -= ONE_DAY
    return day


def _cells(metric: str, shop: ShopTags, last: date, days: int, length: int) -> Iterator[Cell]:
    """No more than ``length`` of the ``days`` that end with ``last``."""
    back = (last - timedelta(days=each) for each in range(days))
    return itertools.islice(with_cases(metric, shop, back), length)


def with_cases(metric: str, shop: ShopTags, days: Iterable[date]) -> Iterator[Cell]:
    """Those of the days that have a case of the metric."""
    measured = shop.days
    for day in days:
        if (found := measured.get(day)) is not None and (counts := found.measures.get(metric)) and counts[1]:
            yield Cell(day, *counts)


def _scores(metric: str, shop: ShopTags, last: date, length: int) -> Iterator[Cell]:
    first = last - timedelta(days=length - 1)
    for day in sorted(shop.scores, reverse=True):
        if first <= day <= last and (points := shop.scores[day].points.get(metric)) is not None:
            yield Cell(day, Decimal(points), 1)


# ---------------------------------------------------------------- values


def _shown(value: Value, shop: ShopTags, day: date) -> Verdict:
    if value.metric == SCORE:
        first = day - timedelta(days=value.days - 1)
        latest = max((week for week in shop.scores if first <= week <= day), default=None)
        shown = None if latest is None else shop.scores[latest].shown
        return Verdict(earned=shown is not None, enough=shown is not None, lost=False, near=False, value=shown)
    seen = summed(_cells(value.metric, shop, day, value.days, value.days))
    return Verdict(
        earned=seen.denominator >= value.enter_sample,
        enough=seen.denominator >= value.exit_sample,
        lost=False,
        near=False,
        evidence=_evidence(value.metric, seen),
        value=_rounded(value, seen) if seen.cells else None,
    )


def _rounded(value: Value, seen: Window) -> str:
    """To whole steps, against the shop: a tag never says more than was measured."""
    steps = seen.numerator / (seen.denominator * SCALES[value.unit] * value.step)
    whole = steps.to_integral_value(ROUND_FLOOR if value.better == "higher" else ROUND_CEILING)
    return f"{whole * value.step:f}"
