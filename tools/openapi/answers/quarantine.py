"""Answers about deliveries that were set aside."""

from __future__ import annotations

from typing_extensions import TypedDict

from tools.openapi.answers.shared import Count, Cursor, Time


class Entry(TypedDict):
    """A delivery that was set aside, whole; `version` goes back with a replay."""

    id: str
    version: int
    delivery_id: str
    received_at: Time
    reason: str
    message: str
    replays: Count
    replayed_at: Time | None


class Entries(TypedDict):
    entries: list[Entry]
    cursor: Cursor


class Replayed(TypedDict):
    id: str
    version: int
    replays: Count
