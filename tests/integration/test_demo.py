"""The demo tells the same story every time, and every file that it sends its reader to is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]


class Told(NamedTuple):
    """What a run prints, without the path of the report, and the report."""

    story: str
    report: str


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[Told]:
    """Two runs."""
    runs = []
    for run in range(2):
        report = tmp_path_factory.mktemp("demo") / f"{run}.html"
        command = [sys.executable, "-m", "sandbox", "demo", "--report", str(report)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603
        assert (done.returncode, done.stderr) == (0, "")
        runs.append(Told(done.stdout.replace(str(report), "report"), report.read_text(encoding="utf-8")))
    return runs


def test_it_is_the_same_every_run(told: list[Told]) -> None:
    assert told[0].story == told[1].story


def test_every_scene_ends_as_it_should_and_no_payment_is_made_twice(told: list[Told]) -> None:
    assert "NOT AS EXPECTED" not in told[0].story
    assert "0 made twice" in told[0].story


def test_every_file_to_read_is_there(told: list[Told]) -> None:
    files = set(re.findall(r"\[((?:layers|functions|events|sandbox)/[^\]]+)\]", told[0].story))
    assert len(files) > 10
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_the_badge_goes_after_a_bad_week_and_comes_back(told: list[Told]) -> None:
    states = re.findall(r"TagChanged: boot-room ships_24h, (\S+ -> \S+),", told[0].story)
    assert states[-4:] == ["none -> live", "live -> at_risk", "at_risk -> suspended", "suspended -> live"]
    badges = told[0].report.partition('<ol class="badges">')[2].partition("</ol>")[0]
    assert re.findall(r"<title>Ships within 24 hours: ([^<]+)</title>", badges) == [
        "promised",
        "promised",
        "not shown",
        "promised",
    ]
    assert badges.count('xml:lang="zh-Hans"') == 4


def test_the_report_has_the_weekly_card_in_both_languages_and_needs_nothing_from_outside(told: list[Told]) -> None:
    report = told[0].report
    assert re.findall(r'<article class="score-card" lang="([^"]+)">', report) == ["en", "zh-Hans"]
    assert report.count('class="score-picture"') == 2
    assert re.findall(r'<(?:script|link|img)|(?:src|href)="http', report) == []
