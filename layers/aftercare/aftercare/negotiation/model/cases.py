"""A case: one attempt to settle a buyer's trouble with an order, from its trigger to its end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from aftercare.events.vocabulary import AcceptedVia, Arm, NegotiationOutcome, OptionKind, Trigger
from aftercare.kernel.errors import DomainError
from aftercare.kernel.ids import stable_id
from aftercare.kernel.money import Money
from aftercare.negotiation.model import history
from aftercare.negotiation.model.history import Step
from aftercare.negotiation.model.parts import Moment, Part
from aftercare.negotiation.model.plans import Terms, terms_of


class CaseState(StrEnum):
    AWAITING_ORDER = "awaiting_order"
    OPENED = "opened"
    OFFERED = "offered"
    PAUSED = "paused"
    ACCEPTED = "accepted"
    SETTLING = "settling"
    NEEDS_HUMAN = "needs_human"
    SETTLED = "settled"
    DECLINED = "declined"
    EXPIRED = "expired"
    PASSED_ON = "passed_on"
    SUPERSEDED = "superseded"


_S = CaseState
ENDED = frozenset({_S.SETTLED, _S.DECLINED, _S.EXPIRED, _S.PASSED_ON, _S.SUPERSEDED})
"""No move leads out of these."""
UNANSWERED = frozenset({_S.AWAITING_ORDER, _S.OPENED, _S.OFFERED, _S.PAUSED})
"""The buyer has not accepted anything: the case may still be dropped."""

MOVES: Mapping[CaseState, frozenset[CaseState]] = {
    _S.AWAITING_ORDER: frozenset({_S.OPENED, _S.OFFERED, _S.PAUSED, _S.PASSED_ON, _S.SUPERSEDED}),
    _S.OPENED: frozenset({_S.OFFERED, _S.PAUSED, _S.PASSED_ON, _S.SUPERSEDED}),
    _S.OFFERED: frozenset({_S.OFFERED, _S.PAUSED, _S.ACCEPTED, _S.DECLINED, _S.EXPIRED, _S.PASSED_ON, _S.SUPERSEDED}),
    # accepted: on the marketplace itself, which takes answers whatever the platform does
    _S.PAUSED: frozenset({_S.AWAITING_ORDER, _S.OPENED, _S.OFFERED, _S.ACCEPTED, _S.PASSED_ON, _S.SUPERSEDED}),
    _S.ACCEPTED: frozenset({_S.SETTLING, _S.NEEDS_HUMAN}),
    _S.SETTLING: frozenset({_S.SETTLED, _S.NEEDS_HUMAN}),
    _S.NEEDS_HUMAN: frozenset({_S.SETTLED, _S.PASSED_ON}),
    **dict.fromkeys(ENDED, frozenset()),
}


class MoveRefused(DomainError):
    """The case is in a state from which this cannot happen."""

    def __init__(self, was: CaseState, wanted: CaseState) -> None:
        super().__init__(f"a case that is {was} cannot become {wanted}")
        self.was = was
        self.wanted = wanted


class Option(Part):
    """One thing the buyer may choose, with its sum worked out. ``cost`` is what it takes from limits and budgets."""

    option_id: str
    kind: OptionKind
    amount: Money | None = None
    coupon_value: Money | None = None
    coupon_days: int | None = None
    cost: Money

    @property
    def compensation(self) -> Money:
        """What counts against the compensation guardrail: money or a coupon given while the goods stay."""
        counts = self.kind in (OptionKind.PARTIAL_REFUND, OptionKind.COUPON)
        return self.cost if counts else Money.zero(self.cost.currency)


class Hold(Part):
    """A share of a counter that a presented round keeps for itself until the case ends."""

    counter: str
    cases: int
    minor: int


class Round(Part):
    """One set of offers as it was shown. ``answer_by`` is exclusive: at that moment it is too late."""

    number: int
    options: tuple[Option, ...]
    presented_at: Moment
    answer_by: Moment
    locale: str
    zone: str
    text: str
    text_sha256: str

    def option(self, option_id: str) -> Option | None:
        return next((option for option in self.options if option.option_id == option_id), None)


class Chosen(Part):
    option: Option
    round: int
    via: AcceptedVia
    accepted_at: Moment


class CaseTrigger(Part):
    """What opened the case; ``natural_key`` names the fact whichever delivery brought it."""

    kind: Trigger
    natural_key: str
    anomaly: str | None = None


class Case(Part):
    negotiation_id: str
    trigger: CaseTrigger
    refund_id: str | None = None
    session_id: str | None = None
    anomaly_id: str | None = None
    opened_at: Moment
    state: CaseState
    resume_to: CaseState | None = None
    paused_at: Moment | None = None
    announced: bool = False
    requested: Money | None = None
    arm: Arm = Arm.NONE
    why_not: str | None = None
    rules: str | None = None
    terms: str | None = None
    rounds: tuple[Round, ...] = ()
    holds: tuple[Hold, ...] = ()
    approval_asked_at: Moment | None = None
    approve_by: Moment | None = None
    approved_by: str | None = None
    chosen: Chosen | None = None
    reminded_at: Moment | None = None
    outcome: NegotiationOutcome | None = None
    reason: str | None = None
    closed_at: Moment | None = None
    log: str = ""

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def plan(self) -> Terms | None:
        return terms_of(self.terms) if self.terms else None

    @property
    def history(self) -> tuple[Step, ...]:
        return history.steps_of(self.log)

    @property
    def round(self) -> Round | None:
        return self.rounds[-1] if self.rounds else None

    def round_numbered(self, number: int) -> Round | None:
        """Numbers are the ladder's own: a round that had nothing to offer was never shown."""
        return next((one for one in self.rounds if one.number == number), None)

    def record(self, at: datetime, what: str, facts: Mapping[str, Any], **changed: Any) -> Case:
        """The case with one more step in its history, and with what it changes; ``facts`` are plain JSON values."""
        return self.model_copy(update={"log": history.append(self.log, at, what, facts), **changed})

    def move(self, to: CaseState, at: datetime, what: str, facts: Mapping[str, Any], **changed: Any) -> Case:
        """The case after an allowed move, the step written into its history; raises ``MoveRefused``."""
        if to not in MOVES[self.state]:
            raise MoveRefused(self.state, to)
        return self.record(at, what, facts, state=to, **changed)


def negotiation_id(shop: str, order_id: str, natural_key: str) -> str:
    """Depends on nothing but the shop, the order and the fact that opened the case."""
    return stable_id("negotiation", shop, order_id, natural_key)
