"""The states of every day, folded from the earliest day of which something new is known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from aftercare.kernel.times import local_day
from aftercare.rulepacks.tags import TagRules
from aftercare.tags.model.decide import decided_on, look
from aftercare.tags.model.facts import thinned
from aftercare.tags.model.shop import ONE_DAY, ShopTags, TagHistory
from aftercare.tags.model.states import SHOWN, Run, State

RulesAt = Callable[[date], TagRules]
"""The rules in force at the start of a local day."""


def decided(shop: ShopTags, rules_at: RulesAt, last_day: date) -> ShopTags:
    """``shop`` with its tags as they are at the close of ``last_day``, and of every day up to it.

    The same whatever was decided before and in whatever order facts came: only what is older than the rules' horizon
    stays as it was.
    """
    if shop.decided_to is not None and shop.decided_to >= last_day:
        return shop
    horizon = timedelta(days=rules_at(last_day).horizon_days)
    first = _first_open_day(shop, last_day, last_day - horizon)
    runs = {tag: _before(history.runs, first) for tag, history in shop.tags.items()}
    day = first
    while day <= last_day:
        rules = rules_at(day)
        for tag in {*runs, *(definition.id for definition in rules.tags)}:
            known = runs.get(tag, ())
            definition = rules.tag(tag)
            was = known[-1] if known else None
            now = decided_on(definition, was, look(definition, tag, shop, day))
            if now is not None and now is not was:
                runs[tag] = (*known, now)
        day += ONE_DAY
    frozen_to = last_day - horizon if shop.frozen_to is None else max(shop.frozen_to, last_day - horizon)
    return _checked(shop._replace(decided_to=last_day, frozen_to=frozen_to), rules_at(last_day), runs)


def tag_on(shop: ShopTags, tag: str, day: date) -> State:
    """Its state at the close of a day that is decided and not frozen."""
    history = shop.tags.get(tag)
    runs = () if history is None else tuple(run for run in history.runs if run.since <= day)
    return runs[-1].state if runs else State.NONE


def _first_open_day(shop: ShopTags, last_day: date, floor: date) -> date:
    if shop.decided_to is not None:
        return shop.decided_to + ONE_DAY
    told = [
        *shop.days,
        *shop.scores,
        *(span.first for spans in shop.opt_ins.values() for span in spans),
        *(ban.span.first for bans in shop.bans.values() for ban in bans),
        *(local_day(each.since, shop.zone) for known in shop.enrolments.values() for each in known),
        *([] if shop.closed_at is None else [local_day(shop.closed_at, shop.zone)]),
    ]
    return max(min(told, default=last_day), floor + ONE_DAY)


def _before(runs: tuple[Run, ...], day: date) -> tuple[Run, ...]:
    return tuple(run for run in runs if run.since < day)


def _checked(shop: ShopTags, rules: TagRules, runs: dict[str, tuple[Run, ...]]) -> ShopTags:
    """The item after a check, without what no later decision can need."""
    day, floor = shop.decided_to, shop.frozen_to
    if day is None or floor is None:
        raise ValueError("nothing was decided")
    tags = {}
    for tag, known in sorted(runs.items()):
        frozen = tuple(run for run in known if run.since <= floor)
        kept = (*frozen[-1:], *known[len(frozen) :])
        definition = rules.tag(tag)
        if not kept or (definition is None and len(kept) == 1 and kept[0].state is State.NONE and frozen):
            continue
        if definition is None:
            tags[tag] = TagHistory(kept)
            continue
        found = look(definition, tag, shop, day).verdict
        shown = kept[-1].state in SHOWN
        tags[tag] = TagHistory(
            kept,
            found.value if shown else None,
            found.evidence,
            day + timedelta(days=1 + definition.validity_days) if shown else None,
        )
    oldest = floor - timedelta(days=rules.reach_days)
    return thinned(
        shop._replace(
            tags=tags,
            days={each: measured for each, measured in sorted(shop.days.items()) if each > oldest},
            scores={each: score for each, score in sorted(shop.scores.items()) if each > oldest},
        )
    )
