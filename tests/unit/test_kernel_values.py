"""Money, time and ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from aftercare.kernel.ids import Id, pseudonym, stable_fraction, stable_id
from aftercare.kernel.money import CurrencyMismatch, Money, NonNegativeMoney
from aftercare.kernel.times import UtcTime, from_text, local_day, to_sortable_text, to_text

minors = st.integers(min_value=-(10**12), max_value=10**12)
moments = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def cny(minor: int) -> Money:
    return Money(minor=minor, currency="CNY")


# ---------------------------------------------------------------- money


@given(minors, st.lists(st.integers(0, 1000), min_size=1, max_size=12).filter(any))
def test_the_parts_of_a_split_sum_to_the_whole(minor: int, weights: list[int]) -> None:
    parts = cny(minor).split(tuple(weights))
    assert sum(part.minor for part in parts) == minor


@given(st.integers(0, 10**12), st.integers(0, 100))
def test_a_percentage_is_rounded_down(minor: int, percent: int) -> None:
    part = cny(minor).percent(percent).minor
    assert part * 100 <= minor * percent < (part + 1) * 100


@given(minors, minors)
def test_what_is_added_can_be_taken_away(one: int, other: int) -> None:
    assert cny(one) + cny(other) - cny(other) == cny(one)


def test_two_currencies_never_meet() -> None:
    with pytest.raises(CurrencyMismatch):
        _ = cny(1) + Money(minor=1, currency="USD")
    with pytest.raises(CurrencyMismatch):
        _ = cny(1) < Money(minor=1, currency="USD")


@pytest.mark.parametrize("minor", [1.0, "1", True, None])
def test_only_a_whole_number_of_minor_units_is_money(minor: object) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate({"minor": minor, "currency": "CNY"})


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(1230, "CNY", "12.30"), (5, "CNY", "0.05"), (-5, "CNY", "-0.05"), (500, "JPY", "500"), (1234, "KWD", "1.234")],
)
def test_an_amount_is_written_with_the_decimals_of_its_currency(minor: int, currency: str, text: str) -> None:
    assert Money(minor=minor, currency=currency).decimal_text() == text


def test_an_amount_that_is_asked_or_paid_is_never_negative() -> None:
    class Asked(BaseModel):
        amount: NonNegativeMoney

    with pytest.raises(ValidationError):
        Asked.model_validate({"amount": {"minor": -1, "currency": "CNY"}})


# ---------------------------------------------------------------- time


class Moment(BaseModel):
    at: UtcTime


@given(moments, st.integers(-14 * 60, 14 * 60))
def test_any_offset_becomes_the_same_moment_in_utc(moment: datetime, minutes: int) -> None:
    local = moment.astimezone(timezone(timedelta(minutes=minutes)))
    read = Moment.model_validate({"at": local.isoformat()}).at
    assert (read, read.utcoffset()) == (moment, timedelta())
    assert from_text(to_text(local)) == moment


@pytest.mark.parametrize("wrong", ["2026-11-02T08:00:00", "2026-11-02", 1614265330, "1614265330", "soon", None])
def test_a_time_without_an_offset_or_a_bare_number_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        Moment.model_validate({"at": wrong})


@pytest.mark.parametrize("edge", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_outside_the_calendar_is_refused_like_any_other(edge: str) -> None:
    with pytest.raises(ValidationError):
        Moment.model_validate({"at": edge})


@given(moments, moments)
def test_sortable_text_sorts_as_time_does_and_never_before_it(one: datetime, other: datetime) -> None:
    if one <= other:
        assert to_sortable_text(one) <= to_sortable_text(other)
    assert from_text(to_sortable_text(one)) >= one


def test_a_day_is_local_where_a_rule_names_one() -> None:
    evening = datetime(2026, 11, 2, 17, 0, tzinfo=UTC)
    assert [local_day(evening, zone).day for zone in ("UTC", "Asia/Shanghai")] == [2, 3]


# ---------------------------------------------------------------- ids


@given(st.lists(st.text(max_size=8), max_size=5), st.lists(st.text(max_size=8), max_size=5))
def test_ids_of_different_parts_differ(one: list[str], other: list[str]) -> None:
    assert (stable_id(*one) == stable_id(*other)) == (one == other)


def test_a_share_of_many_cases_is_close_to_what_was_asked_for() -> None:
    held = sum(stable_fraction("case", number) < 0.2 for number in range(5000))
    assert 900 < held < 1100


def test_a_pseudonym_depends_on_key_shop_and_buyer_and_hides_the_buyer() -> None:
    names = {
        pseudonym(key, shop, buyer)
        for key in (b"1", b"2")
        for shop in ("standard:a", "standard:b")
        for buyer in ("lin", "mei")
    }
    assert len(names) == 8
    assert not any("lin" in name for name in names)


def test_a_64_bit_integer_id_keeps_every_digit() -> None:
    class Named(BaseModel):
        id: Id

    assert Named.model_validate({"id": 9007199254740993}).id == "9007199254740993"
    with pytest.raises(ValidationError):
        Named.model_validate({"id": True})
    with pytest.raises(ValidationError):
        Named.model_validate({"id": 1.5})
