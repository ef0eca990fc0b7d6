"""Real orders of a marketplace, as they came and shuffled: every day has the same tags since the same moment."""

from __future__ import annotations

import functools
import gzip
import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from builders import SHARDS
from scores import CountedShop, Fact

from aftercare.events import catalogue
from aftercare.events.orders import OrderPaid, OrderPromised
from aftercare.events.scores import DayMeasured, ScorePublished
from aftercare.events.tags import TagChanged
from aftercare.kernel.records import DUE_INDEX, OUTBOX, RecordWriter
from aftercare.kernel.table import Item, Key, Query
from aftercare.kernel.times import from_text, local_day
from aftercare.rulepacks.tags import tag_rules
from aftercare.showcase import TagWords
from aftercare.tags import keys, store
from aftercare.tags.model.facts import opted_in
from aftercare.tags.model.kept import Kept, standing
from aftercare.tags.model.public import definitions
from aftercare.tags.model.shop import ONE_DAY, ShopTags
from aftercare.tags.model.states import SHOWN, State
from aftercare.tags.service import TagKeeper, next_look
from sandbox.memory_table import MemoryTable

EVENTS = Path(__file__).parents[2] / "../shared/data/real_orders.events.jsonl.gz"
START, END = from_text("2018-01-01T00:00:00Z"), from_text("2018-12-01T00:00:00Z")
NOTED_EVERY = timedelta(days=20)
"""States are noted well before they freeze."""

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not EVENTS.exists(), reason=f"{EVENTS.name} is not beside the repository"),
]


class Stand(NamedTuple):
    """What a tag is at the close of a day, and the day whose close began it."""

    state: str
    since: date


Days = Mapping[tuple[str, str, date], Stand]
"""By shop, tag and day, where it is not none since ever."""


@functools.cache
def real_events() -> tuple[Fact, ...]:
    """In the order of the file, which is that of their times."""
    lines = gzip.decompress(EVENTS.read_bytes()).decode().splitlines()
    return tuple(catalogue.parse(one["source"], one["detail-type"], one["detail"]) for one in map(json.loads, lines))


def mixed(facts: Iterable[Fact]) -> list[Fact]:
    """Shuffled within each day, every third of them repeated."""
    rng, days = random.Random(7), dict[str, list[Fact]]()
    for each in facts:
        days.setdefault(each.metadata.occurred_at.date().isoformat(), []).append(each)
    told: list[Fact] = []
    for _, of_day in sorted(days.items()):
        repeated = [*of_day, *of_day[::3]]
        rng.shuffle(repeated)
        told += repeated
    return told


class _Counted(CountedShop):
    """Whose days and weeks reach the keeper as soon as they are said."""

    def __init__(self, tags: TaggedShops) -> None:
        super().__init__(START)
        self._tags = tags

    def _heard(self, key: Key, item: Item | None) -> None:
        known = len(self.said)
        super()._heard(key, item)
        for _, event in self.said[known:]:
            if isinstance(event.data, DayMeasured | ScorePublished):
                self._tags.keeper.take_in(event)


class TaggedShops:
    """Real shops that have taken on every promise, from their orders to their tags."""

    def __init__(self, facts: Sequence[Fact], until: datetime) -> None:
        self.shops = sorted({each.metadata.shop for each in facts})
        self.said: list[Fact] = []
        self._table = MemoryTable(on_write=self._heard)
        self._scores = _Counted(self)
        writer = RecordWriter(SHARDS)
        self.keeper = TagKeeper(self._table, self._scores.clock, writer, TagWords())
        for shop in self.shops:
            kept = everything_taken_on(shop)
            put = store.write_shop(writer, shop, store.read_shop(shop, None), kept, (), next_look(kept, START), START)
            self._table.write(put)
        self.days: dict[tuple[str, str, date], Stand] = {}
        self._noted = START
        for each in facts:
            self._run_until(each.metadata.occurred_at)
            self._scores.hear(each)
            if isinstance(each.data, OrderPaid):
                self.keeper.take_in(each)
        self._run_until(until)
        self._note()

    def _heard(self, key: Key, item: Item | None) -> None:
        for one in json.loads(str((item or {}).get(OUTBOX, "[]"))):
            self.said.append(catalogue.parse(one["source"], one["detail-type"], one["detail"]))

    def _run_until(self, end: datetime) -> None:
        while (first := self._table.first(DUE_INDEX)) is not None and (due := from_text(first)) <= end:
            self._scores.run_until(due)
            for shard in range(SHARDS):
                for key in self._table.query(Query(str(shard), highest=first, index=DUE_INDEX)).keys:
                    self.keeper.wake(key)
            if self._scores.clock.time - self._noted >= NOTED_EVERY:
                self._note()
        self._scores.run_until(end)

    def _note(self) -> None:
        self._noted = self._scores.clock.time
        for shop in self.shops:
            tags = self.kept(shop).tags
            for tag, history in tags.tags.items():
                for run, following in zip(history.runs, [*history.runs[1:], None], strict=True):
                    if tags.decided_to is None or tags.frozen_to is None:
                        continue
                    last = tags.decided_to if following is None else following.since - ONE_DAY
                    day = max(run.since, tags.frozen_to + ONE_DAY)
                    while day <= last:
                        self.days[shop, tag, day] = Stand(run.state.value, run.since)
                        day += ONE_DAY

    def kept(self, shop: str) -> Kept:
        return store.read_shop(shop, self._table.get(keys.shop_key(shop))).kept

    def finals(self) -> dict[tuple[str, str], tuple[str, datetime]]:
        """By shop and tag, what its highest revision says, where it is or was anything by what is known in the end."""
        last: dict[tuple[str, str], TagChanged] = {}
        for event in self.said:
            if isinstance(event.data, TagChanged):
                known = last.get((event.metadata.shop, event.data.tag))
                assert event.data.revision == (known.revision if known else 0) + 1, "revisions count up"
                assert known is None or known.model_copy(update={"revision": event.data.revision}) != event.data
                last[event.metadata.shop, event.data.tag] = event.data
        decided = {(shop, tag) for shop in self.shops for tag in self.kept(shop).tags.tags}
        return {key: (one.state, one.since) for key, one in last.items() if key in decided}

    def promised(self) -> Counter[tuple[str, str | None]]:
        """How often an order was promised a tag."""
        return Counter(
            (event.data.order_id, event.data.tag) for event in self.said if isinstance(event.data, OrderPromised)
        )


def everything_taken_on(shop: str) -> Kept:
    kept = Kept("standard", ShopTags())
    for tag in tag_rules("standard", START).tags:
        if tag.kind == "promise":
            kept = kept._replace(tags=opted_in(kept.tags, tag, local_day(START, "UTC")))
    return kept


def agree(plain: TaggedShops, shuffled: TaggedShops) -> None:
    assert plain.days == shuffled.days
    assert plain.finals() == shuffled.finals()
    for told in (plain, shuffled):
        assert set(told.promised().values()) <= {1}, "an order is promised a tag once"
        for shop in told.shops:
            kept = told.kept(shop)
            for definition in definitions(kept, kept.rules_of(END)):
                state, since = standing(kept, definition, END)
                if (said := kept.said.get(definition.id)) is not None:
                    assert (said.state, said.since) == (state.state, since)
                if state.state in SHOWN:
                    assert kept.tags.decided_to is not None
                    assert state.valid_until == kept.tags.decided_to + timedelta(days=1 + definition.validity_days)


def shown(told: TaggedShops) -> set[str]:
    return {tag for (_, tag, _), stand in told.days.items() if State(stand.state) in SHOWN}


def test_ten_weeks_of_a_few_shops_shuffled_and_repeated_have_the_same_tags_on_every_day() -> None:
    end = from_text("2018-03-12T00:00:00Z")
    shops = [shop for shop, _ in Counter(each.metadata.shop for each in real_events()).most_common(12)][::3]
    facts = [each for each in real_events() if each.metadata.shop in shops and each.metadata.occurred_at < end]
    plain, shuffled = TaggedShops(facts, end), TaggedShops(mixed(facts), end)
    agree(plain, shuffled)
    assert shown(plain) >= {"average_ship_time", "arrival_time"}


@pytest.mark.proof
def test_every_day_of_every_shop_has_the_same_tags_since_the_same_day_shuffled_and_repeated() -> None:
    plain, shuffled = TaggedShops(real_events(), END), TaggedShops(mixed(real_events()), END)
    agree(plain, shuffled)
    assert shown(plain) >= {"average_ship_time", "arrival_time", "experience_score", "ships_24h", "ships_today"}
    assert plain.promised().total() > 20
    assert len(plain.shops) == 40
