"""The rules of shipments: their form. The numbers stand in the TOML files beside, each with its source."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from aftercare.kernel.errors import DomainError
from aftercare.kernel.times import UtcTime
from aftercare.rulepacks.calendars import calendar
from aftercare.rulepacks.loader import RulePack, pack_in_force, read_packs


def _short(name: str) -> str:
    # a lane knows 四川 and would never be found under 四川省
    if name.endswith(("省", "市", "区")):
        raise ValueError(f"{name!r} is not the short form of a province's name")
    return name


def _known_zone(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{zone!r} is not an IANA zone") from None
    return zone


PlaceName = Annotated[str, AfterValidator(_short)]
ZoneName = Annotated[str, AfterValidator(_known_zone)]
Hours = Annotated[int, Field(strict=True, gt=0)]
Days = Annotated[int, Field(strict=True, gt=0)]
MinorUnits = Annotated[int, Field(strict=True, ge=0)]
Percent = Annotated[int, Field(strict=True, ge=0, le=100)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Threshold(_Part):
    """A silence is a breach when it is longer than ``breach``, and serious when it is at least ``serious`` long."""

    breach: Hours
    serious: Hours

    @model_validator(mode="after")
    def _serious_is_later(self) -> Self:
        if self.serious <= self.breach:
            raise ValueError("serious must be longer than breach")
        return self


class TransitThresholds(_Part):
    """By lane; an end of the way that nobody named makes it ``other``."""

    same_province: Threshold
    other: Threshold
    remote: Threshold


class StallThresholds(_Part):
    pickup: Threshold
    dispatch: Threshold
    transit: TransitThresholds
    delivery: Threshold
    collection: Threshold


class LaneRules(_Part):
    """Provinces by the short form of their names (浙江 for 浙江省), or countries by ISO 3166-1 alpha-2.

    The provinces of one of the ``near`` groups count as one province. A lane with a ``remote`` end is remote, whatever
    its other end; one with an ``excluded`` end is watched up to the pickup only.
    """

    near: tuple[tuple[PlaceName, ...], ...] = ()
    remote: tuple[PlaceName, ...] = ()
    excluded: tuple[PlaceName, ...] = ()


class Adjustment(_Part):
    """Orders paid in [paid_from, paid_to) are judged by other thresholds, or not at all when ``stalls`` is missing.

    ``provinces`` limits it to lanes with an end there. No such order is late before ``ship_by``; a promise of a later
    time stands. ``provisional`` means that the marketplace has not announced it yet.
    """

    id: str
    paid_from: UtcTime
    paid_to: UtcTime
    ship_by: UtcTime | None = None
    provinces: tuple[PlaceName, ...] = ()
    stalls: StallThresholds | None = None
    provisional: bool = False
    source: str

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.paid_to <= self.paid_from:
            raise ValueError("paid_to must be later than paid_from")
        return self

    def applies(self, paid_at: datetime, provinces: frozenset[str]) -> bool:
        return self.paid_from <= paid_at < self.paid_to and (
            not self.provinces or not provinces.isdisjoint(self.provinces)
        )


class Season(_Part):
    """An adjustment that is expected every year around a holiday of a country's calendar.

    It covers the local days from ``days_before`` its first day to ``days_after`` its last, and leaves the time to ship
    up to the end of the day ``ship_days`` after the last. An adjustment with the id ``{season}-{year}`` replaces that
    year's: what a marketplace announced counts, not what was expected.
    """

    id: str
    calendar: str
    holiday: str
    days_before: Annotated[int, Field(strict=True, ge=0)]
    days_after: Annotated[int, Field(strict=True, ge=0)]
    ship_days: Annotated[int, Field(strict=True, ge=0)] | None = None
    stalls: StallThresholds | None = None
    source: str

    @model_validator(mode="after")
    def _holiday_is_known(self) -> Self:
        # here and not at the first scan: nothing about an order would be wrong
        try:
            known = calendar(self.calendar)
            for year in known.years:
                known.holiday(self.holiday, year)
        except DomainError as error:
            raise ValueError(str(error)) from error
        return self

    def expected(self, zone: ZoneInfo) -> Iterable[tuple[str, Adjustment]]:
        """The id that an announced one would have, and the expected one, for every year that the calendar holds."""
        known = calendar(self.calendar)
        for year in known.years:
            holiday = known.holiday(self.holiday, year)
            announced = f"{self.id}-{year}"
            yield (
                announced,
                Adjustment(
                    id=f"{announced}-provisional",
                    paid_from=_start_of(holiday.first - timedelta(days=self.days_before), zone),
                    paid_to=_start_of(holiday.last + timedelta(days=self.days_after + 1), zone),
                    ship_by=(
                        None
                        if self.ship_days is None
                        else _start_of(holiday.last + timedelta(days=self.ship_days + 1), zone)
                    ),
                    stalls=self.stalls,
                    provisional=True,
                    source=f"{self.source}; {self.holiday} of the calendar {self.calendar}",
                ),
            )


def _start_of(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)


class PromiseClass(_Part):
    """A promise that a marketplace has a name for: picked up within ``hours`` of the payment, or by the end of a local
    day, ``days`` after that of the payment and one more when it was paid at ``cutoff_hour`` or later."""

    id: str
    hours: Hours | None = None
    days: Annotated[int, Field(strict=True, ge=0)] | None = None
    cutoff_hour: Annotated[int, Field(strict=True, ge=0, le=24)] = 24

    @model_validator(mode="after")
    def _one_way_of_counting(self) -> Self:
        if (self.hours is None) == (self.days is None):
            raise ValueError("a promise counts hours or days, one of them")
        return self


class Charge(_Part):
    """What one anomaly costs: a percentage of the goods paid (postage excluded), not below floor nor above cap.

    The conditions that are given must hold: ``promise`` by whether more than the regular time was promised,
    ``declared`` by whether the lack of goods was declared before the original time to ship.
    """

    kind: str
    leg: str | None = None
    stage: Literal["breach", "serious"] | None = None
    promise: Literal["regular", "longer"] | None = None
    declared: Literal["in_time", "late"] | None = None
    percent: Percent
    floor: MinorUnits
    cap: MinorUnits

    @model_validator(mode="after")
    def _floor_below_cap(self) -> Self:
        if self.floor > self.cap:
            raise ValueError("floor must not be above cap")
        return self


class BuyerDayCap(_Part):
    """The most that one buyer is owed for all orders paid in a shop on one day; ``exceptional`` where an order
    promised for longer than usual is out of stock."""

    regular: MinorUnits
    exceptional: MinorUnits


class CompensationTable(_Part):
    """In minor units of ``currency``; the first charge that fits counts.

    ``regular_promise`` is the longest time to ship that is an ordinary promise. What concerns a trace, ``trace_kinds``
    after the pickup, is capped together by ``trace_*`` of an order.
    """

    currency: str
    regular_promise: Hours
    trace_kinds: tuple[str, ...]
    charges: tuple[Charge, ...]
    trace_percent: Percent
    trace_cap: MinorUnits
    buyer_day: BuyerDayCap | None = None


class ViolationRule(_Part):
    """A shop's anomalies of one day are a violation when their share is above ``share_above`` percent of that day's
    shipped orders and at least ``orders`` orders have one."""

    share_above: Percent
    orders: Annotated[int, Field(strict=True, ge=1)]


class ShipmentRules(RulePack):
    """``zone`` is the marketplace's, for local days and hours. ``ship_within`` holds where nothing was promised."""

    zone: ZoneName = "UTC"
    stalls: StallThresholds
    pre_warning: bool = False
    pre_percent: Percent = 75
    lanes: LaneRules = LaneRules()
    out_of_stock_after: Hours
    not_received_within: Days
    return_back_within: Days
    hub_visits: Annotated[int, Field(strict=True, ge=2)]
    ship_within: Hours | None = None
    promise_classes: tuple[PromiseClass, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()
    seasons: tuple[Season, ...] = ()
    compensation: CompensationTable | None = None
    violation: ViolationRule | None = None

    @model_validator(mode="after")
    def _every_id_once(self) -> Self:
        for named in (self.adjustments, self.seasons, self.promise_classes):
            ids = [each.id for each in named]
            if twice := sorted({each for each in ids if ids.count(each) > 1}):
                raise ValueError(f"more than one entry has the id {', '.join(twice)}")
        return self

    def thresholds(self, paid_at: datetime, provinces: frozenset[str]) -> StallThresholds | None:
        """By what an order paid at that aware time is judged; None when it is not judged at all.

        ``provinces`` are the short names of both ends of its way, with their countries or without.
        """
        adjustment = self.adjustment(paid_at, provinces)
        return self.stalls if adjustment is None else adjustment.stalls

    def adjustment(self, paid_at: datetime, provinces: frozenset[str]) -> Adjustment | None:
        """The one that counts: of some provinces before one of all, announced before expected, then as in the file."""
        return next((each for each in self._by_precedence if each.applies(paid_at, provinces)), None)

    @functools.cached_property
    def _by_precedence(self) -> tuple[Adjustment, ...]:
        announced = {each.id for each in self.adjustments}
        expected = (each for season in self.seasons for each in season.expected(ZoneInfo(self.zone)))
        return (
            *(each for each in self.adjustments if each.provinces),
            *(each for each in self.adjustments if not each.provinces),
            *(adjustment for id_, adjustment in expected if id_ not in announced),
        )


def shipment_rules(pack: str, moment: datetime) -> ShipmentRules:
    """The rules of a marketplace in force at ``moment``; raises ``DomainError`` where no pack covers it."""
    packs: tuple[ShipmentRules, ...] = read_packs("shipments", ShipmentRules)
    return pack_in_force(packs, pack, moment)


def shipment_packs() -> frozenset[str]:
    """The names by which packs are found."""
    return frozenset().union(*(pack.names for pack in read_packs("shipments", ShipmentRules)))
