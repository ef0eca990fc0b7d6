"""Versioned records: the one way to write an item that has a state, a timer or something to say.

Every write replaces the whole item and raises its version; the outbox stands in exactly the version that caused its
events, so a later write can never publish an old list again.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from aftercare.kernel.envelope import EventData, Producer, outgoing, to_outbox
from aftercare.kernel.table import VERSION, Absent, Condition, Index, Item, Key, Put, Scalar, VersionIs
from aftercare.kernel.times import from_text, to_sortable_text, to_text

STATE = "state"
CREATED_AT = "created_at"
OUTBOX = "outbox"
DUE_SHARD = "due_shard"
DUE_AT = "due_at"
DUE_INDEX = Index(name="due", partition=DUE_SHARD, sort=DUE_AT)
SEEN_LIMIT = 16


class Stored(NamedTuple):
    """A record as it was read: its state as JSON text and what the next write needs to know."""

    key: Key
    state: str
    version: int
    created_at: datetime
    due_at: datetime | None

    @classmethod
    def of(cls, key: Key, item: Item) -> Stored:
        due_at = item.get(DUE_AT)
        return cls(
            key=key,
            state=str(item[STATE]),
            version=int(item[VERSION]),
            created_at=from_text(str(item[CREATED_AT])),
            due_at=None if due_at is None else from_text(str(due_at)),
        )


class Change(NamedTuple):
    """What one decision makes of a record: the new state, what it says, and when it wants to be woken next."""

    shop: str
    state: str
    said: Sequence[EventData]
    deadline: datetime | None
    now: datetime
    caused_by: str | None = None


@dataclass(frozen=True, slots=True)
class RecordWriter:
    """Turns a change into the conditional ``Put`` that carries state, outbox and timer at once."""

    due_shards: int

    def put(
        self,
        key: Key,
        was: Stored | None,
        change: Change,
        attributes: Mapping[str, Scalar] | None = None,
        conditions: tuple[Condition, ...] = (),
    ) -> Put:
        """``was`` is None for a record that must not exist yet; ``attributes`` are index keys and guard numbers."""
        version = 1 if was is None else was.version + 1
        created_at = change.now if was is None else was.created_at
        written: dict[str, Scalar] = {
            **(attributes or {}),
            VERSION: version,
            CREATED_AT: to_text(created_at),
            STATE: change.state,
        }
        if change.said:
            producer = Producer(str(key), created_at, version, change.shop, change.caused_by)
            written[OUTBOX] = to_outbox(outgoing(producer, change.said, change.now))
        armed = armed_at(None if was is None else was.due_at, change.deadline, change.now)
        if armed is not None:
            written[DUE_SHARD] = due_shard(key, self.due_shards)
            written[DUE_AT] = to_sortable_text(armed)
        guard: Condition = Absent() if was is None else VersionIs(was.version)
        return Put(key, written, (guard, *conditions))


def armed_at(armed: datetime | None, deadline: datetime | None, now: datetime) -> datetime | None:
    """The time to stand in the due index: moved only to an earlier deadline, since moving costs index writes.

    A timer that stays too early fires once for nothing and is armed anew then.
    """
    if deadline is None:
        return None
    if armed is not None and now < armed <= deadline:
        return armed
    return deadline


def due_shard(key: Key, shards: int) -> str:
    return str(zlib.crc32(str(key).encode()) % shards)


def remember(seen: tuple[str, ...], event_id: str) -> tuple[str, ...]:
    """The last event ids a record has taken in: stops a relay's repeats without another call."""
    return (*seen, event_id)[-SEEN_LIMIT:]
