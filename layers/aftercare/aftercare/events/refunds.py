"""Refunds: what buyers ask for, what is decided, what comes back, and where the platform steps in."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from aftercare.events.vocabulary import (
    MARKETPLACES,
    Buyer,
    Count,
    Flag,
    Foreign,
    InterventionKind,
    InterventionOutcome,
    OfferChoice,
    Parcel,
    Party,
    RefundKind,
    RefundOutcome,
    RefundReason,
    RefundStage,
    Revision,
    Shape,
    TextRef,
)
from aftercare.kernel.envelope import EventData
from aftercare.kernel.ids import Id, PayoutKey
from aftercare.kernel.money import NonNegativeMoney
from aftercare.kernel.times import UtcTime


class RefundLine(Shape):
    """The part of an order's line that a refund is about."""

    line_id: Id
    quantity: Count
    amount: NonNegativeMoney


class Reason(Shape):
    """Why a buyer asks for a refund: our code, what the marketplace said, and the buyer's own words."""

    code: RefundReason
    raw: Foreign
    note: TextRef | None = None


class RefundRequest(EventData):
    """A refund request as it stands at one revision: what RefundRequested and RefundUpdated have in common."""

    refund_id: Id
    order_id: Id
    buyer: Buyer
    kind: RefundKind
    stage: RefundStage
    reason: Reason
    lines: Annotated[tuple[RefundLine, ...] | None, Field(description="absent: the whole order")] = None
    amount: Annotated[NonNegativeMoney, Field(description="asked for, in all")]
    requested_at: UtcTime
    respond_by: Annotated[UtcTime | None, Field(description="the marketplace's deadline for the seller")] = None
    revision: Revision


class RefundRequested(RefundRequest):
    """A buyer asks for a refund, a return, an exchange, a reissue or a repair.

    Recognise it by ``refund_id``; the same request at a lower ``revision`` is old news. A buyer may ask again for
    the same order under another ``refund_id``.
    """

    name = "RefundRequested"
    sources = (MARKETPLACES,)


class RefundUpdated(RefundRequest):
    """A buyer, or the marketplace, changed an open request: its kind, reason, amount or deadline.

    It carries the whole request, not only what changed. Recognise it by ``refund_id`` and ``revision``; the highest
    revision is the truth. It may arrive before RefundRequested.
    """

    name = "RefundUpdated"
    sources = (MARKETPLACES,)


class RefundDecided(EventData):
    """A refund request was agreed to, refused, withdrawn, paid out or closed, by us or by anybody else.

    Recognise it by ``refund_id``, ``outcome`` and ``revision``. Only ``refunded`` says that money has moved; the
    order's refund cap counts it once, and ``payout_key`` tells our own payouts from those made elsewhere.
    """

    name = "RefundDecided"
    sources = (MARKETPLACES,)

    refund_id: Id
    order_id: Id
    kind: RefundKind
    outcome: RefundOutcome
    by: Party
    decided_at: UtcTime
    amount: Annotated[NonNegativeMoney | None, Field(description="what was paid out, when refunded")] = None
    payout_key: Annotated[PayoutKey | None, Field(description="our key, when the payout was ours")] = None
    justified: Annotated[Flag | None, Field(description="the platform held a refusal to be right")] = None
    revision: Revision


class ReturnShipped(EventData):
    """The buyer sent the goods back. Recognise it by ``refund_id`` and ``parcel``."""

    name = "ReturnShipped"
    sources = (MARKETPLACES,)
    public = True

    refund_id: Id
    order_id: Id
    parcel: Parcel | None = None
    at: UtcTime


class ReturnReceived(EventData):
    """The goods that a buyer sent back arrived at the shop. Recognise it by ``refund_id`` and ``parcel``."""

    name = "ReturnReceived"
    sources = (MARKETPLACES,)
    public = True

    refund_id: Id
    order_id: Id
    parcel: Parcel | None = None
    at: UtcTime


class PlatformSteppedIn(EventData):
    """The marketplace took up a dispute, a complaint or a buyer's call for help about an order.

    Recognise it by ``intervention_id``. While it is open the marketplace decides, so nothing is offered.
    """

    name = "PlatformSteppedIn"
    sources = (MARKETPLACES,)

    intervention_id: Id
    order_id: Id
    refund_id: Id | None = None
    at: UtcTime
    kind: InterventionKind


class PlatformStepClosed(EventData):
    """The marketplace ended what PlatformSteppedIn began. Recognise it by ``intervention_id``; it may arrive first."""

    name = "PlatformStepClosed"
    sources = (MARKETPLACES,)

    intervention_id: Id
    order_id: Id
    refund_id: Id | None = None
    at: UtcTime
    outcome: InterventionOutcome


class OfferAnswered(EventData):
    """A buyer answered, on the marketplace itself, an offer that was presented there.

    Recognise it by ``external_offer_id``: the first answer counts.
    """

    name = "OfferAnswered"
    sources = (MARKETPLACES,)

    refund_id: Id
    external_offer_id: Id
    choice: OfferChoice
    answered_at: UtcTime
