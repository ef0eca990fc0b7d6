"""Real orders of a marketplace: revision 1 of every week has what a separate program counted of the same orders."""

from __future__ import annotations

import functools
import gzip
import json
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from scores import CountedShop, Fact

from aftercare.events import catalogue
from aftercare.events.scores import ScorePublished
from aftercare.kernel.times import from_text

DATA = Path(__file__).parents[2] / "../shared/data"
EVENTS, WEEKS = DATA / "real_orders.events.jsonl.gz", DATA / "real_orders.weeks.jsonl.gz"
COUNTED = ("on_time_pickup", "on_time_delivery", "ship_hours", "arrival_hours", "positive_rating", "negative_feedback")
"""Those of the reference. It knows nothing of the rest."""
LAST_WEEK = "2018-W23"
"""Of the reference; one order was delivered half a year later."""

Weeks = Mapping[tuple[str, str], Mapping[str, tuple[int, int]]]
"""By shop and week, numerator and denominator of the counted metrics that are not 0 of 0."""

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(
        not (EVENTS.exists() and WEEKS.exists()), reason=f"{EVENTS.name} and {WEEKS.name} are not beside the repository"
    ),
]


@functools.cache
def real_events() -> tuple[Fact, ...]:
    """In the order of the file, which is that of their times."""
    return tuple(
        catalogue.parse(one["source"], one["detail-type"], one["detail"]) for one in map(json.loads, _lines(EVENTS))
    )


@functools.cache
def reference() -> Weeks:
    lines: list[dict[str, Any]] = [json.loads(line) for line in _lines(WEEKS)]
    return {
        (one["shop"], one["week"]): {metric: tuple(counts) for metric, counts in one["metrics"].items()}
        for one in lines
    }


def _lines(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode().splitlines()


class Published:
    """First and last revisions of the weeks that come out when the facts are told one after the other."""

    def __init__(self, facts: Iterable[Fact], until: str) -> None:
        shop = CountedShop(from_text("2018-01-01T00:00:00Z"))
        shop.follow(facts)
        shop.run_until(from_text(until))
        self.first: dict[tuple[str, str], dict[str, tuple[int, int]]] = {}
        self.last: dict[tuple[str, str], dict[str, tuple[int, int]]] = {}
        for _, event in shop.said:
            if isinstance(event.data, ScorePublished):
                key = event.metadata.shop, event.data.week
                counts = {each.id: (each.numerator, each.denominator) for each in event.data.metrics}
                self.last[key] = {metric: counts[metric] for metric in COUNTED if counts[metric] != (0, 0)}
                if event.data.revision == 1:
                    self.first[key] = self.last[key]


def not_empty(weeks: Weeks, last: str = LAST_WEEK) -> Weeks:
    return {(shop, week): counts for (shop, week), counts in weeks.items() if counts and week <= last}


def test_two_weeks_of_a_few_shops_are_counted_as_by_the_reference() -> None:
    """Weeks 6 and 7 of every eighth shop, with all that was told until then, so that the windows are full."""
    weeks, end = ("2018-W06", "2018-W07"), from_text("2018-02-19T00:00:00Z")
    shops = sorted({shop for shop, _ in reference()})[::8]
    told = [each for each in real_events() if each.metadata.shop in shops and each.metadata.occurred_at < end]
    published = Published(told, "2018-02-19T12:00:00Z")
    expected = {key: counts for key, counts in reference().items() if key[0] in shops and key[1] in weeks}
    assert {key: counts for key, counts in not_empty(published.first).items() if key[1] in weeks} == expected
    assert len(expected) >= 8
    assert {metric for counts in expected.values() for metric in counts} == set(COUNTED)


# ---------------------------------------------------------------- the long checks


@functools.cache
def all_in_order() -> Published:
    return Published(real_events(), "2018-12-01T00:00:00Z")


@pytest.mark.proof
def test_every_week_of_every_shop_is_counted_as_by_the_reference() -> None:
    published = all_in_order()
    assert not_empty(published.first) == not_empty(reference())
    assert len(reference()) == 648


@pytest.mark.proof
def test_shuffled_within_each_day_and_with_repeats_the_last_revisions_are_the_same() -> None:
    rng, mixed = random.Random(5), list[Fact]()
    days: dict[str, list[Fact]] = {}
    for each in real_events():
        days.setdefault(each.metadata.occurred_at.date().isoformat(), []).append(each)
    for _, told in sorted(days.items()):
        repeated = [*told, *told[::3]]
        rng.shuffle(repeated)
        mixed += repeated
    assert Published(mixed, "2018-12-01T00:00:00Z").last == all_in_order().last
