"""docs/openapi.json says what the merchants' API takes and answers: no more, and no less."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from documented import PAGE, assert_documented, operation_of, operations, page, resolved
from hypothesis import given, settings
from merchant_requests import request
from odd_requests import Asked, anything, one_thing_odd
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel
from strict_table import Restorable, StrictTable

from aftercare.intake.limits import RequestLimit
from aftercare.kernel import fields
from aftercare.negotiation import merchant as refund_desk
from aftercare.scores import merchant as score_desk
from aftercare.shipments import merchant as shipment_desk
from aftercare.tags import merchant as tag_desk
from sandbox import memory_services
from sandbox.template import TEMPLATE, read_template
from tools.openapi import __main__ as tool
from tools.openapi.answers import quarantine, refunds, scores, shipments, tags
from tools.openapi.document import NotInTable, answered_routes, document, kind_of, refusals_of
from tools.openapi.routes import ROOMS
from tools.openapi.story import tell
from tools.openapi.town import SHOP, Recorded, Town, opened

TABLE = {key: route for room in ROOMS.values() for key, route in room.items()}
ANSWERS = {
    name
    for module in (quarantine, refunds, scores, shipments, tags)
    for name, shape in vars(module).items()
    if getattr(shape, "__module__", None) == module.__name__
}
DESKS = refund_desk, score_desk, shipment_desk, tag_desk
EXAMPLES = 50


# ---------------------------------------------------------------- the town


@pytest.fixture(scope="module")
def models_read() -> list[tuple[int, type[BaseModel]]]:
    """Every body and query that was read, by the number of the call that brought it."""
    return []


@pytest.fixture(scope="module")
def town(models_read: list[tuple[int, type[BaseModel]]]) -> Iterator[Town]:
    """After its story."""
    usual = fields.read

    def read(model: Any, raw: Any) -> Any:
        models_read.append((len(town.calls), model))
        return usual(model, raw)

    with pytest.MonkeyPatch.context() as patch, redirect_stderr(io.StringIO()):
        patch.setattr(memory_services, "StreamedTable", StrictTable)
        for module in (fields, *DESKS):
            patch.setattr(module, "read", read)
        with opened() as town:
            tell(town)
            patch.setattr(RequestLimit, "count", lambda self, shop, by_operators=False: None)
            yield town


@pytest.fixture(scope="module")
def calls(town: Town) -> Sequence[Recorded]:
    return town.calls


# ---------------------------------------------------------------- the document is the code's


def test_the_document_is_what_would_be_written(calls: Sequence[Recorded]) -> None:
    assert tool.difference(PAGE, tool.text_of(calls)) is None


def test_a_document_of_another_route_fails_the_check(
    calls: Sequence[Recorded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tool, "told", lambda: calls)
    monkeypatch.setattr(tool, "PAGE", tmp_path / "openapi.json")
    assert tool.main(["--check"]) == 1
    assert tool.main([]) == 0
    assert tool.main(["--check"]) == 0
    written = tool.PAGE.read_text(encoding="utf-8")
    tool.PAGE.write_text(written.replace('"/v1/keep-rate"', '"/v1/keep"'), encoding="utf-8")
    capsys.readouterr()
    assert tool.main(["--check"]) == 1
    assert "run python -m tools.openapi" in capsys.readouterr().err


def test_a_route_without_an_entry_and_an_entry_without_a_route_are_named(calls: Sequence[Recorded]) -> None:
    template = read_template(TEMPLATE)
    with pytest.raises(NotInTable, match="GET /v1/new"):
        document([*answered_routes(), ("GET", "/v1/new")], template, calls)
    with pytest.raises(NotInTable, match="GET /v1/policy"):
        document(answered_routes()[1:], template, calls)


def test_the_document_is_valid_openapi() -> None:
    assert list(OpenAPIV31SpecValidator(json.loads(PAGE.read_text(encoding="utf-8"))).iter_errors()) == []


def test_every_route_stands_in_it() -> None:
    braced = {(method, path.replace("<", "{").replace(">", "}")) for method, path in answered_routes()}
    assert {(method, path) for method, path, _ in operations()} == braced


def test_an_operators_route_takes_the_operators_scope_alone() -> None:
    for method, path, operation in operations():
        scopes = {scope for need in operation["security"] for scope in need["merchant"]}
        if path.startswith("/v1/operate/"):
            assert scopes == {"aftercare/operate"}
        else:
            assert scopes == {"aftercare/write"} | ({"aftercare/read"} if method == "GET" else set())


def test_a_shape_stands_in_it_once() -> None:
    schemas = json.loads(PAGE.read_text(encoding="utf-8"))["components"]["schemas"]
    shapes = [json.dumps({**schema, "description": ""}, sort_keys=True) for schema in schemas.values()]
    assert [name for name, shape in zip(schemas, shapes, strict=True) if shapes.count(shape) > 1] == []


def test_every_route_reads_the_body_and_the_query_that_the_document_shows(
    calls: Sequence[Recorded], models_read: Sequence[tuple[int, type[BaseModel]]]
) -> None:
    read: dict[tuple[str, str], set[object]] = {key: set() for key in TABLE}
    for number, model in models_read:
        if number < len(calls):
            read[calls[number].method, calls[number].path].add(model)
    assert read == {key: {route.body, route.query} - {None} for key, route in TABLE.items()}


# ---------------------------------------------------------------- answers


def path_of(call: Recorded) -> str:
    return re.sub("<([a-z_]+)>", lambda name: call.ids[name[1]], call.path)


def test_every_answer_of_the_story_conforms(calls: Sequence[Recorded]) -> None:
    for call in calls:
        assert_documented(call.method, path_of(call), call.status, call.content_type, call.answer)


def test_nothing_is_listed_that_no_answer_has(calls: Sequence[Recorded]) -> None:
    seen: set[tuple[str, str]] = set()
    for call in calls:
        response = operation_of(call.method, path_of(call))["responses"][str(call.status)]
        _note(resolved(response)["content"][call.content_type]["schema"], call.answer, seen)
    listed = {
        (name, field)
        for name, schema in page()["components"]["schemas"].items()
        if name in ANSWERS
        for field in schema["properties"]
    }
    assert listed - seen == set()


def _note(schema: Mapping[str, Any], value: Any, seen: set[tuple[str, str]]) -> None:
    """Which fields of which shapes the value has."""
    name = schema.get("$ref", "").rpartition("/")[2]
    shape = resolved(schema)
    for choice in (*shape.get("anyOf", ()), *shape.get("oneOf", ())):
        _note(choice, value, seen)
    if isinstance(value, dict):
        fields_of = shape.get("properties", {})
        seen |= {(name, field) for field in value if field in fields_of}
        for field, each in value.items():
            _note(fields_of.get(field, {}), each, seen)
    if isinstance(value, list):
        for each in value:
            _note(shape.get("items", {}), each, seen)


# ---------------------------------------------------------------- odd requests

VERSIONS = {
    "/v1/plans": "/v1/policy",
    "/v1/budgets": "/v1/policy",
    "/v1/kill-switch": "/v1/policy",
    "/v1/shipments/settings": "/v1/shipments/settings",
    "/v1/operate/scores/register": "/v1/scores/registration",
}
"""Where the version stands that a change has to name."""


@dataclass(frozen=True)
class Desk:
    """One route, as it is asked after the story, each time anew."""

    town: Town
    tables: Restorable
    method: str
    path: str

    @property
    def parameters(self) -> list[str]:
        shown = page()["paths"][self.path.replace("<", "{").replace(">", "}")][self.method.lower()]
        return [each["name"] for each in shown.get("parameters", ()) if each["in"] == "query"]

    def good(self) -> list[Asked]:
        """What was asked in the story and answered; where a version is named, it is the present one."""
        answered = [call for call in self.town.calls if (call.method, call.path, call.status) == (*self.key, 200)]
        good = [Asked(call.ids, call.query, call.body) for call in answered]
        if self.path not in VERSIONS or self.method == "GET":
            return good
        seen = replace(self, method="GET", path=VERSIONS[self.path]).ask(Asked({}, {}, None))
        return [one._replace(body={**one.body, "version": seen["version"]}) for one in good]

    @property
    def key(self) -> tuple[str, str]:
        return self.method, self.path

    def ask(self, asked: Asked) -> Any:
        """The answer, which must be one that the document names for the route, and no failure of ours."""
        path = re.sub("<([a-z_]+)>", lambda name: asked.ids[name[1]], self.path)
        event = request(self.method, path, asked.body, asked.query, {"aftercare:shop": SHOP, "sub": "ann"})
        reply = self.town.sandbox.invoke("merchant_api", event)
        self.tables.restore()
        status, answer = reply["statusCode"], json.loads(reply["body"])
        assert status < 500, asked
        assert_documented(self.method, path, status, reply["headers"]["content-type"], answer)
        kinds = {f"urn:aftercare:problem:{kind_of(refusal)}" for refusal in refusals_of(TABLE[self.key])}
        assert status == 200 or answer["type"] in kinds, asked
        return answer


@pytest.fixture(scope="module")
def tables(town: Town) -> Restorable:
    return Restorable(town.sandbox)


@pytest.fixture
def desk(town: Town, tables: Restorable, method: str, path: str) -> Desk:
    return Desk(town, tables, method, path)


@pytest.mark.parametrize(("method", "path"), TABLE)
def test_one_odd_thing_gets_an_answer_that_the_document_names(desk: Desk) -> None:
    for asked in one_thing_odd(desk.good()[0], desk.parameters):
        desk.ask(asked)


@pytest.mark.parametrize(("method", "path"), [key for key, route in TABLE.items() if route.body or route.query])
def test_whatever_is_sent_gets_an_answer_that_the_document_names(desk: Desk) -> None:
    @settings(max_examples=EXAMPLES, derandomize=True, database=None)
    @given(anything(desk.good(), desk.parameters))
    def ask(asked: Asked) -> None:
        desk.ask(asked)

    ask()
