"""The catalogue keeps its word: models, schemas, examples, pages and the template's rules agree."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from aftercare.events.catalogue import entries, model_of, parse, read_json
from aftercare.kernel.envelope import EventData, Metadata
from aftercare.kernel.errors import MalformedInput

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "events" / "catalogue"
MODELS = [model_of(name, version) for name, version in entries()]
GOOD = sorted(CATALOGUE.glob("*/v*/good-*.json"))
BAD = sorted(CATALOGUE.glob("*/v*/bad-*.json"))


def _load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("event_catalogue_generate", ROOT / "events" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


GENERATE = _load_generator()
RESOURCES = GENERATE.read_template(ROOT / "template.yaml")


def _name(path: Path) -> str:
    return str(path.relative_to(CATALOGUE).with_suffix(""))


def _event(path: Path) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return event


def _folder(model: type[EventData]) -> Path:
    return CATALOGUE / model.name / f"v{model.version}"


def _refusals_by_schema(path: Path) -> list[str]:
    schema = json.loads((path.parent / "schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    return [error.message for error in validator.iter_errors(_event(path)["detail"])]


def test_every_model_has_a_folder_and_every_folder_a_model() -> None:
    folders = {path for path in CATALOGUE.glob("*/*") if path.is_dir()}
    assert folders == {_folder(model) for model in MODELS}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_an_event_has_a_complete_a_minimal_and_a_bad_example(model: type[EventData]) -> None:
    names = {path.name for path in _folder(model).iterdir()}
    assert {"good-complete.json", "good-minimal.json"} <= names
    assert any(name.startswith("bad-") for name in names)


@pytest.mark.parametrize("path", GOOD, ids=_name)
def test_a_good_example_fits_the_schema_and_the_model(path: Path) -> None:
    assert _refusals_by_schema(path) == []
    event = read_json(path.read_text(encoding="utf-8"))
    assert (event.data.name, f"v{event.data.version}") == (path.parts[-3], path.parts[-2])


@pytest.mark.parametrize("path", GOOD, ids=_name)
def test_a_good_example_comes_back_the_same_after_we_write_it(path: Path) -> None:
    event = read_json(path.read_bytes())
    assert read_json(json.dumps(event.entry())) == event


@pytest.mark.parametrize("path", BAD, ids=_name)
def test_a_bad_example_is_refused_by_the_schema_and_by_the_model(path: Path) -> None:
    event = _event(path)
    model = model_of(event["detail-type"], int(path.parts[-2].removeprefix("v")))
    with pytest.raises(ValidationError):
        (Metadata.model_validate(event["detail"]["metadata"]), model.model_validate(event["detail"]["data"]))
    with pytest.raises(MalformedInput):
        parse(event["source"], event["detail-type"], event["detail"])
    assert _refusals_by_schema(path) != []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_good_examples_show_every_field_and_the_minimal_one_only_what_is_required(model: type[EventData]) -> None:
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    shown: set[str] = set()
    for path in _folder(model).glob("good-*.json"):
        shown |= _event(path)["detail"]["data"].keys()
    assert shown >= model.model_fields.keys()
    if model.name not in {"ParcelScanned", "ParcelExceptionReported", "ParcelExceptionLifted"}:
        assert _event(_folder(model) / "good-minimal.json")["detail"]["data"].keys() == required


def test_every_example_is_an_event_of_its_own() -> None:
    ids = [_event(path)["detail"]["metadata"]["event_id"] for path in (*GOOD, *BAD)]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_meaning_says_how_consumers_recognise_the_event(model: type[EventData]) -> None:
    assert re.search(r"[Rr]ecognise (it|its)", model.__doc__ or "")


# ---------------------------------------------------------------- the generator


def test_schemas_and_pages_are_as_the_generator_writes_them(capsys: pytest.CaptureFixture[str]) -> None:
    status = GENERATE.main(["--check"])
    assert (status, capsys.readouterr().out) == (0, "")


@pytest.fixture
def a_copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CATALOGUE, tmp_path / "catalogue"))


def test_the_check_names_what_was_tampered_with_and_changes_nothing(
    a_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = a_copy / "OrderPaid" / "v1" / "schema.json"
    schema.write_text(schema.read_text(encoding="utf-8").replace("integer", "number"), encoding="utf-8")
    tampered = schema.read_bytes()
    (a_copy / "README.md").unlink()
    (a_copy / "OrderPayed" / "v1").mkdir(parents=True)
    (a_copy / "OrderPayed" / "v1" / "schema.json").write_text("{}", encoding="utf-8")

    assert GENERATE.main(["--check", "--catalogue", str(a_copy)]) == 1

    assert capsys.readouterr().out.splitlines() == [
        "README.md: missing",
        "OrderPaid/v1/schema.json: differs",
        "OrderPayed/v1/schema.json: belongs to no event",
    ]
    assert schema.read_bytes() == tampered


def test_generating_mends_a_tampered_copy(a_copy: Path) -> None:
    page = a_copy / "TagChanged" / "v1" / "README.md"
    page.write_text("nothing", encoding="utf-8")
    assert GENERATE.main(["--catalogue", str(a_copy)]) == 0
    assert GENERATE.main(["--check", "--catalogue", str(a_copy)]) == 0


def test_a_page_names_who_hears_the_event_by_the_template() -> None:
    heard = GENERATE.consumers_of(model_of("OfferAccepted", 1), RESOURCES)
    assert [(one.function, one.rule, one.queue, one.dead_letters) for one in heard] == [
        ("fact_ledger", "FactsRule", "FactsQueue", "FactsDeadLetters"),
        ("refund_settlement", "SettlementRule", "SettlementQueue", "SettlementDeadLetters"),
    ]


# ---------------------------------------------------------------- the template's rules


def _rules_and_names() -> list[tuple[str, str]]:
    return [
        (rule, name)
        for rule, properties in GENERATE.rules_of(RESOURCES)
        for name in properties["EventPattern"].get("detail-type", ())
        if isinstance(name, str)
    ]


@pytest.mark.parametrize(("rule", "name"), _rules_and_names())
def test_a_rule_lists_every_source_that_an_event_of_the_catalogue_may_have(rule: str, name: str) -> None:
    accepted = RESOURCES[rule]["Properties"]["EventPattern"].get("source")
    for model in MODELS:
        if model.name == name:
            assert accepted is None or set(model.sources) <= set(accepted)
    assert name in {model.name for model in MODELS}
