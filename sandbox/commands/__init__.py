"""What can be typed after ``python -m sandbox``, one module a command."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from aftercare.kernel.errors import AftercareError
from aftercare.kernel.times import from_text, to_text

DONE = 0
WENT_WRONG = 1
"""The command ran, and something in it failed."""
CANNOT_RUN = 2
"""What was typed, or a file that it names, cannot be used; nothing was done."""

DEFAULT_PORT = 8000
HIGHEST_PORT = 65_535


class CannotRun(AftercareError):
    """What was typed cannot be carried out; the message says why and what to do instead."""


def moment(text: str) -> datetime:
    """An option's time. Raises ``ArgumentTypeError`` for a broken one, or one without an offset."""
    try:
        return from_text(text)
    except ValueError:
        example = to_text(datetime(2026, 11, 2, 8, tzinfo=UTC))
        raise argparse.ArgumentTypeError(f"{text!r} is not a time with its offset, such as {example}") from None


def port(text: str) -> int:
    """An option's port. Raises ``ArgumentTypeError``."""
    if not text.isdecimal() or int(text) > HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: a number from 0 to {HIGHEST_PORT}")
    return int(text)


def add_shops_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shops", type=Path, metavar="FILE", help="the shops to open (default: sandbox/shops.toml)")
