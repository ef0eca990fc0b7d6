"""What every door's translation makes: catalogue events, and what of them must be erasable. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from aftercare.events.catalogue import parse
from aftercare.events.vocabulary import MARKETPLACES
from aftercare.kernel.envelope import Event, EventData
from aftercare.kernel.ids import stable_id
from aftercare.kernel.times import to_text

VERSION = 1
LONGEST_ID_IN_KEY = 100


@dataclass(frozen=True, slots=True)
class Fact:
    """One event and what of it must be erasable: ``private`` holds ``buyer``, ``note``, ``text`` as they came."""

    event: Event[EventData]
    buyer: str | None
    key: str
    private: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Arrival:
    """The delivery that facts are read from."""

    shop: str
    delivery_id: str
    received_at: datetime

    def event(self, name: str, data: Mapping[str, Any], element: int = 0) -> Event[EventData]:
        """The event that the delivery's part number ``element`` says, as of its arrival.

        Raises ``MalformedInput`` for data that is not the catalogue's.
        """
        metadata = {
            "event_id": stable_id(self.shop, self.delivery_id, element, name),
            "version": VERSION,
            "occurred_at": to_text(self.received_at),
            "shop": self.shop,
        }
        return parse(MARKETPLACES, name, {"metadata": metadata, "data": data})

    def happened_at(self, event: Event[EventData], occurred_at: datetime) -> Event[EventData]:
        """The event with its own time; the arrival is stated where it differs."""
        arrival = None if self.received_at == occurred_at else self.received_at
        times = {"occurred_at": occurred_at, "received_at": arrival}
        return replace(event, metadata=event.metadata.model_copy(update=times))


def id_in_key(id_: str) -> str:
    """The id, or a hash of it: references and sort keys have a greatest length."""
    return id_ if len(id_) <= LONGEST_ID_IN_KEY else stable_id(id_)
