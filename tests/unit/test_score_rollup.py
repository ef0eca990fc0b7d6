"""The roll-up: days and weeks counted when their hour has come, and again when something comes late."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import count

import pytest
from builders import SHOP
from scores import (
    CountedShop,
    Fact,
    Killed,
    anomaly,
    asked,
    at,
    closed,
    decided,
    die,
    opened,
    paid,
    rated,
    reviewed,
    scan,
    stepped_in,
    wrote,
)
from shipments import Interrupted

from aftercare.events.scores import DayMeasured, ScorePublished
from aftercare.scores import keys, store
from aftercare.scores.rollup import Overtaken

SHANGHAI, NEW_YORK = "Asia/Shanghai", "America/New_York"
A_WEEK = timedelta(days=7)


@pytest.fixture
def shop() -> CountedShop:
    return CountedShop(at(0))


def stars(number: int, day: float, review_id: str = "V1", revision: int = 1) -> Fact:
    return reviewed(number, at(day), review_id=review_id, revision=revision)


def published(shop: CountedShop) -> list[tuple[str, int, tuple[int, int] | None]]:
    """Week, revision and reviews of everything that was published."""
    return [(week, revision, counts.get("positive_rating")) for week, revision, counts in shop.weeks()]


# ---------------------------------------------------------------- when


@pytest.mark.parametrize(
    ("zone", "monday_at_three"),
    [
        ("UTC", at(7, "03:00:00")),
        (SHANGHAI, at(6, "19:00:00")),
        (NEW_YORK, at(7, "08:00:00")),
        ("Asia/Kathmandu", at(6, "21:15:00")),
    ],
)
def test_a_week_is_published_on_monday_at_three_in_the_morning_and_not_before(
    zone: str, monday_at_three: datetime
) -> None:
    shop = CountedShop(at(1), zone=zone)
    shop.hear(stars(5, 1))
    shop.run_until(monday_at_three - timedelta(seconds=1))
    assert shop.weeks() == []
    shop.run_until(monday_at_three)
    assert published(shop) == [("2026-W45", 1, (1, 1))]
    [[moment, event]] = [said for said in shop.said if isinstance(said[1].data, ScorePublished)]
    assert moment == event.metadata.occurred_at == monday_at_three
    window = event.data.window  # type: ignore[attr-defined]
    assert (window.to, window.from_) == (at(7, zone=zone), at(-23, zone=zone))


def test_where_clocks_are_changed_it_is_three_in_the_morning_too() -> None:
    shop = CountedShop(at(-8), zone=NEW_YORK)
    shop.hear(stars(5, -8))
    shop.run_until(at(-7, "06:59:59"))
    assert shop.weeks() == []
    shop.run_until(at(0, "07:59:59"))
    assert published(shop) == [("2026-W43", 1, (1, 1))]
    shop.run_until(at(0, "08:00:00"))
    assert [week for week, _, _ in published(shop)] == ["2026-W43", "2026-W44"]


def test_every_day_on_which_something_was_counted_is_told_at_three_of_the_next(shop: CountedShop) -> None:
    shop.follow([stars(5, 0), stars(1, 2, "V2"), stars(2, 2, "V3")])
    shop.run_until(at(4))
    assert shop.days() == [
        ("11-02", 1, {"positive_rating": (1, 1)}),
        ("11-04", 1, {"positive_rating": (0, 2)}),
    ]
    moments = [moment for moment, event in shop.said if isinstance(event.data, DayMeasured)]
    assert moments == [at(1, "03:00:00"), at(3, "03:00:00")]


def test_a_quiet_shop_is_not_published_and_one_that_grows_quiet_leaves_with_nothing_counted(
    shop: CountedShop,
) -> None:
    shop.follow([stars(5, 0)])
    shop.run_until(at(100))
    quiet = CountedShop(at(0), zone="UTC")
    quiet.run_until(at(30))
    assert quiet.said == []


def test_a_shop_woken_for_nothing_says_and_writes_nothing(shop: CountedShop) -> None:
    shop.hear(stars(5, 0))
    shop.run_until(at(8))
    said, item = len(shop.said), shop.table.get(keys.shop_key(SHOP))
    shop.wake()
    shop.rollup().wake(keys.shop_key("standard:nobody"))
    assert (len(shop.said), shop.table.get(keys.shop_key(SHOP))) == (said, item)


# ---------------------------------------------------------------- what counts


def test_evidence_of_the_hours_until_three_is_left_out(shop: CountedShop) -> None:
    told = [
        paid(at(1), ship_by=at(2)),
        scan("delivered", at(3)),
        reviewed(1, at(7, "00:00:00")),
        rated(at(7, "02:00:00"), True),
    ]
    shop.follow(told)
    shop.run_until(at(7, "03:00:00"))
    [(_, _, counts)] = shop.weeks()
    assert counts["negative_feedback"] == (0, 1)
    assert "chat_satisfaction" not in counts
    assert "positive_rating" not in counts
    shop.run_until(at(15))
    assert shop.weeks()[-1][2]["negative_feedback"] == (1, 1)
    assert shop.finals()[1]["2026-W45"]["negative_feedback"] == (0, 1)


def test_evidence_of_the_last_second_counts(shop: CountedShop) -> None:
    shop.follow([scan("delivered", at(3)), asked(at(6, "23:59:59")), rated(at(6, "23:59:59"), True)])
    shop.run_until(at(7, "03:00:00"))
    [(_, _, counts)] = shop.weeks()
    assert (counts["negative_feedback"], counts["chat_satisfaction"]) == ((1, 1), (1, 1))


def test_a_fact_of_the_week_that_is_told_until_three_is_in_revision_one(shop: CountedShop) -> None:
    shop.hear(stars(5, 0))
    shop.run_until(at(7, "02:59:00"))
    shop.hear(stars(5, 6, "V2"))
    shop.run_until(at(8))
    assert published(shop) == [("2026-W45", 1, (2, 2))]


def test_every_kind_of_metric_reaches_the_published_week(shop: CountedShop) -> None:
    told = [
        paid(at(0), ship_by=at(1), deliver_by=at(5), door=True),
        anomaly("Raised", "breach", at(1), 3),
        scan("picked_up", at(1)),
        scan("delivered", at(3), signed_by="recipient"),
        asked(at(3, "09:00:00"), "damaged"),
        opened(at(3)),
        stepped_in(at(4)),
        stepped_in(at(4), "contact", step="S2"),
        decided(at(4, "09:00:00"), "refused"),
        closed(at(5)),
        wrote("buyer", at(5, "10:00:00")),
        wrote("human", at(5, "10:01:00")),
        rated(at(5), True),
        reviewed(1, at(6)),
    ]
    shop.follow(told)
    shop.run_until(at(30))
    first = shop.weeks()[0][2]
    assert first == {
        "on_time_pickup": (1, 1),
        "on_time_delivery": (1, 1),
        "ship_hours": (86_400, 1),
        "arrival_hours": (3 * 86_400, 1),
        "positive_rating": (0, 1),
        "negative_feedback": (1, 1),
        "damage_returns": (1, 1),
        "trace_anomalies": (1, 1),
        "door_delivery": (1, 1),
        "reply_3min": (1, 1),
        "reply_seconds": (60, 1),
        "chat_satisfaction": (1, 1),
        "refund_refusals": (1, 1),
        "justified_refusals": (0, 1),
        "refund_hours": (14 * 3600, 1),
        "platform_help": (2, 1),
        "pickup_24h": (1, 1),
        "pickup_today": (0, 1),
        "valid_orders": (1, 1),
        "next_day_share": (0, 1),
    }
    by_week = {week: counts for week, _, counts in shop.weeks()}
    assert [week for week, counts in by_week.items() if "net_keep_rate.offer" in counts] == ["2026-W47", "2026-W48"]
    assert by_week["2026-W48"]["net_keep_rate.offer"] == (0, 1), "the review regrets it"


def test_a_week_is_thirty_days_and_not_seven(shop: CountedShop) -> None:
    shop.follow([stars(5, day, f"V{day}") for day in range(0, 60, 3)])
    shop.run_until(at(60))
    assert [counts for _, _, counts in published(shop)] == [(each, each) for each in (3, 5, 7, 10, 10, 10, 10, 10)]


# ---------------------------------------------------------------- what comes late


def test_a_late_fact_gives_a_new_revision_of_the_day_and_of_every_week_that_it_changes_and_of_no_other(
    shop: CountedShop,
) -> None:
    shop.follow([stars(5, day, f"V{day}") for day in range(0, 70, 7)])
    shop.run_until(at(70, "12:00:00"))
    before = len(shop.said)
    shop.hear(stars(1, 15, "late"))
    assert len(shop.said) == before, "it is counted at three"
    shop.run_until(at(71, "03:00:00"))
    news = [event.data for _, event in shop.said[before:]]
    assert [(each.day, each.revision) for each in news if isinstance(each, DayMeasured)] == [(date(2026, 11, 17), 1)]
    weeks = [(each.week, each.revision) for each in news if isinstance(each, ScorePublished)]
    assert weeks == [("2026-W47", 2), ("2026-W48", 2), ("2026-W49", 2), ("2026-W50", 2)]
    shop.run_until(at(90))
    assert all(revision == 1 for week, revision, _ in published(shop) if week > "2026-W50")


def test_a_withdrawn_fact_disappears_from_the_weeks_that_had_it(shop: CountedShop) -> None:
    shop.hear(stars(5, 0))
    shop.run_until(at(16))
    shop.hear(reviewed(5, at(0), revision=2, removed=True))
    shop.run_until(at(17))
    assert published(shop) == [
        ("2026-W45", 1, (1, 1)),
        ("2026-W46", 1, (1, 1)),
        ("2026-W45", 2, None),
        ("2026-W46", 2, None),
    ]
    assert shop.days()[-1] == ("11-02", 2, {})


def test_what_is_restated_is_never_overwritten(shop: CountedShop) -> None:
    shop.hear(stars(5, 0))
    for number in range(1, 5):
        shop.run_until(at(7 + number))
        shop.hear(stars(5, 0, f"V{number + 1}"))
    shop.run_until(at(12))
    assert [(week, revision) for week, revision, _ in published(shop)] == [("2026-W45", each) for each in range(1, 6)]
    assert len({event.metadata.event_id for _, event in shop.said}) == len(shop.said)
    assert [revision for _, revision, _ in shop.days()] == [1, 2, 3, 4, 5]


def test_late_evidence_restates_only_windows_that_end_after_it(shop: CountedShop) -> None:
    shop.follow([scan("delivered", at(3))])
    shop.run_until(at(20))
    shop.hear(reviewed(1, at(9)))  # told eleven days after it was posted
    shop.run_until(at(22))
    negative = [(week, revision, counts["negative_feedback"]) for week, revision, counts in shop.weeks()]
    assert negative == [
        ("2026-W45", 1, (0, 1)),
        ("2026-W46", 1, (0, 1)),
        ("2026-W46", 2, (1, 1)),
        ("2026-W47", 1, (1, 1)),
    ]


def test_a_fact_from_before_the_shop_was_entered_is_counted(shop: CountedShop) -> None:
    shop.hear(stars(5, -20), stars(5, 0, "V2"))
    shop.run_until(at(1, "03:00:00"))
    assert published(shop) == [(f"2026-W{week}", 1, (1, 1)) for week in (42, 43, 44)]
    shop.run_until(at(7, "03:00:00"))
    assert published(shop)[-1] == ("2026-W45", 1, (2, 2))


def test_what_comes_when_the_rows_of_its_day_are_gone_changes_nothing(shop: CountedShop) -> None:
    shop.hear(stars(5, 0), stars(5, 0, "V2"))
    shop.run_until(at(180, "12:00:00"))
    for subject in shop.rows(at(0).date()):
        expired = shop.table.get(keys.row_key(SHOP, at(0).date(), subject))
        assert expired is not None
        assert int(expired["expires_at"]) <= shop.clock.time.timestamp()
        shop.table._store(keys.row_key(SHOP, at(0).date(), subject), expired, None)
    before = list(shop.said)
    shop.hear(stars(1, 0, "late"))
    shop.run_until(at(190))
    assert shop.said == before
    assert shop.late() == []


def test_days_and_weeks_missed_are_caught_up(shop: CountedShop) -> None:
    told = [stars(5, day, f"V{day}") for day in range(0, 30, 2)]
    for each in told:
        shop.sleep_until(each.metadata.occurred_at)
        shop.hear(each)
    shop.sleep_until(at(31))
    shop.run_until(at(31))
    awake = CountedShop(at(0))
    awake.follow(told)
    awake.run_until(at(31))
    assert shop.days() == awake.days()
    assert shop.weeks() == awake.weeks()
    assert len(shop.days()) == 15


# ---------------------------------------------------------------- killed, and two at once


def before_the_count() -> CountedShop:
    """A shop with two published weeks, one more that is due, and something late for both."""
    shop = CountedShop(at(0))
    shop.follow([stars(5, 1), stars(4, 8, "V2")])
    shop.run_until(at(15))
    shop.hear(stars(1, 16, "V3"), stars(1, 3, "V4"), stars(5, 8, "V2", revision=2), stars(2, 10, "V5"))
    shop.sleep_until(at(21, "03:00:00"))
    return shop


def outcome(shop: CountedShop) -> tuple[object, ...]:
    shop.run_until(at(23))
    return (*shop.finals(), shop.late(), shop.state())


def test_a_rollup_killed_at_any_call_and_called_again_ends_the_same() -> None:
    expected = outcome(before_the_count())
    said = None
    for moment in count():
        shop = before_the_count()
        table = Interrupted(shop.table, {moment: die})
        try:
            shop.wake(table)  # type: ignore[arg-type]
            reached = False
        except Killed:
            shop.wake()
            reached = True
        assert outcome(shop) == expected, moment
        said = said or len(shop.said)
        assert len(shop.said) == said, "nothing is said twice"
        if not reached:
            break
    assert expected[1]["2026-W47"]["positive_rating"] == (2, 5)  # type: ignore[index]


def test_a_rollup_killed_at_any_call_is_made_up_for_even_days_later() -> None:
    expected = outcome(before_the_count())
    for moment in count():
        shop = before_the_count()
        try:
            shop.wake(Interrupted(shop.table, {moment: die}))  # type: ignore[arg-type]
            break
        except Killed:
            shop.sleep_until(at(22, "12:00:00"))
        assert outcome(shop)[:3] == expected[:3], moment


LATE_FACTS: Sequence[Fact] = (
    stars(1, 3, "V9"),
    stars(3, 20, "V9"),
    reviewed(5, at(8), review_id="V2", revision=3, removed=True),
)


@pytest.mark.parametrize("late", LATE_FACTS, ids=["of a published week", "of the week that is due", "withdrawn"])
def test_two_rollups_of_a_shop_at_once_end_as_one_with_something_late_in_between(late: Fact) -> None:
    """At every call of the first another one runs whole, with and without a fact that comes just before it."""
    for facts in ([], [late]):
        whole = before_the_count()
        whole.hear(*facts)
        expected = outcome(whole)
        for moment in count():
            shop = before_the_count()

            def other(shop: CountedShop = shop, facts: list[Fact] = facts) -> None:
                shop.hear(*facts)
                shop.wake()

            table = Interrupted(shop.table, {moment: other})
            try:
                shop.wake(table)  # type: ignore[arg-type]
            except Overtaken:
                shop.wake()
            if table.moment < moment:
                break
            assert outcome(shop) == expected, moment


@pytest.mark.parametrize("late", LATE_FACTS, ids=["of a published week", "of the week that is due", "withdrawn"])
def test_a_fact_taken_in_at_any_moment_of_a_rollup_is_counted_in_the_end(late: Fact) -> None:
    whole = before_the_count()
    whole.hear(late)
    expected = outcome(whole)
    for moment in count():
        shop = before_the_count()
        table = Interrupted(shop.table, {moment: lambda shop=shop: shop.hear(late)})
        shop.wake(table)  # type: ignore[arg-type]
        if table.moment < moment:
            break
        assert outcome(shop) == expected, moment


def test_a_day_written_meanwhile_is_not_written_over(shop: CountedShop) -> None:
    shop.hear(stars(5, 0))
    shop.sleep_until(at(1, "03:00:00"))

    def count_first() -> None:
        shop.wake()

    with pytest.raises(Overtaken):
        shop.wake(Interrupted(shop.table, {3: count_first}))  # type: ignore[arg-type]
    assert shop.days() == [("11-02", 1, {"positive_rating": (1, 1)})]


def test_marks_of_something_late_are_taken_away_once_it_is_counted(shop: CountedShop) -> None:
    shop.hear(stars(5, -3), stars(5, -9, "V2"))
    assert len(shop.late()) == 2
    shop.run_until(at(1, "03:00:00"))
    assert shop.late() == []
    assert shop.table.query(store.late_days(SHOP)).items == ()
