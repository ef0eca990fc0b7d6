"""Every sentence that a buyer reads, in both languages: key -> text with named slots.

The texts urge nothing: each says what the buyer gets, what it takes, and that the original request stands. Nothing
that a buyer or merchant wrote goes into a slot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Language = Literal["zh", "en"]


def language_of(tag: str) -> Language:
    """The catalogue for a BCP 47 tag or an Accept-Language header: Chinese for any kind of Chinese, else English."""
    return "zh" if tag.strip().lower().startswith("zh") else "en"


def text(language: Language, key: str, **slots: str) -> str:
    """Raises ``KeyError`` for a key or a slot that does not exist."""
    return CATALOGUES[language][key].format(**slots)


_ZH = {
    # what an option gives: its line in the message, the first line of its card
    "gets.partial_refund": "退还{amount}，商品无需退回",
    "gets.coupon": "{amount}优惠券，{days}内有效；不退现金",
    "gets.exchange": "换货：原商品换新；不退现金",
    "gets.reissue": "补寄：商品再次寄给您；不退现金",
    "gets.return_and_refund": "退货后退还{amount}",
    "gets.full_refund": "全部退还{amount}，商品无需退回",
    "gets.original": "继续我原来的申请（{amount}）",
    "gets.original_without_sum": "继续我原来的申请",
    "gets.as_before": "都不选，一切照旧继续",
    "gets.another": "都不选，请问还有别的方案吗？",
    # what the buyer must do for it: the card's second line
    "does.partial_refund": "您无需再做什么；本次问题按此解决",
    "does.coupon": "下次购物时使用；本次问题按此解决",
    "does.exchange": "请按平台提示寄回原商品；本次问题按此解决",
    "does.reissue": "您无需再做什么；本次问题按此解决",
    "does.return_and_refund": "请按平台提示寄回商品",
    "does.full_refund": "您无需再做什么；本次问题按此解决",
    "does.original": "您无需再做什么；本页方案随之失效",
    "does.original_without_sum": "您无需再做什么；本页方案随之失效",
    "does.as_before": "您无需再做什么；本页方案随之失效",
    "does.another": "您无需再做什么；本页方案随之失效",
    # when it comes: the card's third line
    "when.partial_refund": "选择后即开始办理，按原支付方式退回",
    "when.coupon": "选择后即开始发放，从发放时起算有效期",
    "when.exchange": "选择后即通知店铺同意换货；后续时间见平台换货页面",
    "when.reissue": "选择后即通知店铺补寄；物流见平台订单页面",
    "when.return_and_refund": "选择后即通知店铺同意退货；店铺收到退货后按原支付方式退款",
    "when.full_refund": "选择后即开始办理，按原支付方式退回",
    "when.original": "由店铺或平台按通常时限处理",
    "when.original_without_sum": "由店铺或平台按通常时限处理",
    "when.as_before": "您的订单和已提出的申请都按通常时限处理",
    "when.another": "如果还有方案，马上可以看到；如果没有，一切照旧继续",
    # the message in the chat
    "message.options": "您可以任选一项：",
    "message.original": "也可以都不选，继续原来的申请：您已提出的申请会照常处理。",
    "message.silence": "请在{moment}前选择。到时未选，方案失效，一切照旧，原来的申请继续处理。",
    "apply_again": "您随时可以再次申请售后。",
    # the page on which the buyer chooses
    "choice.title": "店铺给您的方案",
    "choice.legend": "请选择一项",
    "choice.deadline": "请在{moment}前选择。到时未选，方案失效，您原来的申请照常继续处理。",
    "choice.deadline_as_before": "请在{moment}前选择。到时未选，方案失效，一切照旧继续。",
    "choice.confirm": "确认我的选择",
    "choice.final": "点击确认后即生效，本页上不能再更改。",
    "choice.missing": "还没有记录任何选择：请先选一项，再点击确认。",
    "choice.why_title": "为什么会看到这个页面？",
    "choice.why": (
        "您就这笔订单申请了售后；按店铺预先设定的规则（依据订单、申请内容和以往订单），"
        "可以为您提供其他解决方式，选不选由您决定。"
    ),
    "choice.why_as_before": (
        "这笔订单出现了需要解决的问题；按店铺预先设定的规则（依据订单、问题和以往订单），"
        "可以为您提供解决方式，选不选由您决定。"
    ),
    # how an offer stands: the page's heading, and what came of it on the page and in the message
    "title.paused": "方案暂停，等待平台处理",
    "title.accepted": "您的选择已记录",
    "title.settled": "您的选择已办理完成",
    "title.in_hands": "店铺专人处理中",
    "title.declined": "没有选用方案",
    "title.expired": "选择时间已过",
    "title.replaced": "已有新的方案",
    "title.superseded": "此方案已结束",
    "result.paused": "平台正在处理这笔订单，方案暂停；平台处理完后，剩余的选择时间会继续计算。",
    "result.accepted": "正在办理您选择的方案。",
    "result.settled.partial_refund": "{amount}退款已提交，将按原支付方式退回；到账时间以支付机构为准。",
    "result.settled.coupon": "{amount}优惠券已发放，自发放起{days}内有效。",
    "result.settled.exchange": "换货已同意，后续步骤请见平台换货页面。",
    "result.settled.reissue": "补寄已同意，物流请见平台订单页面。",
    "result.settled.return_and_refund": "退货已同意。请按平台提示寄回商品；店铺收到后退还{amount}。",
    "result.settled.full_refund": "{amount}全部退款已同意，将按原支付方式退回；到账时间以支付机构为准。",
    "result.in_hands": "您选择的方案正由店铺专人处理。",
    "result.declined": "没有选用任何方案。一切照旧，您原来的申请继续处理。",
    "result.expired": "选择时间已结束，没有选用任何方案。一切照旧，您原来的申请继续处理。",
    "result.replaced": "此链接里的方案已被新的方案取代。请打开聊天中最新的链接。",
    "result.superseded": "申请已变更、撤回，或已由店铺或平台另行处理，此方案不再有效。",
    "result.superseded_after_choice": "此事已转由店铺另行处理，不再由本页面办理。处理情况请在聊天中询问店铺。",
    "result.chosen": "您的选择：{choice}",
    "status.waiting": "方案内容",
    "status.chosen": "您的选择",
    "status.chosen_at": "选择时间",
    "status.closed_at": "结束时间",
    "status.answer_by": "选择截止",
    # pages without an offer
    "unknown.title": "无法显示方案",
    "unknown.body": "此链接无法显示任何方案。请打开聊天中最新的链接，或在聊天中联系店铺。您已提出的申请不受影响。",
    "unavailable.title": "暂时无法打开",
    "unavailable.body": "请稍后再次打开此链接，页面会显示实际情况。您已提出的申请不受影响。",
    # on every page
    "page.shop": "店铺",
    "page.order": "订单尾号",
    "page.languages": "语言 Language",
    "page.person_title": "想和人工沟通？",
    "page.person": "请在购物平台的聊天窗口联系店铺，也可以联系平台客服。",
}

_EN = {
    "gets.partial_refund": "{amount} back, and you keep the goods",
    "gets.coupon": "A coupon of {amount}, valid for {days}; no money is paid back",
    "gets.exchange": "An exchange of the goods; no money is paid back",
    "gets.reissue": "The goods sent to you again; no money is paid back",
    "gets.return_and_refund": "{amount} back after you return the goods",
    "gets.full_refund": "All of {amount} back, with nothing to return",
    "gets.original": "Continue with my original request ({amount})",
    "gets.original_without_sum": "Continue with my original request",
    "gets.as_before": "None of these: everything goes on as before",
    "gets.another": "None of these: is there another offer?",
    "does.partial_refund": "Nothing more to do; this settles the matter",
    "does.coupon": "Use it on a later purchase; this settles the matter",
    "does.exchange": "Send the goods back; this settles the matter",
    "does.reissue": "Nothing more to do; this settles the matter",
    "does.return_and_refund": "Send the goods back as the marketplace tells you",
    "does.full_refund": "Nothing more to do; this settles the matter",
    "does.original": "Nothing more to do; the offers on this page end",
    "does.original_without_sum": "Nothing more to do; the offers on this page end",
    "does.as_before": "Nothing more to do; the offers on this page end",
    "does.another": "Nothing more to do; the offers on this page end",
    "when.partial_refund": "We start once you choose; it comes the way you paid",
    "when.coupon": "We start issuing it once you choose; its time runs from the issue",
    "when.exchange": "The shop is told once you choose; the marketplace shows the dates of the exchange",
    "when.reissue": "The shop is told once you choose; the marketplace shows the new parcel",
    "when.return_and_refund": "The shop is told once you choose, and pays once the goods are back",
    "when.full_refund": "We start once you choose; it comes the way you paid",
    "when.original": "The shop or the marketplace decides it in the usual time",
    "when.original_without_sum": "The shop or the marketplace decides it in the usual time",
    "when.as_before": "Your order, and any request you have made, is handled in the usual time",
    "when.another": "If there is one, you see it at once; if not, everything goes on as before",
    "message.options": "You can choose one of these:",
    "message.original": (
        "You can also take none of them and continue with your original request: "
        "whatever you have asked for is handled as usual."
    ),
    "message.silence": (
        "Please choose before {moment}. If you do not, the offers end and everything goes on as before, "
        "your original request included."
    ),
    "apply_again": "You may apply again at any time.",
    "choice.title": "What the shop offers you",
    "choice.legend": "Please choose one",
    "choice.deadline": (
        "Please choose before {moment}. If you do not, the offers end and your original request simply goes on."
    ),
    "choice.deadline_as_before": (
        "Please choose before {moment}. If you do not, the offers end and everything goes on as before."
    ),
    "choice.confirm": "Confirm my choice",
    "choice.final": "Your choice counts once you confirm it; this page cannot change it afterwards.",
    "choice.missing": "No choice has been recorded yet: please pick one and then confirm it.",
    "choice.why_title": "Why am I seeing this?",
    "choice.why": (
        "You made a request about this order, and by rules that the shop has set (they look at the order, the request "
        "and earlier orders) there are other ways to settle it; whether you take one is up to you."
    ),
    "choice.why_as_before": (
        "Something about this order needs settling, and by rules that the shop has set (they look at the order, the "
        "problem and earlier orders) there are ways to settle it; whether you take one is up to you."
    ),
    "title.paused": "The offers wait for the marketplace",
    "title.accepted": "Your choice is recorded",
    "title.settled": "Your choice has been carried out",
    "title.in_hands": "A person of the shop is seeing to it",
    "title.declined": "No offer was taken",
    "title.expired": "The time to choose is over",
    "title.replaced": "There is a newer offer",
    "title.superseded": "This offer has ended",
    "result.paused": (
        "The marketplace is looking into this order, so the offers wait. When it is done, the time that was left to "
        "choose runs on."
    ),
    "result.accepted": "What you chose is being carried out.",
    "result.settled.partial_refund": (
        "Your refund of {amount} is on its way; it comes the way you paid, on the day your bank books it."
    ),
    "result.settled.coupon": "Your coupon of {amount} has been issued; it is valid for {days} from its issue.",
    "result.settled.exchange": "The exchange is agreed; the marketplace shows you the next steps.",
    "result.settled.reissue": "It is agreed that the goods are sent again; the marketplace shows you the new parcel.",
    "result.settled.return_and_refund": (
        "The return is agreed. Please send the goods back as the marketplace shows you; "
        "{amount} is paid back once the shop has them."
    ),
    "result.settled.full_refund": (
        "Your refund of all of {amount} is agreed; it comes the way you paid, on the day your bank books it."
    ),
    "result.in_hands": "A person of the shop is seeing to what you chose.",
    "result.declined": "None of the offers was taken. Everything goes on as before, your original request included.",
    "result.expired": (
        "The time to choose ended and no offer was taken. Everything goes on as before, your original request included."
    ),
    "result.replaced": (
        "Newer offers have taken the place of those under this link. Please open the latest link in the chat."
    ),
    "result.superseded": (
        "The request was changed, withdrawn or handled by the shop or the marketplace in another way, "
        "so this offer no longer stands."
    ),
    "result.superseded_after_choice": (
        "The shop now handles this in another way, no longer through this page. "
        "Please ask the shop in the chat how it stands."
    ),
    "result.chosen": "Your choice: {choice}",
    "status.waiting": "What is offered",
    "status.chosen": "Your choice",
    "status.chosen_at": "Chosen on",
    "status.closed_at": "Ended on",
    "status.answer_by": "To be chosen before",
    "unknown.title": "No offer to show",
    "unknown.body": (
        "There is no offer to show under this link. Please open the latest link in the chat, or write to the shop "
        "there. Any request you have made is not affected."
    ),
    "unavailable.title": "This page cannot be opened just now",
    "unavailable.body": (
        "Please open the link again in a moment: the page will show how things stand. "
        "Any request you have made is not affected."
    ),
    "page.shop": "Shop",
    "page.order": "Order number ends in",
    "page.languages": "Language 语言",
    "page.person_title": "Would you rather talk to a person?",
    "page.person": "Write to the shop in the marketplace's chat, or ask the marketplace's customer service.",
}

CATALOGUES: Mapping[Language, Mapping[str, str]] = {"zh": _ZH, "en": _EN}
