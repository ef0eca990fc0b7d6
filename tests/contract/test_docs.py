"""What the documents state as facts is what the code says."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from types import ModuleType
from zoneinfo import ZoneInfo

import pytest

from aftercare.kernel.ports import ActionType
from aftercare.marketplaces.standard.translate import TOPICS
from aftercare.negotiation.model.cases import CaseState
from aftercare.negotiation.model.payouts import MOVES, PayoutState
from aftercare.rulepacks.loader import read_packs
from aftercare.rulepacks.scores import Metric, score_pack
from aftercare.rulepacks.tags import TagDefinition, TagRules, tag_pack
from aftercare.scores import keys as score_keys
from aftercare.scores.model.contributions import OF_ORDERS
from aftercare.scores.model.formulas.chat import CHAT
from aftercare.serving import PROBLEMS
from aftercare.tags import keys as tag_keys
from aftercare.tags.model import refusals
from aftercare.tags.model.states import MOVES as TAG_MOVES
from aftercare.tags.model.states import Reason, State

ROOT = Path(__file__).parents[2]
DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TAG_PACKS: tuple[TagRules, ...] = read_packs("tags", TagRules)
CHINA = ZoneInfo("Asia/Shanghai")


def text_of(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def part(text: str, heading: str) -> str:
    """From a heading of the page to the next one."""
    _, found, after = text.partition(f"\n{heading}\n")
    assert found, f"there is no {heading}"
    return re.split(r"^#+ ", after, maxsplit=1, flags=re.MULTILINE)[0]


def cells(table: str, width: int) -> list[list[str]]:
    """The rows of tables of so many columns, without head and rule."""
    lines = re.findall(r"^\|(.*)\|$", table, re.MULTILINE)
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    return [row for row in rows if len(row) == width and "`" in row[0]]


def loaded(path: str) -> ModuleType:
    """A function or a tool, which are files of no package."""
    spec = importlib.util.spec_from_file_location(path.replace("/", "_").removesuffix(".py"), ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ROUTE = r"`((?:GET|PUT|POST)(?:, (?:GET|PUT|POST))*) (/v1/[^`\s?]*)"


def routes_in(text: str) -> set[tuple[str, str]]:
    """Method and path of every route that is named."""
    return {(method, path) for methods, path in re.findall(ROUTE, text) for method in methods.split(", ")}


def listed_routes(name: str) -> set[tuple[str, str]]:
    """Those that stand first in the rows of a page's tables."""
    return routes_in("\n".join(line for line in text_of(name).splitlines() if line.startswith("| `")))


def test_the_standard_doors_page_lists_every_type_with_its_event() -> None:
    rows = dict(re.findall(r"^\| `([a-z_.]+)` \| \[(\w+)\]", text_of("standard-door"), re.MULTILINE))
    assert rows == {type_: topic.event for type_, topic in TOPICS.items()}


def test_the_standard_doors_page_names_every_action_that_is_sent() -> None:
    assert [action for action in ActionType if f"`{action.value}`" not in text_of("standard-door")] == []


def test_the_payouts_diagram_draws_exactly_the_table_of_moves() -> None:
    drawn = set(re.findall(r"^  ([A-Z_]{2,}) --> ([A-Z_]{2,})", text_of("architecture"), re.MULTILINE))
    moves = {(was.name, to.name) for was in PayoutState for to in MOVES[was] if was is not to}
    assert drawn == moves


def test_the_cases_diagram_knows_every_state_but_the_pause() -> None:
    moves = re.findall(r"^  ([a-z_]+) --> ([a-z_]+)", text_of("architecture"), re.MULTILINE)
    drawn = {state for pair in moves for state in pair}
    assert drawn == {state.value for state in CaseState} - {"paused"}


def test_the_flows_show_every_function() -> None:
    drawn = part(text_of("architecture"), "## Flows")
    functions = {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}
    assert {name for name in functions if f"({name})" not in drawn} == set()
    assert f"there are {len(functions)}." in text_of("architecture")


# ---------------------------------------------------------------- the merchant API


MERCHANT_API = loaded("functions/merchant_api/app.py")
ANSWERED = {(method, path.replace("<", "{").replace(">", "}")) for method, path, _ in MERCHANT_API.ROUTES}


def test_operations_lists_exactly_the_routes_that_are_answered() -> None:
    assert listed_routes("operations") == ANSWERED


@pytest.mark.parametrize("name", ["scores", "tags"])
def test_a_rooms_page_lists_exactly_its_routes(name: str) -> None:
    assert listed_routes(name) == {(method, path) for method, path in ANSWERED if name in path.split("/")}


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_route_that_a_document_names_is_answered(page: Path) -> None:
    for method, path in routes_in(page.read_text(encoding="utf-8")):
        patterns = [pattern for answered, pattern, _ in MERCHANT_API.ROUTES if answered == method]
        assert any(MERCHANT_API.ids_in(path, pattern) is not None for pattern in patterns), f"{method} {path}"


def test_the_tags_page_says_how_what_cannot_be_is_answered() -> None:
    kinds = [one for one in vars(refusals).values() if isinstance(one, type) and one.__module__ == refusals.__name__]
    answers = {PROBLEMS[kind][0] for kind in kinds}
    assert answers == {404, 409}
    changes = [row for row in cells(part(text_of("tags"), "## API"), 3) if "POST" in row[0]]
    assert len(changes) == 4
    assert all("404" in row[2] and "409" in row[2] for row in changes)


# ---------------------------------------------------------------- keys


@pytest.mark.parametrize(("heading", "module"), [("## Scores table", score_keys), ("## Tags table", tag_keys)])
def test_the_access_patterns_know_every_key_of_a_table(heading: str, module: ModuleType) -> None:
    built = set(re.findall(r"\| ``(.+?)`` \| ``(.+?)`` \|$", module.__doc__ or "", re.MULTILINE))
    items = part(text_of("access-patterns"), heading).partition("| index ")[0]
    listed = set(re.findall(r"^\| [^|]+ \| `(.+?)` \| `(.+?)`[^|]* \|", items, re.MULTILINE))
    assert listed == built


# ---------------------------------------------------------------- packs


def test_the_pages_example_of_a_metric_is_one() -> None:
    metric, _ = map(tomllib.loads, re.findall(r"~~~toml\n(.*?)~~~", text_of("rule-packs"), re.DOTALL))
    [found] = [Metric.model_validate(each) for each in metric["metrics"]]
    assert found.counted_by in {*OF_ORDERS, *CHAT}
    assert found.dimension in {dimension.id for dimension in score_pack("standard-1").dimensions}


def test_the_pages_example_of_a_tag_is_the_packs_own() -> None:
    _, tag = map(tomllib.loads, re.findall(r"~~~toml\n(.*?)~~~", text_of("rule-packs"), re.DOTALL))
    [found] = [TagDefinition.model_validate(each) for each in tag["tags"]]
    known = tag_pack("tags-standard-1").tag("ships_24h")
    assert known is not None
    assert found == known.model_copy(update={"rule": found.rule})


def test_the_page_lists_every_pack_of_tags() -> None:
    rows = cells(text_of("rule-packs"), 5)
    listed = {tuple(cell.strip("`") for cell in row) for row in rows}
    assert listed == {
        (
            pack.id,
            pack.effective_from.astimezone(UTC if pack.marketplace == "standard" else CHINA).date().isoformat(),
            pack.marketplace,
            "".join(pack.aliases),
            pack.based_on or "",
        )
        for pack in TAG_PACKS
    }


# ---------------------------------------------------------------- tags


def test_the_tags_page_has_exactly_the_table_of_moves() -> None:
    rows = cells(part(text_of("tags"), "### Table of moves"), 2)
    listed = {State(row[0].strip("`")): frozenset(map(State, re.findall(r"`(\w+)`", row[1]))) for row in rows}
    assert listed == dict(TAG_MOVES)


def test_the_tags_page_explains_every_state_and_every_reason() -> None:
    states = [row[0].strip("`") for row in cells(part(text_of("tags"), "## States"), 3)]
    reasons = [row[0].strip("`") for row in cells(part(text_of("tags"), "### Reasons"), 2)]
    assert states == [state.value for state in State]
    assert sorted(reasons) == sorted(reason.value for reason in Reason)


def test_the_tags_page_has_the_bounds_of_every_pack() -> None:
    rows = cells(part(text_of("tags"), "## The tags"), 7)
    listed = {tuple(cell.strip("`") for cell in row[:6]) for row in rows if "service" not in row[2]}
    assert listed == {
        (tag.id, pack.id, each.metric, f"{each.enter}", f"{each.warn}", f"{each.exit}")
        for pack in TAG_PACKS
        for tag in pack.tags
        for each in tag.conditions
    }
    promises = {(tag.id, pack.id) for pack in TAG_PACKS for tag in pack.tags if tag.kind == "promise"}
    assert {(row[0].strip("`"), row[1].strip("`")) for row in rows} == promises


def test_the_tags_page_has_the_samples_of_every_value() -> None:
    rows = cells(part(text_of("tags"), "## The tags"), 5)
    listed: Mapping[str, tuple[str, ...]] = {row[0].strip("`"): (row[2].strip("`"), *row[3:]) for row in rows}
    values = [(tag.id, tag.value) for pack in TAG_PACKS for tag in pack.tags if tag.value is not None]
    assert {tag for tag, _ in values} == set(listed)
    for tag, value in values:
        assert listed[tag][0] == value.metric
        if value.metric != "score":
            assert listed[tag][1:] == (str(value.enter_sample), str(value.exit_sample))


def test_the_story_of_a_shop_is_what_the_rules_make_of_it() -> None:
    story: str = loaded("tools/tag_story.py").page()
    assert text_of("tag-story") == story, "run python tools/tag_story.py"


# ---------------------------------------------------------------- links


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_document_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_into_a_document_leads_to_a_heading(page: Path) -> None:
    for link, anchor in re.findall(r"\]\(([^)#:]*\.md|)#([^)]+)\)", page.read_text(encoding="utf-8")):
        text = (page.parent / link if link else page).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
