"""A shop in the registry: how its days are counted, and how far they have been."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple, Self

from aftercare.events.shop import ServiceEnrolled, ViolationRecorded
from aftercare.kernel import compact
from aftercare.kernel.envelope import Event, EventData
from aftercare.kernel.times import local_day


class Enrolment(NamedTuple):
    since: datetime
    active: bool


class Violation(NamedTuple):
    kind: str
    order_id: str | None
    at: datetime


class ShopState(NamedTuple):
    """``counted_to`` is the latest day that was counted, ``published_to`` the Monday up to which weeks were scored."""

    shop: str
    zone: str
    pack: str
    counted_to: date
    category: str | None = None
    published_to: date | None = None
    services: Mapping[str, Enrolment] = {}
    violations: tuple[Violation, ...] = ()

    @classmethod
    def entered(
        cls, shop: str, now: datetime, *, zone: str = "UTC", pack: str = "", category: str | None = None
    ) -> Self:
        """A shop from now on: its first day to be counted is today. Without a ``pack`` its marketplace's holds."""
        yesterday = local_day(now, zone) - timedelta(days=1)
        return cls(shop, zone, pack or shop.partition(":")[0], yesterday, category)


def fold_shop(state: ShopState, event: Event[EventData]) -> ShopState:
    """Which services the shop has, and what was recorded against it."""
    match event.data:
        case ServiceEnrolled() as enrolled:
            known = state.services.get(enrolled.service)
            enrolment = Enrolment(enrolled.since, enrolled.active)
            if known is not None and known >= enrolment:
                return state
            return state._replace(services={**state.services, enrolled.service: enrolment})
        case ViolationRecorded() as recorded:
            violation = Violation(recorded.kind, recorded.order_id, recorded.at)
            return state._replace(violations=tuple(sorted({*state.violations, violation}, key=repr)))
    return state


read_shop_state = compact.row(
    ShopState,
    None,
    None,
    None,
    compact.day,
    None,
    compact.day,
    compact.mapping(str, compact.row(Enrolment, compact.moment, None)),
    compact.many(compact.row(Violation, None, None, compact.moment)),
)
