"""What a delivery at the standard door says. Pure: a body in, catalogue events out.

The body is ``{"type": "refund.requested", "timestamp": "2026-11-02T08:00:00Z", "data": {…}}``; ``data`` has the fields
of the catalogue's event, except that ``buyer``, ``note`` and ``text`` are raw. Here the buyer becomes a pseudonym and
free text a reference; what was replaced goes to an erasable item.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aftercare.kernel.errors import MalformedInput
from aftercare.kernel.ids import pseudonym
from aftercare.kernel.ports import NO_HEADING, Heading
from aftercare.kernel.times import from_text
from aftercare.marketplaces.facts import Arrival, Fact, id_in_key
from aftercare.marketplaces.json_body import read_object

LONGEST_ID = 256


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


def translate(
    body: bytes,
    *,
    shop: str,
    delivery_id: str,
    received_at: datetime,
    pseudonym_key: bytes,
    ref_of: Callable[[str, str | None, str], str],
    heading: Heading = NO_HEADING,  # noqa: ARG001  at this door the body says it all
) -> Sequence[Fact] | None:
    """The one fact of a delivery, or None for a ``type`` that stands in no row of ``TOPICS``.

    ``ref_of(shop, pseudonym, fact's key)`` says where a fact's erasable item stands. Raises ``MalformedInput`` for
    anything that is not the contract, with a reason that never repeats what was read.
    """
    content = read_object(body)
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
    arrival = Arrival(shop, delivery_id, received_at)

    private: dict[str, str] = {}
    buyer: str | None = None
    key = "" if topic.person is None else f"{topic.event}#{id_in_key(_id_of(data, topic.person))}"
    if topic.buyer:
        private["buyer"] = _id_of(data, "buyer")
        data["buyer"] = buyer = pseudonym(pseudonym_key, shop, private["buyer"])
    if topic.text:
        _replace_text(data, topic.text, private, ref_of(shop, buyer, key))

    event = arrival.event(topic.event, data)
    own_time = None if topic.time is None else getattr(event.data, topic.time)
    return [Fact(arrival.happened_at(event, own_time or stated_at or received_at), buyer, key, private)]


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


def _timestamp(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        return from_text(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise MalformedInput("timestamp is not RFC 3339 text with an offset") from None
