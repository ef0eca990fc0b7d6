"""When an order is due: everything that was promised, resolved in one place."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from aftercare.events.vocabulary import PromiseSource
from aftercare.rulepacks.shipments import PromiseClass, ShipmentRules
from aftercare.shipments.model.shipment import Due, Promise, Shipment
from aftercare.shipments.model.trace import Lane

PAYMENT_RULE = "payment"


def due_of(shipment: Shipment, rules: ShipmentRules) -> Due | None:
    """When the order is due; None while its payment is not known.

    Of contradictory promises the one that is best for the buyer binds (Tmall 11000266, rev. 2026-04-09). A date that
    was agreed with the buyer later replaces it, and ``original_ship_by`` stays what was promised before the agreement.
    In a season with its own time to ship, nothing is due earlier.
    """
    payment = shipment.payment
    if payment is None:
        return None
    offered = [promise for promise in shipment.promises if promise.source is not PromiseSource.AGREEMENT]
    ship_times = [(PAYMENT_RULE, payment.ship_by)]
    for promise in offered:
        source = f"{promise.source.value}:{promise.tag or promise.terms or ''}".rstrip(":")
        ship_times.append((source, ship_by_of(promise, shipment, rules)))
    if rules.ship_within is not None and not payment.presale and all(ship_by is None for _, ship_by in ship_times):
        ship_times = [("default", payment.paid_at + timedelta(hours=rules.ship_within))]
    source, ship_by = _soonest(ship_times)
    season = rules.adjustment(payment.paid_at, Lane(payment.origin, payment.destination).names)
    if ship_by is not None and season is not None and season.ship_by is not None and ship_by < season.ship_by:
        source, ship_by = season.id, season.ship_by
    deliver_by = _soonest_of([payment.deliver_by, *(promise.deliver_by for promise in offered)])
    door_delivery = payment.door_delivery or any(promise.door_delivery for promise in offered)
    original = ship_by
    agreed = [promise for promise in shipment.promises if promise.source is PromiseSource.AGREEMENT]
    for promise in sorted(agreed, key=lambda promise: (promise.made_at, promise.ship_by or promise.made_at)):
        ship_by = promise.ship_by or ship_by
        deliver_by = promise.deliver_by or deliver_by
        door_delivery = door_delivery if promise.door_delivery is None else promise.door_delivery
        source = "agreement"
    return Due(ship_by, original, deliver_by, door_delivery, f"{rules.id}/due.{source}")


def as_paid(shipment: Shipment) -> Due | None:
    """What OrderPaid promised."""
    payment = shipment.payment
    if payment is None:
        return None
    return Due(payment.ship_by, payment.ship_by, payment.deliver_by, payment.door_delivery, PAYMENT_RULE)


def ship_by_of(promise: Promise, shipment: Shipment, rules: ShipmentRules) -> datetime | None:
    """The time that a promise names, or that the marketplace's class of that name stands for."""
    if promise.ship_by is not None or shipment.payment is None:
        return promise.ship_by
    named = {promise.tag, promise.terms}
    of_class = next((each for each in rules.promise_classes if each.id in named), None)
    return None if of_class is None else _by_class(of_class, shipment.payment.paid_at, rules.zone)


def _by_class(of_class: PromiseClass, paid_at: datetime, zone: str) -> datetime:
    if of_class.hours is not None:
        return paid_at + timedelta(hours=of_class.hours)
    local = paid_at.astimezone(ZoneInfo(zone))
    days = (of_class.days or 0) + (1 if local.hour >= of_class.cutoff_hour else 0)
    # by the end of the day: up to the first moment of the next one
    end = datetime.combine(local.date() + timedelta(days=days + 1), time(), ZoneInfo(zone))
    return end.astimezone(paid_at.tzinfo)


def _soonest(times: Iterable[tuple[str, datetime | None]]) -> tuple[str, datetime | None]:
    known = [(moment, source) for source, moment in times if moment is not None]
    if not known:
        return PAYMENT_RULE, None
    moment, source = min(known, key=lambda each: (each[0], each[1] != PAYMENT_RULE, each[1]))
    return source, moment


def _soonest_of(times: Iterable[datetime | None]) -> datetime | None:
    return min((moment for moment in times if moment is not None), default=None)
