"""The main job, shown end to end on this machine: refunds, parcels, scores and service tags."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.demo.stage import Stage

START = datetime(2026, 11, 5, 8, 0, tzinfo=UTC)
REPORT = Path("build/demo/report.html")


def run(arguments: Sequence[str] = ()) -> int:
    """Plays every scene and prints it; 0 when every scene ended as it should."""
    from sandbox.demo.report import write_report
    from sandbox.demo.scenes import scenes
    from sandbox.demo.stage import opened
    from sandbox.demo.table import print_table

    parser = argparse.ArgumentParser(prog="python -m sandbox demo", description=__doc__)
    parser.add_argument("--report", type=Path, default=REPORT, help="where the HTML report goes")
    options = parser.parse_args(list(arguments))
    with opened(START) as stage:
        for number, scene in enumerate(scenes(), start=1):
            stage.begin(f"{number}. {scene.title}")
            scene.play(stage)
        results = stage.results
        print_table(results)
        write_report(options.report, stage)
        _closing_words(stage, options.report)
    return 1 if stage.surprises else 0


def _closing_words(stage: Stage, report: Path) -> None:
    print()
    for surprise in stage.surprises:
        print(f"NOT AS EXPECTED: {surprise}")
    doubles = stage.books.double_payments()
    print(f"The marketplace's own books: {len(stage.books.payments)} payments, {len(doubles)} made twice.")
    print(f"Report: {report.resolve()}")
