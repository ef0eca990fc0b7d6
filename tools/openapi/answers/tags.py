"""Answers about service tags."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from aftercare.events.tags import Evidence
from aftercare.events.vocabulary import Words
from aftercare.tags.model.states import Reason, State
from tools.openapi.answers.shared import Day, Time


class Ban(TypedDict):
    since: Annotated[Day, Field(alias="from")]
    reason: str
    by: str
    lifted_by: str | None


class Margin(TypedDict):
    """So many bad orders more lose the tag, so many good ones and no bad one end the warning; null where none do."""

    metric: str
    bad_orders_until_lost: int | None
    good_orders_until_safe: int | None


class Tag(TypedDict):
    """A service tag: how it stands, what it rests on, and how far it is from changing."""

    tag: str
    kind: Literal["value", "promise"]
    name: Words
    rule: Words
    places: list[str]
    state: State
    reason: Reason
    since: Time | None
    value: str | None
    valid_until: Time | None
    opted_in: bool
    bans: list[Ban]
    evidence: Evidence | None
    margins: list[Margin]


class Tags(TypedDict):
    """`checked_to` is the last day whose close was decided; `rules` names the pack."""

    shop: str
    name: str
    locale: str
    zone: str
    checked_to: Day | None
    rules: str
    tags: list[Tag]


class DayState(TypedDict):
    day: Day
    state: State


class TagRun(TypedDict):
    since_the_close_of: Day
    state: State
    reason: Reason


class WholeTag(Tag):
    """A tag with its last weeks, the next seven days, and what an opt-in 30 days ago would have shown."""

    next_days: list[DayState]
    if_opted_in: list[DayState]
    history: list[TagRun]
