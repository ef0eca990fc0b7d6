"""A shop's weekly card as its merchant reads it: every number of the API, in words, safe whatever it says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from string import Formatter
from typing import Any, get_args
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from score_cards import TREND, card, full, scored

from aftercare.kernel.errors import DomainError
from aftercare.pages import score_chart
from aftercare.pages.score_card import score_card, style
from aftercare.pages.score_chart import Bar, Chart, Dot
from aftercare.pages.score_texts import CATALOGUES, METRICS_IN_CHINESE
from aftercare.pages.texts import Language
from aftercare.rulepacks.scores import score_pack
from aftercare.scores.model.card import Grade, Label, Note
from aftercare.scores.model.overview import headline

LANGUAGES: list[Language] = ["zh", "en"]
PACKS = ["standard-1", "taobao-2025-06", "taobao-2026-03", "douyin-2026-09"]
CHINESE = re.compile(r"[\u4e00-\u9fff]")
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></title></svg><b>",
    "<!-- -->]]>&amp;&#0;",
    "{{ 7 * 7 }} {% raw %} {0} {name}",
    "a\x00b\ud800c\u2028d\u202e",
    "",
]


def parsed(page: str) -> ET.Element:
    return ET.fromstring(page)  # noqa: S314  our own


def words(page: str) -> str:
    return " ".join("".join(parsed(page).itertext()).split())


def picture(page: str) -> ET.Element:
    found = parsed(page).find(f".//{SVG}svg")
    assert found is not None
    return found


def numbers(said: Any) -> Iterator[str]:
    """Every number of the JSON, as it stands there."""
    match said:
        case bool() | None:
            return
        case dict():
            for key, value in said.items():
                if key not in ("window", "week", "pack", "title", "id", "of", "counted", "category"):
                    yield from numbers(value)
        case list() | tuple():
            for each in said:
                yield from numbers(each)
        case int():
            yield str(said)
        case str() if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", said):
            yield said


# ---------------------------------------------------------------- complete


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("pack", PACKS)
def test_every_number_that_the_api_tells_stands_in_the_fragment(pack: str, language: Language) -> None:
    told = full() if pack == "standard-1" else card(pack=pack)
    page = score_card(told, TREND, language)
    exact = {each.get("value") for each in parsed(page).iter("data")}
    said = set(re.findall(r"[0-9]+(?:\.[0-9]+)?", words(page)))
    missing = [number for number in (*numbers(told), *numbers(TREND)) if number not in exact | said]
    assert missing == []


def test_the_full_card_has_everything_that_a_card_can_have() -> None:
    told = full()
    assert [each["id"] for each in told["bonus"]] == ["freight_insurance", "category_service"]
    assert [each["id"] for each in told["deductions"]] == ["invoice_refused", "fraud"]
    assert told["unpriced_violations"] == ["late_shipment"]
    assert told["exclusions"] == [{"metric": "on_time_pickup", "cases": 17}]
    assert told["change"] is not None
    assert any(each["beats_percent"] is not None for each in told["metrics"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_metric_has_a_row_with_its_counts_value_target_points_and_change(language: Language) -> None:
    table = parsed(score_card(full(), TREND, language)).find(".//table[@class='numbers']")
    assert table is not None
    names = {"zh": "揽收及时率", "en": "Picked up in time"}
    [row] = [each for each in table.iter("tr") if names[language] in (each.findtext("th") or "")]
    cells = [" ".join("".join(each.itertext()).split()) for each in row.iter("td")]
    told = next(each for each in full()["metrics"] if each["id"] == "on_time_pickup")
    assert cells[0] == {"zh": "191 / 200", "en": "191 of 200"}[language]
    assert cells[1].startswith("95.5")
    assert cells[2].startswith("≥ 95")
    assert cells[3].startswith(told["points"])
    assert len(cells) == 7


@pytest.mark.parametrize("language", LANGUAGES)
def test_contributions_bonus_and_deductions_of_the_table_make_the_score(language: Language) -> None:
    told = full()
    page = parsed(score_card(told, TREND, language))
    title = {"zh": "贡献", "en": "Contribution"}[language]
    cells = [each.find("data") for each in page.iter("td") if each.get("data-name") == title]
    found = [Decimal(each.get("value", "")) for each in cells if each is not None]
    assert sum(found[:-1]) == pytest.approx(found[-1], abs=Decimal("0.002"))
    assert found[-1] == Decimal(told["score"])


# ---------------------------------------------------------------- what to do


def test_the_way_to_the_next_step_is_told_in_counts() -> None:
    told = card()
    told["next"] = {"shown": "4.4", "good_orders": 12, "good_cases": {"reply_3min": 3, "on_time_pickup": None}}
    said = words(score_card(told, TREND, "en"))
    assert "With 12 more orders that have nothing wrong about them, buyers see 4.4." in said
    assert "Answered within 3 minutes: 3 more questions answered in time" in said
    assert "By none of these alone: Picked up in time." in said
    told["next"]["good_orders"] = None
    assert "will not do for 4.4 alone" in words(score_card(told, TREND, "en"))


def test_alarms_come_first() -> None:
    said = words(score_card(card(cases=20, orders=40), TREND, "en"))
    assert "See to the alarms first: " in said


@pytest.mark.parametrize(("language", "sentence"), [("zh", "已经是最高分"), ("en", "the highest score there is")])
def test_at_the_top_there_is_no_step_left(language: Language, sentence: str) -> None:
    assert sentence in words(score_card({**card(), "next": None}, TREND, language))


# ---------------------------------------------------------------- not shown


@pytest.mark.parametrize(
    ("language", "sentence"),
    [("zh", "只有12个有效订单，满30个才展示"), ("en", "only 12 valid orders in the days counted, and 30 are needed")],
)
def test_a_score_of_too_few_orders_is_told_with_the_reason(language: Language, sentence: str) -> None:
    told = card(cases=12, orders=12)
    assert told["score"] is not None
    page = score_card(told, TREND, language)
    assert sentence in words(page)
    assert picture(page).findtext(f"{SVG}text") == "–"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_shop_of_which_nothing_was_measured_has_a_card_too(language: Language) -> None:
    told = card(pack="douyin-2026-09", cases=0, orders=40)
    empty = {**told, "score": None, "shown": None, "reason": "nothing_measured", "grade": None, "next": None}
    empty["metrics"] = [
        {**each, "points": None, "contribution": None, "value": None, "judged": None, "interval": None, "label": None}
        for each in told["metrics"]
    ]
    empty["dimensions"] = [{**each, "points": None} for each in told["dimensions"]]
    page = score_card(empty, [], language)
    assert CATALOGUES[language]["hidden.nothing_measured"] in words(page)
    assert CATALOGUES[language]["next.unscored"] in words(page)
    assert CATALOGUES[language]["trend.none"] in words(page)
    assert picture(page).findall(f"{SVG}circle") == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_provisional_card_says_so_and_has_no_week(language: Language) -> None:
    told = card(revision=None)
    assert told["week"] is None
    said = words(score_card(told, TREND, language))
    assert CATALOGUES[language]["title.now"] in said
    assert "UTC" in said


def test_the_days_counted_are_those_before_the_end_of_the_week() -> None:
    assert "30 days counted: 31 Oct 2026 to 29 Nov 2026" in words(score_card(card(), TREND, "en"))
    assert "统计30天：2026年10月31日 至 2026年11月29日" in words(score_card(card(), TREND, "zh"))


def test_a_card_of_a_pack_that_does_not_exist_is_refused() -> None:
    with pytest.raises(DomainError):
        score_card({**card(), "pack": "nobody-1"}, TREND, "en")


# ---------------------------------------------------------------- safe


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_a_text_contains_it_stays_text(text: str, language: Language) -> None:
    told, plain = full(), full()
    for one, said in ((told, text), (plain, "plain")):
        one["category"] = said
        one["unpriced_violations"] = [said]
        one["exclusions"] = [{"metric": said, "cases": 17}]
        one["bonus"] = [{"id": said, "points": "2.00"}]
        one["dimensions"] = [*one["dimensions"], {"id": said, "points": "80.00", "weight": "0.10"}]
        odd = {**one["metrics"][0], "id": said, "title": said, "counted": said, "of": said, "dimension": said}
        one["metrics"] = [*one["metrics"], odd]
        one["next"] = {"shown": "4.9", "good_orders": 1, "good_cases": {said: 2}}
    page, expected = parsed(score_card(told, TREND, language)), parsed(score_card(plain, TREND, language))
    assert [each.tag for each in page.iter()] == [each.tag for each in expected.iter()]
    assert [sorted(each.attrib) for each in page.iter()] == [sorted(each.attrib) for each in expected.iter()]


@settings(max_examples=25, deadline=None)
@given(
    cases=st.integers(0, 400),
    orders=st.integers(0, 400),
    pack=st.sampled_from(PACKS),
    language=st.sampled_from(LANGUAGES),
)
def test_every_card_makes_a_well_formed_fragment(cases: int, orders: int, pack: str, language: Language) -> None:
    told = card(cases=cases, orders=orders, pack=pack)
    page = score_card(told, TREND, language)
    assert page == score_card(told, TREND, language)
    assert parsed(page).tag == "article"
    assert "None" not in page
    assert "{" not in words(page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_fragment_runs_nothing_loads_nothing_and_takes_no_ids(language: Language) -> None:
    page = parsed(score_card(full(), TREND, language))
    tags = {each.tag.removeprefix(SVG) for each in page.iter()}
    assert tags & {"script", "style", "img", "image", "use", "a", "iframe", "foreignObject", "link"} == set()
    attributes = {name for each in page.iter() for name in each.attrib}
    assert [name for name in attributes if name.startswith("on") or name in ("id", "style", "href", "src")] == []
    assert "url(" not in style()


# ---------------------------------------------------------------- the picture


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_picture_is_named_and_described_for_who_cannot_see_it(language: Language) -> None:
    drawn = picture(score_card(full(), TREND, language))
    assert drawn.get("role") == "img"
    assert CATALOGUES[language]["chart.rest"] in (drawn.findtext(f"{SVG}desc") or "")
    assert "2026-W48" in (drawn.findtext(f"{SVG}title") or "")


def test_a_bar_is_as_long_as_its_points_and_its_target_stands_at_the_points_of_the_target() -> None:
    drawn = picture(score_card(card(), TREND, "en"))
    told = {each["id"]: each for each in card()["metrics"]}
    parts = list(drawn)
    at = next(number for number, each in enumerate(parts) if each.text == "Picked up in time")
    points = Decimal(told["on_time_pickup"]["points"])
    bar, target = parts[at + 3], parts[at + 4]
    assert float(bar.get("width", "")) == pytest.approx(float((points - 50) / 50 * score_chart.WIDTH), abs=0.1)
    # 95 % is worth 80 points of 50 to 100
    assert float(target.get("x", "")) == pytest.approx(0.6 * (score_chart.WIDTH - 2), abs=0.1)


def chart(**changed: Any) -> Chart:
    given_: dict[str, Any] = {
        "title": "t",
        "description": "d",
        "headline": "4.7",
        "beneath": "b",
        "trend_said": "w",
        "bars": (),
        "trend": (),
        "keys": (),
        "lowest": Decimal(50),
        "highest": Decimal(100),
    }
    return Chart(**{**given_, **changed})


def test_a_week_that_is_missing_breaks_the_line_and_one_not_shown_is_hollow() -> None:
    trend = (Dot(3, Decimal(90), True), Dot(1, Decimal(70), False), Dot(4, Decimal(80), True))
    drawn = parsed(score_chart.svg(chart(trend=trend)))
    assert len(drawn.findall(f"{SVG}line")) == 1
    assert [each.get("class") for each in drawn.findall(f"{SVG}circle")] == ["week unseen", "week", "week"]
    heights = [float(each.get("cy", "")) for each in drawn.findall(f"{SVG}circle")]
    assert heights[1] < heights[2] < heights[0]


@pytest.mark.parametrize("points", ["0", "50", "100", "250"])
def test_points_beyond_the_scale_stay_within_the_picture(points: str) -> None:
    bars = (Bar("W" * 90, Decimal(points), points, Decimal(points), "usual", is_dimension=False),)
    drawn = parsed(score_chart.svg(chart(bars=bars)))
    for each in drawn.iter(f"{SVG}rect"):
        assert 0 <= float(each.get("x", "")) <= float(each.get("x", "")) + float(each.get("width", "")) <= 300
    assert "…" in "".join(drawn.itertext())


# ---------------------------------------------------------------- the texts


def slots(said: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(said) if name is not None}


def test_both_languages_have_the_same_texts() -> None:
    assert CATALOGUES["zh"].keys() == CATALOGUES["en"].keys()


@pytest.mark.parametrize("key", CATALOGUES["zh"])
def test_a_text_has_the_same_slots_in_both_languages_and_is_never_empty(key: str) -> None:
    zh, en = CATALOGUES["zh"][key], CATALOGUES["en"][key]
    assert slots(zh) == slots(en)
    assert zh.strip() == zh != ""
    assert en.strip() == en != ""
    assert not CHINESE.search(en)


def test_every_metric_of_every_pack_has_its_name_in_both_languages() -> None:
    metrics = [metric for pack in PACKS for metric in score_pack(pack).metrics]
    assert [metric.id for metric in metrics if metric.id not in METRICS_IN_CHINESE] == []
    said = words("".join(["<p>", *(score_card(card(pack=pack), [], "en") for pack in PACKS), "</p>"]))
    assert CHINESE.findall(said.replace("描述相符", "")) == []


def test_everything_that_a_card_can_say_of_itself_has_its_words() -> None:
    packs = [score_pack(pack) for pack in PACKS]
    said: Mapping[str, set[str]] = {
        "label": set(get_args(Label)),
        "note": set(get_args(Note)),
        "grade": set(get_args(Grade)),
        "dimension": {each.id for pack in packs for each in pack.dimensions},
        "unit": {metric.unit for pack in packs for metric in pack.metrics},
        "item": {each.id for pack in packs for each in pack.bonus}
        | {each.id for pack in packs for each in pack.deductions},
        "hidden": {"too_few_orders", "nothing_measured"},
        "trend": {"too_few_orders", "nothing_measured"},
    }
    wanted = [f"{kind}.{name}" for kind, names in said.items() for name in names]
    wanted += [f"next.{metric.cases}_of" for pack in packs for metric in pack.metrics]
    assert [key for key in wanted if key not in CATALOGUES["en"]] == []


def test_the_list_of_weeks_is_the_one_of_the_api() -> None:
    line = headline(scored())
    assert line.keys() == TREND[0].keys()
    assert "2026-W48" in words(score_card(card(), [line], "en"))
