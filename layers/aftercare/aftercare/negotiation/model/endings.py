"""How a round and a case end, and what is said and given back then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aftercare.events.negotiation import (
    NegotiationClosed,
    NegotiationOpened,
    OffersDeclined,
    OffersExpired,
    PlanVersion,
)
from aftercare.events.vocabulary import Arm, NegotiationOutcome, OptionKind, SettlementResult
from aftercare.kernel.money import Money
from aftercare.negotiation.model.cases import Case, CaseState
from aftercare.negotiation.model.drafts import BuyerPromise, Draft, requested
from aftercare.negotiation.model.plans import Terms


def end(draft: Draft, case: Case, state: CaseState, outcome: NegotiationOutcome, reason: str | None) -> None:
    if not case.announced:
        case = case.model_copy(update={"why_not": case.why_not or reason, "requested": requested(draft.order, case)})
        case = announce(draft, case)
    changed: dict[str, Any] = {"outcome": outcome, "reason": reason, "closed_at": draft.now}
    if state is not CaseState.SETTLED and case.rounds and case.plan is not None:
        draft.hold(case.holds, -1, case.plan)
        note_promise(draft, case.plan, case, None)
        changed["holds"] = ()
    facts = {"outcome": outcome.value, "reason": reason}
    ended = case.move(state, draft.now, "closed", facts, **changed)
    draft.order = draft.order.with_case(ended)
    say_closed(draft, ended, outcome)


def say_closed(draft: Draft, case: Case, outcome: NegotiationOutcome) -> None:
    ours = [one for one in draft.order.commitments.values() if one.negotiation_id == case.negotiation_id]
    paid = [one for one in ours if one.result is SettlementResult.PAID]
    cash = [one.money for one in paid if one.money.minor and one.kind is not OptionKind.RETURN_AND_REFUND]
    coupons = [one.coupon for one in paid if one.coupon is not None and one.kind is OptionKind.COUPON]
    draft.said.append(
        NegotiationClosed(
            negotiation_id=case.negotiation_id,
            order_id=draft.order.order_id,
            refund_id=case.refund_id,
            outcome=outcome,
            cash=_sum(cash),
            coupon_cost=_sum(coupons),
            closed_at=draft.now,
        )
    )


def say_round_end(draft: Draft, case: Case, said: type[OffersDeclined] | type[OffersExpired]) -> None:
    if case.round is not None:
        draft.said.append(
            said(
                negotiation_id=case.negotiation_id,
                order_id=draft.order.order_id,
                round=case.round.number,
                at=draft.now,
            )
        )


def announce(draft: Draft, case: Case) -> Case:
    """Says NegotiationOpened, once a case."""
    if case.announced:
        return case
    plan = case.plan
    draft.said.append(
        NegotiationOpened(
            negotiation_id=case.negotiation_id,
            order_id=draft.order.order_id,
            refund_id=case.refund_id,
            session_id=case.session_id,
            anomaly_id=case.anomaly_id,
            trigger=case.trigger.kind,
            requested=case.requested,
            eligible=case.arm is not Arm.NONE,
            why_not=case.why_not,
            arm=case.arm,
            plan=PlanVersion(id=plan.plan_id, version=plan.version) if plan else None,
            opened_at=case.opened_at,
        )
    )
    return case.model_copy(update={"announced": True})


def note_promise(draft: Draft, plan: Terms, case: Case, minor: int | None) -> None:
    if plan.limits.per_buyer_30_days is None or draft.order.purchase is None or not draft.order.purchase.buyer:
        return
    first_made_at = case.rounds[0].presented_at if case.rounds else draft.now
    draft.promise = BuyerPromise(draft.order.purchase.buyer, case.negotiation_id, first_made_at, minor)


def _sum(amounts: Sequence[Money]) -> Money | None:
    if not amounts:
        return None
    total = amounts[0]
    for amount in amounts[1:]:
        total = total + amount
    return total
