"""The table at the end of the story."""

from __future__ import annotations

from collections.abc import Sequence

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
