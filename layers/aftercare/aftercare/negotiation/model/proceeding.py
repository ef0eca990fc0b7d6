"""What follows from facts and the passing of time.

Every fact is first folded into the order; then the case goes as far as it can. So the same facts in another order
lead to the same place, and a timer needs no code of its own.
"""

from __future__ import annotations

from aftercare.events.negotiation import OffersExpired
from aftercare.events.vocabulary import NegotiationOutcome, OptionKind, RefundOutcome, Trigger
from aftercare.negotiation.model.cases import UNANSWERED, Case, CaseState, CaseTrigger, negotiation_id
from aftercare.negotiation.model.choosing import WhyNot, is_suppressed, same_currency
from aftercare.negotiation.model.deadlines import answer_by, approve_by, next_request, paused_until, waits_until
from aftercare.negotiation.model.drafts import Draft
from aftercare.negotiation.model.endings import end, say_round_end
from aftercare.negotiation.model.offering import choose_and_offer
from aftercare.negotiation.model.orders import Order, Request
from aftercare.negotiation.model.settling import watch_settlement

GIVES_MONEY = frozenset({OptionKind.PARTIAL_REFUND, OptionKind.FULL_REFUND, OptionKind.RETURN_AND_REFUND})


def open_or_join(
    draft: Draft,
    kind: Trigger,
    natural_key: str,
    *,
    refund_id: str | None = None,
    session_id: str | None = None,
    anomaly_id: str | None = None,
    anomaly: str | None = None,
) -> None:
    """A trigger opens a case, or joins the one that is open; the same trigger again does nothing."""
    order = draft.order
    if natural_key in order.triggers:
        return
    order = order.model_copy(update={"triggers": (*order.triggers, natural_key)})
    case = order.open_case or _undecided_case(order, kind)
    if case is not None:
        joined = case.record(draft.now, "joined", {"trigger": kind.value, "by": natural_key})
        if case.state in UNANSWERED:
            # a request is negotiated on its own when it cannot be part of this case
            fits = refund_id is not None and same_currency(order, order.requests[refund_id].latest)
            joined = joined.model_copy(
                update={
                    "refund_id": case.refund_id or (refund_id if fits else None),
                    "session_id": case.session_id or session_id,
                    "anomaly_id": case.anomaly_id or anomaly_id,
                }
            )
        draft.order = order.with_case(joined)
        return
    draft.order = order
    _open(draft, CaseTrigger(kind=kind, natural_key=natural_key, anomaly=anomaly), refund_id, session_id, anomaly_id)


def proceed(draft: Draft) -> None:
    """Takes the open case as far as facts and time allow, and then the next one that waits for its end."""
    while True:
        _proceed_once(draft)
        if draft.order.open_case is not None or not _open_next(draft):
            return


def _proceed_once(draft: Draft) -> None:
    case = draft.order.open_case
    if case is None:
        return
    if case.state in UNANSWERED:
        dropped = _why_dropped(draft, case)
        if dropped is not None:
            end(draft, case, CaseState.SUPERSEDED, *dropped)
            return
        case = _pause_or_resume(draft, case)
    match case.state:
        case CaseState.AWAITING_ORDER if draft.now >= waits_until(draft.order, case, draft.around):
            if draft.order.purchase is not None:
                choose_and_offer(draft, case)
            else:
                end(draft, case, CaseState.PASSED_ON, NegotiationOutcome.PASSED_ON, WhyNot.ORDER_UNKNOWN)
        case CaseState.OPENED if draft.now >= approve_by(draft.order, case):
            end(draft, case, CaseState.PASSED_ON, NegotiationOutcome.PASSED_ON, "approval_missed")
        case CaseState.OFFERED if draft.now >= answer_by(draft.order, case, draft.around.rules):
            say_round_end(draft, case, OffersExpired)
            end(draft, case, CaseState.EXPIRED, NegotiationOutcome.PASSED_ON, "expired")
        case CaseState.PAUSED if draft.now >= paused_until(case, draft.around):
            end(draft, case, CaseState.PASSED_ON, NegotiationOutcome.PASSED_ON, "platform_never_closed")
        case CaseState.ACCEPTED:
            watch_settlement(draft, case)
        case _:
            pass


def _why_dropped(draft: Draft, case: Case) -> tuple[NegotiationOutcome, str] | None:
    """Why nothing more is to be negotiated. Withdrawal comes before all else, whatever was heard of first."""
    order = draft.order
    request = order.requests.get(case.refund_id or "", Request())
    if request.decided is not None and request.decided.outcome is RefundOutcome.WITHDRAWN:
        return NegotiationOutcome.WITHDRAWN, "withdrawn"
    if order.cancelled_at is not None:
        return NegotiationOutcome.SUPERSEDED, WhyNot.ORDER_CANCELLED
    if request.decided is not None:
        return NegotiationOutcome.SUPERSEDED, WhyNot.ALREADY_DECIDED
    if request.changed:
        return NegotiationOutcome.SUPERSEDED, WhyNot.CHANGED
    if case.state is not CaseState.AWAITING_ORDER and is_suppressed(request.latest, draft.around.rules):
        return NegotiationOutcome.SUPERSEDED, WhyNot.SUPPRESSED
    if case.round is not None and order.remaining is not None:
        leaves = [option.amount for option in case.round.options if option.kind in GIVES_MONEY and option.amount]
        if any(amount > order.remaining for amount in leaves):
            # refunded elsewhere since: an offer that can no longer be kept must not be shown
            return NegotiationOutcome.SUPERSEDED, WhyNot.NOTHING_LEFT
    return None


def _pause_or_resume(draft: Draft, case: Case) -> Case:
    if draft.order.under_intervention and case.state is not CaseState.PAUSED:
        case = case.move(CaseState.PAUSED, draft.now, "paused", {}, resume_to=case.state, paused_at=draft.now)
    elif not draft.order.under_intervention and case.state is CaseState.PAUSED and case.resume_to is not None:
        case = case.move(case.resume_to, draft.now, "resumed", {}, resume_to=None, paused_at=None)
    draft.order = draft.order.with_case(case)
    return case


def _undecided_case(order: Order, kind: Trigger) -> Case | None:
    """The ended case of a request that is still undecided: a contact about it is no new matter, and gets no new arm."""
    if kind is Trigger.REFUND_REQUESTED or not order.cases:
        return None
    last = order.cases[-1]
    request = order.requests.get(last.refund_id or "")
    undecided = request is not None and request.decided is None and last.state is not CaseState.SETTLED
    return last if undecided else None


def _open(
    draft: Draft, trigger: CaseTrigger, refund_id: str | None, session_id: str | None, anomaly_id: str | None
) -> None:
    order = draft.order
    case = Case(
        negotiation_id=negotiation_id(order.shop, order.order_id, trigger.natural_key),
        trigger=trigger,
        refund_id=refund_id,
        session_id=session_id,
        anomaly_id=anomaly_id,
        opened_at=draft.now,
        state=CaseState.AWAITING_ORDER,
    )
    opened = case.record(draft.now, "opened", {"trigger": trigger.kind.value, "by": trigger.natural_key})
    draft.order = order.with_case(opened)


def _open_next(draft: Draft) -> bool:
    """Opens a case for a request that came while another was negotiated, and that nobody has decided since."""
    refund_id = next_request(draft.order)
    if refund_id is None:
        return False
    trigger = CaseTrigger(kind=Trigger.REFUND_REQUESTED, natural_key=f"refund/{refund_id}")
    _open(draft, trigger, refund_id, None, None)
    return True
