"""``docs/cost.md``: what a million refunds, scans and shops cost, from counted calls and dated list prices.

python benchmarks/costpage.py --write-docs     docs/cost.md from this run
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from decimal import Decimal
from pathlib import Path

from benchmarks.cases import SHOPS_DAY, Played, play_all
from benchmarks.costs import Bill, Prices, bills_of, read_prices
from benchmarks.document import BILLED, table
from benchmarks.run import memory_of
from sandbox.template import TEMPLATE, _translate, read_template

PAGE = Path(__file__).parents[1] / "docs" / "cost.md"
BATCH = 10
NIGHTS_A_MONTH = 30
SCANS = 10
LINE_BYTES = 420
"""The longest line that an event leaves in the log at INFO, rounded up."""
GIGABYTE = 10**9
MILLION = 10**6

HEAD = """# What it costs

This page is written by `python benchmarks/costpage.py --write-docs`, and a test compares it with the calls that the
functions make in the offline cloud, one by one ([performance](performance.md)). Prices are the on-demand list prices of
{region} as of {as_of} (`benchmarks/prices.toml`), in US dollars, without free tiers and data transfer. A function
is taken to be billed {invocation} ms, {aws_call} ms more a call to AWS and {marketplace_call} ms more one to a
marketplace.
"""
MILLIONS = """## A million of each

With every message in a batch of its own, as in a quiet shop, and at the end with batches of ten, as in a busy one. Each
includes what comes before it: a refund its order, its webhooks and its page.

"""
KEPT = """*Log and archive*: a line of {line} bytes an event at `LogLevel` INFO, and the event itself in the bus's
archive. Beside the scans stands a tenth of what ten of them and the upload add to an order.
"""
FIXED = """## A stack, whatever it does

"""


@dataclass(frozen=True)
class Line:
    """A million of something: its bill with every message alone, and the total in batches of ten."""

    what: str
    bill: Bill
    in_batches: Decimal
    events: Decimal
    event_bytes: Decimal


def lines_of(played: Sequence[Played], prices: Prices, memory_mb: Mapping[str, int]) -> list[Line]:
    cases = {each.name: each for each in played}

    def bill(name: str, batch: int) -> Bill:
        return sum(bills_of(cases[name], prices, memory_mb, batch).values(), Bill())

    def line(what: str, name: str) -> Line:
        return Line(what, bill(name, 1), bill(name, BATCH).total, *said(name))

    def said(name: str) -> tuple[Decimal, Decimal]:
        bytes_ = sum(len(json.dumps(each.entry(), ensure_ascii=False).encode()) for each in cases[name].published)
        return Decimal(len(cases[name].published)), Decimal(bytes_)

    def less(name: str, other: str, batch: int) -> Bill:
        return bill(name, batch) + bill(other, batch) * Decimal(-1)

    scans, paid = "parcel with ten scans", "order paid only"
    nights = Decimal(NIGHTS_A_MONTH)
    a_scan = Decimal(1) / SCANS
    return [
        line("orders paid", paid),
        line("refunds: accepted, part of the money", "accepted partial refund"),
        line("refunds: accepted, a coupon", "accepted coupon"),
        line("refunds: declined", "declined"),
        line("refunds: silence", "silent"),
        line("refunds: no plan answers", "no plan"),
        line("parcels that stall once, with their messages", "parcel that stalls"),
        Line(
            "scans, a tenth of a parcel with ten",
            less(scans, paid, 1) * a_scan,
            less(scans, paid, BATCH).total * a_scan,
            *((all_ - first) * a_scan for all_, first in zip(said(scans), said(paid), strict=True)),
        ),
        Line(
            "shops, for a month of nights",
            bill(SHOPS_DAY, 1) * nights,
            bill(SHOPS_DAY, BATCH).total * nights,
            *(each * nights for each in said(SHOPS_DAY)),
        ),
    ]


def page(played: Sequence[Played], prices: Prices, memory_mb: Mapping[str, int]) -> str:
    assumed = prices.assumed_milliseconds
    head = HEAD.format(
        region=prices.region,
        as_of=prices.as_of,
        invocation=assumed.invocation,
        aws_call=assumed.aws_call,
        marketplace_call=assumed.marketplace_call,
    )
    rows = [
        [line.what, *(f"{dollars:,.2f}" for dollars in astuple(line.bill)), f"{line.bill.total:,.2f}",
         f"{line.in_batches:,.2f}", f"{_kept(line, prices):,.2f}"]
        for line in lines_of(played, prices, memory_mb)
    ]  # fmt: skip
    headings = ("a million", *BILLED, "together", "in batches", "log and archive")
    return "\n".join(
        (
            head,
            MILLIONS + table(headings, rows, numbers=set(range(1, len(headings)))),
            KEPT.format(line=LINE_BYTES),
            FIXED + _fixed(prices),
        )
    )


def _kept(line: Line, prices: Prices) -> Decimal:
    logged, archived = line.events * LINE_BYTES, line.event_bytes
    return (prices.a_gigabyte.logs * logged + prices.a_gigabyte.archive * archived) * MILLION / GIGABYTE


def _fixed(prices: Prices) -> str:
    resources = json.loads(_translate(TEMPLATE.read_text(encoding="utf-8")))["Resources"].values()
    watched = sum(
        len([each for each in resource["Properties"]["Metrics"] if "MetricStat" in each])
        if "Metrics" in resource["Properties"]
        else 1
        for resource in resources
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    )
    secrets = sum(resource["Type"] == "AWS::SecretsManager::Secret" for resource in resources)
    monthly = prices.a_month
    rows = [
        ("alarms, by the metrics that they look at", f"{watched}", f"{monthly.alarm * watched:,.2f}"),
        ("the dashboard", "1", f"{monthly.dashboard:,.2f}"),
        ("secrets of the stack", f"{secrets}", f"{monthly.secret * secrets:,.2f}"),
        ("secrets of each shop", "2", f"{monthly.secret * 2:,.2f}"),
        ("each metric of our own that was written", "1", f"{monthly.metric:,.2f}"),
        ("each gigabyte in the tables, with recovery", "1", f"{_a_gigabyte_kept(prices):,.2f}"),
    ]
    return table(("a month", "how many", "dollars"), rows, numbers={1, 2})


def _a_gigabyte_kept(prices: Prices) -> Decimal:
    return prices.a_gigabyte.table + prices.a_gigabyte.recovery


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write-docs", action="store_true", help=f"write docs/{PAGE.name} from this run")
    options = parser.parse_args(arguments)
    text = page(play_all(), read_prices(), memory_of(read_template().functions))
    print(text)
    if options.write_docs:
        PAGE.write_text(text, encoding="utf-8")
        print(f"Wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
