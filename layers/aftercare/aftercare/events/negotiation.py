"""Negotiation: a case from its opening to its end, and the money that was paid in it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictInt

from aftercare.events.vocabulary import (
    NEGOTIATION,
    AcceptedVia,
    Arm,
    Flag,
    Name,
    NegotiationOutcome,
    OptionKind,
    SettlementResult,
    Shape,
    Trigger,
)
from aftercare.kernel.envelope import EventData
from aftercare.kernel.ids import Id, PayoutKey
from aftercare.kernel.money import NonNegativeMoney
from aftercare.kernel.times import UtcTime

Round = Annotated[StrictInt, Field(ge=1, description="counts the offers of a case from 1")]


class PlanVersion(Shape):
    """The merchant's plan that a case runs under."""

    id: Id
    version: Annotated[StrictInt, Field(ge=1)]


class Coupon(Shape):
    """A coupon for a later purchase."""

    face_value: NonNegativeMoney
    valid_days: Annotated[StrictInt, Field(ge=1, description="days from its issue")]


class OfferOption(Shape):
    """One of the things that a buyer can choose."""

    option_id: Id
    kind: OptionKind
    amount: NonNegativeMoney | None = None
    coupon: Coupon | None = None


class NegotiationOpened(EventData):
    """A case began: a refund request, a contact or a shipment's anomaly was looked at, and it was settled whether an
    offer may be made.

    Said for every case, also for those that get no offer (``why_not``) and for those held out for comparison, so that
    what negotiation brings can be measured. Recognise it by ``negotiation_id``.
    """

    name = "NegotiationOpened"
    sources = (NEGOTIATION,)

    negotiation_id: Id
    order_id: Id
    refund_id: Id | None = None
    session_id: Id | None = None
    anomaly_id: Id | None = None
    trigger: Trigger
    requested: Annotated[NonNegativeMoney | None, Field(description="the amount asked for")] = None
    eligible: Flag
    why_not: Annotated[Name | None, Field(description="the rule that forbids an offer")] = None
    arm: Arm
    plan: PlanVersion | None = None
    opened_at: UtcTime


class OffersPresented(EventData):
    """A round of options was put before the buyer. It is a promise: its dearest option is reserved in the budgets.

    Recognise it by ``negotiation_id`` and ``round``.
    """

    name = "OffersPresented"
    sources = (NEGOTIATION,)

    negotiation_id: Id
    order_id: Id
    round: Round
    options: tuple[OfferOption, ...]
    answer_by: UtcTime
    text_sha256: Annotated[
        str, Field(pattern=r"^[0-9a-f]{64}$", description="of the text shown to the buyer, in UTF-8")
    ]


class OfferAccepted(EventData):
    """A buyer chose an option; what it gives is owed from now on.

    Recognise it by ``negotiation_id``: a case has one acceptance, said again while nobody has begun to settle it.
    """

    name = "OfferAccepted"
    sources = (NEGOTIATION,)

    negotiation_id: Id
    order_id: Id
    refund_id: Id | None = None
    round: Round
    option_id: Id
    kind: OptionKind
    amount: NonNegativeMoney | None = None
    via: AcceptedVia
    accepted_at: UtcTime


class OffersDeclined(EventData):
    """A buyer refused a round's options; another round may follow. Recognise it by ``negotiation_id`` and ``round``."""

    name = "OffersDeclined"
    sources = (NEGOTIATION,)

    negotiation_id: Id
    order_id: Id
    round: Round
    at: UtcTime


class OffersExpired(EventData):
    """A round's time ran out unanswered. Recognise it by ``negotiation_id`` and ``round``."""

    name = "OffersExpired"
    sources = (NEGOTIATION,)

    negotiation_id: Id
    order_id: Id
    round: Round
    at: UtcTime


class SettlementRecorded(EventData):
    """It is known how a payout ended: paid, refused by the marketplace, or in need of a person.

    Recognise it by ``payout_key`` and ``result``. ``paid`` and ``refused`` are final; ``needs_human`` may still become
    either.
    """

    name = "SettlementRecorded"
    sources = (NEGOTIATION,)

    negotiation_id: Id
    order_id: Id
    payout_key: Annotated[PayoutKey, Field(description="the same on every attempt at the marketplace")]
    kind: OptionKind
    amount: NonNegativeMoney | None = None
    result: SettlementResult
    settled_at: UtcTime


class NegotiationClosed(EventData):
    """A case ended. Recognise it by ``negotiation_id``: nothing follows, except that a case that needs a human ends
    once more when that human has seen to it; the higher sequence counts.
    """

    name = "NegotiationClosed"
    sources = (NEGOTIATION,)

    negotiation_id: Id
    order_id: Id
    refund_id: Id | None = None
    outcome: NegotiationOutcome
    cash: Annotated[NonNegativeMoney | None, Field(description="paid in money")] = None
    coupon_cost: Annotated[NonNegativeMoney | None, Field(description="face value of the coupons given")] = None
    closed_at: UtcTime
