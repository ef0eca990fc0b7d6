"""A shop's tags as they are handed to the public pages: what buyers read, and nothing more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from aftercare.events.tags import Evidence
from aftercare.events.vocabulary import Window
from aftercare.pages.tags import PublicObject
from aftercare.rulepacks.tags import TagDefinition, tag_rules
from aftercare.showcase import TagPages, TagWords, folder_of
from aftercare.tags.model.public import ShopView, TagView
from aftercare.tags.model.states import State

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
SINCE = datetime(2026, 11, 1, 16, tzinfo=UTC)
RULES = tag_rules("standard", NOW)
PAGES = TagPages("https://files.example/", "https://rules.example/tags", "https://say.example/wrong")


def definition(tag: str) -> TagDefinition:
    found = RULES.tag(tag)
    assert found is not None
    return found


def rests_on(metric: str, numerator: int, denominator: int) -> Evidence:
    window = Window.model_validate({"from": SINCE, "to": NOW})
    return Evidence(metric=metric, numerator=numerator, denominator=denominator, window=window)


def tag(id_: str = "ships_24h", **changed: Any) -> TagView:
    usual = TagView(
        definition=definition(id_),
        state=State.LIVE,
        value=None,
        since=SINCE,
        shown_since=SINCE,
        valid_until=NOW + timedelta(days=2),
        rule=RULES.id,
        reason="earned",
        revision=3,
        evidence=rests_on("pickup_24h", 493, 500),
    )
    return usual._replace(**changed)


def view(*tags: TagView, **changed: Any) -> ShopView:
    usual = ShopView("taobao:12345", "Lotus", "Asia/Shanghai", "zh", SINCE, NOW, tags or (tag(),))
    return usual._replace(**changed)


def data(found: Mapping[str, PublicObject]) -> dict[str, Any]:
    """``tags.json``, by tag."""
    [body] = [file.body for path, file in found.items() if path.endswith("/tags.json")]
    return {one["code"]: one for one in json.loads(body)["tags"]}


def shown(one: TagView, **changed: Any) -> dict[str, Any]:
    [found] = data(PAGES.files(view(one, **changed))).values()
    return dict(found)


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("id_", "value", "zh", "en"),
    [
        ("average_ship_time", "13", "平均发货时长 13小时", "Average time to ship 13 h"),
        ("support_satisfaction", "97", "客服满意度 97%", "Support satisfaction 97 %"),
        ("experience_score", "4.7", "体验分 4.7分", "Experience score 4.7 points"),
        ("reply_time", "45", "客服回复时间 45秒", "Support reply time 45 s"),
    ],
)
def test_a_number_is_said_with_its_unit(id_: str, value: str, zh: str, en: str) -> None:
    words = TagWords().words(definition(id_), value)
    assert (words.zh, words.en) == (zh, en)


@pytest.mark.parametrize("id_", ["ships_24h", "average_ship_time"])
def test_without_a_number_it_is_the_name_alone(id_: str) -> None:
    words = TagWords().words(definition(id_), None)
    assert (words.zh, words.en) == (definition(id_).name.zh, definition(id_).name.en)


# ---------------------------------------------------------------- standing


@pytest.mark.parametrize(
    ("state", "held"),
    [
        (State.LIVE, True),
        (State.AT_RISK, True),
        (State.SUSPENDED, False),
        (State.ELIGIBLE, False),
        (State.NONE, False),
        (State.BANNED, False),
    ],
)
def test_what_buyers_see_is_held_and_nothing_else_is(state: State, held: bool) -> None:
    assert shown(tag(state=state, reason="x"))["held"] is held


def test_too_little_evidence_is_no_loss() -> None:
    found = shown(tag(state=State.SUSPENDED, reason="no_evidence", valid_until=None))
    assert (found["held"], found["reason"]) == (None, "no_evidence")


@pytest.mark.parametrize("reason", ["banned", "beyond_the_bound", "left", "shop_closed", "not_enrolled"])
def test_why_a_tag_was_lost_is_not_public(reason: str) -> None:
    files = PAGES.files(view(tag(state=State.SUSPENDED, reason=reason, valid_until=None)))
    assert not any(f'"{reason}"'.encode() in file.body for file in files.values())


def test_a_tag_looks_run_out_from_its_last_moment_on() -> None:
    end = NOW + timedelta(hours=1)
    assert shown(tag(valid_until=end), seen_at=end - timedelta(microseconds=1))["held"] is True
    found = shown(tag(valid_until=end), seen_at=end)
    assert (found["held"], found["reason"], found["since"]) == (None, "expired", None)


# ---------------------------------------------------------------- numbers


def test_a_share_is_written_from_0_to_1() -> None:
    evidence = rests_on("chat_satisfaction", 977, 1000)
    found = shown(tag("support_satisfaction", value="97", evidence=evidence))
    assert (Decimal(found["value"]), found["unit"]) == (Decimal("0.97"), "ratio")
    assert (found["evidence"]["value"], found["evidence"]["unit"], found["evidence"]["n"]) == ("0.9770", "ratio", 1000)


def test_a_mean_of_hours_is_measured_in_hours() -> None:
    evidence = rests_on("ship_hours", 100 * 3600 * 12 + 3600, 100)
    found = shown(tag("average_ship_time", value="13", evidence=evidence))
    assert (found["value"], found["unit"]) == ("13", "hours")
    assert (found["evidence"]["value"], found["evidence"]["unit"]) == ("12.01", "hours")


def test_a_mean_of_seconds_stays_in_seconds() -> None:
    found = shown(tag("reply_time", value="45", evidence=rests_on("reply_seconds", 4321, 100)))
    assert (found["value"], found["unit"], found["evidence"]["value"]) == ("45", "seconds", "43.21")


def test_a_score_is_in_points_and_rests_on_no_count() -> None:
    found = shown(tag("experience_score", value="4.7", evidence=None))
    assert (found["value"], found["unit"], found["evidence"]) == ("4.7", "points", None)


def test_evidence_without_a_case_has_no_value() -> None:
    assert shown(tag(evidence=rests_on("pickup_24h", 0, 0)))["evidence"]["value"] is None


@pytest.mark.parametrize("each", RULES.tags, ids=lambda each: each.id)
def test_every_tag_of_the_house_can_be_published(each: TagDefinition) -> None:
    metric = next(iter(sorted(each.metrics)), "platform_help")
    value = "4.7" if each.kind == "value" else None
    files = PAGES.files(view(tag(each.id, value=value, evidence=rests_on(metric, 7, 9))))
    assert data(files)[each.id]["held"] is True
    assert {path.rpartition("/")[2] for path in files} >= {f"{each.id}.zh.svg", f"{each.id}.en.svg", "zh.html"}


# ---------------------------------------------------------------- the shop


def test_files_stand_in_a_folder_of_the_shop() -> None:
    assert folder_of("taobao:12345") == "shops/taobao/12345/"
    assert all(path.startswith("shops/taobao/12345/") for path in PAGES.files(view()))


def test_two_shops_never_share_a_file() -> None:
    shops = ["standard:a", "standard:a%2Fb", "standard:a:b", "taobao:a", "standard:A", "standard:茶"]
    folders = {folder_of(shop) for shop in shops}
    assert len(folders) == len(shops)
    assert not any(one != other and one.startswith(other) for one in folders for other in folders)


def test_a_shop_that_never_said_its_name_goes_by_its_id() -> None:
    [body] = [file.body for path, file in PAGES.files(view(name="")).items() if path.endswith("/tags.json")]
    assert json.loads(body)["name"] == "taobao:12345"


@pytest.mark.parametrize(("locale", "page"), [("zh", "zh"), ("zh-Hant-HK", "zh"), ("en-GB", "en"), ("pt-BR", "en")])
def test_links_lead_to_the_page_in_the_shops_language(locale: str, page: str) -> None:
    assert shown(tag(), locale=locale)["detail_url"].startswith(f"https://files.example/shops/taobao/12345/{page}.html")


def test_a_page_leads_to_the_rules_and_to_whom_one_can_object() -> None:
    files = PAGES.files(view())
    page = files["shops/taobao/12345/en.html"].body.decode()
    assert "https://rules.example/tags" in page
    assert "https://say.example/wrong" in page


def test_the_same_view_gives_the_same_bytes() -> None:
    assert PAGES.files(view()) == PAGES.files(view())
