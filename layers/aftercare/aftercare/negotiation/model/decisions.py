"""What follows from a fact, a choice or the passing of time: the new order, what it says, and what it holds.

Every fact is first folded into the order; then the case goes as far as it can. So the same facts in another order
lead to the same place, and a timer needs no code of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aftercare.events.negotiation import (
    Coupon,
    NegotiationClosed,
    NegotiationOpened,
    OfferAccepted,
    OfferOption,
    OffersDeclined,
    OffersExpired,
    OffersPresented,
    PlanVersion,
    SettlementRecorded,
)
from aftercare.events.vocabulary import (
    AcceptedVia,
    Arm,
    NegotiationOutcome,
    OptionKind,
    RefundOutcome,
    SettlementResult,
    Trigger,
)
from aftercare.kernel.envelope import EventData
from aftercare.kernel.errors import DomainError
from aftercare.kernel.money import Money
from aftercare.negotiation.model.cases import (
    UNANSWERED,
    Case,
    CaseState,
    CaseTrigger,
    Chosen,
    Hold,
    MoveRefused,
    Option,
    Round,
    negotiation_id,
)
from aftercare.negotiation.model.choosing import (
    OfferedRound,
    Surroundings,
    WhyNot,
    answer_deadline,
    ceilings_of,
    choose,
    is_suppressed,
    last_moment,
    next_round,
    same_currency,
)
from aftercare.negotiation.model.orders import Asked, Commitment, Order, Request
from aftercare.negotiation.model.plans import Allowance, Plan
from aftercare.rulepacks.negotiation import NegotiationRules

DEFAULT_LOCALE = "zh"
SALE_STANDS = frozenset({OptionKind.PARTIAL_REFUND, OptionKind.COUPON, OptionKind.EXCHANGE, OptionKind.REISSUE})
"""After these the buyer keeps goods of this order: the request counts as kept. A full refund is none."""
GIVES_MONEY = frozenset({OptionKind.PARTIAL_REFUND, OptionKind.FULL_REFUND, OptionKind.RETURN_AND_REFUND})


class NoSuchCase(DomainError):
    """The order has no such case, or the case no such round."""


class NoSuchOption(DomainError):
    """The round offers no such option."""


class AnsweredAlready(DomainError):
    """The round has its answer, and it is not this one."""


class TooLate(DomainError):
    """The offer has ended; the original request goes on."""


class NotNow(DomainError):
    """The platform has stepped in; the offer waits."""


@dataclass(frozen=True, slots=True)
class HoldChange:
    """What a counter gains (or gives back, below zero), and the ceiling it must keep when it gains."""

    counter: str
    cases: int
    minor: int
    ceiling: Allowance
    probe: bool = False
    """Nothing is counted: the write is only refused where there would be no room."""


@dataclass(frozen=True, slots=True)
class BuyerPromise:
    """What the buyer's record of promises shall say of one case; None removes it."""

    buyer: str
    negotiation_id: str
    at: datetime
    minor: int | None


@dataclass(frozen=True, slots=True)
class Decision:
    order: Order
    said: tuple[EventData, ...] = ()
    holds: tuple[HoldChange, ...] = ()
    promise: BuyerPromise | None = None


@dataclass
class Draft:
    """A decision in the making."""

    order: Order
    around: Surroundings
    said: list[EventData] = field(default_factory=list)
    holds: dict[str, HoldChange] = field(default_factory=dict)
    promise: BuyerPromise | None = None

    @property
    def now(self) -> datetime:
        return self.around.now

    def decision(self) -> Decision:
        changes = tuple(change for change in self.holds.values() if change.cases or change.minor)
        return Decision(self.order, tuple(self.said), changes, self.promise)

    def probe(self, holds: Sequence[Hold], plan: Plan) -> None:
        for one in holds:
            ceiling = ceilings_of(one, plan, self.around.policy)
            self.holds[one.counter] = HoldChange(one.counter, one.cases, one.minor, ceiling, probe=True)

    def hold(self, holds: Sequence[Hold], sign: int, plan: Plan) -> None:
        for one in holds:
            known = self.holds.get(one.counter)
            self.holds[one.counter] = HoldChange(
                counter=one.counter,
                cases=sign * one.cases + (known.cases if known else 0),
                minor=sign * one.minor + (known.minor if known else 0),
                ceiling=ceilings_of(one, plan, self.around.policy),
            )


# ---------------------------------------------------------------- opening


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
        joined = case.record(draft.now, "joined", trigger=kind.value, by=natural_key)
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
    opened = case.record(draft.now, "opened", trigger=trigger.kind.value, by=trigger.natural_key)
    draft.order = order.with_case(opened)


def _open_next(draft: Draft) -> bool:
    """Opens a case for a request that came while another was negotiated, and that nobody has decided since."""
    refund_id = _next_request(draft.order)
    if refund_id is None:
        return False
    trigger = CaseTrigger(kind=Trigger.REFUND_REQUESTED, natural_key=f"refund/{refund_id}")
    _open(draft, trigger, refund_id, None, None)
    return True


def _next_request(order: Order) -> str | None:
    taken = {case.refund_id for case in order.cases}
    waiting = (
        refund_id
        for refund_id, request in order.requests.items()
        if refund_id not in taken and request.first is not None and request.decided is None
    )
    return next(waiting, None)


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
            _end(draft, case, CaseState.SUPERSEDED, *dropped)
            return
        case = _pause_or_resume(draft, case)
    match case.state:
        case CaseState.AWAITING_ORDER if draft.order.purchase is not None:
            _answer(draft, case)
        case CaseState.AWAITING_ORDER if draft.now >= waits_until(draft.order, case, draft.around):
            _end(draft, case, CaseState.PASSED_ON, NegotiationOutcome.PASSED_ON, WhyNot.ORDER_UNKNOWN)
        case CaseState.OPENED if draft.now >= approve_by(draft.order, case):
            _end(draft, case, CaseState.PASSED_ON, NegotiationOutcome.PASSED_ON, "approval_missed")
        case CaseState.OFFERED if draft.now >= answer_by(draft.order, case, draft.around.rules):
            _say_round_end(draft, case, OffersExpired)
            _end(draft, case, CaseState.EXPIRED, NegotiationOutcome.PASSED_ON, "expired")
        case CaseState.PAUSED if draft.now >= _paused_until(case, draft.around):
            _end(draft, case, CaseState.PASSED_ON, NegotiationOutcome.PASSED_ON, "platform_never_closed")
        case CaseState.ACCEPTED:
            _watch_settlement(draft, case)
        case _:
            pass


def answer_by(order: Order, case: Case, rules: NegotiationRules) -> datetime:
    """The first moment at which the current round can no longer be answered.

    Never later than is safe for the marketplace's own deadline, also when that was moved or learned of afterwards.
    """
    current = case.round
    if current is None:
        raise NoSuchCase("no offer has been made")
    asked = _asked(order, case)
    latest = current.answer_by if asked is None else min(current.answer_by, last_moment(asked, rules))
    return order.postponed(latest, current.presented_at)


def waits_until(order: Order, case: Case, around: Surroundings) -> datetime:
    """How long a case waits for its order: until an offer would come too late."""
    asked = _asked(order, case)
    if asked is not None:
        return last_moment(asked, around.rules)
    return case.opened_at + timedelta(minutes=around.rules.waiting.order)


def deadline(order: Order, around: Surroundings) -> datetime | None:
    """When the order wants to be looked at next, if nothing happens before."""
    case = order.open_case
    if case is None:
        # a request that waited for the end of another's case is due at once
        return None if _next_request(order) is None else around.now
    match case.state:
        case CaseState.AWAITING_ORDER:
            return waits_until(order, case, around)
        case CaseState.OPENED:
            return approve_by(order, case)
        case CaseState.OFFERED:
            return answer_by(order, case, around.rules)
        case CaseState.PAUSED:
            return _paused_until(case, around)
        case CaseState.ACCEPTED if case.chosen is not None:
            since = case.reminded_at or case.chosen.accepted_at
            return since + timedelta(minutes=around.rules.settlement.remind)
        case _:
            return None


def _answer(draft: Draft, case: Case) -> None:
    choice = choose(draft.order, case, draft.around)
    plan = choice.plan
    case = case.model_copy(
        update={
            "arm": choice.arm,
            "why_not": choice.why_not,
            "plan": plan,
            "rules": draft.around.rules.id,
            "requested": _requested(draft.order, case),
        }
    ).record(
        draft.now,
        "considered",
        rules=draft.around.rules.id,
        arm=choice.arm.value,
        why_not=choice.why_not,
        plans=[[verdict.plan_id, verdict.version, verdict.reason] for verdict in choice.verdicts],
    )
    case = _announce(draft, case)
    if plan is None or choice.round is None or choice.answer_by is None:
        if plan is not None and choice.round is not None:
            draft.probe(choice.round.holds, plan)
        _end(draft, case, CaseState.PASSED_ON, NegotiationOutcome.PASSED_ON, choice.why_not)
    elif plan.needs_approval:
        facts = {"plan": plan.plan_id, "version": plan.version}
        until = choice.answer_by - timedelta(minutes=draft.around.rules.answering.shortest_answer)
        asking = case.move(
            CaseState.OPENED, draft.now, "approval_asked", facts, approve_by=until, approval_asked_at=draft.now
        )
        draft.order = draft.order.with_case(asking)
    else:
        _present(draft, case, plan, choice.round, choice.answer_by)


def _announce(draft: Draft, case: Case) -> Case:
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


def _present(draft: Draft, case: Case, plan: Plan, offered: OfferedRound, until: datetime) -> None:
    purchase = draft.order.purchase
    policy = draft.around.policy
    locale = (purchase.locale if purchase else None) or policy.locale or DEFAULT_LOCALE
    zone = (purchase.time_zone if purchase else None) or policy.zone
    text = draft.around.wording.offer_text(locale, zone, plan.opening.in_language(locale), offered.options, until)
    digest = hashlib.sha256(text.encode()).hexdigest()
    shown = Round(
        number=offered.number,
        options=offered.options,
        presented_at=draft.now,
        answer_by=until,
        locale=locale,
        zone=zone,
        text=text,
        text_sha256=digest,
    )
    draft.hold(case.holds, -1, plan)
    draft.hold(offered.holds, +1, plan)
    _promise(draft, plan, case, max(option.cost.minor for option in offered.options))
    facts = {
        "round": shown.number,
        "plan": plan.plan_id,
        "plan_version": plan.version,
        "rules": case.rules,
        "options": [option.model_dump(mode="json", exclude_none=True) for option in shown.options],
        "answer_by": shown.model_dump(mode="json")["answer_by"],
        "text_sha256": digest,
    }
    presented = case.move(
        CaseState.OFFERED, draft.now, "presented", facts, rounds=(*case.rounds, shown), holds=offered.holds
    )
    draft.order = draft.order.with_case(presented)
    draft.said.append(
        OffersPresented(
            negotiation_id=case.negotiation_id,
            order_id=draft.order.order_id,
            round=shown.number,
            options=tuple(_as_said(option) for option in shown.options),
            answer_by=shown.answer_by,
            text_sha256=digest,
        )
    )


def _as_said(option: Option) -> OfferOption:
    coupon = None
    if option.coupon_value is not None and option.coupon_days is not None:
        coupon = Coupon(face_value=option.coupon_value, valid_days=option.coupon_days)
    return OfferOption(option_id=option.option_id, kind=option.kind, amount=option.amount, coupon=coupon)


# ---------------------------------------------------------------- the buyer's answer


def accept(
    draft: Draft, case_id: str, round_number: int, option_id: str, via: AcceptedVia, answered_at: datetime
) -> None:
    """The buyer takes an option. The same answer again changes nothing.

    Raises ``NoSuchCase``, ``NoSuchOption``, ``AnsweredAlready``, ``TooLate`` or ``NotNow``.
    """
    case = _case(draft.order, case_id)
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
            _promise(draft, case.plan, case, option.cost.minor)
    chosen = Chosen(option=option, round=round_number, via=via, accepted_at=draft.now)
    facts = {"round": round_number, "option": option_id, "kind": option.kind.value, "via": via.value}
    accepted = case.move(CaseState.ACCEPTED, draft.now, "accepted", facts, chosen=chosen, holds=kept)
    draft.order = draft.order.with_case(accepted)
    draft.said.append(_acceptance(draft.order, accepted, chosen))


def decline(draft: Draft, case_id: str, round_number: int, answered_at: datetime, *, ask_for_another: bool) -> None:
    """The buyer takes none: the original request goes on, or, where the buyer asks for it, the ladder's next round.

    Raises as ``accept`` does.
    """
    case = _case(draft.order, case_id)
    if case.state is CaseState.DECLINED and case.round is not None and case.round.number == round_number:
        return
    if case.chosen is not None:
        raise AnsweredAlready("an option was chosen")
    current = _answerable(draft, case, round_number, answered_at)
    plan = case.plan
    if ask_for_another and (plan is None or current.number >= len(plan.rounds)):
        raise NoSuchOption(f"round {round_number} is the last of its ladder")
    _say_round_end(draft, case, OffersDeclined)
    case = case.record(draft.now, "declined", round=current.number, another=ask_for_another)
    if ask_for_another and plan is not None:
        offered, _ = next_round(draft.order, case, plan, current.number + 1, draft.around)
        until = answer_deadline(_asked(draft.order, case), plan, draft.around)
        if offered is not None and until is not None:
            _present(draft, case, plan, offered, until)
            return
    _end(draft, case, CaseState.DECLINED, NegotiationOutcome.PASSED_ON, "declined")


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
        # who answered on the marketplace before the platform stepped in has answered, whenever we hear of it
        if via is AcceptedVia.MARKETPLACE and answered_at < draft.order.intervened_at and answered_at < deadline_:
            return current
        raise NotNow("the platform has stepped in")
    if case.state is CaseState.DECLINED:
        raise AnsweredAlready("the offer was declined")
    if case.state is not CaseState.OFFERED or min(answered_at, draft.now) >= deadline_:
        raise TooLate("the offer has ended")
    return current


# ---------------------------------------------------------------- the merchant's hand


def approve(draft: Draft, case_id: str, author: str) -> None:
    """Presents the offer that waits for the merchant; raises ``NoSuchCase`` or ``MoveRefused``, ``TooLate``."""
    case = _case(draft.order, case_id)
    if case.approved_by is not None:
        return
    plan = case.plan
    if case.state is not CaseState.OPENED or plan is None:
        raise AnsweredAlready(f"a case that is {case.state} does not wait for approval")
    offered, why_not = next_round(draft.order, case, plan, 1, draft.around)
    until = answer_deadline(_asked(draft.order, case), plan, draft.around)
    if offered is None or until is None:
        raise TooLate(f"no offer can be made any more: {why_not or WhyNot.DEADLINE_TOO_NEAR}")
    approved = case.model_copy(update={"approved_by": author}).record(draft.now, "approved", by=author)
    _present(draft, approved, plan, offered, until)


def take_over(draft: Draft, case_id: str, author: str, reason: str) -> None:
    """A person handles the request by hand from here on. What the buyer has accepted cannot be taken back."""
    case = _case(draft.order, case_id)
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
    case = case.record(draft.now, "taken_over", by=author, reason=reason)
    if case.state is CaseState.NEEDS_HUMAN:
        _end(draft, case, CaseState.PASSED_ON, NegotiationOutcome.PASSED_ON, "taken_over")
    else:
        _end(draft, case, CaseState.SUPERSEDED, NegotiationOutcome.SUPERSEDED, "taken_over")


# ---------------------------------------------------------------- settlement


def commit(draft: Draft, case_id: str, commitments: Mapping[str, Commitment]) -> None:
    """The intents of a case's payouts are written together with this."""
    case = _case(draft.order, case_id)
    facts = {"payouts": sorted(commitments)}
    settling = case.move(CaseState.SETTLING, draft.now, "settlement_intended", facts)
    draft.order = draft.order.with_case(settling).model_copy(
        update={"commitments": {**draft.order.commitments, **commitments}}
    )


def hand_to_human(draft: Draft, case_id: str, reason: str) -> None:
    """The case cannot go on by itself; the buyer was promised something, so a person must see to it."""
    case = _case(draft.order, case_id)
    needing = case.move(CaseState.NEEDS_HUMAN, draft.now, "needs_human", {"reason": reason}, reason=reason)
    draft.order = draft.order.with_case(needing)
    _say_closed(draft, needing, NegotiationOutcome.NEEDS_HUMAN)


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
    case = case.record(draft.now, "settlement_recorded", **facts)
    if case.ended:
        draft.order = draft.order.with_case(case)
    elif data.result is SettlementResult.PAID:
        outcome = NegotiationOutcome.KEPT if known.kind in SALE_STANDS else NegotiationOutcome.PASSED_ON
        _end(draft, case, CaseState.SETTLED, outcome, "settled")
    elif case.state is CaseState.NEEDS_HUMAN:
        draft.order = draft.order.with_case(case)
        if data.result is SettlementResult.REFUSED:
            _end(draft, case, CaseState.PASSED_ON, NegotiationOutcome.PASSED_ON, "not_paid")
    else:
        draft.order = draft.order.with_case(case)
        hand_to_human(draft, case.negotiation_id, f"payout_{data.result.value}")


def _watch_settlement(draft: Draft, case: Case) -> None:
    """An acceptance that nobody has begun to settle is said again, and after the pack's deadline given to a person."""
    chosen, settlement = case.chosen, draft.around.rules.settlement
    if chosen is None:
        return
    if draft.now >= chosen.accepted_at + timedelta(minutes=settlement.deadline):
        hand_to_human(draft, case.negotiation_id, "not_settled_in_time")
    elif draft.now >= (case.reminded_at or chosen.accepted_at) + timedelta(minutes=settlement.remind):
        draft.order = draft.order.with_case(case.model_copy(update={"reminded_at": draft.now}))
        draft.said.append(_acceptance(draft.order, case, chosen))


def _acceptance(order: Order, case: Case, chosen: Chosen) -> OfferAccepted:
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


# ---------------------------------------------------------------- ends


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


def _end(draft: Draft, case: Case, state: CaseState, outcome: NegotiationOutcome, reason: str | None) -> None:
    if not case.announced:
        case = case.model_copy(update={"why_not": case.why_not or reason, "requested": _requested(draft.order, case)})
        case = _announce(draft, case)
    unspent = state not in (CaseState.SETTLED, CaseState.NEEDS_HUMAN)
    if unspent and case.rounds and case.plan is not None:
        draft.hold(case.holds, -1, case.plan)
        _promise(draft, case.plan, case, None)
        case = case.model_copy(update={"holds": ()})
    facts = {"outcome": outcome.value, "reason": reason}
    changed = {"outcome": outcome, "reason": reason, "closed_at": draft.now}
    ended = case.move(state, draft.now, "closed", facts, **changed)
    draft.order = draft.order.with_case(ended)
    _say_closed(draft, ended, outcome)


def _say_closed(draft: Draft, case: Case, outcome: NegotiationOutcome) -> None:
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


def _say_round_end(draft: Draft, case: Case, said: type[OffersDeclined] | type[OffersExpired]) -> None:
    if case.round is not None:
        draft.said.append(
            said(
                negotiation_id=case.negotiation_id,
                order_id=draft.order.order_id,
                round=case.round.number,
                at=draft.now,
            )
        )


def _sum(amounts: Sequence[Money]) -> Money | None:
    if not amounts:
        return None
    total = amounts[0]
    for amount in amounts[1:]:
        total = total + amount
    return total


def _promise(draft: Draft, plan: Plan, case: Case, minor: int | None) -> None:
    if plan.limits.per_buyer_30_days is None or draft.order.purchase is None or not draft.order.purchase.buyer:
        return
    draft.promise = BuyerPromise(draft.order.purchase.buyer, case.negotiation_id, draft.now, minor)


def _case(order: Order, case_id: str) -> Case:
    case = order.case(case_id)
    if case is None:
        raise NoSuchCase("no such case")
    return case


def _asked(order: Order, case: Case) -> Asked | None:
    request = order.requests.get(case.refund_id) if case.refund_id else None
    return request.latest if request else None


def _requested(order: Order, case: Case) -> Money | None:
    asked = _asked(order, case)
    return asked.amount if asked else None


def approve_by(order: Order, case: Case) -> datetime:
    """Until when an offer that waits for the merchant can still be approved."""
    if case.approve_by is None:
        raise NoSuchCase("no approval was asked for")
    return order.postponed(case.approve_by, case.approval_asked_at or case.opened_at)


def _paused_until(case: Case, around: Surroundings) -> datetime:
    """The platform is done long before this, or its word of it got lost."""
    return (case.paused_at or case.opened_at) + timedelta(minutes=around.rules.waiting.platform)
