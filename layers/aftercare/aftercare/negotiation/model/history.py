"""A case's history: append-only, every step sealed with the one before it, so that a missing step shows.

It is kept as text, a line a step, ``{seal} [at, what, facts]``: a decision adds to it, and hardly ever reads it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from aftercare.kernel.errors import DomainError
from aftercare.kernel.times import to_text

FIRST_SEAL = "0" * 64
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


class BrokenHistory(DomainError):
    """The steps do not form an unbroken chain."""


class Step(NamedTuple):
    """One thing that happened; ``at`` is RFC 3339 text in UTC, ``seal`` covers the step and every one before."""

    number: int
    at: str
    what: str
    facts: dict[str, Any]
    seal: str


def append(log: str, at: datetime, what: str, facts: Mapping[str, Any]) -> str:
    """The history with one more step; ``facts`` must be plain JSON values."""
    lines = _lines(log)
    before = lines[-1].partition(" ")[0] if lines else FIRST_SEAL
    seal = _seal(before, len(lines) + 1, to_text(at), what, facts)
    return f"{log}{seal} {_ENCODER.encode([to_text(at), what, facts])}\n"


def steps_of(log: str) -> tuple[Step, ...]:
    steps = []
    for number, line in enumerate(_lines(log), start=1):
        seal, _, text = line.partition(" ")
        at, what, facts = json.loads(text)
        steps.append(Step(number, at, what, facts, seal))
    return tuple(steps)


def _lines(log: str) -> list[str]:
    # not splitlines: a text may hold other characters that end a line
    return log.split("\n")[:-1]


def verify(steps: Sequence[Step]) -> None:
    """Raises ``BrokenHistory`` where a step was changed, left out, added or moved."""
    before = FIRST_SEAL
    for number, step in enumerate(steps, start=1):
        if step.number != number or step.seal != _seal(before, number, step.at, step.what, step.facts):
            raise BrokenHistory(f"step {number} does not follow from the steps before it")
        before = step.seal


def _seal(before: str, number: int, at: str, what: str, facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(_ENCODER.encode([before, number, at, what, facts]).encode()).hexdigest()
