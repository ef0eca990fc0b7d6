"""An order as negotiation sees it: what was paid, what was asked, what was given back, and its cases.

Facts are folded in whatever order they arrive: each has a natural key, and the latest revision of a fact wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aftercare.events.orders import OrderPaid, OrderPromised
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
from aftercare.negotiation.model.cases import Case
from aftercare.negotiation.model.parts import Moment, Part


class PurchaseLine(Part):
    line_id: str
    item: str
    category: str


class Purchase(Part):
    """What the buyer paid for."""

    buyer: str
    paid_at: Moment
    amount: Money
    locale: str | None = None
    time_zone: str | None = None
    lines: tuple[PurchaseLine, ...] = ()
    flags: tuple[str, ...] = ()

    @classmethod
    def of(cls, paid: OrderPaid) -> Purchase:
        return cls(
            buyer=paid.buyer,
            paid_at=paid.paid_at,
            amount=paid.amount,
            locale=paid.locale,
            time_zone=paid.time_zone,
            lines=tuple(
                PurchaseLine(line_id=line.line_id, item=line.item_id, category=line.category) for line in paid.lines
            ),
            flags=tuple(paid.flags or ()),
        )


class Promised(Part):
    """What a service tag promised to the order; ``terms`` names the rules that the tag was live under."""

    made_at: Moment
    terms: str | None = None


class Asked(Part):
    """What a refund request asks for, at one revision."""

    kind: RefundKind
    stage: RefundStage
    reason: RefundReason
    amount: Money
    requested_at: Moment
    respond_by: Moment | None
    revision: int
    line_ids: tuple[str, ...] = ()
    """Empty: the whole order."""
    buyer: str = ""

    @classmethod
    def of(cls, data: RefundRequested | RefundUpdated) -> Asked:
        return cls(
            kind=data.kind,
            stage=data.stage,
            reason=data.reason.code,
            amount=data.amount,
            requested_at=data.requested_at,
            respond_by=data.respond_by,
            revision=data.revision,
            line_ids=tuple(line.line_id for line in data.lines or ()),
            buyer=data.buyer,
        )

    def asks_the_same_as(self, other: Asked) -> bool:
        return (self.kind, self.reason, self.amount) == (other.kind, other.reason, other.amount)


class Decided(Part):
    """How a request ended at the marketplace."""

    outcome: RefundOutcome
    revision: int


class Refunded(Part):
    """Money that went back to the buyer, as the marketplace tells it; without an amount it did not say how much."""

    amount: Money | None
    revision: int

    def told_later_than(self, other: Refunded | None) -> bool:
        """Of two words with one revision the larger sum counts, whichever came first."""
        if other is None:
            return True
        return (self.revision, self.amount.minor if self.amount else 0) > (
            other.revision,
            other.amount.minor if other.amount else 0,
        )


class Request(Part):
    """All that is known of one refund request. ``first`` is None while only later news of it has arrived, ``since``
    while there is none that is newer than ``first``."""

    first: Asked | None = None
    since: Asked | None = None
    decided: Decided | None = None

    @property
    def latest(self) -> Asked | None:
        return self.since or self.first

    @property
    def changed(self) -> bool:
        return self.first is not None and self.since is not None and not self.since.asks_the_same_as(self.first)

    def asked(self, asked: Asked, *, opening: bool) -> Request:
        latest = asked if self.latest is None or _newer(asked, self.latest) else self.latest
        first = asked if opening and (self.first is None or _newer(self.first, asked)) else self.first
        return Request(first=first, since=None if latest == first else latest, decided=self.decided)


def _newer(one: Asked, other: Asked) -> bool:
    if one.revision != other.revision:
        return one.revision > other.revision
    # a revision that was told twice with different content: any rule will do, so long as arrival does not decide
    return one.model_dump_json() > other.model_dump_json()


class Intervention(Part):
    """The platform steps into an order between two moments; either may arrive first."""

    opened_at: Moment | None = None
    closed_at: Moment | None = None

    @property
    def is_open(self) -> bool:
        return self.opened_at is not None and self.closed_at is None

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        if self.opened_at is None or self.closed_at is None:
            return None
        return self.opened_at, self.closed_at


class Commitment(Part):
    """What we have set out to give for one step of a case, from the intent on."""

    negotiation_id: str
    refund_id: str | None = None
    kind: OptionKind
    cash: Money
    told: Refunded | None = None
    """What the marketplace says of it itself: the truth, whatever we believed."""
    coupon: Money | None = None
    coupon_revoked: bool = False
    revokes: str = ""
    result: SettlementResult | None = None
    sequence: int = 0

    @property
    def money(self) -> Money:
        """What it takes from the order: what was told, else what was set aside, nothing once it was refused."""
        if self.told is not None and self.told.amount is not None and self.told.amount.currency == self.cash.currency:
            return self.told.amount
        refused = self.result is SettlementResult.REFUSED and self.told is None
        return Money.zero(self.cash.currency) if refused else self.cash

    @property
    def compensation(self) -> Money:
        given = self.coupon is not None and not self.coupon_revoked and self.result is not SettlementResult.REFUSED
        if self.kind is OptionKind.COUPON and self.coupon is not None and given:
            return self.coupon
        return self.money if self.kind is OptionKind.PARTIAL_REFUND else Money.zero(self.cash.currency)


class Order(Part):
    """The whole aggregate: one item of the table. Every decision about the order is one conditional write of it."""

    shop: str
    order_id: str
    seen: tuple[str, ...] = ()
    purchase: Purchase | None = None
    purchase_heard_at: Moment | None = None
    promised: Mapping[str, Promised] = {}
    """By the tag that made the promise; it stays, whatever becomes of the tag."""
    cancelled_at: Moment | None = None
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

    @property
    def intervened_at(self) -> datetime:
        """When the earliest intervention that is still open began; the end of time without one."""
        opened = [one.opened_at for one in self.interventions.values() if one.is_open and one.opened_at]
        return min(opened, default=datetime.max.replace(tzinfo=UTC))

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
    def balance(self) -> Money | None:
        """What was paid less every refund, each counted once; below zero when more went out. None: order unknown."""
        if self.purchase is None:
            return None
        paid = self.purchase.amount
        given = sum(self._taken(commitment) for commitment in self.commitments.values())
        elsewhere = sum(self._went_out(refund_id, one) for refund_id, one in self.refunded_elsewhere.items())
        return Money(minor=paid.minor - given - elsewhere, currency=paid.currency)

    @property
    def remaining(self) -> Money | None:
        """What may still be refunded."""
        balance = self.balance
        return None if balance is None else max(balance, Money.zero(balance.currency))

    def _taken(self, commitment: Commitment) -> int:
        if commitment.kind is OptionKind.RETURN_AND_REFUND and commitment.told is None and commitment.refund_id:
            # goods on their way back: their money is set aside until it is paid, under our key or not, or they are not
            decided = self.requests.get(commitment.refund_id, Request()).decided
            ended = decided is not None and decided.outcome in (RefundOutcome.WITHDRAWN, RefundOutcome.CLOSED)
            if ended or commitment.refund_id in self.refunded_elsewhere:
                return 0
        return commitment.money.minor

    def _went_out(self, refund_id: str, refunded: Refunded) -> int:
        if self.purchase is None:
            return 0
        asked = self.requests.get(refund_id, Request()).latest
        amount = refunded.amount or (asked.amount if asked else None)
        # a sum that is not known, or not in the order's currency, cannot be set against it: nothing is left to give
        if amount is None or amount.currency != self.purchase.amount.currency:
            return self.purchase.amount.minor
        return amount.minor

    @property
    def compensation_given(self) -> Money | None:
        """Partial refunds and coupons so far, over all cases; a revoked coupon is none."""
        if self.purchase is None:
            return None
        given = sum(commitment.compensation.minor for commitment in self.commitments.values())
        return Money(minor=given, currency=self.purchase.amount.currency)

    @property
    def buyers(self) -> frozenset[str]:
        """The pseudonyms of who paid and of who asked for money back; nearly always one."""
        asked = [one.buyer for request in self.requests.values() for one in (request.first, request.since) if one]
        paid = [self.purchase.buyer] if self.purchase else []
        return frozenset(buyer for buyer in (*asked, *paid) if buyer)

    def lines_of(self, refund_id: str | None) -> tuple[PurchaseLine, ...]:
        """The lines that a request is about; all of them where it names none that is known."""
        if self.purchase is None:
            return ()
        latest = self.requests.get(refund_id or "", Request()).latest
        named = set(latest.line_ids) if latest else set()
        return tuple(line for line in self.purchase.lines if line.line_id in named) or self.purchase.lines

    def case(self, negotiation_id: str) -> Case | None:
        return next((case for case in self.cases if case.negotiation_id == negotiation_id), None)

    def with_case(self, case: Case) -> Order:
        if self.case(case.negotiation_id) is None:
            return self.model_copy(update={"cases": (*self.cases, case)})
        cases = tuple(case if one.negotiation_id == case.negotiation_id else one for one in self.cases)
        return self.model_copy(update={"cases": cases})

    def with_request(self, refund_id: str, request: Request) -> Order:
        return self.model_copy(update={"requests": {**self.requests, refund_id: request}})

    def with_promise(self, data: OrderPromised) -> Order:
        """Takes in what a tag promised. Of several promises of one tag the earliest is kept: all are owed alike."""
        if data.tag is None:
            return self
        promised = Promised(made_at=data.made_at, terms=data.terms)
        known = self.promised.get(data.tag)
        if known is not None and (known.made_at, known.terms or "") <= (promised.made_at, promised.terms or ""):
            return self
        return self.model_copy(update={"promised": {**self.promised, data.tag: promised}})

    def with_decision(self, data: RefundDecided) -> Order:
        """Takes in a decision, whoever made it; what was refunded elsewhere lowers the order's cap once."""
        order = self
        request = self.requests.get(data.refund_id, Request())
        if request.decided is None or _decided_later(data, request.decided):
            decided = Decided(outcome=data.outcome, revision=data.revision)
            order = order.with_request(data.refund_id, request.model_copy(update={"decided": decided}))
        if data.outcome is not RefundOutcome.REFUNDED:
            return order
        refunded = Refunded(amount=data.amount, revision=data.revision)
        ours = self.commitments.get(data.payout_key or "")
        if ours is not None and data.payout_key is not None:
            if not refunded.told_later_than(ours.told):
                return order
            told = {**self.commitments, data.payout_key: ours.model_copy(update={"told": refunded})}
            return order.model_copy(update={"commitments": told})
        if not refunded.told_later_than(self.refunded_elsewhere.get(data.refund_id)):
            return order
        return order.model_copy(update={"refunded_elsewhere": {**order.refunded_elsewhere, data.refund_id: refunded}})

    def with_intervention(self, intervention_id: str, **changed: Any) -> Order:
        known = self.interventions.get(intervention_id, Intervention())
        updated = known.model_copy(update=changed)
        return self.model_copy(update={"interventions": {**self.interventions, intervention_id: updated}})


def _decided_later(data: RefundDecided, known: Decided) -> bool:
    return (data.revision, data.outcome.value) > (known.revision, known.outcome.value)
