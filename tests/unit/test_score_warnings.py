"""What a shop has to reach on every day: it is told before the day ends, once, and only if it can matter."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from itertools import count

import pytest
from scores import CountedShop, Fact, Killed, at, die, paid, rated, reviewed, scan, wrote
from shipments import Interrupted

from aftercare.kernel.records import DUE_INDEX
from aftercare.scores.rollup import Overtaken

SHANGHAI, NEW_YORK = "Asia/Shanghai", "America/New_York"
Warned = tuple[str, int, int]


def rounds(day: float, quick: int, slow: int = 0, *, clock: str = "10:00:00", zone: str = "UTC") -> list[Fact]:
    """A shop's answers to so many questions on that day, in a minute or in ten."""
    facts: list[Fact] = []
    for number in range(quick + slow):
        session, begin = f"chat-{day}-{clock}-{number}", at(day, clock, zone)
        answer = begin + timedelta(minutes=1 if number < quick else 10)
        facts += [wrote("buyer", begin, session=session), wrote("human", answer, session=session)]
    return facts


def ratings(day: float, satisfied: int, others: int = 0, *, clock: str = "11:00:00") -> list[Fact]:
    numbers = range(satisfied + others)
    return [rated(at(day, clock), number < satisfied, session=f"rating-{day}-{clock}-{number}") for number in numbers]


def chatted(*facts: Fact, zone: str = "UTC", pack: str = "standard") -> CountedShop:
    """A shop that was written to on Monday, and of which those things are told then."""
    shop = CountedShop(at(0), zone=zone, pack=pack)
    shop.follow([*rounds(0, 1, zone=zone), *facts])
    return shop


def warned(shop: CountedShop) -> list[Warned]:
    return [(one.metric, one.numerator, one.denominator) for _, one in shop.warnings()]


def moments(shop: CountedShop) -> list[datetime]:
    return [moment for moment, _ in shop.warnings()]


# ---------------------------------------------------------------- what is at risk


@pytest.mark.parametrize(
    ("quick", "slow", "told"),
    [
        (3, 2, True),
        (4, 1, False),  # 80 % exactly
        (5, 0, False),
        (0, 4, False),  # too few to say
        (0, 5, True),
        (79, 21, True),
        (80, 20, False),
    ],
)
def test_slow_answers_are_told_below_the_standard_and_with_enough_of_them(quick: int, slow: int, *, told: bool) -> None:
    shop = chatted(*rounds(1, quick, slow))
    shop.run_until(at(2))
    assert warned(shop) == ([("reply_3min", quick, quick + slow)] if told else [])


@pytest.mark.parametrize(
    ("satisfied", "others", "told"), [(3, 2, True), (7, 3, False), (6, 4, True), (1, 3, False), (4, 1, False)]
)
def test_satisfaction_has_a_standard_of_its_own(satisfied: int, others: int, *, told: bool) -> None:
    shop = chatted(*ratings(1, satisfied, others))
    shop.run_until(at(2))
    assert warned(shop) == ([("chat_satisfaction", satisfied, satisfied + others)] if told else [])


def test_both_may_be_at_risk_and_each_says_what_there_is_to_reach_and_until_when() -> None:
    shop = chatted(*rounds(1, 0, 5), *ratings(1, 0, 5))
    shop.run_until(at(2))
    told = {one.metric: one for _, one in shop.warnings()}
    assert {metric: one.standard for metric, one in told.items()} == {"reply_3min": "0.8", "chat_satisfaction": "0.7"}
    assert {(one.day, one.ends_at) for one in told.values()} == {(at(1).date(), at(2))}
    assert len({event.metadata.event_id for _, event in shop.said}) == len(shop.said)


def test_rounds_that_do_not_count_warn_nobody() -> None:
    early = rounds(1, 0, 9, clock="07:00:00")
    machine = [
        wrote(sender, at(1, "09:00:00"), session=f"bot-{each}") for each in range(9) for sender in ("buyer", "bot")
    ]
    shop = chatted(*early, *machine, *rounds(1, 0, 4))
    shop.run_until(at(2))
    assert warned(shop) == []


def test_only_what_was_asked_today_counts() -> None:
    shop = chatted(*rounds(0, 0, 9, clock="20:00:00"), *rounds(1, 0, 4))
    shop.run_until(at(2))
    assert warned(shop) == []


# ---------------------------------------------------------------- when


@pytest.mark.parametrize(
    ("zone", "five_in_the_afternoon"),
    [("UTC", at(1, "17:00:00")), (SHANGHAI, at(1, "09:00:00")), (NEW_YORK, at(1, "22:00:00"))],
)
def test_a_shop_is_told_at_five_in_the_afternoon_where_it_is(zone: str, five_in_the_afternoon: datetime) -> None:
    shop = chatted(*rounds(1, 0, 5, zone=zone), zone=zone)
    shop.run_until(five_in_the_afternoon - timedelta(seconds=1))
    assert warned(shop) == []
    shop.run_until(five_in_the_afternoon)
    assert moments(shop) == [five_in_the_afternoon]
    assert shop.warnings()[0][1].ends_at == at(2, zone=zone)


@pytest.mark.parametrize("day", [-1, 132], ids=["of 25 hours", "of 23 hours"])
def test_on_a_day_on_which_clocks_are_changed_it_is_five_in_the_afternoon_too(day: int) -> None:
    shop = CountedShop(at(day - 1), zone=NEW_YORK)
    shop.follow([*rounds(day - 1, 1, zone=NEW_YORK), *rounds(day, 0, 5, zone=NEW_YORK)])
    shop.run_until(at(day + 1, zone=NEW_YORK))
    assert moments(shop) == [at(day, "17:00:00", NEW_YORK)]
    assert shop.warnings()[0][1].ends_at == at(day + 1, zone=NEW_YORK)


def test_a_shop_is_told_once_a_day_and_again_on_the_next() -> None:
    shop = chatted(*rounds(1, 0, 5))
    shop.run_until(at(1, "17:30:00"))
    shop.hear(*rounds(1, 0, 5, clock="17:15:00"), *ratings(1, 0, 9, clock="17:20:00"))
    for _ in range(3):
        shop.wake()
    shop.run_until(at(2, "12:00:00"))
    assert warned(shop) == [("reply_3min", 0, 5)]
    shop.hear(*rounds(2, 1, 5))
    shop.run_until(at(3))
    assert warned(shop) == [("reply_3min", 0, 5), ("reply_3min", 1, 6)]
    assert moments(shop) == [at(1, "17:00:00"), at(2, "17:00:00")]


def test_a_shop_that_was_well_at_five_is_not_looked_at_again() -> None:
    shop = chatted(*rounds(1, 5))
    shop.run_until(at(1, "17:00:00"))
    shop.hear(*rounds(1, 0, 20, clock="17:05:00"))
    shop.wake()
    assert shop.armed_for() == at(2, "03:00:00")
    shop.run_until(at(2))
    assert warned(shop) == []


def test_a_rollup_that_overslept_tells_it_the_same_evening_or_not_at_all() -> None:
    evening = chatted(*rounds(1, 0, 5))
    evening.run_until(at(1, "16:00:00"))
    evening.sleep_until(at(1, "21:30:00"))
    evening.run_until(at(1, "22:00:00"))
    assert moments(evening) == [at(1, "21:30:00")]
    tomorrow = chatted(*rounds(1, 0, 5))
    tomorrow.run_until(at(1, "16:00:00"))
    tomorrow.sleep_until(at(2, "00:00:00"))
    tomorrow.run_until(at(3))
    assert warned(tomorrow) == [], "the day is over"
    assert [day for day, _, _ in tomorrow.days()] == ["11-02", "11-03"]


# ---------------------------------------------------------------- who


def woken_at(shop: CountedShop, until: datetime) -> set[str]:
    """The times of day for which its timer stood."""
    armed: set[str] = set()
    while (first := shop.table.first(DUE_INDEX)) is not None and datetime.fromisoformat(first) <= until:
        armed.add(f"{datetime.fromisoformat(first):%H:%M}")
        shop.run_until(datetime.fromisoformat(first))
    return armed


def test_a_shop_without_chats_is_never_woken_for_it() -> None:
    shop = CountedShop(at(0))
    shop.hear(*(paid(at(day), f"A{day}", ship_by=at(day + 1)) for day in range(20)))
    shop.hear(*(reviewed(1, at(day), review_id=f"V{day}") for day in range(20)), scan("delivered", at(3)))
    assert woken_at(shop, at(20)) == {"03:00"}
    assert warned(shop) == []


def test_a_shop_is_looked_at_for_a_week_after_it_was_last_written_to() -> None:
    shop = chatted()
    assert woken_at(shop, at(7, "23:00:00")) == {"03:00", "17:00"}
    assert woken_at(shop, at(20)) == {"03:00"}
    shop.hear(*rounds(20, 0, 5, clock="09:00:00"))
    shop.run_until(at(21))
    assert warned(shop) == [], "nobody expected a chat"
    shop.hear(*rounds(21, 0, 5, clock="09:00:00"))
    shop.run_until(at(22))
    assert moments(shop) == [at(21, "17:00:00")]


@pytest.mark.parametrize(("day", "told"), [(7, True), (8, False)])
def test_a_quiet_week_is_remembered_to_the_day(day: int, *, told: bool) -> None:
    shop = chatted(*rounds(day, 0, 5))
    shop.run_until(at(day + 1))
    assert warned(shop) == ([("reply_3min", 0, 5)] if told else [])


def test_a_late_word_about_an_older_day_does_not_make_a_shop_forgotten() -> None:
    shop = CountedShop(at(0))
    shop.follow([*rounds(0, 1), *rounds(20, 1)])
    shop.run_until(at(21, "12:00:00"))
    shop.hear(rated(at(0, "20:00:00"), True, session="told late"))
    shop.run_until(at(22, "12:00:00"))
    shop.hear(*rounds(22, 0, 5))
    shop.run_until(at(23))
    assert warned(shop) == [("reply_3min", 0, 5)]


def test_a_marketplace_without_daily_standards_asks_for_nothing() -> None:
    shop = chatted(*rounds(1, 0, 9), pack="douyin")
    assert woken_at(shop, at(9)) == {"03:00"}
    assert warned(shop) == []
    taobao = chatted(*rounds(1, 0, 9), pack="taobao")
    taobao.run_until(at(2))
    assert warned(taobao) == [("reply_3min", 0, 9)]


# ---------------------------------------------------------------- killed, at the same time, in any order


def before_five() -> CountedShop:
    shop = chatted(*rounds(1, 3, 5), *ratings(1, 1, 5))
    shop.run_until(at(1, "16:59:59"))
    shop.sleep_until(at(1, "17:00:00"))
    return shop


EXPECTED = [("reply_3min", 3, 8), ("chat_satisfaction", 1, 6)]


def test_a_rollup_killed_at_any_call_tells_it_once() -> None:
    for moment in count():
        shop = before_five()
        try:
            shop.wake(Interrupted(shop.table, {moment: die}))  # type: ignore[arg-type]
            break
        except Killed:
            shop.wake()
        shop.run_until(at(3))
        assert sorted(warned(shop)) == sorted(EXPECTED), moment
    assert moment >= 3


def test_two_rollups_at_once_tell_it_once() -> None:
    for moment in count():
        shop = before_five()
        table = Interrupted(shop.table, {moment: shop.wake})
        try:
            shop.wake(table)  # type: ignore[arg-type]
        except Overtaken:
            shop.wake()
        if table.moment < moment:
            break
        shop.run_until(at(3))
        assert sorted(warned(shop)) == sorted(EXPECTED), moment


def test_told_in_any_order_and_again_the_same_is_at_risk() -> None:
    facts = [*rounds(1, 3, 5), *ratings(1, 1, 5)]
    draw = random.Random(3)
    for _ in range(5):
        shop = chatted()
        shop.run_until(at(1, "12:00:00"))
        shop.hear(*draw.sample([*facts, *draw.sample(facts, 8)], len(facts) + 8))
        shop.run_until(at(3))
        assert sorted(warned(shop)) == sorted(EXPECTED)
