"""What a Shopify webhook says. Pure: a body and its topic in, catalogue events out.

The topic stands in a header that is not signed. It only chooses the reading: what a fact says comes from the body,
which must bear the topic out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from aftercare.kernel.errors import MalformedInput, NotTranslated
from aftercare.kernel.ids import pseudonym
from aftercare.kernel.ports import Heading
from aftercare.marketplaces.facts import Arrival, Fact, id_in_key
from aftercare.marketplaces.json_body import read_object
from aftercare.marketplaces.shopify import orders, parcels, refunds
from aftercare.marketplaces.shopify.reading import Body, Told, required_id, text

UNINSTALLED = "app/uninstalled"

READINGS: Mapping[str, Callable[[Body], Iterable[Told]]] = {
    "orders/paid": orders.paid,
    "orders/cancelled": orders.cancelled,
    "orders/fulfilled": parcels.fulfilled,
    "orders/partially_fulfilled": parcels.fulfilled,
    "fulfillments/create": parcels.shipped,
    "fulfillments/update": parcels.shipped,
    "fulfillment_events/create": parcels.scanned,
    "refunds/create": refunds.refunded,
}

THIN = "a return without its amount, buyer and reason: it has to be read before it says anything"

PARKED: Mapping[str, str] = {
    "returns/request": THIN,
    "returns/approve": THIN,
    "returns/decline": THIN,
    "returns/update": THIN,
    "returns/process": THIN,
    "returns/cancel": THIN,
    "returns/close": THIN,
    "returns/reopen": THIN,
    "customers/data_request": "a buyer asks what the shop keeps of them: for a person to answer",
    "customers/redact": "a buyer is to be erased: for a person to do",
    "shop/redact": "everything of a shop that left is to be erased: for a person to do",
}
"""Topics that are understood and tell no fact by themselves, each with the reason that stands beside it."""


def translate(
    body: bytes,
    *,
    shop: str,
    delivery_id: str,
    received_at: datetime,
    pseudonym_key: bytes,
    ref_of: Callable[[str, str | None, str], str],  # noqa: ARG001  no text of a buyer's travels from this door
    heading: Heading,
) -> Sequence[Fact] | None:
    """The facts of a delivery, or None for a topic that stands in no table here.

    Raises ``MalformedInput`` for a body that is not the topic's, and ``NotTranslated`` for one that tells no fact.
    """
    topic = heading.topic or ""
    if topic in PARKED:
        raise NotTranslated(PARKED[topic])
    reading = READINGS.get(topic)
    if reading is None and topic != UNINSTALLED:
        return None
    content = read_object(body)
    arrival = Arrival(shop, delivery_id, received_at)
    said = _uninstalled(content, heading, arrival) if reading is None else reading(content)
    return [_fact(told, arrival, element, pseudonym_key) for element, told in enumerate(said)]


def _uninstalled(of_shop: Body, heading: Heading, arrival: Arrival) -> Iterable[Told]:
    """``app/uninstalled``: the body describes the shop and has no time, so the header's is taken where it has one."""
    required_id(of_shop, "id")
    domain = text(of_shop, "myshopify_domain")
    if domain is not None and f"shopify:{domain.lower()}" != f"{arrival.shop}.myshopify.com":
        raise MalformedInput("the body describes another shop")
    at = heading.triggered_at or arrival.received_at
    yield Told("ShopAuthorizationRevoked", at, {"at": at})


def _fact(told: Told, arrival: Arrival, element: int, pseudonym_key: bytes) -> Fact:
    data, buyer, key, private = told.data, None, "", {}
    if told.customer is not None:
        buyer = data["buyer"] = pseudonym(pseudonym_key, arrival.shop, told.customer)
        key = f"{told.name}#{id_in_key(data['order_id'])}"
        private = {"buyer": told.customer}
    event = arrival.event(told.name, data, element)
    return Fact(arrival.happened_at(event, told.happened_at), buyer, key, private)
