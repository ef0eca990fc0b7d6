"""Badges: well-formed, small, legible in both schemes, right in width, and harmless whatever a shop is called."""

from __future__ import annotations

import json
import re
import unicodedata
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from public_tags import CHECKED, VALID_UNTIL, expired, gone, ship_time, shop, tag, too_few

from aftercare.events.vocabulary import Words
from aftercare.pages import badges, tags
from aftercare.pages.badges import COLOURS, STYLE, Badge, badge_svg, badge_width, shields_json, text_width
from aftercare.pages.names import LONGEST, isolated, plain_name
from aftercare.pages.texts import Language

LANGUAGES: list[Language] = ["zh", "en"]
SVG = "{http://www.w3.org/2000/svg}"
SIZE_LIMIT = 3_000
READABLE = 4.5
SHOWN = Badge(
    kind="promise",
    look="shown",
    name=Words(zh="24小时发货", en="Ships within 24 h"),
    value=None,
    unit=None,
    shop_name="莲花生活馆",
    zone="Asia/Shanghai",
    checked_at=CHECKED,
    valid_until=VALID_UNTIL,
)
HOSTILE_NAMES = [
    "<script>alert(1)</script>",
    "]]></desc></svg><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "&lt;b&gt; & &amp;",
    "\u202eevil \u2067שלום\u2069",
    "\x00\x08\x1b[31m\ud800\ufffe\uffff",
    "a\r\nb\u2028c",
    "{shop} {0} %s {{ 7 * 7 }}",
    "名" * 5_000,
    "👨‍👩‍👧‍👦" * 300,
    "e" + "\u0301" * 5_000,
    "",
    " \u3000\u200b",
]


def badge(**changed: Any) -> Badge:
    return replace(SHOWN, **changed)


def every_badge() -> list[Badge]:
    of_the_page = [tags.badge_of(shop(), one) for one in (tag(), ship_time(), gone(), too_few(), expired())]
    return [*of_the_page, *(badge(shop_name=name) for name in HOSTILE_NAMES)]


def lines(svg: str) -> list[ET.Element]:
    return ET.fromstring(svg).findall(f"{SVG}text")  # noqa: S314


def said(svg: str) -> list[str]:
    return ["".join(line.itertext()) for line in lines(svg)]


def contrast(one: str, other: str) -> float:
    """WCAG 2.2: relative luminance and contrast ratio."""

    def luminance(colour: str) -> float:
        channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


# ---------------------------------------------------------------- what every badge keeps


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_badge_is_a_small_picture_with_a_title_and_a_description_in_its_language(language: Language) -> None:
    for one in every_badge():
        svg = badge_svg(one, language)
        assert len(svg.encode()) < SIZE_LIMIT
        picture = ET.fromstring(svg)  # noqa: S314
        assert picture.get("role") == "img"
        assert picture.get("{http://www.w3.org/XML/1998/namespace}lang") == {"zh": "zh-Hans", "en": "en"}[language]
        assert [child.tag for child in picture][:2] == [f"{SVG}title", f"{SVG}desc"]
        [title] = picture.findall(f"{SVG}title")
        [described] = picture.findall(f"{SVG}desc")
        assert title.text
        assert described.text
        for text in (title.text, described.text.replace(one.shop_name, "")):
            assert bool(re.search(r"[\u4e00-\u9fff]", text)) == (language == "zh") or one.shop_name in HOSTILE_NAMES


def test_a_badge_runs_nothing_and_loads_nothing() -> None:
    for one in every_badge():
        for language in LANGUAGES:
            svg = badge_svg(one, language)
            elements = {element.tag.removeprefix(SVG) for element in ET.fromstring(svg).iter()}  # noqa: S314
            assert elements == {"svg", "title", "desc", "style", "path", "text"}
            assert not re.search(r"<script|url\(|@import|@font-face|href|<!|<\?| on\w+=\"", svg)
            assert re.findall(r"\w+://[^\"]*", svg) == ["http://www.w3.org/2000/svg"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_badge_is_always_the_same_text(language: Language) -> None:
    assert badge_svg(badge(), language) == badge_svg(badge(), language)


# ---------------------------------------------------------------- what a badge says


@pytest.mark.parametrize(
    ("changed", "zh", "en"),
    [
        ({}, ["24小时发货", "承诺有效"], ["Ships within 24 h", "promised"]),
        ({"look": "hidden"}, ["24小时发货", "暂不展示"], ["Ships within 24 h", "not shown"]),
        ({"look": "expired"}, ["24小时发货", "已过期"], ["Ships within 24 h", "expired"]),
        ({"kind": "value"}, ["24小时发货", "已达标"], ["Ships within 24 h", "earned"]),
        ({"value": "10.4", "unit": "hours"}, ["24小时发货", "10.4小时"], ["Ships within 24 h", "10.4 h"]),
        ({"value": "0.9858", "unit": "ratio"}, ["24小时发货", "98.58%"], ["Ships within 24 h", "98.58 %"]),
        ({"value": "1", "unit": "ratio"}, ["24小时发货", "100%"], ["Ships within 24 h", "100 %"]),
        ({"value": "4.8"}, ["24小时发货", "4.8"], ["Ships within 24 h", "4.8"]),
        ({"value": "4.8", "look": "expired"}, ["24小时发货", "已过期"], ["Ships within 24 h", "expired"]),
    ],
)
def test_a_badge_says_the_tags_name_and_how_it_stands(changed: dict[str, Any], zh: list[str], en: list[str]) -> None:
    assert said(badge_svg(badge(**changed), "zh")) == zh
    assert said(badge_svg(badge(**changed), "en")) == en


def test_a_badge_tells_those_who_cannot_see_it_whose_it_is_and_until_when_it_holds() -> None:
    svg = badge_svg(badge(), "zh")
    assert "<title>24小时发货：承诺有效</title>" in svg
    checked, until = "11月23日 02:30（北京时间）", "11月25日 00:00（北京时间）"
    assert f"<desc>店铺：{isolated('莲花生活馆')}。最近核查：{checked}，有效期至：{until}。</desc>" in svg
    hidden = badge_svg(badge(look="hidden", valid_until=None), "en")
    assert f"<desc>Shop: {isolated('莲花生活馆')}. Last checked: 23 Nov, 02:30 (UTC+8).</desc>" in hidden


def test_a_tag_that_is_not_shown_is_grey_and_one_that_is_shown_is_not() -> None:
    assert 'class="badge promise"' in badge_svg(badge(), "zh")
    assert 'class="badge value"' in badge_svg(badge(kind="value"), "zh")
    for look in ("hidden", "expired"):
        assert 'class="badge grey"' in badge_svg(badge(look=look), "zh")


# ---------------------------------------------------------------- legible


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("colours", ["promise", "value", "grey"])
def test_text_stands_out_from_its_ground_in_both_schemes(scheme: badges.Scheme, colours: str) -> None:
    one = COLOURS[scheme][colours]
    assert contrast(one.name_ground, one.name_ink) >= READABLE
    assert contrast(one.message_ground, one.message_ink) >= READABLE


def test_the_contrast_of_black_on_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def test_a_badge_carries_the_colours_of_both_schemes() -> None:
    light, _, dark = STYLE.partition("@media (prefers-color-scheme:dark)")
    for scheme, style in (("light", light), ("dark", dark)):
        written = set(re.findall(r"#[0-9a-f]{6}", style))
        assert written == {colour for one in COLOURS[scheme].values() for colour in one}  # type: ignore[index]
    assert f"<style>{STYLE}</style>" in badge_svg(badge(), "zh")
    assert not set(STYLE) & set("<&")


# ---------------------------------------------------------------- wide enough


@given(st.text(alphabet=st.characters(min_codepoint=0x2E80, max_codepoint=0xFFE6, categories=["Lo", "Po", "Nd", "So"])))
def test_a_wide_character_is_as_wide_as_the_font_is_high(text: str) -> None:
    wide = [one for one in text if unicodedata.east_asian_width(one) in "WF"]
    assert text_width("".join(wide)) == 12 * len(wide)


@pytest.mark.parametrize("text", ["（）", "，。：！？", "０１２ＡＢＣ", "小时发货", "한국", "ひらがな"])
def test_fullwidth_signs_and_digits_are_wide(text: str) -> None:
    assert all(unicodedata.east_asian_width(one) in "WF" for one in text)
    assert text_width(text) == 12 * len(text)


def test_latin_letters_have_their_own_widths_and_attached_marks_none() -> None:
    assert text_width("ill") < text_width("WWW") / 3
    assert text_width("0123456789") == pytest.approx(10 * text_width("0"))
    assert text_width("e\u0301\ufe0f\u200d") == text_width("e")
    assert text_width("48小时内") == pytest.approx(12 * (3 + 2 * 0.556))


@given(st.text(min_size=1, max_size=40), st.sampled_from(LANGUAGES))
def test_a_line_never_runs_out_of_its_box(name: str, language: Language) -> None:
    one = badge(name=Words(zh=name, en=name))
    svg = badge_svg(one, language)
    picture = ET.fromstring(svg)  # noqa: S314
    [first, second] = lines(svg)
    left, width = [float(re.findall(r'd="M(\d+)', svg)[0]), float(picture.attrib["width"])]
    for line, begin, end in ((first, 0.0, left), (second, left, width)):
        start, length = float(line.attrib["x"]), float(line.attrib["textLength"])
        assert length >= text_width("".join(line.itertext()))
        assert begin + 8 <= start
        assert start + length <= end - 8
    assert picture.attrib["viewBox"] == f"0 0 {width:g} 24"
    assert badge_width(one, language) == width


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_badge_keeps_its_width_when_its_tag_goes_or_expires(language: Language) -> None:
    for one in (badge(), badge(kind="value", value="10.4", unit="hours")):
        widths = {badge_width(replace(one, look=look), language) for look in ("shown", "hidden", "expired")}
        assert len(widths) == 1


# ---------------------------------------------------------------- names that others chose


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_shops_name_is_text_whatever_it_contains(name: str) -> None:
    shown = plain_name(name, "—", 40)
    [described] = ET.fromstring(badge_svg(badge(shop_name=name), "en")).findall(f"{SVG}desc")  # noqa: S314
    assert described.text is not None
    assert described.text.startswith(f"Shop: {isolated(shown)}. Last checked: ")


@given(st.text())
def test_any_name_gives_a_well_formed_badge_of_small_size(name: str) -> None:
    svg = badge_svg(badge(shop_name=name, name=Words(zh=name, en=name)), "zh")
    ET.fromstring(svg)  # noqa: S314
    assert len(svg.encode()) < SIZE_LIMIT


@given(st.text(max_size=200), st.integers(2, LONGEST))
def test_a_plain_name_is_one_short_line_and_stays_as_it_is(name: str, longest: int) -> None:
    shown = plain_name(name, "—", longest)
    assert 1 <= len(shown) <= longest
    assert shown == " ".join(shown.split())
    assert not [one for one in shown if unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp")]
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert plain_name(shown, "—", longest) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("  莲花\t生活\n馆 ", "莲花 生活 馆"),
        ("𠮷野家 👍🏽", "𠮷野家 👍🏽"),
        ("\u202eevil\u202c", "evil"),
        ("abc\x00\x07def", "abc def"),
        ("\u200b\u200d", "—"),
        ("شركة \u200fأحمد", "شركة \u200fأحمد"),
        ("1234567890", "1234567890"),
        ("12345678901", "123456789…"),
        ("12345678👍🏽90", "12345678…"),
        ("1234567👨\u200d👩\u200d👧", "1234567…"),
        ("12345678e\u0301x", "12345678…"),
        ("e" + "\u0301" * 20, "e" + "\u0301" * 8 + "…"),
    ],
)
def test_a_name_is_cut_between_characters_as_they_are_drawn(name: str, shown: str) -> None:
    assert plain_name(name, "—", 10) == shown


# ---------------------------------------------------------------- for badge services


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_badge_service_gets_exactly_the_fields_that_it_knows(language: Language) -> None:
    for one in every_badge():
        answer = json.loads(shields_json(one, language))
        assert list(answer)[:4] == ["schemaVersion", "label", "message", "color"]
        assert set(answer) <= {"schemaVersion", "label", "message", "color", "isError"}
        assert answer["schemaVersion"] == 1
        assert answer["message"].strip()
        assert answer["label"].strip()
        assert answer.get("isError", False) == (one.look != "shown")


def test_a_badge_service_shows_what_the_picture_shows() -> None:
    assert shields_json(badge(value="10.4", unit="hours"), "zh").decode() == (
        '{"schemaVersion":1,"label":"24小时发货","message":"10.4小时","color":"#0a6b42"}'
    )
    assert shields_json(badge(look="expired"), "en").decode() == (
        '{"schemaVersion":1,"label":"Ships within 24 h","message":"expired","color":"#565c67","isError":true}'
    )


def test_a_message_for_a_badge_service_is_never_empty() -> None:
    for value in ("", " ", "\x00"):
        assert json.loads(shields_json(badge(value=value), "en"))["message"] == "promised"


# ---------------------------------------------------------------- from a tag


def test_a_tags_standing_decides_how_its_badge_looks() -> None:
    looks = [tags.badge_of(shop(), one).look for one in (tag(), ship_time(), gone(), too_few(), expired())]
    assert looks == ["shown", "shown", "hidden", "hidden", "expired"]


def test_a_badge_expires_at_the_first_moment_after_its_validity() -> None:
    def look(moment: Any) -> str:
        [first] = tags.as_of(shop(tags=(tag(),)), moment).tags
        return tags.badge_of(shop(), first).look

    assert look(VALID_UNTIL - timedelta(microseconds=1)) == "shown"
    assert look(VALID_UNTIL) == "expired"
