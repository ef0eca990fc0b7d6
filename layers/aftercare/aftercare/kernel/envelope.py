"""The event envelope: what every fact carries on the bus, whatever it says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

from aftercare.kernel.ids import ShopId, stable_id
from aftercare.kernel.times import UtcTime


class Metadata(BaseModel):
    """Who said it, when it happened, and what it follows from. Times are UTC."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    event_id: str
    version: int
    occurred_at: UtcTime
    received_at: UtcTime | None = None
    shop: ShopId
    sequence: int | None = None
    caused_by: str | None = None


class EventData(BaseModel):
    """What an event says. A subclass is one version of one entry of the catalogue.

    ``sources`` are the rooms that may say it; the first is the one used when we say it ourselves. ``public`` is what no
    function of this system need hear: it is said for whoever adds a rule to the bus.
    """

    # a cold function hears a few events of the families it imports: only those are built, when the first one comes
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, defer_build=True)

    name: ClassVar[str]
    version: ClassVar[int] = 1
    sources: ClassVar[tuple[str, ...]]
    public: ClassVar[bool] = False


DataT_co = TypeVar("DataT_co", bound=EventData, covariant=True)


@dataclass(frozen=True)
class Event(Generic[DataT_co]):
    """One event as it stands on the bus."""

    source: str
    metadata: Metadata
    data: DataT_co

    def detail(self) -> dict[str, Any]:
        """The ``detail`` of the EventBridge event, ready for JSON; absent optional fields are left out."""
        return {
            "metadata": self.metadata.model_dump(mode="json", exclude_none=True),
            "data": self.data.model_dump(mode="json", exclude_none=True),
        }

    def entry(self) -> dict[str, Any]:
        """The event in EventBridge's own shape: ``source``, ``detail-type``, ``detail``."""
        return {"source": self.source, "detail-type": self.data.name, "detail": self.detail()}

    def entry_as_json(self) -> str:
        """``entry`` as JSON text, without the objects in between."""
        metadata, data = (part.model_dump_json(exclude_none=True) for part in (self.metadata, self.data))
        detail = f'{{"metadata":{metadata},"data":{data}}}'
        return f'{{"source":{json.dumps(self.source)},"detail-type":{json.dumps(self.data.name)},"detail":{detail}}}'


class Producer(NamedTuple):
    """The item version that says the events; their ids follow from it, so a repeated write says the same ids."""

    item: str
    created_at: datetime
    version: int
    shop: str
    caused_by: str | None


def outgoing(producer: Producer, said: Sequence[EventData], occurred_at: datetime) -> list[Event[EventData]]:
    """The events that one write of one item causes, with ids computed from item, creation time, version and index."""
    return [
        Event(
            source=data.sources[0],
            data=data,
            metadata=Metadata(
                event_id=stable_id(producer.item, producer.created_at.isoformat(), producer.version, index),
                version=data.version,
                occurred_at=occurred_at,
                shop=producer.shop,
                sequence=producer.version,
                caused_by=producer.caused_by,
            ),
        )
        for index, data in enumerate(said)
    ]


def to_outbox(events: Sequence[Event[EventData]]) -> str:
    """The complete events as one JSON text, as the relay publishes them."""
    return f"[{','.join(event.entry_as_json() for event in events)}]"
