"""Money, days and moments as a buyer reads them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aftercare.kernel.money import Money
from aftercare.pages.formats import days_text, moment_text, money_text
from aftercare.pages.texts import Language, language_of

DEADLINE = datetime(2026, 11, 23, 10, 0, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minor", "currency", "zh", "en"),
    [
        (1230, "CNY", "¥12.30", "CN¥12.30"),
        (5, "CNY", "¥0.05", "CN¥0.05"),
        (123456789, "CNY", "¥1,234,567.89", "CN¥1,234,567.89"),
        (1230, "USD", "US$12.30", "$12.30"),
        (500, "JPY", "JP¥500", "¥500"),
        (1230, "CHF", "CHF\u00a012.30", "CHF\u00a012.30"),
        (1234567, "KWD", "KWD\u00a01,234.567", "KWD\u00a01,234.567"),
        (-1230, "CNY", "-¥12.30", "-CN¥12.30"),
        (0, "CNY", "¥0.00", "CN¥0.00"),
    ],
)
def test_money_is_exact_and_names_its_currency(minor: int, currency: str, zh: str, en: str) -> None:
    money = Money(minor=minor, currency=currency)
    assert (money_text("zh", money), money_text("en", money)) == (zh, en)


@given(st.integers(-(10**15), 10**15), st.sampled_from(["CNY", "JPY", "KWD"]), st.sampled_from(["zh", "en"]))
def test_no_digit_of_an_amount_is_lost(minor: int, currency: str, language: Language) -> None:
    digits = [char for char in money_text(language, Money(minor=minor, currency=currency)) if char.isdigit()]
    assert int("".join(digits)) == abs(minor)


def test_english_counts_one_day_and_many() -> None:
    assert (days_text("en", 1), days_text("en", 30), days_text("zh", 1)) == ("1 day", "30 days", "1天")


@pytest.mark.parametrize(
    ("zone", "zh", "en"),
    [
        ("Asia/Shanghai", "11月23日 18:00（北京时间）", "23 Nov, 18:00 (UTC+8)"),
        ("Asia/Singapore", "11月23日 18:00（UTC+8）", "23 Nov, 18:00 (UTC+8)"),
        ("Asia/Kolkata", "11月23日 15:30（UTC+5:30）", "23 Nov, 15:30 (UTC+5:30)"),
        ("America/New_York", "11月23日 05:00（UTC-5）", "23 Nov, 05:00 (UTC-5)"),
        ("America/St_Johns", "11月23日 06:30（UTC-3:30）", "23 Nov, 06:30 (UTC-3:30)"),
        ("Pacific/Kiritimati", "11月24日 00:00（UTC+14）", "24 Nov, 00:00 (UTC+14)"),
        ("Europe/London", "11月23日 10:00（UTC）", "23 Nov, 10:00 (UTC)"),
        (None, "11月23日 10:00（UTC）", "23 Nov, 10:00 (UTC)"),
    ],
)
def test_a_deadline_stands_on_the_buyers_clock_and_never_later_than_it_is(zone: str | None, zh: str, en: str) -> None:
    assert (moment_text("zh", DEADLINE, zone), moment_text("en", DEADLINE, zone)) == (zh, en)


def test_the_offset_is_that_of_the_day_itself() -> None:
    assert moment_text("en", datetime(2026, 7, 1, 10, tzinfo=UTC), "America/New_York") == "1 Jul, 06:00 (UTC-4)"


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "Asia", "GMT+8", "a\x00b", "北京", "x" * 300])
def test_a_zone_that_nobody_knows_gives_utc_and_says_so(zone: str) -> None:
    assert moment_text("en", DEADLINE, zone) == "23 Nov, 10:00 (UTC)"


@given(st.text())
def test_no_zone_text_whatever_keeps_a_deadline_from_being_shown(zone: str) -> None:
    assert "Nov" in moment_text("en", DEADLINE, zone)


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("zh", "zh"),
        ("zh-CN", "zh"),
        ("zh_TW", "zh"),
        ("ZH-Hans", "zh"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB", "en"),
        ("fr", "en"),
        ("", "en"),
    ],
)
def test_every_kind_of_chinese_reads_chinese_and_all_others_english(tag: str, language: str) -> None:
    assert language_of(tag) == language
