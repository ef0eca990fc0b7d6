"""Scores at scale: folding beside DuckDB and polars, what a night asks of the table, and a million shops on paper.

python benchmarks/rollup.py                  10,000 shops, two million contributions
python benchmarks/rollup.py --quick          a hundredth of it
python benchmarks/rollup.py --write-docs     docs/scale-scores.md from this run
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from decimal import Decimal
from pathlib import Path

from benchmarks.cases import Played, play_all
from benchmarks.costs import MEGABYTES_A_GIGABYTE, MILLISECONDS, Bill, Prices, bill_of, own_calls, read_prices
from benchmarks.document import table
from benchmarks.folding import DAYS, Folded, Stage, measure
from benchmarks.nights import BUSY, EVENING_LOOK, RESTATED, WEEK, Night, nights
from benchmarks.parcels import FULL_BATCH, SMOOTH
from benchmarks.run import machine, memory_of
from sandbox.template import read_template

PAGE = Path(__file__).parents[1] / "docs" / "scale-scores.md"
SHOPS, QUICKLY = 10_000, 100
LEDGER, ROW_WRITER, ROLLUP, RELAY = "fact_ledger", "score_rows", "score_rollup", "event_relay"
MILLION = Decimal(1_000_000)

SERVED = 1_000_000
FACTS = 1_000_000_000
"""A month, of all shops together."""
NIGHTS, WEEK_ENDS = Decimal(30), Decimal(30) / 7
RESTATED_SHARE = Decimal("0.06")
"""Nights in which an earlier day is counted again: so many days of real orders were."""


@dataclass(frozen=True)
class Line:
    """What happens a million times, and what it comes to in a month; dollars in full."""

    what: str
    times: Decimal
    calls: Decimal
    read_units: Decimal
    write_units: Decimal
    bill: Bill


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the shops")
    parser.add_argument("--write-docs", action="store_true", help=f"write docs/{PAGE.name} from this run")
    options = parser.parse_args(arguments)
    folded = measure(QUICKLY if options.quick else SHOPS)
    print(folding_table(folded))
    found = nights()
    print(nights_table(found))
    [played] = [each for each in play_all() if each.name == SMOOTH]
    rows = rows_a_day(played)
    lines = month(played, nights((rows,)), read_prices(), memory_of(read_template().functions))
    print(month_table(lines))
    if options.write_docs:
        PAGE.write_text(page(folded, found, rows, lines, read_prices()), encoding="utf-8")
        print(f"Wrote {PAGE}")
    if not folded.agree:
        print("The three have counted differently.", file=sys.stderr)
    return 0 if folded.agree else 1


# ---------------------------------------------------------------- a month


def rows_a_day(played: Played) -> int:
    """Of an average shop, where its facts make as many rows as those of the played parcel."""
    facts = sum(heard.function == LEDGER for heard in played.heard)
    written = sum(len(own_calls(heard)) for heard in played.heard if heard.function == ROW_WRITER)
    return round(FACTS / SERVED / float(NIGHTS) * written / facts)


def month(played: Played, of_a_shop: Sequence[Night], prices: Prices, memory_mb: Mapping[str, int]) -> list[Line]:
    """All that scores cost in a month, from the fact on the queue to the event on the bus. Messages and what streams
    bring come in full batches."""
    known = {night.name: night for night in of_a_shop}
    restated = NIGHTS * RESTATED_SHARE
    counts = {EVENING_LOOK: NIGHTS, BUSY: NIGHTS - WEEK_ENDS - restated, RESTATED: restated, WEEK: WEEK_ENDS}
    return [
        *(_of_facts(function, played, prices, memory_mb) for function in (LEDGER, ROW_WRITER)),
        *(_of_nights(known[name], count * SERVED, prices, memory_mb) for name, count in counts.items()),
    ]


def _of_facts(function: str, played: Played, prices: Prices, memory_mb: Mapping[str, int]) -> Line:
    facts = sum(heard.function == LEDGER for heard in played.heard)
    times = Decimal(FACTS) / facts / MILLION
    heard = [each for each in played.heard if each.function == function]
    exchanges = [exchange for each in heard for exchange in own_calls(each)]
    return Line(
        f"`{function}`",
        times * len(heard),
        times * len(exchanges),
        times * Decimal(str(sum(exchange.read_units for exchange in exchanges))),
        times * sum(exchange.write_units for exchange in exchanges),
        sum((bill_of(each, prices, memory_mb[function], FULL_BATCH) for each in heard), Bill()) * times,
    )


def _of_nights(night: Night, number: Decimal, prices: Prices, memory_mb: Mapping[str, int]) -> Line:
    """With the message that wakes the shop, and the relay of what it says."""
    times, asked, share = number / MILLION, night.asked, Decimal(1) / FULL_BATCH
    price, assumed = prices.per_million, prices.assumed_milliseconds
    calls, events = sum(asked.calls.values()), sum(asked.events.values())
    waking = assumed.invocation * share + assumed.aws_call * calls + Decimal(str(asked.milliseconds))
    relaying = (assumed.invocation + assumed.aws_call) * share * events
    gigabyte_seconds = (waking * memory_mb[ROLLUP] + relaying * memory_mb[RELAY]) / (
        MEGABYTES_A_GIGABYTE * MILLISECONDS
    )
    bill = Bill(
        tables=price.dynamodb_read_units * Decimal(str(asked.read_units))
        + price.dynamodb_write_units * asked.write_units,
        functions=price.lambda_requests * share * (1 + events) + price.lambda_gb_seconds * gigabyte_seconds,
        queues=price.sqs_requests * 3 * share,
        bus=price.bus_events * events,
    )
    return Line(
        night.name,
        times,
        times * (calls + share * events),
        times * Decimal(str(asked.read_units)),
        times * asked.write_units,
        bill * times,
    )


# ---------------------------------------------------------------- the page

HEAD = """# Scores at scale

This page is written by `python benchmarks/rollup.py --write-docs`. It says how fast days and weeks are folded, what the
counting of one shop asks of its table, and what both come to for a million shops.
"""
FOLDING_HEAD = """## Folding

{contributions:,} contributions of {shops:,} shops in {days} days ({rows:,} rows), folded as the roll-up does it: every
day from its rows' items, every week from its days' items, every score from its week. DuckDB and polars add up the same
contributions in the same run, and come to the same numbers. They have them as columns in memory: what a row's item
costs to read is not in it, so DuckDB also reads them from the rows' own text. Most of these shops' days have two or
three rows, so a day's own work weighs; one larger shop stands beside them.

By CPU seconds of the whole process, with all its threads: {threads}. The last column says how many times as much is
done in a CPU second as by ours, in the same step. Measured on {machine}.
"""
FOLDING_FOOT = """
The other two add up all shops at once, from files that somebody would have to write first. A night is about the day of
one shop, in a function that has just been woken for it.
"""
NIGHTS_HEAD = """## What a night asks of the table

One waking of one shop, by the sizes of its items: a consistent read costs a unit a 4 KB, where a query adds up all it
finds; a write one a KB, and one more for each entry of the due index that comes or goes. An evening's look is for shops
that are written to; a day heard of late is counted again, and every week whose window holds it.
"""
MONTH_HEAD = """## A million shops, a thousand million facts a month, on paper

A shop has {facts:,.0f} facts a month, which make about {rows} rows a day. The cost of a fact is that of a parcel with
ten scans; of {nights:.0f} nights {share:.1f} count an earlier day again, as it was with real orders. Millions of times,
calls and units; thousands of dollars at the on-demand list prices of {region} as of {as_of}, messages in full batches
of ten. The facts' own way to the queue is not in it, nor what others do with a day's numbers, nor storage.
"""


def page(folded: Folded, found: Sequence[Night], rows: int, lines: Sequence[Line], prices: Prices) -> str:
    threads = ", ".join(f"{name} {count}" for name, count in folded.threads.items())
    head = FOLDING_HEAD.format(
        contributions=folded.contributions,
        shops=folded.shops,
        days=DAYS,
        rows=folded.rows,
        threads=f"ours 1, {threads}",
        machine=machine(),
    )
    paper = MONTH_HEAD.format(
        facts=FACTS / SERVED,
        rows=rows,
        nights=NIGHTS,
        share=NIGHTS * RESTATED_SHARE,
        region=prices.region,
        as_of=prices.as_of,
    )
    return "\n".join(
        [
            HEAD,
            head,
            folding_table(folded) + FOLDING_FOOT,
            NIGHTS_HEAD,
            nights_table(found),
            paper,
            month_table(lines),
        ]
    )


def folding_table(folded: Folded) -> str:
    days, weeks, scores = folded.ours

    def beside(stage: Stage) -> str:
        if stage is scores:
            return ""
        ours = days if stage.what == days.what else weeks
        return f"{stage.a_second / ours.a_second:.2g}"

    return table(
        ("", "done", "a CPU second", "beside ours"),
        (
            [stage.name, f"{stage.done:,} {stage.what}", f"{_rounded(stage.a_second):,}", beside(stage)]
            for stage in (days, folded.large, weeks, scores, *folded.others)
        ),
        numbers={1, 2, 3},
    )


def nights_table(found: Sequence[Night]) -> str:
    return table(
        ("waking", "rows a day", "calls", "of them queries", "read units", "write units", "events"),
        (
            [
                night.name,
                f"{night.rows:,}",
                str(sum(night.asked.calls.values())),
                str(night.asked.calls["Query"]),
                f"{night.asked.read_units:g}",
                str(night.asked.write_units),
                ", ".join(f"{count} {name}" for name, count in night.asked.events.items()),
            ]
            for night in found
        ),
        numbers={1, 2, 3, 4, 5},
    )


def month_table(lines: Sequence[Line]) -> str:
    total = sum((line.bill for line in lines), Bill())
    return table(
        ("", "times", "calls", "read units", "write units", "tables", "functions", "queues", "bus", "dollars"),
        (
            [
                line.what,
                *(f"{count:,.0f}" for count in (line.times, line.calls, line.read_units, line.write_units)),
                *_thousands(line.bill),
            ]
            for line in lines
        ),
        numbers=set(range(1, 10)),
        footer=[
            "**all**",
            "",
            *(
                f"{sum(counts):,.0f}"
                for counts in zip(*((line.calls, line.read_units, line.write_units) for line in lines), strict=True)
            ),
            *_thousands(total),
        ],
    )


def _thousands(bill: Bill) -> list[str]:
    tables, functions, queues, bus, _ = astuple(bill)
    return [f"{dollars / 1_000:.2f}" for dollars in (tables, functions, queues, bus, bill.total)]


def _rounded(value: float) -> int:
    """Two digits are as many as a shared machine gives."""
    digits = len(str(int(value))) - 2
    return int(round(value, -digits)) if digits > 0 else int(value)


if __name__ == "__main__":
    sys.exit(main())
