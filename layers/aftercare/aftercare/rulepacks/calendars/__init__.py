"""Calendars of public holidays: their form. ``tools/calendars.py`` writes the TOML files beside."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import date
from importlib import resources

from pydantic import BaseModel, ConfigDict

from aftercare.kernel.errors import DomainError
from aftercare.rulepacks.loader import parse_pack

SATURDAY = 5


class YearNotInCalendar(DomainError):
    """Nobody has entered that year's holidays yet."""


class HolidayNotInCalendar(DomainError):
    """The country has no holiday of that name in that year."""


class CountryWithoutCalendar(DomainError):
    """There is no calendar of that country."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Holiday(_Part):
    """Days off in a row, both ends included; two holidays that fall together share days."""

    name: str
    first: date
    last: date


class CalendarYear(_Part):
    """``working_weekends`` are Saturdays and Sundays that are worked in exchange for a longer holiday.

    ``provisional``: the authorities have not announced it; holidays may grow longer and weekends become workdays.
    """

    year: int
    provisional: bool
    source: str
    holidays: tuple[Holiday, ...]
    working_weekends: tuple[date, ...]


class _CalendarFile(_Part):
    country: str
    years: tuple[CalendarYear, ...]


class Calendar:
    """One country's holidays, by ISO 3166-1 alpha-2. Days are local days of that country."""

    def __init__(self, country: str, years: tuple[CalendarYear, ...]) -> None:
        self.country = country
        self._years: Mapping[int, CalendarYear] = {each.year: each for each in years}

    @property
    def years(self) -> tuple[int, ...]:
        """The years that it holds, in order."""
        return tuple(sorted(self._years))

    def is_workday(self, day: date) -> bool:
        """Raises ``YearNotInCalendar``."""
        year = self._year(day.year)
        if day.weekday() >= SATURDAY:
            return day in year.working_weekends
        return not any(holiday.first <= day <= holiday.last for holiday in year.holidays)

    def holiday(self, name: str, year: int) -> Holiday:
        """The first of that name in the year; raises ``YearNotInCalendar`` or ``HolidayNotInCalendar``."""
        for holiday in self._year(year).holidays:
            if holiday.name == name:
                return holiday
        raise HolidayNotInCalendar(f"the calendar of {self.country} has no {name} in {year}")

    def provisional(self, year: int) -> bool:
        """Whether the authorities have still to announce that year; raises ``YearNotInCalendar``."""
        return self._year(year).provisional

    def _year(self, year: int) -> CalendarYear:
        if year not in self._years:
            known = {*self._years, year}
            raise YearNotInCalendar(
                f"the calendar of {self.country} has no year {year}: "
                f"run 'make calendars YEARS={min(known)}..{max(known)}'"
            )
        return self._years[year]


@functools.cache
def calendar(country: str) -> Calendar:
    """The calendar of a country, by ISO 3166-1 alpha-2; raises ``CountryWithoutCalendar``."""
    name = f"{country.lower()}.toml"
    file = resources.files("aftercare.rulepacks.calendars").joinpath(name)
    if not file.is_file():
        raise CountryWithoutCalendar(f"there is no calendar of {country}")
    content = parse_pack(f"calendars/{name}", file.read_text(encoding="utf-8"), _CalendarFile)
    return Calendar(content.country, content.years)
