"""How fast contributions fold into days, and days into weeks: ours beside DuckDB and polars, on the same data.

The table is the one in memory, so what is measured is reading items and counting, without calls.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aftercare.events.trace import Scan, Trace
from aftercare.events.vocabulary import ChatSender, ScanStatus, SignedBy
from aftercare.kernel import compact
from aftercare.kernel.table import Query
from aftercare.rulepacks.scores import definitions
from aftercare.scores import store
from aftercare.scores.model.basis import basis, card_of
from aftercare.scores.model.contributions import ITEM, Row, order_rows, session_rows
from aftercare.scores.model.days import Summary, summary, week_measures
from aftercare.scores.model.records import Message, OrderRecord, Promised, Review, SessionRecord
from aftercare.scores.model.shops import ShopState
from sandbox.memory_table import MemoryTable

if TYPE_CHECKING:
    import polars as pl

BEGIN = datetime(2026, 10, 3, tzinfo=UTC)
DAYS = 30
END = (BEGIN + timedelta(days=DAYS)).date()
"""A Monday: the window is that of the week before."""
ZONE = "UTC"
STANDARD = definitions("standard", BEGIN)
ORDERS, SESSIONS = 17, 9
"""Of a shop in the window: they make about 200 contributions."""
VARIANTS = 8
LARGE = 150
"""So many shops in one are a large one."""
AT_ONCE = 500
"""Shops whose items are in memory at the same time."""
TURNS = 3

Column = list[int | str | None]
Week = dict[tuple[int, str], tuple[int, int]]
"""Numerator and denominator by shop and metric."""


class Kept(NamedTuple):
    """A row, and how its item has it: the same text stands in many items."""

    row: Row
    text: str


@dataclass(frozen=True)
class Stage:
    """``seconds`` of CPU, the process's, with all its threads; ``done`` so many of ``what``."""

    name: str
    what: str
    done: int
    seconds: float

    @property
    def a_second(self) -> float:
        return self.done / self.seconds


@dataclass(frozen=True)
class Folded:
    shops: int
    rows: int
    contributions: int
    ours: tuple[Stage, ...]
    large: Stage
    """Rows to days of a single shop with some hundred rows a day."""
    others: tuple[Stage, ...]
    threads: dict[str, int]
    agree: bool
    """Whether all have counted the same."""


def measure(shops: int, folder: Path | None = None) -> Folded:
    """Folds the window of so many shops; ``folder`` takes the file that the others read, a temporary one by default."""
    with tempfile.TemporaryDirectory(dir=folder) as held:
        file = Path(held) / "contributions.parquet"
        months = Months(random.Random(4))
        columns = Columns()
        ours = Ours()
        for start in range(0, shops, AT_ONCE):
            chunk = {shop: months.of_a_shop() for shop in range(start, min(start + AT_ONCE, shops))}
            for shop, kept in chunk.items():
                columns.add(shop, kept)
            ours.fold(chunk)
        columns.write(file)
        duck, duck_threads, duck_week = by_duckdb(file)
        bears, bear_threads, bear_week = by_polars(file)
        return Folded(
            shops=shops,
            rows=ours.rows,
            contributions=ours.contributions,
            ours=ours.stages(),
            large=large_shop(months),
            others=(*duck, *bears),
            threads={"DuckDB": duck_threads, "polars": bear_threads},
            agree=ours.week == duck_week == bear_week,
        )


# ---------------------------------------------------------------- what is counted


class Months:
    """Shops in their window: each has some of the same orders and sessions, under its own ids."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        days = range(-5, DAYS)
        self._orders = [_kept(order_rows(_order(day, rng), STANDARD).values()) for day in days for _ in range(VARIANTS)]
        self._sessions = [
            _kept(session_rows(_session(day, rng), STANDARD).values()) for day in days for _ in range(VARIANTS)
        ]

    def of_a_shop(self) -> list[Kept]:
        chosen = [self._rng.choice(self._orders) for _ in range(ORDERS)]
        chosen += [self._rng.choice(self._sessions) for _ in range(SESSIONS)]
        return [
            Kept(row._replace(subject=f"{row.subject}-{number}"), text)
            for number, kept in enumerate(chosen)
            for row, text in kept
        ]


def _kept(rows: Iterable[Row]) -> list[Kept]:
    inside = (row for row in rows if BEGIN.date() <= row.day < END)
    return [Kept(row, compact.to_json(row.metrics)) for row in inside]


def _order(day: int, rng: random.Random) -> OrderRecord:
    paid_at = BEGIN + timedelta(days=day, seconds=rng.randrange(86_400))
    picked_up = paid_at + timedelta(hours=rng.randint(2, 60))
    delivered = picked_up + timedelta(hours=rng.randint(20, 100))
    way = ((ScanStatus.PICKED_UP, picked_up), (ScanStatus.IN_TRANSIT, picked_up), (ScanStatus.DELIVERED, delivered))
    scans = tuple(Scan(at, status, at, status.value, "e3b0c442", signed_by=SignedBy.RECIPIENT) for status, at in way)
    review = Review(1, delivered + timedelta(days=rng.randint(0, 9)), rng.choice((1, 3, 4, 5, 5, 5, 5, 5)), False)
    return OrderRecord(
        shop="standard:s",
        order_id=f"{rng.randrange(10**12):012d}",
        zone=ZONE,
        pack="standard",
        paid_at=paid_at,
        promised=Promised(-1, paid_at + timedelta(hours=48), paid_at + timedelta(days=5), rng.random() < 0.3),
        parcels={"sto/1": Trace(scans)},
        reviews={"V": review} if rng.random() < 0.5 else {},
    )


def _session(day: int, rng: random.Random) -> SessionRecord:
    asked_at = BEGIN + timedelta(days=day, hours=9, seconds=rng.randrange(40_000))
    answered_at = asked_at + timedelta(seconds=rng.randint(5, 170))
    messages = {"1": Message(asked_at, ChatSender.BUYER), "2": Message(answered_at, ChatSender.HUMAN)}
    return SessionRecord("standard:s", f"{rng.randrange(10**12):012d}", ZONE, "standard", messages)


# ---------------------------------------------------------------- ours


class Ours:
    """As the roll-up does it: a day from its rows' items, a week from its days' items, its score from the week."""

    def __init__(self) -> None:
        self.rows = self.contributions = 0
        self.week: Week = {}
        self._shops = 0
        self._seconds = [0.0, 0.0, 0.0]

    def fold(self, chunk: dict[int, list[Kept]]) -> None:
        table = _table(chunk)
        days = [(BEGIN + timedelta(days=number)).date() for number in range(DAYS)]
        marks = [time.process_time()]
        folded = {shop: {day: _day(table, shop, day) for day in days} for shop in chunk}
        marks.append(time.process_time())
        texts = {shop: {day: compact.to_json(found) for day, found in each.items()} for shop, each in folded.items()}
        self._seconds[0] += marks[1] - marks[0]
        marks = [time.process_time()]
        weeks = {
            shop: week_measures(
                {day: store.read_day({"state": text}) for day, text in each.items()}, END, STANDARD.counting
            )
            for shop, each in texts.items()
        }
        marks.append(time.process_time())
        for shop, measures in weeks.items():
            state = ShopState.entered(f"standard:{shop}", BEGIN)
            card_of(basis(state, END, measures, None, None), END, ZONE, None)
        marks.append(time.process_time())
        self._seconds[1] += marks[1] - marks[0]
        self._seconds[2] += marks[2] - marks[1]
        self._shops += len(chunk)
        self.rows += sum(map(len, chunk.values()))
        self.contributions += sum(len(row.metrics) for kept in chunk.values() for row, _ in kept)
        for shop, measures in weeks.items():
            self.week |= {(shop, each.id): (each.numerator, each.denominator) for each in measures}

    def stages(self) -> tuple[Stage, ...]:
        days, weeks, cards = self._seconds
        return (
            Stage("rows to days", "contributions", self.contributions, days),
            Stage("days to weeks", "shops", self._shops, weeks),
            Stage("weeks to scores", "shops", self._shops, cards),
        )


def large_shop(months: Months) -> Stage:
    large = Ours()
    kept = [
        Kept(row._replace(subject=f"{row.subject}-{number}"), text)
        for number in range(LARGE)
        for row, text in months.of_a_shop()
    ]
    large.fold({0: kept})
    days, *_ = large.stages()
    return Stage(f"rows to days, {large.rows // DAYS} rows a day", days.what, days.done, days.seconds)


def _table(chunk: dict[int, list[Kept]]) -> MemoryTable:
    table = MemoryTable()
    for shop, kept in chunk.items():
        for row, text in kept:
            put = store.write_row(f"standard:{shop}", row._replace(metrics={}), 1)
            table.write(put._replace(attributes={**put.attributes, store.METRICS: text}))
    return table


def _day(table: MemoryTable, shop: int, day: date) -> Summary:
    def rows() -> Iterator[Row]:
        query: Query | None = store.rows_of(f"standard:{shop}", day)
        while query is not None:
            page = table.query(query)
            yield from (store.read_row(key, item, day) for key, item in zip(page.keys, page.items, strict=True))
            query = None if page.next is None else store.rows_of(f"standard:{shop}", day, page.next)

    return summary(rows(), STANDARD.caps)


# ---------------------------------------------------------------- theirs


class Columns:
    """The same contributions as columns, and each row's text; days count from the window's first."""

    def __init__(self) -> None:
        self.columns: dict[str, Column] = {
            name: [] for name in ("shop", "day", "metric", "numerator", "denominator", "evidence")
        }
        self.texts: dict[str, Column] = {name: [] for name in ("shop", "day", "metrics")}

    def add(self, shop: int, kept: list[Kept]) -> None:
        for row, text in kept:
            day = _number(row.day)
            self._append(self.texts, (shop, day, text))
            for metric, (numerator, denominator, evidence) in row.metrics.items():
                if not metric.startswith(ITEM):
                    known = None if evidence is None else _number(evidence)
                    self._append(self.columns, (shop, day, metric, numerator, denominator, known))

    @staticmethod
    def _append(columns: dict[str, Column], row: tuple[int | str | None, ...]) -> None:
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)

    def write(self, file: Path) -> None:
        import polars as pl

        pl.DataFrame(self.columns).write_parquet(file)
        pl.DataFrame(self.texts).write_parquet(file.with_suffix(".texts"))


def _number(day: date) -> int:
    return (day - BEGIN.date()).days


OF_DAYS = """
CREATE OR REPLACE TABLE days AS SELECT shop, day, metric, evidence, sum(numerator)::BIGINT AS numerator,
    sum(denominator)::BIGINT AS denominator FROM {source} GROUP BY ALL
"""
OF_WEEKS = """
CREATE OR REPLACE TABLE weeks AS SELECT shop, metric,
    sum(CASE WHEN evidence IS NULL OR evidence < ? THEN numerator ELSE 0 END)::BIGINT AS numerator,
    sum(denominator)::BIGINT AS denominator FROM days GROUP BY ALL
"""
OF_TEXTS = """(
    SELECT shop, day, share->>'$[0]' AS metric, (share->>'$[1][0]')::BIGINT AS numerator,
        (share->>'$[1][1]')::BIGINT AS denominator, ((share->>'$[1][2]')::DATE - DATE '{begin}')::BIGINT AS evidence
    FROM (SELECT shop, day, unnest(from_json(metrics, '["JSON"]')) AS share FROM texts)
)"""


def by_duckdb(file: Path) -> tuple[list[Stage], int, Week]:
    import duckdb

    with duckdb.connect(config={"autoinstall_known_extensions": False}) as database:
        database.execute("CREATE TABLE contributions AS FROM read_parquet(?)", [str(file)])
        database.execute("CREATE TABLE texts AS FROM read_parquet(?)", [str(file.with_suffix(".texts"))])
        count, shops, threads = database.execute(
            "SELECT count(*), count(DISTINCT shop), current_setting('threads') FROM contributions"
        ).fetchall()[0]

        def run(statement: str, *parameters: int) -> float:
            return _least(lambda: database.execute(statement, parameters))

        texts = OF_TEXTS.format(begin=BEGIN.date())
        stages = [
            Stage("DuckDB, from the rows' text", "contributions", count, run(OF_DAYS.format(source=texts))),
            Stage("DuckDB, from columns", "contributions", count, run(OF_DAYS.format(source="contributions"))),
            Stage("DuckDB, weeks", "shops", shops, run(OF_WEEKS, DAYS)),
        ]
        return stages, int(threads), _week(database.execute("SELECT * FROM weeks").fetchall())


def by_polars(file: Path) -> tuple[list[Stage], int, Week]:
    import polars as pl

    contributions = pl.read_parquet(file)
    numbers = pl.col("numerator", "denominator").sum()
    known = pl.col("evidence").is_null() | (pl.col("evidence") < DAYS)
    held: dict[str, pl.DataFrame] = {}

    def days() -> None:
        held["days"] = contributions.group_by("shop", "day", "metric", "evidence").agg(numbers)

    def weeks() -> None:
        cut = held["days"].with_columns(pl.when(known).then(pl.col("numerator")).otherwise(0).alias("numerator"))
        held["weeks"] = cut.group_by("shop", "metric").agg(numbers)

    stages = [
        Stage("polars, from columns", "contributions", contributions.height, _least(days)),
        Stage("polars, weeks", "shops", contributions["shop"].n_unique(), _least(weeks)),
    ]
    return stages, pl.thread_pool_size(), _week(held["weeks"].rows())


def _week(rows: Iterable[tuple[int, str, int, int]]) -> Week:
    return {(shop, metric): (numerator, of) for shop, metric, numerator, of in rows if numerator or of}


def _least(work: Callable[[], object]) -> float:
    """CPU seconds of the quickest of some turns: others use the machine too."""
    seconds = []
    for _ in range(TURNS):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)
