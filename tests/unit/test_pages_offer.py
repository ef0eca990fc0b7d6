"""The buyer's page in every standing and both languages."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from aftercare.events.vocabulary import OptionKind
from aftercare.kernel.money import Money
from aftercare.negotiation.model.cases import Option
from aftercare.negotiation.model.views import OfferStanding, OfferView
from aftercare.pages import offer
from aftercare.pages.offer import Page

LANGUAGES = ["zh", "en"]
APPLY_AGAIN = {"zh": "您随时可以再次申请售后。", "en": "You may apply again at any time."}
SIZE_LIMIT = 30_000


def cny(minor: int) -> Money:
    return Money(minor=minor, currency="CNY")


PARTIAL = Option(option_id="r1o1", kind=OptionKind.PARTIAL_REFUND, amount=cny(1230), cost=cny(1230))
COUPON = Option(option_id="r1o2", kind=OptionKind.COUPON, coupon_value=cny(2000), coupon_days=30, cost=cny(2000))


def shown(**changed: Any) -> OfferView:
    return OfferView(
        **{
            "standing": OfferStanding.OPEN,
            "shop": "taobao:lotus",
            "order_id": "4400011122239876",
            "negotiation_id": "0" * 32,
            "round": 1,
            "opening": "很抱歉给您添麻烦了。",
            "options": (PARTIAL, COUPON),
            "answer_by": datetime(2026, 11, 23, 10, tzinfo=UTC),
            "requested": cny(9900),
            "chosen": None,
            "chosen_at": None,
            "closed_at": None,
            "may_ask_for_another": True,
            "locale": "zh-CN",
            "zone": "Asia/Shanghai",
            **changed,
        }
    )


class Read(HTMLParser):
    """What a page consists of."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page.body)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def every_page() -> list[Page]:
    pages = []
    for language in LANGUAGES:
        pages += [offer.unknown_link(language), offer.unavailable(language)]
        for standing in OfferStanding:
            for chosen in (None, PARTIAL, COUPON):
                at = datetime(2026, 11, 22, 10, tzinfo=UTC) if chosen else None
                view = shown(standing=standing, chosen=chosen, chosen_at=at, closed_at=at)
                if standing is not OfferStanding.SETTLED or chosen is not None:
                    pages.append(offer.render(view, language))
        pages.append(offer.render(shown(), language, bad_choice=True))
    return pages


# ---------------------------------------------------------------- what every page keeps


def test_every_page_is_small_and_needs_nothing_from_outside() -> None:
    for page in every_page():
        assert len(page.body.encode()) < SIZE_LIMIT
        assert not re.search(r"https?:|//|url\(|@import|<script|javascript:| on\w+=|<img|<link", page.body)


def test_every_page_names_its_language_and_offers_the_other() -> None:
    for page in every_page():
        read = Read(page)
        [html] = read.all("html")
        assert html["lang"] in ("zh-Hans", "en")
        assert [link["href"] for link in read.all("a")] == ["?lang=zh", "?lang=en"]
        [current] = [link for link in read.all("a") if "aria-current" in link]
        assert current["lang"] == html["lang"]


@pytest.mark.parametrize("standing", OfferStanding)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_standing_says_that_the_buyer_may_apply_again_and_how_to_reach_a_person(
    standing: OfferStanding, language: str
) -> None:
    at = datetime(2026, 11, 22, 10, tzinfo=UTC)
    page = offer.render(shown(standing=standing, chosen=PARTIAL, chosen_at=at, closed_at=at), language)
    assert page.status == 200
    assert APPLY_AGAIN[language] in page.body
    assert {"zh": "聊天窗口联系店铺", "en": "Write to the shop"}[language] in page.body
    assert "lotus" in page.body
    assert "9876" in page.body
    assert "39876" not in page.body
    assert "taobao" not in page.body


def test_every_page_is_private_strict_and_not_kept() -> None:
    for page in [*every_page(), offer.redirect("token", None)]:
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["x-robots-tag"] == "noindex"
        policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
        assert policy.pop("style-src").startswith("'sha256-")
        assert policy == {
            "default-src": "'none'",
            "form-action": "'self'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }


def test_the_policy_allows_the_very_style_that_the_page_carries() -> None:
    for page in every_page():
        [style] = re.findall(r"<style>(.*?)</style>", page.body, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in page.headers["content-security-policy"]
        assert "style=" not in page.body


# ---------------------------------------------------------------- choosing


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_way_to_go_is_a_card_and_none_is_chosen_beforehand(language: str) -> None:
    read = Read(offer.render(shown(), language))
    radios = [one for one in read.all("input") if one["type"] == "radio"]
    assert [one["value"] for one in radios] == ["r1o1", "r1o2", "original", "another"]
    assert {one["name"] for one in radios} == {"choice"}
    assert all("checked" not in one for one in radios)
    [form] = read.all("form")
    assert form == {"method": "post"}
    assert len(read.all("fieldset")) == len(read.all("legend")) == len(read.all("button")) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_cards_have_the_same_markup(language: str) -> None:
    cards = re.findall(r"<label.*?</label>", offer.render(shown(), language).body, re.DOTALL)
    shapes = {re.sub(r'value="\w+"', "", re.sub(r">[^<]+<", "><", card)) for card in cards}
    assert len(cards) == 4
    assert len(shapes) == 1


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("zh", "请在11月23日 18:00（北京时间）前选择。到时未选，方案失效，您原来的申请照常继续处理。"),
        (
            "en",
            (
                "Please choose before 23 Nov, 18:00 (UTC+8). "
                "If you do not, the offers end and your original request simply goes on."
            ),
        ),
    ],
)
def test_the_page_says_until_when_and_what_happens_then(language: str, line: str) -> None:
    assert line in offer.render(shown(), language).body


def test_the_sum_asked_for_stands_on_the_card_of_the_original_request() -> None:
    assert "Continue with my original request (CN¥99.00)" in offer.render(shown(), "en").body
    assert "继续我原来的申请（¥99.00）" in offer.render(shown(), "zh").body


def test_a_request_without_a_sum_is_continued_without_one() -> None:
    body = offer.render(shown(requested=cny(0)), "en").body
    assert "<strong>Continue with my original request</strong>" in body


def test_where_nothing_was_asked_for_the_page_speaks_of_no_request() -> None:
    body = offer.render(shown(requested=None), "en").body
    assert "None of these: everything goes on as before" in body
    assert "original request" not in body
    assert offer.choices(shown(requested=None)) == ("r1o1", "r1o2", "original", "another")


def test_the_last_round_cannot_be_asked_for_another() -> None:
    assert offer.choices(shown(may_ask_for_another=False)) == ("r1o1", "r1o2", "original")
    assert "another" not in offer.render(shown(may_ask_for_another=False), "en").body


def test_a_form_without_a_choice_gets_the_form_again() -> None:
    page = offer.render(shown(), "en", bad_choice=True)
    assert page.status == 400
    assert "No choice has been recorded" in page.body
    assert len(Read(page).all("input")) == 4


def test_the_buyers_language_is_used_unless_another_is_asked_for() -> None:
    assert '<html lang="zh-Hans">' in offer.render(shown(locale="zh-TW"), None).body
    assert '<html lang="en">' in offer.render(shown(locale="de-DE"), None).body
    assert '<html lang="en">' in offer.render(shown(locale="zh-TW"), "en").body


def test_the_opening_keeps_its_own_language_on_a_page_in_another() -> None:
    assert '<p class="opening" lang="zh-Hans">' in offer.render(shown(), "en").body


@pytest.mark.parametrize(
    ("written", "escaped"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ('"><img src=x onerror=alert(1)>', "&#34;&gt;&lt;img src=x onerror=alert(1)&gt;"),
        ("</style></p>", "&lt;/style&gt;&lt;/p&gt;"),
        ("{{ 7 * 7 }} {% raw %}", "{{ 7 * 7 }} {% raw %}"),
        ("\u202eevil \u2067שלום", "\u202eevil \u2067שלום"),
        ("👍🏽 𠮷野家", "👍🏽 𠮷野家"),
    ],
)
@pytest.mark.parametrize("place", ["opening", "shop"])
def test_what_others_wrote_is_shown_as_text_and_kept_apart(written: str, escaped: str, place: str) -> None:
    body = offer.render(shown(**{place: f"taobao:{written}" if place == "shop" else written}), "en").body
    assert f"<bdi>{escaped}</bdi>" in body
    assert Read(Page(200, body)).all("img") == []


def test_an_order_number_is_text_too() -> None:
    assert "<bdi>a&lt;b&gt;</bdi>" in offer.render(shown(order_id="1234a<b>"), "en").body


# ---------------------------------------------------------------- how it stands


def test_only_an_open_offer_can_be_answered() -> None:
    for standing in OfferStanding:
        forms = Read(offer.render(shown(standing=standing, chosen=PARTIAL), "zh")).all("form")
        assert len(forms) == (1 if standing is OfferStanding.OPEN else 0)


@pytest.mark.parametrize("standing", ["accepted", "settled", "in_hands", "superseded"])
def test_who_has_chosen_sees_what_and_when(standing: str) -> None:
    at = datetime(2026, 11, 22, 10, tzinfo=UTC)
    page = offer.render(shown(standing=OfferStanding(standing), chosen=COUPON, chosen_at=at), "zh")
    assert "¥20.00优惠券" in page.body
    assert "11月22日 18:00（北京时间）" in page.body


def test_a_replaced_round_shows_no_choice_of_a_later_one() -> None:
    at = datetime(2026, 11, 22, 10, tzinfo=UTC)
    page = offer.render(shown(standing=OfferStanding.REPLACED, chosen=COUPON, chosen_at=at, closed_at=at), "en")
    assert "CN¥20.00" not in page.body
    assert "22 Nov" not in page.body
    assert "latest link in the chat" in page.body


def test_a_paused_offer_keeps_its_options_and_names_no_deadline() -> None:
    body = offer.render(shown(standing=OfferStanding.PAUSED), "en").body
    assert "CN¥12.30 back" in body
    assert "23 Nov" not in body


def test_an_offer_that_ended_in_silence_says_when() -> None:
    body = offer.render(shown(standing=OfferStanding.EXPIRED), "en").body
    assert "23 Nov, 18:00 (UTC+8)" in body
    assert "your original request included" in body


def test_a_choice_that_the_shop_took_over_is_not_called_carried_out() -> None:
    body = offer.render(shown(standing=OfferStanding.SUPERSEDED, chosen=PARTIAL), "en").body
    assert "The shop now handles this in another way" in body


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_unknown_link_says_nothing_about_why(language: str) -> None:
    page = offer.unknown_link(language)
    assert page.status == 404
    assert not re.search(r"expired|signature|invalid|过期|签名|无效", page.body.partition("</style>")[2])


def test_nobody_is_told_that_a_choice_failed_when_it_may_be_recorded() -> None:
    page = offer.unavailable("en")
    assert page.status == 503
    assert "the page will show how things stand" in page.body


def test_a_redirect_leads_to_the_page_and_keeps_the_language() -> None:
    assert offer.redirect("k1.a.b.1.t", "en").headers["location"] == "k1.a.b.1.t?lang=en"
    assert offer.redirect("k1.a.b.1.t", None).headers["location"] == "k1.a.b.1.t"
    assert offer.redirect("k1.a.b.1.t", "x\r\nset-cookie: a").headers["location"] == "k1.a.b.1.t?lang=en"
    assert offer.redirect("k1.a.b.1.t", None).status == 303
