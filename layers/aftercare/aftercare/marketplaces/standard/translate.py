"""What a delivery at the standard door says. Pure: a body in, catalogue events out.

The body is ``{"type": "refund.requested", "timestamp": "2026-11-02T08:00:00Z", "data": {…}}``; ``data`` has the fields
of the catalogue's event, except that ``buyer``, ``note`` and ``text`` are raw. Here the buyer becomes a pseudonym and
free text a reference; what was replaced goes to an erasable item.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NoReturn

from aftercare.events.catalogue import parse
from aftercare.events.vocabulary import MARKETPLACES
from aftercare.kernel.envelope import Event, EventData
from aftercare.kernel.errors import MalformedInput
from aftercare.kernel.ids import pseudonym, stable_id
from aftercare.kernel.times import from_text, to_text

VERSION = 1
ONLY_ELEMENT = 0
"""A delivery at this door says one thing."""

DEEPEST = 32
LONGEST_ID = 256
LONGEST_ID_IN_KEY = 100


@dataclass(frozen=True, slots=True)
class Topic:
    """How a ``type`` reads.

    ``time`` is the field that says when it happened; without one it happened at the body's ``timestamp``. ``person``
    names the field whose value tells apart the facts that hold personal data: the raw ``buyer`` (where ``buyer``),
    and the free text at the path ``text``.
    """

    event: str
    time: str | None
    person: str | None = None
    buyer: bool = False
    text: tuple[str, ...] = ()


TOPICS: Mapping[str, Topic] = {
    "order.paid": Topic("OrderPaid", "paid_at", person="order_id", buyer=True),
    "order.cancelled": Topic("OrderCancelled", "at"),
    "order.completed": Topic("OrderCompleted", "at"),
    "order.promised": Topic("OrderPromised", "made_at"),
    "order.shipped": Topic("OrderShipped", "uploaded_at"),
    "out_of_stock.declared": Topic("OutOfStockDeclared", "at"),
    # the event's name cut after its first word, as every other name here is
    "out.of_stock_declared": Topic("OutOfStockDeclared", "at"),
    "parcel.scanned": Topic("ParcelScanned", "scanned_at"),
    "parcel.traced": Topic("ParcelTraced", None),
    "parcel.exception_reported": Topic("ParcelExceptionReported", "at"),
    "parcel.exception_lifted": Topic("ParcelExceptionLifted", "at"),
    "refund.requested": Topic(
        "RefundRequested", "requested_at", person="refund_id", buyer=True, text=("reason", "note")
    ),
    # requested_at is when the request was first made, not when it changed
    "refund.updated": Topic("RefundUpdated", None, person="refund_id", buyer=True, text=("reason", "note")),
    "refund.decided": Topic("RefundDecided", "decided_at"),
    "return.shipped": Topic("ReturnShipped", "at"),
    "return.received": Topic("ReturnReceived", "at"),
    "platform.stepped_in": Topic("PlatformSteppedIn", "at"),
    "platform.step_closed": Topic("PlatformStepClosed", "at"),
    "offer.answered": Topic("OfferAnswered", "answered_at"),
    "support.contacted": Topic("SupportContacted", "contacted_at", person="session_id", buyer=True),
    "chat.message_posted": Topic("ChatMessagePosted", "at"),
    # a round that nobody answered was closed at the body's timestamp
    "chat.round_closed": Topic("ChatRoundClosed", "answered_at"),
    "chat.rated": Topic("ChatRated", "rated_at"),
    "review.posted": Topic("ReviewPosted", "posted_at", person="review_id", text=("text",)),
    "service.enrolled": Topic("ServiceEnrolled", "since"),
    "violation.recorded": Topic("ViolationRecorded", "at"),
    "shop.authorization_revoked": Topic("ShopAuthorizationRevoked", "at"),
}
"""Every ``type`` of this door: a catalogue name in lower case, its subject before the dot, the rest after it."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One event and what of it must be erasable: ``private`` holds ``buyer``, ``note``, ``text`` as they came."""

    event: Event[EventData]
    buyer: str | None
    key: str
    private: Mapping[str, str]


def translate(
    body: bytes,
    *,
    shop: str,
    delivery_id: str,
    received_at: datetime,
    pseudonym_key: bytes,
    ref_of: Callable[[str, str | None, str], str],
) -> Sequence[Fact] | None:
    """The one fact of a delivery, or None for a ``type`` that stands in no row of ``TOPICS``.

    ``ref_of(shop, pseudonym, fact's key)`` says where a fact's erasable item stands. Raises ``MalformedInput`` for
    anything that is not the contract, with a reason that never repeats what was read.
    """
    content = _object(body)
    type_ = content.get("type")
    if not isinstance(type_, str):
        raise MalformedInput("type is not text")
    topic = TOPICS.get(type_)
    if topic is None:
        return None
    data = content.get("data")
    if not isinstance(data, dict):
        raise MalformedInput("data is not an object")
    stated_at = _timestamp(content.get("timestamp"))

    private: dict[str, str] = {}
    buyer: str | None = None
    key = "" if topic.person is None else f"{topic.event}#{_short(_id_of(data, topic.person))}"
    if topic.buyer:
        private["buyer"] = _id_of(data, "buyer")
        data["buyer"] = buyer = pseudonym(pseudonym_key, shop, private["buyer"])
    if topic.text:
        _replace_text(data, topic.text, private, ref_of(shop, buyer, key))

    metadata = {
        "event_id": stable_id(shop, delivery_id, ONLY_ELEMENT, topic.event),
        "version": VERSION,
        "occurred_at": to_text(received_at),
        "shop": shop,
    }
    event = parse(MARKETPLACES, topic.event, {"metadata": metadata, "data": data})
    own_time = None if topic.time is None else getattr(event.data, topic.time)
    return [Fact(_at(event, own_time or stated_at or received_at, received_at), buyer, key, private)]


def _at(event: Event[EventData], occurred_at: datetime, received_at: datetime) -> Event[EventData]:
    arrival = None if received_at == occurred_at else received_at
    times = {"occurred_at": occurred_at, "received_at": arrival}
    return replace(event, metadata=event.metadata.model_copy(update=times))


# ---------------------------------------------------------------- personal data


def _id_of(data: Mapping[str, Any], field: str) -> str:
    value = data.get(field)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_ID:
        raise MalformedInput(f"{field} is not an id of 1 to {LONGEST_ID} characters")
    return value


def _replace_text(data: dict[str, Any], path: tuple[str, ...], private: dict[str, str], ref: str) -> None:
    holder: Any = data
    for name in path[:-1]:
        holder = holder.get(name)
        if not isinstance(holder, dict):
            return  # the event's model says what is wrong with it
    field = path[-1]
    text = holder.get(field)
    if text is None or text == "":
        holder[field] = None
        return
    if not isinstance(text, str):
        raise MalformedInput(f"{'.'.join(path)} is not text")
    private[field] = text
    holder[field] = {"ref": ref, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def _short(id_: str) -> str:
    # references and sort keys have a greatest length
    return id_ if len(id_) <= LONGEST_ID_IN_KEY else stable_id(id_)


# ---------------------------------------------------------------- JSON


@dataclass(frozen=True, slots=True)
class _Fraction:
    """A JSON number with a fraction or an exponent: no field takes one, so it is refused wherever it matters."""

    text: str


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(
            body.decode(), object_pairs_hook=_unique, parse_float=_Fraction, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError:
        raise MalformedInput("the body is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise MalformedInput(f"the body is not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise MalformedInput("the body is nested too deeply") from None
    except ValueError:
        raise MalformedInput("the body holds a number of too many digits") from None
    if not isinstance(content, dict):
        raise MalformedInput("the body is not a JSON object")
    try:
        _require_storable(content, DEEPEST)
    except UnicodeEncodeError:
        raise MalformedInput("the body holds half of a character (a lone surrogate)") from None
    return content


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise MalformedInput("an object of the body names a field twice")
    return content


def _refuse_constant(_name: str) -> NoReturn:
    raise MalformedInput("the body holds NaN or Infinity, which are not JSON")


def _require_storable(value: object, levels: int) -> None:
    if isinstance(value, str):
        value.encode()  # JSON can escape what UTF-8, and with it every store, cannot hold
        return
    if not isinstance(value, dict | list):
        return
    if levels == 0:
        raise MalformedInput(f"the body is nested deeper than {DEEPEST} levels")
    for part in value.values() if isinstance(value, dict) else value:
        _require_storable(part, levels - 1)


def _timestamp(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        return from_text(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise MalformedInput("timestamp is not RFC 3339 text with an offset") from None
