"""The bars of categories: made of first revisions, known on Monday, and standing whatever comes later."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from itertools import count
from typing import Any

import pytest
from builders import SHOP
from scores import CountedShop, Fact, Killed, at, cancelled, die, paid, scan
from shipments import Interrupted

from aftercare.events.scores import ScorePublished
from aftercare.kernel.table import Key, Query, Table, Write
from aftercare.scores import keys
from aftercare.scores.bars import CategoryBars
from aftercare.scores.model.basis import Basis, card_of, read_basis, rules_of
from aftercare.scores.model.benchmarks import CategoryBar, Measure, bar_from_item
from aftercare.scores.model.card import Card

TEA = "tea"
RULES = rules_of("standard", at(7), TEA)
FIRST, SECOND, THIRD = (at(days).date() for days in (7, 14, 21))
"""The Mondays after the first weeks."""


def orders(late: int = 0, number: int = 30) -> list[Fact]:
    """So many orders of the first week, of which so many were picked up late."""
    facts: list[Fact] = []
    for each in range(number):
        order_id = f"A{each}"
        facts.append(paid(at(1), order_id, ship_by=at(2)))
        facts.append(scan("picked_up", at(3 if each < late else 2), order_id=order_id))
    return facts


def scored(
    peers: int, facts: Sequence[Fact] = (), *, until: float = 7, category: str | None = TEA, **known: Any
) -> CountedShop:
    """A shop of the category just before a Monday at three, with peers that were scored the week before."""
    shop = CountedShop(at(0), category=category, **known)
    shop.follow(facts or orders(late=6))
    shop.run_until(at(until, "02:59:59"))
    add_peers(shop, peers)
    return shop


def add_peers(shop: CountedShop, number: int, end: date = FIRST) -> None:
    """Shops that picked up 50 to 99 of 100 orders in time."""
    bars = CategoryBars(shop.table, shop.clock)
    for each in range(number):
        bars.add(f"standard:peer-{each:02d}", RULES, end, week_of(50 + each % 50))


def week_of(in_time: int, valid: int = 100, category: str = TEA) -> Basis:
    measures = (Measure("on_time_pickup", in_time, 100), Measure("valid_orders", valid, 100))
    return Basis(measures, "standard", category)


def samples(shop: CountedShop, end: date = FIRST) -> dict[str, dict[str, list[int]]]:
    """By shop what its category's bar is made of."""
    page = shop.table.query(Query(keys.sample_key(RULES.id, TEA, end, "").partition))
    states = [json.loads(str(item["state"])) for item in page.items]
    return {
        key.sort: {measure[0]: measure[1:3] for measure in state} for key, state in zip(page.keys, states, strict=True)
    }


def bar(shop: CountedShop, end: date = FIRST) -> CategoryBar | None:
    """As it stands; nothing is made by looking."""
    item = shop.table.get(keys.bar_key(RULES.id, TEA, end))
    return None if item is None else bar_from_item(json.loads(str(item["state"])))


def standing(shop: CountedShop, end: date = FIRST) -> CategoryBar:
    found = bar(shop, end)
    assert found is not None
    return found


def card(shop: CountedShop, end: date) -> Card:
    """Of the week as it stands, computed again from what it rests on."""
    item = shop.table.get(keys.week_key(SHOP, end))
    assert item is not None
    rests_on = read_basis(json.loads(str(item["state"])))
    return card_of(rests_on, end, "UTC", None if rests_on.bar is None else bar(shop, rests_on.bar))


def pickup(one: ScorePublished | Card) -> Any:
    if isinstance(one, Card):
        return next(line for line in one.metrics if line.metric.id == "on_time_pickup")
    return next(measure for measure in one.metrics if measure.id == "on_time_pickup")


def last(shop: CountedShop, week: str) -> ScorePublished:
    return [one for one in shop.scores() if one.week == week][-1]


# ---------------------------------------------------------------- on Monday


def test_a_weeks_bar_is_made_of_the_week_before_and_a_shop_is_measured_by_it() -> None:
    shop = scored(29)
    shop.run_until(at(14, "02:59:59"))
    assert bar(shop) is None, "nobody asked"
    assert len(samples(shop)) == 30
    shop.run_until(at(14, "03:00:00"))
    made = standing(shop)
    assert (made.category, made.week, made.metrics["on_time_pickup"].peers) == (TEA, "2026-W45", 30)
    own, without = pickup(last(shop, "2026-W46")), pickup(last(shop, "2026-W45"))
    assert (own.numerator, own.denominator) == (without.numerator, without.denominator) == (24, 30)
    assert own.points != without.points, "of the first week there is no week before"
    assert pickup(card(shop, SECOND)).points == own.points
    assert pickup(card(shop, SECOND)).beats > 50
    assert samples(shop, SECOND)[SHOP]["on_time_pickup"] == [24, 30]


def test_under_thirty_peers_nobody_beats_anybody_and_the_packs_own_numbers_count() -> None:
    shop = scored(28)
    shop.run_until(at(15))
    assert standing(shop).metrics["on_time_pickup"].peers == 29
    assert {line.beats for line in card(shop, SECOND).metrics} == {None}
    first, second = (last(shop, week) for week in ("2026-W45", "2026-W46"))
    assert (second.metrics, second.score) == (first.metrics, first.score)


def test_a_shop_without_a_category_or_of_a_pack_without_peers_makes_no_bar_and_has_none() -> None:
    for known in ({"category": None}, {"pack": "douyin"}):
        shop = scored(0, **known)  # type: ignore[arg-type]
        shop.run_until(at(15))
        assert len(shop.weeks()) == 2
        assert not [key for key in every_key(shop) if key.partition.startswith(("PEERS#", "BAR#"))]


def every_key(shop: CountedShop) -> list[Key]:
    return [Key(partition, sort) for partition, items in shop.table._items.items() for sort in items]


@pytest.mark.parametrize(("off", "counts"), [(0, True), (1, False)])
def test_a_shop_with_too_few_orders_to_be_shown_says_nothing_about_its_category(off: int, *, counts: bool) -> None:
    shop = scored(0, [*orders(), *(cancelled(at(1), f"A{each}") for each in range(off))])
    shop.run_until(at(8))
    assert (SHOP in samples(shop)) is counts
    assert (last(shop, "2026-W45").shown is None) is not counts


def test_shops_of_another_category_are_no_peers() -> None:
    shop = scored(29)
    bars = CategoryBars(shop.table, shop.clock)
    bars.add("standard:milk", rules_of("standard", at(7), "milk"), FIRST, week_of(10, category="milk"))
    shop.run_until(at(15))
    assert standing(shop).metrics["on_time_pickup"].peers == 30
    assert bars.of(RULES, "milk", FIRST) != bars.of(RULES, TEA, FIRST)
    assert (bars.of(RULES, None, FIRST), bars.of(RULES, TEA, None)) == (None, None)


# ---------------------------------------------------------------- what comes later


def late_news(shop: CountedShop, order_id: str = "B1") -> None:
    """An order of the first week, told now, that was never picked up."""
    shop.hear(paid(at(1), order_id, ship_by=at(2)))


def test_what_is_restated_before_the_bar_is_made_does_not_move_it() -> None:
    shop = scored(29)
    shop.run_until(at(9))
    late_news(shop)
    shop.run_until(at(15))
    assert pickup(last(shop, "2026-W45")).denominator == 31
    assert last(shop, "2026-W45").revision == 2
    assert samples(shop)[SHOP]["on_time_pickup"] == [24, 30]
    plain = scored(29)
    plain.run_until(at(15))
    assert standing(shop) == standing(plain)


def test_what_is_restated_afterwards_does_not_move_it_and_is_measured_by_it_again() -> None:
    shop = scored(29)
    shop.run_until(at(15))
    made, item = standing(shop), shop.table.get(keys.bar_key(RULES.id, TEA, FIRST))
    late_news(shop)
    add_peers(shop, 50)
    shop.run_until(at(16))
    assert [last(shop, week).revision for week in ("2026-W45", "2026-W46")] == [2, 2]
    assert (standing(shop), shop.table.get(keys.bar_key(RULES.id, TEA, FIRST))) == (made, item)
    restated = last(shop, "2026-W46")
    assert pickup(restated).points == pickup(card(shop, SECOND)).points
    assert pickup(card(shop, SECOND)).beats is not None
    assert samples(shop, SECOND)[SHOP]["on_time_pickup"] == [24, 30]


def test_a_week_published_for_the_first_time_by_late_facts_joins_its_peers_and_moves_no_bar() -> None:
    shop = CountedShop(at(10), category=TEA)
    add_peers(shop, 30)
    made = CategoryBars(shop.table, shop.clock).of(RULES, TEA, FIRST)
    shop.hear(*orders(late=30))
    shop.run_until(at(15))
    assert [week for week, _, _ in shop.weeks()] == ["2026-W45", "2026-W46"]
    assert samples(shop)[SHOP]["on_time_pickup"] == [0, 30]
    assert standing(shop) == made


def test_what_a_bar_is_made_of_goes_and_the_bar_outlives_the_rows_of_its_days() -> None:
    shop = scored(29)
    shop.run_until(at(15))
    kept = {key.partition.partition("#")[0]: shop.table.get(key) for key in every_key(shop)}
    for name, days in (("PEERS", 50), ("BAR", 200)):
        item = kept[name]
        assert item is not None
        assert int(item["expires_at"]) > (at(14) + timedelta(days=days)).timestamp()


# ---------------------------------------------------------------- killed, and at the same time


def before_the_second_monday() -> CountedShop:
    """With the first week published, 29 peers of it, and something late."""
    shop = scored(29)
    shop.run_until(at(13))
    late_news(shop)
    shop.sleep_until(at(14, "03:00:00"))
    return shop


def ending(shop: CountedShop) -> tuple[object, ...]:
    shop.run_until(at(22))
    return (
        *shop.finals(),
        [samples(shop, end) for end in (FIRST, SECOND, THIRD)],
        [bar(shop, end) for end in (FIRST, SECOND)],
        shop.state(),
        [one.score for one in shop.scores()],
    )


@pytest.mark.parametrize("monday", [FIRST, SECOND])
def test_a_rollup_killed_at_any_call_neither_loses_nor_doubles_what_a_bar_is_made_of(monday: date) -> None:
    def waiting() -> CountedShop:
        if monday == SECOND:
            return before_the_second_monday()
        shop = scored(29)
        shop.sleep_until(at(7, "03:00:00"))
        return shop

    whole = waiting()
    whole.wake()
    assert samples(whole, monday)[SHOP]["on_time_pickup"] == ([24, 30] if monday == FIRST else [24, 31])
    expected = ending(whole)
    for moment in count():
        shop = waiting()
        try:
            shop.wake(Interrupted(shop.table, {moment: die}))  # type: ignore[arg-type]
            break
        except Killed:
            shop.wake()
        assert ending(shop) == expected, moment
    assert moment > 5


def test_a_week_killed_as_it_is_published_and_restated_before_it_is_done_leaves_its_first_revision() -> None:
    shop = scored(29)
    shop.sleep_until(at(7, "03:00:00"))
    for order_id in ("B1", "B2"):
        with pytest.raises(Killed):
            shop.wake(Doomed(shop.table))  # type: ignore[arg-type]
        late_news(shop, order_id)
    shop.wake()
    assert [(revision, counts["on_time_pickup"]) for _, revision, counts in shop.weeks()] == [
        (1, (24, 30)),
        (2, (24, 31)),
        (3, (24, 32)),
    ]
    assert samples(shop)[SHOP]["on_time_pickup"] == [24, 30]


class Doomed:
    """A table at which whoever writes a week dies just afterwards."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return getattr(self._table, name)  # type: ignore[no-any-return]

    def write(self, write: Write) -> None:
        self._table.write(write)
        if write.key.partition.startswith("SHOP#") and write.key.sort.startswith("WEEK#"):
            die()


def test_two_who_ask_for_a_bar_at_once_have_the_same() -> None:
    for moment in count():
        shop = scored(29)
        others: list[CategoryBar | None] = []

        def ask_and_add(shop: CountedShop = shop, others: list[CategoryBar | None] = others) -> None:
            others.append(CategoryBars(shop.table, shop.clock).of(RULES, TEA, FIRST))
            add_peers(shop, 50)

        table = Interrupted(shop.table, {moment: ask_and_add})
        one = CategoryBars(table, shop.clock).of(RULES, TEA, FIRST)  # type: ignore[arg-type]
        if not others:
            break
        assert [one] == others == [standing(shop)], moment
    assert moment >= 3


# ---------------------------------------------------------------- in any order


def test_told_in_any_order_and_repeated_the_same_bar_is_made() -> None:
    told = orders(late=6)
    expected = ending(scored(29))
    draw = random.Random(11)
    for _ in range(3):
        shop = CountedShop(at(4), category=TEA)
        shop.hear(*draw.sample([*told, *draw.sample(told, 20)], len(told) + 20))
        shop.run_until(at(7, "02:59:59"))
        for number in draw.sample(range(29), 29):
            CategoryBars(shop.table, shop.clock).add(f"standard:peer-{number:02d}", RULES, FIRST, week_of(50 + number))
        assert ending(shop)[1:4] == expected[1:4]
