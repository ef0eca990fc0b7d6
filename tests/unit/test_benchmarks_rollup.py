"""Scores at scale: what is folded is the same for all who fold it, and what a night asks is counted by its items."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from aftercare.kernel.records import DUE_AT, DUE_SHARD
from aftercare.kernel.table import Absent, Key, Put, Query, WriteRefused
from benchmarks.cases import Played
from benchmarks.costs import Bill, read_prices
from benchmarks.folding import measure
from benchmarks.nights import BUSY, EVENING_LOOK, QUIET, RESTATED, WEEK, CountedTable, Night, nights
from benchmarks.parcels import SMOOTH
from benchmarks.recording import Exchange, Heard
from benchmarks.rollup import FACTS, LEDGER, ROW_WRITER, SERVED, Line, month, month_table, nights_table, rows_a_day

AT = datetime(2026, 11, 2, tzinfo=UTC)
MEMORY = dict.fromkeys(("fact_ledger", "score_rows", "score_rollup", "event_relay"), 512)


@pytest.fixture(scope="module")
def small() -> dict[str, Night]:
    return {night.name: night for night in nights((3,))}


def heard(function: str, exchanges: list[Exchange]) -> Heard:
    return Heard(function, {"Records": [{"body": json.dumps({"detail-type": "OrderPaid"})}]}, AT, exchanges)


def wrote(units: int) -> Exchange:
    return Exchange("dynamodb", "PutItem", {}, write_units=units)


@pytest.fixture
def played() -> Played:
    """Two facts, of which one makes two rows."""
    return Played(SMOOTH, (heard(LEDGER, [wrote(1)]), heard(LEDGER, [wrote(2)]), heard(ROW_WRITER, [wrote(1)] * 2)), ())


def test_duckdb_and_polars_count_what_our_days_and_weeks_count(tmp_path: Path) -> None:
    folded = measure(5, tmp_path)
    assert folded.agree
    assert folded.contributions > folded.rows > 100
    assert [stage.done for stage in folded.ours] == [folded.contributions, 5, 5]
    assert list(tmp_path.iterdir()) == []


def test_a_table_counts_what_items_cost() -> None:
    table, item = CountedTable(), {"state": "x" * 5000, DUE_SHARD: "1", DUE_AT: "2026-11-02T08:00:00Z"}
    key = Key("P", "1")
    table.write(Put(key, item, (Absent(),)))
    assert (table.asked.write_units, table.asked.read_units) == (5 + 1, 0)
    assert table.get(key) == item
    assert table.get(Key("P", "2")) is None
    assert table.asked.read_units == 2 + 1
    assert len(table.query(Query("P")).items) == 1
    assert table.asked.read_units == 2 + 1 + 2
    with pytest.raises(WriteRefused):
        table.write(Put(key, item, (Absent(),)))
    assert table.asked.write_units == 2 * 5 + 1
    assert table.asked.calls == {"PutItem": 2, "GetItem": 2, "Query": 1}


def test_a_night_says_the_day_and_the_weeks_last_night_the_score_too(small: dict[str, Night]) -> None:
    said = {name: dict(night.asked.events) for name, night in small.items()}
    assert said[QUIET] == said[EVENING_LOOK] == {}
    assert said[BUSY] == {"DayMeasured": 1}
    assert said[WEEK] == {"DayMeasured": 1, "ScorePublished": 1}
    assert said[RESTATED]["DayMeasured"] == 2
    assert small[QUIET].asked.write_units < small[BUSY].asked.write_units < small[WEEK].asked.write_units


def test_more_rows_cost_more_to_read_and_no_more_to_write(small: dict[str, Night]) -> None:
    larger = {night.name: night.asked for night in nights((200,))}
    assert larger[BUSY].read_units > small[BUSY].asked.read_units
    assert larger[BUSY].write_units <= small[BUSY].asked.write_units + 1


def test_a_month_takes_a_fact_times_all_facts(small: dict[str, Night], played: Played) -> None:
    lines = {line.what: line for line in month(played, list(small.values()), read_prices(), MEMORY)}
    ledger, rows = lines[f"`{LEDGER}`"], lines[f"`{ROW_WRITER}`"]
    millions = Decimal(FACTS) / 1_000_000
    assert (ledger.times, ledger.write_units) == (millions, millions * 3 / 2)
    assert (rows.times, rows.calls, rows.write_units) == (millions / 2, millions, millions)
    assert ledger.bill.tables == read_prices().per_million.dynamodb_write_units * ledger.write_units
    nights_counted = sum(lines[name].times for name in (BUSY, RESTATED, WEEK))
    assert round(nights_counted, 6) == 30 * Decimal(SERVED) / 1_000_000


def test_rows_a_day_follow_from_the_facts_of_a_month(played: Played) -> None:
    assert rows_a_day(played) == 33


def test_tables_add_up_to_their_last_line(small: dict[str, Night]) -> None:
    bill = Bill(tables=Decimal(1500), functions=Decimal(500))
    line = Line("a", Decimal(1), Decimal(2), Decimal(3), Decimal(4), bill)
    assert month_table([line, line]).splitlines()[-1] == "| **all** |  | 4 | 6 | 8 | 3.00 | 1.00 | 0.00 | 0.00 | 4.00 |"
    assert len(nights_table(list(small.values())).splitlines()) == 2 + 5
