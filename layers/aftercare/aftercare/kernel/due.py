"""The due index swept: what is due is handed to its owner, oldest first, and nothing is decided here.

An item stays in the index until its owner has looked at it, so a sweep may be killed, repeated or late.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aftercare.kernel.errors import MalformedInput
from aftercare.kernel.ports import Clock, Queue
from aftercare.kernel.records import DUE_AT, DUE_INDEX
from aftercare.kernel.table import Key, Query, Scalar, Table
from aftercare.kernel.times import from_text, to_sortable_text

DEEP_QUEUE = 1_000
"""With that many messages waiting the owner is behind: what is due would only be sent again."""
PAGES_A_SHARD = 20


@dataclass(frozen=True, slots=True)
class Owner:
    """The queue of the function that decides about the items that ``owns`` picks."""

    name: str
    owns: Callable[[Key], bool]
    queue: Queue


class Swept(NamedTuple):
    """How many keys were sent, and by how many seconds the oldest that is due is late, by its owner's name."""

    sent: int
    late: Mapping[str, int]


class DueSweep:
    def __init__(self, table: Table, clock: Clock, shards: int, owners: Sequence[Owner]) -> None:
        self._table = table
        self._clock = clock
        self._shards = shards
        self._owners = owners

    def run(self) -> Swept:
        """Sends the keys of all that is due now. Raises ``Transient``; the next run makes up."""
        now = self._clock.now()
        due = [one for shard in range(self._shards) for one in self._due_in(str(shard), to_sortable_text(now))]
        sent, late = 0, {}
        for owner in self._owners:
            owned = [(key, due_at) for key, due_at in due if owner.owns(key)]
            if not owned:
                continue
            oldest = from_text(min(due_at for _, due_at in owned))
            late[owner.name] = int((now - oldest).total_seconds())
            if owner.queue.depth() < DEEP_QUEUE:
                owner.queue.send([to_message(key) for key, _ in owned])
                sent += len(owned)
        return Swept(sent, late)

    def _due_in(self, shard: str, now: str) -> list[tuple[Key, str]]:
        found: list[tuple[Key, str]] = []
        after: Mapping[str, Scalar] | None = None
        for _ in range(PAGES_A_SHARD):
            page = self._table.query(Query(partition=shard, highest=now, index=DUE_INDEX, after=after))
            found += [(key, str(item[DUE_AT])) for key, item in zip(page.keys, page.items, strict=True)]
            after = page.next
            if after is None:
                break
        return found


def to_message(key: Key) -> str:
    return json.dumps({"due": {"partition": key.partition, "sort": key.sort}}, ensure_ascii=False)


def from_message(body: str) -> Key | None:
    """The key that a timer's message names; None for a message that is none. Raises ``MalformedInput``."""
    if not body.startswith('{"due"'):
        return None
    try:
        due = json.loads(body)["due"]
        return Key(due["partition"], due["sort"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise MalformedInput("not a timer's message") from error
