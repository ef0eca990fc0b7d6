"""What a shop's item is told: facts from the bus, and what its merchant and operators decide.

Every fact is folded so that neither order nor repetition matters. A fact about a day opens the states of that day and
of those after it: ``decided_to`` is then the day before. What lies in frozen days is not heard, or counts from the
first day after them where it still holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime

from aftercare.events.scores import Measure
from aftercare.kernel.times import local_day
from aftercare.rulepacks.tags import SCORE, TagDefinition, TagRules
from aftercare.tags.model.refusals import AlreadyBanned, AlreadyOptedIn, NotAPromise, NotBanned, NotOptedIn, TagIsBanned
from aftercare.tags.model.shop import ONE_DAY, Ban, Day, Enrolment, Score, ShopTags, Span

# ---------------------------------------------------------------- what is told of the shop


def with_day(
    state: ShopTags, rules: TagRules, day: date, revision: int, measures: Iterable[Measure], zone: str = "UTC"
) -> ShopTags:
    """A day was measured. The ``zone`` of the latest day holds for the shop.

    The same object comes back where nothing new was told: a lower revision, or a day that is frozen.
    """
    known = state.days.get(day)
    if _is_frozen(state, day) or (known is not None and known.revision >= revision):
        return state
    needed = rules.metrics
    kept = {each.id: (each.numerator, each.denominator) for each in measures if each.id in needed}
    days = {**state.days, day: Day(revision, {metric: kept[metric] for metric in sorted(kept) if any(kept[metric])})}
    changed = _open_from(state._replace(days=days), day)
    return _in_zone(changed, zone) if day == max(days) else changed


def with_score(
    state: ShopTags, rules: TagRules, week: str, revision: int, shown: str | None, points: Mapping[str, str | None]
) -> ShopTags:
    """A week was scored: ``week`` by its ISO name, ``points`` by ``score`` and ``score.{dimension}``."""
    last_day = last_day_of(week)
    known = state.scores.get(last_day)
    if _is_frozen(state, last_day) or (known is not None and known.revision >= revision):
        return state
    needed = rules.metrics
    kept = {metric: text for metric, text in sorted(points.items()) if text is not None and metric in needed}
    score = Score(revision, shown if SCORE in needed else None, kept)
    return _open_from(state._replace(scores={**state.scores, last_day: score}), last_day)


def last_day_of(week: str) -> date:
    """The Sunday of an ISO week such as ``2026-W44``."""
    return date.fromisoformat(f"{week}-7")


def with_enrolment(state: ShopTags, service: str, since: datetime, *, active: bool) -> ShopTags:
    """The shop joined or left a service of the marketplace; of two facts of one moment the joining counts."""
    known = state.enrolments.get(service, ())
    enrolment = Enrolment(since, active)
    if enrolment in known:
        return state
    enrolments = {**state.enrolments, service: tuple(sorted({*known, enrolment}))}
    return _open_from(thinned(state._replace(enrolments=enrolments)), local_day(since, state.zone))


def closed(state: ShopTags, at: datetime) -> ShopTags:
    """The shop withdrew the right to act for it: from then on it has no tags. The first such moment counts."""
    if state.closed_at is not None and state.closed_at <= at:
        return state
    return _open_from(state._replace(closed_at=at), local_day(at, state.zone))


# ---------------------------------------------------------------- what people decide


def opted_in(state: ShopTags, definition: TagDefinition, day: date) -> ShopTags:
    """The merchant takes on the promise from the close of the local day on.

    Raises ``NotAPromise``, ``TagIsBanned`` and ``AlreadyOptedIn``.
    """
    tag = definition.id
    if definition.kind != "promise":
        raise NotAPromise(tag)
    if state.is_banned(tag, day):
        raise TagIsBanned(tag)
    known = state.opt_ins.get(tag, ())
    if known and known[-1].end is None:
        raise AlreadyOptedIn(tag)
    return _open_from(state._replace(opt_ins={**state.opt_ins, tag: (*known, Span(day))}), day)


def left(state: ShopTags, tag: str, day: date) -> ShopTags:
    """The merchant leaves the promise; what orders were promised stays with them. Raises ``NotOptedIn``."""
    known = state.opt_ins.get(tag, ())
    if not known or known[-1].end is not None:
        raise NotOptedIn(tag)
    spans = (*known[:-1], known[-1]._replace(end=day))
    # what was left on its first day never held at the close of a day
    kept = tuple(span for span in spans if span.end is None or span.end > span.first)
    return _open_from(state._replace(opt_ins={**state.opt_ins, tag: kept}), day)


def banned(state: ShopTags, tag: str, day: date, reason: str, by: str) -> ShopTags:
    """An operator takes the tag away until it is lifted. Raises ``AlreadyBanned``."""
    known = state.bans.get(tag, ())
    if known and known[-1].span.end is None:
        raise AlreadyBanned(tag)
    return _open_from(state._replace(bans={**state.bans, tag: (*known, Ban(Span(day), reason, by))}), day)


def lifted(state: ShopTags, tag: str, day: date, by: str) -> ShopTags:
    """An operator lifts the ban, which holds at the close of its first day at least. Raises ``NotBanned``."""
    known = state.bans.get(tag, ())
    if not known or known[-1].span.end is not None:
        raise NotBanned(tag)
    span = known[-1].span
    ban = known[-1]._replace(span=span._replace(end=max(day, span.first + ONE_DAY)), lifted_by=by)
    return _open_from(state._replace(bans={**state.bans, tag: (*known[:-1], ban)}), day)


# ---------------------------------------------------------------- what is kept


def thinned(state: ShopTags) -> ShopTags:
    """Without the choices that ended before the days that can still be decided."""
    floor = state.frozen_to
    if floor is None:
        return state
    opt_ins = {
        tag: tuple(span for span in spans if span.end is None or span.end > floor)
        for tag, spans in state.opt_ins.items()
    }
    bans = {
        tag: tuple(ban for ban in bans if ban.span.end is None or ban.span.end > floor)
        for tag, bans in state.bans.items()
    }
    enrolments = {}
    for service, known in state.enrolments.items():
        old = tuple(each for each in known if local_day(each.since, state.zone) <= floor)
        enrolments[service] = (*old[-1:], *known[len(old) :])
    return state._replace(
        opt_ins={tag: spans for tag, spans in opt_ins.items() if spans},
        bans={tag: kept for tag, kept in bans.items() if kept},
        enrolments=enrolments,
    )


def _is_frozen(state: ShopTags, day: date) -> bool:
    return state.frozen_to is not None and day <= state.frozen_to


def _open_from(state: ShopTags, day: date) -> ShopTags:
    """A fact older than what is frozen counts from the first day that is not."""
    if state.decided_to is None:
        return state
    opened = min(state.decided_to, day - ONE_DAY)
    return state._replace(decided_to=opened if state.frozen_to is None else max(opened, state.frozen_to))


def _in_zone(state: ShopTags, zone: str) -> ShopTags:
    """Moments fall on other days in another zone."""
    if zone == state.zone:
        return state
    moved = state._replace(zone=zone)
    moments = [each.since for known in state.enrolments.values() for each in known]
    moments += [] if state.closed_at is None else [state.closed_at]
    for moment in moments:
        moved = _open_from(moved, min(local_day(moment, state.zone), local_day(moment, zone)))
    return moved
