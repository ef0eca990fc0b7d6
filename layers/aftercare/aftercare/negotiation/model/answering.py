"""What a buyer or a merchant decides."""

from __future__ import annotations

from datetime import datetime

from aftercare.events.negotiation import OffersDeclined
from aftercare.events.vocabulary import AcceptedVia, NegotiationOutcome, SettlementResult
from aftercare.negotiation.model.cases import Case, CaseState, Chosen, MoveRefused, Round
from aftercare.negotiation.model.choosing import WhyNot, answer_deadline, asked_of, next_round
from aftercare.negotiation.model.deadlines import answer_by
from aftercare.negotiation.model.drafts import (
    AnsweredAlready,
    Draft,
    NoSuchCase,
    NoSuchOption,
    NotNow,
    TooLate,
    find_case,
)
from aftercare.negotiation.model.endings import end, note_promise, say_round_end
from aftercare.negotiation.model.offering import present
from aftercare.negotiation.model.settling import acceptance


def accept(
    draft: Draft, case_id: str, round_number: int, option_id: str, via: AcceptedVia, answered_at: datetime
) -> None:
    """The buyer takes an option. The same answer again changes nothing.

    Raises ``NoSuchCase``, ``NoSuchOption``, ``AnsweredAlready``, ``TooLate`` or ``NotNow``.
    """
    case = find_case(draft.order, case_id)
    if case.chosen is not None:
        if (case.chosen.round, case.chosen.option.option_id) == (round_number, option_id):
            return
        raise AnsweredAlready("another option was chosen")
    current = _answerable(draft, case, round_number, answered_at, via)
    option = current.option(option_id)
    if option is None:
        raise NoSuchOption(f"round {round_number} has no option {option_id}")
    kept = tuple(hold.model_copy(update={"minor": option.cost.minor}) for hold in case.holds)
    if case.plan is not None:
        draft.hold(case.holds, -1, case.plan)
        draft.hold(kept, +1, case.plan)
        if option.cost.minor < max(one.cost.minor for one in current.options):
            note_promise(draft, case.plan, case, option.cost.minor)
    chosen = Chosen(option=option, round=round_number, via=via, accepted_at=draft.now)
    facts = {"round": round_number, "option": option_id, "kind": option.kind.value, "via": via.value}
    accepted = case.move(CaseState.ACCEPTED, draft.now, "accepted", facts, chosen=chosen, holds=kept)
    draft.order = draft.order.with_case(accepted)
    draft.said.append(acceptance(draft.order, accepted, chosen))


def decline(draft: Draft, case_id: str, round_number: int, answered_at: datetime, *, ask_for_another: bool) -> None:
    """The buyer takes none: the original request goes on, or, where the buyer asks for it, the ladder's next round.

    Raises as ``accept`` does.
    """
    case = find_case(draft.order, case_id)
    if case.state is CaseState.DECLINED and case.round is not None and case.round.number == round_number:
        return
    if case.chosen is not None:
        raise AnsweredAlready("an option was chosen")
    current = _answerable(draft, case, round_number, answered_at)
    plan = case.plan
    if ask_for_another and (plan is None or current.number >= len(plan.rounds)):
        raise NoSuchOption(f"round {round_number} is the last of its ladder")
    say_round_end(draft, case, OffersDeclined)
    case = case.record(draft.now, "declined", {"round": current.number, "another": ask_for_another})
    if ask_for_another and plan is not None:
        offered, _ = next_round(draft.order, case, plan, current.number + 1, draft.around)
        until = answer_deadline(asked_of(draft.order, case), plan, draft.around)
        if offered is not None and until is not None:
            present(draft, case, plan, offered, until)
            return
    end(draft, case, CaseState.DECLINED, NegotiationOutcome.PASSED_ON, "declined")


def _answerable(
    draft: Draft, case: Case, round_number: int, answered_at: datetime, via: AcceptedVia = AcceptedVia.PAGE
) -> Round:
    current = case.round
    if current is None or case.round_numbered(round_number) is None:
        raise NoSuchCase(f"round {round_number} was never offered")
    if round_number < current.number:
        raise AnsweredAlready(f"round {round_number} was followed by another")
    deadline_ = answer_by(draft.order, case, draft.around.rules)
    if case.state is CaseState.PAUSED:
        # an answer that the marketplace itself took is one, whenever we hear of it and of what the platform did; time
        # stands still from the moment at which the platform stepped in
        if via is AcceptedVia.MARKETPLACE and min(answered_at, draft.order.intervened_at) < deadline_:
            return current
        raise NotNow("the platform has stepped in")
    if case.state is CaseState.DECLINED:
        raise AnsweredAlready("the offer was declined")
    if case.state is not CaseState.OFFERED or min(answered_at, draft.now) >= deadline_:
        raise TooLate("the offer has ended")
    return current


def approve(draft: Draft, case_id: str, author: str) -> None:
    """Presents the offer that waits for the merchant; raises ``NoSuchCase``, ``AnsweredAlready`` or ``TooLate``."""
    case = find_case(draft.order, case_id)
    if case.approved_by is not None:
        return
    plan = case.plan
    if case.state is not CaseState.OPENED or plan is None:
        raise AnsweredAlready(f"a case that is {case.state} does not wait for approval")
    offered, why_not = next_round(draft.order, case, plan, 1, draft.around)
    until = answer_deadline(asked_of(draft.order, case), plan, draft.around)
    if offered is None or until is None:
        raise TooLate(f"no offer can be made any more: {why_not or WhyNot.DEADLINE_TOO_NEAR}")
    approved = case.record(draft.now, "approved", {"by": author}, approved_by=author)
    present(draft, approved, plan, offered, until)


def take_over(draft: Draft, case_id: str, author: str, reason: str) -> None:
    """A person handles the request by hand from here on.

    Raises ``NoSuchCase``, or ``MoveRefused`` where the buyer has accepted: that cannot be taken back.
    """
    case = find_case(draft.order, case_id)
    if case.ended:
        return
    in_doubt = [
        one
        for one in draft.order.commitments.values()
        if one.negotiation_id == case_id and one.result in (None, SettlementResult.NEEDS_HUMAN)
    ]
    if case.state is CaseState.NEEDS_HUMAN and in_doubt:
        # its payout must be resolved first: it may have been made
        raise MoveRefused(case.state, CaseState.PASSED_ON)
    case = case.record(draft.now, "taken_over", {"by": author, "reason": reason})
    if case.state is CaseState.NEEDS_HUMAN:
        end(draft, case, CaseState.PASSED_ON, NegotiationOutcome.PASSED_ON, "taken_over")
    else:
        end(draft, case, CaseState.SUPERSEDED, NegotiationOutcome.SUPERSEDED, "taken_over")
