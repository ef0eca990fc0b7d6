"""How a function hears its queue: events of the bus, timers of the sweep, and what neither of them should have sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from aftercare.aws.batch import process_batch
from aftercare.aws.logs import log
from aftercare.aws.metrics import measure
from aftercare.events.catalogue import read_json
from aftercare.kernel.due import from_message
from aftercare.kernel.envelope import Event, EventData
from aftercare.kernel.errors import MalformedInput
from aftercare.kernel.ids import ShopId
from aftercare.kernel.ports import Clock
from aftercare.kernel.table import Key, Table


class Consumer:
    """Hands each message to the one that understands it; poison is kept whole and acknowledged."""

    def __init__(
        self,
        *,
        clock: Clock,
        intake_table: Table,
        on_event: Callable[[Event[EventData]], None],
        on_due: Callable[[Key], None] | None = None,
    ) -> None:
        self._clock = clock
        self._intake_table = intake_table
        self._on_event = on_event
        self._on_due = on_due

    def consume(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """In: an SQS event. Out: the partial batch answer."""
        return process_batch(event, self._each, about)

    def _each(self, record: Mapping[str, Any]) -> None:
        body: str = record["body"]
        try:
            due = from_message(body)
            if due is None:
                self._on_event(read_json(body))
            elif self._on_due is not None:
                self._on_due(due)
        except MalformedInput as malformed:
            log("event set aside", level="ERROR", message_id=record["messageId"], reason=str(malformed))
            self._set_aside(body, str(malformed))
            measure("EventsSetAside")

    def _set_aside(self, body: str, reason: str) -> None:
        # nearly every process ends without ever having needed these
        from aftercare.intake import store
        from aftercare.intake.model import SetAside, Shelf

        digest = hashlib.sha256(body.encode()).hexdigest()
        entry = SetAside(Shelf.EVENTS, shop_in(body), digest, self._clock.now(), reason, body)
        store.set_aside(self._intake_table, entry)


def shop_in(body: str) -> str:
    """The shop that a message which nobody understands seems to be about, so that its merchant finds it."""
    from pydantic import TypeAdapter

    try:
        shop: str = TypeAdapter(ShopId).validate_python(json.loads(body)["detail"]["metadata"]["shop"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "unknown"
    return shop


def about(record: Mapping[str, Any]) -> dict[str, str | None]:
    """The log fields by which a record is followed to what caused it; nothing of one that cannot be read."""
    try:
        due = from_message(record["body"])
        if due is not None:
            return {"item": str(due)}
        event = read_json(record["body"])
    except MalformedInput:
        return {}
    return {
        "shop": event.metadata.shop,
        "event_name": event.data.name,
        "event_id": event.metadata.event_id,
        "caused_by": event.metadata.caused_by,
        "order_id": getattr(event.data, "order_id", None),
    }
