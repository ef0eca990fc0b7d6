"""Both catalogues say the same things, and the messages made of them say all they must."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from string import Formatter

import pytest

from aftercare.events.vocabulary import OptionKind
from aftercare.kernel.money import Money
from aftercare.negotiation.model.cases import Option
from aftercare.pages.texts import CATALOGUES, Language, text
from aftercare.pages.wording import OfferWording

APPLY_AGAIN = {"zh": "您随时可以再次申请售后。", "en": "You may apply again at any time."}
OFFERED_KINDS = [
    "partial_refund",
    "coupon",
    "exchange",
    "reissue",
    "return_and_refund",
    "full_refund",
]
DEADLINE = datetime(2026, 11, 23, 10, tzinfo=UTC)


def cny(minor: int) -> Money:
    return Money(minor=minor, currency="CNY")


def option(kind: str) -> Option:
    amount = cny(1230) if kind in ("partial_refund", "return_and_refund", "full_refund") else None
    coupon = {"coupon_value": cny(2000), "coupon_days": 30} if kind == "coupon" else {}
    return Option(option_id="r1o1", kind=OptionKind(kind), amount=amount, cost=cny(0), **coupon)  # type: ignore[arg-type]


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


def test_english_texts_are_english_and_chinese_ones_chinese() -> None:
    chinese = re.compile(r"[\u4e00-\u9fff]")
    both = {"page.languages"}
    assert [key for key, said in CATALOGUES["en"].items() if chinese.search(said) and key not in both] == []
    assert [key for key, said in CATALOGUES["zh"].items() if not chinese.search(said)] == []


def test_a_text_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(KeyError):
        text("zh", "no.such.text")


def test_every_kind_that_can_be_offered_has_its_words() -> None:
    never_offered = {"unknown", "coupon_revocation"}
    assert set(OFFERED_KINDS) == {kind.value for kind in OptionKind} - never_offered


def test_the_offer_in_chinese() -> None:
    offered = [option("partial_refund"), option("coupon"), option("return_and_refund")]
    assert OfferWording().offer_text("zh-CN", "Asia/Shanghai", "很抱歉给您添麻烦了。", offered, DEADLINE) == (
        "很抱歉给您添麻烦了。\n"
        "您可以任选一项：\n"
        "1. 退还¥12.30，商品无需退回\n"
        "2. ¥20.00优惠券，30天内有效；不退现金\n"
        "3. 退货后退还¥12.30\n"
        "也可以都不选，继续原来的申请：您已提出的申请会照常处理。\n"
        "请在11月23日 18:00（北京时间）前选择。到时未选，方案失效，一切照旧，原来的申请继续处理。\n"
        "您随时可以再次申请售后。"
    )


def test_the_offer_in_english() -> None:
    offered = [option("partial_refund"), option("coupon")]
    assert OfferWording().offer_text("en-US", "America/New_York", "We are sorry.", offered, DEADLINE) == (
        "We are sorry.\n"
        "You can choose one of these:\n"
        "1. CN¥12.30 back, and you keep the goods\n"
        "2. A coupon of CN¥20.00, valid for 30 days; no money is paid back\n"
        "You can also take none of them and continue with your original request: "
        "whatever you have asked for is handled as usual.\n"
        "Please choose before 23 Nov, 05:00 (UTC-5). "
        "If you do not, the offers end and everything goes on as before, your original request included.\n"
        "You may apply again at any time."
    )


def test_braces_in_a_merchants_opening_are_only_text() -> None:
    said = OfferWording().offer_text("en", "UTC", "{amount} {0} {", [option("exchange")], DEADLINE)
    assert said.startswith("{amount} {0} {\n")


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("kind", OFFERED_KINDS)
def test_what_came_of_every_kind_is_said_with_its_sum(kind: str, language: Language) -> None:
    chosen = option(kind)
    said = OfferWording().result_text(language, "settled", chosen)
    assert said.endswith(APPLY_AGAIN[language])
    if chosen.amount is not None:
        assert "¥12.30" in said
    if chosen.coupon_value is not None:
        assert "¥20.00" in said
        assert "30" in said


@pytest.mark.parametrize("language", ["zh", "en"])
def test_who_chose_and_waits_for_a_person_is_reminded_of_the_choice(language: Language) -> None:
    person, choice, again = OfferWording().result_text(language, "needs_human", option("coupon")).split("\n")
    assert person == text(language, "result.in_hands")
    assert "¥20.00" in choice
    assert again == APPLY_AGAIN[language]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_who_let_an_offer_pass_hears_that_the_original_request_goes_on(language: Language) -> None:
    said = OfferWording().result_text(language, "expired", None)
    assert {"zh": "原来的申请继续处理", "en": "your original request included"}[language] in said
    assert said.endswith(APPLY_AGAIN[language])
