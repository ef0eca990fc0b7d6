"""Keeping an order or a chat session out of metrics: for a reason, by somebody, and never in silence."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

from aftercare.scores.model.records import EVERY_METRIC, Exclusion, OrderRecord, SessionRecord
from aftercare.scores.model.refusals import TooManyExclusions

MOST_EXCLUSIONS = 50
RecordT = TypeVar("RecordT", OrderRecord, SessionRecord)


def excluded(record: RecordT, metrics: Iterable[str], reason: str, by: str, at: datetime) -> RecordT:
    """The record kept out of these metrics; those that it is kept out of already stay so for the first reason.

    Raises ``TooManyExclusions``.
    """
    standing = {each.metric for each in record.exclusions if each.lifted_at is None}
    added: tuple[Exclusion, ...] = tuple(Exclusion(each, reason, by, at) for each in sorted(set(metrics) - standing))
    if len(record.exclusions) + len(added) > MOST_EXCLUSIONS:
        raise TooManyExclusions(f"{MOST_EXCLUSIONS} exclusions of one record are the most")
    return record._replace(exclusions=(*record.exclusions, *added))


def brought_back(record: RecordT, metrics: Iterable[str], by: str, at: datetime) -> RecordT:
    """The record counted again in these metrics; that it was not stays on record."""
    wanted = set(metrics)
    return record._replace(
        exclusions=tuple(
            each._replace(lifted_by=by, lifted_at=at)
            if each.lifted_at is None and (each.metric in wanted or EVERY_METRIC in wanted)
            else each
            for each in record.exclusions
        )
    )
