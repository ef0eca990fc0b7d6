"""Every number that is published of a rich scene is counted again by another program, from the records behind it."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from aftercare.kernel.times import to_text
from aftercare.rulepacks.scores import score_pack
from sandbox.__main__ import main

TOOLS = Path(__file__).parents[2] / "tools"
ORDERS = 50
Entry = dict[str, Any]


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{name}_tool", TOOLS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Replayed(NamedTuple):
    records: Path
    said: Path

    def entries(self) -> list[Entry]:
        return [json.loads(line) for line in self.said.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def recount() -> ModuleType:
    return tool("recount")


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    folder, scene = tmp_path_factory.mktemp("recount"), tool("scene")
    events, files = folder / "events.jsonl", Replayed(folder / "records.jsonl", folder / "said.jsonl")
    assert scene.main([str(events), "--orders", str(ORDERS)]) == 0
    written = ["--out", str(files.said), "--records", str(files.records)]
    assert main(["replay", str(events), "--until", to_text(scene.UNTIL), *written]) == 0
    return files


@pytest.fixture
def said_otherwise(replayed: Replayed, tmp_path: Path) -> Callable[[Iterable[Entry]], Replayed]:
    """The same records, with other things said of them."""

    def write(entries: Iterable[Entry]) -> Replayed:
        other = replayed._replace(said=tmp_path / "said.jsonl")
        other.said.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
        return other

    return write


def week(entry: Entry) -> tuple[str, str] | None:
    """The shop and the week that an event publishes."""
    is_score = entry["detail-type"] == "ScorePublished"
    return (entry["detail"]["metadata"]["shop"], entry["detail"]["data"]["week"]) if is_score else None


def one_more(entry: Entry) -> None:
    """Another number in what the event says."""
    entry["detail"]["data"]["metrics"][0]["numerator"] += 1


def test_every_published_number_of_every_metric_is_the_one_that_sql_counts(
    recount: ModuleType, replayed: Replayed
) -> None:
    compared = recount.compare(*replayed)
    assert [str(each) for each in compared if each.differences] == []
    counted = {each.metric for each in compared if each.is_week and each.counted[1]}
    assert counted == {metric.id for metric in score_pack("standard-1").metrics}
    assert {each.shop for each in compared} == set(tool("scene").SHOPS)
    assert len({each.period for each in compared if each.is_week}) >= 8


def test_one_changed_number_makes_the_count_fail(
    recount: ModuleType,
    replayed: Replayed,
    said_otherwise: Callable[[Iterable[Entry]], Replayed],
    capsys: pytest.CaptureFixture[str],
) -> None:
    entries = replayed.entries()
    last = max(index for index, entry in enumerate(entries) if week(entry))
    one_more(entries[last])
    assert recount.main([*map(str, said_otherwise(entries))]) == 1
    shop, changed = week(entries[last]) or ("", "")
    metric = entries[last]["detail"]["data"]["metrics"][0]
    out = capsys.readouterr().out
    assert "numbers that differ: 1\n" in out
    assert f"{shop} {changed} {metric['id']}: {metric['numerator']}/" in out


def test_a_number_that_was_restated_since_is_not_looked_at(
    recount: ModuleType, replayed: Replayed, said_otherwise: Callable[[Iterable[Entry]], Replayed]
) -> None:
    entries = replayed.entries()
    restated = next(each for each in entries if week(each) and each["detail"]["data"]["revision"] > 1)
    first = next(each for each in entries if week(each) == week(restated))
    one_more(first)
    assert recount.main([*map(str, said_otherwise(entries))]) == 0


def test_a_week_that_nobody_published_is_missed(
    recount: ModuleType, replayed: Replayed, said_otherwise: Callable[[Iterable[Entry]], Replayed]
) -> None:
    entries = replayed.entries()
    missing = next(found for entry in entries[len(entries) // 2 :] if (found := week(entry)))
    others = said_otherwise(entry for entry in entries if week(entry) != missing)
    assert {(each.shop, each.period) for each in recount.compare(*others) if each.differences} == {missing}


def test_a_week_of_a_shop_in_which_nothing_happened_must_not_be_published(
    recount: ModuleType, replayed: Replayed, said_otherwise: Callable[[Iterable[Entry]], Replayed]
) -> None:
    entries = replayed.entries()
    invented = json.loads(json.dumps(next(entry for entry in entries if week(entry))))
    invented["detail"]["data"]["week"] = "2019-W01"
    assert recount.main([*map(str, said_otherwise([*entries, invented]))]) == 1


def test_nothing_to_compare_is_no_success(recount: ModuleType, tmp_path: Path) -> None:
    nothing = Replayed(tmp_path / "records.jsonl", tmp_path / "said.jsonl")
    for path in nothing:
        path.write_text("", encoding="utf-8")
    assert recount.main([*map(str, nothing)]) == 1


def test_a_scene_is_told_alike_every_time() -> None:
    one, other = (tool("scene").scene(20) for _ in range(2))
    assert one == other
    assert one != tool("scene").scene(20, seed=2)
