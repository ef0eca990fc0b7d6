"""Told early: how many orders stand between a tag and its loss, and what the next days, or other choices, would show.

All of it is asked of the functions that decide, about a shop as it might be.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import NamedTuple

from aftercare.rulepacks.tags import Condition, TagDefinition, TagRules
from aftercare.tags.model.evidence import Verdict, judged, with_cases
from aftercare.tags.model.history import RulesAt, decided, tag_on
from aftercare.tags.model.shop import ONE_DAY, Day, ShopTags, Span
from aftercare.tags.model.states import SHOWN, State

AHEAD_DAYS = 7
LOOK_BACK_DAYS = 7
SIMULATED_DAYS = 30
MOST_ORDERS = 10_000
"""More orders than these are as good as never."""


class DayState(NamedTuple):
    """The state of a tag at the close of a day."""

    day: date
    state: State


class Margin(NamedTuple):
    """How far a condition is from changing the tag, in orders on the day after the last one.

    ``bad_until_lost``: so many bad orders more take the tag away; ``good_until_safe``: so many good ones, and no bad,
    end the warning, or get the tag where it is not shown. None where none do, or where the metric has no bad orders.
    """

    metric: str
    bad_until_lost: int | None
    good_until_safe: int | None


class Forecast(NamedTuple):
    """``margins`` have the most pressing condition first. ``days`` assume that every coming day is like the mean of the
    last seven days with a case, rounded against the shop, and that the score stays as it is."""

    margins: tuple[Margin, ...]
    days: tuple[DayState, ...]


def forecast(shop: ShopTags, rules_at: RulesAt, tag: str, ahead: int = AHEAD_DAYS) -> Forecast:
    """What lies before a tag, from the last day that was decided; nothing for a tag that the rules do not know."""
    last_day = shop.decided_to
    definition = None if last_day is None else rules_at(last_day).tag(tag)
    if last_day is None or definition is None:
        return Forecast((), ())
    is_shown = shop.tag(tag).state in SHOWN
    margins = sorted(
        (_margin(condition, shop, last_day, is_shown=is_shown) for condition in definition.conditions),
        key=lambda margin: _pressing(margin, is_shown=is_shown),
    )
    own = {each: history for each, history in shop.tags.items() if each == tag}
    coming = _continued(shop._replace(tags=own), definition, last_day, ahead)
    after = decided(coming, _of_one_tag(rules_at, tag), last_day + timedelta(days=ahead))
    return Forecast(tuple(margins), _states(after, tag, last_day + ONE_DAY, ahead))


def simulated(shop: ShopTags, rules_at: RulesAt, tag: str, days: int = SIMULATED_DAYS) -> tuple[DayState, ...]:
    """What the last days would have shown if the shop had opted in from the first of them on.

    No more days than the shop's evidence goes back.
    """
    last_day = shop.decided_to
    if last_day is None:
        return ()
    first = last_day - timedelta(days=days - 1)
    if shop.frozen_to is not None:
        first = max(first, shop.frozen_to + ONE_DAY)
    asked = shop._replace(opt_ins={tag: (Span(first),)}, tags={}, decided_to=first - ONE_DAY, frozen_to=first - ONE_DAY)
    after = decided(asked, _of_one_tag(rules_at, tag), last_day)
    return _states(after, tag, first, (last_day - first).days + 1)


# ---------------------------------------------------------------- how many orders


def _margin(condition: Condition, shop: ShopTags, last_day: date, *, is_shown: bool) -> Margin:
    day = last_day + ONE_DAY

    def after(good: int, bad: int) -> Verdict:
        return judged(condition, _with_orders(shop, condition, day, good, bad), day)

    if condition.unit != "ratio" or condition.check_on:
        return Margin(condition.metric, None, None)
    if not is_shown:
        return Margin(condition.metric, None, _fewest(lambda count: after(count, 0).earned))
    is_near = judged(condition, shop, last_day).near
    return Margin(
        condition.metric,
        _fewest(lambda count: after(0, count).lost),
        _fewest(lambda count: not after(count, 0).near) if is_near else 0,
    )


def _fewest(suffices: Callable[[int], bool]) -> int | None:
    """The least number that suffices, given that from 1 on every greater one does."""
    if suffices(0):
        return 0
    high = 1
    while not suffices(high):
        high *= 2
        if high > MOST_ORDERS:
            return None
    low = high // 2
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return high


def _pressing(margin: Margin, *, is_shown: bool) -> tuple[int, str]:
    if is_shown:
        return (MOST_ORDERS + 1 if margin.bad_until_lost is None else margin.bad_until_lost, margin.metric)
    return (-(MOST_ORDERS + 1 if margin.good_until_safe is None else margin.good_until_safe), margin.metric)


def _with_orders(shop: ShopTags, condition: Condition, day: date, good: int, bad: int) -> ShopTags:
    counted = bad if condition.better == "lower" else good
    return _with_measures(shop, day, {condition.metric: (counted, good + bad)})


# ---------------------------------------------------------------- the days to come


def _continued(shop: ShopTags, definition: TagDefinition, last_day: date, ahead: int) -> ShopTags:
    asked = [(each.metric, each.better, each.unit == "ratio") for each in definition.conditions]
    if definition.value is not None:
        asked.append((definition.value.metric, definition.value.better, definition.value.unit == "percent"))
    usual = {
        metric: measure
        for metric, better, of_cases in asked
        if (measure := _usual(shop, metric, last_day, higher=better == "higher", of_cases=of_cases))
    }
    latest = max((week for week in shop.scores if week <= last_day), default=None)
    for each in range(1, ahead + 1):
        day = last_day + timedelta(days=each)
        shop = _with_measures(shop, day, usual)
        if latest is not None and (day - latest).days % 7 == 0:
            shop = shop._replace(scores={**shop.scores, day: shop.scores[latest]})
    return shop


def _usual(shop: ShopTags, metric: str, last_day: date, *, higher: bool, of_cases: bool) -> tuple[int, int] | None:
    """The mean of the last days with a case, rounded against the shop."""
    days = (day for day in sorted(shop.days, reverse=True) if day <= last_day)
    cells = tuple(with_cases(metric, shop, days))[:LOOK_BACK_DAYS]
    if not cells:
        return None
    total, cases = sum(int(cell.numerator) for cell in cells), sum(cell.denominator for cell in cells)
    if of_cases:
        counted = _rounded(total, len(cells), up=not higher)
        other = _rounded(max(0, cases - total), len(cells), up=higher)
        return counted, max(1, counted + other)
    mean_cases = max(1, cases // len(cells))
    return _rounded(total * mean_cases, cases, up=not higher), mean_cases


def _rounded(total: int, parts: int, *, up: bool) -> int:
    return -(-total // parts) if up else total // parts


def _with_measures(shop: ShopTags, day: date, measures: dict[str, tuple[int, int]]) -> ShopTags:
    known = shop.days.get(day, Day(0, {}))
    return shop._replace(days={**shop.days, day: known._replace(measures={**known.measures, **measures})})


def _of_one_tag(rules_at: RulesAt, tag: str) -> RulesAt:
    def rules_of(day: date) -> TagRules:
        rules = rules_at(day)
        definition = rules.tag(tag)
        return rules.model_copy(update={"tags": () if definition is None else (definition,)})

    return rules_of


def _states(shop: ShopTags, tag: str, first: date, days: int) -> tuple[DayState, ...]:
    return tuple(
        DayState(day, tag_on(shop, tag, day)) for day in (first + timedelta(days=each) for each in range(days))
    )
