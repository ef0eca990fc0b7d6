"""Days fold from rows and windows from days, in any grouping; evidence waits for its own day."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scores import COUNTING, CountedShop, at, paid, scan

from aftercare.kernel import compact
from aftercare.kernel.days import last_day, next_closing, start_of
from aftercare.scores.model.benchmarks import Measure
from aftercare.scores.model.contributions import Row
from aftercare.scores.model.days import (
    Summary,
    Tally,
    day_measures,
    last_week_end,
    read_summary,
    summary,
    week_id,
    week_measures,
    window,
)

SHANGHAI, NEW_YORK = "Asia/Shanghai", "America/New_York"
END = date(2026, 11, 9)
A_DAY = timedelta(days=1)

days = st.dates(END - 60 * A_DAY, END + 10 * A_DAY)
tallies = st.builds(Tally, st.integers(0, 9), st.integers(0, 9), st.dictionaries(days, st.integers(1, 9), max_size=3))
shares = st.tuples(st.integers(0, 9), st.integers(0, 9), st.none() | days)
rows = st.builds(
    Row,
    st.just(END),
    st.text("ABC", min_size=1, max_size=2),
    st.dictionaries(st.sampled_from(["on_time_pickup", "negative_feedback"]), shares, max_size=2),
)


@given(tallies, tallies, tallies)
def test_tallies_add_up_in_any_order_and_grouping(one: Tally, two: Tally, three: Tally) -> None:
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)
    assert one + Tally() == one
    assert reduce(lambda total, each: total + each.denominator, (one, two), 0) == (one + two).denominator


@given(st.lists(rows, max_size=6).flatmap(lambda drawn: st.tuples(st.just(drawn), st.permutations(drawn))))
def test_a_day_is_the_same_in_whatever_order_its_rows_are_read(drawn: tuple[list[Row], list[Row]]) -> None:
    assert summary(drawn[0]) == summary(drawn[1])
    assert read_summary(json.loads(compact.to_json(summary(drawn[0])))) == summary(drawn[0])


@given(st.dictionaries(days, st.dictionaries(st.sampled_from(["a", "b"]), tallies, max_size=2), max_size=6))
def test_a_window_is_the_sum_of_its_days(found: Mapping[date, Summary]) -> None:
    expected = {
        metric: [
            sum(tally.before(END)[part] for day, held in found.items() for name, tally in held.items()
                if name == metric and END - 30 * A_DAY <= day < END)
            for part in (0, 1)
        ]
        for metric in ("a", "b")
    }  # fmt: skip
    measured = {each.id: [each.numerator, each.denominator] for each in week_measures(found, END, COUNTING)}
    assert measured == {metric: total for metric, total in expected.items() if total != [0, 0]}


@pytest.mark.parametrize(
    ("day", "counts"), [(END - 31 * A_DAY, 0), (END - 30 * A_DAY, 1), (END - A_DAY, 1), (END, 0), (END + A_DAY, 0)]
)
def test_a_window_has_the_thirty_days_before_its_end(day: date, counts: int) -> None:
    measured = week_measures({day: {"ship_hours": Tally(7, 1)}}, END, COUNTING)
    assert measured == ((Measure("ship_hours", 7, 1),) if counts else ())


@pytest.mark.parametrize(
    ("day", "counts"), [(46, 0), (45, 1), (16, 1), (15, 0), (1, 0)], ids=lambda each: f"{each} days before"
)
def test_cases_of_negotiation_are_counted_after_their_days_of_second_thoughts(day: int, counts: int) -> None:
    for metric in ("net_keep_rate.offer", "net_keep_rate.hold_out"):
        measured = week_measures({END - day * A_DAY: {metric: Tally(1, 1)}}, END, COUNTING)
        assert len(measured) == counts
        assert window(metric, END, COUNTING) == (END - 45 * A_DAY, END - 15 * A_DAY)


def test_evidence_counts_only_in_windows_that_end_after_it_and_hold_its_denominator() -> None:
    day, evidence = END - 3 * A_DAY, END + 2 * A_DAY
    found = {day: summary([Row(day, "A1", {"negative_feedback": (1, 1, evidence)})])}
    by_end = {number: week_measures(found, END + 7 * number * A_DAY, COUNTING) for number in range(-1, 6)}
    assert by_end[0] == (Measure("negative_feedback", 0, 1),)
    assert [by_end[number] for number in (1, 2, 3)] == [(Measure("negative_feedback", 1, 1),)] * 3
    assert by_end[-1] == by_end[4] == by_end[5] == ()


def test_evidence_of_the_day_of_the_end_is_too_late_and_of_the_day_before_is_not() -> None:
    day = END - 3 * A_DAY
    for late, counts in ((0, 0), (1, 1)):
        found = {day: summary([Row(day, "A1", {"negative_feedback": (1, 1, END - late * A_DAY)})])}
        assert week_measures(found, END, COUNTING) == (Measure("negative_feedback", counts, 1),)


def test_a_day_says_all_that_is_known_of_it() -> None:
    held = summary([
        Row(END, "A1", {"negative_feedback": (1, 1, END + 90 * A_DAY)}),
        Row(END, "A2", {"negative_feedback": (1, 1, None)}),
        Row(END, "A3", {}),
    ])  # fmt: skip
    assert day_measures(held) == (Measure("negative_feedback", 2, 2),)
    assert summary([Row(END, "A3", {})]) == {}


def test_a_numerator_may_stand_alone() -> None:
    found = {END - A_DAY: summary([Row(END - A_DAY, "A1/dispute", {"platform_help": (1, 0, None)})])}
    assert week_measures(found, END, COUNTING) == (Measure("platform_help", 1, 0),)


# ---------------------------------------------------------------- when a day is over


@pytest.mark.parametrize(
    ("moment", "zone", "day", "week"),
    [
        (at(7, "02:59:59"), "UTC", date(2026, 11, 7), date(2026, 11, 2)),
        (at(7, "03:00:00"), "UTC", date(2026, 11, 8), date(2026, 11, 9)),
        (at(6, "18:59:59"), SHANGHAI, date(2026, 11, 7), date(2026, 11, 2)),
        (at(6, "19:00:00"), SHANGHAI, date(2026, 11, 8), date(2026, 11, 9)),
        (at(0, "07:59:59"), NEW_YORK, date(2026, 10, 31), date(2026, 10, 26)),
        (at(0, "08:00:00"), NEW_YORK, date(2026, 11, 1), date(2026, 11, 2)),
        (at(-7, "06:59:59"), NEW_YORK, date(2026, 10, 24), date(2026, 10, 19)),
        (at(-7, "07:00:00"), NEW_YORK, date(2026, 10, 25), date(2026, 10, 26)),
        (at(9, "12:00:00"), "UTC", date(2026, 11, 10), date(2026, 11, 9)),
    ],
)
def test_a_day_and_a_week_close_at_three_in_the_morning_of_the_shop(
    moment: datetime, zone: str, day: date, week: date
) -> None:
    assert (last_day(moment, zone), last_week_end(moment, zone)) == (day, week)


@pytest.mark.parametrize("zone", ["UTC", SHANGHAI, NEW_YORK, "Australia/Lord_Howe", "America/Santiago"])
def test_at_every_closing_one_day_more_is_over(zone: str) -> None:
    moment = at(-300)
    for _ in range(400):
        closing = next_closing(moment, zone)
        assert moment < closing
        before = closing - timedelta(seconds=1)
        assert last_day(closing, zone) == last_day(before, zone) + A_DAY
        assert last_day(before, zone) == last_day(moment, zone), "nothing closes in between"
        moment = closing


def test_a_window_begins_and_ends_at_local_midnights() -> None:
    assert start_of(END, SHANGHAI) == at(6, "16:00:00")
    assert start_of(date(2026, 11, 1), NEW_YORK) == at(-1, "04:00:00")
    assert start_of(date(2026, 11, 2), NEW_YORK) == at(0, "05:00:00")


@pytest.mark.parametrize(
    ("end", "week"),
    [(date(2018, 5, 21), "2018-W20"), (date(2026, 1, 5), "2026-W01"), (date(2027, 1, 4), "2026-W53")],
)
def test_a_week_is_named_after_the_iso_week_that_has_just_ended(end: date, week: str) -> None:
    assert week_id(end) == week


# ---------------------------------------------------------------- the longest that a case counts

A_DAY_LONG = 86_400


def hours(*seconds: int, cap: int = A_DAY_LONG, days: int = 1) -> tuple[Measure, ...]:
    """A window's mean of cases that took so long, spread over so many days."""
    rows_of = [Row(END - A_DAY, f"A{number}", {"ship_hours": (each, 1, None)}) for number, each in enumerate(seconds)]
    held = {END - (1 + part) * A_DAY: summary(rows_of[part::days], {"ship_hours": cap}) for part in range(days)}
    return week_measures(held, END, COUNTING)


def test_a_case_counts_for_no_more_than_the_cap_and_what_was_counted_stands() -> None:
    assert hours(10, A_DAY_LONG, 9 * A_DAY_LONG) == (
        Measure("ship_hours", 10 + 10 * A_DAY_LONG, 3, 10 + 2 * A_DAY_LONG),
    )
    assert hours(10, A_DAY_LONG) == (Measure("ship_hours", 10 + A_DAY_LONG, 2),), "the cap itself is not beyond it"
    assert hours(A_DAY_LONG + 1)[0].winsorised == A_DAY_LONG


@given(st.lists(st.integers(0, 3 * A_DAY_LONG), min_size=1, max_size=12), st.integers(1, 5))
def test_a_winsorised_sum_is_that_of_its_cases_however_they_fall_on_days(seconds: list[int], spread: int) -> None:
    [found] = hours(*seconds, days=spread)
    assert (found.numerator, found.denominator) == (sum(seconds), len(seconds))
    cut = sum(min(each, A_DAY_LONG) for each in seconds)
    assert (found.numerator if found.winsorised is None else found.winsorised) == cut


def test_where_no_cap_holds_nothing_is_cut() -> None:
    held = summary([Row(END, "A1", {"ship_hours": (9 * A_DAY_LONG, 1, None)})])
    assert held["ship_hours"].excess == 0
    assert summary([Row(END, "A1", {"ship_hours": (9, 1, None)})], {"arrival_hours": 1}) == {"ship_hours": Tally(9, 1)}


def test_one_lost_parcel_among_many_costs_a_shop_no_more_than_the_cap() -> None:
    def published(lost: int) -> tuple[str | None, str | None]:
        shop = CountedShop(at(-21))
        for number in range(60):
            shop.hear(paid(at(-20), f"A{number}", ship_by=at(30)))
            moved = at(-20) + timedelta(hours=12 if number else lost)
            shop.hear(scan("picked_up", moved, order_id=f"A{number}"))
        shop.run_until(at(1))
        found = next(one for one in shop.scores()[-1].metrics if one.id == "ship_hours")
        return found.value, found.points

    assert published(lost=12) == ("12.00", "90.91")
    ten_days, twenty_days = published(lost=240), published(lost=479)
    assert ten_days[1] == twenty_days[1], "in points it is ten days"
    assert twenty_days[0] == "19.78", "as it was"
