"""Folds catalogue events into the order, each by its natural key, in whatever order they come."""

from __future__ import annotations

from aftercare.events.negotiation import SettlementRecorded
from aftercare.events.orders import OrderCancelled, OrderPaid, OrderPromised
from aftercare.events.refunds import (
    OfferAnswered,
    PlatformStepClosed,
    PlatformSteppedIn,
    RefundDecided,
    RefundRequested,
    RefundUpdated,
)
from aftercare.events.shipments import ShipmentAnomalyRaised
from aftercare.events.support import SupportContacted
from aftercare.events.vocabulary import AcceptedVia, AnomalyKind, ContactTopic, OfferChoice, Trigger
from aftercare.kernel.envelope import Event, EventData
from aftercare.kernel.records import remember
from aftercare.negotiation.model.answering import accept, decline
from aftercare.negotiation.model.cases import MoveRefused
from aftercare.negotiation.model.choosing import Surroundings
from aftercare.negotiation.model.drafts import (
    AnsweredAlready,
    Decision,
    Draft,
    NoSuchCase,
    NoSuchOption,
    NotNow,
    TooLate,
)
from aftercare.negotiation.model.orders import Asked, Order, Purchase, Request
from aftercare.negotiation.model.proceeding import open_or_join, proceed
from aftercare.negotiation.model.references import OfferReference
from aftercare.negotiation.model.settling import record_settlement

MOST_TRIGGERS = 40
"""After so many a further contact or anomaly is nothing to negotiate about: the order remembers each of them."""
CONTACT_TOPICS = frozenset({ContactTopic.AFTER_SALE, ContactTopic.SHIPPING})


def take_in(order: Order, event: Event[EventData], around: Surroundings) -> Decision:
    """The order after one more event. An event that it has seen, or that tells nothing new, leaves it as it was."""
    event_id = event.metadata.event_id
    if event_id in order.seen:
        return Decision(order)
    draft = Draft(order, around)
    _fold(draft, event)
    proceed(draft)
    decision = draft.decision()
    if decision.order == order and not decision.said:
        return Decision(order)
    remembered = decision.order.model_copy(update={"seen": remember(order.seen, event_id)})
    return Decision(remembered, decision.said, decision.holds, decision.promise)


def pass_time(order: Order, around: Surroundings) -> Decision:
    """The order at a later moment, when nothing but time has passed."""
    draft = Draft(order, around)
    proceed(draft)
    return draft.decision()


def _fold(draft: Draft, event: Event[EventData]) -> None:  # noqa: C901  one line an event, nothing nested
    data = event.data
    match data:
        case OrderPaid():
            if draft.order.purchase is None:
                heard = {"purchase": Purchase.of(data), "purchase_heard_at": draft.now}
                draft.order = draft.order.model_copy(update=heard)
        case OrderPromised():
            draft.order = draft.order.with_promise(data)
        case OrderCancelled():
            if draft.order.cancelled_at is None:
                draft.order = draft.order.model_copy(update={"cancelled_at": data.at})
        case RefundRequested() | RefundUpdated():
            _fold_request(draft, data)
        case RefundDecided():
            draft.order = draft.order.with_decision(data)
        case PlatformSteppedIn():
            draft.order = draft.order.with_intervention(data.intervention_id, opened_at=data.at)
        case PlatformStepClosed():
            draft.order = draft.order.with_intervention(data.intervention_id, closed_at=data.at)
        case OfferAnswered():
            _fold_answer(draft, data)
        case SupportContacted():
            if data.topic in CONTACT_TOPICS and _planned(draft, Trigger.SUPPORT_CONTACTED):
                key = f"support/{data.session_id}"
                open_or_join(draft, Trigger.SUPPORT_CONTACTED, key, session_id=data.session_id)
        case ShipmentAnomalyRaised():
            if data.notify and _planned(draft, Trigger.PARCEL_ANOMALY, data.kind):
                key = f"anomaly/{data.anomaly_id}"
                open_or_join(draft, Trigger.PARCEL_ANOMALY, key, anomaly_id=data.anomaly_id, anomaly=data.kind.value)
        case SettlementRecorded():
            record_settlement(draft, data, event.metadata.sequence or 0)
        case _:
            pass


def _fold_request(draft: Draft, data: RefundRequested | RefundUpdated) -> None:
    opening = isinstance(data, RefundRequested)
    known = draft.order.requests.get(data.refund_id, Request())
    draft.order = draft.order.with_request(data.refund_id, known.asked(Asked.of(data), opening=opening))
    if opening:
        key = f"refund/{data.refund_id}"
        open_or_join(draft, Trigger.REFUND_REQUESTED, key, refund_id=data.refund_id)


def _fold_answer(draft: Draft, data: OfferAnswered) -> None:
    """An answer that comes too late, or for an offer that is gone, changes nothing: the page says the same."""
    try:
        reference = OfferReference.parse(data.external_offer_id)
        if data.choice is OfferChoice.ACCEPTED:
            accept(
                draft,
                reference.negotiation_id,
                reference.round,
                reference.option_id,
                AcceptedVia.MARKETPLACE,
                data.answered_at,
            )
        elif data.choice is OfferChoice.DECLINED:
            decline(draft, reference.negotiation_id, reference.round, data.answered_at, ask_for_another=False)
    except (NoSuchCase, NoSuchOption, AnsweredAlready, TooLate, NotNow, MoveRefused):
        return


def _planned(draft: Draft, trigger: Trigger, anomaly: AnomalyKind | None = None) -> bool:
    # without a plan for it, a contact or an anomaly is no case: most of them never ask for anything
    if len(draft.order.triggers) >= MOST_TRIGGERS:
        return False
    return draft.around.policy.answers(trigger, anomaly)
