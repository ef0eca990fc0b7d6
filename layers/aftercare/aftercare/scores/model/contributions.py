"""What a record adds to each metric, and on which day: a pure function of the record.

A metric is a name and a function from a record to its parts; everything else about it is data of a rule pack. A part
lies on the local day of its denominator. Where the numerator rests on evidence of its own, the part carries that time
too: a window counts it only when both lie before its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from aftercare.events.trace import Scan, first_delivery, first_pickup
from aftercare.events.vocabulary import (
    AnomalyKind,
    AnomalyStage,
    Arm,
    ChatAnswerer,
    ChatSender,
    NegotiationOutcome,
    RefundOutcome,
    RefundReason,
    SignedBy,
    Trigger,
)
from aftercare.kernel.times import local_day, to_text
from aftercare.rulepacks.scores import Counting
from aftercare.scores.model.records import (
    BY_A_PERSON,
    CLEARED,
    RAISED,
    Anomaly,
    Case,
    Decision,
    Message,
    OrderRecord,
    Refund,
    Round,
    SessionRecord,
)

GOOD_STARS, BAD_STARS = 4, 2
SHOPS_FAULT = frozenset(
    {
        RefundReason.QUALITY,
        RefundReason.DAMAGED,
        RefundReason.NOT_AS_DESCRIBED,
        RefundReason.WRONG_ITEM,
        RefundReason.MISSING,
        RefundReason.FAKE,
    }
)
AT_THE_DOOR = frozenset({SignedBy.RECIPIENT, SignedBy.HOUSEHOLD})
DECIDING = frozenset({RefundOutcome.AGREED, RefundOutcome.REFUSED, RefundOutcome.REFUNDED})
BREACHED = frozenset({AnomalyStage.BREACH.value, AnomalyStage.SERIOUS.value})
A_DAY = timedelta(hours=24)


class Part(NamedTuple):
    """One case of a metric. ``subject`` opens it: an order, or one of its reviews, refunds, rounds."""

    at: datetime
    numerator: int
    denominator: int
    subject: str
    evidence_at: datetime | None = None


class Row(NamedTuple):
    """What a subject adds to the metrics of a day: by metric numerator, denominator and the day of the evidence."""

    day: date
    subject: str
    metrics: Mapping[str, tuple[int, int, date | None]]


def order_rows(record: OrderRecord, counting: Counting) -> dict[tuple[date, str], Row]:
    """Every row that the order's record contributes, by day and subject."""
    parts = {**_plainly(ORDER_METRICS, record), **_counted(ORDER_METRICS_OF_PACKS, record, counting)}
    return _rows(record.zone, parts)


def session_rows(record: SessionRecord, counting: Counting) -> dict[tuple[date, str], Row]:
    parts = {**_plainly(SESSION_METRICS, record), **_counted(SESSION_METRICS_OF_PACKS, record, counting)}
    return _rows(record.zone, parts)


RecordT = TypeVar("RecordT")


def _plainly(metrics: Mapping[str, Callable[[RecordT], Iterator[Part]]], record: RecordT) -> dict[str, Iterator[Part]]:
    return {metric: parts(record) for metric, parts in metrics.items()}


def _counted(
    metrics: Mapping[str, Callable[[RecordT, Counting], Iterator[Part]]], record: RecordT, counting: Counting
) -> dict[str, Iterator[Part]]:
    return {metric: parts(record, counting) for metric, parts in metrics.items()}


def _rows(zone: str, found: Mapping[str, Iterator[Part]]) -> dict[tuple[date, str], Row]:
    metrics: dict[tuple[date, str], dict[str, tuple[int, int, date | None]]] = {}
    for metric, part in ((metric, part) for metric, parts in found.items() for part in parts):
        day = local_day(part.at, zone)
        later = part.evidence_at is not None and part.numerator and local_day(part.evidence_at, zone) > day
        evidence = local_day(part.evidence_at, zone) if later and part.evidence_at is not None else None
        metrics.setdefault((day, part.subject), {})[metric] = (part.numerator, part.denominator, evidence)
    return {(day, subject): Row(day, subject, shares) for (day, subject), shares in metrics.items()}


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


def _called_off(record: OrderRecord) -> bool:
    """Cancelled before it had to be shipped: nobody waits for it."""
    ship_by = record.promised.ship_by if record.promised else None
    return record.cancelled_at is not None and ship_by is not None and record.cancelled_at <= ship_by


# ---------------------------------------------------------------- logistics


def _on_time_pickup(record: OrderRecord) -> Iterator[Part]:
    ship_by = record.promised.ship_by if record.promised else None
    if ship_by is not None and not _called_off(record):
        yield _in_time(record, ship_by, picked_up(record))


def _on_time_delivery(record: OrderRecord) -> Iterator[Part]:
    deliver_by = record.promised.deliver_by if record.promised else None
    if deliver_by is not None:
        yield _in_time(record, deliver_by, delivered(record))


def _ship_hours(record: OrderRecord) -> Iterator[Part]:
    if not _called_off(record):
        yield from _seconds_since_paid(record, picked_up(record))


def _arrival_hours(record: OrderRecord) -> Iterator[Part]:
    yield from _seconds_since_paid(record, delivered(record))


def _trace_anomalies(record: OrderRecord) -> Iterator[Part]:
    ship_by = record.promised.ship_by if record.promised else None
    if ship_by is None or _called_off(record):
        return
    stalled = [each for each in record.anomalies.values() if each.kind == AnomalyKind.STALLED.value]
    breaches = [breach for each in stalled if (breach := breached_at(each)) is not None]
    yield Part(ship_by, int(bool(breaches)), 1, record.order_id, min(breaches, default=None))


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


def _door_delivery(record: OrderRecord) -> Iterator[Part]:
    arrived = _first(record, first_delivery)
    if arrived is not None and record.promised is not None and record.promised.door_delivery:
        yield Part(arrived.at, int(arrived.signed_by in AT_THE_DOOR), 1, record.order_id)


def _pickup_24h(record: OrderRecord) -> Iterator[Part]:
    if record.paid_at is not None and not _called_off(record):
        yield _in_time(record, record.paid_at + A_DAY, picked_up(record))


def _pickup_today(record: OrderRecord, counting: Counting) -> Iterator[Part]:
    if record.paid_at is None or _called_off(record):
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


# ---------------------------------------------------------------- quality


def _positive_rating(record: OrderRecord) -> Iterator[Part]:
    for review_id, review in record.reviews.items():
        if review.stars is not None and not review.removed:
            yield Part(review.posted_at, int(review.stars >= GOOD_STARS), 1, f"{record.order_id}/{review_id}")


def _negative_feedback(record: OrderRecord) -> Iterator[Part]:
    yield from _of_delivered(record, (*_bad_reviews(record), *_requested(record, SHOPS_FAULT)))


def _damage_returns(record: OrderRecord) -> Iterator[Part]:
    yield from _of_delivered(record, tuple(_requested(record, frozenset({RefundReason.DAMAGED}))))


def _bad_reviews(record: OrderRecord) -> list[datetime]:
    given = (review for review in record.reviews.values() if review.stars is not None and not review.removed)
    return [review.posted_at for review in given if (review.stars or GOOD_STARS) <= BAD_STARS]


def _requested(record: OrderRecord, reasons: frozenset[RefundReason]) -> Iterator[datetime]:
    for refund in record.refunds.values():
        if refund.reason in reasons and refund.requested_at is not None:
            yield refund.requested_at


def _of_delivered(record: OrderRecord, evidence: tuple[datetime, ...]) -> Iterator[Part]:
    arrived = delivered(record)
    if arrived is not None:
        yield Part(arrived, int(bool(evidence)), 1, record.order_id, min(evidence, default=None))


# ---------------------------------------------------------------- service


def first_decision(refund: Refund) -> Decision | None:
    """The shop's: what the buyer or the platform decided is none of it. A refusal held right is told once more."""
    own = (each for each in refund.decisions if each.by_shop and each.outcome in DECIDING)
    return min(own, key=lambda each: (each.at, not each.justified), default=None)


def _refund_refusals(record: OrderRecord, *, justified: bool = False) -> Iterator[Part]:
    for refund_id, refund in record.refunds.items():
        decision = first_decision(refund)
        if decision is not None:
            refused = decision.outcome is RefundOutcome.REFUSED and decision.justified is justified
            yield Part(decision.at, int(refused), 1, f"{record.order_id}/{refund_id}")


def _justified_refusals(record: OrderRecord) -> Iterator[Part]:
    yield from _refund_refusals(record, justified=True)


def _refund_hours(record: OrderRecord, counting: Counting) -> Iterator[Part]:
    for refund_id, refund in record.refunds.items():
        decision = first_decision(refund)
        if decision is not None and refund.requested_at is not None:
            seconds = in_the_shops_hands(record, refund_id, (refund.requested_at, decision.at), counting)
            yield Part(decision.at, seconds, 1, f"{record.order_id}/{refund_id}")


def in_the_shops_hands(
    record: OrderRecord, refund_id: str, between: tuple[datetime, datetime], counting: Counting
) -> int:
    """Whole seconds between both, without the platform's pauses, the buyer's turns and the hours of the night."""
    begin, end = between
    steps = [(step.opened_at, step.closed_at) for step in record.steps.values() if step.refund_id in {None, refund_id}]
    turns = [turn for case in record.cases.values() if case.refund_id == refund_id for turn in case.turns.values()]
    pauses = [(since, until or end) for since, until in (*steps, *turns) if since is not None]
    pauses += _nights(begin, end, ZoneInfo(record.zone), counting)
    paused, covered = timedelta(), begin
    for since, until in sorted(pauses):
        start, stop = max(since, covered), min(until, end)
        if stop > start:
            paused += stop - start
            covered = stop
    return max(0, int((end - begin - paused).total_seconds()))


def _nights(begin: datetime, end: datetime, zone: ZoneInfo, counting: Counting) -> list[tuple[datetime, datetime]]:
    nights: list[tuple[datetime, datetime]] = []
    if counting.refund_night_from_hour is None or counting.refund_night_to_hour is None:
        return nights
    falls, ends = time(counting.refund_night_from_hour), time(counting.refund_night_to_hour)
    day = begin.astimezone(zone).date() - timedelta(days=1)
    while day <= end.astimezone(zone).date():
        morning = datetime.combine(day + timedelta(days=1), ends, zone)
        # as moments: between two times of one zone Python subtracts what the clocks show
        nights.append((datetime.combine(day, falls, zone).astimezone(UTC), morning.astimezone(UTC)))
        day += timedelta(days=1)
    return nights


def _platform_help(record: OrderRecord) -> Iterator[Part]:
    if record.paid_at is not None:
        yield Part(record.paid_at, 0, 1, record.order_id)
    first: dict[str, datetime] = {}
    for step in record.steps.values():
        if step.opened_at is not None:
            first[step.kind] = min(first.get(step.kind, step.opened_at), step.opened_at)
    for kind, opened_at in first.items():
        yield Part(opened_at, 1, 0, f"{record.order_id}/{kind}")


def _net_keep_rate(record: OrderRecord, counting: Counting, arm: Arm) -> Iterator[Part]:
    for case_id, case in record.cases.items():
        if case.arm is arm and case.trigger == Trigger.REFUND_REQUESTED.value and case.opened_at is not None:
            kept_at = _kept_at(case) if arm is Arm.OFFER else _withdrawn_at(record, case)
            regretted = _regretted(record, case, case.opened_at, timedelta(days=counting.kept_days))
            kept = kept_at is not None and not regretted
            yield Part(case.opened_at, int(kept), 1, f"{record.order_id}/{case_id}", kept_at)


def _kept_at(case: Case) -> datetime | None:
    return case.closed_at if case.outcome == NegotiationOutcome.KEPT.value else None


def _withdrawn_at(record: OrderRecord, case: Case) -> datetime | None:
    """Of a request that was made no offer: its case is over at once, so the request itself is looked at."""
    refund = record.refunds.get(case.refund_id or "", Refund())
    times = (each.at for each in refund.decisions if each.outcome is RefundOutcome.WITHDRAWN)
    return min(times, default=None)


def _regretted(record: OrderRecord, case: Case, opened_at: datetime, within: timedelta) -> bool:
    bad = _bad_reviews(record)
    again = [refund.requested_at for key, refund in record.refunds.items() if key != case.refund_id]
    disputes = [step.opened_at for step in record.steps.values()]
    later = (moment for moment in (*bad, *again, *disputes) if moment is not None)
    return any(opened_at < moment <= opened_at + within for moment in later)


# ---------------------------------------------------------------- chat


def rounds(record: SessionRecord) -> list[Round]:
    """A round is the first unanswered message of a buyer up to the first effective reply.

    A bot's automatic reply is no effective one; a round that only a bot answered belongs to nobody.
    """
    if record.rounds:
        return list(record.rounds.values())
    found: list[Round] = []
    asked_at: datetime | None = None
    by_bot = False
    for message in sorted(record.messages.values(), key=_in_turn):
        if message.sender is ChatSender.BUYER:
            asked_at = asked_at or message.at
        elif asked_at is not None and message.sender in {ChatSender.HUMAN, ChatSender.ASSISTED}:
            found.append(Round(asked_at, message.at, ChatAnswerer(message.sender.value)))
            asked_at, by_bot = None, False
        elif asked_at is not None and message.sender is ChatSender.BOT:
            by_bot = True
    if asked_at is not None:
        found.append(Round(asked_at, None, ChatAnswerer.BOT if by_bot else ChatAnswerer.NONE))
    return found


def _in_turn(message: Message) -> tuple[datetime, bool, ChatSender]:
    # clocks that tell whole seconds show a machine's answer in the second of the question
    return message.at, message.sender is not ChatSender.BUYER, message.sender


def _counted_rounds(record: SessionRecord, counting: Counting) -> Iterator[Round]:
    for each in rounds(record):
        hour = each.asked_at.astimezone(ZoneInfo(record.zone)).hour
        in_hours = counting.reply_from_hour <= hour < counting.reply_to_hour
        if each.answered_by is not ChatAnswerer.BOT and in_hours:
            yield each


def _reply_3min(record: SessionRecord, counting: Counting) -> Iterator[Part]:
    for each in _counted_rounds(record, counting):
        answered = each.answered_at is not None and each.answered_by in BY_A_PERSON
        limit = each.asked_at + timedelta(seconds=counting.reply_within_seconds)
        quick = answered and each.answered_at is not None and each.answered_at <= limit
        yield Part(each.asked_at, int(quick), 1, _round_id(record, each))


def _reply_seconds(record: SessionRecord, counting: Counting) -> Iterator[Part]:
    for each in _counted_rounds(record, counting):
        longest = counting.longest_reply_seconds
        waited = longest if each.answered_at is None else int((each.answered_at - each.asked_at).total_seconds())
        yield Part(each.asked_at, min(max(0, waited), longest), 1, _round_id(record, each))


def _round_id(record: SessionRecord, each: Round) -> str:
    return f"{_session(record)}/{to_text(each.asked_at)}"


def _session(record: SessionRecord) -> str:
    # numbers of sessions and of orders may be the same
    return f"chat:{record.session_id}"


def _chat_satisfaction(record: SessionRecord) -> Iterator[Part]:
    rating = record.rating
    if rating is not None:
        satisfied = rating.satisfied and rating.resolved is not False
        yield Part(rating.rated_at, int(satisfied), 1, _session(record))


ORDER_METRICS: Mapping[str, Callable[[OrderRecord], Iterator[Part]]] = {
    "on_time_pickup": _on_time_pickup,
    "on_time_delivery": _on_time_delivery,
    "ship_hours": _ship_hours,
    "arrival_hours": _arrival_hours,
    "positive_rating": _positive_rating,
    "negative_feedback": _negative_feedback,
    "damage_returns": _damage_returns,
    "trace_anomalies": _trace_anomalies,
    "refund_refusals": _refund_refusals,
    "justified_refusals": _justified_refusals,
    "platform_help": _platform_help,
    "door_delivery": _door_delivery,
    "pickup_24h": _pickup_24h,
}
ORDER_METRICS_OF_PACKS: Mapping[str, Callable[[OrderRecord, Counting], Iterator[Part]]] = {
    "refund_hours": _refund_hours,
    "pickup_today": _pickup_today,
    "net_keep_rate.offer": lambda record, counting: _net_keep_rate(record, counting, Arm.OFFER),
    "net_keep_rate.hold_out": lambda record, counting: _net_keep_rate(record, counting, Arm.HOLD_OUT),
}
"""Those for which a pack sets hours or days."""
SESSION_METRICS: Mapping[str, Callable[[SessionRecord], Iterator[Part]]] = {"chat_satisfaction": _chat_satisfaction}
SESSION_METRICS_OF_PACKS: Mapping[str, Callable[[SessionRecord, Counting], Iterator[Part]]] = {
    "reply_3min": _reply_3min,
    "reply_seconds": _reply_seconds,
}
