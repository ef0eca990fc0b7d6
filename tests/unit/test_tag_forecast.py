"""Told early: by how many orders a tag is lost or safe, what the next week brings, what would have been."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tag_days import STANDARD, Counts, always, condition, day, number, opted, promise, rules, states, told

from aftercare.rulepacks.tags import TagRules
from aftercare.tags.model.facts import with_score
from aftercare.tags.model.forecast import DayState, forecast, simulated
from aftercare.tags.model.history import decided
from aftercare.tags.model.shop import ShopTags
from aftercare.tags.model.states import State

NONE, ELIGIBLE, LIVE, AT_RISK, SUSPENDED, BANNED = State
GOOD = (100, 100)


def shop_of(
    counts: list[Counts | None],
    tag: str = "ships_24h",
    metric: str = "pickup_24h",
    pack: TagRules = STANDARD,
    *,
    opts_in: bool = True,
) -> ShopTags:
    shop = told(pack, metric, counts)
    if opts_in:
        shop = opted(shop, pack, tag)
    return decided(shop, always(pack), day(len(counts) - 1))


def after(shop: ShopTags, counts: Counts, tag: str, metric: str, pack: TagRules) -> State:
    """The state of the day after, with those orders."""
    assert shop.decided_to is not None
    place = (shop.decided_to - day(0)).days + 1
    return states(decided(told(pack, metric, [counts], shop, place), always(pack), day(place)), tag, [place])[0]


# ---------------------------------------------------------------- how many orders


def test_a_warned_shop_is_told_how_many_orders_are_left() -> None:
    # tomorrow's window is the last two days and tomorrow: 195 of 200 and 6 bad ones are 94.7 %, 5 are 95.1 %
    shop = shop_of([GOOD, GOOD, GOOD, (95, 100), GOOD])
    [margin] = forecast(shop, always(STANDARD), "ships_24h").margins
    assert margin.metric == "pickup_24h"
    assert margin.bad_until_lost == 6
    assert margin.good_until_safe == 0


def test_one_that_is_at_risk_is_told_how_many_good_ones_make_it_safe() -> None:
    # 185 of 200 come along; x good ones more are 97 % from 300 on
    shop = shop_of([GOOD, GOOD, GOOD, GOOD, (85, 100)])
    assert shop.tag("ships_24h").state is AT_RISK
    [margin] = forecast(shop, always(STANDARD), "ships_24h").margins
    assert margin.good_until_safe == 300


@given(st.lists(st.tuples(st.integers(60, 100), st.just(100)), min_size=3, max_size=6), st.booleans())
def test_exactly_so_many_orders_take_the_tag_and_one_less_does_not(counts: list[Counts], pooled: bool) -> None:
    tag, metric = ("ships_24h", "pickup_24h") if pooled else ("door_delivery", "door_delivery")
    shop = shop_of([GOOD, GOOD, GOOD, *counts], tag, metric)
    if shop.tag(tag).state not in (LIVE, AT_RISK):
        return
    [margin] = forecast(shop, always(STANDARD), tag).margins
    lost, safe = margin.bad_until_lost, margin.good_until_safe
    assert lost is not None
    assert safe is not None
    assert after(shop, (0, lost), tag, metric, STANDARD) is SUSPENDED
    if lost > 1:
        assert after(shop, (0, lost - 1), tag, metric, STANDARD) is not SUSPENDED
    if shop.tag(tag).state is AT_RISK:
        assert after(shop, (safe, safe), tag, metric, STANDARD) in (LIVE, SUSPENDED)
        if safe > 1:
            assert after(shop, (safe - 1, safe - 1), tag, metric, STANDARD) is not LIVE


def test_a_tag_that_is_not_shown_yet_tells_how_many_good_orders_get_it() -> None:
    shop = shop_of([(0, 100)], "damage_guarantee", "damage_returns")
    [margin] = forecast(shop, always(STANDARD), "damage_guarantee").margins
    assert (margin.bad_until_lost, margin.good_until_safe) == (None, 25)


def test_days_that_have_to_be_good_one_by_one_are_not_made_good_by_more_orders() -> None:
    shop = shop_of([GOOD, GOOD, GOOD, GOOD, (50, 100), GOOD])
    [margin] = forecast(shop, always(STANDARD), "ships_24h").margins
    assert margin.good_until_safe is None


def test_the_condition_that_presses_most_comes_first() -> None:
    pack = rules(promise("kept", condition(metric="easy"), condition(metric="hard")))
    shop = told(pack, "hard", [(95, 100)], told(pack, "easy", [GOOD]))
    shop = decided(opted(shop, pack, "kept"), always(pack), day(0))
    margins = forecast(shop, always(pack), "kept").margins
    assert [(margin.metric, margin.bad_until_lost) for margin in margins] == [("hard", 6), ("easy", 12)]


def test_a_time_has_no_bad_orders_to_count() -> None:
    fast = condition(metric="arrival_hours", better="lower", unit="hours", enter="10", warn="11", exit="12")
    pack = rules(promise("kept", fast))
    shop = shop_of([(36_000, 1)], "kept", "arrival_hours", pack)
    [margin] = forecast(shop, always(pack), "kept").margins
    assert (margin.bad_until_lost, margin.good_until_safe) == (None, None)


# ---------------------------------------------------------------- the next seven days


def projected(shop: ShopTags, tag: str, pack: TagRules = STANDARD) -> list[State]:
    found = forecast(shop, always(pack), tag).days
    assert shop.decided_to is not None
    assert [each.day for each in found] == [
        day((shop.decided_to - day(0)).days + ahead) for ahead in range(1, len(found) + 1)
    ]
    return [each.state for each in found]


def test_the_next_days_go_on_as_the_last_seven_days_with_orders() -> None:
    assert projected(shop_of([GOOD] * 5), "ships_24h") == [LIVE] * 7


def test_a_shop_that_gets_worse_sees_when_it_is_lost() -> None:
    shop = shop_of([(90, 100), (90, 100), (90, 100), (90, 100), GOOD, GOOD, GOOD])
    assert shop.tag("ships_24h").state is LIVE
    # 660 of 700 are 94.29 %, rounded down 94: 294, 288 and 282 of 300
    assert projected(shop, "ships_24h") == [LIVE, AT_RISK, SUSPENDED, SUSPENDED, SUSPENDED, SUSPENDED, SUSPENDED]


def test_halves_are_rounded_against_the_shop() -> None:
    # 20 good ones of 21 on two days: the mean is 10 good and half a bad one, which counts as one
    shop = shop_of([(10, 10), (10, 10), (10, 10), (10, 11)])
    assert projected(shop, "ships_24h")[-1] is SUSPENDED


def test_a_shop_without_orders_is_projected_without_orders() -> None:
    shop = decided(opted(ShopTags(), STANDARD, "ships_24h"), always(STANDARD), day(3))
    assert projected(shop, "ships_24h") == [NONE] * 7


def test_a_number_is_projected_too_and_a_score_stays_as_it_is() -> None:
    pack = rules(number(days=3, enter_sample=30, exit_sample=10))
    assert projected(shop_of([(3600 * 10, 10)], "shown", "ship_hours", pack, opts_in=False), "shown", pack) == [
        NONE, LIVE, LIVE, LIVE, LIVE, LIVE, LIVE,
    ]  # fmt: skip
    scored = decided(with_score(ShopTags(), STANDARD, "2026-W36", 0, "4.8", {}), always(STANDARD), day(17))
    assert projected(scored, "experience_score") == [LIVE] * 7


def test_a_projection_leaves_the_shop_as_it_is() -> None:
    shop = shop_of([GOOD] * 5)
    kept = shop._replace()
    forecast(shop, always(STANDARD), "ships_24h")
    simulated(shop, always(STANDARD), "ships_24h")
    assert shop == kept


@pytest.mark.parametrize("tag", ["unheard_of"])
def test_of_a_tag_that_the_rules_do_not_know_nothing_is_foretold(tag: str) -> None:
    found: Any = forecast(shop_of([GOOD]), always(STANDARD), tag)
    assert (found.margins, found.days) == ((), ())
    assert forecast(ShopTags(), always(STANDARD), "ships_24h").days == ()


# ---------------------------------------------------------------- what would have been


def test_a_shop_that_never_opted_in_sees_what_the_last_thirty_days_would_have_shown() -> None:
    counts: list[Counts | None] = [GOOD] * 20 + [(50, 100)] + [GOOD] * 19
    shop = shop_of(counts, opts_in=False)
    found = simulated(shop, always(STANDARD), "ships_24h")
    assert [each.day for each in found] == [day(place) for place in range(10, 40)]
    assert [each.state for each in found] == [LIVE] * 10 + [SUSPENDED] * 3 + [LIVE] * 17


def test_it_is_what_a_shop_that_did_opt_in_saw() -> None:
    counts: list[Counts | None] = [GOOD, (80, 100), GOOD, (90, 100), None, *[(97, 100)] * 10]
    was = shop_of(counts)
    asked = simulated(shop_of(counts, opts_in=False), always(STANDARD), "ships_24h", days=15)
    assert list(asked) == [
        DayState(day(place), state) for place, state in enumerate(states(was, "ships_24h", range(15)))
    ]


def test_no_more_days_are_simulated_than_the_evidence_goes_back() -> None:
    found = simulated(shop_of([GOOD] * 100), always(STANDARD), "ships_24h", days=90)
    assert len(found) == 45
    assert simulated(ShopTags(), always(STANDARD), "ships_24h") == ()
