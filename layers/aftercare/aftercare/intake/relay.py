"""Publishes what items say. It writes no table but the quarantine, and loses nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aftercare.intake import store
from aftercare.intake.model import SetAside, Shelf
from aftercare.intake.service import NOT_THE_ENTRYS_FAULT
from aftercare.kernel.errors import Transient
from aftercare.kernel.ports import Bus
from aftercare.kernel.table import Table
from aftercare.kernel.times import from_text


@dataclass(frozen=True, slots=True)
class Outbox:
    """What one version of an item says: the stream record's sequence number and the events as JSON text."""

    sequence_number: str
    events: str


@dataclass(frozen=True, slots=True)
class Relayed:
    """``published`` are the bus's entries; ``failed`` is the first sequence number to be delivered again with all
    after it, None when all went out."""

    published: tuple[Mapping[str, Any], ...]
    set_aside: int
    failed: str | None


class Relay:
    """``table`` is the intake table, where an event that the bus refuses is kept whole."""

    def __init__(self, *, bus: Bus, table: Table) -> None:
        self._bus = bus
        self._table = table

    def publish(self, outboxes: Sequence[Outbox]) -> Relayed:
        """In the stream's order, as few calls as the bus allows; consumers know repeats by their event ids."""
        said = [(outbox, entry) for outbox in outboxes for entry in json.loads(outbox.events)]
        if not said:
            return Relayed((), 0, None)
        try:
            codes = self._bus.publish([entry for _, entry in said])
        except Transient:
            return Relayed((), 0, outboxes[0].sequence_number)
        published: list[Mapping[str, Any]] = []
        kept = 0
        for (outbox, entry), code in zip(said, codes, strict=True):
            if code is None:
                published.append(entry)
            elif code in NOT_THE_ENTRYS_FAULT:
                return Relayed(tuple(published), kept, outbox.sequence_number)
            else:
                self._keep(entry, code)
                kept += 1
        return Relayed(tuple(published), kept, None)

    def _keep(self, entry: dict[str, Any], code: str) -> None:
        metadata = entry["detail"]["metadata"]
        # when it happened, not when it was refused: a record that is read again is kept once
        occurred_at = from_text(metadata["occurred_at"])
        reason = f"the bus refused {entry['detail-type']}: {code}"
        message = json.dumps(entry, ensure_ascii=False)
        store.set_aside(
            self._table,
            SetAside(Shelf.EVENTS, metadata["shop"], metadata["event_id"], occurred_at, reason, message),
        )
