"""``python -m tools.openapi``: see the package."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

from sandbox.template import TEMPLATE, read_template
from tools import openapi
from tools.openapi.document import answered_routes, document
from tools.openapi.story import tell
from tools.openapi.town import Recorded, opened

PAGE = Path(__file__).parents[2] / "docs" / "openapi.json"
COMMAND = "python -m tools.openapi"


def told() -> list[Recorded]:
    """What the town is answered in the course of its story, without what its functions write to their log."""
    with redirect_stderr(StringIO()), opened() as town:
        tell(town)
        return town.calls


def text_of(calls: Sequence[Recorded]) -> str:
    content = document(answered_routes(), read_template(TEMPLATE), calls)
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def difference(page: Path, written: str) -> str | None:
    """What to do about a page that is not what would be written; None for one that is."""
    if page.is_file() and page.read_text(encoding="utf-8") == written:
        return None
    return f"{page.name} is not what would be written: run {COMMAND}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=COMMAND, description=openapi.__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when the document is another")
    is_check: bool = parser.parse_args(arguments).check
    written = text_of(told())
    if not is_check:
        PAGE.write_text(written, encoding="utf-8")
        return 0
    found = difference(PAGE, written)
    if found is not None:
        print(found, file=sys.stderr)
    return 0 if found is None else 1


if __name__ == "__main__":
    sys.exit(main())
