"""The roll-up's use case: a shop's days counted and its weeks scored, once the hour has come or something was added.

Every step can be killed and done again: a day and a week are written only where they differ from what stands, and the
shop's own item, which says how far it is, is written last.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from aftercare.events.scores import DailyStandardAtRisk, DayMeasured, Measure, ScorePublished
from aftercare.events.vocabulary import Window
from aftercare.kernel import compact
from aftercare.kernel.days import last_day, next_closing, start_of
from aftercare.kernel.envelope import EventData
from aftercare.kernel.errors import Transient
from aftercare.kernel.ports import Clock
from aftercare.kernel.records import Change, RecordWriter, Stored
from aftercare.kernel.table import VERSION, Key, Table, WriteRefused, every
from aftercare.kernel.times import local_day
from aftercare.rulepacks.scores import DailyStandard, ScoreRules, definitions
from aftercare.scores import keys, store
from aftercare.scores.bars import BARS_KEPT, CategoryBars
from aftercare.scores.model.basis import Basis, basis, card_of, read_basis, rules_of
from aftercare.scores.model.benchmarks import Measure as Counted
from aftercare.scores.model.card import published
from aftercare.scores.model.days import (
    Summary,
    day_measures,
    first_day_needed,
    last_week_end,
    summary,
    week_id,
    week_measures,
)
from aftercare.scores.model.shops import VIOLATIONS_KEPT, ShopState

A_DAY = timedelta(days=1)
A_WEEK = timedelta(days=7)
CHATTED_WITHIN = timedelta(days=7)
"""A shop that nobody wrote to for so long is not looked at before its day ends."""


class Overtaken(Transient):
    """Somebody else counted the same shop at the same time; the message goes back to its queue."""


class Days(NamedTuple):
    """The counted days of a shop as they stand."""

    items: Mapping[date, Stored]
    summaries: Mapping[date, Summary]


NO_DAYS = Days({}, {})


class ScoreRollup:
    def __init__(self, table: Table, clock: Clock, writer: RecordWriter) -> None:
        self._table = table
        self._clock = clock
        self._writer = writer
        self._bars = CategoryBars(table, clock)

    def wake(self, key: Key) -> None:
        """Counts what can be counted of the shop by now. Raises ``Transient`` to be called again."""
        shop, now = keys.shop_of(key), self._clock.now()
        found = dict(every(self._table, store.shop_with_late_days(shop)))
        item = found.pop(key, None)
        if item is None:
            return
        was = store.read_shop(key, item)
        state = was.state
        late = {keys.day_of(each): int(marked[VERSION]) for each, marked in found.items()}
        restated = [day for day in late if store.are_rows_kept(day, now)]
        touched = _days_to_count(state, restated, now)
        if not touched and was.stored.due_at is not None and was.stored.due_at > now:
            return
        end = last_week_end(now, state.zone)
        rules = _rules(state, end)
        changed_from = min([*restated, *_told_of(state, local_day(now, state.zone))], default=None)
        if state.published_to == end and changed_from is None:
            days = self._count(
                state, touched, self._read_days(shop, min(touched), max(touched)) if touched else NO_DAYS
            )
        else:
            since = min([*touched, changed_from or end, end])
            # before the days: where somebody publishes by newer days meanwhile, what is made of these is refused
            weeks = self._read_weeks(shop, since)
            # a week whose numbers may change needs the days of its whole window
            first = first_day_needed(since, rules.counting)
            days = self._count(state, touched, self._read_days(shop, first, last_day(now, state.zone)))
            state = self._score(state, end, days, weeks, changed_from)
        state = state._replace(
            counted_to=max(last_day(now, state.zone), state.counted_to),
            changed_from=None,
            chats_on=_last_with(rules.daily, {day: days.summaries.get(day, {}) for day in touched}, state.chats_on),
            violations=tuple(each for each in state.violations if now - each.at < VIOLATIONS_KEPT),
        )
        warnings = self._warnings(state, rules.daily, now)
        if warnings is not None:
            state = state._replace(warned_on=local_day(now, state.zone))
        self._finish(was.stored, state, warnings or (), late)

    # ------------------------------------------------------------ days

    def _read_days(self, shop: str, first: date, last: date) -> Days:
        items = dict(store.items_of(every(self._table, store.days_between(shop, first, last))))
        return Days(items, {day: store.read_day({"state": stored.state}) for day, stored in items.items()})

    def _count(self, state: ShopState, touched: Iterable[date], days: Days) -> Days:
        summaries = dict(days.summaries)
        for day in touched:
            rows = store.read_rows_of(every(self._table, store.rows_of(state.shop, day)), day)
            counted = summary(rows, definitions(state.pack, start_of(day, state.zone)).caps)
            if counted != summaries.get(day, {}):
                was = days.items.get(day)
                said = _measured(day, state.zone, counted, 1 if was is None else was.version + 1)
                self._write(keys.day_key(state.shop, day), was, state.shop, counted, said)
                summaries[day] = counted
        return days._replace(summaries=summaries)

    def _warnings(
        self, state: ShopState, standards: tuple[DailyStandard, ...], now: datetime
    ) -> list[DailyStandardAtRisk] | None:
        """The daily standards that today may miss; None where it is not the time to look."""
        today, hour = local_day(now, state.zone), now.astimezone(ZoneInfo(state.zone)).hour
        if state.warned_on == today or not _is_chatted_with(state, today):
            return None
        asked = [standard for standard in standards if standard.warn_at_hour <= hour]
        if not asked:
            return None
        rows = store.read_rows_of(every(self._table, store.chat_rows_of(state.shop, today)), today)
        counted = {each.id: each for each in day_measures(summary(rows))}
        ends_at = start_of(today + A_DAY, state.zone)
        return [
            DailyStandardAtRisk(
                day=today,
                metric=standard.metric,
                numerator=found.numerator,
                denominator=found.denominator,
                standard=f"{standard.standard:f}",
                ends_at=ends_at,
            )
            for standard in asked
            if (found := counted.get(standard.metric)) is not None
            and found.denominator >= standard.least
            and found.numerator < standard.standard * found.denominator
        ]

    # ------------------------------------------------------------ weeks

    def _read_weeks(self, shop: str, since: date) -> dict[date, Stored]:
        return dict(store.items_of(every(self._table, store.weeks_since(shop, since))))

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
            self._publish(state, each, days, weeks.get(each))
        return state._replace(published_to=max(end, state.published_to or end))

    def _publish(self, state: ShopState, end: date, days: Days, was: Stored | None) -> None:
        known = None if was is None else read_basis(json.loads(was.state))
        rules = _rules(state, end) if known is None else rules_of(known.pack, start_of(end, state.zone), known.category)
        bar = end - A_WEEK if state.category is not None and rules.peers is not None else None
        found = basis(state, end, week_measures(days.summaries, end, rules.counting), known, bar)
        if known is None and not found.measures:
            return
        is_new = state.published_to is None or end > state.published_to
        if known is not None and known.revision == 1 and is_new:
            # before another revision takes the place of the first
            self._bars.add(state.shop, rules, end, known)
        if found != known:
            self._say(state, end, rules, found, known, was)
        if known is None:
            self._bars.add(state.shop, rules, end, found)

    def _say(
        self, state: ShopState, end: date, rules: ScoreRules, found: Basis, known: Basis | None, was: Stored | None
    ) -> None:
        bar = self._bars.of(rules, found.category, found.bar)
        fields = published(card_of(found, end, state.zone, bar))
        if known is not None:
            if fields == published(card_of(known, end, state.zone, bar)):
                self._write(keys.week_key(state.shop, end), was, state.shop, found)
                return
            found = found._replace(revision=known.revision + 1)
        said = ScorePublished(
            week=week_id(end),
            window=Window.model_validate(
                {
                    "from": start_of(end - timedelta(days=rules.counting.window_days), state.zone),
                    "to": start_of(end, state.zone),
                }
            ),
            revision=found.revision,
            **fields,
        )
        self._write(keys.week_key(state.shop, end), was, state.shop, found, said)

    # ------------------------------------------------------------ the table

    def _write(self, key: Key, was: Stored | None, shop: str, state: Any, *said: EventData) -> None:
        change = Change(shop=shop, state=compact.to_json(state), said=said, deadline=None, now=self._clock.now())
        try:
            self._table.write(self._writer.put(key, was, change))
        except WriteRefused as refused:
            raise Overtaken(f"{key} was written by somebody else") from refused

    def _finish(
        self, was: Stored, state: ShopState, warnings: Iterable[DailyStandardAtRisk], late: Mapping[date, int]
    ) -> None:
        now = self._clock.now()
        deadline = min([next_closing(now, state.zone), *_next_warning(state, now)])
        try:
            self._table.write(store.write_shop(self._writer, was, state, deadline, now, warnings))
        except WriteRefused as refused:
            raise Overtaken(f"shop {state.shop} was written by somebody else") from refused
        for day, version in late.items():
            try:
                self._table.write(store.forget_late(state.shop, day, version))
            except WriteRefused:
                # more was added meanwhile: the next count looks at it
                continue


def _rules(state: ShopState, end: date) -> ScoreRules:
    return rules_of(state.pack, start_of(end, state.zone), state.category)


def _measured(day: date, zone: str, counted: Summary, revision: int) -> DayMeasured:
    metrics = tuple(_as_event(each) for each in day_measures(counted))
    return DayMeasured(day=day, time_zone=zone, metrics=metrics, revision=revision)


def _told_of(state: ShopState, today: date) -> list[date]:
    """The first day whose weeks what was told of the shop may change; those whose bars are gone stand."""
    return [] if state.changed_from is None else [min(max(state.changed_from, today - BARS_KEPT), today)]


def _last_with(standards: Iterable[DailyStandard], days: Mapping[date, Summary], known: date | None) -> date | None:
    metrics = {standard.metric for standard in standards}
    found = (day for day, counted in days.items() if metrics & counted.keys())
    return max([*found, *([] if known is None else [known])], default=None)


def _is_chatted_with(state: ShopState, today: date) -> bool:
    return state.chats_on is not None and today - state.chats_on <= CHATTED_WITHIN


def _next_warning(state: ShopState, now: datetime) -> list[datetime]:
    """When the shop is to be looked at today, if it still is."""
    today = local_day(now, state.zone)
    if state.warned_on == today or not _is_chatted_with(state, today):
        return []
    hours = {standard.warn_at_hour for standard in _rules(state, today).daily}
    # as clocks show it: a day on which they are changed has an hour more or less
    moments = [datetime.combine(today, time(hour), ZoneInfo(state.zone)).astimezone(UTC) for hour in hours]
    return [moment for moment in moments if moment > now]


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
