"""A payout: one thing that a buyer was promised, carried out at the marketplace at most once.

The intent is on record before the first call, every call is preceded by a claim, and the same key always carries the
same content. What nobody can know for certain is UNKNOWN until the marketplace's own books have been asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from aftercare.events.negotiation import SettlementRecorded
from aftercare.events.vocabulary import OptionKind, SettlementResult
from aftercare.kernel.errors import DomainError
from aftercare.kernel.money import Money
from aftercare.kernel.ports import Action, ActionOutcome, ActionStatus, ActionType
from aftercare.kernel.times import from_text
from aftercare.negotiation.model import history
from aftercare.negotiation.model.cases import Case
from aftercare.negotiation.model.history import Step
from aftercare.negotiation.model.orders import Commitment, Order
from aftercare.negotiation.model.parts import Moment, Part
from aftercare.rulepacks.negotiation import SettlementRules


class PayoutState(StrEnum):
    INTENT = "intent"
    HELD = "held"
    CALLING = "calling"
    UNKNOWN = "unknown"
    NEEDS_HUMAN = "needs_human"
    PAID = "paid"
    REFUSED = "refused"


_S = PayoutState
FINAL = frozenset({_S.PAID, _S.REFUSED})
MOVES: Mapping[PayoutState, frozenset[PayoutState]] = {
    _S.INTENT: frozenset({_S.CALLING, _S.HELD, _S.NEEDS_HUMAN}),
    _S.HELD: frozenset({_S.CALLING, _S.HELD, _S.NEEDS_HUMAN}),
    _S.CALLING: frozenset({_S.PAID, _S.REFUSED, _S.UNKNOWN, _S.NEEDS_HUMAN}),
    _S.UNKNOWN: frozenset({_S.CALLING, _S.PAID, _S.REFUSED, _S.NEEDS_HUMAN}),
    _S.NEEDS_HUMAN: frozenset({_S.PAID, _S.REFUSED}),
    _S.PAID: frozenset(),
    _S.REFUSED: frozenset(),
}

ACTIONS: Mapping[OptionKind, ActionType] = {
    OptionKind.PARTIAL_REFUND: ActionType.REFUND_PARTIAL,
    OptionKind.FULL_REFUND: ActionType.REFUND_AGREE,
    OptionKind.COUPON: ActionType.COUPON_ISSUE,
    OptionKind.COUPON_REVOCATION: ActionType.COUPON_REVOKE,
    OptionKind.RETURN_AND_REFUND: ActionType.RETURN_AGREE,
    OptionKind.EXCHANGE: ActionType.EXCHANGE,
    OptionKind.REISSUE: ActionType.REISSUE,
}
MONEY_LEAVES = frozenset({OptionKind.PARTIAL_REFUND, OptionKind.FULL_REFUND})
"""Kinds whose call moves money at once; for a return the marketplace refunds later and tells us."""
TAKES_FROM_CAP = MONEY_LEAVES | {OptionKind.RETURN_AND_REFUND}
REVOKES_COUPONS = frozenset({OptionKind.FULL_REFUND, OptionKind.RETURN_AND_REFUND})


NOT_IN_TIME = "not_settled_in_time"
UNCLAIMED_FOR = timedelta(minutes=1)
"""The sweep's own interval. An intent is claimed in the moment in which it is written, or right after the one before
it is done: one that still waits after this was left behind by a process that died."""


class PayoutMoveRefused(DomainError):
    """The payout is in a state from which this cannot happen."""

    def __init__(self, was: PayoutState, wanted: PayoutState) -> None:
        super().__init__(f"a payout that is {was} cannot become {wanted}")
        self.was = was
        self.wanted = wanted


class Claimed(DomainError):
    """Another delivery of the same message is calling the marketplace right now."""


class Payout(Part):
    key: str
    shop: str
    order_id: str
    refund_id: str | None = None
    negotiation_id: str
    kind: OptionKind
    amount: Money | None = None
    content: Mapping[str, Any]
    created_at: Moment
    settle_by: Moment
    state: PayoutState = PayoutState.INTENT
    attempts: int = 0
    lease_until: Moment | None = None
    retry_at: Moment | None = None
    reference: str | None = None
    reason: str | None = None
    log: str = ""

    @property
    def final(self) -> bool:
        return self.state in FINAL

    @property
    def history(self) -> tuple[Step, ...]:
        return history.steps_of(self.log)

    @property
    def moved_at(self) -> datetime:
        """When it came to stand as it does."""
        steps = self.history
        return from_text(steps[-1].at) if steps else self.created_at

    @property
    def action(self) -> Action:
        """What is sent to the marketplace: the same on every attempt."""
        return Action(
            type=ACTIONS[self.kind],
            key=self.key,
            shop=self.shop,
            data=self.content,
            order_id=self.order_id,
            refund_id=self.refund_id,
        )

    def move(self, to: PayoutState, at: datetime, facts: Mapping[str, Any], **changed: Any) -> Payout:
        if to not in MOVES[self.state]:
            raise PayoutMoveRefused(self.state, to)
        log = history.append(self.log, at, to.value, facts)
        return self.model_copy(update={"state": to, "log": log, **changed})

    def claim(self, now: datetime, rules: SettlementRules) -> Payout:
        """The right to make one call, until the lease ends."""
        lease_until = now + timedelta(minutes=rules.lease)
        facts = {"attempt": self.attempts + 1}
        return self.move(
            PayoutState.CALLING, now, facts, attempts=self.attempts + 1, lease_until=lease_until, retry_at=None
        )

    def hold(self, now: datetime, reason: str, rules: SettlementRules) -> Payout:
        """Waits for a person or the next hour, and is looked at again; what a buyer accepted is never cancelled."""
        retry_at = now + timedelta(minutes=rules.held_recheck)
        if self.state is PayoutState.HELD and self.reason == reason:
            return self.model_copy(update={"retry_at": retry_at})
        return self.move(PayoutState.HELD, now, {"reason": reason}, reason=reason, retry_at=retry_at)

    def abandoned(self, now: datetime) -> Payout:
        """A call whose lease ran out: whoever made it died, and nobody knows what came of it. Raises ``Claimed``."""
        if self.lease_until is not None and now < self.lease_until:
            raise Claimed("the marketplace is being called")
        return self.move(PayoutState.UNKNOWN, now, {"reason": "lease_ended"}, reason="lease_ended", lease_until=None)

    def answered(self, outcome: ActionOutcome, now: datetime, rules: SettlementRules) -> Payout:
        """The payout after a call or a look-up; an ambiguous answer waits before it is asked again."""
        known = {"reference": outcome.reference, "reason": outcome.reason}
        cleared = {"lease_until": None, "retry_at": None}
        match outcome.status:
            case ActionStatus.DONE:
                return self.move(PayoutState.PAID, now, known, **known, **cleared)
            case ActionStatus.REFUSED:
                return self.move(PayoutState.REFUSED, now, known, **known, **cleared)
            case ActionStatus.KEY_REUSED:
                return self.needs_human(now, "key_reused", rules)
        if now >= self.settle_by:
            return self.needs_human(now, NOT_IN_TIME, rules)
        retry_at = now + timedelta(minutes=rules.retry[min(max(self.attempts, 1), len(rules.retry)) - 1])
        waiting = {"reason": outcome.reason, "lease_until": None, "retry_at": retry_at}
        if self.state is PayoutState.UNKNOWN:
            return self.model_copy(update={**waiting, "attempts": self.attempts + 1})
        return self.move(PayoutState.UNKNOWN, now, {"reason": outcome.reason}, **waiting)

    def needs_human(self, now: datetime, reason: str, rules: SettlementRules) -> Payout:
        """Waits for a person, and is said again from time to time until one has seen to it."""
        said_again_at = now + timedelta(minutes=rules.remind_person)
        if self.state is PayoutState.NEEDS_HUMAN:
            return self.model_copy(update={"retry_at": said_again_at})
        facts = {"reason": reason}
        return self.move(PayoutState.NEEDS_HUMAN, now, facts, reason=reason, lease_until=None, retry_at=said_again_at)

    def resolved(self, now: datetime, *, paid: bool, author: str, evidence: str) -> Payout:
        """A person has read the marketplace's books; a payout that may still be called is ended by its answer alone."""
        to = PayoutState.PAID if paid else PayoutState.REFUSED
        if self.state is not PayoutState.NEEDS_HUMAN:
            raise PayoutMoveRefused(self.state, to)
        return self.move(to, now, {"by": author, "evidence": evidence}, reason="resolved_by_person", retry_at=None)

    def deadline(self) -> datetime | None:
        """When the payout wants to be looked at next."""
        match self.state:
            case PayoutState.INTENT:
                return self.retry_at or self.created_at + UNCLAIMED_FOR
            case PayoutState.CALLING:
                return self.lease_until
            case PayoutState.HELD | PayoutState.UNKNOWN | PayoutState.NEEDS_HUMAN:
                return self.retry_at
            case _:
                return None

    def recorded(self, now: datetime) -> SettlementRecorded | None:
        """What the payout says in its present state; None while there is nothing to know yet."""
        results = {
            PayoutState.PAID: SettlementResult.PAID,
            PayoutState.REFUSED: SettlementResult.REFUSED,
            PayoutState.NEEDS_HUMAN: SettlementResult.NEEDS_HUMAN,
        }
        result = results.get(self.state)
        if result is None:
            return None
        return SettlementRecorded(
            negotiation_id=self.negotiation_id,
            order_id=self.order_id,
            payout_key=self.key,
            kind=self.kind,
            amount=self.amount,
            result=result,
            settled_at=now,
        )


class CapExceeded(DomainError):
    """The order has less left to refund than the payout would take."""


def intents(order: Order, case: Case, now: datetime, rules: SettlementRules) -> tuple[tuple[Payout, Commitment], ...]:
    """The payouts that carry out what was chosen, in the order in which they must be made.

    A buyer who gets the money back gives back an unused coupon of an earlier offer first. Raises ``CapExceeded``.
    """
    chosen = case.chosen
    if chosen is None or order.purchase is None or order.remaining is None:
        raise DomainError("nothing was chosen on an order that is known")
    option = chosen.option
    settle_by = chosen.accepted_at + timedelta(minutes=rules.deadline)
    nothing = Money.zero(order.purchase.amount.currency)

    def payout(step: str, kind: OptionKind, amount: Money | None, content: Mapping[str, Any]) -> Payout:
        return Payout(
            key=f"{order.shop}/{order.order_id}/{case.negotiation_id}/{step}",
            shop=order.shop,
            order_id=order.order_id,
            refund_id=case.refund_id,
            negotiation_id=case.negotiation_id,
            kind=kind,
            amount=amount,
            content=content,
            created_at=now,
            settle_by=settle_by,
        )

    made: list[tuple[Payout, Commitment]] = []
    if option.kind in REVOKES_COUPONS:
        for number, (key, given) in enumerate(sorted(order.commitments.items()), start=1):
            if given.kind is OptionKind.COUPON and given.compensation.minor:
                revocation = payout(f"revoke-{number}", OptionKind.COUPON_REVOCATION, None, {"coupon_key": key})
                kept = Commitment(
                    negotiation_id=case.negotiation_id,
                    kind=OptionKind.COUPON_REVOCATION,
                    cash=nothing,
                    revokes=key,
                )
                made.append((revocation, kept))
    cash = option.amount if option.kind in TAKES_FROM_CAP and option.amount is not None else nothing
    if cash > order.remaining:
        raise CapExceeded(f"{cash} is more than the {order.remaining} that is left")
    content: dict[str, Any] = {"round": chosen.round, "option": option.option_id}
    if option.amount is not None:
        content["amount"] = option.amount.model_dump()
    if option.coupon_value is not None:
        content["face_value"] = option.coupon_value.model_dump()
        content["valid_days"] = option.coupon_days
    commitment = Commitment(
        negotiation_id=case.negotiation_id,
        refund_id=case.refund_id,
        kind=option.kind,
        cash=cash,
        coupon=option.coupon_value,
    )
    said_amount = option.amount if option.amount is not None else option.coupon_value
    made.append((payout(option.option_id, option.kind, said_amount, content), commitment))
    return tuple(made)
