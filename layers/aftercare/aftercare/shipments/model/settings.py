"""What a shop chooses itself: the rules it is watched by, and what its buyers are told of delays."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from aftercare.events.vocabulary import AnomalyKind
from aftercare.kernel.ids import Id
from aftercare.kernel.times import UtcTime
from aftercare.rulepacks.shipments import shipment_packs


def _is_zone(name: str) -> str:
    # asking for the list of all zones would walk their folders at every read, for tens of milliseconds
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("not an IANA time zone") from None
    return name


def _is_pack(name: str) -> str:
    known = shipment_packs()
    if name not in known:
        raise ValueError(f"no such rules; there are {', '.join(sorted(known))}")
    return name


def _refuse_numbers(value: Any) -> Any:
    # pydantic would read 21 as 21 seconds past midnight
    if isinstance(value, time | str):
        return value
    raise ValueError("a time of day is text: 21:00")


def _is_local(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("a time of day is the buyer's own, without an offset")
    return value


PackName = Annotated[str, AfterValidator(_is_pack)]
Zone = Annotated[str, AfterValidator(_is_zone)]
Locale = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}$")]
ClockTime = Annotated[time, BeforeValidator(_refuse_numbers), AfterValidator(_is_local)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, hide_input_in_errors=True)


class DelayMessages(_Part):
    """Which anomalies a buyer is told of, never between ``quiet_from`` and ``quiet_until`` of their own local time,
    and how often on one local day."""

    kinds: tuple[AnomalyKind, ...] = (AnomalyKind.STALLED, AnomalyKind.LATE_PICKUP, AnomalyKind.LATE_DELIVERY)
    quiet_from: ClockTime = time(21)
    quiet_until: ClockTime = time(9)
    per_buyer_a_day: Annotated[int, Field(strict=True, ge=1, le=10)] = 1

    def not_before(self, moment: datetime, zone: str) -> datetime:
        """The first moment from this one on that is not in the quiet hours of the zone."""
        local = moment.astimezone(ZoneInfo(zone))
        clock = local.time().replace(tzinfo=None)
        over_night = self.quiet_from > self.quiet_until
        late, early = clock >= self.quiet_from, clock < self.quiet_until
        if not ((late or early) if over_night else (late and early)):
            return moment
        return self.first_of_day(local.date() + timedelta(days=1 if over_night and late else 0), zone)

    def first_of_day(self, day: date, zone: str) -> datetime:
        """When the quiet hours of a local day end, in UTC."""
        return datetime.combine(day, self.quiet_until, ZoneInfo(zone)).astimezone(UTC)


class ShopSettings(_Part):
    """``pack`` names another marketplace's rules; without ``delay_messages`` buyers are told nothing."""

    pack: PackName | None = None
    zone: Zone = "UTC"
    locale: Locale = "zh"
    delay_messages: DelayMessages | None = None
    changed_at: UtcTime | None = None
    changed_by: Id | None = None

    def pack_of(self, shop: str) -> str:
        return self.pack or shop.partition(":")[0]
