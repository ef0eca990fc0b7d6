"""The tags table's items and every access to them as plain data; the keys are in ``keys.py``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from aftercare.kernel import compact
from aftercare.kernel.envelope import EventData
from aftercare.kernel.errors import MalformedInput
from aftercare.kernel.records import Change, RecordWriter, Stored
from aftercare.kernel.shops import PLAIN, ShopDefaults
from aftercare.kernel.table import Item, Put
from aftercare.tags import keys
from aftercare.tags.model.kept import Kept, read_kept

EXPIRES_AT = "expires_at"
PROMISES_KEPT = timedelta(days=400)
LARGEST_STATE = 300_000
"""Bytes; an item has room for 400 KB."""


class ShopItem(NamedTuple):
    """A shop as it was read; ``stored`` is None for one that has no item yet."""

    kept: Kept
    stored: Stored | None

    @property
    def version(self) -> int:
        return 0 if self.stored is None else self.stored.version


def read_shop(shop: str, item: Item | None, defaults: ShopDefaults = PLAIN) -> ShopItem:
    if item is None:
        return ShopItem(Kept(defaults.pack_of(shop)), None)
    stored = Stored.of(keys.shop_key(shop), item)
    return ShopItem(read_kept(json.loads(stored.state)), stored)


def write_shop(
    writer: RecordWriter,
    shop: str,
    was: ShopItem,
    kept: Kept,
    said: Iterable[EventData],
    deadline: datetime | None,
    now: datetime,
) -> Put:
    """``deadline`` is when the tags are to be looked at again.

    The timer is moved with every write, later too: one that fired for nothing would cost another write of the whole
    item. Raises ``MalformedInput`` for a shop that grew beyond an item.
    """
    state = compact.to_json(kept)
    if len(state.encode()) > LARGEST_STATE:
        raise MalformedInput(f"the tags of {shop} do not fit into an item")
    stored = None if was.stored is None else was.stored._replace(due_at=None)
    change = Change(shop=shop, state=state, said=tuple(said), deadline=deadline, now=now)
    return writer.put(keys.shop_key(shop), stored, change)


class Channel(NamedTuple):
    """What stands on a channel: of which version of the shop, and by tag a mark of what was sent where tags go one by
    one. ``failures`` counts attempts in a row that came to nothing; ``expires`` is when what stands there runs out;
    ``claimed_until``: so long nobody else publishes there."""

    version: int = 0
    sent: Mapping[str, str] = {}
    failures: int = 0
    expires: datetime | None = None
    claimed_until: datetime | None = None


class ChannelItem(NamedTuple):
    channel: Channel
    stored: Stored | None


def read_channel(shop: str, channel: str, item: Item | None) -> ChannelItem:
    if item is None:
        return ChannelItem(Channel(), None)
    stored = Stored.of(keys.channel_key(shop, channel), item)
    return ChannelItem(_channel(json.loads(stored.state)), stored)


def write_channel(
    writer: RecordWriter,
    shop: str,
    name: str,
    was: ChannelItem,
    channel: Channel,
    deadline: datetime | None,
    now: datetime,
) -> Put:
    stored = None if was.stored is None else was.stored._replace(due_at=None)
    change = Change(shop=shop, state=compact.to_json(channel), said=(), deadline=deadline, now=now)
    return writer.put(keys.channel_key(shop, name), stored, change)


def write_promised(writer: RecordWriter, shop: str, order_id: str, said: Iterable[EventData], now: datetime) -> Put:
    """What an order was promised is said once, by the item that stands from then on."""
    change = Change(shop=shop, state="[]", said=tuple(said), deadline=None, now=now)
    expires = {EXPIRES_AT: int((now + PROMISES_KEPT).timestamp())}
    return writer.put(keys.promised_key(shop, order_id), None, change, expires)


_channel = compact.row(Channel, None, compact.mapping(str, str), None, compact.moment, compact.moment)
