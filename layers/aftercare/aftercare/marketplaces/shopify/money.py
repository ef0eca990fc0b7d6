"""Shopify's amounts: decimal text in major units, in the shop's currency and in the buyer's. Pure.

We count in the shop's currency (``shop_money``): it is one and the same for all orders of a shop. What the buyer saw
(``presentment_money``) is left aside.
"""

from __future__ import annotations

import re

from aftercare.kernel.errors import MalformedInput
from aftercare.kernel.money import DEFAULT_EXPONENT, EXPONENTS, Money
from aftercare.marketplaces.shopify.reading import Body, part

DECIMAL = re.compile(r"(-?)([0-9]{1,18})(?:\.([0-9]{1,18}))?", re.ASCII)
CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)


def money_of(amount: object, currency: object) -> Money:
    """The exact amount in minor units of an ISO 4217 currency.

    Zeros beyond the currency's digits say nothing (``500.0`` JPY); any other digit there is refused, as rounding would
    make or lose money. Raises ``MalformedInput``.
    """
    if not isinstance(currency, str) or CURRENCY.fullmatch(currency) is None:
        raise MalformedInput("an amount's currency is not three capital letters")
    found = DECIMAL.fullmatch(amount) if isinstance(amount, str) else None
    if found is None:
        raise MalformedInput("an amount is not decimal text")
    sign, whole, fraction = found.groups(default="")
    exponent = EXPONENTS.get(currency, DEFAULT_EXPONENT)
    if fraction[exponent:].strip("0"):
        raise MalformedInput(f"an amount has more than the {exponent} digits of its currency")
    minor = int(whole + fraction[:exponent].ljust(exponent, "0"))
    return Money(minor=-minor if sign else minor, currency=currency)


def shop_amount(holder: Body, name: str, currency: str) -> Money | None:
    """The amount ``name`` in the shop's currency: of ``{name}_set``, else of the plain field, which is in it too.

    None where neither is there.
    """
    both = part(holder, f"{name}_set")
    of_shop = None if both is None else part(both, "shop_money")
    if of_shop is not None:
        amount = money_of(of_shop.get("amount"), of_shop.get("currency_code"))
    elif holder.get(name) is not None:
        amount = money_of(holder[name], currency)
    else:
        return None
    if amount.currency != currency:
        raise MalformedInput(f"{name} is not in the shop's currency")
    return amount


def required_amount(holder: Body, name: str, currency: str) -> Money:
    """As ``shop_amount``; raises ``MalformedInput`` where there is none."""
    amount = shop_amount(holder, name, currency)
    if amount is None:
        raise MalformedInput(f"{name} is missing")
    return amount
