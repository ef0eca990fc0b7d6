"""A merchant's words may carry no link, ask for no review and touch no reason; everything else may be said."""

from __future__ import annotations

import pytest
from builders import SHOP, START
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aftercare.negotiation.model.plans import Words
from aftercare.negotiation.model.scripts import lint
from aftercare.negotiation.service import rules_for
from aftercare.rulepacks.negotiation import ScriptReading
from sandbox.shops import read_shops

INNOCENT = (
    "支持七天无理由换货",
    "七天无理由退换",
    "7天無理由退換,您可以選擇退貨",
    "由于我们的原因,可以为您换货",
    "由于我们的原因您可以选择换货",
    "因天气原因改派快递",
    "因质量原因选择退货的,运费由我们承担",
    "无需填写理由",
    "无论什么原因，我们都会负责",
    "不管什么原因您都可以选择退货",
    "查明原因改进包装",
    "您有理由选择更好的",
    "很抱歉给您添麻烦了。",
    "感谢您的光临。如果愿意留下它，我们想表示一点心意。",
    "感谢您的反馈,送您一张优惠券",
    "质量不好，评估后为您处理",
    "我们会做好评估",
    "防晒单品可以换货",
    "五个星期内有效",
    "给您5分钟考虑",
    "For whatever reason, we want to make it right",
    "Whatever the reason, you may choose to keep it",
    "You may choose a refund for any reason",
    "You do not have to give a reason",
    "The reason does not matter",
    "There is no reason to choose in a hurry",
    "Please tell us the reason. Choose what suits you",
    "Choose a reasonable option",
    "There is a good reason to try another size",
    "We will change our packaging after your feedback",
    "We will share your feedback with the maker",
    "We will review your order and offer a refund",
    "We care.Top quality",
    "Thank you...Info follows",
    "We are truly sorry that it reached you damaged. Would one of these help?",
    "You may apply again at any time",
)
REVIEW = (
    "好评",
    "晒单返现",
    "评论返现",
    "给个满分",
    "五颗星",
    "好 评",
    "好*评",
    "好🌸评",
    "好評",
    "写个评语送券",
    "给个五星哦",
    "给我们5星哦",
    "⭐⭐⭐⭐⭐",
    "追评有礼",
    "麻烦您删除评价",
    "给个good review哦",
    "drop us a review",
    "give us a review",
    "rate us five out of five",
    "great review = extra coupon",
    "a coupon for every review",
    "leave a positive review",
    "we would be grateful for a review",
    "5 stars please",
    "5.0, five-star",
    "delete your negative feedback",
)
REASON = (
    "退款原因写七天无理由",
    "退款原因：写七天无理由",
    "“退款原因”: 写“七天无理由”",
    "原因请点不喜欢",
    "把退款类型改成多拍",
    "请把原因改成不想要了",
    "请把原因改成七天无理由",
    "因此请把原因改成不想要了",
    "請選擇「拍錯」作為退款原因",
    "请选择“拍错”作为退款原因",
    "以拍错为由申请退款",
    "请换一个理由",
    "退款时选不想要了",
    "please use the reason 'not wanted'",
    "put 'changed my mind' as the reason",
    "As the reason, choose 'changed my mind'",
    "the reason should be 'not wanted'",
    "enter a different reason",
    "revise the reason",
    "change the reason to not wanted",
    "change the return type",
)
LINK = (
    "example.com请点击",
    "请点击example.com",
    "例子.com",
    "example。com",
    "example . com",
    "bit.ly/x",
    "shop.co.uk/x",
    "shop.top has more",
    "a.photography/x",
    "https://example.invalid/x",
    "weixin://dl/chat",
    "www.example.invalid",
    "ｅｘａｍｐｌｅ．ｃｏｍ",
    "192.0.2.1",
)
FORBIDDEN = [(text, rule) for rule, texts in (("review", REVIEW), ("reason", REASON), ("link", LINK)) for text in texts]
ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u202e\u034f\ufe0f"


def broken(text: str, language: str = "zh") -> list[str]:
    """The rules that the text breaks in the field of this language."""
    words = Words.model_validate({"zh": "您好", "en": "Hello", language: text})
    found = lint(words, rules_for(SHOP, START))
    assert {finding.language for finding in found} <= {language}
    return [finding.rule for finding in found]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("text", INNOCENT)
def test_what_is_only_polite_is_let_through(text: str, language: str) -> None:
    assert broken(text, language) == []


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(("text", "rule"), FORBIDDEN)
def test_what_breaks_a_rule_is_found_in_either_field(text: str, rule: str, language: str) -> None:
    assert broken(text, language) == [rule]


@pytest.mark.parametrize(("text", "rule"), FORBIDDEN)
def test_polite_words_around_it_hide_nothing(text: str, rule: str) -> None:
    assert broken(f"支持七天无理由换货。{text}，很抱歉给您添麻烦了。") == [rule]
    assert broken(f"For whatever reason, we are sorry. {text}. You may apply again at any time.", "en") == [rule]


@given(
    st.sampled_from(FORBIDDEN),
    st.lists(st.tuples(st.integers(0, 60), st.text(ZERO_WIDTH, min_size=1, max_size=5)), max_size=12),
)
def test_characters_of_no_width_hide_nothing(forbidden: tuple[str, str], inserted: list[tuple[int, str]]) -> None:
    text, rule = forbidden
    for place, hidden in inserted:
        text = text[:place] + hidden + text[place:]
    assert rule in broken(text)


def test_a_rule_is_found_once_in_each_language_and_in_the_order_of_the_pack() -> None:
    words = Words(zh="好评，五星，example.com", en="5 stars, leave a review")
    found = [(one.rule, one.language) for one in lint(words, rules_for(SHOP, START))]
    assert found == [("review", "zh"), ("review", "en"), ("link", "zh")]


def test_the_made_up_shops_break_no_rule() -> None:
    openings = [plan.opening for shop in read_shops() for plan in shop.plans]
    assert openings
    assert [found for opening in openings for found in lint(opening, rules_for(SHOP, START))] == []


def test_a_character_without_its_simplified_form_is_refused() -> None:
    with pytest.raises(ValidationError, match="one length"):
        ScriptReading(traditional="評選", simplified="评", clause_ends=",", latin_clause_ends=".")
