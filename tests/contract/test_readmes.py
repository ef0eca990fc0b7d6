"""The README is the same in both languages: what is typed, what is shown, and where it leads."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENGLISH, CHINESE = "README.md", "README.zh-CN.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMENT = re.compile(r"\s+# .*$", re.MULTILINE)


def text_of(readme: str) -> str:
    return (ROOT / readme).read_text(encoding="utf-8")


def blocks_of(readme: str) -> list[tuple[str, str]]:
    """Language and content of every code block; the comments of commands, which are translated, are left out."""
    blocks = BLOCK.findall(text_of(readme))
    return [(language, COMMENT.sub("", body) if language == "console" else body) for language, body in blocks]


def prose_of(readme: str) -> str:
    return BLOCK.sub("", text_of(readme))


def found_in(readme: str, pattern: str) -> list[str]:
    found: list[str] = re.findall(pattern, prose_of(readme), re.MULTILINE)
    return found


def test_both_readmes_have_the_same_commands_and_the_same_output() -> None:
    assert blocks_of(ENGLISH)
    assert blocks_of(CHINESE) == blocks_of(ENGLISH)


def test_both_readmes_have_the_same_sections_points_and_rows() -> None:
    for pattern in (r"^(#+) ", r"^(- )", r"^(\| )"):
        assert found_in(ENGLISH, pattern)
        assert found_in(CHINESE, pattern) == found_in(ENGLISH, pattern)


def test_both_readmes_lead_to_the_same_pages() -> None:
    links = r"\]\(([^)]+)\)"
    ours = {ENGLISH, CHINESE}
    assert set(found_in(CHINESE, links)) - ours == set(found_in(ENGLISH, links)) - ours


def test_each_readme_leads_to_the_other_before_it_says_anything() -> None:
    for readme, other in ((ENGLISH, CHINESE), (CHINESE, ENGLISH)):
        assert f"]({other})" in text_of(readme).split("\n\n")[1]
