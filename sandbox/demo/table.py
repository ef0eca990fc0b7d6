"""The table at the end of the story."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from aftercare.kernel.money import Money
from sandbox.demo.stage import Result

HEADINGS = ("case", "outcome", "asked", "offered", "paid", "kept", "AWS calls")


def money(minor: int) -> str:
    return Money(minor=minor, currency="CNY").decimal_text() if minor else "-"


def print_table(results: Sequence[Result]) -> None:
    table = Table(box=box.SIMPLE_HEAD, show_footer=True, caption="money in CNY; calls without the minute's sweep")
    totals = rows([total(results)])[0]
    for index, (heading, sum_) in enumerate(zip(HEADINGS, totals, strict=True)):
        table.add_column(heading, footer=sum_, justify="left" if index < 2 else "right", no_wrap=True)
    for row in rows(results):
        table.add_row(*row)
    print()
    Console(width=120, highlight=False).print(table)


def print_card(card: Mapping[str, Any]) -> None:
    """A shop's weekly card, what is scored of it; the report has the whole."""
    table = Table(box=box.SIMPLE_HEAD, caption="change: points of the score since last week")
    for index, heading in enumerate(("metric", "counted", "value", "target", "", "points", "share", "change")):
        table.add_column(heading, justify="left" if index in (0, 4) else "right", no_wrap=True)
    for metric in card["metrics"]:
        if metric["points"] is None:
            continue
        beyond = "\u2265" if metric["better"] == "higher" else "\u2264"
        table.add_row(
            metric["id"],
            f"{metric['numerator']} of {metric['denominator']}",
            metric["value"] or "-",
            f"{beyond} {metric['target']}",
            metric["label"].replace("_", " "),
            metric["points"],
            metric["share"],
            metric["change"]["points"],
        )
    Console(width=120, highlight=False).print(table)


def rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    return [
        (one.case, one.outcome, money(one.asked), money(one.offered), money(one.paid), money(one.kept), str(one.calls))
        for one in results
    ]


def total(results: Sequence[Result]) -> Result:
    return Result(
        "all",
        "",
        sum(one.asked for one in results),
        sum(one.offered for one in results),
        sum(one.paid for one in results),
        sum(one.kept for one in results),
        sum(one.calls for one in results),
    )
