"""Real orders of a marketplace, as they came and shuffled: the same parcels are found wrong."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from shipments import Fact, Final, WatchedShop

from aftercare.events import catalogue
from aftercare.kernel.times import from_text

ORDERS = Path(__file__).parents[2] / "../shared/data/real_orders.events.jsonl.gz"
EVERY = 4
"""Each shop's orders are its own affair: one in that many shops is enough, and takes seconds."""

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not ORDERS.exists(), reason=f"{ORDERS.name} is not beside the repository"),
]


def real_events() -> list[Fact]:
    """Those of the chosen shops, in the order of the file, which is that of their times."""
    with gzip.open(ORDERS, "rt", encoding="utf-8") as lines:
        read = [json.loads(line) for line in lines]
    shops = sorted({one["detail"]["metadata"]["shop"] for one in read})[::EVERY]
    return [
        catalogue.parse(one["source"], one["detail-type"], one["detail"])
        for one in read
        if one["detail"]["metadata"]["shop"] in shops and one["detail-type"] != "ReviewPosted"
    ]


def replayed(events: Iterable[Fact]) -> set[Final]:
    """What was wrong in the end, a year after the last of them."""
    shop = WatchedShop(start=from_text("2018-01-01T00:00:00Z"))
    shop.follow(events)
    shop.run_until(from_text("2019-06-01T00:00:00Z"))
    return shop.finals_of_all()


def test_shuffled_within_each_day_and_repeated_they_end_as_in_order() -> None:
    events, rng = real_events(), random.Random(3)
    days: dict[str, list[Fact]] = {}
    for one in events:
        days.setdefault(one.metadata.occurred_at.date().isoformat(), []).append(one)
    mixed: list[Fact] = []
    for day in sorted(days):
        told = [*days[day], *days[day][::3]]
        rng.shuffle(told)
        mixed += told
    plain, shuffled = replayed(events), replayed(mixed)
    assert plain == shuffled
    assert {final.kind for final in plain} >= {"stalled", "late_pickup", "late_delivery"}
    assert all(final.cleared_at is None or final.cleared_at >= final.crossed_at for final in plain)
