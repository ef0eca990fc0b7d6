"""A shop's item: its tags as its days have them, and what was said and shown of them in the meantime.

The states of days are folded anew whenever a day is restated. What buyers have been shown cannot be: from when until
when that was stands here by the clock, and orders of that time are owed what was promised.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

from aftercare.kernel import compact
from aftercare.kernel.days import start_of
from aftercare.kernel.times import local_day
from aftercare.rulepacks.tags import TagDefinition, TagRules, tag_rules
from aftercare.tags.model.history import RulesAt
from aftercare.tags.model.shop import ShopTags, TagState, read_shop_tags
from aftercare.tags.model.states import SHOWN, Reason, State

SHOWN_KEPT = timedelta(days=60)
"""An order may be heard of so long after it was paid."""


class Said(NamedTuple):
    """The last ``TagChanged`` of a tag; ``pack`` is the one that it was decided by."""

    revision: int
    state: State
    since: datetime
    reason: Reason
    pack: str
    value: str | None = None


class Shown(NamedTuple):
    """Buyers saw the tag from one moment to the other, if it is over, under the rules of a pack."""

    since: datetime
    until: datetime | None
    pack: str


class Kept(NamedTuple):
    """``market`` is the name by which the shop's packs are found; ``name`` what the shop calls itself."""

    market: str
    tags: ShopTags = ShopTags()
    name: str = ""
    locale: str = "zh"
    said: Mapping[str, Said] = {}
    shown: Mapping[str, tuple[Shown, ...]] = {}

    def rules_at(self) -> RulesAt:
        market, zone = self.market, self.tags.zone
        return lambda day: tag_rules(market, start_of(day, zone))

    def rules_of(self, moment: datetime) -> TagRules:
        return tag_rules(self.market, start_of(local_day(moment, self.tags.zone), self.tags.zone))


def standing(kept: Kept, definition: TagDefinition, now: datetime) -> tuple[TagState, datetime]:
    """A tag as it stands at this moment, and since when: what its last day's close made of it, and what somebody has
    decided since, which takes it away at once."""
    zone, closed, known = kept.tags.zone, kept.tags.tag(definition.id), kept.said.get(definition.id)
    taken = _taken_away(kept.tags, definition, closed, local_day(now, zone))
    if taken is None and closed.since is not None:
        return closed, start_of(closed.since + timedelta(days=1), zone)
    if taken is None and known is not None:
        # by what is known now it never was what it was said to be since then
        reason = known.reason if known.state is State.NONE else Reason.RESTATED
        return closed._replace(reason=reason), known.since
    state, reason = taken or (closed.state, closed.reason)
    is_known = known is not None and (known.state, known.reason) == (state, reason)
    since = known.since if known is not None and is_known else now
    return TagState(state, None, closed.state, reason, None, closed.evidence), since


def _taken_away(
    tags: ShopTags, definition: TagDefinition, closed: TagState, today: date
) -> tuple[State, Reason] | None:
    if tags.is_closed(today):
        return (State.NONE, Reason.SHOP_CLOSED) if closed.state is not State.NONE else None
    if tags.is_banned(definition.id, today):
        return (State.BANNED, Reason.BANNED) if closed.state is not State.BANNED else None
    if definition.kind == "promise" and closed.state in SHOWN and not tags.is_opted_in(definition.id, today):
        return State.NONE, Reason.LEFT
    return None


def with_shown(kept: Kept, tag: str, pack: str, now: datetime, *, is_shown: bool) -> Kept:
    """Notes from when on, or until when, buyers see a tag."""
    known = kept.shown.get(tag, ())
    is_open = bool(known) and known[-1].until is None
    if is_shown and not (is_open and known[-1].pack == pack):
        closed = (*known[:-1], known[-1]._replace(until=now)) if is_open else known
        spans = (*closed, Shown(now, None, pack))
    elif is_open and not is_shown:
        spans = (*known[:-1], known[-1]._replace(until=now))
    else:
        return kept
    recent = tuple(span for span in spans if span.until is None or now - span.until < SHOWN_KEPT)
    return kept._replace(shown={**kept.shown, tag: recent})


def shown_at(kept: Kept, moment: datetime) -> list[tuple[str, Shown]]:
    """The tags that buyers saw at that moment."""
    return [
        (tag, span)
        for tag, spans in sorted(kept.shown.items())
        for span in spans
        if span.since <= moment and (span.until is None or moment < span.until)
    ]


read_kept = compact.row(
    Kept,
    None,
    read_shop_tags,
    None,
    None,
    compact.mapping(str, compact.row(Said, None, State, compact.moment, Reason, None, None)),
    compact.mapping(str, compact.many(compact.row(Shown, compact.moment, compact.moment, None))),
)
