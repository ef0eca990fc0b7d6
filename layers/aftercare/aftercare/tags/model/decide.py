"""The state of a tag at the close of a day, from its state the day before and what is known of the day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from aftercare.rulepacks.tags import TagDefinition
from aftercare.tags.model.evidence import Verdict, verdict
from aftercare.tags.model.shop import ShopTags
from aftercare.tags.model.states import SHOWN, Reason, Run, State, moved

_UNHEARD = Verdict(earned=False, enough=False, lost=False, near=False)


class Look(NamedTuple):
    """What holds of a tag at the close of a day; ``enrolled`` is True where the tag asks for no service."""

    day: date
    verdict: Verdict
    opted_in: bool
    enrolled: bool
    banned: bool
    closed: bool

    @property
    def earned(self) -> bool:
        return self.verdict.earned and self.enrolled


def look(definition: TagDefinition | None, tag: str, shop: ShopTags, day: date) -> Look:
    """``definition`` is None where the rules of the day do not know the tag."""
    banned, is_closed = shop.is_banned(tag, day), shop.is_closed(day)
    if definition is None:
        return Look(day, _UNHEARD, opted_in=False, enrolled=False, banned=banned, closed=is_closed)
    return Look(
        day,
        verdict(definition, shop, day),
        opted_in=definition.kind == "value" or shop.is_opted_in(tag, day),
        enrolled=definition.service is None or shop.is_enrolled(definition.service, day),
        banned=banned,
        closed=is_closed,
    )


def decided_on(definition: TagDefinition | None, was: Run | None, found: Look) -> Run | None:
    """The tag after the close of the day; None for one that never was anything."""
    state = State.NONE if was is None else was.state
    if found.closed:
        return moved(was, found.day, Reason.SHOP_CLOSED, State.NONE)
    if found.banned:
        return moved(was, found.day, Reason.BANNED, State.BANNED)
    if state is State.BANNED:
        return moved(was, found.day, Reason.BAN_LIFTED, State.NONE)
    if definition is None:
        return moved(was, found.day, Reason.RULE_ENDED, State.NONE)
    if not found.opted_in:
        return _not_opted_in(was, found, state)
    if state in SHOWN:
        return _kept(definition, was, found)
    return _granted(was, found, state)


def _not_opted_in(was: Run | None, found: Look, state: State) -> Run | None:
    wanted = State.ELIGIBLE if found.earned else State.NONE
    if state is State.NONE:
        return moved(was, found.day, Reason.EARNED, wanted)
    return moved(was, found.day, Reason.NO_LONGER_EARNED if state is State.ELIGIBLE else Reason.LEFT, wanted)


def _granted(was: Run | None, found: Look, state: State) -> Run | None:
    waits = was is not None and was.back_from is not None and found.day < was.back_from
    if state is State.SUSPENDED:
        return was if waits or not found.earned else moved(was, found.day, Reason.REGAINED, State.LIVE)
    if not found.earned:
        return moved(was, found.day, Reason.NO_LONGER_EARNED, State.NONE)
    if waits:
        return moved(was, found.day, Reason.EARNED, State.ELIGIBLE)
    return moved(was, found.day, Reason.EARNED, State.ELIGIBLE, State.LIVE)


def _kept(definition: TagDefinition, was: Run | None, found: Look) -> Run | None:
    back_from = found.day + timedelta(days=definition.dwell_days)
    for holds, reason in (
        (found.enrolled, Reason.NOT_ENROLLED),
        (found.verdict.enough, Reason.NO_EVIDENCE),
        (not found.verdict.lost, Reason.BEYOND_THE_BOUND),
    ):
        if not holds:
            return moved(was, found.day, reason, State.SUSPENDED, back_from=back_from)
    if found.verdict.near:
        return moved(was, found.day, Reason.NEAR_THE_BOUND, State.AT_RISK)
    return moved(was, found.day, Reason.SAFE_AGAIN, State.LIVE)
