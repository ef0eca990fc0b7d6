"""What is told of a shop decides its tags; every change is said once, and orders are owed what buyers saw."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from builders import SHOP
from tag_days import condition, number, promise, rules
from tags import (
    BAD,
    GOOD,
    Killed,
    Struck,
    TaggedShop,
    at,
    close_of,
    day,
    enrolled,
    measured,
    paid,
    revoked,
    scored,
)

from aftercare.events.tags import TagChanged
from aftercare.kernel.errors import MalformedInput
from aftercare.kernel.table import Key, Put
from aftercare.rulepacks import tags as packs
from aftercare.rulepacks.tags import TagRules
from aftercare.tags import keys, store
from aftercare.tags.service import Contended

THE_METRIC: dict[str, Any] = {"pickup_24h": GOOD}
RETIRED = rules(
    promise("kept", condition(enter_days=3, exit_days=3), terms={"ship_within_hours": 24}),
    id="test-1",
    marketplace="standard",
    effective_to="2026-11-11T16:00:00Z",
)
"""In force until the start of day 10 in the shop's zone."""
DAY_10 = "2026-11-11T16:00:00Z"
UseRules = Callable[..., None]


@pytest.fixture
def in_force(monkeypatch: pytest.MonkeyPatch) -> UseRules:
    """Puts rules of a test in the place of those of the house."""

    def use(*written: TagRules) -> None:
        monkeypatch.setattr(packs, "_packs", lambda: written)

    return use


def live_shop(**changed: Any) -> TaggedShop:
    """Ships within 24 hours: opted in on day 0, three good days, shown from the first moment of day 3 on."""
    shop = TaggedShop(tags=["ships_24h"], **changed)
    shop.days(0, 2, pickup_24h=GOOD)
    return shop


# ---------------------------------------------------------------- every change, once


def test_three_good_days_are_said_as_a_tag_that_begins_with_the_day_after_them() -> None:
    shop = live_shop()
    assert shop.story("ships_24h") == [("live", "earned", at(3))]
    [change] = shop.changes("ships_24h")
    assert (change.kind, change.previous, change.revision) == ("promise", "none", 1)
    assert change.evidence is not None
    assert (change.evidence.metric, change.evidence.numerator, change.evidence.denominator) == ("pickup_24h", 300, 300)
    assert (change.evidence.window.from_, change.evidence.window.to) == (at(0), at(3))
    assert change.valid_until == at(6)
    assert (change.rule, change.text.zh) == ("tags-standard-1", "24小时发")


def test_every_change_has_the_next_revision_and_what_came_before_it() -> None:
    shop = live_shop()
    shop.days(3, 3, pickup_24h=(89, 100))
    shop.days(4, 6, pickup_24h=GOOD)
    assert [(one.revision, one.previous, one.state, one.reason) for one in shop.changes("ships_24h")] == [
        (1, "none", "live", "earned"),
        (2, "live", "at_risk", "near_the_bound"),
        (3, "at_risk", "live", "safe_again"),
    ]


def test_a_bad_week_hides_it_and_three_good_days_bring_it_back() -> None:
    shop = live_shop()
    shop.days(3, 4, pickup_24h=BAD)
    shop.days(5, 7, pickup_24h=GOOD)
    assert shop.story("ships_24h") == [
        ("live", "earned", at(3)),
        ("suspended", "beyond_the_bound", at(4)),
        ("live", "regained", at(8)),
    ]


@pytest.mark.parametrize("times", [1, 3])
def test_the_same_day_told_again_says_nothing_and_writes_nothing(times: int) -> None:
    shop = live_shop()
    version = shop.table.get(keys.shop_key(SHOP))
    for _ in range(times):
        shop.hear(*(measured(number, **THE_METRIC) for number in (2, 0, 1)))
    assert shop.table.get(keys.shop_key(SHOP)) is version
    assert len(shop.said) == 1


def test_a_day_like_the_days_before_says_nothing() -> None:
    shop = live_shop()
    shop.days(3, 20, pickup_24h=GOOD)
    assert len(shop.said) == 1


def test_an_older_revision_of_a_day_changes_nothing() -> None:
    shop = live_shop()
    shop.hear(measured(2, 3, pickup_24h=BAD))
    shop.hear(measured(2, 2, pickup_24h=GOOD))
    assert shop.state("ships_24h") == "none"


def test_a_number_is_said_again_when_it_is_another_and_not_when_it_is_the_same() -> None:
    shop = TaggedShop()
    shop.days(0, 5, ship_hours=(40 * 10 * 3600, 40))
    assert [(one.state, one.value) for one in shop.changes("average_ship_time")] == [("live", "10")]
    shop.days(6, 6, ship_hours=(40 * 30 * 3600, 40))
    assert [(one.state, one.value, one.text.en) for one in shop.changes("average_ship_time")][1:] == [
        ("live", "13", "Average time to ship 13 h")
    ]


def test_a_score_that_buyers_see_is_a_tag_and_one_of_a_higher_revision_replaces_it() -> None:
    shop = TaggedShop()
    shop.follow([scored("2026-W45", "4.7"), scored("2026-W45", "4.6", 2), scored("2026-W45", "4.9", 1)])
    assert [(one.state, one.value) for one in shop.changes("experience_score")] == [("live", "4.7"), ("live", "4.6")]


def test_a_tag_that_never_was_anything_is_not_spoken_of() -> None:
    shop = TaggedShop(tags=["ships_24h"])
    shop.days(0, 9, pickup_24h=BAD)
    assert shop.said == []


def test_what_is_told_of_one_shop_changes_no_other() -> None:
    shop = live_shop()
    shop.hear(*(measured(number, 2, shop="standard:peony", pickup_24h=BAD) for number in range(3)))
    assert shop.state("ships_24h") == "live"


def test_a_shop_that_nobody_registered_is_known_by_what_is_told_of_it() -> None:
    shop = TaggedShop()
    stranger = "standard:stranger"
    shop.follow(measured(number, shop=stranger, pickup_24h=GOOD) for number in range(3))
    assert [(event.metadata.shop, event.data.tag) for _, event in shop.said if isinstance(event.data, TagChanged)] == [
        (stranger, "ships_24h")
    ]


# ---------------------------------------------------------------- since is of the day


@pytest.mark.parametrize("hours_late", [0, 1, 30, 200])
def test_since_is_the_first_moment_after_the_deciding_day_however_late_it_is_told(hours_late: float) -> None:
    shop = TaggedShop(tags=["ships_24h"])
    shop.run_until(close_of(2) + timedelta(hours=hours_late))
    shop.hear(*(measured(number, **THE_METRIC) for number in range(3)))
    assert shop.story("ships_24h") == [("live", "earned", at(3))]


def test_since_is_midnight_in_the_shops_own_zone() -> None:
    shop = TaggedShop(tags=["ships_24h"], zone="America/Sao_Paulo")
    shop.follow(measured(number, zone="America/Sao_Paulo", **THE_METRIC) for number in range(3))
    assert shop.story("ships_24h") == [("live", "earned", at(3, zone="America/Sao_Paulo"))]


def test_a_day_without_a_zone_is_a_day_of_utc() -> None:
    shop = TaggedShop(tags=["ships_24h"], zone="UTC")
    shop.follow(measured(number, zone=None, **THE_METRIC) for number in range(3))
    assert shop.story("ships_24h") == [("live", "earned", at(3, zone="UTC"))]


# ---------------------------------------------------------------- restated days


def test_a_day_restated_for_the_worse_takes_the_tag_from_the_day_that_lost_it() -> None:
    shop = live_shop()
    shop.days(3, 8, pickup_24h=GOOD)
    shop.hear(measured(4, 2, pickup_24h=BAD))
    # the three days from 5 on brought it back
    assert shop.story("ships_24h")[1:] == [("live", "regained", at(8))]
    assert shop.runs()["ships_24h"] == [(day(2), "live"), (day(4), "suspended"), (day(7), "live")]


def test_a_day_restated_for_the_better_gives_the_tag_back_from_the_day_it_would_have_been_earned() -> None:
    shop = TaggedShop(tags=["ships_24h"])
    shop.follow([measured(0, pickup_24h=GOOD), measured(1, pickup_24h=BAD), measured(2, pickup_24h=GOOD)])
    assert shop.said == []
    shop.run_until(at(3, "12:00:00"))
    shop.hear(measured(1, 2, pickup_24h=GOOD))
    assert shop.story("ships_24h") == [("live", "earned", at(3))]


def test_evidence_that_disappears_takes_the_tag_and_says_that_it_was_restated() -> None:
    """By what is known now the tag never was anything, from the moment on at which it was said to begin."""
    shop = live_shop()
    shop.run_until(at(3, "12:00:00"))
    shop.hear(measured(2, 2))
    assert shop.story("ships_24h")[1:] == [("none", "restated", at(3))]


def test_a_withdrawn_tag_has_the_same_since_whenever_it_was_restated() -> None:
    sinces = set()
    for hours in (1, 5):
        shop = live_shop()
        shop.run_until(close_of(2) + timedelta(hours=hours))
        shop.hear(measured(2, 2))
        sinces.add(shop.story("ships_24h")[-1])
    assert len(sinces) == 1


def test_what_was_restated_away_and_comes_back_is_said_both_times() -> None:
    shop = live_shop()
    shop.hear(measured(2, 2, pickup_24h=BAD), measured(2, 3, pickup_24h=GOOD))
    assert [state for state, _, _ in shop.story("ships_24h")] == ["live", "none", "live"]


def test_a_restatement_older_than_the_horizon_is_not_heard_any_more() -> None:
    shop = live_shop()
    shop.days(3, 50, pickup_24h=GOOD)
    shop.hear(measured(2, 9, pickup_24h=BAD))
    assert len(shop.said) == 1


# ---------------------------------------------------------------- the daily look


def test_the_shop_is_looked_at_every_morning_at_five_of_its_own_zone() -> None:
    shop = live_shop()
    looks = []
    for _ in range(4):
        looks.append(shop.armed_for())
        assert looks[-1] is not None
        shop.run_until(looks[-1])
    assert looks == [at(number, "05:00:00") for number in range(4, 8)]


def test_a_shop_that_has_no_tag_and_wants_none_is_not_looked_at() -> None:
    shop = TaggedShop()
    assert shop.armed_for() is None
    shop.days(0, 2, pickup_24h=BAD)
    assert shop.armed_for() is None


def test_days_without_orders_keep_the_tag_until_the_evidence_is_too_old() -> None:
    shop = live_shop()
    shop.run_until(at(60))
    # of 30 days looked back at, the last ends with day 31: nothing is left on day 32
    assert shop.story("ships_24h")[1:] == [("suspended", "no_evidence", at(33))]


def test_a_look_that_finds_nothing_says_nothing_but_is_valid_longer() -> None:
    shop = live_shop()
    shop.run_until(at(10))
    assert len(shop.said) == 1
    assert shop.kept().tags.tag("ships_24h").valid_until == day(12)


def test_a_look_before_five_waits_for_the_days_measures() -> None:
    shop = live_shop()
    shop.clock.time = at(4, "04:59:00")
    shop.keeper().wake(keys.shop_key(SHOP))
    assert shop.kept().tags.decided_to == day(2)
    assert shop.armed_for() == at(4, "05:00:00")


def test_a_day_that_is_measured_after_the_look_is_decided_anew() -> None:
    shop = live_shop()
    shop.run_until(at(4, "09:00:00"))
    shop.hear(measured(3, pickup_24h=BAD))
    assert shop.story("ships_24h")[1:] == [("suspended", "beyond_the_bound", at(4))]


def test_a_keeper_that_slept_for_weeks_decides_every_day_it_missed() -> None:
    in_time, late = live_shop(), live_shop()
    told = [measured(number, pickup_24h=BAD if 5 <= number < 8 else GOOD) for number in range(3, 20)]
    in_time.follow(told)
    late.sleep_until(at(21))
    late.hear(*reversed(told))
    in_time.run_until(at(21))
    assert late.runs() == in_time.runs()
    assert late.story("ships_24h")[-1] == in_time.story("ships_24h")[-1]


def test_a_score_that_nobody_follows_up_goes_after_two_weeks() -> None:
    shop = TaggedShop()
    shop.follow([scored("2026-W45", "4.7")])
    shop.run_until(at(40))
    # W45 ends with day 6
    assert shop.story("experience_score") == [("live", "earned", at(7)), ("suspended", "no_evidence", at(21))]


def test_a_score_that_is_told_before_its_sunday_can_be_decided_is_looked_at_when_it_can() -> None:
    shop = TaggedShop()
    shop.follow([scored("2026-W45", "4.7", told="03:00:30")])
    shop.run_until(at(8))
    assert shop.story("experience_score") == [("live", "earned", at(7))]


def test_a_shop_that_enrols_is_told_what_it_may_take_on() -> None:
    shop = TaggedShop()
    shop.follow([enrolled("freight_insurance", at(0, "09:00:00"))])
    shop.run_until(at(2))
    assert shop.story("freight_insurance") == [("eligible", "earned", at(1))]


# ---------------------------------------------------------------- what people decide


def test_a_tag_that_is_earned_waits_for_the_merchant() -> None:
    shop = TaggedShop()
    shop.days(0, 2, pickup_24h=GOOD)
    shop.desk().opt_in(SHOP, "ships_24h")
    assert shop.state("ships_24h") == "eligible"
    shop.days(3, 3, pickup_24h=GOOD)
    assert shop.story("ships_24h") == [("eligible", "earned", at(3)), ("live", "earned", at(4))]


def test_leaving_hides_it_at_once_and_the_close_of_the_day_says_the_same() -> None:
    shop = live_shop()
    shop.run_until(at(3, "12:00:00"))
    shop.desk().leave(SHOP, "ships_24h")
    assert shop.story("ships_24h")[1:] == [("none", "left", at(3, "12:00:00"))]
    shop.days(3, 4, pickup_24h=GOOD)
    assert shop.state("ships_24h") == "eligible"
    assert shop.runs()["ships_24h"][-1] == (day(3), "eligible")


def test_a_merchant_who_left_is_not_shown_again_by_a_restated_day() -> None:
    shop = live_shop()
    shop.run_until(at(3, "12:00:00"))
    shop.desk().leave(SHOP, "ships_24h")
    shop.hear(measured(2, 2, pickup_24h=(99, 100)))
    assert shop.state("ships_24h") == "none"


def test_a_ban_takes_it_at_once_and_whoever_was_banned_earns_it_anew() -> None:
    shop = live_shop()
    shop.run_until(at(3, "12:00:00"))
    shop.desk().ban(SHOP, "op", "ships_24h", {"reason": "brushing"})
    assert shop.story("ships_24h")[1:] == [("banned", "banned", at(3, "12:00:00"))]
    shop.days(3, 5, pickup_24h=GOOD)
    shop.desk().lift(SHOP, "op", "ships_24h")
    assert shop.state("ships_24h") == "banned"
    shop.days(6, 7, pickup_24h=GOOD)
    assert [(state, since) for state, _, since in shop.story("ships_24h")[-2:]] == [("none", at(7)), ("live", at(8))]


def test_a_ban_that_is_lifted_on_the_same_day_moves_along_the_table() -> None:
    """Nobody goes from banned to shown in one step: not in a day's close, and not by what is said either."""
    shop = live_shop()
    shop.run_until(at(3, "12:00:00"))
    shop.desk().ban(SHOP, "op", "ships_24h", {"reason": "by mistake"})
    shop.desk().lift(SHOP, "op", "ships_24h")
    moves = [(one.previous, one.state) for one in shop.changes("ships_24h")]
    assert ("banned", "live") not in moves


def test_a_closed_shop_has_no_tags_at_once_and_for_good() -> None:
    shop = live_shop()
    shop.follow([revoked(at(3, "12:00:00"))])
    assert shop.story("ships_24h")[1][:2] == ("none", "shop_closed")
    shop.days(3, 12, pickup_24h=GOOD)
    assert shop.state("ships_24h") == "none"
    assert shop.held() == {"ships_24h": False}


def test_an_enrolment_that_ends_takes_the_tag_that_rests_on_it() -> None:
    shop = TaggedShop(tags=["freight_insurance"])
    shop.follow([enrolled("freight_insurance", at(0, "09:00:00"))])
    shop.run_until(at(1, "06:00:00"))
    assert shop.story("freight_insurance") == [("live", "earned", at(1))]
    shop.follow([enrolled("freight_insurance", at(4, "09:00:00"), active=False)])
    shop.run_until(at(6))
    assert shop.story("freight_insurance")[1:] == [("suspended", "not_enrolled", at(5))]


# ---------------------------------------------------------------- rules that change


def test_a_tag_whose_rule_ended_is_gone_with_the_first_day_that_has_none(in_force: UseRules) -> None:
    in_force(RETIRED, rules(promise("other", condition()), id="test-2", effective_from=DAY_10, marketplace="standard"))
    shop = TaggedShop(tags=["kept"])
    shop.days(0, 14, pickup_24h=GOOD)
    assert shop.story("kept") == [("live", "earned", at(1)), ("none", "rule_ended", at(11))]
    assert {one.rule for one in shop.changes("kept")} == {"test-1"}, "the only rules that know it"
    assert shop.held() == {"kept": False}


def test_of_a_tag_that_ended_long_ago_nothing_more_is_said(in_force: UseRules) -> None:
    in_force(RETIRED, rules(promise("other", condition()), id="test-2", effective_from=DAY_10, marketplace="standard"))
    shop = TaggedShop(tags=["kept"])
    shop.days(0, 90, pickup_24h=GOOD)
    assert [(state, reason) for state, reason, _ in shop.story("kept")] == [("live", "earned"), ("none", "rule_ended")]


def test_orders_of_the_last_day_of_a_rule_are_owed_it_though_the_tag_was_warned_on_that_day(in_force: UseRules) -> None:
    in_force(RETIRED, rules(promise("other", condition()), id="test-2", effective_from=DAY_10, marketplace="standard"))
    shop = TaggedShop(tags=["kept"])
    shop.days(0, 8, pickup_24h=GOOD)
    shop.days(9, 9, pickup_24h=(75, 100))
    assert shop.story("kept")[-1] == ("at_risk", "near_the_bound", at(10))
    shop.hear(paid("A1", at(10, "12:00:00")))
    assert [(one.tag, one.terms) for one in shop.promises("A1")] == [("kept", "kept@test-1")]


def test_a_merchant_can_leave_a_promise_on_the_day_its_rule_ends(in_force: UseRules) -> None:
    in_force(RETIRED, rules(promise("other", condition()), id="test-2", effective_from=DAY_10, marketplace="standard"))
    shop = TaggedShop(tags=["kept"])
    shop.days(0, 9, pickup_24h=GOOD)
    shop.run_until(at(10, "12:00:00"))
    assert shop.state("kept") == "live"
    shop.desk().leave(SHOP, "kept")
    assert shop.state("kept") == "none"


def test_new_terms_of_a_tag_that_stays_are_said_and_hold_for_the_orders_that_see_them(in_force: UseRules) -> None:
    changed = promise("kept", condition(enter_days=3, exit_days=3), terms={"ship_within_hours": 12})
    in_force(RETIRED, rules(changed, id="test-2", effective_from=DAY_10, marketplace="standard"))
    shop = TaggedShop(tags=["kept"])
    shop.days(0, 9, pickup_24h=GOOD)
    shop.run_until(at(10, "12:00:00"))
    shop.hear(paid("A1", at(9, "12:00:00")), paid("A2", at(10, "12:00:00")))
    assert [(one.state, one.rule) for one in shop.changes("kept")] == [("live", "test-1"), ("live", "test-2")]
    assert [(one.order_id, one.terms, one.ship_by) for one in shop.promises()] == [
        ("A1", "kept@test-1", at(10, "12:00:00")),
        ("A2", "kept@test-2", at(11, "00:00:00")),
    ]


def test_a_stricter_rule_decides_the_days_from_its_start_on(in_force: UseRules) -> None:
    stricter = promise("kept", condition(enter_days=3, exit_days=3, enter="0.999", warn="0.99", exit="0.98"))
    in_force(RETIRED, rules(stricter, id="test-2", effective_from=DAY_10, marketplace="standard"))
    shop = TaggedShop(tags=["kept"])
    shop.days(0, 14, pickup_24h=(96, 100))
    assert shop.runs()["kept"] == [(day(0), "live"), (day(10), "suspended")]
    first, *_, last = shop.changes("kept")
    assert (first.state, first.rule) == ("live", "test-1")
    assert (last.state, last.rule) == ("suspended", "test-2")


# ---------------------------------------------------------------- what orders are owed


def test_an_order_paid_while_the_promise_was_shown_is_owed_it() -> None:
    shop = live_shop()
    shop.follow([paid("A1", at(3, "10:00:00"))])
    [promised] = shop.promises()
    assert (promised.order_id, promised.source, promised.tag) == ("A1", "tag", "ships_24h")
    assert promised.terms == "ships_24h@tags-standard-1"
    assert (promised.ship_by, promised.deliver_by) == (at(4, "10:00:00"), None)
    assert (promised.door_delivery, promised.made_at) == (None, at(3, "10:00:00"))


@pytest.mark.parametrize(("clock", "ship_by"), [("15:59:59", at(4)), ("16:00:00", at(5)), ("23:59:59", at(5))])
def test_ships_today_is_due_at_the_end_of_the_day_or_of_the_next(clock: str, ship_by: datetime) -> None:
    shop = TaggedShop(tags=["ships_today"])
    shop.days(0, 2, pickup_today=GOOD)
    shop.follow([paid("A1", at(3, clock))])
    assert [(one.tag, one.ship_by) for one in shop.promises()] == [("ships_today", ship_by)]


def test_delivery_to_the_door_is_promised_without_a_time() -> None:
    shop = TaggedShop(tags=["door_delivery"])
    shop.days(0, 2, door_delivery=(500, 500))
    shop.follow([paid("A1", at(3, "10:00:00"))])
    assert [(one.tag, one.door_delivery, one.ship_by) for one in shop.promises()] == [("door_delivery", True, None)]


def test_every_promise_that_was_shown_is_owed_and_no_number_is() -> None:
    shop = TaggedShop(tags=["ships_24h", "ships_today", "price_protection"])
    shop.days(0, 2, pickup_24h=GOOD, pickup_today=GOOD, platform_help=(0, 500), ship_hours=(360_000, 100))
    assert shop.state("average_ship_time") == "live"
    shop.follow([paid("A1", at(3, "10:00:00"))])
    assert {one.tag for one in shop.promises()} == {"ships_24h", "ships_today", "price_protection"}


@pytest.mark.parametrize("gone_by", ["leaving", "a ban", "closing", "a bad day"])
def test_an_order_is_owed_it_when_it_is_heard_of_after_the_tag_was_gone(gone_by: str) -> None:
    shop = live_shop()
    shop.run_until(at(3, "12:00:00"))
    match gone_by:
        case "leaving":
            shop.desk().leave(SHOP, "ships_24h")
        case "a ban":
            shop.desk().ban(SHOP, "op", "ships_24h", {"reason": "brushing"})
        case "closing":
            shop.hear(revoked(at(3, "12:00:00")))
        case _:
            shop.days(3, 3, pickup_24h=BAD)
    assert shop.state("ships_24h") in ("none", "banned", "suspended")
    shop.run_until(at(40))
    shop.hear(paid("A1", at(3, "11:59:59")), paid("A2", at(4, "12:00:00")))
    assert [one.order_id for one in shop.promises()] == ["A1"]


def test_an_order_paid_before_buyers_saw_it_is_not_owed_it_though_the_day_it_counts_from_had_begun() -> None:
    shop = live_shop()
    # it counts from midnight, and was decided at three
    shop.hear(paid("A1", at(3, "02:59:59")), paid("A2", at(3, "03:00:00")))
    assert [one.order_id for one in shop.promises()] == ["A2"]


def test_a_restatement_takes_nothing_from_an_order_that_saw_the_promise() -> None:
    shop = live_shop()
    shop.run_until(at(3, "12:00:00"))
    shop.hear(measured(2, 2, pickup_24h=BAD))
    shop.hear(paid("A1", at(3, "11:00:00")), paid("A2", at(3, "12:00:00")))
    assert [one.order_id for one in shop.promises()] == ["A1"]


def test_a_restatement_gives_nothing_to_an_order_that_never_saw_it() -> None:
    shop = TaggedShop(tags=["ships_24h"])
    shop.days(0, 2, pickup_24h=BAD)
    shop.run_until(at(5))
    shop.hear(*(measured(number, 2, pickup_24h=GOOD) for number in range(3)))
    assert shop.story("ships_24h") == [("live", "earned", at(3))]
    shop.hear(paid("A1", at(4)), paid("A2", at(5)))
    assert [one.order_id for one in shop.promises()] == ["A2"]


def test_a_warned_tag_still_binds() -> None:
    shop = live_shop()
    shop.days(3, 3, pickup_24h=(89, 100))
    assert shop.state("ships_24h") == "at_risk"
    shop.hear(paid("A1", at(4, "12:00:00")))
    assert [one.tag for one in shop.promises()] == ["ships_24h"]


def test_an_order_heard_of_twice_is_promised_once() -> None:
    shop = live_shop()
    order = paid("A1", at(3, "10:00:00"))
    shop.follow([order, order])
    shop.run_until(at(20))
    shop.hear(order)
    assert len(shop.promises()) == 1


def test_the_same_order_number_of_another_shop_is_another_order() -> None:
    shop = live_shop()
    other = TaggedShop(shop="standard:peony", tags=["ships_24h"])
    other.table = shop.table
    shop.follow([paid("A1", at(3, "10:00:00")), paid("A1", at(3, "10:00:00"), shop="standard:peony")])
    assert len(shop.promises()) == 1


@pytest.mark.parametrize("what", ["a shop without tags", "a shop that nobody knows"])
def test_an_order_that_is_owed_nothing_leaves_no_trace(what: str) -> None:
    shop = TaggedShop()
    name = SHOP if what == "a shop without tags" else "standard:stranger"
    shop.hear(paid("A1", at(0, "10:00:00"), shop=name))
    assert shop.table.get(keys.promised_key(name, "A1")) is None
    assert shop.said == []


# ---------------------------------------------------------------- at the same time


def test_a_change_that_came_in_between_is_not_lost() -> None:
    shop = TaggedShop(tags=["ships_24h"])
    shop.days(0, 1, pickup_24h=GOOD)
    shop.run_until(close_of(2))
    struck = Struck(1, lambda: shop.desk().opt_in(SHOP, "ships_today"))
    shop.keeper(struck).take_in(measured(2, pickup_24h=GOOD))
    assert shop.state("ships_24h") == "live"
    assert set(shop.kept().tags.opt_ins) == {"ships_24h", "ships_today"}


def test_who_never_gets_through_is_called_again() -> None:
    shop = live_shop()

    names = itertools.count()

    class Busy:
        def get(self, key: Key) -> Any:
            found = shop.table.get(key)
            shop.desk().set_profile(SHOP, {"name": f"Lotus {next(names)}", "locale": "zh"})
            return found

        def write(self, put: Put) -> None:
            shop.table.write(put)

    keeper = shop.keeper()
    keeper._table = Busy()  # type: ignore[assignment]
    with pytest.raises(Contended):
        keeper.take_in(measured(3, pickup_24h=BAD))
    assert shop.state("ships_24h") == "live"


# ---------------------------------------------------------------- size and calls

METRICS = sorted(packs.tag_rules("standard", datetime(2026, 11, 1, tzinfo=UTC)).metrics - {packs.SCORE})
DYNAMODB_ITEM = 400 * 1024


def busy_shop() -> TaggedShop:
    """Millions of cases a day, restated often, with every promise taken on, left and taken on again for months."""
    standard = packs.tag_rules("standard", datetime(2026, 11, 1, tzinfo=UTC))
    promises = [tag.id for tag in standard.tags if tag.kind == "promise"]
    shop = TaggedShop(tags=promises, name="茶" * 120)
    for place in range(120):
        counts: dict[str, Any] = dict.fromkeys(METRICS, (3 if place % 4 == 3 else 12_345_678, 12_345_679))
        shop.run_until(close_of(place))
        shop.keeper().take_in(measured(place, 999, **counts))
        for tag in promises:
            if place % 7 == 6:
                shop.desk().leave(SHOP, tag)
            if place % 7 == 0 and place:
                shop.desk().opt_in(SHOP, tag)
        shop.pending.clear()
    return shop


def test_the_item_of_a_busy_shop_stays_far_below_what_dynamodb_stores() -> None:
    item = busy_shop().table.get(keys.shop_key(SHOP))
    assert item is not None
    assert sum(len(str(value).encode()) for value in item.values()) < DYNAMODB_ITEM / 8


def test_a_shop_that_outgrew_its_item_is_refused_and_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = live_shop()
    before = shop.table.get(keys.shop_key(SHOP))
    monkeypatch.setattr(store, "LARGEST_STATE", 400)
    with pytest.raises(MalformedInput, match="do not fit"):
        shop.keeper().take_in(measured(3, pickup_24h=BAD))
    assert shop.table.get(keys.shop_key(SHOP)) is before


def calls_of(shop: TaggedShop, told: Any) -> dict[str, int]:
    struck = Struck()
    shop.keeper(struck).take_in(told)
    return dict(struck.calls)


def test_a_day_costs_one_read_and_one_write_and_a_repeated_one_the_read_alone() -> None:
    shop = live_shop()
    shop.run_until(close_of(3))
    assert calls_of(shop, measured(3, pickup_24h=BAD)) == {"get": 1, "write": 1}
    assert calls_of(shop, measured(3, pickup_24h=BAD)) == {"get": 1}


def test_an_order_costs_one_read_and_one_that_is_owed_a_promise_one_write_more() -> None:
    shop = live_shop()
    assert calls_of(shop, paid("A1", at(2))) == {"get": 1}
    assert calls_of(shop, paid("A2", at(3, "03:00:00"))) == {"get": 1, "write": 1}


def test_the_daily_look_costs_one_read_and_one_write() -> None:
    shop, struck = live_shop(), Struck()
    shop.clock.time = at(4, "05:00:00")
    shop.keeper(struck).wake(keys.shop_key(SHOP))
    assert dict(struck.calls) == {"get": 1, "write": 1}


# ---------------------------------------------------------------- killed at every call


def test_a_keeper_killed_at_any_call_says_everything_once() -> None:
    expected = live_shop()
    expected.run_until(close_of(3))
    told = [measured(3, pickup_24h=BAD), paid("A1", at(3, "10:00:00")), paid("A2", at(4, "05:00:00"))]
    expected.hear(*told)
    for one in told:
        for moment in range(4):
            shop = live_shop()
            shop.run_until(close_of(3))
            for each in told:
                if each is one:
                    struck = Struck(moment)
                    with suppress(Killed):
                        shop.keeper(struck).take_in(each)
                shop.hear(each)
            assert shop.story("ships_24h") == expected.story("ships_24h")
            assert shop.promises() == expected.promises()


ONE_NUMBER = rules(number("shown"), marketplace="standard")


def test_a_number_below_its_sample_is_taken_away_and_comes_back_after_the_dwell(in_force: UseRules) -> None:
    in_force(ONE_NUMBER)
    shop = TaggedShop()
    shop.days(0, 0, ship_hours=(36_000, 10))
    shop.run_until(at(11, "06:00:00"))
    assert shop.story("shown") == [("live", "earned", at(1)), ("suspended", "no_evidence", at(11))]
    shop.days(11, 13, ship_hours=(36_000, 10))
    assert shop.story("shown")[2:] == [("live", "regained", at(13))]
