"""Folds facts into records: the earliest milestone, the first reason, the latest revision."""

from __future__ import annotations

from datetime import datetime

from aftercare.events.negotiation import (
    NegotiationClosed,
    NegotiationOpened,
    OfferAccepted,
    OffersDeclined,
    OffersExpired,
    OffersPresented,
)
from aftercare.events.orders import OrderCancelled, OrderCompleted, OrderPaid
from aftercare.events.parcels import ParcelScanned, ParcelTraced
from aftercare.events.refunds import (
    PlatformStepClosed,
    PlatformSteppedIn,
    RefundDecided,
    RefundRequested,
    RefundUpdated,
)
from aftercare.events.shipments import OrderDue, ShipmentAnomaly, ShipmentAnomalyCleared, ShipmentAnomalyRaised
from aftercare.events.shop import ReviewPosted
from aftercare.events.support import ChatMessagePosted, ChatRated, ChatRoundClosed
from aftercare.events.trace import Trace, told
from aftercare.events.vocabulary import AnomalyOutcome, Parcel, Party
from aftercare.kernel.envelope import Event, EventData
from aftercare.kernel.times import to_text
from aftercare.scores.model.records import (
    BY_A_PERSON,
    CLEARED,
    ESCALATED,
    RAISED,
    Anomaly,
    Case,
    Decision,
    Message,
    OrderRecord,
    Promised,
    Rating,
    Refund,
    Review,
    Round,
    SessionRecord,
    Step,
    Word,
)

FREIGHT_INSURANCE = "freight_insurance"
"""The mark of an order whose return is insured (退货运费险)."""
SHOPS_OWN = frozenset({Party.SELLER, Party.SYSTEM})


def parcel_name(parcel: Parcel | None) -> str:
    """Scans that name no parcel stand under the empty name."""
    return "" if parcel is None else f"{parcel.carrier}/{parcel.number}"


def fold_order(record: OrderRecord, event: Event[EventData]) -> OrderRecord:
    """The order's record with the event in it."""
    match event.data:
        case OrderPaid() as paid:
            promise = Promised(-1, paid.promise.ship_by, paid.promise.deliver_by, paid.promise.door_delivery)
            return record._replace(
                paid_at=earliest(record.paid_at, paid.paid_at),
                promised=record.promised or promise,
                marks=_marks(paid),
                items=tuple(sorted({line.item_id for line in paid.lines})),
            )
        case OrderDue() as due:
            return _fold_due(record, due)
        case OrderCancelled(at=at):
            return record._replace(cancelled_at=earliest(record.cancelled_at, at))
        case OrderCompleted(at=at):
            return record._replace(completed_at=earliest(record.completed_at, at))
        case ParcelScanned(parcel=parcel) | ParcelTraced(parcel=parcel):
            name = parcel_name(parcel)
            trace = record.parcels.get(name, Trace()).with_told(told(event))
            return record._replace(parcels={**record.parcels, name: trace})
        case ReviewPosted() as review:
            return _fold_review(record, review)
        case ShipmentAnomaly() as anomaly:
            return _fold_anomaly(record, anomaly, event.metadata.sequence or 0)
        case RefundRequested() | RefundUpdated() | RefundDecided():
            return _fold_refund(record, event.data)
        case PlatformSteppedIn() | PlatformStepClosed():
            return _fold_step(record, event.data)
    return _fold_case(record, event)


def fold_session(record: SessionRecord, event: Event[EventData]) -> SessionRecord:
    """The session's record with the event in it."""
    match event.data:
        case ChatMessagePosted(message_id=message_id, at=at, sender=sender):
            return record._replace(messages={**record.messages, message_id: Message(at, sender)})
        case ChatRoundClosed() as closed:
            counted = Round(closed.asked_at, closed.answered_at, closed.answered_by)
            known = record.rounds.get(to_text(closed.asked_at))
            if known is not None and _answer_key(known) <= _answer_key(counted):
                return record
            return record._replace(rounds={**record.rounds, to_text(closed.asked_at): counted})
        case ChatRated() as rated:
            rating = Rating(rated.rated_at, rated.satisfied, rated.resolved, rated.stars, rated.answered_by)
            if record.rating is not None and _latest_key(record.rating) >= _latest_key(rating):
                return record
            return record._replace(rating=rating)
    return record


def earliest(known: datetime | None, told: datetime) -> datetime:
    return told if known is None else min(known, told)


def _answer_key(counted: Round) -> tuple[bool, bool, datetime, str]:
    """Of one question told twice: a person's answer, else any, else none; the first of these."""
    by_a_person = counted.answered_by in BY_A_PERSON
    return counted.answered_at is None, not by_a_person, counted.answered_at or counted.asked_at, counted.answered_by


def _latest_key(rating: Rating) -> tuple[datetime, bool, bool, bool, int, str]:
    settled = rating.resolved is not False, rating.resolved is True
    return rating.rated_at, rating.satisfied, *settled, rating.stars or 0, rating.answered_by or ""


def _review_key(review: Review) -> tuple[int, bool, datetime, int, int]:
    """A marketplace without revisions says of a review that it is gone, and nothing after that."""
    return review.revision, review.removed, review.posted_at, review.stars or 0, review.delivery_stars or 0


def _marks(paid: OrderPaid) -> tuple[str, ...]:
    insured = [FREIGHT_INSURANCE] if paid.insured else []
    return tuple(sorted({*(paid.flags or ()), *insured}))


def _fold_due(record: OrderRecord, due: OrderDue) -> OrderRecord:
    if record.promised is not None and record.promised.revision >= due.revision:
        return record
    return record._replace(promised=Promised(due.revision, due.ship_by, due.deliver_by, due.door_delivery))


def _fold_review(record: OrderRecord, data: ReviewPosted) -> OrderRecord:
    stars = data.stars
    review = Review(data.revision or 0, data.posted_at, stars.item, bool(data.removed), stars.delivery)
    known = record.reviews.get(data.review_id)
    if known is not None and _review_key(known) >= _review_key(review):
        return record
    return record._replace(reviews={**record.reviews, data.review_id: review})


def _fold_anomaly(record: OrderRecord, data: ShipmentAnomaly, sequence: int) -> OrderRecord:
    step = ESCALATED
    if isinstance(data, ShipmentAnomalyRaised | ShipmentAnomalyCleared):
        step = RAISED if isinstance(data, ShipmentAnomalyRaised) else CLEARED
    word = Word(sequence, step, data.crossed_at, data.stage.value, data.outcome is AnomalyOutcome.WITHDRAWN)
    known = record.anomalies.get(data.anomaly_id, Anomaly(data.kind.value))
    anomaly = known._replace(words=tuple(sorted({*known.words, word})))
    return record._replace(anomalies={**record.anomalies, data.anomaly_id: anomaly})


def _fold_refund(record: OrderRecord, data: RefundRequested | RefundUpdated | RefundDecided) -> OrderRecord:
    known = record.refunds.get(data.refund_id, Refund())
    if isinstance(data, RefundDecided):
        decision = Decision(data.decided_at, data.outcome, data.by in SHOPS_OWN, bool(data.justified))
        decisions = tuple(sorted({*known.decisions, decision}))
        refund = known._replace(decisions=decisions)
    else:
        refund = known._replace(requested_at=earliest(known.requested_at, data.requested_at))
        if known.revision is None or data.revision < known.revision:
            refund = refund._replace(revision=data.revision, reason=data.reason.code)
    return record._replace(refunds={**record.refunds, data.refund_id: refund})


def _fold_step(record: OrderRecord, data: PlatformSteppedIn | PlatformStepClosed) -> OrderRecord:
    known = record.steps.get(data.intervention_id, Step())
    if isinstance(data, PlatformSteppedIn):
        step = known._replace(
            kind=data.kind.value, opened_at=earliest(known.opened_at, data.at), refund_id=data.refund_id
        )
    else:
        step = known._replace(closed_at=earliest(known.closed_at, data.at))
    return record._replace(steps={**record.steps, data.intervention_id: step})


def _fold_case(record: OrderRecord, event: Event[EventData]) -> OrderRecord:
    data = event.data
    case_id: str | None = getattr(data, "negotiation_id", None)
    if case_id is None:
        return record
    known = record.cases.get(case_id, Case())
    match data:
        case NegotiationOpened() as opened:
            case = known._replace(
                refund_id=opened.refund_id, trigger=opened.trigger.value, arm=opened.arm, opened_at=opened.opened_at
            )
        case NegotiationClosed() as closed:
            end = event.metadata.sequence or 0, closed.closed_at, closed.outcome.value
            if known.closed_at is not None and (known.sequence, known.closed_at, known.outcome or "") >= end:
                return record
            case = known._replace(sequence=end[0], closed_at=end[1], outcome=end[2])
        case OffersPresented(round=number):
            shown_at, ended_at = known.turns.get(number, (None, None))
            shown_at = earliest(shown_at, event.metadata.occurred_at)
            case = known._replace(turns={**known.turns, number: (shown_at, ended_at)})
        case (
            OfferAccepted(round=number, accepted_at=at)
            | OffersDeclined(round=number, at=at)
            | OffersExpired(round=number, at=at)
        ):
            shown_at, ended_at = known.turns.get(number, (None, None))
            case = known._replace(turns={**known.turns, number: (shown_at, earliest(ended_at, at))})
        case _:
            return record
    return record._replace(cases={**record.cases, case_id: case})
