"""What is published of a shop's tags: data, a page and snippets, right for programs and safe for readers."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from dataclasses import asdict
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from string import Formatter
from typing import Any, get_args
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from public_tags import CHECKED, VALID_UNTIL, evidence, expired, gone, ship_time, shop, tag, too_few

from aftercare.events.vocabulary import Words
from aftercare.pages import tag_texts, tags
from aftercare.pages.formats import day_text
from aftercare.pages.html import Page
from aftercare.pages.names import plain_name
from aftercare.pages.tags import PublicTag
from aftercare.pages.texts import Language

LANGUAGES: list[Language] = ["zh", "en"]
SIZE_LIMIT = 30_000
HOSTILE_NAMES = [
    "</script><script>alert(1)</script>",
    "<!-- <script>",
    '"><img src=x onerror=alert(1)>',
    "</style></title><b>",
    "\u202eevil \u2067שלום",
    "{{ 7 * 7 }} {% raw %} {name}",
    "](javascript:alert(1)) `x` ![y](z)",
    "a\x00b\ud800c\u2028d",
    "👍🏽 𠮷野家",
    "名" * 5_000,
]


class Read(HTMLParser):
    """What a page consists of."""

    def __init__(self, body: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(body)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def twelve_tags() -> tuple[PublicTag, ...]:
    kinds = (tag, ship_time, gone, too_few, expired)
    return tuple(kinds[number % len(kinds)](code=f"tag_{number}") for number in range(12))


def every_page() -> list[Page]:
    shops = [shop(), shop(tags=()), shop(tags=twelve_tags()), *(shop(name=name) for name in HOSTILE_NAMES)]
    return [tags.detail_page(one, language) for one in shops for language in LANGUAGES]


def data(**changed: Any) -> Any:
    return json.loads(tags.tags_json(shop(**changed)))


def linked(**changed: Any) -> Any:
    return json.loads(tags.json_ld(shop(**changed)))


# ---------------------------------------------------------------- data for programs


def test_the_data_of_a_tag_that_is_shown() -> None:
    assert data(tags=(ship_time(),)) == {
        "schema_version": 1,
        "shop": "taobao:12345",
        "name": "莲花生活馆",
        "evaluated_at": "2026-11-22T18:30:00Z",
        "tags": [
            {
                "code": "average_ship_time",
                "name": {"zh": "平均发货时长", "en": "Average time to ship"},
                "kind": "value",
                "held": True,
                "reason": None,
                "value": "10.4",
                "unit": "hours",
                "since": "2026-10-31T16:00:00Z",
                "evaluated_at": "2026-11-22T18:30:00Z",
                "valid_until": "2026-11-24T16:00:00Z",
                "rule_version": "standard-1",
                "evidence": {
                    "metric": "ship_hours",
                    "n": 493,
                    "window": {"from": "2026-10-23T16:00:00Z", "to": "2026-11-22T16:00:00Z"},
                    "value": "10.4",
                    "unit": "hours",
                    "interval": None,
                },
                "detail_url": "https://tags.example/v1/shops/taobao/12345/zh.html#average_ship_time",
                "embed": {
                    language: asdict(tags.snippet(shop(tags=(ship_time(),)), ship_time(), language))
                    for language in LANGUAGES
                },
            }
        ],
    }


def test_nobody_is_told_that_a_tag_is_lost_when_there_are_only_too_few_cases() -> None:
    [unknown, lost] = data(tags=(too_few(), gone()))["tags"]
    assert (unknown["held"], unknown["reason"]) == (None, "no_evidence")
    assert (lost["held"], lost["reason"]) == (False, None)


def test_a_tag_that_is_not_shown_has_no_value_and_no_since() -> None:
    [one] = data(tags=(ship_time(held=False, reason="below"),))["tags"]
    assert (one["value"], one["unit"], one["since"]) == (None, None, None)


def test_a_tag_beyond_its_validity_is_no_longer_said_to_be_held() -> None:
    one = shop(tags=(tag(), ship_time(valid_until=None), gone()))
    assert tags.as_of(one, CHECKED) == one
    later = tags.as_of(one, VALID_UNTIL)
    assert [(each.held, each.reason) for each in later.tags] == [(None, "expired"), (True, None), (False, None)]
    [first, *_] = json.loads(tags.tags_json(later))["tags"]
    assert (first["held"], first["reason"], first["valid_until"]) == (None, "expired", "2026-11-24T16:00:00Z")
    assert tags.as_of(later, VALID_UNTIL) == later


def test_the_same_tags_give_the_same_bytes() -> None:
    assert tags.objects(shop()) == tags.objects(shop())


def test_tags_keep_the_order_in_which_they_came() -> None:
    assert [one["code"] for one in data(tags=twelve_tags())["tags"]] == [f"tag_{number}" for number in range(12)]


def test_the_public_data_has_no_place_for_a_warning() -> None:
    assert "state" not in {*PublicTag.__slots__}
    assert not re.search(r"risk|warn", tags.tags_json(shop()).decode() + tags.json_ld(shop()).decode())


# ---------------------------------------------------------------- in schema.org's words


def test_a_shop_is_a_store_with_its_shown_tags_as_properties() -> None:
    store = linked()
    assert store["@context"] == "https://schema.org"
    assert store["@type"] == "OnlineStore"
    assert [(one["propertyID"], one["value"]) for one in store["additionalProperty"]] == [
        ("ships_24h", True),
        ("average_ship_time", "10.4"),
    ]
    assert store["additionalProperty"][1]["unitCode"] == "HUR"
    assert "aggregateRating" not in store


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_no_name_ends_the_element_in_which_the_data_stands(name: str) -> None:
    for written in (tags.json_ld(shop(name=name)), tags.tags_json(shop(name=name))):
        assert not re.search(rb"[<>&]", written)
        assert json.loads(written)["name"] == plain_name(name)


# ---------------------------------------------------------------- the page


def test_every_page_is_small_and_needs_nothing_from_outside() -> None:
    for page in every_page():
        assert page.status == 200
        assert len(page.body.encode()) < SIZE_LIMIT
        assert not re.search(r"url\(|@import|<script|<!--| style=", page.body)
        read = Read(page.body)
        assert not {name for name, _ in read.elements} & {"img", "link", "script", "iframe", "object", "form", "base"}
        assert not [name for _, attributes in read.elements for name in attributes if name.startswith("on")]
        assert not [attributes for _, attributes in read.elements if "src" in attributes]
        assert [link["href"] for link in read.all("a")] == [
            "zh.html",
            "en.html",
            "https://tags.example/method",
            "mailto:tags@example.com",
            "tags.json",
        ]


def test_every_page_names_its_language_and_offers_the_other() -> None:
    for page in every_page():
        read = Read(page.body)
        [html_element] = read.all("html")
        assert html_element["lang"] == page.headers["content-language"]
        [current] = [link for link in read.all("a") if "aria-current" in link]
        assert current["lang"] == html_element["lang"]
        assert {link.get("lang") for link in read.all("a")} == {"zh-Hans", "en", None}


def test_every_page_has_a_strict_policy_that_allows_the_very_style_it_carries() -> None:
    for page in every_page():
        [style] = re.findall(r"<style>(.*?)</style>", page.body, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        expected = f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'none'; base-uri 'none'"
        [written] = [one["content"] for one in Read(page.body).all("meta") if "http-equiv" in one]
        assert written == expected
        assert page.headers["content-security-policy"] == f"{expected}; frame-ancestors 'none'"
        assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_tag_has_its_rule_its_badge_and_what_it_rests_on(language: Language) -> None:
    page = tags.detail_page(shop(), language)
    read = Read(page.body)
    assert [one["id"] for one in read.all("section")] == [one.code for one in shop().tags]
    assert len(read.all("svg")) == len(shop().tags)
    assert [one["role"] for one in read.all("svg")] == ["img"] * len(shop().tags)
    for one in shop().tags:
        assert html.escape(one.rule.zh if language == "zh" else one.rule.en, quote=False).replace("'", "&#39;") in (
            page.body
        )


@pytest.mark.parametrize(
    ("language", "facts"),
    [
        (
            "zh",
            [
                ("现状", "展示中"),
                ("开始展示", "2026年11月1日"),
                ("有效期至", "11月25日 00:00（北京时间）"),
                ("统计范围", "2026年10月24日 至 2026年11月22日"),
                ("统计数量", "493"),
                ("实测结果", "98.58%"),
                ("95%置信区间", "97.09% 至 99.31%"),
                ("规则版本", "standard-1"),
            ],
        ),
        (
            "en",
            [
                ("At present", "shown"),
                ("Shown since", "1 Nov 2026"),
                ("Valid until", "25 Nov, 00:00 (UTC+8)"),
                ("Days counted", "24 Oct 2026 to 22 Nov 2026"),
                ("Cases", "493"),
                ("Measured", "98.58 %"),
                ("95 % interval", "97.09 % to 99.31 %"),
                ("Rule version", "standard-1"),
            ],
        ),
    ],
)
def test_the_page_says_window_counts_and_times_in_the_shops_zone(
    language: Language, facts: list[tuple[str, str]]
) -> None:
    body = tags.detail_page(shop(tags=(tag(),)), language).body
    rows = re.findall(r"<dt>(.*?)</dt><dd>(?:<time[^>]*>)?(.*?)(?:</time>)?</dd>", body)
    assert rows == facts
    assert '<time datetime="2026-11-24T16:00:00Z">' in body
    assert {"zh": "最近核查：11月23日 02:30（北京时间）", "en": "Last checked: 23 Nov, 02:30 (UTC+8)"}[language] in body


def test_a_tag_that_is_not_shown_says_why_in_plain_words() -> None:
    body = tags.detail_page(shop(), "en").body
    assert "not shown: the rule is not met at present, or the shop does not take part" in body
    assert "not shown: there are too few cases yet to tell" in body
    assert "expired: no new check has come" in body
    assert "no_evidence" not in body


def test_a_tag_without_a_measurement_has_no_numbers() -> None:
    body = tags.detail_page(shop(tags=(tag(evidence=None),)), "en").body
    assert "Cases" not in body
    assert data(tags=(tag(evidence=None),))["tags"][0]["evidence"] is None
    assert "Measured" not in tags.detail_page(shop(tags=(tag(evidence=evidence(value=None)),)), "en").body


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_shop_without_tags_has_a_page_too(language: Language) -> None:
    body = tags.detail_page(shop(tags=()), language).body
    assert {"zh": "目前没有服务标签", "en": "no service tags at present"}[language] in body
    assert linked(tags=())["additionalProperty"] == []


def test_the_page_shows_the_badges_that_are_published() -> None:
    files = tags.objects(shop())
    for language in LANGUAGES:
        page = files[f"{language}.html"].body.decode()
        for one in shop().tags:
            published = files[f"{one.code}.{language}.svg"].body.decode()
            drawn = published[published.index("<path") :]
            assert drawn in page


# ---------------------------------------------------------------- names that others chose


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_shops_name_is_shown_as_text_and_kept_apart(name: str, language: Language) -> None:
    body = tags.detail_page(shop(name=name), language).body
    [shown] = re.findall(r"<bdi>(.*?)</bdi>", body, re.DOTALL)
    assert html.unescape(shown) == plain_name(name)
    assert not set(shown) & set("<>\u202e\u2067\x00")
    assert [name for name, _ in Read(body).elements] == [
        name for name, _ in Read(tags.detail_page(shop(), language).body).elements
    ]


@given(st.text(), st.sampled_from(LANGUAGES))
def test_any_name_can_be_published(name: str, language: Language) -> None:
    named = shop(name=name)
    assert len(tags.detail_page(named, language).body.encode()) < SIZE_LIMIT
    usual = [name for name, _ in Read(tags.detail_page(shop(), language).body).elements]
    assert [name for name, _ in Read(tags.detail_page(named, language).body).elements] == usual
    assert json.loads(tags.json_ld(named))["name"] == plain_name(name, "taobao:12345")
    assert json.loads(tags.tags_json(named))["name"] == plain_name(name, "taobao:12345")


def test_a_shop_without_a_visible_name_goes_by_its_id() -> None:
    assert data(name=" \u200b")["name"] == "taobao:12345"


def test_a_tags_own_words_are_text_too() -> None:
    words = Words(zh="<b>&", en="<b>&")
    one = shop(tags=(tag(name=words, rule=words, code="a b<c>"),))
    body = tags.detail_page(one, "en").body
    assert "<b>" not in body
    assert [element["id"] for element in Read(body).all("section")] == ["a b<c>"]


# ---------------------------------------------------------------- snippets and files


def test_a_snippet_is_a_picture_that_leads_to_the_rule() -> None:
    made = tags.snippet(shop(name="Lotus & Co"), tag(), "en")
    alt = "\u2068Lotus &amp; Co\u2069: Ships within 24 h"
    assert made.html == (
        '<a href="https://tags.example/v1/shops/taobao/12345/en.html#ships_24h">'
        '<img src="https://tags.example/v1/shops/taobao/12345/ships_24h.en.svg" width="178" height="24" '
        f'alt="{alt}" loading="lazy"></a>'
    )
    assert made.markdown == (
        "[![\u2068Lotus \\& Co\u2069: Ships within 24 h]"
        "(https://tags.example/v1/shops/taobao/12345/ships_24h.en.svg)]"
        "(https://tags.example/v1/shops/taobao/12345/en.html#ships_24h)"
    )


def test_the_snippets_of_a_tag_stand_beside_it() -> None:
    one = shop()
    for each, data in zip(one.tags, json.loads(tags.tags_json(one))["tags"], strict=True):
        assert {language: tags.Snippet(**data["embed"][language]) for language in LANGUAGES} == {
            language: tags.snippet(one, each, language) for language in LANGUAGES
        }


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_snippet_is_the_same_whether_the_tag_is_shown_or_not(language: Language) -> None:
    one = shop()
    assert tags.snippet(one, tag(held=False, reason="below"), language) == tags.snippet(one, tag(), language)


@given(st.text() | st.sampled_from(HOSTILE_NAMES), st.sampled_from(LANGUAGES))
def test_no_name_breaks_out_of_a_snippet(name: str, language: Language) -> None:
    made = tags.snippet(shop(name=name), tag(), language)
    read = Read(made.html)
    assert [element for element, _ in read.elements] == ["a", "img"]
    [image] = read.all("img")
    assert set(image) == {"src", "width", "height", "alt", "loading"}
    assert read.texts == []
    bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", made.markdown)
    assert re.fullmatch(r"\[!\[[^\]\[<>`\\]*\]\([^() ]+\)\]\([^() ]+\)", bare)


def test_an_address_with_signs_of_its_own_stays_one_address() -> None:
    made = tags.snippet(shop(base_url='https://tags.example/a(b) "c/%E5%BA%97/'), tag(code="x/y?z"), "en")
    assert "(https://tags.example/a%28b%29%20%22c/%E5%BA%97/x%2Fy%3Fz.en.svg)" in made.markdown


def test_every_address_that_is_given_out_leads_to_a_published_file() -> None:
    one = shop()
    files = tags.objects(one)
    addresses = [each["detail_url"] for each in json.loads(files["tags.json"].body)["tags"]]
    for each in one.tags:
        for language in LANGUAGES:
            made = tags.snippet(one, each, language)
            addresses += re.findall(r'(?:href|src)="([^"]+)"', made.html)
    for language in LANGUAGES:
        page = Read(files[f"{language}.html"].body.decode())
        addresses += [one.base_url + str(link["href"]) for link in page.all("a") if ":" not in str(link["href"])]
    assert {unquote(address).removeprefix(one.base_url).partition("#")[0] for address in addresses} <= set(files)


def test_every_file_says_what_it_is() -> None:
    kinds = {path.rpartition(".")[2]: file.content_type for path, file in tags.objects(shop()).items()}
    assert kinds == {
        "json": "application/json",
        "jsonld": "application/ld+json",
        "html": "text/html; charset=utf-8",
        "svg": "image/svg+xml",
    }


# ---------------------------------------------------------------- texts


def slots(said: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(said) if name is not None}


def test_both_languages_have_the_same_texts() -> None:
    assert tag_texts.CATALOGUES["zh"].keys() == tag_texts.CATALOGUES["en"].keys()


@pytest.mark.parametrize("key", tag_texts.CATALOGUES["zh"])
def test_a_text_has_the_same_slots_in_both_languages_and_is_never_empty(key: str) -> None:
    zh, en = tag_texts.CATALOGUES["zh"][key], tag_texts.CATALOGUES["en"][key]
    assert slots(zh) == slots(en)
    assert zh.strip() == zh != ""
    assert en.strip() == en != ""


def test_english_texts_are_english_and_chinese_ones_chinese() -> None:
    chinese = re.compile(r"[\u4e00-\u9fff]")
    both = {"page.languages"}
    signs_alone = {"unit.ratio", "badge.title", "badge.alt"}
    assert [key for key, said in tag_texts.CATALOGUES["en"].items() if chinese.search(said) and key not in both] == []
    untranslated = [key for key, said in tag_texts.CATALOGUES["zh"].items() if not chinese.search(said)]
    assert set(untranslated) == signs_alone


def test_every_unit_has_its_words() -> None:
    written = {key.removeprefix("unit.") for key in tag_texts.CATALOGUES["zh"] if key.startswith("unit.")}
    assert written == set(get_args(tag_texts.Unit))


def test_a_day_is_said_with_its_year() -> None:
    assert day_text("zh", date(2026, 3, 1)) == "2026年3月1日"
    assert day_text("en", date(2026, 3, 1)) == "1 Mar 2026"


def test_a_shop_elsewhere_reads_its_own_days() -> None:
    elsewhere = shop(zone="America/New_York", tags=(tag(since=datetime(2026, 11, 1, 4, tzinfo=UTC)),))
    body = tags.detail_page(elsewhere, "en").body
    assert "1 Nov 2026" in body
    assert "24 Nov, 11:00 (UTC-5)" in body
