"""docs/openapi.json as tests hold answers against it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from sandbox.http_gateway import match_path

PAGE = Path(__file__).parents[1] / "docs" / "openapi.json"
DOCUMENT = "urn:openapi"


def assert_documented(method: str, path: str, status: int, content_type: str, answer: Any) -> None:
    """The document names that answer for that route; what no route answers is no part of it."""
    operation = operation_of(method, path)
    if operation is None:
        assert (status, answer["type"]) in {
            (403, "urn:aftercare:problem:no-shop"),
            (404, "urn:aftercare:problem:no-such-route"),
        }
        return
    assert str(status) in operation["responses"], f"{method} {path} answers {status}: {answer}"
    content = resolved(operation["responses"][str(status)])["content"]
    assert content_type in content, f"{method} {path} answers {status} as {content_type}"
    for found in validator(content[content_type]["schema"]["$ref"]).iter_errors(answer):
        raise AssertionError(f"{method} {path} answers {status}, at {found.json_path}: {found.message}")


@cache
def page() -> Any:
    """As it was written, but no shape takes more than what it lists."""
    return closed(json.loads(PAGE.read_text(encoding="utf-8")))


def operations() -> Iterator[tuple[str, str, Any]]:
    for path, item in page()["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def operation_of(method: str, path: str) -> Any:
    for known, pattern, operation in operations():
        if known == method and match_path(pattern, path) is not None:
            return operation
    return None


def resolved(node: Any) -> Any:
    """What a reference within the document leads to."""
    while "$ref" in node:
        *_, kind, name = node["$ref"].split("/")
        node = page()["components"][kind][name]
    return node


@cache
def validator(reference: str) -> Draft202012Validator:
    """``reference`` is one within the document."""
    registry = Registry().with_resource(DOCUMENT, Resource(contents=page(), specification=DRAFT202012))
    schema = {"$ref": f"{DOCUMENT}{reference}"}
    return Draft202012Validator(schema, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER)


def closed(node: Any) -> Any:
    if isinstance(node, list):
        return [closed(each) for each in node]
    if not isinstance(node, Mapping):
        return node
    shut = {key: closed(value) for key, value in node.items()}
    if node.get("type") == "object" and isinstance(node.get("properties"), Mapping):
        shut.setdefault("additionalProperties", False)
    return shut
