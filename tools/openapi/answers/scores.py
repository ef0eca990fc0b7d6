"""Answers about scores. Numbers are decimal text."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from aftercare.events.vocabulary import DecimalText, Interval
from aftercare.scores.model.card import Grade, Label, Note
from tools.openapi.answers.shared import Count, Cursor, Day, Time, Version, Week


class ScoredWeek(TypedDict):
    """`score` is exact, `shown` what buyers see; `reason` says why they see none."""

    week: Week | None
    revision: Annotated[int | None, Field(description="null for a provisional card")]
    score: DecimalText | None
    shown: DecimalText | None
    reason: str | None
    grade: Grade | None
    valid_orders: Count


class Weeks(TypedDict):
    weeks: list[ScoredWeek]


class TimeSpan(TypedDict):
    """From the first moment to the first moment after it."""

    since: Annotated[Time, Field(alias="from")]
    to: Time


class DimensionLine(TypedDict):
    """Without points where nothing of it was measured: then the other weights count for more."""

    id: str
    points: DecimalText | None
    weight: DecimalText


class MetricChange(TypedDict):
    """Points of the score that came or went: by cases that left the window, that entered it, and by all else."""

    points: DecimalText
    left: DecimalText
    entered: DecimalText
    restated: DecimalText


class MetricLine(TypedDict):
    """`value` is what was counted, `judged` what the points are for, `share` its part of the score."""

    id: str
    title: str
    counted: str
    of: str
    dimension: str | None
    better: Literal["higher", "lower"]
    unit: Literal["ratio", "hours", "seconds", "stars"]
    numerator: int
    denominator: Count
    value: DecimalText | None
    interval: Interval | None
    target: DecimalText | None
    label: Label | None
    judged: DecimalText | None
    points: DecimalText | None
    share: DecimalText
    contribution: DecimalText | None
    beats_percent: int | None
    note: Note | None
    change: MetricChange | None


class AdjustmentLine(TypedDict):
    id: str
    points: DecimalText


class ExcludedCases(TypedDict):
    metric: str
    cases: Count


class ScoreChange(TypedDict):
    """The change since the week before, by what made it."""

    score: DecimalText
    left: DecimalText
    entered: DecimalText
    restated: DecimalText
    bonus: DecimalText
    deductions: DecimalText
    limits: DecimalText


class NextStep(TypedDict):
    """The way to the next 0.1: good cases of one metric alone, or faultless orders; null where no number does."""

    shown: DecimalText
    good_orders: int | None
    good_cases: dict[str, int | None]


class ScoreCard(ScoredWeek):
    """A score with every number beside what it is made of."""

    window: TimeSpan
    pack: str
    category: str | None
    service_weight: DecimalText
    dimensions: list[DimensionLine]
    metrics: list[MetricLine]
    bonus: list[AdjustmentLine]
    deductions: list[AdjustmentLine]
    unpriced_violations: list[str]
    exclusions: list[ExcludedCases]
    change: ScoreChange | None
    next: NextStep | None


class ItemIndex(TypedDict):
    """Without an `index` where the item has too few orders."""

    item_id: str
    orders: Count
    problems: Count
    index: DecimalText | None


class Items(TypedDict):
    items: list[ItemIndex]


class MetricCase(TypedDict):
    """An order or one of its parts, or a chat session or one of its rounds."""

    order_id: NotRequired[str]
    part: NotRequired[str]
    session_id: NotRequired[str]
    asked_at: NotRequired[str]
    numerator: int
    denominator: int
    evidence_day: Day | None


class MetricCases(TypedDict):
    """A page of what is behind a metric on a day. It may be empty and still have a cursor."""

    cases: list[MetricCase]
    cursor: Cursor


class Exclusion(TypedDict):
    """Who kept an order or a chat session out of metrics and why, or brought it back (`lifted`)."""

    order_id: NotRequired[str]
    session_id: NotRequired[str]
    metrics: list[str]
    reason: str
    by: str
    at: Time
    lifted: bool


class Exclusions(TypedDict):
    exclusions: list[Exclusion]
    cursor: Cursor


class DecidedExclusion(Exclusion):
    """The exclusion, and whether it changed anything."""

    changed: bool


class Registration(TypedDict):
    """How the shop's days are counted and whom it is measured against; `packs` are those to choose from."""

    version: Version
    zone: str
    pack: str
    category: str | None
    shop_class: str
    packs: list[str]
