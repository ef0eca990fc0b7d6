"""What a refund's body says: that money went back to the buyer. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from aftercare.kernel.errors import NotTranslated
from aftercare.kernel.money import Money
from aftercare.marketplaces.shopify.money import required_amount
from aftercare.marketplaces.shopify.reading import (
    Body,
    Told,
    optional_id,
    optional_time,
    part,
    parts,
    required_id,
    required_time,
    text,
)

MONEY_BACK = "refund"
MOVING = frozenset({"success", "pending"})
"""A transaction that has moved money, or will: nothing tells us when a pending one has arrived, and an order's cap
must rather count too much."""

GOODS_BACK = "return"
FIRST_REVISION = 1
"""A refund at Shopify never changes; what has to be read of it comes later."""


def refunded(refund: Body) -> Iterable[Told]:
    """``refunds/create``: a refund that somebody made at Shopify, counted in the shop's currency.

    Where the body gives the sum in the buyer's currency alone, the refund is told without an amount: whoever keeps the
    order's cap then leaves nothing of it to give.
    """
    moved = [
        each
        for each in parts(refund, "transactions")
        if text(each, "kind") == MONEY_BACK and text(each, "status") in MOVING
    ]
    if not moved:
        raise NotTranslated("the refund moved no money")
    decided_at = optional_time(refund, "processed_at") or required_time(refund, "created_at")
    data = {
        "refund_id": required_id(refund, "id"),
        "order_id": required_id(refund, "order_id"),
        "kind": "return_and_refund" if _is_of_return(refund) else "refund_only",
        "outcome": "refunded",
        # without a member of staff it was an app or a rule of the shop: no buyer and no platform refunds here
        "by": "system" if optional_id(refund, "user_id") is None else "seller",
        "decided_at": decided_at,
        "amount": _sum_in_shop_currency(refund, moved),
        "revision": FIRST_REVISION,
    }
    yield Told("RefundDecided", decided_at, data)


def _is_of_return(refund: Body) -> bool:
    lines = parts(refund, "refund_line_items")
    return part(refund, "return") is not None or any(text(line, "restock_type") == GOODS_BACK for line in lines)


def _sum_in_shop_currency(refund: Body, moved: Sequence[Body]) -> Money | None:
    """None where it is not known: a bare amount is in the buyer's currency, left out where there is but one."""
    stated = set(_currencies(refund))
    if len(stated) != 1:
        return None
    shop, buyer = stated.pop()
    if shop is None:
        return None
    total = Money.zero(shop)
    for transaction in moved:
        bare = transaction.get("amount_set") is None
        if bare and (text(transaction, "currency") or buyer) != shop:
            return None
        total += required_amount(transaction, "amount", shop)
    return total


def _currencies(refund: Body) -> Iterator[tuple[str | None, str | None]]:
    """Shop's and buyer's currency of every amount that is stated in both."""
    holders = [
        (refund, "total_duties_set"),
        *((each, "amount_set") for each in parts(refund, "transactions")),
        *((each, "subtotal_set") for each in parts(refund, "refund_line_items")),
        *((each, "subtotal_amount_set") for each in parts(refund, "refund_shipping_lines")),
        *((each, "amount_set") for each in parts(refund, "order_adjustments")),
    ]
    for holder, name in holders:
        both = part(holder, name)
        if both is not None:
            shop, buyer = part(both, "shop_money") or {}, part(both, "presentment_money") or {}
            yield text(shop, "currency_code"), text(buyer, "currency_code")
