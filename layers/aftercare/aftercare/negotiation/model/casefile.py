"""A case as its merchant sees it, and as evidence for a dispute: plain JSON, times in UTC. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from aftercare.kernel.times import to_text
from aftercare.negotiation.model import history
from aftercare.negotiation.model.cases import Case, CaseState, Round
from aftercare.negotiation.model.deadlines import answer_by, approve_by
from aftercare.negotiation.model.history import BrokenHistory, Step
from aftercare.negotiation.model.orders import Asked, Order
from aftercare.negotiation.model.payouts import Payout
from aftercare.rulepacks.negotiation import NegotiationRules

SEALING = (
    "The seal of a step is the SHA-256, in hex, of the JSON text [seal of the step before, number, at, what, facts] "
    "in UTF-8, keys sorted, without spaces; before the first step stand 64 zeros."
)
PRESENTED = "presented"
HASHING = "The SHA-256, in hex, of the document as canonical JSON (RFC 8785: keys sorted, without spaces, UTF-8)."


def summary(order: Order, case: Case, rules: NegotiationRules) -> dict[str, Any]:
    """What a list of cases shows of one."""
    return {
        "negotiation_id": case.negotiation_id,
        "order_id": order.order_id,
        "refund_id": case.refund_id,
        "trigger": case.trigger.kind.value,
        "state": case.state.value,
        "arm": case.arm.value,
        "why_not": case.why_not,
        "plan": {"id": case.plan.plan_id, "version": case.plan.version} if case.plan else None,
        "requested": _json(case.requested),
        "outcome": case.outcome.value if case.outcome else None,
        "deadlines": {name: _time(moment) for name, moment in _deadlines(order, case, rules).items()},
        "opened_at": _time(case.opened_at),
        "closed_at": _time(case.closed_at),
    }


def whole(order: Order, case: Case, payouts: Sequence[Payout], rules: NegotiationRules) -> dict[str, Any]:
    """The case with all that happened to it, and whether its history is whole."""
    return {
        **summary(order, case, rules),
        "reason": case.reason,
        "rules": case.rules,
        "promised": {tag: _json(promise) for tag, promise in order.promised.items()},
        "approved_by": case.approved_by,
        "rounds": [_round(shown) for shown in case.rounds],
        "chosen": _json(case.chosen),
        "payouts": [_payout(payout) for payout in payouts],
        "history": [_step(step) for step in case.history],
        "history_intact": is_intact(case.history),
    }


def evidence(
    order: Order, case: Case, payouts: Sequence[Payout], rules: NegotiationRules, exported_at: datetime
) -> dict[str, Any]:
    """The case as a document that shows when it was changed: every step with its seal, every text as it was shown."""
    request, purchase = _request(order, case), order.purchase
    sealed = {step.facts.get("round"): step.facts.get("text_sha256") for step in case.history if step.what == PRESENTED}
    document = {
        "shop": order.shop,
        "exported_at": _time(exported_at),
        "order": {"order_id": order.order_id, **(_json(purchase, include={"paid_at", "amount"}) if purchase else {})},
        # without the buyer: who that is, the marketplace knows
        "request": _json(request, exclude={"buyer"}),
        "case": {
            **whole(order, case, payouts, rules),
            "plan": _json(case.plan),
            "texts": [
                {"round": one.number, "text": one.text, "as_sealed": _digest(one.text) == sealed.get(one.number)}
                for one in case.rounds
            ],
            "payouts": [
                {
                    **_payout(payout),
                    "content": dict(payout.content),
                    "history": [_step(step) for step in payout.history],
                    "history_intact": is_intact(payout.history),
                }
                for payout in payouts
            ],
        },
        "sealing": SEALING,
    }
    return {"document": document, "sha256": digest_of(document), "hashing": HASHING}


def digest_of(document: Any) -> str:
    """The SHA-256 of canonical JSON (RFC 8785), which ours is: its keys are ASCII and its only numbers integers."""
    return _digest(json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")))


def is_intact(steps: Sequence[Step]) -> bool:
    try:
        history.verify(steps)
    except BrokenHistory:
        return False
    return True


def _deadlines(order: Order, case: Case, rules: NegotiationRules) -> dict[str, datetime]:
    """Those that are running: the merchant's, the buyer's (not while the platform is in), the marketplace's own."""
    running: dict[str, datetime] = {}
    if case.state is CaseState.OPENED and case.approve_by is not None:
        running["approve_by"] = approve_by(order, case)
    if case.state is CaseState.OFFERED:
        running["answer_by"] = answer_by(order, case, rules)
    request = _request(order, case)
    if request is not None and request.respond_by is not None and not case.ended:
        running["respond_by"] = request.respond_by
    return running


def _request(order: Order, case: Case) -> Asked | None:
    request = order.requests.get(case.refund_id) if case.refund_id else None
    return request.latest if request else None


def _round(shown: Round) -> dict[str, Any]:
    return {
        "round": shown.number,
        "options": [_json(option) for option in shown.options],
        "presented_at": _time(shown.presented_at),
        "answer_by": _time(shown.answer_by),
        "text_sha256": shown.text_sha256,
    }


def _payout(payout: Payout) -> dict[str, Any]:
    return {
        "key": payout.key,
        "kind": payout.kind.value,
        "amount": _json(payout.amount),
        "state": payout.state.value,
        "attempts": payout.attempts,
        "reference": payout.reference,
        "reason": payout.reason,
        "created_at": _time(payout.created_at),
        "settle_by": _time(payout.settle_by),
        "retry_at": _time(payout.retry_at),
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "number": step.number,
        "at": step.at,
        "what": step.what,
        "facts": step.facts,
        "seal": step.seal,
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _json(part: BaseModel | None, include: set[str] | None = None, exclude: set[str] | None = None) -> Any:
    return None if part is None else part.model_dump(mode="json", exclude_none=True, include=include, exclude=exclude)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else to_text(moment)
