"""Every sentence about service tags that the public reads, in both languages: key -> text with named slots.

What a tag is called and what its rule says come with the tag.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from aftercare.pages.texts import Language

Unit = Literal["ratio", "days", "hours", "minutes", "seconds", "points"]

_HUNDREDTH = Decimal("0.01")


def text(language: Language, key: str, **slots: str) -> str:
    """Raises ``KeyError`` for a key or a slot that does not exist."""
    return CATALOGUES[language][key].format(**slots)


def measure_text(language: Language, value: str, unit: Unit | None) -> str:
    """A measured number, given as decimal text, as it is read: ``10.4`` hours as ``10.4 h``, a ratio as percent."""
    if unit is None:
        return value
    if unit == "ratio":
        percent = (Decimal(value) * 100).quantize(_HUNDREDTH)
        value = f"{percent:f}".rstrip("0").rstrip(".")
    return text(language, f"unit.{unit}", value=value)


_ZH = {
    "unit.ratio": "{value}%",
    "unit.days": "{value}天",
    "unit.hours": "{value}小时",
    "unit.minutes": "{value}分钟",
    "unit.seconds": "{value}秒",
    "unit.points": "{value}分",
    # the badge: what stands on its right side, what it is called, and what it rests on
    "badge.promise": "承诺有效",
    "badge.value": "已达标",
    "badge.expired": "已过期",
    "badge.hidden": "暂不展示",
    "badge.title": "{name}：{message}",
    "badge.checked": "店铺：{shop}。最近核查：{checked}。",
    "badge.checked_and_valid": "店铺：{shop}。最近核查：{checked}，有效期至：{until}。",
    "badge.alt": "{shop}：{name}",
    # the page
    "page.title": "服务标签",
    "page.shop": "店铺",
    "page.languages": "语言 Language",
    "page.what": (
        "服务标签只凭店铺实际做到的服务获得：按下列规则定期核查，做到才展示，做不到即撤下。"
        "标签不出售，也没有人可以手工授予。"
    ),
    "page.promise": "标为“承诺”的标签展示期间付款的订单，即使标签之后撤下，承诺依然有效。",
    "page.checked": "最近核查：{moment}",
    "page.none": "这家店铺目前没有服务标签。",
    "kind.promise": "承诺",
    "kind.value": "数据",
    "tag.standing": "现状",
    "tag.since": "开始展示",
    "tag.valid_until": "有效期至",
    "tag.window": "统计范围",
    "tag.days": "{first} 至 {last}",
    "tag.cases": "统计数量",
    "tag.measured": "实测结果",
    "tag.interval": "95%置信区间",
    "tag.from_to": "{low} 至 {high}",
    "tag.rule": "规则版本",
    "standing.shown": "展示中",
    "standing.hidden": "暂不展示：目前没有达到规则的要求，或店铺没有参加",
    "standing.unknown": "暂不展示：数据太少，还不能判断",
    "standing.expired": "已过期：超过有效期没有新的核查结果",
    "links.title": "更多信息",
    "links.method": "如何计算",
    "links.report": "报告错误",
    "links.data": "机器可读的数据（JSON）",
}

_EN = {
    "unit.ratio": "{value} %",
    "unit.days": "{value} d",
    "unit.hours": "{value} h",
    "unit.minutes": "{value} min",
    "unit.seconds": "{value} s",
    "unit.points": "{value} points",
    "badge.promise": "promised",
    "badge.value": "earned",
    "badge.expired": "expired",
    "badge.hidden": "not shown",
    "badge.title": "{name}: {message}",
    "badge.checked": "Shop: {shop}. Last checked: {checked}.",
    "badge.checked_and_valid": "Shop: {shop}. Last checked: {checked}. Valid until: {until}.",
    "badge.alt": "{shop}: {name}",
    "page.title": "Service tags",
    "page.shop": "Shop",
    "page.languages": "Language 语言",
    "page.what": (
        "A shop earns service tags only by the service it gave. Each is checked regularly by the rule below: shown "
        "while the shop keeps to it, taken away when it does not. Tags are not for sale, and nobody can grant one by "
        "hand."
    ),
    "page.promise": (
        "What a tag marked “promise” says is owed to every order paid while it was shown, "
        "even if the tag is taken away later."
    ),
    "page.checked": "Last checked: {moment}",
    "page.none": "This shop has no service tags at present.",
    "kind.promise": "promise",
    "kind.value": "figure",
    "tag.standing": "At present",
    "tag.since": "Shown since",
    "tag.valid_until": "Valid until",
    "tag.window": "Days counted",
    "tag.days": "{first} to {last}",
    "tag.cases": "Cases",
    "tag.measured": "Measured",
    "tag.interval": "95 % interval",
    "tag.from_to": "{low} to {high}",
    "tag.rule": "Rule version",
    "standing.shown": "shown",
    "standing.hidden": "not shown: the rule is not met at present, or the shop does not take part",
    "standing.unknown": "not shown: there are too few cases yet to tell",
    "standing.expired": "expired: no new check has come since the tag's validity ended",
    "links.title": "More",
    "links.method": "How this is worked out",
    "links.report": "Report a mistake",
    "links.data": "The data for machines (JSON)",
}

CATALOGUES: Mapping[Language, Mapping[str, str]] = {"zh": _ZH, "en": _EN}
