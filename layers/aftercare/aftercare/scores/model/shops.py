"""A shop in the registry: how its days are counted, and how far they have been."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


OTHER_SHOPS = "other"
VIOLATIONS_KEPT = timedelta(days=400)


class ShopState(NamedTuple):
    """``counted_to`` is the latest day that was counted, ``published_to`` the Monday up to which weeks were scored.

    ``shop_class`` is the marketplace's own, such as ``flagship``. ``changed_from``: the first day whose weeks something
    that was told of the shop may change. ``chats_on``: the last counted day with rounds or ratings; ``warned_on``: the
    last day on which the shop was looked at before the day's end.
    """

    shop: str
    zone: str
    pack: str
    counted_to: date
    category: str | None = None
    published_to: date | None = None
    services: Mapping[str, tuple[Enrolment, ...]] = {}
    violations: tuple[Violation, ...] = ()
    shop_class: str = OTHER_SHOPS
    changed_from: date | None = None
    chats_on: date | None = None
    warned_on: date | None = None

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
            known = {each.since: each.active for each in state.services.get(enrolled.service, ())}
            # told both ways of one moment, the shop has the service
            active = enrolled.active or known.get(enrolled.since, False)
            if known.get(enrolled.since) is active:
                return state
            known[enrolled.since] = active
            enrolments = tuple(Enrolment(since, active) for since, active in sorted(known.items()))
            services = {**state.services, enrolled.service: enrolments}
            return _changed(state._replace(services=services), enrolled.since)
        case ViolationRecorded() as recorded:
            violation = Violation(recorded.kind, recorded.order_id, recorded.at)
            if violation in state.violations:
                return state
            violations = tuple(sorted((*state.violations, violation), key=repr))
            return _changed(state._replace(violations=violations), recorded.at)
    return state


def _changed(state: ShopState, at: datetime) -> ShopState:
    day = local_day(at, state.zone)
    return state._replace(changed_from=day if state.changed_from is None else min(state.changed_from, day))


def active_days(enrolments: Iterable[Enrolment], end: datetime) -> int | None:
    """For how many whole days up to ``end`` the shop has had the service; None where nobody said that it had it."""
    before = sorted(each for each in enrolments if each.since < end)
    if not before:
        return None
    since: datetime | None = None
    for each in before:
        since = (since or each.since) if each.active else None
    return 0 if since is None else (end - since).days


read_shop_state = compact.row(
    ShopState,
    None,
    None,
    None,
    compact.day,
    None,
    compact.day,
    compact.mapping(str, compact.many(compact.row(Enrolment, compact.moment, None))),
    compact.many(compact.row(Violation, None, None, compact.moment)),
    None,
    compact.day,
    compact.day,
    compact.day,
)
