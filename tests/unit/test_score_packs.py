"""The packs of scores: which one holds, what it says, and that their page says the same."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aftercare.events.vocabulary import RefundReason
from aftercare.kernel.errors import DomainError
from aftercare.rulepacks.loader import BrokenRulePack, parse_pack, read_packs
from aftercare.rulepacks.scores import Metric, ScoreRules, category_tables, score_pack, score_packs, score_rules
from aftercare.scores.model.statistics import height_at

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "layers" / "aftercare" / "aftercare" / "rulepacks" / "scores"
PAGE = (ROOT / "docs" / "scores.md").read_text(encoding="utf-8")
SAMPLE = (FOLDER / "categories" / "sample.toml").read_text(encoding="utf-8")
PACKS: tuple[ScoreRules, ...] = read_packs("scores", ScoreRules)
STANDARD = score_pack("standard-1")
CHINA = ZoneInfo("Asia/Shanghai")

every_pack = pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.id)


def standard(**changes: Any) -> ScoreRules:
    text = (FOLDER / "standard-1.toml").read_text(encoding="utf-8")
    return ScoreRules.model_validate({**tomllib.loads(text), **changes})


def metric(id_: str, **changes: Any) -> dict[str, Any]:
    written: list[dict[str, Any]] = tomllib.loads((FOLDER / "standard-1.toml").read_text(encoding="utf-8"))["metrics"]
    return {**next(each for each in written if each["id"] == id_), **changes}


# ---------------------------------------------------------------- which pack


@pytest.mark.parametrize(
    ("marketplace", "moment", "pack"),
    [
        ("taobao", datetime(2026, 3, 4, 23, 59, 59, tzinfo=CHINA), "taobao-2025-06"),
        ("taobao", datetime(2026, 3, 5, tzinfo=CHINA), "taobao-2026-03"),
        ("tmall", datetime(2026, 11, 2, tzinfo=CHINA), "taobao-2026-03"),
        ("taobao", datetime(2025, 5, 31, tzinfo=CHINA), "standard-1"),
        ("douyin", datetime(2026, 9, 7, 23, 59, 59, tzinfo=CHINA), "standard-1"),
        ("doudian", datetime(2026, 9, 8, tzinfo=CHINA), "douyin-2026-09"),
        ("shopify", datetime(2018, 5, 21, tzinfo=UTC), "standard-1"),
    ],
)
def test_a_week_is_scored_by_the_pack_in_force(marketplace: str, moment: datetime, pack: str) -> None:
    assert score_rules(marketplace, moment).id == pack


def test_what_was_published_by_a_pack_can_be_scored_by_it_for_good() -> None:
    assert score_pack("taobao-2025-06").effective_to is not None
    with pytest.raises(DomainError, match="no score pack"):
        score_pack("taobao-2019")


def test_packs_are_found_by_all_their_names() -> None:
    assert score_packs() == {"standard", "taobao", "tmall", "douyin", "doudian"}


# ---------------------------------------------------------------- what it says


def test_the_standard_packs_metrics_weigh_a_hundred_together() -> None:
    weights = {each.id: each.weight for each in STANDARD.metrics if each.weight}
    assert weights == {
        "on_time_pickup": 12, "on_time_delivery": 5, "ship_hours": 2, "arrival_hours": 5, "positive_rating": 9,
        "negative_feedback": 16, "damage_returns": 3, "trace_anomalies": 4, "reply_3min": 12, "reply_seconds": 4,
        "chat_satisfaction": 8, "refund_hours": 6, "refund_refusals": 4, "platform_help": 8, "door_delivery": 2,
    }  # fmt: skip
    for dimension in STANDARD.dimensions:
        assert dimension.weight == sum(each.weight for each in STANDARD.metrics if each.dimension == dimension.id)
    unscored = {each.id for each in STANDARD.metrics if not each.weight}
    assert unscored == {
        "pickup_24h", "pickup_today", "net_keep_rate.offer", "net_keep_rate.hold_out", "justified_refusals",
        "valid_orders", "next_day_share",
    }  # fmt: skip


@every_pack
def test_a_prior_is_worth_the_usual_points(pack: ScoreRules) -> None:
    priors = [(each, each.prior) for each in pack.metrics if each.prior is not None]
    assert {height_at(each.tiers, prior) for each, prior in priors} <= {Decimal(80)}


@every_pack
def test_every_dimension_is_measured_and_every_reason_known(pack: ScoreRules) -> None:
    assert {each.dimension for each in pack.metrics if each.weight} == {each.id for each in pack.dimensions}
    assert {reason for each in pack.metrics for reason in each.reasons} <= {code.value for code in RefundReason}


@every_pack
def test_everybody_is_shown_three_to_five_and_weighed_a_fifth_more_or_less(pack: ScoreRules) -> None:
    curve = pack.service_weight.curve
    assert (pack.display[0][1], pack.display[-1][1]) == (3, 5)
    assert (curve[0][1], curve[-1][1]) == (Decimal("0.8"), Decimal("1.2"))


def test_one_bad_case_alone_moves_no_rate_of_the_standard_pack() -> None:
    assert all(each.guard > 1 for each in STANDARD.metrics if each.weight and each.kind != "mean")


# ---------------------------------------------------------------- category tables


def test_a_category_has_its_own_weights_and_tiers() -> None:
    tables = category_tables("sample.toml", SAMPLE)
    rules = score_pack("taobao-2026-03").for_category("sample", tables)
    feedback = next(each for each in rules.metrics if each.id == "negative_feedback")
    assert (feedback.weight, height_at(feedback.tiers, Decimal("0.02"))) == (60, 4)
    assert [each.weight for each in rules.dimensions] == [30, 30, 40]
    assert score_pack("taobao-2026-03").for_category("other", tables) == score_pack("taobao-2026-03")


def test_a_metric_with_a_table_of_its_own_is_not_measured_against_peers() -> None:
    text = (
        'pack = "standard-1"\n[[categories]]\ncategory = "fresh"\nsource = "invented"\n[categories.metrics]\n'
        'arrival_hours = { tiers = [["24", "100"], ["48", "50"]] }\n'
    )
    rules = STANDARD.for_category("fresh", category_tables("fresh.toml", text))
    assert {each.id for each in STANDARD.metrics if each.by_peers} - {
        each.id for each in rules.metrics if each.by_peers
    } == {"arrival_hours"}


def test_douyins_published_weights_come_with_the_pack() -> None:
    fashion = score_pack("douyin-2026-09").for_category("fashion")
    assert [each.weight for each in fashion.dimensions] == [50, 25, 25]
    service = [each.weight for each in fashion.metrics if each.dimension == "service"]
    assert service == [25, 30, 15, 30]


def test_the_sample_says_that_it_is_one() -> None:
    assert SAMPLE.startswith("# SAMPLE: an invented category")
    assert [table.source for table in category_tables("sample.toml", SAMPLE).categories] == ["invented"]


def test_tables_for_another_pack_or_of_unknown_metrics_are_refused() -> None:
    tables = category_tables("sample.toml", SAMPLE)
    with pytest.raises(DomainError, match="for taobao-2026-03, not for standard-1"):
        STANDARD.for_category("sample", tables)
    wrong = category_tables("wrong.toml", SAMPLE.replace("positive_rating", "positive_ratings"))
    with pytest.raises(DomainError, match="has no positive_ratings, named by category sample"):
        score_pack("taobao-2026-03").for_category("sample", wrong)
    with pytest.raises(ValueError, match="make 100"):
        score_pack("taobao-2026-03").for_category(
            "sample", category_tables("wrong.toml", SAMPLE.replace("quality = 30", "quality = 31"))
        )


# ---------------------------------------------------------------- what is refused


def test_a_number_that_is_not_text_is_refused() -> None:
    text = (FOLDER / "standard-1.toml").read_text(encoding="utf-8").replace('lowest = "50"', "lowest = 50.0")
    with pytest.raises(BrokenRulePack, match=r"scores/x.toml: lowest: .*is not decimal text"):
        parse_pack("scores/x.toml", text, ScoreRules)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"tiers": [["0.9", "80"], ["0.8", "50"]]}, "each greater"),
        ({"tiers": [["0.8", "80"], ["0.9", "50"]]}, "must rise"),
        ({"tiers": []}, "needs a dimension and tiers"),
        ({"strength": "0"}, "prior and strength"),
        ({"prior": None, "strength": "0"}, "needs a prior"),
        ({"kind": "count"}, "better when it is lower"),
        ({"kind": "mean", "guard": 3}, "no bad cases"),
        ({"cap_seconds": 5}, "for metrics of time"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_a_metric_that_contradicts_itself_is_refused(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Metric.model_validate(metric("on_time_pickup", **changes))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"dimensions": [{"id": "quality", "weight": 99}]}, "make 100"),
        ({"dimensions": [{"id": "quality", "weight": 100}]}, "no dimension is named logistics, service"),
        ({"metrics": [metric("reply_3min"), metric("reply_3min")]}, "the id reply_3min"),
        ({"peers": None}, "need \\[peers\\]"),
        ({"display": [["50", "5"], ["100", "3"]]}, "display must rise"),
    ],
)
def test_a_pack_that_contradicts_itself_is_refused(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        standard(**changes)


# ---------------------------------------------------------------- its page


@every_pack
def test_the_page_lists_every_pack(pack: ScoreRules) -> None:
    others = ", ".join(f"`{alias}`" for alias in pack.aliases)
    day = pack.effective_from.astimezone(CHINA if pack.effective_from.year > 1970 else UTC).date()
    assert f"| `{pack.id}` | `{pack.marketplace}` | {others} | {day} |" in PAGE


def test_the_page_defines_the_standard_packs_metrics_as_the_pack_does() -> None:
    rows = re.findall(r"^\| `([a-z_0-9.]+)` \| (.+?) \| (.+?) \| (\d+) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)

    def text(value: Decimal | None) -> str:
        return "–" if value is None else f"{value}"

    expected = [
        (
            each.id,
            each.counted,
            each.of,
            str(each.weight),
            text(each.target),
            "–" if each.guard == 1 else str(each.guard),
        )
        for each in STANDARD.metrics
    ]
    assert rows == expected


DAILY = {"metric": "reply_3min", "standard": "0.8", "least": 5, "warn_at_hour": 17}


@pytest.mark.parametrize(
    "daily",
    [[DAILY, {**DAILY, "metric": "chat_satisfaction", "warn_at_hour": 18}], [{**DAILY, "warn_at_hour": 24}]],
    ids=["two hours", "an hour that no clock shows"],
)
def test_daily_standards_are_looked_at_once_a_day_at_an_hour_of_the_day(daily: list[dict[str, object]]) -> None:
    with pytest.raises(ValueError, match="warn_at_hour"):
        standard(daily=daily)
