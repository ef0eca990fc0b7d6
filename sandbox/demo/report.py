"""The story as one HTML file that needs nothing from outside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aftercare.pages import score_card
from sandbox.demo.table import HEADINGS, rows, total

if TYPE_CHECKING:
    from sandbox.demo.stage import Stage

TEMPLATE = Path(__file__).with_name("report.html")


def write_report(path: Path, stage: Stage) -> None:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    page = template.render(
        lines=stage.lines,
        headings=HEADINGS,
        rows=rows(stage.results),
        total=rows([total(stage.results)])[0],
        pages=stage.pages,
        card_style=score_card.style(),
        cards=stage.cards,
        badges=stage.badges,
        functions=sorted((name, count) for name, count in stage.sandbox.calls.items()),
        doubles=stage.books.double_payments(),
        payments=stage.books.payments,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
