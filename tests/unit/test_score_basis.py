"""What a week's score rests on beside its counts: services, violations, category and class, and the bar it names."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from builders import SHARDS, SHOP
from scores import CountedShop, Fact, Killed, at, die, enrolled, paid, reviewed, scan, violated
from shipments import Interrupted

from aftercare.events.scores import ScorePublished
from aftercare.kernel import compact
from aftercare.kernel.days import start_of
from aftercare.kernel.records import RecordWriter
from aftercare.scores import keys, store
from aftercare.scores.bars import BARS_KEPT
from aftercare.scores.model.basis import Basis, basis, card_of, read_basis
from aftercare.scores.model.benchmarks import Measure
from aftercare.scores.model.card import ServiceUse
from aftercare.scores.model.shops import ShopState, active_days, fold_shop
from aftercare.scores.rollup import Overtaken

SHANGHAI = "Asia/Shanghai"
INSURANCE = "freight_insurance"
A_SECOND = timedelta(seconds=1)


def reviews(days: Iterable[int]) -> list[Fact]:
    return [reviewed(5, at(day), review_id=f"V{day}") for day in days]


def counted(*facts: Fact, until: float = 50, zone: str = "UTC", **known: Any) -> CountedShop:
    """A shop that is reviewed every Monday, of which those things are told when they happen."""
    shop = CountedShop(at(-30), zone=zone, **known)
    told = sorted([*reviews(range(-28, int(until), 7)), *facts], key=lambda each: each.metadata.occurred_at)
    shop.follow(told)
    shop.run_until(at(until, "12:00:00"))
    return shop


def last(shop: CountedShop) -> dict[str, ScorePublished]:
    """The highest revision of every week."""
    return {one.week: one for one in shop.scores()}


def deducted(shop: CountedShop) -> dict[str, list[str]]:
    """By week the points that violations cost it, as it stands."""
    return {week: [each.points for each in one.deductions] for week, one in last(shop).items() if one.deductions}


def added(shop: CountedShop) -> dict[str, list[str]]:
    """By week the bonus items it has, as it stands."""
    return {week: [each.id for each in one.bonus] for week, one in last(shop).items() if one.bonus}


def news(shop: CountedShop, tell: Callable[[], None], until: datetime) -> list[tuple[str, int]]:
    """What is published after that was told."""
    before = len(shop.scores())
    tell()
    shop.run_until(until)
    return [(one.week, one.revision) for one in shop.scores()[before:]]


def weeks(first: int, end: int) -> list[str]:
    return [f"2026-W{number}" for number in range(first, end)]


# ---------------------------------------------------------------- violations


def test_a_violation_is_paid_for_in_the_weeks_whose_windows_hold_it_and_then_falls_out() -> None:
    shop = counted(violated(at(3)))
    assert deducted(shop) == {week: ["-10.00"] for week in weeks(45, 49)}
    assert [one.revision for one in shop.scores()] == [1] * len(shop.scores())


@pytest.mark.parametrize("zone", ["UTC", SHANGHAI])
def test_a_violation_belongs_to_a_window_from_its_first_second_to_the_one_before_its_end(zone: str) -> None:
    end = at(7, zone=zone)
    for moment, holds in (
        (end, False),
        (end - A_SECOND, True),
        (at(-23, zone=zone), True),
        (at(-23, zone=zone) - A_SECOND, False),
    ):
        shop = counted(violated(moment), until=10, zone=zone)
        assert ("2026-W45" in deducted(shop)) is holds, moment


def test_a_late_violation_restates_exactly_the_weeks_whose_windows_hold_it() -> None:
    shop = counted()
    before = len(shop.said)
    told = news(shop, lambda: shop.hear(violated(at(3))), at(51, "02:59:59"))
    assert told == []
    assert news(shop, lambda: None, at(51, "03:00:00")) == [(week, 2) for week in weeks(45, 49)]
    assert deducted(shop) == {week: ["-10.00"] for week in weeks(45, 49)}
    assert len(shop.said) == before + 4, "no day is said again"
    assert news(shop, lambda: shop.hear(violated(at(3))), at(60)) == [("2026-W52", 1)], "told twice is told once"
    assert shop.state().changed_from is None


def test_a_violation_told_late_in_the_night_is_in_the_first_revision() -> None:
    shop = counted(until=6)
    shop.run_until(at(7, "02:59:00"))
    assert news(shop, lambda: shop.hear(violated(at(6, "23:59:59"))), at(8)) == [("2026-W45", 1)]
    assert deducted(shop) == {"2026-W45": ["-10.00"]}


def test_two_violations_told_before_one_count_restate_once() -> None:
    shop = counted()

    def tell() -> None:
        shop.hear(violated(at(25), "bad_return_address"), violated(at(3), "bad_return_address", order_id="A2"))

    assert news(shop, tell, at(52)) == [(week, 2) for week in weeks(45, 52)]
    assert deducted(shop)["2026-W48"] == ["-4.00"]
    assert [deducted(shop)[week] for week in ("2026-W45", "2026-W51")] == [["-2.00"], ["-2.00"]]


def test_a_violation_of_another_order_or_kind_is_another_one() -> None:
    two = [violated(at(3), "bad_return_address"), violated(at(3), "bad_return_address", order_id="A2")]
    shop = counted(*two, violated(at(4), "invoice_refused"))
    assert deducted(shop)["2026-W45"] == ["-4.00", "-2.00"]


def test_a_shop_that_only_ever_broke_rules_has_no_week() -> None:
    shop = CountedShop(at(0))
    shop.hear(violated(at(0)))
    shop.run_until(at(30))
    assert shop.said == []


def test_an_old_violation_told_again_changes_no_week_that_it_was_in() -> None:
    shop = counted(violated(at(3)), violated(at(405), order_id="A2"), until=409)
    assert news(shop, lambda: shop.hear(violated(at(3))), at(411)) == []
    assert set(deducted(shop)) >= set(weeks(45, 49))


def test_a_violation_dated_in_the_far_future_drives_no_other_out() -> None:
    shop = counted(violated(at(3)), until=9)
    shop.hear(violated(datetime(2099, 1, 1, tzinfo=UTC), order_id="A2"))
    shop.run_until(at(20))
    assert deducted(shop) == {week: ["-10.00"] for week in weeks(45, 47)}


LONG_AGO = datetime(1, 1, 1, tzinfo=UTC), datetime(1899, 12, 30, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)


@pytest.mark.parametrize("when", LONG_AGO, ids=lambda when: f"year {when.year}")
@pytest.mark.parametrize("told", [enrolled, violated], ids=["enrolled", "violated"])
def test_a_date_that_stands_for_none_stops_no_shops_count(told: Callable[..., Fact], when: datetime) -> None:
    shop = counted(until=9)
    [service] = ["express"]
    shop.hear(told(service, when) if told is enrolled else told(when))
    shop.run_until(at(15))
    assert [one.week for one in shop.scores()][-1] == "2026-W46"


def test_a_service_since_years_ago_restates_no_week_whose_bar_is_gone() -> None:
    """Measured again without its bar such a week would be another one: what was published of it stands."""
    insured = [paid(at(day), f"A{day}", insured=True) for day in range(0, 440, 7)]
    shop = counted(*insured, until=440)
    told = news(shop, lambda: shop.hear(enrolled(INSURANCE, at(-900))), at(441, "12:00:00"))
    ends = [datetime.fromisocalendar(int(week[:4]), int(week[6:]), 1) + timedelta(days=7) for week, _ in told]
    assert ends, "those that can be measured again are"
    assert min(ends).replace(tzinfo=UTC) > at(441) - BARS_KEPT


def test_a_revision_says_something_new() -> None:
    """A violation that costs nothing, a service that reaches no bonus: nothing that was published has changed."""
    insured = paid(at(1), insured=True)
    shop = counted(insured)
    for fact in (violated(at(3), "speeding"), enrolled(INSURANCE, at(13)), enrolled("express", at(3))):
        shop.hear(fact)
    shop.run_until(at(52))
    said: dict[str, ScorePublished] = {}
    for one in shop.scores():
        known = said.get(one.week)
        assert known is None or known.model_copy(update={"revision": one.revision}) != one, one.week
        said[one.week] = one


# ---------------------------------------------------------------- services


@pytest.mark.parametrize(
    ("since", "has_it"), [(at(5), True), (at(5) + A_SECOND, False), (at(-100), True), (at(7), False)]
)
def test_a_service_counts_two_days_after_it_was_joined(since: datetime, *, has_it: bool) -> None:
    shop = counted(paid(at(1), insured=True), enrolled(INSURANCE, since), until=8)
    assert added(shop) == ({"2026-W45": [INSURANCE]} if has_it else {})


def test_a_service_that_no_order_had_or_that_was_left_adds_nothing() -> None:
    assert added(counted(paid(at(1)), enrolled(INSURANCE, at(0)), until=8)) == {}
    assert added(counted(paid(at(1), insured=True), until=8)) == {}
    left = enrolled(INSURANCE, at(6, "23:59:59"), active=False)
    assert added(counted(paid(at(1), insured=True), enrolled(INSURANCE, at(0)), left, until=8)) == {}
    later = enrolled(INSURANCE, at(7), active=False)
    shop = counted(paid(at(1), insured=True), enrolled(INSURANCE, at(0)), later, until=15)
    assert added(shop) == {"2026-W45": [INSURANCE]}


def test_a_late_enrolment_restates_the_weeks_since_and_no_earlier_one() -> None:
    insured = [paid(at(day), f"A{day}", insured=True) for day in (1, 20)]
    shop = counted(*insured)
    told = news(shop, lambda: shop.hear(enrolled(INSURANCE, at(10))), at(51, "12:00:00"))
    assert told == [(week, 2) for week in weeks(46, 52)], "the last window with an insured order ends on 21 December"
    assert added(shop) == {week: [INSURANCE] for week in weeks(46, 52)}
    left = news(shop, lambda: shop.hear(enrolled(INSURANCE, at(30), active=False)), at(52, "12:00:00"))
    assert left == [(week, 3) for week in weeks(49, 52)]
    assert added(shop) == {week: [INSURANCE] for week in weeks(46, 49)}


def test_for_how_long_a_service_was_on_is_counted_from_when_it_was_last_joined() -> None:
    state = ShopState.entered(SHOP, at(0))
    for since, active in ((at(0), True), (at(3), False), (at(5), True)):
        state = fold_shop(state, enrolled(INSURANCE, since, active=active))
    enrolments = state.services[INSURANCE]
    found = [active_days(enrolments, at(day)) for day in range(9)]
    assert found == [None, 1, 2, 3, 0, 0, 1, 2, 3]
    assert active_days((), at(9)) is None


def test_a_service_that_is_confirmed_again_was_on_all_the_time() -> None:
    state = ShopState.entered(SHOP, at(0))
    for day in (0, 4, 9):
        state = fold_shop(state, enrolled(INSURANCE, at(day)))
    assert active_days(state.services[INSURANCE], at(10)) == 10


def test_a_share_of_orders_delivered_the_next_day_is_a_service_too() -> None:
    def facts(quick: int) -> list[Fact]:
        told: list[Fact] = []
        for each in range(10):
            told.append(paid(at(1), f"A{each}"))
            told.append(scan("delivered", at(2 if each < quick else 3), order_id=f"A{each}"))
        return told

    assert added(counted(*facts(2), until=8)) == {"2026-W45": ["next_day_share"]}
    assert added(counted(*facts(1), until=8)) == {}


@pytest.mark.parametrize(
    ("marked", "orders", "has_it"), [(50, 100, True), (49, 100, False), (50, 166, True), (50, 167, False)]
)
def test_a_service_for_categories_needs_fifty_orders_and_a_share_of_the_valid_ones(
    marked: int, orders: int, *, has_it: bool
) -> None:
    measures = Measure("service.category_service", marked, 0), Measure("valid_orders", orders, orders + 40)
    found = basis(ShopState.entered(SHOP, at(0)), at(7).date(), measures, None, None)
    assert found.services == (ServiceUse("category_service", marked, orders),)
    assert bool(card_of(found, at(7).date(), "UTC", None).bonus) is has_it


# ---------------------------------------------------------------- category, class, pack


def registered(shop: CountedShop, **known: Any) -> None:
    """The registry says something else of the shop from now on."""
    key = keys.shop_key(SHOP)
    item = shop.table.get(key)
    assert item is not None
    was = store.read_shop(key, item)
    put = store.write_shop(
        RecordWriter(SHARDS), was.stored, was.state._replace(**known), shop.armed_for(), shop.clock.time
    )
    shop.table.write(put)


def rests_on(shop: CountedShop, days: float) -> Basis:
    """What the week rests on that ends so many days after the first Monday."""
    item = shop.table.get(keys.week_key(SHOP, at(days).date()))
    assert item is not None
    found: Basis = read_basis(json.loads(str(item["state"])))
    return found


def test_a_published_week_keeps_the_category_and_the_class_that_it_was_published_for() -> None:
    shop = counted(until=8, category="tea", shop_class="flagship")
    registered(shop, category="milk", shop_class="other")
    shop.hear(violated(at(3)), *reviews([2]))
    shop.run_until(at(15))
    assert last(shop)["2026-W45"].revision == 2
    first, second = rests_on(shop, 7), rests_on(shop, 14)
    assert (first.category, first.shop_class, first.bar) == ("tea", "flagship", at(0).date())
    assert (second.category, second.shop_class, second.bar) == ("milk", "other", at(7).date())
    assert first.violations == {"brushing": 1}


def test_a_flagship_is_judged_by_its_own_small_numbers() -> None:
    def quality(shop_class: str) -> str | None:
        state = ShopState.entered(SHOP, at(0), pack="douyin")._replace(shop_class=shop_class)
        measures = Measure("quality_returns", 3, 290), Measure("valid_orders", 290, 290)
        larger = Measure("quality_returns", 0, 300), Measure("valid_orders", 300, 300)
        for each, enough in ((measures, False), (larger, True)):
            found = basis(state, at(7).date(), each, None, None)
            line = card_of(found, at(7).date(), "UTC", None).metrics[1]
            if enough:
                return line.points
            assert line.points == "80.00"
        return None

    assert quality("flagship") == "100.00"
    assert quality("other") == "80.00"
    assert quality("an unknown one") == "80.00"


def test_a_category_has_the_weights_that_the_pack_has_for_it() -> None:
    shop = counted(until=8, pack="douyin", category="fashion")
    assert [each.weight for each in last(shop)["2026-W45"].dimensions] == ["0.50", "0.25", "0.25"]
    assert last(shop)["2026-W45"].pack == "douyin-2026-09"


def test_a_shop_with_thirty_valid_orders_is_shown_and_one_with_fewer_is_not() -> None:
    for number, reason in ((30, None), (29, "too_few_orders")):
        shop = counted(*(paid(at(1), f"A{each}") for each in range(number)), until=8)
        one = last(shop)["2026-W45"]
        assert (one.reason, one.shown is None) == (reason, reason is not None)


def test_what_a_week_rests_on_reads_back_as_it_was_written() -> None:
    whole = Basis(
        (Measure("ship_hours", 9, 2, 8), Measure("valid_orders", 2, 3)),
        "standard",
        "tea",
        "flagship",
        at(0).date(),
        (ServiceUse(INSURANCE, 1, 2, 3), ServiceUse("next_day_share", 0, 2)),
        {"brushing": 2},
    )
    for each in (whole, Basis((), "standard")):
        assert read_basis(json.loads(compact.to_json(each))) == each
    assert whole.valid_orders == 2


def test_a_week_is_scored_again_from_what_it_rests_on_to_the_last_digit() -> None:
    shop = counted(paid(at(1), insured=True), enrolled(INSURANCE, at(0)), violated(at(3)), until=8)
    again = card_of(rests_on(shop, 7), at(7).date(), "UTC", None)
    one = last(shop)["2026-W45"]
    assert (again.score, again.service_weight) == (one.score, one.service_weight)
    assert [each.points for each in again.bonus] == [each.points for each in one.bonus] == ["2.00"]
    assert again.terms.rules.in_force(start_of(at(7).date(), "UTC"))


# ---------------------------------------------------------------- killed, in any order

LATE = [
    violated(at(3)),
    violated(at(10), "bad_return_address"),
    violated(at(11), "bad_return_address", order_id="A2"),
    enrolled(INSURANCE, at(4)),
    enrolled(INSURANCE, at(20), active=False),
    enrolled(INSURANCE, at(26)),
    *(paid(at(day), f"A{day}", insured=day % 3 == 0) for day in range(0, 30, 4)),
]


def ending(shop: CountedShop) -> tuple[object, ...]:
    shop.run_until(at(72))
    final = {week: one.model_copy(update={"revision": 1}) for week, one in last(shop).items()}
    return final, shop.state(), shop.late()


def test_told_in_any_order_again_and_at_any_time_the_last_revisions_are_the_same() -> None:
    expected = ending(counted(*LATE, until=60))
    assert deducted(counted(*LATE, until=60)) != {}
    draw = random.Random(5)
    for _ in range(8):
        shop = counted(until=40)
        for fact in draw.sample([*LATE, *draw.sample(LATE, 4)], len(LATE) + 4):
            shop.run_until(shop.clock.time + timedelta(hours=draw.choice([0, 7, 30])))
            shop.hear(fact)
        shop.follow(reviews(range(42, 60, 7)))
        found = ending(shop)
        assert found[0] == expected[0]
        assert found[1:3] == expected[1:3]


def test_a_rollup_killed_at_any_call_over_late_violations_and_services_ends_the_same() -> None:
    def waiting() -> CountedShop:
        shop = counted(*LATE[6:], until=34)
        shop.hear(*LATE[:6])
        shop.sleep_until(at(35, "03:00:00"))
        return shop

    expected = ending(waiting())
    for moment in count():
        shop = waiting()
        try:
            shop.wake(Interrupted(shop.table, {moment: die}))  # type: ignore[arg-type]
            break
        except Killed:
            shop.wake()
        assert ending(shop) == expected, moment
    assert moment > 6


@pytest.mark.parametrize("late", [LATE[0], LATE[3], LATE[4]], ids=["violated", "joined", "left"])
def test_what_is_told_of_a_shop_at_any_moment_of_a_rollup_is_counted_in_the_end(late: Fact) -> None:
    def waiting(*facts: Fact) -> CountedShop:
        shop = counted(paid(at(1), insured=True), violated(at(9)), until=13)
        shop.hear(*facts)
        shop.sleep_until(at(14, "03:00:00"))
        return shop

    expected = ending(waiting(late))[:3]
    for moment in count():
        shop = waiting()
        table = Interrupted(shop.table, {moment: lambda shop=shop: shop.hear(late)})
        try:
            shop.wake(table)  # type: ignore[arg-type]
        except Overtaken:
            shop.wake()
        if table.moment < moment:
            break
        assert ending(shop)[:3] == expected, moment
