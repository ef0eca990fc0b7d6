"""Aware UTC times: the only kind that exists inside."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

ONE_SECOND = timedelta(seconds=1)


def _refuse_numbers(value: Any) -> Any:
    # pydantic would read 1614265330, also as text, as a Unix time and thereby guess its unit
    if not isinstance(value, datetime) and not (isinstance(value, str) and value[4:5] == "-"):
        raise ValueError("a time is RFC 3339 text with its offset")
    return value


def _to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("no time in UTC: outside the years 1 to 9999") from None


UtcTime = Annotated[AwareDatetime, BeforeValidator(_refuse_numbers), AfterValidator(_to_utc)]
"""An aware time in UTC; JSON form RFC 3339 with ``Z``."""


def to_text(moment: datetime) -> str:
    """RFC 3339 in UTC with ``Z``, with a fraction only where there is one."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    """Reads RFC 3339 with an offset; raises ``ValueError`` for a naive or broken time."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time without an offset: {text!r}")
    return moment.astimezone(UTC)


def to_sortable_text(moment: datetime) -> str:
    """Whole seconds, rounded up, in a fixed width: as text it sorts as time does."""
    rounded = moment if moment.microsecond == 0 else moment.replace(microsecond=0) + ONE_SECOND
    return rounded.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def local_day(moment: datetime, zone: str) -> date:
    """The calendar day at that moment in an IANA zone."""
    return moment.astimezone(ZoneInfo(zone)).date()
