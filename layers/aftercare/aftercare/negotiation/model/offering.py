"""An offer made: a plan chosen, its round worded and put before the buyer."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from aftercare.events.negotiation import Coupon, OfferOption, OffersPresented
from aftercare.events.vocabulary import NegotiationOutcome
from aftercare.kernel.errors import DomainError
from aftercare.kernel.times import to_text
from aftercare.negotiation.model.cases import Case, CaseState, Option, Round
from aftercare.negotiation.model.choosing import OfferedRound, choose
from aftercare.negotiation.model.drafts import Draft, requested
from aftercare.negotiation.model.endings import announce, end, note_promise
from aftercare.negotiation.model.plans import Terms

DEFAULT_LOCALE = "zh"
LONGEST_REASON = 80
"""Characters of why a plan was passed over: a shop has up to a hundred, and a case keeps what it considered."""


def choose_and_offer(draft: Draft, case: Case) -> None:
    choice = choose(draft.order, case, draft.around)
    plan = choice.plan
    verdicts = [[verdict.plan_id, verdict.version, _cut(verdict.reason)] for verdict in choice.verdicts]
    case = case.record(
        draft.now,
        "considered",
        {"rules": draft.around.rules.id, "arm": choice.arm.value, "why_not": choice.why_not, "plans": verdicts},
        arm=choice.arm,
        why_not=choice.why_not,
        terms=plan.terms if plan else None,
        rules=draft.around.rules.id,
        requested=requested(draft.order, case),
    )
    case = announce(draft, case)
    if plan is None or choice.round is None or choice.answer_by is None:
        if plan is not None and choice.round is not None:
            draft.probe(choice.round.holds, plan)
        end(draft, case, CaseState.PASSED_ON, NegotiationOutcome.PASSED_ON, choice.why_not)
    elif plan.needs_approval:
        facts = {"plan": plan.plan_id, "version": plan.version}
        until = choice.answer_by - timedelta(minutes=draft.around.rules.answering.shortest_answer)
        asking = case.move(
            CaseState.OPENED, draft.now, "approval_asked", facts, approve_by=until, approval_asked_at=draft.now
        )
        draft.order = draft.order.with_case(asking)
    else:
        present(draft, case, plan, choice.round, choice.answer_by)


def _cut(reason: str | None) -> str | None:
    return reason[:LONGEST_REASON] if reason else None


def present(draft: Draft, case: Case, plan: Terms, offered: OfferedRound, until: datetime) -> None:
    purchase = draft.order.purchase
    policy, wording = draft.around.policy, draft.around.wording
    if wording is None:
        raise DomainError("no offer can be made where there are no words for it")
    locale = (purchase.locale if purchase else None) or policy.locale or DEFAULT_LOCALE
    zone = (purchase.time_zone if purchase else None) or policy.zone
    text = wording.offer_text(locale, zone, plan.opening.in_language(locale), offered.options, until)
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
    note_promise(draft, plan, case, max(option.cost.minor for option in offered.options))
    facts = {
        "round": shown.number,
        "plan": plan.plan_id,
        "plan_version": plan.version,
        "rules": case.rules,
        "options": {option.option_id: _in_short(option) for option in shown.options},
        "answer_by": to_text(until),
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


def _in_short(option: Option) -> str:
    """The option as it is sealed: its kind, and what the buyer gets."""
    if option.coupon_value is not None:
        return f"{option.kind.value} {option.coupon_value} {option.coupon_days} days"
    return option.kind.value if option.amount is None else f"{option.kind.value} {option.amount}"


def _as_said(option: Option) -> OfferOption:
    coupon = None
    if option.coupon_value is not None and option.coupon_days is not None:
        coupon = Coupon(face_value=option.coupon_value, valid_days=option.coupon_days)
    return OfferOption(option_id=option.option_id, kind=option.kind, amount=option.amount, coupon=coupon)
