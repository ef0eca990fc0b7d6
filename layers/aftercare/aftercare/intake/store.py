"""The intake table: its keys, its items, and the writes that a repeat does not change.

| pk | sk | what |
|---|---|---|
| ``BUYER#{shop}#{pseudonym}`` | ``{fact}`` or ``{fact}#{hash}`` | one fact's personal data; erasing a buyer is deleting the partition |
| ``TEXT#{shop}`` | the same | free text of a fact that names no buyer |
| ``QUARANTINE#{shop}`` / ``PARKED#{shop}`` | ``{received_at}#{delivery_id}`` | a delivery that was set aside, whole |
| ``EVENTS#{shop}`` | ``{received_at}#{event_id}`` | an event of ours that could not be taken, whole |
| ``LIMIT#{shop}`` or ``LIMIT#operate#{shop}`` | ``{minute}`` | requests of the merchants' API, a shop's own and operators' |
"""  # noqa: E501  a table's row is one line

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

from aftercare.intake.model import Fact, Listed, SetAside, Shelf
from aftercare.kernel.table import (
    PARTITION,
    SORT,
    VERSION,
    Absent,
    Delete,
    Increment,
    Item,
    Key,
    Put,
    Query,
    Scalar,
    Table,
    VersionIs,
    WriteRefused,
    every,
)
from aftercare.kernel.times import from_text, to_sortable_text, to_text

HASH_DIGITS = 16
EXPIRES_AT = "expires_at"
COUNTS_KEPT = timedelta(hours=1)
SET_ASIDE_KEPT = timedelta(days=90)
"""A delivery is set aside whole, with whatever it says of people: long enough to be looked at, and no longer."""


# ---------------------------------------------------------------- personal data


def private_key(shop: str, buyer: str | None, fact: str) -> Key:
    return Key(f"TEXT#{shop}" if buyer is None else f"BUYER#{shop}#{buyer}", fact)


def private_ref(shop: str, buyer: str | None, fact: str) -> str:
    """What stands on the bus in the place of a text; ``read_text`` takes it back."""
    return str(private_key(shop, buyer, fact))


def keep_private(table: Table, shop: str, fact: Fact) -> None:
    """Writes a fact's personal data once: a repeat changes nothing, a revised text stands beside the first."""
    key = private_key(shop, fact.buyer, fact.key)
    revised = Key(key.partition, f"{key.sort}#{_content_hash(fact.private)}")
    _put_once(table, key, revised, fact.private)


def read_text(table: Table, ref: str, sha256: str) -> str | None:
    """The text that an event's ``ref`` and ``sha256`` name; None when it was erased."""
    partition, _, sort = ref.partition("|")
    revised = f"{sort}#{sha256[:HASH_DIGITS]}"
    found = table.get_many([Key(partition, sort), Key(partition, revised)])
    for item in found.values():
        for text in item.values():
            if isinstance(text, str) and hashlib.sha256(text.encode()).hexdigest() == sha256:
                return text
    return None


def erase_buyer(table: Table, shop: str, buyer: str) -> int:
    """Deletes everything personal of a buyer, who is named by the pseudonym; answers how many facts it was."""
    partition = private_key(shop, buyer, "").partition
    found = every(table, Query(partition))
    for key, _ in found:
        # whatever stands there by now is the buyer's too: it goes without a condition
        table.write(Delete(key, ()))
    return len(found)


# ---------------------------------------------------------------- limits


def count_request(shop: str, now: datetime, most: int, *, by_operators: bool) -> Increment:
    """One request within the clock minute; refused beyond ``most``."""
    of = f"operate#{shop}" if by_operators else shop
    return Increment(
        key=Key(f"LIMIT#{of}", now.strftime("%Y-%m-%dT%H:%M")),
        by={"requests": 1},
        ceilings={"requests": most},
        attributes={EXPIRES_AT: int((now + COUNTS_KEPT).timestamp())},
    )


def _content_hash(private: Mapping[str, str]) -> str:
    texts = [text for name, text in sorted(private.items()) if name != "buyer"]
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:HASH_DIGITS]


# ---------------------------------------------------------------- deliveries set aside


def set_aside(table: Table, entry: SetAside) -> None:
    """Keeps the whole message; a repeat changes nothing, also after a replay."""
    content = hashlib.sha256(entry.message.encode()).hexdigest()[:HASH_DIGITS]
    partition = _shelf_partition(entry.shelf, entry.shop)
    sort = f"{to_sortable_text(entry.received_at)}#{entry.delivery_id}"
    attributes: dict[str, Scalar] = {
        VERSION: 1,
        "delivery_id": entry.delivery_id,
        "received_at": to_text(entry.received_at),
        "reason": entry.reason,
        "message": entry.message,
        "replays": 0,
        EXPIRES_AT: _expiry(entry),
    }
    _put_once(table, Key(partition, sort), Key(partition, f"{sort}#{content}"), attributes, compared="message")


def listed(table: Table, shelf: Shelf, shop: str, id_: str) -> Listed | None:
    item = table.get(Key(_shelf_partition(shelf, shop), id_))
    return None if item is None else _to_listed(shelf, shop, id_, item)


def list_page(
    table: Table, shelf: Shelf, shop: str, after: str | None, limit: int
) -> tuple[tuple[Listed, ...], str | None]:
    """The newest first; the second part is the id to go on after, None at the end."""
    partition = _shelf_partition(shelf, shop)
    start = None if after is None else {PARTITION: partition, SORT: after}
    page = table.query(Query(partition, descending=True, limit=limit, after=start))
    entries = tuple(_to_listed(shelf, shop, key.sort, item) for key, item in zip(page.keys, page.items, strict=True))
    return entries, None if page.next is None else str(page.next[SORT])


def mark_replayed(table: Table, found: Listed, seen_version: int, now: datetime) -> None:
    """Counts one replay; raises ``WriteRefused`` when the version that the click saw is not the present one."""
    entry = found.entry
    attributes: dict[str, Scalar] = {
        VERSION: seen_version + 1,
        "delivery_id": entry.delivery_id,
        "received_at": to_text(entry.received_at),
        "reason": entry.reason,
        "message": entry.message,
        "replays": found.replays + 1,
        "replayed_at": to_text(now),
        EXPIRES_AT: _expiry(entry),
    }
    table.write(Put(Key(_shelf_partition(entry.shelf, entry.shop), found.id), attributes, (VersionIs(seen_version),)))


def _expiry(entry: SetAside) -> int:
    return int((entry.received_at + SET_ASIDE_KEPT).timestamp())


def _shelf_partition(shelf: Shelf, shop: str) -> str:
    return f"{shelf}#{shop}"


def _to_listed(shelf: Shelf, shop: str, id_: str, item: Item) -> Listed:
    replayed_at = item.get("replayed_at")
    return Listed(
        id=id_,
        entry=SetAside(
            shelf=shelf,
            shop=shop,
            delivery_id=str(item["delivery_id"]),
            received_at=from_text(str(item["received_at"])),
            reason=str(item["reason"]),
            message=str(item["message"]),
        ),
        version=int(item[VERSION]),
        replays=int(item["replays"]),
        replayed_at=None if replayed_at is None else from_text(str(replayed_at)),
    )


def _put_once(table: Table, key: Key, other: Key, attributes: Item, compared: str | None = None) -> None:
    """Puts at ``key``; what already stands there with other content stays, and this goes to ``other``.

    ``other`` names the content, so whatever stands there is the same.
    """
    try:
        table.write(Put(key, attributes, (Absent(),)))
    except WriteRefused as refused:
        if refused.existing is not None and _same(refused.existing, attributes, compared):
            return
        try:
            table.write(Put(other, attributes, (Absent(),)))
        except WriteRefused:
            return


def _same(stored: Item, wanted: Item, compared: str | None) -> bool:
    if compared is None:
        return dict(stored) == dict(wanted)
    return stored.get(compared) == wanted[compared]
