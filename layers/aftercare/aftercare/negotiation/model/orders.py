"""An order as negotiation sees it: what was paid, what was asked, what was given back, and its cases.

Facts are folded in whatever order they arrive: each has a natural key, and the latest revision of a fact wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from aftercare.events.orders import OrderPaid
from aftercare.events.refunds import RefundDecided, RefundRequested, RefundUpdated
from aftercare.events.vocabulary import (
    OptionKind,
    RefundKind,
    RefundOutcome,
    RefundReason,
    RefundStage,
    SettlementResult,
)
from aftercare.kernel.money import Money
from aftercare.kernel.times import UtcTime
from aftercare.negotiation.model.cases import Case


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Purchase(_Part):
    """What the buyer paid for."""

    buyer: str
    paid_at: UtcTime
    amount: Money
    locale: str | None = None
    time_zone: str | None = None
    items: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    @classmethod
    def of(cls, paid: OrderPaid) -> Purchase:
        return cls(
            buyer=paid.buyer,
            paid_at=paid.paid_at,
            amount=paid.amount,
            locale=paid.locale,
            time_zone=paid.time_zone,
            items=tuple(sorted({line.item_id for line in paid.lines})),
            categories=tuple(sorted({line.category for line in paid.lines})),
            flags=tuple(paid.flags or ()),
        )


class Asked(_Part):
    """What a refund request asks for, at one revision."""

    buyer: str
    kind: RefundKind
    stage: RefundStage
    reason: RefundReason
    amount: Money
    requested_at: UtcTime
    respond_by: UtcTime | None
    revision: int

    @classmethod
    def of(cls, data: RefundRequested | RefundUpdated) -> Asked:
        return cls(
            buyer=data.buyer,
            kind=data.kind,
            stage=data.stage,
            reason=data.reason.code,
            amount=data.amount,
            requested_at=data.requested_at,
            respond_by=data.respond_by,
            revision=data.revision,
        )

    def asks_the_same_as(self, other: Asked) -> bool:
        return (self.kind, self.reason, self.amount) == (other.kind, other.reason, other.amount)


class Decided(_Part):
    """How a request ended at the marketplace; ``ours`` says that we made it so."""

    outcome: RefundOutcome
    by: str
    decided_at: UtcTime
    revision: int
    ours: bool


class Refunded(_Part):
    """Money that went back to the buyer without us."""

    amount: Money
    revision: int


class Request(_Part):
    """All that is known of one refund request. ``first`` is None while only later news of it has arrived."""

    first: Asked | None = None
    latest: Asked | None = None
    decided: Decided | None = None

    @property
    def changed(self) -> bool:
        return self.first is not None and self.latest is not None and not self.latest.asks_the_same_as(self.first)

    def asked(self, asked: Asked, *, opening: bool) -> Request:
        latest = asked if self.latest is None or asked.revision > self.latest.revision else self.latest
        first = asked if opening and self.first is None else self.first
        return Request(first=first, latest=latest, decided=self.decided)


class Intervention(_Part):
    """The platform steps into an order between two moments; either may arrive first."""

    opened_at: UtcTime | None = None
    closed_at: UtcTime | None = None

    @property
    def is_open(self) -> bool:
        return self.opened_at is not None and self.closed_at is None

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        if self.opened_at is None or self.closed_at is None:
            return None
        return self.opened_at, self.closed_at


class Commitment(_Part):
    """What we have set out to give for one step of a case, from the intent on."""

    negotiation_id: str
    kind: OptionKind
    cash: Money
    coupon: Money | None = None
    coupon_revoked: bool = False
    revokes: str = ""
    result: SettlementResult | None = None
    sequence: int = 0

    @property
    def compensation(self) -> Money:
        if self.kind is OptionKind.COUPON and self.coupon is not None and not self.coupon_revoked:
            return self.coupon
        return self.cash if self.kind is OptionKind.PARTIAL_REFUND else Money.zero(self.cash.currency)


class Order(_Part):
    """The whole aggregate: one item of the table. Every decision about the order is one conditional write of it."""

    shop: str
    order_id: str
    seen: tuple[str, ...] = ()
    purchase: Purchase | None = None
    cancelled_at: UtcTime | None = None
    requests: Mapping[str, Request] = {}
    interventions: Mapping[str, Intervention] = {}
    refunded_elsewhere: Mapping[str, Refunded] = {}
    commitments: Mapping[str, Commitment] = {}
    triggers: tuple[str, ...] = ()
    cases: tuple[Case, ...] = ()

    @property
    def open_case(self) -> Case | None:
        """The one case that has not ended: the latest, or none."""
        return self.cases[-1] if self.cases and not self.cases[-1].ended else None

    @property
    def under_intervention(self) -> bool:
        return any(intervention.is_open for intervention in self.interventions.values())

    def postponed(self, deadline: datetime, since: datetime) -> datetime:
        """A deadline that ran from ``since``, later by the time for which the platform had stepped in.

        While the platform is in, timers stand still and what was left resumes: Tmall, trade deadlines 20010534.
        """
        spans = sorted(span for one in self.interventions.values() if (span := one.span) is not None)
        counted_to = since
        for opened_at, closed_at in spans:
            start = max(opened_at, counted_to)
            if start < deadline and closed_at > start:
                deadline += closed_at - start
                counted_to = closed_at
        return deadline

    @property
    def remaining(self) -> Money | None:
        """What may still be refunded: never more than was paid, every refund counted once. None: order unknown."""
        if self.purchase is None:
            return None
        currency = self.purchase.amount.currency
        given = [commitment.cash for commitment in self.commitments.values()]
        # a refund in another currency cannot be set against the order's sum: nothing is left to give by ourselves
        elsewhere = [refunded.amount for refunded in self.refunded_elsewhere.values()]
        if any(money.currency != currency for money in elsewhere):
            return Money.zero(currency)
        left = self.purchase.amount.minor - sum(money.minor for money in (*given, *elsewhere))
        return Money(minor=max(0, left), currency=currency)

    @property
    def compensation_given(self) -> Money | None:
        """Partial refunds and coupons so far, over all cases; a revoked coupon is none."""
        if self.purchase is None:
            return None
        given = sum(commitment.compensation.minor for commitment in self.commitments.values())
        return Money(minor=given, currency=self.purchase.amount.currency)

    def case(self, negotiation_id: str) -> Case | None:
        return next((case for case in self.cases if case.negotiation_id == negotiation_id), None)

    def with_case(self, case: Case) -> Order:
        if self.case(case.negotiation_id) is None:
            return self.model_copy(update={"cases": (*self.cases, case)})
        cases = tuple(case if one.negotiation_id == case.negotiation_id else one for one in self.cases)
        return self.model_copy(update={"cases": cases})

    def with_request(self, refund_id: str, request: Request) -> Order:
        return self.model_copy(update={"requests": {**self.requests, refund_id: request}})

    def with_decision(self, data: RefundDecided) -> Order:
        """Takes in a decision, whoever made it; what was refunded elsewhere lowers the order's cap once."""
        ours = data.payout_key is not None and data.payout_key in self.commitments
        order = self
        request = self.requests.get(data.refund_id, Request())
        if request.decided is None or request.decided.revision < data.revision:
            decided = Decided(
                outcome=data.outcome, by=data.by, decided_at=data.decided_at, revision=data.revision, ours=ours
            )
            order = order.with_request(data.refund_id, request.model_copy(update={"decided": decided}))
        if data.outcome is not RefundOutcome.REFUNDED or data.amount is None or ours:
            return order
        known = self.refunded_elsewhere.get(data.refund_id)
        if known is not None and known.revision >= data.revision:
            return order
        refunded = Refunded(amount=data.amount, revision=data.revision)
        return order.model_copy(update={"refunded_elsewhere": {**order.refunded_elsewhere, data.refund_id: refunded}})

    def with_intervention(self, intervention_id: str, **changed: Any) -> Order:
        known = self.interventions.get(intervention_id, Intervention())
        updated = known.model_copy(update=changed)
        return self.model_copy(update={"interventions": {**self.interventions, intervention_id: updated}})
