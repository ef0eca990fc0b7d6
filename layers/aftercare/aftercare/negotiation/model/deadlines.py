"""When things end, and when an order wants to be looked at next."""

from __future__ import annotations

from datetime import datetime, timedelta

from aftercare.negotiation.model.cases import Case, CaseState
from aftercare.negotiation.model.choosing import Surroundings, asked_of, last_moment
from aftercare.negotiation.model.drafts import NoSuchCase
from aftercare.negotiation.model.orders import Order
from aftercare.rulepacks.negotiation import NegotiationRules


def deadline(order: Order, around: Surroundings) -> datetime | None:
    """When the order wants to be looked at next, if nothing happens before."""
    case = order.open_case
    if case is None:
        # a request that waited for the end of another's case is due at once
        return None if next_request(order) is None else around.now
    match case.state:
        case CaseState.AWAITING_ORDER:
            return waits_until(order, case, around)
        case CaseState.OPENED:
            return approve_by(order, case)
        case CaseState.OFFERED:
            return answer_by(order, case, around.rules)
        case CaseState.PAUSED:
            return paused_until(case, around)
        case CaseState.ACCEPTED if case.chosen is not None:
            since = case.reminded_at or case.chosen.accepted_at
            return since + timedelta(minutes=around.rules.settlement.remind)
        case _:
            return None


def answer_by(order: Order, case: Case, rules: NegotiationRules) -> datetime:
    """The first moment at which the current round can no longer be answered.

    Never later than is safe for the marketplace's own deadline, also when that was moved or learned of afterwards.
    """
    current = case.round
    if current is None:
        raise NoSuchCase("no offer has been made")
    asked = asked_of(order, case)
    latest = current.answer_by if asked is None else min(current.answer_by, last_moment(asked, rules))
    return order.postponed(latest, current.presented_at)


def waits_until(order: Order, case: Case, around: Surroundings) -> datetime:
    """How long a case waits for its order: until an offer would come too late. Once that is known, it waits for what
    tags promised to it, where a plan turns on that: the promise is said after the payment."""
    if order.purchase is not None:
        if order.purchase_heard_at is None or not around.policy.turns_on_promises(case.trigger.kind):
            return case.opened_at
        wait = order.purchase_heard_at + timedelta(minutes=around.rules.waiting.promises)
        known = asked_of(order, case)
        if known is None:
            return wait
        # no promise is worth the offer: what is left must be enough to answer it
        enough = last_moment(known, around.rules) - timedelta(minutes=around.rules.answering.shortest_answer)
        return max(case.opened_at, min(wait, enough))
    asked = asked_of(order, case)
    if asked is not None:
        return last_moment(asked, around.rules)
    return case.opened_at + timedelta(minutes=around.rules.waiting.order)


def approve_by(order: Order, case: Case) -> datetime:
    """Until when an offer that waits for the merchant can still be approved."""
    if case.approve_by is None:
        raise NoSuchCase("no approval was asked for")
    return order.postponed(case.approve_by, case.approval_asked_at or case.opened_at)


def paused_until(case: Case, around: Surroundings) -> datetime:
    """The platform is done long before this, or its word of it got lost."""
    return (case.paused_at or case.opened_at) + timedelta(minutes=around.rules.waiting.platform)


def next_request(order: Order) -> str | None:
    taken = {case.refund_id for case in order.cases}
    waiting = (
        refund_id
        for refund_id, request in order.requests.items()
        if refund_id not in taken and request.first is not None and request.decided is None
    )
    return next(waiting, None)
