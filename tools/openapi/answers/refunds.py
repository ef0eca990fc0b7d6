"""Answers about refunds: plans, cases, payouts, the keep rate."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from aftercare.events.vocabulary import Arm, DecimalText, NegotiationOutcome, OptionKind, Trigger, Words
from aftercare.kernel.fields import FieldError
from aftercare.kernel.money import Money
from aftercare.negotiation.model.cases import CaseState, Chosen, Option
from aftercare.negotiation.model.choosing import WhyNot
from aftercare.negotiation.model.orders import Asked, Promised
from aftercare.negotiation.model.payouts import PayoutState
from aftercare.negotiation.model.plans import Plan, ShopPolicy, Terms
from tools.openapi.answers.shared import Count, Cursor, Digest, Time, Version


class Policy(TypedDict):
    """All that the shop has decided about negotiation, and the version to save it against."""

    version: Version
    policy: ShopPolicy


class Plans(TypedDict):
    version: Version
    plans: list[Plan]


class SavedPlans(Plans):
    """The plans as saved. `warnings` name what is allowed and will not do what it says."""

    warnings: list[FieldError]


class KillSwitch(TypedDict):
    version: Version
    on: bool


# ---------------------------------------------------------------- cases


class PlanVersion(TypedDict):
    id: str
    version: int


class Deadlines(TypedDict):
    """Those that are running: the merchant's, the buyer's, the marketplace's own."""

    approve_by: NotRequired[Time]
    answer_by: NotRequired[Time]
    respond_by: NotRequired[Time]


class _AnyCase(TypedDict):
    negotiation_id: str
    order_id: str
    refund_id: str | None
    trigger: Trigger
    state: CaseState
    arm: Arm
    why_not: Annotated[WhyNot | None, Field(description="why no offer was made")]
    requested: Money | None
    outcome: NegotiationOutcome | None
    deadlines: Deadlines
    opened_at: Time
    closed_at: Time | None


class CaseSummary(_AnyCase):
    """A case in a list."""

    plan: PlanVersion | None


class Cases(TypedDict):
    """A page of cases, their orders by the latest case, newest first; all cases of an order stand together."""

    cases: list[CaseSummary]
    cursor: Cursor


class Round(TypedDict):
    """One set of offers as it was shown."""

    round: int
    options: list[Option]
    presented_at: Time
    answer_by: Time
    text_sha256: Digest


class Step(TypedDict):
    """One thing that happened; `seal` covers the step and every one before it."""

    number: int
    at: Time
    what: str
    facts: dict[str, Any]
    seal: Digest


class Payout(TypedDict):
    """One thing that the buyer was promised, carried out at the marketplace at most once."""

    key: str
    kind: OptionKind
    amount: Money | None
    state: PayoutState
    attempts: Count
    reference: str | None
    reason: str | None
    created_at: Time
    settle_by: Time
    retry_at: Time | None


class _WholeCase(_AnyCase):
    reason: str | None
    rules: str | None
    promised: Annotated[dict[str, Promised], Field(description="by service tag, what it promised to the order")]
    approved_by: str | None
    rounds: list[Round]
    chosen: Chosen | None
    history: list[Step]
    history_intact: bool


class Case(_WholeCase):
    """A case with all that happened to it, and whether its history is whole."""

    plan: PlanVersion | None
    payouts: list[Payout]


class SealedPayout(Payout):
    """A payout with what was sent to the marketplace, and its own history."""

    content: dict[str, Any]
    history: list[Step]
    history_intact: bool


class ShownText(TypedDict):
    """A round's text as the buyer saw it."""

    round: int
    text: str
    as_sealed: bool


class SealedCase(_WholeCase):
    plan: Terms | None
    payouts: list[SealedPayout]
    texts: list[ShownText]


class OrderInEvidence(TypedDict):
    order_id: str
    paid_at: NotRequired[Time]
    amount: NotRequired[Money]


class EvidenceDocument(TypedDict):
    shop: str
    exported_at: Time
    order: OrderInEvidence
    request: Asked | None
    case: SealedCase
    sealing: str


class CaseEvidence(TypedDict):
    """A case as a document that shows when it was changed: `sha256` is the document's, `hashing` says how."""

    document: EvidenceDocument
    sha256: Digest
    hashing: str


class Erased(TypedDict):
    """How many items of personal data were deleted."""

    erased: Count


class ResolvedPayout(TypedDict):
    key: str
    state: PayoutState


# ---------------------------------------------------------------- keep rate


class Tally(TypedDict):
    """One arm, counted."""

    cases: Count
    kept: Count
    kept_by_offer: Count
    withdrawn: Count
    applied_again: Annotated[Count, Field(description="of the kept, those that did not stay kept")]
    net_kept: Count
    gross: DecimalText | None
    net: DecimalText | None


class Difference(TypedDict):
    """The net rate with offers less the one without, with the bounds of its interval."""

    net: DecimalText
    low: DecimalText
    high: DecimalText
    confidence_percent: int


class Comparison(TypedDict):
    offer: Tally
    hold_out: Tally
    difference: Difference | None
    cost_per_kept: list[Money]
    enough: bool
    note: Words | None


class RoundKept(TypedDict):
    """One round of a ladder: the cases that were shown it, and those that an option of it kept."""

    round: Annotated[int, Field(ge=1, le=3)]
    presented: Count
    kept_by_offer: Count
    net_kept: Count
    cost_per_kept: list[Money]


class PlanComparison(Comparison):
    """The comparison of one plan's cases, and what each round of its ladder kept."""

    plan: str
    rounds: list[RoundKept]


class KeepRate(Comparison):
    """What the offers kept, beside the cases held out. `unripe` cases may yet come back."""

    since: Annotated[Time, Field(alias="from")]
    to: Time
    counted_from: Time
    cut: Annotated[bool, Field(description="there are more orders than were looked at")]
    unripe: Count
    plans: list[PlanComparison]
