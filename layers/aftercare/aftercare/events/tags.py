"""Service tags: the marks that buyers see on a shop or an item."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from aftercare.events.vocabulary import TAGS, Count, Interval, Name, Revision, Shape, Window, Words
from aftercare.kernel.envelope import EventData
from aftercare.kernel.ids import Id
from aftercare.kernel.times import UtcTime


class Evidence(Shape):
    """The measurement that a tag's change rests on."""

    metric: Name
    numerator: Count
    denominator: Count
    interval: Annotated[Interval | None, Field(description="at 95 %")] = None
    window: Window


class TagChanged(EventData):
    """A service tag of a shop or of one item was granted, warned, suspended, restored or withdrawn.

    Recognise it by ``metadata.shop``, ``tag``, ``item_id`` and ``revision``; the highest revision is the truth. A
    promise that a tag made to an order stays with the order.
    """

    name = "TagChanged"
    sources = (TAGS,)

    tag: Id
    kind: Annotated[Name, Field(description="a number that is shown, or a promise that binds")]
    state: Name
    previous: Name
    item_id: Annotated[Id | None, Field(description="absent: the whole shop")] = None
    value: Annotated[Name | None, Field(description="the number shown, as text")] = None
    text: Words
    evidence: Evidence | None = None
    since: UtcTime
    valid_until: UtcTime | None = None
    rule: Name
    reason: Name
    revision: Revision
