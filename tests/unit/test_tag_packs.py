"""The packs of tags: which one holds, what it says, and what no pack may say."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tag_days import STANDARD, TAOBAO, condition, number, promise, rules

from aftercare.kernel.errors import DomainError
from aftercare.rulepacks.loader import BrokenRulePack, read_packs
from aftercare.rulepacks.scores import score_pack
from aftercare.rulepacks.tags import Condition, TagRules, tag_pack, tag_packs, tag_rules, with_bases

CHINA = ZoneInfo("Asia/Shanghai")
PACKS = [tag_pack(pack.id) for pack in read_packs("tags", TagRules)]
DEFINITIONS = [pytest.param(tag, id=f"{pack.id}/{tag.id}") for pack in PACKS for tag in pack.tags]
CONDITIONS = [
    pytest.param(each, tag.dwell_days, id=f"{pack.id}/{tag.id}/{each.metric}")
    for pack in PACKS
    for tag in pack.tags
    for each in tag.conditions
]


# ---------------------------------------------------------------- which pack


@pytest.mark.parametrize(
    ("marketplace", "moment", "pack"),
    [
        ("taobao", datetime(2025, 10, 22, 23, 59, 59, tzinfo=CHINA), "tags-standard-1"),
        ("taobao", datetime(2025, 10, 23, tzinfo=CHINA), "tags-taobao-2025-10"),
        ("tmall", datetime(2026, 11, 2, tzinfo=CHINA), "tags-taobao-2025-10"),
        ("douyin", datetime(2026, 11, 2, tzinfo=CHINA), "tags-standard-1"),
        ("shopify", datetime(2018, 5, 21, tzinfo=UTC), "tags-standard-1"),
    ],
)
def test_a_day_is_decided_by_the_pack_in_force(marketplace: str, moment: datetime, pack: str) -> None:
    assert tag_rules(marketplace, moment).id == pack


def test_a_pack_is_found_by_its_id_for_good() -> None:
    assert tag_pack("tags-standard-1").id == "tags-standard-1"
    with pytest.raises(DomainError, match="no tag pack"):
        tag_pack("tags-standard-0")


def test_packs_are_found_by_all_their_names() -> None:
    assert tag_packs() == {"standard", "taobao", "tmall"}


def test_a_pack_has_the_tags_of_the_one_it_is_based_on_and_its_own_in_their_place() -> None:
    theirs, own = {tag.id: tag for tag in STANDARD.tags}, {tag.id: tag for tag in TAOBAO.tags}
    assert {*own} - {*theirs} == {"flash_delivery"}
    assert {id_ for id_ in theirs if own[id_] != theirs[id_]} == {"fresh_date"}


@pytest.mark.parametrize("base", ["nowhere", "other"])
def test_a_pack_based_on_none_that_stands_alone_is_broken(base: str) -> None:
    other = rules(id="other", based_on="nowhere")
    with pytest.raises(BrokenRulePack, match="stands alone"):
        with_bases([rules(based_on=base), other] if base == "other" else [rules(based_on=base)])


# ---------------------------------------------------------------- what they say


def test_the_standard_pack_has_every_tag_of_the_house() -> None:
    kinds = {tag.id: tag.kind for tag in STANDARD.tags}
    assert kinds == {
        "experience_score": "value", "average_ship_time": "value", "reply_time": "value",
        "support_satisfaction": "value", "arrival_time": "value",
        "ships_24h": "promise", "ships_today": "promise", "damage_guarantee": "promise",
        "freight_insurance": "promise", "door_delivery": "promise", "fresh_date": "promise",
        "price_protection": "promise",
    }  # fmt: skip


@pytest.mark.parametrize("tag", ["ships_24h", "ships_today"])
@pytest.mark.parametrize("pack", [STANDARD, TAOBAO], ids=lambda pack: pack.id)
def test_shipping_promises_follow_their_published_rule(pack: TagRules, tag: str) -> None:
    definition = pack.tag(tag)
    assert definition is not None
    [rule] = definition.conditions
    assert (rule.window, rule.exit, rule.exit_days, rule.exit_reads) == ("order_days", Decimal("0.95"), 3, "pooled")
    assert (rule.enter, rule.enter_days, rule.enter_reads) == (Decimal("0.95"), 3, "each_day")


@pytest.mark.parametrize("tag", DEFINITIONS)
def test_a_tag_rests_on_metrics_that_are_measured(tag: Any) -> None:
    scores = score_pack("standard-1")
    known = {each.id for each in scores.metrics}
    known |= {"score", *(f"score.{dimension.id}" for dimension in scores.dimensions)}
    assert tag.metrics <= known


@pytest.mark.parametrize("tag", DEFINITIONS)
def test_a_tag_reads_a_metric_as_it_is_measured(tag: Any) -> None:
    measured = {each.id: each for each in score_pack("standard-1").metrics}
    read = [*tag.conditions, *([tag.value] if tag.value else [])]
    for each in read:
        if each.metric in measured:
            metric = measured[each.metric]
            assert each.better == metric.better
            assert (each.unit in ("hours", "seconds")) == (metric.kind == "mean")


@pytest.mark.parametrize("tag", DEFINITIONS)
def test_a_tag_has_words_in_both_languages_and_a_place(tag: Any) -> None:
    assert all((tag.name.zh, tag.name.en, tag.rule.zh, tag.rule.en, tag.places))


@pytest.mark.parametrize(("each", "dwell"), CONDITIONS)
def test_it_takes_more_to_get_a_tag_than_to_keep_it(each: Condition, dwell: int) -> None:
    by_day = each.enter_reads == "each_day" and each.exit_reads == "pooled"
    assert each.is_stricter(each.enter, each.exit) or (each.enter == each.exit and by_day)
    assert each.is_stricter(each.warn, each.exit)
    assert dwell >= 1


@pytest.mark.parametrize(("each", "dwell"), CONDITIONS)
def test_every_number_has_a_source(each: Condition, dwell: int) -> None:
    assert each.source


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.id)
def test_a_simulated_month_lies_within_what_is_kept(pack: TagRules) -> None:
    assert pack.horizon_days > 30


# ---------------------------------------------------------------- what no pack may say


def refused(message: str, *tags: dict[str, Any], **changes: Any) -> None:
    with pytest.raises(ValidationError, match=message):
        rules(*tags, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"enter": "0.9"}, "enter must be stricter"),
        ({"enter": "0.89"}, "enter must be stricter"),
        ({"better": "lower"}, "enter must be stricter"),
        ({"exit_reads": "each_day"}, "enter must be stricter"),
        ({"enter_reads": "each_day", "enter": "0.89"}, "enter must not be laxer"),
        ({"enter_reads": "each_day", "enter": "0.9", "exit_days": 11}, "enter must be stricter"),
        ({"warn": "0.9"}, "warn must be stricter"),
        ({"warn": "0.96"}, "warn must lie between"),
        ({"window": "order_days"}, "look_back_days comes with"),
        ({"look_back_days": 10}, "look_back_days comes with"),
        ({"window": "order_days", "look_back_days": 9}, "must hold the window"),
        ({"metric": "score"}, "a score is in points"),
        ({"unit": "points"}, "a score is in points"),
        ({"unit": "hours", "guard": 2}, "only a ratio has bad cases"),
        ({"unit": "hours", "exit_reads": "wilson"}, "only a ratio has bad cases"),
        ({"exit_reads": "latest"}, "only a score"),
        ({"exit_sample": 2}, "enter_sample must not be smaller"),
        ({"enter": 0.95}, "not decimal text"),
        ({"check_on": [31]}, "less than or equal to 28"),
        ({"surprise": 1}, "Extra inputs"),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    refused(message, promise("kept", condition(**changes)))


def test_bounds_that_meet_are_taken_where_every_day_has_to_reach_them() -> None:
    rules(promise("kept", condition(enter="0.9", enter_reads="each_day")))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exit_sample": 10}, "enter_sample must be greater"),
        ({"metric": "score"}, "a score is in points"),
        ({"step": "0"}, "step must be more than 0"),
    ],
)
def test_a_number_that_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    refused(message, number(**changes))


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({**number(), "kind": "promise"}, "a value tag shows a value"),
        (promise(kind="value"), "a value tag shows a value"),
        ({**number(), "service": "insurance"}, "promises nothing"),
        ({**number(), "terms": {"ship_within_hours": 24}}, "promises nothing"),
        (promise(places=[]), "at least 1 item"),
        (promise(id="Not a slug"), "should match pattern"),
    ],
)
def test_a_tag_that_makes_no_sense_is_refused(definition: dict[str, Any], message: str) -> None:
    refused(message, definition)


def test_a_tag_stands_in_a_pack_once() -> None:
    refused("more than one tag has the id kept", promise("kept"), promise("kept"))


def test_a_horizon_too_short_for_a_simulated_month_is_refused() -> None:
    refused("greater than or equal to 31", horizon_days=30)


@given(st.integers(1, 999), st.integers(1, 999), st.sampled_from(["higher", "lower"]))
def test_no_pooled_bounds_are_taken_unless_entering_is_stricter(enter: int, leave: int, better: str) -> None:
    definition = promise(
        "kept", condition(better=better, enter=f"0.{enter:03}", exit=f"0.{leave:03}", warn=f"0.{enter:03}")
    )
    if enter > leave if better == "higher" else enter < leave:
        rules(definition)
    else:
        refused("enter must be stricter", definition)
