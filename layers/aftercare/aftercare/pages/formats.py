"""Money, days and moments as a buyer reads them, in either language."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aftercare.kernel.money import Money
from aftercare.pages.texts import Language

# Unicode CLDR 47: the symbols that tell currencies apart for a reader of that language; all others show their code.
_SYMBOLS: dict[Language, dict[str, str]] = {
    "zh": {"CNY": "¥", "HKD": "HK$", "TWD": "NT$", "USD": "US$", "JPY": "JP¥", "EUR": "€", "GBP": "£"},
    "en": {"CNY": "CN¥", "HKD": "HK$", "TWD": "NT$", "USD": "$", "JPY": "¥", "EUR": "€", "GBP": "£"},
}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NO_BREAK_SPACE = "\u00a0"
_BEIJING_TIME = frozenset({"Asia/Shanghai", "Asia/Chongqing", "Asia/Harbin", "PRC"})


def money_text(language: Language, money: Money) -> str:
    """``¥1,234.50`` or ``CN¥1,234.50``; a currency without a symbol here as ``CHF 12.30``, on one line."""
    whole, point, fraction = money.decimal_text().lstrip("-").partition(".")
    sign = "-" if money.minor < 0 else ""
    symbol = _SYMBOLS[language].get(money.currency, money.currency + _NO_BREAK_SPACE)
    return f"{sign}{symbol}{int(whole):,}{point}{fraction}"


def days_text(language: Language, days: int) -> str:
    if language == "zh":
        return f"{days}天"
    return "1 day" if days == 1 else f"{days} days"


def day_text(language: Language, day: date) -> str:
    if language == "zh":
        return f"{day.year}年{day.month}月{day.day}日"
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def moment_text(language: Language, moment: datetime, zone: str | None) -> str:
    """A moment on the wall clock of an IANA zone, to the minute begun, with its offset from UTC.

    A deadline thus never reads later than it is. A zone that is missing or unknown gives UTC, and the text says so.
    """
    local = moment.astimezone(_zone_or_utc(zone))
    clock = f"{local:%H:%M}"
    if language == "zh":
        where = "北京时间" if zone in _BEIJING_TIME else _offset_text(local)
        return f"{local.month}月{local.day}日 {clock}（{where}）"
    return f"{local.day} {_MONTHS[local.month - 1]}, {clock} ({_offset_text(local)})"


def _zone_or_utc(zone: str | None) -> tzinfo:
    if zone is None:
        return UTC
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # the name came with the order: a foreign or broken one must not keep a buyer from an offer
        return UTC


def _offset_text(local: datetime) -> str:
    offset = local.utcoffset() or timedelta()
    sign = "-" if offset < timedelta() else "+"
    hours, minutes = divmod(abs(offset) // timedelta(minutes=1), 60)
    if not hours and not minutes:
        return "UTC"
    return f"UTC{sign}{hours}:{minutes:02}" if minutes else f"UTC{sign}{hours}"
