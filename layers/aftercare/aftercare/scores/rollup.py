"""The roll-up's use case: a shop's days counted and its weeks scored, once the hour has come or something was added.

Every step can be killed and done again: a day and a week are written only where they differ from what stands, and the
shop's own item, which says how far it is, is written last.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from aftercare.events.scores import DayMeasured, Measure, ScorePublished
from aftercare.events.vocabulary import Window
from aftercare.kernel import compact
from aftercare.kernel.envelope import EventData
from aftercare.kernel.errors import Transient
from aftercare.kernel.ports import Clock
from aftercare.kernel.records import Change, RecordWriter, Stored
from aftercare.kernel.table import VERSION, Item, Key, Query, Table, WriteRefused
from aftercare.rulepacks.scores import ScoreRules, score_rules
from aftercare.scores import keys, store
from aftercare.scores.model.benchmarks import Measure as Counted
from aftercare.scores.model.card import card, published
from aftercare.scores.model.days import (
    Summary,
    day_measures,
    first_day_needed,
    last_day,
    last_week_end,
    next_closing,
    start_of,
    summary,
    week_id,
    week_measures,
)
from aftercare.scores.model.shops import ShopState

A_DAY = timedelta(days=1)
A_WEEK = timedelta(days=7)
VALID_ORDERS = "platform_help"
"""Its denominator is the number of orders paid in the window."""


class Overtaken(Transient):
    """Somebody else counted the same shop at the same time; the message goes back to its queue."""


class Days(NamedTuple):
    """The counted days of a shop as they stand."""

    items: Mapping[date, Stored]
    summaries: Mapping[date, Summary]


class ScoreRollup:
    def __init__(self, table: Table, clock: Clock, writer: RecordWriter) -> None:
        self._table = table
        self._clock = clock
        self._writer = writer

    def wake(self, key: Key) -> None:
        """Counts what can be counted of the shop by now. Raises ``Transient`` to be called again."""
        shop, now = keys.shop_of(key), self._clock.now()
        item = self._table.get(key)
        if item is None:
            return
        was = store.read_shop(key, item)
        state = was.state
        late = {keys.day_of(each): int(marked[VERSION]) for each, marked in self._all(store.late_days(shop))}
        restated = [day for day in late if store.are_rows_kept(day, now)]
        touched = _days_to_count(state, restated, now)
        if not touched and was.stored.due_at is not None and was.stored.due_at > now:
            return
        end = last_week_end(now, state.zone)
        since = min([*touched, end])
        # before the days: where somebody publishes by newer days meanwhile, what is made of these is refused
        weeks = {} if state.published_to == end and not restated else self._read_weeks(shop, since)
        # a week whose numbers may change needs the days of its whole window
        first = first_day_needed(since, rules_of(state, end).counting)
        days = self._count(shop, touched, self._read_days(shop, first, last_day(now, state.zone)))
        state = self._score(state, end, days, weeks, min(restated, default=None))
        self._finish(was.stored, state._replace(counted_to=max(last_day(now, state.zone), state.counted_to)), late, now)

    # ------------------------------------------------------------ days

    def _read_days(self, shop: str, first: date, last: date) -> Days:
        items = dict(store.items_of(self._all(store.days_between(shop, first, last))))
        return Days(items, {day: store.read_day({"state": stored.state}) for day, stored in items.items()})

    def _count(self, shop: str, touched: Iterable[date], days: Days) -> Days:
        summaries = dict(days.summaries)
        for day in touched:
            rows = (store.read_row(key, item, day) for key, item in self._all_rows(shop, day))
            counted = summary(rows)
            if counted != summaries.get(day, {}):
                was = days.items.get(day)
                said = _measured(day, counted, 1 if was is None else was.version + 1)
                self._write(keys.day_key(shop, day), was, shop, counted, said)
                summaries[day] = counted
        return days._replace(summaries=summaries)

    # ------------------------------------------------------------ weeks

    def _read_weeks(self, shop: str, since: date) -> dict[date, Stored]:
        return dict(store.items_of(self._all(store.weeks_since(shop, since))))

    def _score(
        self, state: ShopState, end: date, days: Days, weeks: Mapping[date, Stored], changed_from: date | None
    ) -> ShopState:
        """Publishes the weeks that have ended, and again those whose numbers have changed."""
        first_end = _first_week_end(state, days, end)
        if first_end is None:
            return state
        ends = [first_end + number * A_WEEK for number in range((end - first_end).days // 7 + 1)]
        if changed_from is not None:
            ends = sorted({*ends, *_ends_over(changed_from, end)})
        for each in ends:
            self._publish(state, each, rules_of(state, each), days, weeks.get(each))
        return state._replace(published_to=max(end, state.published_to or end))

    def _publish(self, state: ShopState, end: date, rules: ScoreRules, days: Days, was: Stored | None) -> None:
        measures = week_measures(days.summaries, end, rules.counting)
        if compact.to_json(measures) == ("[]" if was is None else was.state):
            return
        valid_orders = next((each.denominator for each in measures if each.id == VALID_ORDERS), 0)
        scored = card(rules, measures, valid_orders=valid_orders)
        said = ScorePublished(
            week=week_id(end),
            window=Window.model_validate(
                {
                    "from": start_of(end - timedelta(days=rules.counting.window_days), state.zone),
                    "to": start_of(end, state.zone),
                }
            ),
            revision=1 if was is None else was.version + 1,
            **published(scored),
        )
        self._write(keys.week_key(state.shop, end), was, state.shop, measures, said)

    # ------------------------------------------------------------ the table

    def _write(self, key: Key, was: Stored | None, shop: str, state: Any, said: EventData) -> None:
        change = Change(shop=shop, state=compact.to_json(state), said=(said,), deadline=None, now=self._clock.now())
        try:
            self._table.write(self._writer.put(key, was, change))
        except WriteRefused as refused:
            raise Overtaken(f"{key} was written by somebody else") from refused

    def _finish(self, was: Stored, state: ShopState, late: Mapping[date, int], now: datetime) -> None:
        try:
            self._table.write(store.write_shop(self._writer, was, state, next_closing(now, state.zone), now))
        except WriteRefused as refused:
            raise Overtaken(f"shop {state.shop} was written by somebody else") from refused
        for day, version in late.items():
            try:
                self._table.write(store.forget_late(state.shop, day, version))
            except WriteRefused:
                # more was added meanwhile: the next count looks at it
                continue

    def _all(self, query: Query) -> list[tuple[Key, Item]]:
        found: list[tuple[Key, Item]] = []
        while True:
            page = self._table.query(query)
            found += zip(page.keys, page.items, strict=True)
            if page.next is None:
                return found
            query = replace(query, after=page.next)

    def _all_rows(self, shop: str, day: date) -> list[tuple[Key, Item]]:
        return self._all(store.rows_of(shop, day, None))


@functools.cache
def _rules(pack: str, moment: datetime, category: str | None) -> ScoreRules:
    return score_rules(pack, moment).for_category(category)


def rules_of(state: ShopState, end: date) -> ScoreRules:
    """The rules in force at the end of a week, with the tables of the shop's category."""
    return _rules(state.pack, start_of(end, state.zone), state.category)


def _measured(day: date, counted: Summary, revision: int) -> DayMeasured:
    metrics = tuple(_as_event(each) for each in day_measures(counted))
    return DayMeasured(day=day, metrics=metrics, revision=revision)


def _as_event(measure: Counted) -> Measure:
    return Measure(id=measure.id, numerator=measure.numerator, denominator=measure.denominator)


def _days_to_count(state: ShopState, restated: Iterable[date], now: datetime) -> list[date]:
    """Every day since the last count, and those with something late."""
    last = last_day(now, state.zone)
    due = [state.counted_to + number * A_DAY for number in range(1, (last - state.counted_to).days + 1)]
    return sorted({*due, *(day for day in restated if day <= last)})


def _first_week_end(state: ShopState, days: Days, end: date) -> date | None:
    """The first week not yet published: after the last one, or that of the first day on which anything was counted."""
    if state.published_to is not None:
        return state.published_to + A_WEEK
    if not days.summaries:
        return None
    first = min(days.summaries)
    return min(first - timedelta(days=first.weekday()) + A_WEEK, end)


def _ends_over(changed_from: date, end: date) -> list[date]:
    """The ends of the published weeks whose windows hold that day or a later one."""
    first = changed_from - timedelta(days=changed_from.weekday()) + A_WEEK
    return [first + number * A_WEEK for number in range((end - first).days // 7 + 1)]
