"""A shop's tags over time: whatever comes late, twice or out of order, every day has the same state afterwards."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tag_days import (
    STANDARD,
    TAOBAO,
    Counts,
    always,
    condition,
    day,
    measures,
    number,
    opted,
    promise,
    rules,
    states,
    told,
)

from aftercare.kernel import compact
from aftercare.rulepacks.tags import TagRules
from aftercare.tags.model.facts import banned, closed, left, lifted, opted_in, with_day, with_enrolment, with_score
from aftercare.tags.model.history import decided, tag_on
from aftercare.tags.model.refusals import (
    AlreadyBanned,
    AlreadyOptedIn,
    NotAPromise,
    NotBanned,
    NotOptedIn,
    TagIsBanned,
)
from aftercare.tags.model.shop import NEVER, Evidence, ShopTags, read_shop_tags
from aftercare.tags.model.states import Reason, State

NONE, ELIGIBLE, LIVE, AT_RISK, SUSPENDED, BANNED = State
PACK = rules(promise("kept", condition(enter_days=3, exit_days=3)), number("shown"))
GOOD, BAD = (100, 100), (50, 100)


def run(shop: ShopTags, last: int, pack: TagRules = PACK) -> ShopTags:
    return decided(shop, always(pack), day(last))


def good_days(count: int, pack: TagRules = PACK) -> ShopTags:
    return opted(told(pack, "pickup_24h", [GOOD] * count), pack, "kept")


def at(number_: int, hour: int = 0) -> datetime:
    return datetime(2026, 9, 1, tzinfo=UTC) + timedelta(days=number_, hours=hour)


# ---------------------------------------------------------------- the law of the room


Fact = Callable[[ShopTags], ShopTags]


def measured(place: int, revision: int, kept: Counts, hours: Counts) -> Fact:
    counts = {"pickup_24h": kept, "ship_hours": hours}
    return lambda shop: with_day(shop, PACK, day(place), revision, measures(counts))


def enrolled(place: int, active: bool) -> Fact:
    return lambda shop: with_enrolment(shop, "insurance", at(place), active=active)


good_of = st.tuples(st.integers(0, 20), st.integers(0, 20)).map(lambda pair: (min(pair), max(pair)))
seconds_of = st.tuples(st.integers(0, 20 * 86_400), st.integers(0, 9))
restated_days = st.dictionaries(
    st.tuples(st.integers(0, 25), st.integers(0, 2)), st.tuples(good_of, seconds_of), min_size=1, max_size=40
)
enrolments = st.dictionaries(st.integers(-15, 25), st.booleans(), max_size=5)
INSURED = rules(
    promise("kept", condition(enter_days=3, exit_days=3)), number("shown"), promise("insured", service="insurance")
)


@given(restated_days, enrolments, st.randoms(use_true_random=False))
def test_every_day_is_the_same_in_whatever_order_and_however_often_facts_come(
    days: dict[tuple[int, int], tuple[Counts, Counts]], services: dict[int, bool], chance: random.Random
) -> None:
    facts: list[Fact] = [measured(*which, *counts) for which, counts in days.items()]
    facts += [enrolled(place, active) for place, active in services.items()]
    start = opted(opted(ShopTags(), INSURED, "kept"), INSURED, "insured", 3)

    def after(told_: list[Fact], *, checked: bool) -> ShopTags:
        shop = start
        for place, fact in enumerate(told_):
            shop = fact(shop)
            if checked and chance.random() < 0.3:
                shop = run(shop, min(25, place), INSURED)
        return run(shop, 25, INSURED)

    once = after(facts, checked=False)
    shuffled = facts * 2
    chance.shuffle(shuffled)
    assert after(shuffled, checked=True) == once


@given(st.lists(good_of, min_size=10, max_size=40), st.integers(0, 39), good_of)
def test_a_restated_day_gives_what_would_have_been_decided_had_it_been_known(
    counts: list[Counts], restated: int, better: Counts
) -> None:
    last = len(counts) - 1
    place = restated % len(counts)
    known = run(opted(told(PACK, "pickup_24h", counts), PACK, "kept"), last)
    again = run(told(PACK, "pickup_24h", [better], known, first=place), last)
    counts[place] = better
    scratch = run(opted(told(PACK, "pickup_24h", counts), PACK, "kept"), last)
    assert again.tags == scratch.tags


@pytest.mark.parametrize("seed", range(4))
def test_what_is_restated_within_the_horizon_is_decided_as_if_nothing_were_ever_forgotten(seed: int) -> None:
    chance = random.Random(seed)
    forgetful = STANDARD.model_copy(update={"tags": STANDARD.tags[1:2] + STANDARD.tags[5:8]})
    keeping = forgetful.model_copy(update={"horizon_days": 400})
    late: dict[int, list[Fact]] = {}
    for place in range(160):
        for revision, delay in ((0, 0), (1, chance.randint(0, 45))):
            orders = chance.choice((0, 3, 40))
            counts = {
                "pickup_24h": (orders - chance.choice((0, 0, 0, min(2, orders))), orders),
                "damage_returns": (chance.choice((0, 0, 0, min(4, orders))), orders),
                "ship_hours": (orders * 3600, orders),
            }

            def told_of(shop: ShopTags, place: int = place, revision: int = revision, counts: Any = counts) -> ShopTags:
                return with_day(shop, forgetful, day(place), revision, measures(counts))

            late.setdefault(min(159, place + delay), []).append(told_of)
    shop = opted(opted(ShopTags(), STANDARD, "ships_24h"), STANDARD, "damage_guarantee")
    everything = shop
    for today in range(160):
        for fact in late.get(today, ()):
            shop, everything = fact(shop), fact(everything)
        shop = run(shop, today, forgetful)
    everything = run(everything, 159, keeping)
    for definition in forgetful.tags:
        days = range(115, 160)
        assert states(shop, definition.id, days) == states(everything, definition.id, days)
    assert len(everything.tags["ships_24h"].runs) > 5


def test_a_lower_revision_or_the_same_one_changes_nothing() -> None:
    shop = run(with_day(ShopTags(), PACK, day(0), 5, measures({"pickup_24h": GOOD})), 3)
    for revision in (4, 5):
        assert with_day(shop, PACK, day(0), revision, measures({"pickup_24h": BAD})) is shop


def test_a_fact_opens_its_own_day_and_those_after_it() -> None:
    shop = run(good_days(9), 8)
    assert told(PACK, "pickup_24h", [BAD], shop, first=6).decided_to == day(5)
    assert told(PACK, "pickup_24h", [BAD], shop, first=9).decided_to == day(8)


def test_deciding_twice_is_deciding_once() -> None:
    shop = run(good_days(9), 8)
    assert run(shop, 8) is shop
    assert run(shop, 7) is shop


# ---------------------------------------------------------------- restated


def test_since_is_the_day_whose_close_decided_whenever_it_was_known() -> None:
    late = run(ShopTags(), 2)
    late = run(opted(told(PACK, "pickup_24h", [GOOD] * 6, late), PACK, "kept"), 9)
    assert (late.tag("kept").state, late.tag("kept").since) == (SUSPENDED, day(8))
    assert late.tags["kept"].runs[0].since == day(0)


def test_evidence_that_disappears_takes_the_tag_away_from_the_day_it_was_given() -> None:
    before = run(good_days(3), 2)
    after = run(told(PACK, "pickup_24h", [(0, 0)] * 3, before), 2)
    assert before.tag("kept").state is LIVE
    assert after.tag("kept") == NEVER


def test_a_bad_day_that_was_none_makes_the_days_after_it_good_again() -> None:
    counts: list[Counts | None] = [GOOD, GOOD, GOOD, BAD, GOOD, GOOD]
    shop = run(opted(told(PACK, "pickup_24h", counts), PACK, "kept"), 5)
    assert states(shop, "kept", range(6)) == [LIVE] * 3 + [SUSPENDED] * 3
    mended = run(told(PACK, "pickup_24h", [GOOD], shop, first=3), 5)
    assert states(mended, "kept", range(6)) == [LIVE] * 6
    assert mended.tag("kept").since == day(0)


def test_what_is_older_than_the_horizon_is_not_heard_any_more() -> None:
    shop = run(good_days(60), 59)
    assert shop.frozen_to == day(14)
    assert told(PACK, "pickup_24h", [BAD], shop, first=14) is shop
    assert told(PACK, "pickup_24h", [BAD], shop, first=15) is not shop
    assert with_score(shop, STANDARD, "2026-W37", 9, "4.8", {}) is shop


def test_a_day_at_the_edge_of_the_horizon_is_decided_by_all_its_evidence() -> None:
    # the window of the first day that is not frozen lies before it
    counts = [(94, 100), *[GOOD] * 59]
    shop = run(opted(told(STANDARD, "pickup_24h", counts), STANDARD, "ships_24h"), 46, STANDARD)
    shop = run(told(STANDARD, "pickup_24h", [(100, 101)], shop, first=2), 46, STANDARD)
    assert shop.frozen_to == day(1)
    assert states(shop, "ships_24h", (2, 3)) == [NONE, LIVE]


def test_a_frozen_state_is_where_later_days_begin() -> None:
    shop = run(run(good_days(200), 2), 199)
    assert shop.tag("kept").since == day(0)
    assert len(shop.tags["kept"].runs) == 1


def test_a_shop_that_was_not_checked_for_months_is_decided_day_by_day() -> None:
    shop = run(run(good_days(3), 2), 120)
    assert (shop.tag("kept").state, shop.tag("kept").since) == (SUSPENDED, day(5))


def test_what_happened_before_the_first_check_is_decided_within_the_horizon() -> None:
    shop = run(good_days(100), 99)
    assert shop.tag("kept").since == day(55)


# ---------------------------------------------------------------- choices


def test_a_promise_that_is_not_taken_on_is_eligible() -> None:
    shop = run(told(PACK, "pickup_24h", [GOOD] * 3), 2)
    assert shop.tag("kept").state is ELIGIBLE
    shop = run(opted(shop, PACK, "kept", 2), 2)
    assert shop.tag("kept").state is LIVE


def test_leaving_holds_at_the_close_of_the_day() -> None:
    shop = left(good_days(9), "kept", day(4))
    shop = run(shop, 8)
    assert states(shop, "kept", (3, 4)) == [LIVE, ELIGIBLE]
    assert shop.tag("kept").reason is Reason.LEFT


def test_leaving_a_tag_that_is_not_earned_leaves_nothing() -> None:
    shop = opted(told(PACK, "pickup_24h", [GOOD, GOOD, GOOD, *[(92, 100)] * 4]), PACK, "kept")
    shop = run(left(shop, "kept", day(6)), 6)
    assert states(shop, "kept", (5, 6)) == [AT_RISK, NONE]
    assert shop.tag("kept").reason is Reason.LEFT


def test_coming_back_on_the_same_day_is_never_having_left() -> None:
    shop = opted(left(good_days(9), "kept", day(4)), PACK, "kept", 4)
    assert run(shop, 8).tag("kept").since == day(0)


def test_what_was_left_on_the_day_it_was_taken_on_never_held() -> None:
    shop = left(opted(ShopTags(), PACK, "kept", 4), "kept", day(4))
    assert shop.opt_ins["kept"] == ()


def test_leaving_and_coming_back_does_not_shorten_the_dwell() -> None:
    pack = rules(promise("kept", condition(enter_days=1, exit_days=1), dwell_days=5))
    shop = opted(told(pack, "pickup_24h", [GOOD, BAD, *[GOOD] * 8]), pack, "kept")
    shop = opted(left(shop, "kept", day(2)), pack, "kept", 3)
    shop = run(shop, 9, pack)
    assert states(shop, "kept", range(8)) == [LIVE, SUSPENDED, *[ELIGIBLE] * 4, LIVE, LIVE]


def test_a_merchant_is_refused_what_cannot_be() -> None:
    with pytest.raises(NotAPromise):
        opted(ShopTags(), PACK, "shown")
    with pytest.raises(AlreadyOptedIn):
        opted(good_days(1), PACK, "kept", 2)
    with pytest.raises(NotOptedIn):
        left(ShopTags(), "kept", day(0))
    with pytest.raises(NotOptedIn):
        left(left(good_days(1), "kept", day(1)), "kept", day(2))
    with pytest.raises(TagIsBanned):
        opted(banned(ShopTags(), "kept", day(0), "fraud", "op"), PACK, "kept", 1)


# ---------------------------------------------------------------- bans


def test_a_ban_takes_the_tag_and_who_was_banned_starts_again() -> None:
    shop = banned(good_days(9), "kept", day(3), "fraud", "op-1")
    assert run(shop, 8).tag("kept").state is BANNED
    shop = run(lifted(shop, "kept", day(6), "op-2"), 8)
    assert states(shop, "kept", (2, 3, 5, 6, 7)) == [LIVE, BANNED, BANNED, NONE, LIVE]
    assert [each.reason for each in shop.tags["kept"].runs] == [
        Reason.EARNED, Reason.BANNED, Reason.BAN_LIFTED, Reason.EARNED,
    ]  # fmt: skip


def test_a_ban_holds_without_evidence_and_without_a_promise() -> None:
    shop = run(banned(ShopTags(), "shown", day(0), "fraud", "op"), 60)
    assert shop.tag("shown").state is BANNED
    assert shop.bans["shown"][0].by == "op"


def test_an_operator_is_refused_what_cannot_be() -> None:
    shop = banned(ShopTags(), "kept", day(0), "fraud", "op")
    with pytest.raises(AlreadyBanned):
        banned(shop, "kept", day(1), "fraud", "op")
    with pytest.raises(NotBanned):
        lifted(lifted(shop, "kept", day(1), "op"), "kept", day(2), "op")
    with pytest.raises(NotBanned):
        lifted(ShopTags(), "kept", day(0), "op")


# ---------------------------------------------------------------- shops and rules that end


def test_a_closed_shop_has_no_tags() -> None:
    shop = run(closed(good_days(9), at(4, 23)), 8)
    assert states(shop, "kept", (3, 4, 8)) == [LIVE, NONE, NONE]
    assert shop.tag("kept").reason is Reason.SHOP_CLOSED


def test_the_first_closing_counts_however_often_it_is_told() -> None:
    shop = closed(ShopTags(), at(4))
    assert closed(shop, at(5)) is shop
    assert closed(shop, at(3)).closed_at == at(3)


def test_a_tag_whose_rule_ended_is_gone_and_another_one_is_decided_from_the_day_it_began() -> None:
    other = rules(promise("new", condition(enter_days=3, exit_days=3)))

    def rules_at(each: date) -> TagRules:
        return PACK if each < day(5) else other

    shop = opted(good_days(9), other, "new")
    shop = decided(shop, rules_at, day(8))
    assert states(shop, "kept", (4, 5)) == [LIVE, NONE]
    assert shop.tag("kept").reason is Reason.RULE_ENDED
    assert states(shop, "new", (4, 5)) == [NONE, LIVE]
    later = decided(shop, rules_at, day(60))
    assert "kept" not in later.tags


def test_a_restated_day_before_a_change_of_rules_is_decided_by_the_rules_of_its_time() -> None:
    strict = rules(promise("kept", condition(enter_days=3, exit_days=3, enter="0.99", warn="0.985", exit="0.98")))

    def rules_at(each: date) -> TagRules:
        return PACK if each < day(5) else strict

    ninety_six = [(96, 100)] * 9
    shop = decided(opted(told(PACK, "pickup_24h", ninety_six), PACK, "kept"), rules_at, day(8))
    assert states(shop, "kept", (4, 5)) == [LIVE, SUSPENDED]
    shop = decided(told(PACK, "pickup_24h", [BAD], shop, first=3), rules_at, day(8))
    assert states(shop, "kept", (2, 3, 4, 5)) == [LIVE, SUSPENDED, SUSPENDED, SUSPENDED]


# ---------------------------------------------------------------- zones


@pytest.mark.parametrize(
    ("zone", "moment", "first"),
    [("Asia/Shanghai", at(2, 20), 3), ("America/New_York", at(3, 2), 2), ("UTC", at(3), 3)],
)
def test_moments_fall_on_the_shops_own_days_whichever_is_told_first(zone: str, moment: datetime, first: int) -> None:
    pack = rules(promise("insured", service="insurance"), promise("kept", condition()))

    def enrol(shop: ShopTags) -> ShopTags:
        return with_enrolment(shop, "insurance", moment, active=True)

    def measure(shop: ShopTags) -> ShopTags:
        return with_day(shop, pack, day(4), 0, measures({"pickup_24h": GOOD}), zone)

    start = opted(ShopTags(), pack, "insured")
    for one, other in ((enrol, measure), (measure, enrol)):
        shop = run(other(run(one(start), 5, pack)), 5, pack)
        assert states(shop, "insured", (first - 1, first)) == [NONE, LIVE]


def test_an_enrolment_holds_however_long_ago_it_was() -> None:
    pack = rules(promise("insured", service="insurance"))
    shop = opted(with_enrolment(ShopTags(), "insurance", at(0), active=True), pack, "insured")
    shop = run(run(run(shop, 1, pack), 100, pack), 101, pack)
    assert shop.tag("insured").since == day(0)
    assert len(shop.enrolments["insurance"]) == 1
    again = with_enrolment(shop, "insurance", at(-9), active=False)
    assert run(again, 102, pack).tag("insured").state is LIVE


def test_the_zone_of_the_latest_day_holds() -> None:
    shop = with_day(ShopTags(), PACK, day(4), 0, [], "Asia/Shanghai")
    assert with_day(shop, PACK, day(3), 0, [], "UTC").zone == "Asia/Shanghai"
    assert with_day(shop, PACK, day(5), 0, [], "Europe/Berlin").zone == "Europe/Berlin"


# ---------------------------------------------------------------- what is said, what is kept


def test_a_tag_tells_what_it_rests_on_and_until_when() -> None:
    shop = run(good_days(5), 4)
    state = shop.tag("kept")
    assert state.evidence == Evidence("pickup_24h", 300, 300, day(2), day(4))
    assert state.valid_until == day(8)


def test_a_check_makes_the_validity_longer_and_changes_nothing_else() -> None:
    shop = good_days(9)
    before, after = run(shop, 7).tag("kept"), run(shop, 8).tag("kept")
    assert after.valid_until == day(12)
    assert (before.state, before.since, before.reason) == (after.state, after.since, after.reason)


def test_another_number_is_a_change() -> None:
    before = run(told(PACK, "ship_hours", [(100 * 3600, 10)]), 0)
    after = run(told(PACK, "ship_hours", [(300 * 3600, 10)], before, first=1), 1)
    assert (before.tag("shown").value, after.tag("shown").value, after.tag("shown").since) == ("10", "20", day(0))


def test_only_what_the_rules_need_is_kept() -> None:
    shop = with_day(
        ShopTags(), PACK, day(0), 0, measures({"pickup_24h": GOOD, "keep_rate": GOOD, "ship_hours": (0, 0)})
    )
    assert shop.days[day(0)].measures == {"pickup_24h": GOOD}
    shop = run(good_days(100), 99)
    # 45 days that may be restated, and the ten before them that the first one rests on
    assert min(shop.days) == day(99 - 45 - 10 + 1)
    shop = with_score(ShopTags(), STANDARD, "2026-W36", 0, "4.8", {"score": "91", "score.quality": "80"})
    assert shop.scores[day(5)].points == {"score": "91"}


def busy(pack: TagRules = TAOBAO) -> ShopTags:
    """A shop with orders on every day and every metric, whose tags come and go."""
    chance = random.Random(7)
    shop = ShopTags()
    for definition in pack.tags:
        if definition.kind == "promise":
            shop = opted_in(shop, definition, day(0))
    shop = with_enrolment(shop, "freight_insurance", at(0), active=True)
    for place in range(100):
        counts = {
            metric: (chance.randint(180, 200), 200) for metric in sorted(pack.metrics) if not metric.startswith("score")
        }
        shop = with_day(shop, pack, day(place), 12, measures(counts), "Asia/Shanghai")
        if place % 7 == 5:
            week = f"2026-W{36 + place // 7}"
            shop = with_score(shop, pack, week, 3, "4.8", {"score": "4.812", "score.quality": "4.3"})
    shop = banned(shop, "price_protection", day(98), "fraud", "op-1")
    return decided(shop, always(pack), day(99))


def test_a_shop_is_read_as_it_was_written() -> None:
    for shop in (ShopTags(), busy(), closed(left(good_days(9), "kept", day(4)), at(7))):
        assert read_shop_tags(json.loads(compact.to_json(shop))) == shop


def test_a_busy_shops_item_stays_small() -> None:
    assert len(compact.to_json(busy(STANDARD)).encode()) < 11_000
    assert len(compact.to_json(busy(TAOBAO)).encode()) < 13_000


def test_a_state_of_a_day_is_found() -> None:
    shop = run(good_days(3), 2)
    assert tag_on(shop, "kept", day(-1)) is NONE
    assert tag_on(shop, "kept", day(0)) is LIVE
    assert tag_on(shop, "other", day(0)) is NONE
