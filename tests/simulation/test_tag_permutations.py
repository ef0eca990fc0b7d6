"""Whatever is told of a shop, in any order and any number of times, its tags are the same on every day in the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from itertools import count, product
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tags import (
    BAD,
    GOOD,
    Fact,
    Killed,
    Struck,
    TaggedShop,
    at,
    close_of,
    enrolled,
    measured,
    paid,
    revoked,
    scored,
)

from aftercare.kernel.days import start_of
from aftercare.kernel.errors import Transient
from aftercare.kernel.table import Key
from aftercare.tags import keys
from aftercare.tags.model.shop import ONE_DAY
from aftercare.tags.model.states import SHOWN, State

TAKEN_ON = ("ships_24h", "damage_guarantee", "freight_insurance", "price_protection")
DAYS = range(22)
THE_END = at(44)


def _counts(number: int, revision: int) -> dict[str, Any]:
    """Days of all kinds, and none at all; a later revision often says the opposite."""
    kind = (number * 7 + revision * 3) % 10
    if kind == 0:
        return {}
    share = BAD if kind in (3, 4) else (93, 100) if kind == 6 else GOOD
    broken = 40 if kind == 4 else 0
    return {
        "pickup_24h": share,
        "ship_hours": (10 * 3600 * (12 + kind), 10),
        "damage_returns": (broken, 150),
        "platform_help": (30 if kind == 3 else 0, 120),
    }


def _facts() -> dict[str, Fact]:
    found = {
        f"day {number}.{revision}": measured(number, revision, **_counts(number, revision))
        for number in DAYS
        for revision in (1, 2, 3)
    }
    for week, shown in (("2026-W45", "4.7"), ("2026-W46", "4.5"), ("2026-W47", None)):
        found[f"{week}.1"] = scored(week, shown)
        found[f"{week}.2"] = scored(week, "4.2", 2)
    for number in (2, 9, 15):
        found[f"insured {number}"] = enrolled("freight_insurance", at(number, "09:00:00"))
        found[f"not insured {number}"] = enrolled("freight_insurance", at(number + 3, "09:00:00"), active=False)
    found["closed"] = revoked(at(18, "12:00:00"))
    return found


FACTS: Mapping[str, Fact] = _facts()
NAMES = sorted(FACTS)


def arrival(name: str) -> tuple[datetime, str]:
    """A later revision arrives some days later."""
    fact = FACTS[name]
    later = 3 * (int(name.rpartition(".")[2]) - 1) if "." in name else 0
    return fact.metadata.occurred_at + timedelta(days=later), name


@st.composite
def histories(draw: st.DrawFn) -> list[str]:
    """Names of things that are told, in the order in which they arrive; most days are measured."""
    names = draw(st.sets(st.sampled_from(NAMES), min_size=8, max_size=50))
    return sorted(names, key=arrival)


@st.composite
def shuffled(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """A history, and the same with some of it repeated and all of it in another order."""
    names = draw(histories())
    repeated = draw(st.lists(st.sampled_from(names), max_size=4))
    return names, draw(st.permutations([*names, *repeated]))


class Ending(NamedTuple):
    """All that must be the same however it was told."""

    runs: dict[str, list[tuple[date, str]]]
    finals: dict[str, tuple[str, str, datetime]]
    public: dict[str, bool | None]
    marketplace: dict[str, bool]


def ending(shop: TaggedShop, end: datetime = THE_END) -> Ending:
    shop.run_until(end)
    kept = shop.kept()
    finals = {}
    for tag in kept.said:
        closed, changes = kept.tags.tag(tag), shop.changes(tag)
        assert changes[-1].state == closed.state.value == kept.said[tag].state.value
        if closed.since is not None:
            assert changes[-1].since == start_of(closed.since + ONE_DAY, kept.tags.zone)
        if closed.state is not State.NONE:
            # one that is none again may never have been spoken of
            finals[tag] = (changes[-1].state, changes[-1].reason, changes[-1].since)
        if closed.state in SHOWN:
            assert shop.held()[tag] is True
        else:
            # what buyers never saw is not published
            assert shop.held().get(tag) is not True
            assert shop.stall.shown().get(tag) is not True
    assert shop.returned == []
    shown = {tag: kept.tags.tag(tag).state in SHOWN for tag in kept.said}
    held = {tag: held for tag, held in shop.held().items() if shown[tag]}
    sold = {tag: is_shown for tag, is_shown in shop.stall.shown().items() if shown[tag]}
    return Ending(shop.runs(), finals, held, sold)


def new_shop() -> TaggedShop:
    return TaggedShop(at(-1), tags=TAKEN_ON)


def told_in_time(names: list[str]) -> TaggedShop:
    shop = new_shop()
    for name in names:
        shop.run_until(arrival(name)[0])
        shop.hear(FACTS[name])
    return shop


explored = settings(max_examples=8, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@explored
@given(shuffled(), st.integers(0, 15))
def test_told_in_any_order_every_day_has_the_same_tags_since_the_same_moment(
    drawn: tuple[list[str], list[str]], gap: int
) -> None:
    names, others = drawn
    shop = new_shop()
    for name in others:
        shop.run_until(shop.clock.time + timedelta(hours=gap))
        shop.hear(FACTS[name])
    assert ending(shop) == ending(told_in_time(names))


@explored
@given(histories(), st.sets(st.integers(0, 50)))
def test_a_keeper_that_sleeps_for_days_ends_the_same(names: list[str], asleep: set[int]) -> None:
    shop = new_shop()
    for number, name in enumerate(names):
        if number in asleep:
            shop.sleep_until(arrival(name)[0])
        else:
            shop.run_until(arrival(name)[0])
        shop.hear(FACTS[name])
    assert ending(shop) == ending(told_in_time(names))


@explored
@given(histories(), st.data())
def test_changes_that_reach_the_publication_in_any_order_end_the_same(names: list[str], data: st.DataObject) -> None:
    shop = new_shop()
    for name in names:
        shop.run_until(arrival(name)[0])
        shop.keeper().take_in(FACTS[name])
        if data.draw(st.booleans()):
            shop.pending = data.draw(st.permutations([*shop.pending, *shop.pending[:2]]))
            shop.run()
    shop.run()
    assert ending(shop) == ending(told_in_time(names))


def test_all_of_it_together_reaches_every_state_that_nobody_decides() -> None:
    seen = set()
    for left_out in ("closed", "nothing"):
        shop = told_in_time(sorted((name for name in NAMES if name != left_out), key=arrival))
        shop.run_until(THE_END)
        for tag in shop.kept().said:
            seen |= {(one.state, one.reason) for one in shop.changes(tag)}
    assert {state for state, _ in seen} == {"none", "live", "at_risk", "suspended"}
    assert {reason for _, reason in seen} >= {
        *("earned", "beyond_the_bound", "no_evidence", "regained", "near_the_bound", "shop_closed", "not_enrolled"),
    }


# ---------------------------------------------------------------- no promise is lost

ORDERS = tuple(at(number, clock) for number in range(3, 9) for clock in ("01:00:00", "09:30:00", "23:59:59"))


@explored
@given(histories(), st.permutations(range(len(ORDERS))), st.integers(0, 30))
def test_every_order_is_owed_exactly_what_buyers_saw_when_it_was_paid(
    names: list[str], order: list[int], days_late: int
) -> None:
    """However late it is heard of, and however often; compared with what was said by then."""
    shop = told_in_time(names)
    shop.run_until(max(shop.clock.time, at(9)) + timedelta(days=days_late))
    for place in [*order, *order[:5]]:
        shop.hear(paid(f"A{place}", ORDERS[place]))
    for place, moment in enumerate(ORDERS):
        owed = sorted((one.tag or "", one.made_at) for one in shop.promises(f"A{place}"))
        seen = sorted((tag, moment) for tag in TAKEN_ON if _was_shown(shop, tag, moment))
        assert owed == seen, place


def _was_shown(shop: TaggedShop, tag: str, moment: datetime) -> bool:
    """By the events alone, as they were said."""
    state = "none"
    for when, event in shop.said:
        if when <= moment and getattr(event.data, "tag", None) == tag and event.data.name == "TagChanged":
            state = event.data.state  # type: ignore[attr-defined]
    return state in {"live", "at_risk"}


# ---------------------------------------------------------------- killed, and at the same time

BEFORE = ("day 0.1", "day 1.1", "day 2.1", "insured 2")
AT_ONCE: Mapping[str, Fact] = {
    "a bad day": measured(3, pickup_24h=BAD, damage_returns=(0, 150)),
    "the same day, restated": measured(3, 2, pickup_24h=GOOD, damage_returns=(50, 150)),
    "a score": scored("2026-W45", "4.7"),
    "the end": revoked(at(3, "12:00:00")),
    "an order": paid("A1", at(3, "05:00:00")),
}


def with_both(first: str, second: str, moment: int | None, how: str) -> tuple[object, bool]:
    """The end after two deliveries, and whether there was such a moment in the first."""
    shop = told_in_time(sorted(BEFORE, key=arrival))
    shop.run_until(close_of(3) + timedelta(hours=4))
    one, other = AT_ONCE[first], AT_ONCE[second]
    reached = True
    if moment is None:
        shop.hear(one, other)
    else:
        happening: Callable[[], object] = (lambda: shop.hear(other)) if how == "in the midst of it" else _die
        struck = Struck(moment, happening)
        try:
            shop.keeper(struck).take_in(one)
            reached = struck.moment >= moment
        except Killed:
            shop.hear(other, one)
    shop.run()
    promises = sorted((each.order_id, each.tag or "") for each in shop.promises())
    return (ending(shop, at(5)), promises), reached


def _die() -> None:
    raise Killed


@pytest.mark.parametrize("how", ["in the midst of it", "before it comes again"])
def test_two_deliveries_at_the_same_time_end_as_one_after_the_other(how: str) -> None:
    """The first is interrupted, or killed and repeated, at every call to the table; the second comes in between."""
    for first, second in product(AT_ONCE, AT_ONCE):
        expected, _ = with_both(first, second, None, how)
        for moment in count():
            end, reached = with_both(first, second, moment, how)
            if not reached:
                break
            assert end == expected, (first, second, moment)


def test_a_keeper_and_a_publication_killed_at_every_call_of_a_history_end_the_same() -> None:
    """Each dies once at every call that it makes; what it was called for comes again."""
    names = sorted((f"day {number}.{revision}" for number in range(9) for revision in (1, 2)), key=arrival)
    dying = new_shop()
    orders = [paid(f"A{number}", at(number, "10:00:00")) for number in range(3, 12)]
    told = [*((arrival(name)[0], FACTS[name]) for name in names), *((one.metadata.occurred_at, one) for one in orders)]
    told.sort(key=lambda each: each[0])
    for moment, fact in told:
        while (due := dying._next()) is not None and due <= moment:
            dying.clock.time = max(dying.clock.time, due)
            back, dying.returned = dying.returned, []
            for _, message in back:
                _publish_to_death(dying, message)
            for key in dying._due():
                if keys.is_channel(key):
                    _publish_to_death(dying, key)
                else:
                    _to_death(lambda struck, key=key: dying.keeper(struck).wake(key))  # type: ignore[misc]
                _publish_all_to_death(dying)
        dying.clock.time = max(dying.clock.time, moment)
        _to_death(lambda struck, fact=fact: dying.keeper(struck).take_in(fact))  # type: ignore[misc]
        _publish_all_to_death(dying)
    in_time = new_shop()
    for moment, fact in told:
        in_time.run_until(moment)
        in_time.hear(fact)
    assert ending(dying, at(14)) == ending(in_time, at(14))
    assert {(one.order_id, one.tag) for one in dying.promises()} == {
        (one.order_id, one.tag) for one in in_time.promises()
    }
    assert len(dying.promises()) == len(in_time.promises()) > 5


def _to_death(call: Callable[[Struck], object]) -> None:
    for moment in count():
        try:
            call(Struck(moment))
        except Killed:
            continue
        return


def _publish_all_to_death(shop: TaggedShop) -> None:
    while shop.pending:
        _publish_to_death(shop, shop.pending.pop(0))


def _publish_to_death(shop: TaggedShop, message: object) -> None:
    """It is killed at one call after the other, and comes again when the claim of the one before is over."""
    for moment in count():
        struck = Struck(moment)
        publication = shop.publication(struck)
        try:
            if isinstance(message, Key):
                publication.wake(message)
            else:
                publication.take_in(message)  # type: ignore[arg-type]
        except Killed:
            shop.clock.time += timedelta(minutes=4)
            continue
        except Transient:
            shop.clock.time += timedelta(minutes=4)
            continue
        return
