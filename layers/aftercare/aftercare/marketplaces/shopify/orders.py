"""What an order's body says: that it was paid, and that it was called off. Pure.

The topic is not signed, so the body itself must say what the topic claims.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aftercare.kernel.errors import MalformedInput, NotTranslated
from aftercare.kernel.money import Money
from aftercare.marketplaces.shopify.money import required_amount, shop_amount
from aftercare.marketplaces.shopify.reading import (
    Body,
    Told,
    optional_id,
    optional_time,
    part,
    parts,
    region,
    required_id,
    required_time,
    text,
)

PAID = frozenset({"paid", "partially_refunded", "refunded"})
"""The values of ``financial_status`` of an order that was paid whole."""

CANCELLED_BY: Mapping[str, str] = {
    "customer": "buyer",
    "declined": "system",
    "fraud": "seller",
    "inventory": "seller",
    "staff": "seller",
}
"""Who called an order off, by its ``cancel_reason``; ``other`` and what is not in here is nobody known."""

GIFT_CARD = "gift_card"
NO_CATEGORY = "unknown"
TEST_ORDER = "test"


def paid(order: Body) -> Iterable[Told]:
    """``orders/paid``. The body has no time of payment: ``updated_at`` is the change that the payment was."""
    if text(order, "financial_status") not in PAID:
        raise NotTranslated("the order's body does not say that it is paid")
    currency = text(order, "currency")
    if currency is None:
        raise MalformedInput("currency is missing")
    customer = part(order, "customer")
    paid_at = required_time(order, "updated_at")
    data: dict[str, Any] = {
        "order_id": required_id(order, "id"),
        "buyer": "",
        "locale": text(order, "customer_locale"),
        "paid_at": paid_at,
        "amount": required_amount(order, "total_price", currency),
        "postage": shop_amount(order, "total_shipping_price", currency),
        "lines": [
            _line(line, currency, tax_is_in_price=order.get("taxes_included") is True)
            for line in parts(order, "line_items")
        ],
        # Shopify tells nothing of lockers and stations
        "promise": {"door_delivery": False},
        "destination": region(part(order, "shipping_address") or {}, "country_code"),
        "flags": [TEST_ORDER] if order.get("test") is True else None,
    }
    yield Told("OrderPaid", paid_at, data, None if customer is None else optional_id(customer, "id"))


def cancelled(order: Body) -> Iterable[Told]:
    """``orders/cancelled``."""
    at = optional_time(order, "cancelled_at")
    if at is None:
        raise NotTranslated("the order's body does not say that it was cancelled")
    reason = text(order, "cancel_reason")
    by = None if reason is None else CANCELLED_BY.get(reason, "unknown")
    yield Told("OrderCancelled", at, {"order_id": required_id(order, "id"), "at": at, "by": by})


def _line(line: Body, currency: str, *, tax_is_in_price: bool) -> dict[str, Any]:
    line_id = required_id(line, "id")
    quantity = line.get("quantity")
    if not isinstance(quantity, int) or isinstance(quantity, bool):
        raise MalformedInput("quantity is not a whole number")
    amount = Money(minor=required_amount(line, "price", currency).minor * quantity, currency=currency)
    for discount in parts(line, "discount_allocations"):
        amount -= required_amount(discount, "amount", currency)
    if not tax_is_in_price:
        for tax in parts(line, "tax_lines"):
            amount += required_amount(tax, "price", currency)
    return {
        "line_id": line_id,
        # a line that the shop typed by hand, and a tip, are of no product
        "item_id": optional_id(line, "product_id") or f"line:{line_id}",
        "category": GIFT_CARD if line.get("gift_card") is True else NO_CATEGORY,
        "quantity": quantity,
        "amount": amount,
    }
