"""The bars of categories: made once of a week's first revisions, and standing from then on."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import Any

from aftercare.kernel import compact
from aftercare.kernel.ports import Clock
from aftercare.kernel.table import Absent, Key, Put, Query, Table, WriteRefused, every
from aftercare.rulepacks.scores import ScoreRules
from aftercare.scores import keys
from aftercare.scores.model.basis import Basis
from aftercare.scores.model.benchmarks import CategoryBar, Measure, bar_from_item, bar_to_item, category_bar
from aftercare.scores.model.days import week_id
from aftercare.scores.store import EXPIRES_AT, PAGE

SAMPLES_KEPT = timedelta(days=60)
BARS_KEPT = timedelta(days=400)
MOST_AT_HAND = 500
"""Bars do not change, so a warm function asks for each once."""
_read_measures = compact.many(compact.row(Measure, None, None, None, None))


class CategoryBars:
    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock
        self._standing: dict[tuple[str, str, date], CategoryBar] = {}

    def add(self, shop: str, rules: ScoreRules, end: date, first: Basis) -> None:
        """Adds a shop's week, as it was first published, to what its category's bar is made of; once, however often."""
        if first.category is None or rules.peers is None or first.valid_orders < rules.minimum_orders:
            return
        wanted = {metric.id for metric in rules.metrics if metric.by_peers}
        measures = tuple(measure for measure in first.measures if measure.id in wanted)
        self._put(keys.sample_key(rules.id, first.category, end, shop), compact.to_json(measures), SAMPLES_KEPT)

    def of(self, rules: ScoreRules, category: str | None, end: date | None) -> CategoryBar | None:
        """The bar that the shops of a category made in the week before ``end``.

        Whoever asks first makes it, a week later: by then every time zone has been scored. It does not change any more.
        """
        if category is None or end is None or rules.peers is None:
            return None
        at = rules.id, category, end
        if at not in self._standing:
            key = keys.bar_key(*at)
            item = self._table.get(key)
            if item is None:
                made = category_bar(rules, category, week_id(end), self._samples(rules.id, category, end))
                item = self._put(key, json.dumps(bar_to_item(made), ensure_ascii=False), BARS_KEPT)
            if len(self._standing) >= MOST_AT_HAND:
                self._standing.clear()
            self._standing[at] = bar_from_item(json.loads(str(item["state"])))
        return self._standing[at]

    def _samples(self, pack: str, category: str, end: date) -> list[tuple[Measure, ...]]:
        query = Query(partition=keys.sample_key(pack, category, end, "").partition, limit=PAGE)
        return [_read_measures(json.loads(str(item["state"]))) for _, item in every(self._table, query)]

    def _put(self, key: Key, state: str, kept: timedelta) -> dict[str, Any]:
        put = Put(key, {"state": state, EXPIRES_AT: _epoch(self._clock.now() + kept)}, (Absent(),))
        try:
            self._table.write(put)
        except WriteRefused as refused:
            return dict(refused.existing or put.attributes)
        return dict(put.attributes)


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())
