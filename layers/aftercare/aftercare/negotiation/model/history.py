"""A case's history: append-only, every step sealed with the one before it, so that a missing step shows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from aftercare.kernel.errors import DomainError
from aftercare.kernel.times import UtcTime, to_text

FIRST_SEAL = "0" * 64


class BrokenHistory(DomainError):
    """The steps do not form an unbroken chain."""


class Step(BaseModel):
    """One thing that happened to a case; ``seal`` covers it and every step before."""

    model_config = ConfigDict(frozen=True)

    number: int
    at: UtcTime
    what: str
    facts: dict[str, Any]
    seal: str


def append(steps: tuple[Step, ...], at: datetime, what: str, facts: Mapping[str, Any]) -> tuple[Step, ...]:
    """``facts`` must be plain JSON values: they are sealed as JSON text."""
    number = len(steps) + 1
    before = steps[-1].seal if steps else FIRST_SEAL
    plain = json.loads(json.dumps(dict(facts), ensure_ascii=False))
    return (*steps, Step(number=number, at=at, what=what, facts=plain, seal=_seal(before, number, at, what, plain)))


def verify(steps: Sequence[Step]) -> None:
    """Raises ``BrokenHistory`` where a step was changed, left out, added or moved."""
    before = FIRST_SEAL
    for number, step in enumerate(steps, start=1):
        if step.number != number or step.seal != _seal(before, number, step.at, step.what, step.facts):
            raise BrokenHistory(f"step {number} does not follow from the steps before it")
        before = step.seal


def _seal(before: str, number: int, at: datetime, what: str, facts: Mapping[str, Any]) -> str:
    content = json.dumps(
        [before, number, to_text(at), what, facts], ensure_ascii=False, sort_keys=True, separators=(",", ":")
    )
    return hashlib.sha256(content.encode()).hexdigest()
