"""What a record adds to each metric, and on which day: a pure function of the record and of its pack's definitions.

A part lies on the local day of its denominator. Where the numerator rests on evidence of its own, the part carries that
time too: a window counts it only when both lie before its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import NamedTuple

from aftercare.kernel.times import local_day
from aftercare.rulepacks.scores import Definitions, Metric
from aftercare.scores.model.formulas.chat import CHAT
from aftercare.scores.model.formulas.feedback import FEEDBACK, item_parts, mark_parts
from aftercare.scores.model.formulas.logistics import LOGISTICS
from aftercare.scores.model.formulas.parts import OrderFormula, Part
from aftercare.scores.model.records import EVERY_METRIC, Exclusion, OrderRecord, SessionRecord

OF_ORDERS: Mapping[str, OrderFormula] = {**LOGISTICS, **FEEDBACK}
MARK, ITEM, EXCLUDED = "service.", "item.", "excluded."
"""Before the id of a service, of an item, of a metric: what is counted beside the pack's metrics."""


class Row(NamedTuple):
    """What a subject adds to the metrics of a day: by metric numerator, denominator and the day of the evidence."""

    day: date
    subject: str
    metrics: Mapping[str, tuple[int, int, date | None]]


def order_rows(record: OrderRecord, defined: Definitions) -> dict[tuple[date, str], Row]:
    """Every row that the order's record contributes, by day and subject."""
    return _rows(record, _order_parts(record, defined))


def session_rows(record: SessionRecord, defined: Definitions) -> dict[tuple[date, str], Row]:
    found = (
        (metric, part)
        for formula, parts in CHAT.items()
        for metric in defined.by_formula.get(formula, ())
        for part in parts(record, metric, defined.counting)
    )
    return _rows(record, ((metric.id, part) for metric, part in found))


def _order_parts(record: OrderRecord, defined: Definitions) -> Iterator[tuple[str, Part]]:
    for formula, parts in OF_ORDERS.items():
        for metric in defined.by_formula.get(formula, ()):
            for part in parts(record, metric, defined.counting):
                yield metric.id, part
    for mark, part in mark_parts(record, defined.marks):
        yield MARK + mark, part
    for item, part in item_parts(record, _problem_metric(defined)):
        yield ITEM + item, part


def _problem_metric(defined: Definitions) -> Metric | None:
    return next(iter(defined.by_formula.get("negative_feedback", ())), None)


def _rows(record: OrderRecord | SessionRecord, found: Iterator[tuple[str, Part]]) -> dict[tuple[date, str], Row]:
    metrics: dict[tuple[date, str], dict[str, tuple[int, int, date | None]]] = {}
    left_out = excluded_metrics(record.exclusions)
    for metric, part in found:
        day = local_day(part.at, record.zone)
        share: tuple[int, int, date | None]
        if left_out and (metric in left_out or EVERY_METRIC in left_out):
            if metric.startswith(ITEM):
                continue
            metric, share = EXCLUDED + metric, (0, max(1, part.denominator), None)  # noqa: PLW2901
        else:
            later = part.evidence_at is not None and part.numerator and local_day(part.evidence_at, record.zone) > day
            evidence = local_day(part.evidence_at, record.zone) if later and part.evidence_at is not None else None
            share = (part.numerator, part.denominator, evidence)
        metrics.setdefault((day, part.subject), {})[metric] = share
    return {(day, subject): Row(day, subject, shares) for (day, subject), shares in metrics.items()}


def excluded_metrics(exclusions: tuple[Exclusion, ...]) -> frozenset[str]:
    """The metrics that a record is kept out of; ``EVERY_METRIC`` stands for all."""
    return frozenset(each.metric for each in exclusions if each.lifted_at is None)
