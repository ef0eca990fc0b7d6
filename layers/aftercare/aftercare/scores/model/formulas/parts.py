"""One case of a metric, as formulas yield it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

from aftercare.rulepacks.scores import Counting, Metric
from aftercare.scores.model.records import OrderRecord, SessionRecord


class Part(NamedTuple):
    """One case of a metric. ``subject`` opens it: an order, or one of its reviews, refunds, rounds."""

    at: datetime
    numerator: int
    denominator: int
    subject: str
    evidence_at: datetime | None = None


OrderFormula = Callable[[OrderRecord, Metric, Counting], Iterator[Part]]
SessionFormula = Callable[[SessionRecord, Metric, Counting], Iterator[Part]]
