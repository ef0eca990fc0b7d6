"""The keys of the tags table: every one is built here, and nowhere else.

| what | partition | sort |
|---|---|---|
| a shop: what was measured of it, what it chose, the states of its tags | ``SHOP#{shop}`` | ``TAGS`` |
| what was published of it on one channel | ``SHOP#{shop}`` | ``CHANNEL#{channel}`` |
| what an order was promised by tags | ``ORDER#{shop}#{order_id}`` | ``PROMISED`` |
"""

from __future__ import annotations

from aftercare.kernel.table import Key

CHANNEL = "CHANNEL#"


def shop_key(shop: str) -> Key:
    return Key(f"SHOP#{shop}", "TAGS")


def channel_key(shop: str, channel: str) -> Key:
    return Key(f"SHOP#{shop}", CHANNEL + channel)


def promised_key(shop: str, order_id: str) -> Key:
    return Key(f"ORDER#{shop}#{order_id}", "PROMISED")


def is_shop(key: Key) -> bool:
    return key.sort == "TAGS"


def is_channel(key: Key) -> bool:
    return key.sort.startswith(CHANNEL)


def shop_of(key: Key) -> str:
    return key.partition.partition("#")[2]


def channel_of(key: Key) -> str:
    return key.sort.removeprefix(CHANNEL)
