"""A shop's days: when they begin in its zone, and when they are over for good."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

CLOSES_AT = time(3)
"""A day is counted when so much of the next one has passed in the shop's zone."""


def last_day(moment: datetime, zone: str) -> date:
    """The latest day of which the count may be closed."""
    local = moment.astimezone(ZoneInfo(zone))
    return local.date() - timedelta(days=1 if local.time() >= CLOSES_AT else 2)


def next_closing(moment: datetime, zone: str) -> datetime:
    """When the next day may be closed, in UTC."""
    local = moment.astimezone(ZoneInfo(zone))
    day = local.date() if local.time() < CLOSES_AT else local.date() + timedelta(days=1)
    return datetime.combine(day, CLOSES_AT, ZoneInfo(zone)).astimezone(UTC)


def start_of(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
