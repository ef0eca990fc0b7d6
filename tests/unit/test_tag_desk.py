"""What a merchant and an operator see and decide of a shop's tags."""

from __future__ import annotations

from typing import Any

import pytest
from builders import SHOP
from tags import BAD, GOOD, TaggedShop, at, close_of, day, measured, revoked, scored

from aftercare.kernel.times import to_text
from aftercare.rulepacks.tags import tag_rules
from aftercare.tags.model.refusals import (
    AlreadyBanned,
    AlreadyOptedIn,
    NoSuchTag,
    NotAPromise,
    NotBanned,
    NotOptedIn,
    TagIsBanned,
)

TAG = "ships_24h"


def live_shop() -> TaggedShop:
    shop = TaggedShop(tags=[TAG])
    shop.days(0, 2, pickup_24h=GOOD)
    return shop


def look(shop: TaggedShop, tag: str = TAG) -> dict[str, Any]:
    [found] = [each for each in shop.desk().tags(SHOP)["tags"] if each["tag"] == tag]
    return dict(found)


# ---------------------------------------------------------------- a look


def test_a_shop_sees_every_tag_of_its_rules_in_their_order() -> None:
    seen = TaggedShop().desk().tags(SHOP)
    assert [each["tag"] for each in seen["tags"]] == [tag.id for tag in tag_rules("standard", at(0)).tags]
    assert (seen["shop"], seen["rules"], seen["zone"]) == (SHOP, "tags-standard-1", "Asia/Shanghai")


def test_a_shop_that_nobody_knows_has_every_tag_still_to_earn() -> None:
    seen = TaggedShop().desk().tags("taobao:unknown")
    assert (seen["rules"], seen["checked_to"]) == ("tags-taobao-2025-10", None)
    assert {(each["state"], each["reason"], each["since"]) for each in seen["tags"]} == {("none", "not_earned", None)}


def test_a_tag_that_never_was_anything_is_nothing_since_no_moment() -> None:
    shop = TaggedShop(tags=[TAG])
    shop.days(0, 2, pickup_24h=BAD)
    assert look(shop)["since"] is None


def test_a_tag_shows_its_state_its_evidence_and_how_long_it_is_valid() -> None:
    seen = look(live_shop())
    assert (seen["state"], seen["reason"], seen["opted_in"]) == ("live", "earned", True)
    assert (seen["since"], seen["valid_until"]) == (to_text(at(3)), to_text(at(6)))
    assert seen["evidence"]["metric"] == "pickup_24h"
    assert (seen["evidence"]["numerator"], seen["evidence"]["denominator"]) == (300, 300)
    assert seen["evidence"]["window"] == {"from": to_text(at(0)), "to": to_text(at(3))}
    assert seen["name"] == {"zh": "24小时发", "en": "Ships within 24 hours"}
    assert "95 %" in seen["rule"]["en"]


def test_a_number_shows_its_value_and_needs_nobody_to_take_it_on() -> None:
    shop = TaggedShop()
    shop.follow([scored("2026-W45", "4.7")])
    seen = look(shop, "experience_score")
    assert (seen["state"], seen["value"], seen["opted_in"], seen["evidence"]) == ("live", "4.7", True, None)


def test_a_warned_shop_is_told_which_metric_and_by_how_many_orders() -> None:
    shop = live_shop()
    shop.days(3, 3, pickup_24h=(89, 100))
    seen = look(shop)
    # of three days with orders, two good ones remain: with n bad ones more (200 / (200 + n)) < 95 %; the day may have
    # no good order in it
    assert seen["state"] == "at_risk"
    assert [margin["metric"] for margin in seen["margins"]] == ["pickup_24h"]
    [margin] = seen["margins"]
    lost, kept = (_with_bad_orders(shop, count) for count in (margin["bad_orders_until_lost"], -1))
    assert (lost, kept) == ("suspended", "at_risk")
    assert margin["good_orders_until_safe"] > 0


def _with_bad_orders(shop: TaggedShop, count: int) -> str:
    """The next day as it would end with so many bad orders and no good one; -1: with one less than takes the tag."""
    needed = look(shop)["margins"][0]["bad_orders_until_lost"]
    other = live_shop()
    other.days(3, 3, pickup_24h=(89, 100))
    other.days(4, 4, pickup_24h=(0, needed if count >= 0 else needed - 1))
    return other.state(TAG)


def test_one_tag_shows_its_history_the_next_seven_days_and_what_an_opt_in_would_have_shown() -> None:
    shop = live_shop()
    shop.days(3, 6, pickup_24h=BAD)
    seen = shop.desk().tag(SHOP, TAG)
    assert seen["history"] == [
        {"since_the_close_of": day(2).isoformat(), "state": "live", "reason": "earned"},
        {"since_the_close_of": day(3).isoformat(), "state": "suspended", "reason": "beyond_the_bound"},
    ]
    assert [each["day"] for each in seen["next_days"]] == [day(number).isoformat() for number in range(7, 14)]
    assert {each["state"] for each in seen["next_days"]} == {"suspended"}
    assert len(seen["if_opted_in"]) == 30


def test_a_shop_that_never_opted_in_sees_what_the_last_days_would_have_shown() -> None:
    shop = TaggedShop()
    shop.days(0, 9, pickup_24h=GOOD)
    states = {each["day"]: each["state"] for each in shop.desk().tag(SHOP, TAG)["if_opted_in"]}
    assert states[day(1).isoformat()] == "none"
    assert {states[day(number).isoformat()] for number in range(2, 10)} == {"live"}
    assert look(shop)["state"] == "eligible"


def test_a_look_changes_nothing() -> None:
    shop = live_shop()
    before = shop.kept()
    shop.desk().tags(SHOP)
    for tag in tag_rules("standard", at(0)).tags:
        shop.desk().tag(SHOP, tag.id)
    assert shop.kept() == before


# ---------------------------------------------------------------- what a merchant decides


def test_opting_in_answers_with_the_shop_as_it_stands_then() -> None:
    shop = TaggedShop()
    answer = shop.desk().opt_in(SHOP, TAG)
    [seen] = [each for each in answer["tags"] if each["tag"] == TAG]
    assert (seen["opted_in"], seen["state"]) == (True, "none")


def test_leaving_answers_that_it_is_gone() -> None:
    shop = live_shop()
    shop.run_until(at(3, "12:00:00"))
    answer = shop.desk().leave(SHOP, TAG)
    [seen] = [each for each in answer["tags"] if each["tag"] == TAG]
    assert (seen["opted_in"], seen["state"], seen["reason"]) == (False, "none", "left")
    assert seen["valid_until"] is None


def test_who_leaves_and_comes_back_on_one_day_is_shown_again_and_keeps_its_day() -> None:
    shop = live_shop()
    shop.run_until(at(3, "12:00:00"))
    shop.desk().leave(SHOP, TAG)
    shop.run_until(at(3, "13:00:00"))
    shop.desk().opt_in(SHOP, TAG)
    assert [(state, since) for state, _, since in shop.story(TAG)] == [
        ("live", at(3)),
        ("none", at(3, "12:00:00")),
        ("live", at(3)),
    ]


def test_a_name_is_kept_and_published_with_the_next_change() -> None:
    shop = live_shop()
    shop.run_until(close_of(3))
    assert shop.desk().set_profile(SHOP, {"name": " 茶叶店 ", "locale": "en"})["name"] == "茶叶店"
    shop.days(3, 3, pickup_24h=BAD)
    assert "茶叶店" in shop.bucket.files[next(path for path in shop.bucket.files if path.endswith("zh.html"))].decode()


def test_the_same_name_again_is_no_new_change_of_any_tag() -> None:
    shop = live_shop()
    said = len(shop.said)
    for _ in range(3):
        shop.desk().set_profile(SHOP, {"name": "Lotus", "locale": "zh"})
    assert len(shop.said) == said


@pytest.mark.parametrize(
    ("tag", "refusal"), [("experience_score", NotAPromise), ("nothing", NoSuchTag), (TAG, AlreadyOptedIn)]
)
def test_what_cannot_be_taken_on_is_refused(tag: str, refusal: type[Exception]) -> None:
    shop = live_shop()
    before = shop.kept()
    with pytest.raises(refusal):
        shop.desk().opt_in(SHOP, tag)
    assert shop.kept() == before


@pytest.mark.parametrize(("tag", "refusal"), [("ships_today", NotOptedIn), ("nothing", NoSuchTag)])
def test_what_was_not_taken_on_cannot_be_left(tag: str, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        live_shop().desk().leave(SHOP, tag)


def test_nobody_grants_a_tag_by_hand() -> None:
    """No word that a person can say makes a tag shown that was not earned."""
    shop = TaggedShop()
    shop.days(0, 2, pickup_24h=BAD)
    shop.desk().opt_in(SHOP, TAG)
    shop.desk().ban(SHOP, "op", TAG, {"reason": "to lift it"})
    shop.run_until(at(5))
    shop.desk().lift(SHOP, "op", TAG)
    shop.run_until(at(9))
    assert {state for state, _, _ in shop.story(TAG)} == {"banned", "none"}


# ---------------------------------------------------------------- what an operator decides


def test_a_ban_says_who_took_it_why_and_who_gave_it_back() -> None:
    shop = live_shop()
    shop.run_until(at(3, "12:00:00"))
    shop.desk().ban(SHOP, "ann", TAG, {"reason": "brushing"})
    assert look(shop)["bans"] == [
        {"from": day(3).isoformat(), "reason": "brushing", "by": "ann", "lifted_by": None},
    ]
    shop.run_until(at(5, "12:00:00"))
    shop.desk().lift(SHOP, "bob", TAG)
    assert [(ban["by"], ban["lifted_by"]) for ban in look(shop)["bans"]] == [("ann", "bob")]


def test_a_banned_promise_cannot_be_taken_on_and_a_ban_is_lifted_once() -> None:
    shop = TaggedShop()
    shop.desk().ban(SHOP, "op", TAG, {"reason": "brushing"})
    with pytest.raises(TagIsBanned):
        shop.desk().opt_in(SHOP, TAG)
    with pytest.raises(AlreadyBanned):
        shop.desk().ban(SHOP, "op", TAG, {"reason": "again"})
    shop.run_until(at(2))
    shop.desk().lift(SHOP, "op", TAG)
    with pytest.raises(NotBanned):
        shop.desk().lift(SHOP, "op", TAG)


def test_a_number_can_be_banned_too() -> None:
    shop = TaggedShop()
    shop.follow([scored("2026-W45", "4.7")])
    shop.desk().ban(SHOP, "op", "experience_score", {"reason": "forged reviews"})
    assert look(shop, "experience_score")["state"] == "banned"
    assert look(shop, "experience_score")["value"] is None


def test_a_closed_shop_sees_why_its_tags_are_gone() -> None:
    shop = live_shop()
    shop.follow([revoked(at(3, "12:00:00"))])
    assert (look(shop)["state"], look(shop)["reason"]) == ("none", "shop_closed")


def test_a_measurement_that_comes_while_a_merchant_decides_is_not_lost() -> None:
    shop = live_shop()
    shop.run_until(close_of(3))
    shop.hear(measured(3, pickup_24h=BAD))
    shop.desk().leave(SHOP, TAG)
    # suspended tags are hidden already: the close of the day makes it none
    assert look(shop)["state"] == "suspended"
    shop.run_until(at(6))
    assert look(shop)["state"] == "none"
