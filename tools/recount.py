# ruff: noqa: INP001  a script, not a package
"""Counts every published number anew with DuckDB, and says where another was published.

    python -m sandbox replay EVENTS.jsonl --until TIME --out SAID.jsonl --records RECORDS.jsonl
    python tools/recount.py RECORDS.jsonl SAID.jsonl

Numerators and denominators of `standard-1`, of every day and every week of every shop, by their last revisions. Exit
code 1 where one differs, is missing, or was published of nothing. What is counted stands in recount.sql.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

DEFINITIONS = Path(__file__).with_suffix(".sql")
SHOWN = 20
"""So many differences are told one by one."""

MOMENT = "TIMESTAMPTZ"
RECORD = {
    "kind": "VARCHAR",
    "shop": "VARCHAR",
    "zone": "VARCHAR",
    "pack": "VARCHAR",
    # orders
    "order_id": "VARCHAR",
    "paid_at": MOMENT,
    "promised": f"STRUCT(ship_by {MOMENT}, deliver_by {MOMENT}, door_delivery BOOLEAN)",
    "cancelled_at": MOMENT,
    "parcels": f"""MAP(VARCHAR, STRUCT(scans STRUCT(
        "at" {MOMENT}, status VARCHAR, code VARCHAR, text_digest VARCHAR, signed_by VARCHAR)[]))""",
    "refunds": f"""MAP(VARCHAR, STRUCT(requested_at {MOMENT}, reason VARCHAR, decisions STRUCT(
        "at" {MOMENT}, outcome VARCHAR, by_shop BOOLEAN, justified BOOLEAN)[]))""",
    "reviews": f"MAP(VARCHAR, STRUCT(posted_at {MOMENT}, stars INTEGER, removed BOOLEAN))",
    "steps": f"MAP(VARCHAR, STRUCT(kind VARCHAR, opened_at {MOMENT}, closed_at {MOMENT}, refund_id VARCHAR))",
    "anomalies": f"""MAP(VARCHAR, STRUCT(kind VARCHAR, words STRUCT(
        sequence BIGINT, step INTEGER, crossed_at {MOMENT}, stage VARCHAR, withdrawn BOOLEAN)[]))""",
    "cases": f"""MAP(VARCHAR, STRUCT(refund_id VARCHAR, "trigger" VARCHAR, arm VARCHAR, opened_at {MOMENT},
        closed_at {MOMENT}, outcome VARCHAR, turns MAP(VARCHAR, {MOMENT}[])))""",
    "marks": "VARCHAR[]",
    # chat sessions
    "session_id": "VARCHAR",
    "messages": f'MAP(VARCHAR, STRUCT("at" {MOMENT}, sender VARCHAR))',
    "rounds": f"MAP(VARCHAR, STRUCT(asked_at {MOMENT}, answered_at {MOMENT}, answered_by VARCHAR))",
    "rating": f"STRUCT(rated_at {MOMENT}, satisfied BOOLEAN, resolved BOOLEAN)",
    # shops
    "counted_to": "DATE",
    "published_to": "DATE",
}
MEASURES = "STRUCT(id VARCHAR, numerator BIGINT, denominator BIGINT)[]"
SAID = {
    "detail-type": "VARCHAR",
    "detail": f"""STRUCT(metadata STRUCT(shop VARCHAR),
        data STRUCT(day VARCHAR, week VARCHAR, revision INTEGER, metrics {MEASURES}))""",
}
PUBLISHED = """
CREATE TABLE published AS
WITH told AS (
    SELECT detail.metadata.shop AS shop, "detail-type" = 'ScorePublished' AS is_week,
        CASE WHEN is_week THEN detail.data.week ELSE detail.data.day END AS period, detail.data.revision AS revision,
        detail.data.metrics AS metrics
    FROM said WHERE "detail-type" IN ('ScorePublished', 'DayMeasured')
),
last AS (SELECT * FROM told QUALIFY row_number() OVER (PARTITION BY shop, is_week, period ORDER BY revision DESC) = 1)
SELECT shop, is_week, period, metric.id AS metric, metric.numerator, metric.denominator
FROM (SELECT shop, is_week, period, unnest(metrics) AS metric FROM last) JOIN shops USING (shop)
"""
COMPARED = """
WITH counted AS (
    SELECT *, false AS is_week FROM counted_days UNION ALL BY NAME SELECT *, true AS is_week FROM counted_weeks
)
SELECT is_week, shop, period, metric,
    coalesce(published.numerator, 0), coalesce(published.denominator, 0),
    coalesce(counted.numerator, 0), coalesce(counted.denominator, 0)
FROM published FULL JOIN counted USING (shop, is_week, period, metric)
ORDER BY is_week, shop, period, metric
"""


class Compared(NamedTuple):
    """A metric of a shop's day or week: what was published, and what there is."""

    is_week: bool
    shop: str
    period: str
    metric: str
    published: tuple[int, int]
    counted: tuple[int, int]

    @property
    def differences(self) -> int:
        return sum(one != other for one, other in zip(self.published, self.counted, strict=True))

    def __str__(self) -> str:
        (numerator, denominator), (counted, of) = self.published, self.counted
        return f"{self.shop} {self.period} {self.metric}: {numerator}/{denominator} published, {counted}/{of} counted"


def compare(records: Path, said: Path) -> list[Compared]:
    """Every metric that was published or counted. Raises ``duckdb.Error`` for files that hold something else."""
    # what is not in the package itself is not fetched from elsewhere
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as database:
        database.execute("SET TimeZone = 'UTC'")
        _load(database, "records", records, RECORD)
        _load(database, "said", said, SAID)
        for statement in duckdb.extract_statements(DEFINITIONS.read_text(encoding="utf-8")):
            database.execute(statement)
        database.execute(PUBLISHED)
        rows = database.execute(COMPARED).fetchall()
    return [Compared._make((*row[:4], row[4:6], row[6:8])) for row in rows]


def _load(database: duckdb.DuckDBPyConnection, table: str, file: Path, columns: dict[str, str]) -> None:
    database.execute(
        f"CREATE TABLE {table} AS FROM read_json(?, format = 'newline_delimited', columns = ?)",
        [str(file), columns],
    )


def summary(compared: Sequence[Compared]) -> str:
    differing = [each for each in compared if each.differences]
    weeks = [each for each in compared if each.is_week]
    metrics = {each.metric for each in compared if any((*each.published, *each.counted))}
    periods = {(each.shop, each.is_week, each.period) for each in compared}
    of_days = sum(not is_week for _, is_week, _ in periods), 2 * (len(compared) - len(weeks))
    of_weeks = sum(is_week for _, is_week, _ in periods), 2 * len(weeks)
    lines = [
        f"{len(metrics)} metrics of {len({each.shop for each in compared})} shops",
        f"{of_days[0]} days with {of_days[1]} numbers, {of_weeks[0]} weeks with {of_weeks[1]} numbers",
        f"numbers that differ: {sum(each.differences for each in differing)}",
        *(f"  {each}" for each in differing[:SHOWN]),
    ]
    if len(differing) > SHOWN:
        lines.append(f"  and {len(differing) - SHOWN} more metrics of a day or a week")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Counts every published number anew, with DuckDB")
    parser.add_argument("records", type=Path, metavar="RECORDS.jsonl", help="what replay --records wrote")
    parser.add_argument("said", type=Path, metavar="SAID.jsonl", help="what replay --out wrote")
    options = parser.parse_args(arguments)
    compared = compare(options.records, options.said)
    print(summary(compared))
    if not compared:
        print("there is nothing to compare", file=sys.stderr)
    return 1 if not compared or any(each.differences for each in compared) else 0


if __name__ == "__main__":
    sys.exit(main())
