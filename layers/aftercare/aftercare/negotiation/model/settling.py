"""What was accepted becomes a payout, and a payout's end becomes the case's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from aftercare.events.negotiation import OfferAccepted, SettlementRecorded
from aftercare.events.vocabulary import NegotiationOutcome, OptionKind, SettlementResult
from aftercare.negotiation.model.cases import Case, CaseState, Chosen
from aftercare.negotiation.model.drafts import Draft, find_case
from aftercare.negotiation.model.endings import end, say_closed
from aftercare.negotiation.model.orders import Commitment, Order

SALE_STANDS = frozenset({OptionKind.PARTIAL_REFUND, OptionKind.COUPON, OptionKind.EXCHANGE, OptionKind.REISSUE})
"""After these the buyer keeps goods of this order: the request counts as kept. A full refund is none."""


def commit(draft: Draft, case_id: str, commitments: Mapping[str, Commitment]) -> None:
    """The intents of a case's payouts are written together with this."""
    case = find_case(draft.order, case_id)
    facts = {"payouts": sorted(commitments)}
    settling = case.move(CaseState.SETTLING, draft.now, "settlement_intended", facts)
    draft.order = draft.order.with_case(settling).model_copy(
        update={"commitments": {**draft.order.commitments, **commitments}}
    )


def hand_to_human(draft: Draft, case_id: str, reason: str) -> None:
    """The case cannot go on by itself; the buyer was promised something, so a person must see to it."""
    case = find_case(draft.order, case_id)
    needing = case.move(CaseState.NEEDS_HUMAN, draft.now, "needs_human", {"reason": reason}, reason=reason)
    draft.order = draft.order.with_case(needing)
    say_closed(draft, needing, NegotiationOutcome.NEEDS_HUMAN)


def record_settlement(draft: Draft, data: SettlementRecorded, sequence: int) -> None:
    """Takes in how a payout ended; an older word on the same payout than one already known changes nothing."""
    known = draft.order.commitments.get(data.payout_key)
    case = draft.order.case(data.negotiation_id)
    if known is None or case is None or sequence <= known.sequence:
        return
    updated = known.model_copy(update={"result": data.result, "sequence": sequence})
    commitments = {**draft.order.commitments, data.payout_key: updated}
    if known.kind is OptionKind.COUPON_REVOCATION:
        if data.result is SettlementResult.PAID and known.revokes in commitments:
            revoked = commitments[known.revokes].model_copy(update={"coupon_revoked": True})
            commitments[known.revokes] = revoked
        draft.order = draft.order.model_copy(update={"commitments": commitments})
        return
    draft.order = draft.order.model_copy(update={"commitments": commitments})
    facts = {"payout": data.payout_key, "result": data.result.value}
    case = case.record(draft.now, "settlement_recorded", facts)
    if case.ended:
        draft.order = draft.order.with_case(case)
    elif data.result is SettlementResult.PAID:
        outcome = NegotiationOutcome.KEPT if known.kind in SALE_STANDS else NegotiationOutcome.PASSED_ON
        end(draft, case, CaseState.SETTLED, outcome, "settled")
    elif case.state is CaseState.NEEDS_HUMAN:
        draft.order = draft.order.with_case(case)
        if data.result is SettlementResult.REFUSED:
            end(draft, case, CaseState.PASSED_ON, NegotiationOutcome.PASSED_ON, "not_paid")
    else:
        draft.order = draft.order.with_case(case)
        hand_to_human(draft, case.negotiation_id, f"payout_{data.result.value}")


def watch_settlement(draft: Draft, case: Case) -> None:
    """An acceptance that nobody has begun to settle is said again, and after the pack's deadline given to a person."""
    chosen, settlement = case.chosen, draft.around.rules.settlement
    if chosen is None:
        return
    if draft.now >= chosen.accepted_at + timedelta(minutes=settlement.deadline):
        hand_to_human(draft, case.negotiation_id, "not_settled_in_time")
    elif draft.now >= (case.reminded_at or chosen.accepted_at) + timedelta(minutes=settlement.remind):
        draft.order = draft.order.with_case(case.model_copy(update={"reminded_at": draft.now}))
        draft.said.append(acceptance(draft.order, case, chosen))


def acceptance(order: Order, case: Case, chosen: Chosen) -> OfferAccepted:
    return OfferAccepted(
        negotiation_id=case.negotiation_id,
        order_id=order.order_id,
        refund_id=case.refund_id,
        round=chosen.round,
        option_id=chosen.option.option_id,
        kind=chosen.option.kind,
        amount=chosen.option.amount,
        via=chosen.via,
        accepted_at=chosen.accepted_at,
    )
