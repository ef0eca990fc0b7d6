"""The shop itself: reviews of it, services it offers, violations, and the right to act for it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from aftercare.events.vocabulary import MARKETPLACES, Flag, Name, Revision, Shape, Stars, TextRef
from aftercare.kernel.envelope import EventData
from aftercare.kernel.ids import Id
from aftercare.kernel.times import UtcTime


class ReviewStars(Shape):
    """One to five stars for each thing that the marketplace asks about."""

    item: Stars | None = None
    delivery: Stars | None = None
    service: Stars | None = None


class ReviewPosted(EventData):
    """A buyer reviewed an order, changed the review, or took it down.

    Recognise it by ``review_id`` and ``revision``; the highest revision is the truth, and a removed review counts
    nowhere.
    """

    name = "ReviewPosted"
    sources = (MARKETPLACES,)

    review_id: Id
    order_id: Id
    item_id: Id | None = None
    posted_at: UtcTime
    stars: ReviewStars
    text: TextRef | None = None
    revision: Annotated[Revision | None, Field(description="absent: the first")] = None
    removed: Flag | None = None


class ServiceEnrolled(EventData):
    """The shop joined or left one of the marketplace's services, such as freight insurance for returns.

    Recognise it by ``service`` and ``since``; the latest ``since`` holds.
    """

    name = "ServiceEnrolled"
    sources = (MARKETPLACES,)

    service: Annotated[Name, Field(description="the marketplace's own word")]
    active: Flag
    since: UtcTime


class ViolationRecorded(EventData):
    """The marketplace recorded a violation of its rules by the shop. Recognise it by ``kind``, ``order_id``, ``at``."""

    name = "ViolationRecorded"
    sources = (MARKETPLACES,)

    kind: Annotated[Name, Field(description="the marketplace's own word")]
    order_id: Id | None = None
    at: UtcTime


class ShopAuthorizationRevoked(EventData):
    """The shop withdrew the right to read its data and to act for it: from then on nothing is done in its name.

    Recognise it by ``metadata.shop`` and ``at``.
    """

    name = "ShopAuthorizationRevoked"
    sources = (MARKETPLACES,)

    at: UtcTime
