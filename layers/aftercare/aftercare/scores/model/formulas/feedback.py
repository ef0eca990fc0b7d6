"""How an order's reviews, refunds, steps of the platform and negotiations make the cases of a metric: one function a
formula."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from aftercare.events.vocabulary import Arm, InterventionKind, NegotiationOutcome, RefundOutcome, Trigger
from aftercare.rulepacks.scores import Counting, Metric
from aftercare.scores.model.formulas.logistics import called_off, delivered, picked_up
from aftercare.scores.model.formulas.parts import OrderFormula, Part
from aftercare.scores.model.records import Case, Decision, OrderRecord, Refund, Review

DECIDING = frozenset({RefundOutcome.AGREED, RefundOutcome.REFUSED, RefundOutcome.REFUNDED})


# ---------------------------------------------------------------- orders


def _valid_orders(record: OrderRecord, _metric: Metric, _counting: Counting) -> Iterator[Part]:
    if record.paid_at is not None:
        yield Part(record.paid_at, int(not called_off(record)), 1, record.order_id)


def mark_parts(record: OrderRecord, marks: frozenset[str]) -> Iterator[tuple[str, Part]]:
    """By each of these marks that the order bears."""
    if record.paid_at is not None and marks and not called_off(record):
        for mark in record.marks:
            if mark in marks:
                yield mark, Part(record.paid_at, 1, 0, record.order_id)


def item_parts(record: OrderRecord, problems: Metric | None) -> Iterator[tuple[str, Part]]:
    """By each of the order's items: whether anything was wrong with the order, of the orders that had it."""
    if record.paid_at is None or problems is None or called_off(record):
        return
    wrong = [*_bad_reviews(record, problems), *_requested(record, problems)]
    ship_by = record.promised.ship_by if record.promised else None
    moved = picked_up(record)
    if ship_by is not None and moved is not None and moved > ship_by:
        wrong.append(ship_by)
    for item in record.items:
        yield item, Part(record.paid_at, int(bool(wrong)), 1, record.order_id, min(wrong, default=None))


# ---------------------------------------------------------------- reviews


def _positive_rating(record: OrderRecord, metric: Metric, _counting: Counting) -> Iterator[Part]:
    for review_id, review in _with_item_stars(record):
        good = (review.stars or 0) >= (metric.good_stars or 0)
        yield Part(review.posted_at, int(good), 1, f"{record.order_id}/{review_id}")


def _item_rating(record: OrderRecord, _metric: Metric, _counting: Counting) -> Iterator[Part]:
    for review_id, review in _with_item_stars(record):
        yield Part(review.posted_at, review.stars or 0, 1, f"{record.order_id}/{review_id}")


def _negative_feedback(record: OrderRecord, metric: Metric, _counting: Counting) -> Iterator[Part]:
    yield from _on_day(record, delivered(record), (*_bad_reviews(record, metric), *_requested(record, metric)))


def _bad_ratings_of_completed(record: OrderRecord, metric: Metric, _counting: Counting) -> Iterator[Part]:
    yield from _on_day(record, record.completed_at, _bad_reviews(record, metric))


def _bad_delivery_ratings_of_completed(record: OrderRecord, metric: Metric, _counting: Counting) -> Iterator[Part]:
    standing = (
        review for review in record.reviews.values() if review.delivery_stars is not None and not review.removed
    )
    bad = [review.posted_at for review in standing if (review.delivery_stars or 0) <= (metric.bad_stars or 0)]
    yield from _on_day(record, record.completed_at, bad)


def _with_item_stars(record: OrderRecord) -> Iterator[tuple[str, Review]]:
    return ((id_, review) for id_, review in record.reviews.items() if review.stars is not None and not review.removed)


def _bad_reviews(record: OrderRecord, metric: Metric) -> list[datetime]:
    most = metric.bad_stars or 0
    return [review.posted_at for _, review in _with_item_stars(record) if (review.stars or 0) <= most]


def _on_day(record: OrderRecord, day: datetime | None, evidence: Iterable[datetime]) -> Iterator[Part]:
    """The order on that day, a bad case from the first evidence on."""
    if day is not None:
        first = min(evidence, default=None)
        yield Part(day, int(first is not None), 1, record.order_id, first)


# ---------------------------------------------------------------- refunds


def _returns_of_delivered(record: OrderRecord, metric: Metric, _counting: Counting) -> Iterator[Part]:
    yield from _on_day(record, delivered(record), _requested(record, metric))


def _returns_of_paid(record: OrderRecord, metric: Metric, _counting: Counting) -> Iterator[Part]:
    yield from _on_day(record, record.paid_at, _requested(record, metric))


def _requested(record: OrderRecord, metric: Metric) -> Iterator[datetime]:
    """When a refund was asked for whose first reason is one of the metric's."""
    for refund in record.refunds.values():
        if refund.reason is not None and refund.requested_at is not None and refund.reason.value in metric.reasons:
            yield refund.requested_at


def first_decision(refund: Refund) -> Decision | None:
    """The shop's: what the buyer or the platform decided is none of it. A refusal held right is told once more."""
    own = (each for each in refund.decisions if each.by_shop and each.outcome in DECIDING)
    return min(own, key=lambda each: (each.at, not each.justified), default=None)


def _refusals(record: OrderRecord, *, justified: bool) -> Iterator[Part]:
    for refund_id, refund in record.refunds.items():
        decision = first_decision(refund)
        if decision is not None:
            refused = decision.outcome is RefundOutcome.REFUSED and decision.justified is justified
            yield Part(decision.at, int(refused), 1, f"{record.order_id}/{refund_id}")


def _refund_refusals(record: OrderRecord, _metric: Metric, _counting: Counting) -> Iterator[Part]:
    yield from _refusals(record, justified=False)


def _justified_refusals(record: OrderRecord, _metric: Metric, _counting: Counting) -> Iterator[Part]:
    yield from _refusals(record, justified=True)


def _refund_hours(record: OrderRecord, _metric: Metric, counting: Counting) -> Iterator[Part]:
    for refund_id, refund in record.refunds.items():
        decision = first_decision(refund)
        if decision is not None and refund.requested_at is not None:
            seconds = in_the_shops_hands(record, refund_id, (refund.requested_at, decision.at), counting)
            yield Part(decision.at, seconds, 1, f"{record.order_id}/{refund_id}")


def _review_hours(record: OrderRecord, _metric: Metric, counting: Counting) -> Iterator[Part]:
    """Of agreed refunds; who asks in the night asks in the morning."""
    for refund_id, refund in record.refunds.items():
        decision = first_decision(refund)
        if decision is not None and decision.outcome is not RefundOutcome.REFUSED and refund.requested_at is not None:
            begin = _morning_after(refund.requested_at, ZoneInfo(record.zone), counting)
            seconds = max(0, int((decision.at - begin).total_seconds()))
            yield Part(decision.at, seconds, 1, f"{record.order_id}/{refund_id}")


def _morning_after(asked_at: datetime, zone: ZoneInfo, counting: Counting) -> datetime:
    return next(
        (ends for falls, ends in _nights(asked_at, asked_at, zone, counting) if falls <= asked_at < ends), asked_at
    )


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


# ---------------------------------------------------------------- the platform


def _platform_help(record: OrderRecord, _metric: Metric, _counting: Counting) -> Iterator[Part]:
    if record.paid_at is not None:
        yield Part(record.paid_at, 0, 1, record.order_id)
    for kind, opened_at in _first_steps(record):
        yield Part(opened_at, 1, 0, f"{record.order_id}/{kind}")


def _platform_help_of_requests(record: OrderRecord, _metric: Metric, _counting: Counting) -> Iterator[Part]:
    asked = [refund.requested_at for refund in record.refunds.values() if refund.requested_at is not None]
    if asked:
        yield Part(min(asked), 0, 1, record.order_id)
        for kind, opened_at in _first_steps(record):
            yield Part(opened_at, 1, 0, f"{record.order_id}/{kind}")


def _first_steps(record: OrderRecord) -> Iterator[tuple[str, datetime]]:
    """One of each kind."""
    first: dict[str, datetime] = {}
    for step in record.steps.values():
        if step.opened_at is not None:
            first[step.kind] = min(first.get(step.kind, step.opened_at), step.opened_at)
    yield from first.items()


# ---------------------------------------------------------------- negotiations


def _net_keep_rate(record: OrderRecord, metric: Metric, counting: Counting, arm: Arm) -> Iterator[Part]:
    within = timedelta(days=counting.kept_days)
    for case_id, case in record.cases.items():
        if case.arm is arm and case.trigger == Trigger.REFUND_REQUESTED.value and case.opened_at is not None:
            kept_at = _kept_at(case) if arm is Arm.OFFER else _withdrawn_at(record, case)
            regrets = (*_bad_reviews(record, metric), *_asked_or_disputed_again(record, case))
            regretted = any(case.opened_at < at <= case.opened_at + within for at in regrets)
            kept = kept_at is not None and not regretted
            yield Part(case.opened_at, int(kept), 1, f"{record.order_id}/{case_id}", kept_at)


def _kept_at(case: Case) -> datetime | None:
    return case.closed_at if case.outcome == NegotiationOutcome.KEPT.value else None


def _withdrawn_at(record: OrderRecord, case: Case) -> datetime | None:
    """Of a request that was made no offer: its case is over at once, so the request itself is looked at."""
    refund = record.refunds.get(case.refund_id or "", Refund())
    times = (each.at for each in refund.decisions if each.outcome is RefundOutcome.WITHDRAWN)
    return min(times, default=None)


def _asked_or_disputed_again(record: OrderRecord, case: Case) -> Iterator[datetime]:
    again = [refund.requested_at for key, refund in record.refunds.items() if key != case.refund_id]
    disputes = [step.opened_at for step in record.steps.values() if step.kind == InterventionKind.DISPUTE.value]
    yield from (moment for moment in (*again, *disputes) if moment is not None)


FEEDBACK: Mapping[str, OrderFormula] = {
    "valid_orders": _valid_orders,
    "positive_rating": _positive_rating,
    "item_rating": _item_rating,
    "negative_feedback": _negative_feedback,
    "bad_ratings_of_completed": _bad_ratings_of_completed,
    "bad_delivery_ratings_of_completed": _bad_delivery_ratings_of_completed,
    "returns_of_delivered": _returns_of_delivered,
    "returns_of_paid": _returns_of_paid,
    "refund_refusals": _refund_refusals,
    "justified_refusals": _justified_refusals,
    "refund_hours": _refund_hours,
    "review_hours": _review_hours,
    "platform_help": _platform_help,
    "platform_help_of_requests": _platform_help_of_requests,
    "net_keep_rate.offer": partial(_net_keep_rate, arm=Arm.OFFER),
    "net_keep_rate.hold_out": partial(_net_keep_rate, arm=Arm.HOLD_OUT),
}
