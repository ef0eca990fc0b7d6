"""``shops``: who can be acted for."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from sandbox.commands import DONE, add_shops_option
from sandbox.commands.opened import shops_of
from sandbox.shops import Shop, as_listing

HEADINGS = ("shop", "zone", "locale", "door", "plans", "acted on at")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shops_option(parser)
    parser.add_argument("--json", action="store_true", help="print only a JSON array, with the shops' credentials")


def run(options: argparse.Namespace) -> int:
    """Raises ``CannotRun``."""
    shops = shops_of(options.shops)
    if options.json:
        print(json.dumps(as_listing(shops), ensure_ascii=False, indent=2))
    else:
        print(table([HEADINGS, *map(_row, shops)]))
    return DONE


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the first row is the heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)


def _row(shop: Shop) -> tuple[str, ...]:
    plans = ", ".join(plan.plan_id for plan in shop.plans) or "-"
    return (shop.shop, shop.zone, shop.locale, shop.door, plans, shop.action_url or "the twin")
