"""The calendar of public holidays: what it says of a day, and that its file is what the packages say."""

from __future__ import annotations

import importlib.util
import re
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType

import chinese_calendar
import pytest

from aftercare.kernel.errors import DomainError
from aftercare.rulepacks.calendars import (
    CountryWithoutCalendar,
    HolidayNotInCalendar,
    YearNotInCalendar,
    calendar,
)

ROOT = Path(__file__).parents[2]
CN = calendar("CN")


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("calendars_tool", ROOT / "tools" / "calendars.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2026, 2, 13), True),
        (date(2026, 2, 14), True),  # a Saturday worked in exchange
        (date(2026, 2, 15), False),
        (date(2026, 2, 23), False),  # a Monday
        (date(2026, 2, 24), True),
        (date(2026, 2, 28), True),
        (date(2026, 3, 1), False),  # a Sunday like any other
    ],
)
def test_a_day_is_worked_as_the_notice_says(day: date, works: bool) -> None:
    assert CN.is_workday(day) is works


def test_the_file_says_of_every_announced_day_what_the_package_says() -> None:
    announced = [year for year in CN.years if not CN.provisional(year)]
    days = [date(year, 1, 1) + timedelta(days=n) for year in announced for n in range(365)]
    assert len(announced) >= 3
    assert [day for day in days if CN.is_workday(day) != chinese_calendar.is_workday(day)] == []


def test_a_holidays_range_is_given_by_its_name() -> None:
    spring = CN.holiday("spring_festival", 2026)
    assert (spring.first, spring.last) == (date(2026, 2, 15), date(2026, 2, 23))


def test_a_holiday_that_another_falls_into_goes_on_behind_it() -> None:
    national, moon = CN.holiday("national_day", 2025), CN.holiday("mid_autumn_festival", 2025)
    assert (national.first, national.last) == (date(2025, 10, 1), date(2025, 10, 8))
    assert moon.first == moon.last == date(2025, 10, 6)


def test_a_year_that_is_not_announced_is_provisional_and_moves_no_weekend() -> None:
    last = CN.years[-1]
    assert (CN.provisional(2026), CN.provisional(last)) == (False, True)
    weekends = [date(last, 1, 1) + timedelta(days=n) for n in range(365)]
    assert not any(CN.is_workday(day) for day in weekends if day.weekday() >= 5)


def test_every_year_has_its_spring_festival_in_january_or_february() -> None:
    assert {CN.holiday("spring_festival", year).first.month for year in CN.years} <= {1, 2}


def test_a_year_that_the_file_does_not_hold_names_the_command_to_run() -> None:
    missing = CN.years[-1] + 1
    command = f"make calendars YEARS={CN.years[0]}..{missing}"
    with pytest.raises(YearNotInCalendar, match=re.escape(command)):
        CN.is_workday(date(missing, 1, 1))
    with pytest.raises(YearNotInCalendar):
        CN.holiday("spring_festival", missing)
    with pytest.raises(DomainError):
        CN.provisional(CN.years[0] - 1)


def test_an_unknown_holiday_or_country_is_refused() -> None:
    with pytest.raises(HolidayNotInCalendar, match="no thanksgiving in 2026"):
        CN.holiday("thanksgiving", 2026)
    with pytest.raises(CountryWithoutCalendar, match="no calendar of BR"):
        calendar("BR")


# ---------------------------------------------------------------- the command that writes it


def test_the_file_is_what_the_command_writes(tool: ModuleType) -> None:
    assert tool.main(["--check"]) == 0


def test_a_file_out_of_date_fails_the_check_and_stays_as_it_is(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cn.toml"
    old = tool.text_of([2026]).replace("2026-02-23", "2026-02-22")
    file.write_text(old, encoding="utf-8")
    assert tool.main(["--check"], file) == 1
    assert "make calendars" in capsys.readouterr().err
    assert file.read_text(encoding="utf-8") == old


def test_without_years_the_command_keeps_those_of_the_file(tool: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "cn.toml"
    assert tool.main(["--years", "2025..2027"], file) == 0
    written = file.read_text(encoding="utf-8")
    file.write_text(written.replace("2026-02-23", "2026-02-22"), encoding="utf-8")
    assert tool.main([], file) == 0
    assert file.read_text(encoding="utf-8") == written


def test_packages_that_disagree_on_an_announced_day_stop_the_command(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = chinese_calendar.is_workday
    monkeypatch.setattr(chinese_calendar, "is_workday", lambda day: asked(day) != (day == date(2026, 5, 9)))
    file = tmp_path / "cn.toml"
    assert tool.main(["--years", "2026..2026"], file) == 1
    assert "disagree on 2026-05-09" in capsys.readouterr().err
    assert not file.exists()


def test_a_notice_that_only_one_package_knows_stops_the_command(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(day: date) -> tuple[bool, str | None]:
        raise NotImplementedError(day)

    monkeypatch.setattr(chinese_calendar, "get_holiday_detail", unknown)
    with pytest.raises(tool.Disagreement, match="update chinesecalendar"):
        tool.year_of(2026)


def test_the_sunday_between_a_holiday_and_its_day_in_lieu_is_part_of_it(tool: ModuleType) -> None:
    names = {
        date(2029, 6, 16): frozenset({"dragon_boat_festival"}),
        date(2029, 6, 18): frozenset({"dragon_boat_festival"}),
    }
    filled = {**tool._weekends_between(names), **names}
    assert tool.ranges_of(filled) == [("dragon_boat_festival", date(2029, 6, 16), date(2029, 6, 18))]
