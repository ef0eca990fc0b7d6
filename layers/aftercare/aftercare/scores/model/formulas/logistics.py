"""How an order's scans, promises and anomalies make the cases of a metric: one function a formula."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from aftercare.events.trace import Scan, first_delivery, first_pickup
from aftercare.events.vocabulary import AnomalyKind, AnomalyStage, SignedBy
from aftercare.kernel.times import local_day
from aftercare.rulepacks.scores import Counting, Metric
from aftercare.scores.model.formulas.parts import OrderFormula, Part
from aftercare.scores.model.records import CLEARED, RAISED, Anomaly, OrderRecord

AT_THE_DOOR = frozenset({SignedBy.RECIPIENT, SignedBy.HOUSEHOLD})
BREACHED = frozenset({AnomalyStage.BREACH.value, AnomalyStage.SERIOUS.value})
A_DAY = timedelta(hours=24)


# ---------------------------------------------------------------- milestones


def picked_up(record: OrderRecord) -> datetime | None:
    """Of several parcels the first scan of any."""
    return _time_of(_first(record, first_pickup))


def delivered(record: OrderRecord) -> datetime | None:
    return _time_of(_first(record, first_delivery))


def _first(record: OrderRecord, milestone: Callable[[tuple[Scan, ...]], Scan | None]) -> Scan | None:
    # parcels that arrive in the same second are told in any order
    scans = [scan for _, trace in sorted(record.parcels.items()) if (scan := milestone(trace.scans)) is not None]
    return min(scans, key=lambda scan: scan.at, default=None)


def _time_of(scan: Scan | None) -> datetime | None:
    return None if scan is None else scan.at


def called_off(record: OrderRecord) -> bool:
    """Cancelled before it had to be shipped: nobody waits for it."""
    ship_by = record.promised.ship_by if record.promised else None
    return record.cancelled_at is not None and ship_by is not None and record.cancelled_at <= ship_by


# ---------------------------------------------------------------- formulas


def _on_time_pickup(record: OrderRecord, _metric: Metric, _counting: Counting) -> Iterator[Part]:
    ship_by = record.promised.ship_by if record.promised else None
    if ship_by is not None and not called_off(record):
        yield _in_time(record, ship_by, picked_up(record))


def _on_time_delivery(record: OrderRecord, _metric: Metric, _counting: Counting) -> Iterator[Part]:
    deliver_by = record.promised.deliver_by if record.promised else None
    if deliver_by is not None:
        yield _in_time(record, deliver_by, delivered(record))


def _ship_hours(record: OrderRecord, _metric: Metric, _counting: Counting) -> Iterator[Part]:
    if not called_off(record):
        yield from _seconds_since_paid(record, picked_up(record))


def _arrival_hours(record: OrderRecord, _metric: Metric, _counting: Counting) -> Iterator[Part]:
    yield from _seconds_since_paid(record, delivered(record))


def _trace_anomalies(record: OrderRecord, _metric: Metric, _counting: Counting) -> Iterator[Part]:
    ship_by = record.promised.ship_by if record.promised else None
    if ship_by is None or called_off(record):
        return
    stalled_at = _stalled_at(record)
    yield Part(ship_by, int(stalled_at is not None), 1, record.order_id, stalled_at)


def _stalled_at(record: OrderRecord) -> datetime | None:
    stalled = [each for each in record.anomalies.values() if each.kind == AnomalyKind.STALLED.value]
    return min((breach for each in stalled if (breach := breached_at(each)) is not None), default=None)


def breached_at(anomaly: Anomaly) -> datetime | None:
    """When the limit was passed, by what was said last; None for a warning, and for what was withdrawn.

    A serious anomaly says when it became serious: it passed the limit before. Raised again, it begins anew.
    """
    since: datetime | None = None
    for word in anomaly.words:
        if word.withdrawn or word.stage not in BREACHED:
            since = None
        elif word.step in {RAISED, CLEARED} or since is None:
            since = word.crossed_at
    return since


def _door_delivery(record: OrderRecord, _metric: Metric, _counting: Counting) -> Iterator[Part]:
    arrived = _first(record, first_delivery)
    if arrived is not None and record.promised is not None and record.promised.door_delivery:
        yield Part(arrived.at, int(arrived.signed_by in AT_THE_DOOR), 1, record.order_id)


def _pickup_24h(record: OrderRecord, _metric: Metric, _counting: Counting) -> Iterator[Part]:
    if record.paid_at is not None and not called_off(record):
        yield _in_time(record, record.paid_at + A_DAY, picked_up(record))


def _pickup_today(record: OrderRecord, _metric: Metric, counting: Counting) -> Iterator[Part]:
    if record.paid_at is None or called_off(record):
        return
    zone = ZoneInfo(record.zone)
    local = record.paid_at.astimezone(zone)
    days = 1 if local.hour < counting.today_cutoff_hour else 2
    midnight = datetime.combine(local.date() + timedelta(days=days), time(), zone)
    moved = picked_up(record)
    yield Part(midnight, int(moved is not None and moved < midnight), 1, record.order_id)


def _in_time(record: OrderRecord, limit: datetime, done: datetime | None) -> Part:
    return Part(limit, int(done is not None and done <= limit), 1, record.order_id)


def _seconds_since_paid(record: OrderRecord, done: datetime | None) -> Iterator[Part]:
    if done is not None and record.paid_at is not None:
        yield Part(done, max(0, int((done - record.paid_at).total_seconds())), 1, record.order_id)


def _pickup_hours(record: OrderRecord, _metric: Metric, counting: Counting) -> Iterator[Part]:
    moved = picked_up(record)
    if moved is None or record.paid_at is None or called_off(record):
        return
    begin = _carriers_morning(record.paid_at, ZoneInfo(record.zone), counting)
    yield Part(moved, max(0, int((moved - begin).total_seconds())), 1, record.order_id)


def _carriers_morning(paid_at: datetime, zone: ZoneInfo, counting: Counting) -> datetime:
    """An order paid in the evening or at night waits for nobody until the morning."""
    local = paid_at.astimezone(zone)
    if counting.pickup_night_to_hour <= local.hour < counting.pickup_night_from_hour:
        return paid_at
    day = local.date() + timedelta(days=1 if local.hour >= counting.pickup_night_from_hour else 0)
    return datetime.combine(day, time(counting.pickup_night_to_hour), zone).astimezone(UTC)


def _lane_delivery(record: OrderRecord, _metric: Metric, _counting: Counting) -> Iterator[Part]:
    deliver_by = record.promised.deliver_by if record.promised else None
    if deliver_by is not None:
        arrived = delivered(record)
        good = arrived is not None and arrived <= deliver_by and _stalled_at(record) is None
        yield Part(deliver_by, int(good), 1, record.order_id)


def _next_day_share(record: OrderRecord, _metric: Metric, _counting: Counting) -> Iterator[Part]:
    arrived = delivered(record)
    if arrived is not None and record.paid_at is not None:
        days = (local_day(arrived, record.zone) - local_day(record.paid_at, record.zone)).days
        yield Part(arrived, int(days <= 1), 1, record.order_id)


LOGISTICS: Mapping[str, OrderFormula] = {
    "on_time_pickup": _on_time_pickup,
    "on_time_delivery": _on_time_delivery,
    "ship_hours": _ship_hours,
    "arrival_hours": _arrival_hours,
    "trace_anomalies": _trace_anomalies,
    "door_delivery": _door_delivery,
    "pickup_24h": _pickup_24h,
    "pickup_today": _pickup_today,
    "pickup_hours": _pickup_hours,
    "lane_delivery": _lane_delivery,
    "next_day_share": _next_day_share,
}
