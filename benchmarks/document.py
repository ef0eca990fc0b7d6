"""``docs/performance.md``: the written minimum, and what one full run found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple
from decimal import Decimal
from pathlib import Path

from benchmarks.costs import Bill, CaseCost, Prices
from benchmarks.handlers import HandlerTime
from benchmarks.minimum import NEEDED, STEPS, least_calls
from benchmarks.parcels import STALL_SHARE, ParcelCosts
from benchmarks.simulator import Throughput
from benchmarks.startup import StartTime

BILLED = ("tables", "functions", "queues", "bus", "http")
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"

HEAD = """# Performance

This page is written by `python benchmarks/run.py --write-docs`. `make benchmarks` measures the same and fails when a
target is missed: at once where calls are counted, and where time is measured when it is missed twice in a row by more
than 15 %. `python benchmarks/run.py --quick` does less of everything, for CI.
"""
MINIMUM_HEAD = """## The fewest calls

The number of AWS calls is the figure to keep small: a call costs money, milliseconds and most of a handler's CPU time.
The fewest that each step can be done with is written down in `benchmarks/minimum.py`, by hand; the benchmark plays
every kind of case in the offline cloud, through `template.yaml`, and compares. Reads of secrets are left out: each
process reads a secret once in five minutes, however many cases there are. So are the queries by which
`deadline_sweep` looks at its indexes every minute, with or without cases. The nights in which a shop's day is counted
belong to no case, since they come once a day however many there are: they are a kind of their own.
"""
CASES_HEAD = """## What a case costs

From the first webhook to the last, and three days beyond. Write and read units are computed from the items as they
were before and after each write, by DynamoDB's rules (moto's figures are not real): a unit a KB begun, twice that in a
transaction, and one for every index entry written or deleted. The shop has a budget, a limit a buyer, a plan for
another situation that turns on whether the buyer is new, and messages about delays. Two cases have a parcel; in the
others the order need not be shipped yet.
"""
PARCELS_HEAD = """## What a parcel costs

Paid, uploaded, scanned ten times by its number alone, and delivered within three days; or silent for 80 hours on the
way, so that an alert is raised, the buyer is told, and the alert clears itself. What `shipment_watch` hears of each,
on average, with the units of the due index among its write units:
"""
PARCELS_BILL = """A scan is one conditional write beside its reads. Its units are those of the order's item, which
passes one KB half-way; the due index is touched only where a timer is set earlier, fires, or is not needed any more. A
due timer costs ${timer:.2f} a million with its message, the sweep's calls and {units} write units, a message a batch.

### A hundred million parcels, on paper

One of {one_in} stands still once. By function, with everything that hears of a parcel: millions of calls and units, and
thousands of dollars with every message alone, and with batches of ten.
"""
PARCELS_TIMERS = """### Other ways to keep time

The same parcels, whatever keeps their timers: thousands of dollars for the timers, and for what happens when one fires
(the message, the function, the order read and written, in batches of ten).
"""
HANDLERS_HEAD = """## CPU time of a handler

The real `app.py` with the real adapters, and the production clients of the SDK with answers from memory in the place
of the network, beside the same clients making the same calls bare; of each thing heard in several cases the dearest.
CPU time, in short blocks that take turns. Target:
{target:.2f}. The buyer's page renders HTML and is shown for information.
"""
STARTUP_HEAD = """## Cold start

Wall time inside a fresh process, bytecode cached: importing a function's `app.py` and assembling what it asks for,
beside importing boto3, making one DynamoDB client, one pydantic model and one Powertools logger. Target: {target:.2f}.
"""
SIMULATOR_HEAD = """## The domain alone

Negotiation and settlement over the table in memory, without AWS; for information.
"""


def minimum_tables() -> str:
    """The steps with their reasons, and how often each kind of case needs them."""
    steps = table(
        ("function", "hears", "calls", "why not fewer"),
        ([f"`{step.function}`", step.heard, str(step.calls), step.why] for step in STEPS),
        numbers={2},
    )
    needed = table(
        ("hears", *NEEDED),
        (
            [f"`{step.function}`: {step.heard}", *(str(needed.get(step, "")) for needed in NEEDED.values())]
            for step in STEPS
        ),
        numbers=set(range(1, 1 + len(NEEDED))),
        footer=["**calls**", *(f"**{sum(least_calls(case).values())}**" for case in NEEDED)],
    )
    return f"{steps}\nHow often each kind of case needs a step:\n\n{needed}"


def cases_tables(costs: Sequence[CaseCost], prices: Prices) -> str:
    summary = table(
        ("case", "calls", "fewest", "write units", "read units", "events", "messages", "$ a million"),
        (
            [
                cost.name,
                str(cost.all_calls),
                str(cost.all_least),
                str(cost.write_units),
                f"{cost.read_units:g}",
                str(cost.events),
                str(cost.messages),
                f"{cost.dollars_a_million:.0f}",
            ]
            for cost in costs
        ),
        numbers=set(range(1, 8)),
    )
    functions = list(dict.fromkeys(name for cost in costs for name in cost.calls))
    by_function = table(
        ("calls (fewest)", *(cost.name for cost in costs)),
        (
            [f"`{name}`", *(_beside(cost.calls.get(name, 0), cost.least.get(name, 0)) for cost in costs)]
            for name in functions
        ),
        numbers=set(range(1, 1 + len(costs))),
    )
    assumed = prices.assumed_milliseconds
    note = (
        f"Dollars: on-demand list prices of {prices.region} as of {prices.as_of}, every message in a batch of its own; "
        f"a function is taken to be billed {assumed.invocation} ms, {assumed.aws_call} ms more a call and "
        f"{assumed.marketplace_call} ms more a call to a marketplace.\n"
    )
    counted = Counter((cost.name, excess) for cost in costs for excess in cost.excesses)
    beyond = [
        f"- {name}: `{excess.function}` on {excess.heard} makes {excess.calls} more ({excess.made})"
        f"{'' if times == 1 else f', {times} times'}\n"
        for (name, excess), times in counted.items()
    ]
    more = (
        "\nCalls beyond the fewest:\n\n" + "".join(beyond) if beyond else "\nNo case makes more calls than it must.\n"
    )
    return f"{summary}\n{note}\n{by_function}{more}"


def parcels_tables(costs: ParcelCosts) -> str:
    """A scan, a timer, a hundred million parcels, and other ways to keep time."""
    hearings = table(
        ("case", "hears", "times", "calls", "write units", "of the due index", "read units"),
        (
            [
                each.case,
                each.heard,
                str(each.times),
                f"{each.calls:g}",
                f"{each.write_units:.2g}",
                f"{each.timer_units:.2g}",
                f"{each.read_units:.2g}",
            ]
            for each in costs.hearings
        ),
        numbers=set(range(2, 7)),
    )
    total = sum((each.bill for each in costs.bills), Bill())
    bills = table(
        ("function", "calls", "write units", "read units", *BILLED, "dollars", "in batches"),
        (
            [
                f"`{each.function}`",
                *(_millions(count) for count in (each.calls, each.write_units, each.read_units)),
                *_thousands(*astuple(each.bill), each.bill.total, each.in_batches),
            ]
            for each in costs.bills
        ),
        numbers=set(range(1, 11)),
        footer=[
            "**all**",
            _millions(sum((each.calls for each in costs.bills), Decimal(0))),
            _millions(sum((each.write_units for each in costs.bills), Decimal(0))),
            _millions(sum((each.read_units for each in costs.bills), Decimal(0))),
            *_thousands(*astuple(total), total.total, sum((each.in_batches for each in costs.bills), Decimal(0))),
        ],
    )
    timekeeping = table(
        ("way", "timers", "waking", "together", ""),
        (
            [each.way, *_thousands(each.timers, each.waking, each.timers + each.waking), each.remark]
            for each in costs.timekeeping
        ),
        numbers={1, 2, 3},
    )
    bill_head = PARCELS_BILL.format(timer=costs.timer.total, units=costs.timer_units, one_in=round(1 / STALL_SHARE))
    return f"{hearings}\n{bill_head}\n{bills}\n{PARCELS_TIMERS}\n{timekeeping}"


def handlers_table(times: Sequence[HandlerTime]) -> str:
    return table(
        ("function", "hears", "calls", "best", "median"),
        (
            [
                f"`{time.function}`",
                ", ".join(step.heard for step in time.steps),
                str(sum(step.calls for step in time.steps)),
                f"{time.best:.2f}",
                f"{time.median:.2f}",
            ]
            for time in times
        ),
        numbers={2, 3, 4},
    )


def startup_table(times: Sequence[StartTime]) -> str:
    return table(
        ("function", "best", "median"),
        ([f"`{time.function}`", f"{time.best:.2f}", f"{time.median:.2f}"] for time in times),
        numbers={1, 2},
    )


def page(
    costs: Sequence[CaseCost],
    prices: Prices,
    handlers: Sequence[HandlerTime],
    starts: Sequence[StartTime],
    parcels: ParcelCosts,
    throughput: Throughput,
    machine: str,
    targets: tuple[float, float],
) -> str:
    measured = f"Measured on {machine}. Figures are ratios: times would say more about the machine.\n"
    return "\n".join(
        [
            HEAD,
            MINIMUM_HEAD,
            minimum_tables(),
            CASES_HEAD,
            cases_tables(costs, prices),
            PARCELS_HEAD,
            parcels_tables(parcels),
            HANDLERS_HEAD.format(target=targets[0]),
            measured,
            handlers_table(handlers),
            STARTUP_HEAD.format(target=targets[1]),
            measured,
            startup_table(starts),
            SIMULATOR_HEAD,
            f"About {_rounded(throughput.a_second)} deliveries a second of CPU time on the same machine.\n",
        ]
    )


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: set[int],
    footer: Sequence[str] | None = None,
) -> str:
    """A table in Markdown; the columns of ``numbers`` stand to the right."""
    rules = ["--:" if column in numbers else "---" for column in range(len(headings))]
    lines = [headings, rules, *rows, *([footer] if footer else [])]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _beside(calls: int, least: int) -> str:
    if calls == 0 and least == 0:
        return ""
    return str(calls) if calls == least else f"**{calls}** ({least})"


def _millions(count: Decimal) -> str:
    return f"{count:,.0f}"


def _thousands(*dollars: Decimal) -> list[str]:
    return [f"{each / 1_000:.2f}" for each in dollars]


def _rounded(value: float) -> int:
    """Two digits are as many as a shared machine gives."""
    digits = len(str(int(value))) - 2
    return int(round(value, -digits)) if digits > 0 else int(value)
