"""The keys of the negotiation table: every one is built here, and nowhere else.

| what | partition | sort |
|---|---|---|
| an order with its cases | ``ORDER#{shop}#{order_id}`` | ``ORDER`` |
| a payout | ``PAYOUT#{key}`` | ``PAYOUT`` |
| a notice that was sent | ``NOTICE#{negotiation_id}`` | ``{round}/{kind}`` |
| a shop's policy | ``SHOP#{shop}`` | ``POLICY`` |
| a counter of promises | ``COUNTER#{shop}#{family}/{name}/{day}`` | ``COUNTER`` |
| a buyer's recent promises | ``BUYER#{shop}#{buyer}`` | ``PROMISES`` |
"""

from __future__ import annotations

from aftercare.kernel.table import Key


def order_key(shop: str, order_id: str) -> Key:
    return Key(f"ORDER#{shop}#{order_id}", "ORDER")


def payout_key(key: str) -> Key:
    return Key(f"PAYOUT#{key}", "PAYOUT")


def notice_key(negotiation_id: str, round_number: int, kind: str) -> Key:
    return Key(f"NOTICE#{negotiation_id}", f"{round_number}/{kind}")


def policy_key(shop: str) -> Key:
    return Key(f"SHOP#{shop}", "POLICY")


def counter_key(shop: str, counter: str) -> Key:
    return Key(f"COUNTER#{shop}#{counter}", "COUNTER")


def buyer_key(shop: str, buyer: str) -> Key:
    return Key(f"BUYER#{shop}#{buyer}", "PROMISES")


def is_order(key: Key) -> bool:
    return key.partition.startswith("ORDER#")


def is_payout(key: Key) -> bool:
    return key.partition.startswith("PAYOUT#")


def order_of(key: Key) -> tuple[str, str]:
    """The shop and the order id of an order's key; a shop has no ``#`` in it, an order id may."""
    _, shop, order_id = key.partition.split("#", 2)
    return shop, order_id
