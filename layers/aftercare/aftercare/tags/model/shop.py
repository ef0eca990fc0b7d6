"""What one shop's item keeps: what was measured of it, what it chose, and the states of its tags."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from aftercare.kernel import compact
from aftercare.kernel.times import local_day
from aftercare.tags.model.states import Reason, Run, State

ONE_DAY = timedelta(days=1)


class Day(NamedTuple):
    """A day by its highest revision: numerator and denominator of every metric that the rules need."""

    revision: int
    measures: Mapping[str, tuple[int, int]]


class Score(NamedTuple):
    """A week by its highest revision, as decimal text: what buyers see, and the ``points`` by metric."""

    revision: int
    shown: str | None
    points: Mapping[str, str]


class Enrolment(NamedTuple):
    since: datetime
    active: bool


class Span(NamedTuple):
    """From one day to the day before the other, if there is one."""

    first: date
    end: date | None = None

    def holds_on(self, day: date) -> bool:
        return self.first <= day and (self.end is None or day < self.end)


class Ban(NamedTuple):
    span: Span
    reason: str
    by: str
    lifted_by: str | None = None


class Evidence(NamedTuple):
    """What a tag rests on, counted from the first to the last day."""

    metric: str
    numerator: int
    denominator: int
    first: date
    last: date


class TagHistory(NamedTuple):
    """The stretches of a tag's states, the earliest of them frozen, and what its last check showed.

    ``valid_until`` is the first day on which nobody may show it unless it was checked again.
    """

    runs: tuple[Run, ...]
    value: str | None = None
    evidence: Evidence | None = None
    valid_until: date | None = None


class TagState(NamedTuple):
    """A tag as it is now. It came into its state at the close of ``since``: with the first moment of the day after, in
    the shop's zone. None for a tag that never was anything."""

    state: State
    since: date | None
    previous: State
    reason: Reason
    value: str | None = None
    evidence: Evidence | None = None
    valid_until: date | None = None


NEVER = TagState(State.NONE, None, State.NONE, Reason.NOT_EARNED)


class ShopTags(NamedTuple):
    """All that is kept of one shop. ``zone`` is an IANA name, ``scores`` go by the last day of their week.

    What lies at or before ``frozen_to`` is not heard any more.
    """

    zone: str = "UTC"
    days: Mapping[date, Day] = {}
    scores: Mapping[date, Score] = {}
    enrolments: Mapping[str, tuple[Enrolment, ...]] = {}
    opt_ins: Mapping[str, tuple[Span, ...]] = {}
    bans: Mapping[str, tuple[Ban, ...]] = {}
    closed_at: datetime | None = None
    tags: Mapping[str, TagHistory] = {}
    decided_to: date | None = None
    frozen_to: date | None = None

    def tag(self, tag: str) -> TagState:
        """As it was decided last."""
        history = self.tags.get(tag)
        if history is None:
            return NEVER
        run = history.runs[-1]
        return TagState(run.state, run.since, run.previous, run.reason, *history[1:])

    def is_opted_in(self, tag: str, day: date) -> bool:
        """At the close of the day."""
        return any(span.holds_on(day) for span in self.opt_ins.get(tag, ()))

    def is_banned(self, tag: str, day: date) -> bool:
        """At the close of the day."""
        return any(ban.span.holds_on(day) for ban in self.bans.get(tag, ()))

    def is_enrolled(self, service: str, day: date) -> bool:
        """At the close of the day."""
        latest = None
        for each in self.enrolments.get(service, ()):
            if local_day(each.since, self.zone) <= day:
                latest = each
        return latest is not None and latest.active

    def is_closed(self, day: date) -> bool:
        """At the close of the day."""
        return self.closed_at is not None and local_day(self.closed_at, self.zone) <= day

    def as_row(self) -> tuple[Any, ...]:
        """Days in columns: the names of the metrics and the first day once, then every day's place and counts."""
        names = sorted({metric for day in self.days.values() for metric in day.measures})
        first = min(self.days, default=None)
        rows = []
        for each, day in sorted(self.days.items()):
            counts = [count for name in names for count in day.measures.get(name, (0, 0))]
            while counts and counts[-1] == 0:
                counts.pop()
            rows.append(((each - first).days if first else 0, day.revision, *counts))
        return (self.zone, (tuple(names), first, tuple(rows)), *self[2:])


# ---------------------------------------------------------------- as JSON


def _days(columns: tuple[list[str], str, list[list[int]]]) -> dict[date, Day]:
    names, first, rows = columns
    days = {}
    for place, revision, *counts in rows:
        padded = [*counts, *[0] * (2 * len(names) - len(counts))]
        pairs = {name: (padded[2 * at], padded[2 * at + 1]) for at, name in enumerate(names)}
        days[compact.day(first) + timedelta(days=place)] = Day(
            revision, {name: pair for name, pair in pairs.items() if any(pair)}
        )
    return days


_span = compact.row(Span, compact.day, compact.day)
_run = compact.row(Run, compact.day, State, State, Reason, compact.day)
_evidence = compact.row(Evidence, None, None, None, compact.day, compact.day)
read_shop_tags = compact.row(
    ShopTags,
    None,
    _days,
    compact.mapping(compact.day, compact.row(Score, None, None, compact.mapping(str, str))),
    compact.mapping(str, compact.many(compact.row(Enrolment, compact.moment, None))),
    compact.mapping(str, compact.many(_span)),
    compact.mapping(str, compact.many(compact.row(Ban, _span, None, None, None))),
    compact.moment,
    compact.mapping(str, compact.row(TagHistory, compact.many(_run), None, _evidence, compact.day)),
    compact.day,
    compact.day,
)
