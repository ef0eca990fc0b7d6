"""Scores: what was measured on a day, and the score of a week."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, Strict

from aftercare.events.vocabulary import SCORES, Count, DecimalText, Interval, Name, Revision, Shape, Window
from aftercare.kernel.envelope import EventData
from aftercare.kernel.times import UtcTime


def _from_text(value: Any) -> Any:
    # pydantic would read a number, even as text, as a Unix time
    return dt.date.fromisoformat(value) if isinstance(value, str) else value


Day = Annotated[dt.date, Strict(), BeforeValidator(_from_text)]
"""A calendar day in the shop's zone."""


class Measure(Shape):
    """A metric's numerator and denominator: orders, rounds or ratings; seconds where it measures time."""

    id: Name
    numerator: Count
    denominator: Count


class ScoredMeasure(Measure):
    """A metric as it entered a score. Without a denominator it has no value."""

    value: DecimalText | None = None
    points: DecimalText | None = None
    interval: Annotated[Interval | None, Field(description="of the value, at 95 %")] = None


class Dimension(Shape):
    """A part of a score, with its weight."""

    id: Name
    points: DecimalText | None = None
    weight: DecimalText


class Adjustment(Shape):
    """Points added to or taken from a score, and what for."""

    id: Name
    points: DecimalText


class DayMeasured(EventData):
    """All that is known of one day of a shop, metric by metric, counted on the day of the denominator.

    Recognise it by ``metadata.shop``, ``day`` and ``revision``: a later fact gives a new revision, and the highest is
    the truth.
    """

    name = "DayMeasured"
    sources = (SCORES,)

    day: Annotated[Day, Field(description="in the shop's zone")]
    time_zone: Annotated[Name | None, Field(description="the shop's, an IANA name; absent: UTC")] = None
    metrics: tuple[Measure, ...]
    revision: Revision


class DailyStandardAtRisk(EventData):
    """A shop is below what it has to reach on every single day, while there is still time to mend it.

    Recognise it by ``metadata.shop``, ``day`` and ``metric``: it is said once a day at most.
    """

    name = "DailyStandardAtRisk"
    sources = (SCORES,)
    public = True

    day: Annotated[Day, Field(description="today, in the shop's zone")]
    metric: Name
    numerator: Count
    denominator: Annotated[Count, Field(description="cases of the day so far")]
    standard: Annotated[DecimalText, Field(description="the share to be reached by the end of the day")]
    ends_at: Annotated[UtcTime, Field(description="the end of the day")]


class ScorePublished(EventData):
    """A shop's service score for one week, with everything it was made of.

    Recognise it by ``metadata.shop``, ``week`` and ``revision``; the highest revision is the truth. A shop with too
    few orders has no score that buyers see: ``reason`` says why.
    """

    name = "ScorePublished"
    sources = (SCORES,)

    week: Annotated[str, Field(pattern=r"^[0-9]{4}-W[0-9]{2}$", description="ISO 8601 week, in the shop's zone")]
    window: Annotated[Window, Field(description="the time that was measured")]
    pack: Annotated[Name, Field(description="the rule pack that it was computed by")]
    metrics: tuple[ScoredMeasure, ...]
    dimensions: tuple[Dimension, ...]
    bonus: tuple[Adjustment, ...]
    deductions: tuple[Adjustment, ...]
    score: Annotated[DecimalText | None, Field(description="exact, on the pack's scale")] = None
    shown: Annotated[DecimalText | None, Field(description="as buyers see it; absent when it is not shown")] = None
    reason: Annotated[Name | None, Field(description="why it is not shown")] = None
    service_weight: DecimalText
    revision: Revision
