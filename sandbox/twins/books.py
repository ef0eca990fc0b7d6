"""A marketplace's own books of one shop: the only witness that can say whether money moved twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aftercare.kernel.money import Money
from aftercare.kernel.ports import ActionType

DONE = "done"
REFUSED = "refused"


class Refusal(Exception):
    """A rule of the marketplace forbids the action."""


@dataclass(slots=True)
class Order:
    paid: Money
    refunded: Money

    @property
    def remaining(self) -> Money:
        return self.paid - self.refunded


@dataclass(frozen=True, slots=True)
class RefundRequest:
    order_id: str
    kind: str
    amount: Money
    revision: int


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that left the shop for a buyer; ``key`` is what the caller named it, None for a refund made elsewhere."""

    type: str
    key: str | None
    order_id: str
    refund_id: str | None
    amount: Money


class CouponState(StrEnum):
    ISSUED = "issued"
    USED = "used"
    REVOKED = "revoked"


@dataclass(slots=True)
class Coupon:
    order_id: str
    refund_id: str | None
    face_value: Money
    state: CouponState = CouponState.ISSUED


@dataclass(slots=True)
class Books:
    """What the marketplace knows of one shop, and what it did for it. ``decided`` waits to be told by webhook."""

    orders: dict[str, Order] = field(default_factory=dict)
    requests: dict[str, RefundRequest] = field(default_factory=dict)
    payments: list[Payment] = field(default_factory=list)
    coupons: dict[str, Coupon] = field(default_factory=dict)
    agreed: list[Mapping[str, Any]] = field(default_factory=list)
    messages: list[Mapping[str, Any]] = field(default_factory=list)
    offers: list[Mapping[str, Any]] = field(default_factory=list)
    tags: list[Mapping[str, Any]] = field(default_factory=list)
    decided: list[dict[str, Any]] = field(default_factory=list)
    noted: set[tuple[str, ...]] = field(default_factory=set)
    performed: int = 0

    def note(self, type_: str, data: Mapping[str, Any]) -> None:
        """Enters what the marketplace itself tells by webhook; a fact that is entered already changes nothing.

        Raises ``Refusal`` for a refund beyond what was paid, or of an unknown order.
        """
        fact = (type_, *(str(data.get(part)) for part in ("order_id", "refund_id", "revision")))
        if fact in self.noted:
            return
        self._enter(type_, data)
        self.noted.add(fact)

    def _enter(self, type_: str, data: Mapping[str, Any]) -> None:
        match type_:
            case "order.paid":
                paid = Money.model_validate(data["amount"])
                self.orders[data["order_id"]] = Order(paid, Money.zero(paid.currency))
            case "refund.requested" | "refund.updated":
                amount = Money.model_validate(data["amount"])
                self.requests[data["refund_id"]] = RefundRequest(
                    data["order_id"], data["kind"], amount, data["revision"]
                )
            case "refund.decided" if data["outcome"] == "refunded" and not data.get("payout_key"):
                self._pay(type_, None, data["order_id"], data["refund_id"], Money.model_validate(data["amount"]))

    def use_coupon(self, key: str) -> None:
        """The buyer spends the coupon that was issued under ``key``."""
        self.coupons[key].state = CouponState.USED

    def perform(self, action: Mapping[str, Any]) -> dict[str, Any]:
        """Does the action, or answers why the rules forbid it; the answer is what the caller gets."""
        try:
            self._rules()[ActionType(action["type"])](action)
        except Refusal as refusal:
            return {"status": REFUSED, "reference": None, "reason": str(refusal)}
        self.performed += 1
        return {"status": DONE, "reference": f"{action['type']}-{self.performed}"}

    def double_payments(self) -> list[tuple[str, str, str | None]]:
        """(type, order, refund) of every action that gave the buyer something more than once, under whatever keys."""
        given = [(payment.type, payment.order_id, payment.refund_id) for payment in self.payments]
        given += [("coupon.issue", coupon.order_id, coupon.refund_id) for coupon in self.coupons.values()]
        return [what for what, times in Counter(given).items() if times > 1]

    def _rules(self) -> Mapping[ActionType, Callable[[Mapping[str, Any]], None]]:
        return {
            ActionType.REFUND_PARTIAL: self._refund,
            ActionType.REFUND_AGREE: self._refund,
            ActionType.COUPON_ISSUE: self._issue_coupon,
            ActionType.COUPON_REVOKE: self._revoke_coupon,
            ActionType.RETURN_AGREE: self._agree,
            ActionType.EXCHANGE: self._agree,
            ActionType.REISSUE: self._agree,
            ActionType.MESSAGE_SEND: self.messages.append,
            ActionType.OFFERS_PRESENT: self.offers.append,
            ActionType.TAG_CHANGED: self.tags.append,
        }

    def _refund(self, action: Mapping[str, Any]) -> None:
        amount = _money(action["data"], "amount")
        self._pay(action["type"], action["key"], action.get("order_id"), action.get("refund_id"), amount)
        self._decide(action, "refunded", amount)

    def _pay(self, type_: str, key: str | None, order_id: str | None, refund_id: str | None, amount: Money) -> None:
        order = self._order(order_id)
        if amount.currency != order.paid.currency:
            raise Refusal("another currency than the order's")
        if amount.minor <= 0 or amount > order.remaining:
            raise Refusal("more than is left of what was paid on the order")
        order.refunded += amount
        self.payments.append(Payment(type_, key, str(order_id), refund_id, amount))

    def _issue_coupon(self, action: Mapping[str, Any]) -> None:
        self._order(action.get("order_id"))
        face_value = _money(action["data"], "face_value")
        if face_value.minor <= 0:
            raise Refusal("a coupon of no value")
        self.coupons[action["key"]] = Coupon(action["order_id"], action.get("refund_id"), face_value)

    def _revoke_coupon(self, action: Mapping[str, Any]) -> None:
        coupon = self.coupons.get(action["data"].get("coupon_key", ""))
        if coupon is None:
            raise Refusal("unknown coupon")
        if coupon.state is not CouponState.ISSUED:
            raise Refusal(f"the coupon is {coupon.state}")
        coupon.state = CouponState.REVOKED

    def _agree(self, action: Mapping[str, Any]) -> None:
        self._order(action.get("order_id"))
        self.agreed.append(action)
        self._decide(action, "agreed", None)

    def _order(self, order_id: str | None) -> Order:
        order = self.orders.get(order_id or "")
        if order is None:
            raise Refusal("unknown order")
        return order

    def _decide(self, action: Mapping[str, Any], outcome: str, amount: Money | None) -> None:
        # what was never asked for as a refund gets a refund of the marketplace's own numbering
        refund_id = action.get("refund_id") or f"RF-{len(self.payments) + len(self.agreed)}"
        request = self.requests.get(refund_id)
        self.decided.append(
            {
                "refund_id": refund_id,
                "order_id": action["order_id"],
                "kind": "refund_only" if request is None else request.kind,
                "outcome": outcome,
                "by": "seller",
                "amount": None if amount is None else amount.model_dump(),
                "payout_key": action["key"],
                "revision": 1 if request is None else request.revision + 1,
            }
        )


def _money(data: Mapping[str, Any], field_: str) -> Money:
    try:
        return Money.model_validate(data.get(field_))
    except ValueError:
        raise Refusal(f"{field_} is not an amount of money") from None
