"""Deliveries and what becomes of them. Pure.

The doors themselves are another room: here stand only the shapes of what they do.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from aftercare.kernel.errors import MalformedInput
from aftercare.kernel.ports import NO_HEADING, Genuine, Heading

if TYPE_CHECKING:
    # the models behind it take longer to load than a webhook's sender likes to wait
    from aftercare.kernel.envelope import Event, EventData

# A queue stores U+FFFD in the place of these without a word, so a body that holds one cannot travel as text.
NOT_IN_QUEUES = ("\ufffe", "\uffff")


class Verify(Protocol):
    """A door's check of who sent a delivery."""

    def __call__(
        self, headers: Mapping[str, str], body: bytes, credentials: Mapping[str, Any] | None, now: datetime
    ) -> Genuine:
        """Raises ``DomainError`` for a delivery that is not genuine or not fresh; ``headers`` have lower-case names.

        ``credentials`` is None for an unknown shop: the work is the same and the delivery is refused.
        """


class Fact(Protocol):
    """One event of a delivery, and what of it must be erasable.

    ``private`` is empty where a fact holds nothing about a buyer. ``buyer`` is the pseudonym, None where no buyer is
    named; ``key`` tells the fact from all others of that buyer (or of the shop).
    """

    @property
    def event(self) -> Event[EventData]: ...
    @property
    def buyer(self) -> str | None: ...
    @property
    def key(self) -> str: ...
    @property
    def private(self) -> Mapping[str, str]: ...


RefOf = Callable[[str, str | None, str], str]
"""Where the erasable item of (shop, buyer's pseudonym, fact's key) stands, as text for the bus."""


class Translate(Protocol):
    """A door's reading of a genuine delivery."""

    def __call__(
        self,
        body: bytes,
        *,
        shop: str,
        delivery_id: str,
        received_at: datetime,
        pseudonym_key: bytes,
        ref_of: RefOf,
        heading: Heading,
    ) -> Sequence[Fact] | None:
        """The facts in the delivery, None for a topic that the door does not know.

        Raises ``MalformedInput``, and ``NotTranslated`` for what is to be parked with a reason of the door's own.
        """


@dataclass(frozen=True, slots=True)
class Delivery:
    """A genuine delivery, byte for byte; ``delivery_id`` is the door's dedupe key, the same over retries."""

    door: str
    shop_id: str
    delivery_id: str
    received_at: datetime
    body: bytes
    heading: Heading = NO_HEADING

    @property
    def shop(self) -> str:
        return f"{self.door}:{self.shop_id}"

    def to_message(self) -> str:
        """The delivery as the text of one queue message, at most about 350 KB for a body of 256 KB.

        A body is plain text there when that keeps it exact and is the shorter form, else base64.
        """
        head = {
            "door": self.door,
            "shop_id": self.shop_id,
            "delivery_id": self.delivery_id,
            "received_at": self.received_at.isoformat(),
            **_heading_to_json(self.heading),
        }
        encoded = _json({**head, "base64": base64.b64encode(self.body).decode()})
        text = _text_of(self.body)
        if text is None:
            return encoded
        plain = _json({**head, "body": text})
        return plain if len(plain.encode()) <= len(encoded) else encoded

    @classmethod
    def from_message(cls, message: str) -> Delivery:
        """Raises ``MalformedInput`` for a message that ``to_message`` did not write."""
        try:
            content = json.loads(message)
            body = content["body"].encode() if "body" in content else base64.b64decode(content["base64"], validate=True)
            received_at = datetime.fromisoformat(content["received_at"])
            if received_at.tzinfo is None:
                raise MalformedInput("not a delivery of ours: a time without an offset")
            triggered_at = content.get("triggered_at")
            return cls(
                door=str(content["door"]),
                shop_id=str(content["shop_id"]),
                delivery_id=str(content["delivery_id"]),
                received_at=received_at,
                body=body,
                heading=Heading(
                    topic=content.get("topic"),
                    triggered_at=None if triggered_at is None else datetime.fromisoformat(triggered_at),
                ),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
            raise MalformedInput(f"not a delivery of ours: {type(error).__name__}") from error


class Shelf(StrEnum):
    """Why a delivery is set aside."""

    QUARANTINE = "QUARANTINE"
    """It cannot be understood, or the bus cannot take what it says."""
    PARKED = "PARKED"
    """Its topic is none of ours (yet)."""
    EVENTS = "EVENTS"
    """Not a delivery: an event of ours that the bus, or the function that hears it, could not take."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """A delivery that is kept for a person to look at: ``message`` is the whole queue message."""

    shelf: Shelf
    shop: str
    delivery_id: str
    received_at: datetime
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A delivery that was set aside, as it stands now; ``id`` names it within its shop and shelf.

    ``version`` goes back with a replay, so that one click replays once.
    """

    id: str
    entry: SetAside
    version: int
    replays: int
    replayed_at: datetime | None


def _heading_to_json(heading: Heading) -> dict[str, str]:
    triggered_at = None if heading.triggered_at is None else heading.triggered_at.isoformat()
    said = {"topic": heading.topic, "triggered_at": triggered_at}
    return {name: value for name, value in said.items() if value is not None}


def _json(content: Mapping[str, str]) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _text_of(body: bytes) -> str | None:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return None if any(character in text for character in NOT_IN_QUEUES) else text
