"""The due index swept: what is due is handed to its owner, oldest first, and nothing is decided here.

An item stays in the index until its owner has looked at it, so a sweep may be killed, repeated or late.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aftercare.kernel.errors import MalformedInput
from aftercare.kernel.ports import Clock, Queue
from aftercare.kernel.records import DUE_INDEX
from aftercare.kernel.table import Key, Query, Scalar, Table
from aftercare.kernel.times import to_sortable_text

DEEP_QUEUE = 1_000
"""With that many messages waiting the owner is behind: what is due would only be sent again."""
PAGES_A_SHARD = 20


@dataclass(frozen=True, slots=True)
class Owner:
    """The queue of the function that decides about the items that ``owns`` picks."""

    owns: Callable[[Key], bool]
    queue: Queue


class DueSweep:
    def __init__(self, table: Table, clock: Clock, shards: int, owners: Sequence[Owner]) -> None:
        self._table = table
        self._clock = clock
        self._shards = shards
        self._owners = owners

    def run(self) -> int:
        """Sends the keys of all that is due now; answers how many. Raises ``Transient``; the next run makes up."""
        now = to_sortable_text(self._clock.now())
        due = [key for shard in range(self._shards) for key in self._due_in(str(shard), now)]
        sent = 0
        for owner in self._owners:
            keys = [key for key in due if owner.owns(key)]
            if keys and owner.queue.depth() < DEEP_QUEUE:
                owner.queue.send([to_message(key) for key in keys])
                sent += len(keys)
        return sent

    def _due_in(self, shard: str, now: str) -> list[Key]:
        keys: list[Key] = []
        after: Mapping[str, Scalar] | None = None
        for _ in range(PAGES_A_SHARD):
            page = self._table.query(Query(partition=shard, highest=now, index=DUE_INDEX, after=after))
            keys += page.keys
            after = page.next
            if after is None:
                break
        return keys


def to_message(key: Key) -> str:
    return json.dumps({"due": {"partition": key.partition, "sort": key.sort}}, ensure_ascii=False)


def from_message(body: str) -> Key | None:
    """The key that a timer's message names; None for a message that is none. Raises ``MalformedInput``."""
    if not body.startswith('{"due"'):
        return None
    try:
        due = json.loads(body)["due"]
        return Key(due["partition"], due["sort"])
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedInput("not a timer's message") from error
