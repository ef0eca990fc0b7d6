"""The states of a tag, and which may follow which.

A day's close may make several moves: a tag that is earned and opted in goes from none through eligible to live at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from aftercare.kernel.errors import DomainError


class State(StrEnum):
    """Where a tag stands at the close of a day."""

    NONE = "none"
    ELIGIBLE = "eligible"
    LIVE = "live"
    AT_RISK = "at_risk"
    SUSPENDED = "suspended"
    BANNED = "banned"


SHOWN = frozenset({State.LIVE, State.AT_RISK})
"""Buyers see the tag."""

MOVES: Mapping[State, frozenset[State]] = {
    State.NONE: frozenset({State.ELIGIBLE, State.BANNED}),
    State.ELIGIBLE: frozenset({State.NONE, State.LIVE, State.BANNED}),
    State.LIVE: frozenset({State.AT_RISK, State.SUSPENDED, State.ELIGIBLE, State.NONE, State.BANNED}),
    State.AT_RISK: frozenset({State.LIVE, State.SUSPENDED, State.ELIGIBLE, State.NONE, State.BANNED}),
    State.SUSPENDED: frozenset({State.LIVE, State.ELIGIBLE, State.NONE, State.BANNED}),
    # whoever was banned starts again
    State.BANNED: frozenset({State.NONE}),
}


class Reason(StrEnum):
    """Why a tag is in its state."""

    NOT_EARNED = "not_earned"
    EARNED = "earned"
    NO_LONGER_EARNED = "no_longer_earned"
    NEAR_THE_BOUND = "near_the_bound"
    SAFE_AGAIN = "safe_again"
    BEYOND_THE_BOUND = "beyond_the_bound"
    NO_EVIDENCE = "no_evidence"
    NOT_ENROLLED = "not_enrolled"
    REGAINED = "regained"
    LEFT = "left"
    BANNED = "banned"
    BAN_LIFTED = "ban_lifted"
    RULE_ENDED = "rule_ended"
    SHOP_CLOSED = "shop_closed"
    RESTATED = "restated"
    """By what is known now it never was anything else than none."""


class MoveRefused(DomainError):
    """No tag goes from this state to that one."""

    def __init__(self, was: State, wanted: State) -> None:
        super().__init__(f"a tag that is {was} cannot become {wanted}")
        self.was = was
        self.wanted = wanted


class Run(NamedTuple):
    """An unbroken stretch of days in one state.

    ``since`` is the day whose close began it. A suspended tag may come back at the close of ``back_from``, even when it
    was left and opted in again.
    """

    since: date
    state: State
    previous: State
    reason: Reason
    back_from: date | None = None


def moved(was: Run | None, day: date, reason: Reason, *path: State, back_from: date | None = None) -> Run | None:
    """``was``, None for a tag that never was anything, after the moves of a day's close along ``path``.

    The tag stays as it is where the path ends in its own state. Raises ``MoveRefused``.
    """
    state = start = State.NONE if was is None else was.state
    if path[-1] is start:
        return was
    for wanted in path:
        if wanted is not state:
            if wanted not in MOVES[state]:
                raise MoveRefused(state, wanted)
            state = wanted
    waits = back_from or (None if was is None or was.back_from is None or was.back_from <= day else was.back_from)
    return Run(day, state, start, reason, waits)
