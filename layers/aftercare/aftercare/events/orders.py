"""Orders: what was bought and promised, and what became of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from aftercare.events.vocabulary import (
    MARKETPLACES,
    TAGS,
    Buyer,
    Flag,
    Line,
    Name,
    Parcel,
    Party,
    Promise,
    PromiseSource,
    Region,
)
from aftercare.kernel.envelope import EventData
from aftercare.kernel.ids import Id
from aftercare.kernel.money import NonNegativeMoney
from aftercare.kernel.times import UtcTime


class OrderPaid(EventData):
    """A buyer has paid for an order. From here on the shop's promises count, so the event carries what was promised.

    One order, one event: recognise it by ``order_id``. Parcels' scans may arrive before it.
    """

    name = "OrderPaid"
    sources = (MARKETPLACES,)

    order_id: Id
    buyer: Buyer
    locale: Annotated[Name | None, Field(description="the buyer's language, BCP 47")] = None
    time_zone: Annotated[Name | None, Field(description="the buyer's, an IANA name")] = None
    paid_at: UtcTime
    amount: Annotated[NonNegativeMoney, Field(description="all that was paid, postage included")]
    postage: NonNegativeMoney | None = None
    lines: tuple[Line, ...]
    promise: Promise
    origin: Annotated[Region | None, Field(description="where the parcel starts")] = None
    destination: Region | None = None
    destination_key: Annotated[Id | None, Field(description="keyed hash of the address")] = None
    insured: Annotated[Flag | None, Field(description="with freight insurance for a return")] = None
    presale: Flag | None = None
    deposit_paid_at: Annotated[UtcTime | None, Field(description="of a presale; paid_at is the final payment")] = None
    flags: Annotated[tuple[Name, ...] | None, Field(description="the marketplace's marks on the order")] = None


class OrderCancelled(EventData):
    """An order was called off: it no longer has to be shipped. Recognise it by ``order_id``; it happens once."""

    name = "OrderCancelled"
    sources = (MARKETPLACES,)

    order_id: Id
    at: UtcTime
    by: Party | None = None


class OrderCompleted(EventData):
    """The buyer, or the marketplace for them, confirmed the order as received. Recognise it by ``order_id``."""

    name = "OrderCompleted"
    sources = (MARKETPLACES,)

    order_id: Id
    at: UtcTime
    by: Party | None = None


class OutOfStockDeclared(EventData):
    """It was said that the goods of a paid order are not there. Recognise it by ``order_id``; the earliest counts."""

    name = "OutOfStockDeclared"
    sources = (MARKETPLACES,)

    order_id: Id
    at: UtcTime
    by: Party | None = None


class OrderPromised(EventData):
    """Something was promised to an order beside its payment: by a listing, a title, a service tag or an agreement.

    Recognise it by ``order_id``, ``source``, ``tag`` and ``made_at``. An order may have several; the rules of the
    day it was paid decide which one counts.
    """

    name = "OrderPromised"
    # the room that says it through its outbox comes first; a marketplace's translation names its own source
    sources = (TAGS, MARKETPLACES)

    order_id: Id
    source: PromiseSource
    tag: Id | None = None
    terms: Annotated[Name | None, Field(description="the tag's id and its rule version")] = None
    ship_by: UtcTime | None = None
    deliver_by: UtcTime | None = None
    door_delivery: Flag | None = None
    made_at: UtcTime


class OrderShipped(EventData):
    """A parcel's number was uploaded for an order. The goods need not have moved: only a scan proves a pickup.

    Recognise it by ``order_id`` and ``parcel``; an order in several parcels has several.
    """

    name = "OrderShipped"
    sources = (MARKETPLACES,)

    order_id: Id
    parcel: Parcel
    uploaded_at: UtcTime
