"""The keys of the scores table: every one is built here, and nowhere else.

| what | partition | sort |
|---|---|---|
| what is on record of an order | ``ORDER#{shop}#{order_id}`` | ``RECORD`` |
| what is on record of a chat session | ``SESSION#{shop}#{session_id}`` | ``RECORD`` |
| which orders a parcel number belongs to | ``PARCEL#{shop}#{carrier/number}`` | ``ORDERS`` |
| what a subject adds to a local day | ``DAY#{shop}#{day}`` | ``{subject}`` |
| a shop in the registry | ``SHOP#{shop}`` | ``SHOP`` |
| a day that was counted | ``SHOP#{shop}`` | ``DAY#{day}`` |
| a counted day that something has been added to since | ``SHOP#{shop}`` | ``LATE#{day}`` |
| a week's score | ``SHOP#{shop}`` | ``WEEK#{end}`` |
| who kept what out of the score, or brought it back | ``SHOP#{shop}`` | ``EXCLUSION#{at}#{subject}`` |
| a shop's first revision of a week, for its category's bar | ``PEERS#{pack}#{end}#{category}`` | ``{shop}`` |
| a category's bar | ``BAR#{pack}#{category}`` | ``WEEK#{end}`` |
"""

from __future__ import annotations

from datetime import date

from aftercare.kernel.table import Key


def order_key(shop: str, order_id: str) -> Key:
    return Key(f"ORDER#{shop}#{order_id}", "RECORD")


def session_key(shop: str, session_id: str) -> Key:
    return Key(f"SESSION#{shop}#{session_id}", "RECORD")


def parcel_key(shop: str, parcel: str) -> Key:
    return Key(f"PARCEL#{shop}#{parcel}", "ORDERS")


def row_key(shop: str, day: date, subject: str) -> Key:
    return Key(f"DAY#{shop}#{day.isoformat()}", subject)


def shop_key(shop: str) -> Key:
    return Key(f"SHOP#{shop}", "SHOP")


def day_key(shop: str, day: date) -> Key:
    return Key(f"SHOP#{shop}", f"DAY#{day.isoformat()}")


def late_key(shop: str, day: date) -> Key:
    return Key(f"SHOP#{shop}", f"LATE#{day.isoformat()}")


def week_key(shop: str, end: date) -> Key:
    """A week by the Monday after it."""
    return Key(f"SHOP#{shop}", f"WEEK#{end.isoformat()}")


def exclusion_key(shop: str, at: str, subject: str) -> Key:
    """``at`` is the moment as text that sorts."""
    return Key(f"SHOP#{shop}", f"EXCLUSION#{at}#{subject}")


def sample_key(pack: str, category: str, end: date, shop: str) -> Key:
    return Key(f"PEERS#{pack}#{end.isoformat()}#{category}", shop)


def bar_key(pack: str, category: str, end: date) -> Key:
    return Key(f"BAR#{pack}#{category}", f"WEEK#{end.isoformat()}")


def is_shop(key: Key) -> bool:
    return key.partition.startswith("SHOP#") and key.sort == "SHOP"


def shop_of(key: Key) -> str:
    return key.partition.partition("#")[2]


def day_of(key: Key) -> date:
    return date.fromisoformat(key.sort.partition("#")[2])
