"""What a shop chooses itself: its rules, and when its buyers may be told of a delay."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from aftercare.events.vocabulary import AnomalyKind
from aftercare.shipments.model.settings import DelayMessages, ShopSettings

CHINA = "Asia/Shanghai"


def local(text: str, zone: str = CHINA) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def test_a_shop_that_says_nothing_is_watched_by_its_marketplaces_rules_and_tells_buyers_nothing() -> None:
    settings = ShopSettings()
    assert (settings.pack_of("tmall:1"), settings.delay_messages) == ("tmall", None)


def test_a_shop_may_choose_another_marketplaces_rules() -> None:
    assert ShopSettings(pack="douyin").pack_of("standard:1") == "douyin"


@pytest.mark.parametrize(
    "wrong",
    [{"pack": "nobody"}, {"zone": "Moon/Base"}, {"other": 1}, {"delay_messages": {"per_buyer_a_day": 0}},
     {"delay_messages": {"per_buyer_a_day": 11}}, {"delay_messages": {"quiet_from": "25:00"}}],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ShopSettings.model_validate(wrong)


def test_buyers_are_told_of_stalls_and_lateness_once_a_day_and_not_at_night() -> None:
    usual = DelayMessages()
    assert usual.kinds == (AnomalyKind.STALLED, AnomalyKind.LATE_PICKUP, AnomalyKind.LATE_DELIVERY)
    assert (usual.quiet_from, usual.quiet_until, usual.per_buyer_a_day) == (time(21), time(9), 1)


@pytest.mark.parametrize(
    ("moment", "sent"),
    [
        ("2026-11-02T20:59:59", "2026-11-02T20:59:59"),
        ("2026-11-02T21:00:00", "2026-11-03T09:00:00"),
        ("2026-11-02T23:59:59", "2026-11-03T09:00:00"),
        ("2026-11-03T00:00:00", "2026-11-03T09:00:00"),
        ("2026-11-03T08:59:59", "2026-11-03T09:00:00"),
        ("2026-11-03T09:00:00", "2026-11-03T09:00:00"),
        ("2026-12-31T22:00:00", "2027-01-01T09:00:00"),
    ],
)
def test_a_message_waits_for_the_morning_of_the_buyer(moment: str, sent: str) -> None:
    assert DelayMessages().not_before(local(moment), CHINA) == local(sent)


@pytest.mark.parametrize(
    ("moment", "sent"),
    [
        ("2026-11-02T11:59:59", "2026-11-02T11:59:59"),
        ("2026-11-02T12:00:00", "2026-11-02T14:00:00"),
        ("2026-11-02T13:59:59", "2026-11-02T14:00:00"),
        ("2026-11-02T14:00:00", "2026-11-02T14:00:00"),
        ("2026-11-02T22:00:00", "2026-11-02T22:00:00"),
    ],
)
def test_quiet_hours_may_lie_within_a_day(moment: str, sent: str) -> None:
    siesta = DelayMessages(quiet_from=time(12), quiet_until=time(14))
    assert siesta.not_before(local(moment), CHINA) == local(sent)


def test_hours_from_and_to_the_same_time_are_none() -> None:
    always = DelayMessages(quiet_from=time(9), quiet_until=time(9))
    for hour in range(24):
        moment = local(f"2026-11-02T{hour:02}:00:00")
        assert always.not_before(moment, CHINA) == moment


def test_the_hours_are_the_buyers_not_ours() -> None:
    moment = datetime(2026, 11, 2, 20, tzinfo=UTC)
    assert DelayMessages().not_before(moment, "America/Sao_Paulo") == moment
    assert DelayMessages().not_before(moment, CHINA) == local("2026-11-03T09:00:00")


def test_the_morning_is_that_of_the_clocks_on_the_day_they_change() -> None:
    berlin = "Europe/Berlin"
    assert DelayMessages().not_before(local("2026-10-24T22:00:00", berlin), berlin) == datetime(
        2026, 10, 25, 8, tzinfo=UTC
    )
    assert DelayMessages().not_before(local("2026-10-23T22:00:00", berlin), berlin) == datetime(
        2026, 10, 24, 7, tzinfo=UTC
    )


def test_the_answer_is_in_utc() -> None:
    assert DelayMessages().not_before(local("2026-11-02T22:00:00"), CHINA).tzinfo == UTC
