# ruff: noqa: INP001  a script, not a package
"""Writes China's calendar of public holidays: what the State Council announced, and what is expected of later years.

    python tools/calendars.py                      write anew the years that the file holds
    python tools/calendars.py --years 2024..2030   write these years
    python tools/calendars.py --check              change nothing; exit 1 when the file is not what would be written

Announced years come from chinesecalendar; holidays must agree on every day of them. A year that chinesecalendar does
not know yet is provisional: the statutory holidays as holidays computes them, without weekends worked in exchange.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import chinese_calendar
import holidays

FILE = Path(__file__).parents[1] / "layers" / "aftercare" / "aftercare" / "rulepacks" / "calendars" / "cn.toml"
HEAD = """\
# Public holidays of mainland China. Written by tools/calendars.py, not by hand.

country = "CN"
"""
ANNOUNCED = "the State Council's notice for {year} as chinesecalendar has it; holidays agrees on every day"
EXPECTED = "the statutory holidays of {year} as holidays computes them; not announced"
ONE_DAY = timedelta(days=1)
SATURDAY = 5

# holidays' English names; the keys of the file are those of chinesecalendar.
NAMES = {
    "New Year's Day": "new_years_day",
    "Chinese New Year's Eve": "spring_festival",
    "Chinese New Year (Spring Festival)": "spring_festival",
    "Tomb-Sweeping Day": "tomb_sweeping_day",
    "Labor Day": "labour_day",
    "Dragon Boat Festival": "dragon_boat_festival",
    "Mid-Autumn Festival": "mid_autumn_festival",
    "National Day": "national_day",
}


class Disagreement(Exception):
    """The two packages do not say the same, or not what this tool can read: a person must look."""


class Year(NamedTuple):
    """``named`` gives each day off its holidays."""

    year: int
    provisional: bool
    named: dict[date, frozenset[str]]
    working_weekends: tuple[date, ...]


# ---------------------------------------------------------------- what the packages say


def year_of(year: int) -> Year:
    """One year; raises ``Disagreement``."""
    days = list(_days(year))
    try:
        details = {day: chinese_calendar.get_holiday_detail(day) for day in days}
    except NotImplementedError:
        return _expected(year)
    computed = holidays.country_holidays("CN", years=year, language="en_US")
    differing = [day for day in days if chinese_calendar.is_workday(day) != computed.is_working_day(day)]
    if differing:
        raise Disagreement(f"chinesecalendar and holidays disagree on {', '.join(map(str, differing))}")
    return Year(
        year,
        provisional=False,
        named={day: frozenset({_key(name)}) for day, (off, name) in details.items() if off and name},
        working_weekends=tuple(day for day, (off, _) in details.items() if not off and day.weekday() >= SATURDAY),
    )


def _expected(year: int) -> Year:
    computed = holidays.country_holidays("CN", years=year, language="en_US")
    exchanged = sorted(day for day in computed.weekend_workdays if day.year == year)
    if exchanged:
        raise Disagreement(f"holidays knows the notice for {year}, chinesecalendar does not: update chinesecalendar")
    named = {
        day: frozenset(_key_of_computed(name) for name in names.split("; "))
        for day, names in computed.items()
        if day.year == year
    }
    return Year(year, provisional=True, named={**_weekends_between(named), **named}, working_weekends=())


def _weekends_between(named: dict[date, frozenset[str]]) -> dict[date, frozenset[str]]:
    """A Sunday between a holiday and its day in lieu is a day off like both, which holidays does not name."""
    filled = {}
    for before, after in pairwise(sorted(named)):
        gap = [before + ONE_DAY * step for step in range(1, (after - before).days)]
        if all(day.weekday() >= SATURDAY for day in gap) and named[before] & named[after]:
            filled.update(dict.fromkeys(gap, named[before] & named[after]))
    return filled


def _key(name: str) -> str:
    return str(chinese_calendar.Holiday(name).name)


def _key_of_computed(name: str) -> str:
    plain = re.sub(r" \((observed|estimated)\)", "", name)
    if plain not in NAMES:
        raise Disagreement(f"holidays names {name!r}, which is none of {', '.join(NAMES)}")
    return NAMES[plain]


def _days(year: int) -> Iterable[date]:
    day = date(year, 1, 1)
    while day.year == year:
        yield day
        day += ONE_DAY


# ---------------------------------------------------------------- the file


def ranges_of(named: dict[date, frozenset[str]]) -> list[tuple[str, date, date]]:
    """Name, first and last day. A holiday that another one falls into goes on behind it."""
    found = []
    for run in _runs(sorted(named)):
        for name in sorted({name for day in run for name in named[day]}):
            bearing = [day for day in run if name in named[day]]
            found.append((name, bearing[0], bearing[-1]))
    return sorted(found, key=lambda holiday: (holiday[1], holiday[0]))


def _runs(days: Sequence[date]) -> list[list[date]]:
    runs = [[day] for day in days[:1]]
    for before, day in pairwise(days):
        if day - before == ONE_DAY:
            runs[-1].append(day)
        else:
            runs.append([day])
    return runs


def text_of(years: Iterable[int]) -> str:
    """The whole file; raises ``Disagreement``."""
    return "\n".join([HEAD, *(_entry(year_of(year)) for year in years)])


def _entry(year: Year) -> str:
    rows = [
        f'    {{ name = "{name}", first = {first}, last = {last} }},' for name, first, last in ranges_of(year.named)
    ]
    source = (EXPECTED if year.provisional else ANNOUNCED).format(year=year.year)
    return "\n".join(
        [
            "[[years]]",
            f"year = {year.year}",
            f"provisional = {str(year.provisional).lower()}",
            f'source = "{source}"',
            "holidays = [",
            *rows,
            "]",
            f"working_weekends = [{', '.join(map(str, year.working_weekends))}]",
            "",
        ]
    )


# ---------------------------------------------------------------- the command


def years_in(file: Path) -> range:
    """The years that a file holds, from the first to the last."""
    years = [entry["year"] for entry in tomllib.loads(file.read_text(encoding="utf-8"))["years"]]
    return range(min(years), max(years) + 1)


def _years(text: str) -> range:
    match = re.fullmatch(r"(\d{4})\.\.(\d{4})", text)
    if match is None or int(match[1]) > int(match[2]):
        raise argparse.ArgumentTypeError("years are given as 2024..2030")
    return range(int(match[1]), int(match[2]) + 1)


def main(arguments: Sequence[str] | None = None, file: Path = FILE) -> int:
    parser = argparse.ArgumentParser(description="China's calendar of public holidays")
    parser.add_argument("--years", type=_years, help="first and last year, as 2024..2030; those of the file")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when the file differs")
    options = parser.parse_args(arguments)
    if options.years is None and not file.exists():
        parser.error(f"{file} does not exist: give --years")
    try:
        text = text_of(options.years or years_in(file))
    except Disagreement as disagreement:
        print(disagreement, file=sys.stderr)
        return 1
    if not options.check:
        file.write_text(text, encoding="utf-8")
        return 0
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        print(f"{file.name} is not what 'make calendars' writes", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
