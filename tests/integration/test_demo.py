"""The demo tells the same story every time, and every file that it sends its reader to is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What two runs print, without the path of the report."""
    stories = []
    for run in range(2):
        report = tmp_path_factory.mktemp("demo") / f"{run}.html"
        command = [sys.executable, "-m", "sandbox", "demo", "--report", str(report)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603
        assert (done.returncode, done.stderr) == (0, "")
        assert report.stat().st_size > 10_000
        stories.append(done.stdout.replace(str(report), "report"))
    return stories


def test_it_is_the_same_every_run(told: list[str]) -> None:
    assert told[0] == told[1]


def test_every_scene_ends_as_it_should_and_no_payment_is_made_twice(told: list[str]) -> None:
    assert "NOT AS EXPECTED" not in told[0]
    assert "0 made twice" in told[0]


def test_every_file_to_read_is_there(told: list[str]) -> None:
    files = set(re.findall(r"\[((?:layers|functions|events|sandbox)/[^\]]+)\]", told[0]))
    assert len(files) > 10
    assert [file for file in files if not (ROOT / file).exists()] == []
