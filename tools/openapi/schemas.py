"""The JSON Schemas (draft 2020-12, as OpenAPI 3.1 wants) of what is sent and answered, each shape once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

COMPONENTS = "#/components/schemas/"
NAMES: Mapping[str, str] = {
    "aftercare__events__vocabulary__Words": "Words",
    "aftercare__negotiation__model__plans__Words": "PlanWords",
    "Asked": "RefundRequest",
    "State": "TagState",
    "Reason": "TagReason",
}
"""Of shapes whose own name says too little outside their room, or is another one's too."""

TIME_OF_DAY = "^[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?$"
"""A local one, which JSON Schema's format ``time`` is not: it has an offset."""

Schema = dict[str, Any]


class _WithoutTitles(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  a title that repeats the name says nothing
        return False


def schemas_of(shapes: Iterable[Any]) -> tuple[dict[Any, Schema], dict[str, Schema]]:
    """The schema of each shape, mostly a reference, and all that is referred to, by name."""
    # in one direction alone: what is both sent and answered looks the same, and would else stand there twice
    direction: JsonSchemaMode = "validation"
    inputs = [(shape, direction, TypeAdapter(shape)) for shape in dict.fromkeys(shapes)]
    own, shared = TypeAdapter.json_schemas(
        inputs, ref_template=f"{COMPONENTS}{{model}}", schema_generator=_WithoutTitles
    )
    definitions = shared["$defs"]
    named = {NAMES.get(name, name): _tidied(schema) for name, schema in sorted(definitions.items())}
    return {shape: _tidied(schema) for (shape, _), schema in own.items()}, dict(sorted(named.items()))


def parameters_of(schema: Schema) -> list[dict[str, Any]]:
    """The fields of a query as parameters; what is not given is left out, never null."""
    return [
        {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": _given(field)}
        for name, field in schema["properties"].items()
    ]


def reference(name: str) -> Schema:
    return {"$ref": f"{COMPONENTS}{name}"}


def name_of(schema: Schema) -> str:
    return str(schema["$ref"]).removeprefix(COMPONENTS)


def _given(schema: Schema) -> Schema:
    given = {key: value for key, value in schema.items() if (key, value) != ("default", None)}
    match schema:
        case {"type": [type_, "null"]}:
            return {**given, "type": type_}
        case {"anyOf": [choice, {"type": "null"}]}:
            del given["anyOf"]
            return {**choice, **given}
    return given


def _tidied(node: Any) -> Any:
    if isinstance(node, list):
        return [_tidied(item) for item in node]
    if not isinstance(node, dict):
        return node
    tidied: Schema = {}
    for key, value in _or_null(node).items():
        if key == "$ref":
            name = name_of(node)
            tidied[key] = f"{COMPONENTS}{NAMES.get(name, name)}"
        elif (key, value) == ("format", "time"):
            tidied["pattern"] = TIME_OF_DAY
        elif key == "description" and isinstance(value, str):
            tidied[key] = plain(value)
        # the name of a class says what its component's name says; bounds of times are no words of JSON Schema
        elif key not in {"title", "ge", "le"} or isinstance(value, dict):
            tidied[key] = _tidied(value)
    return tidied


def _or_null(schema: Schema) -> Schema:
    """A plain value or null, said in one line less a level."""
    match schema:
        case {"anyOf": [{"type": str(type_)} as value, {"type": "null"}]} if "enum" not in value:
            about = {key: said for key, said in schema.items() if key != "anyOf"}
            return {**value, "type": [type_, "null"], **about}
    return schema


def plain(text: str) -> str:
    """A docstring's text with its lines joined, in Markdown's notation of code."""
    return re.sub(r"[ \t]*\n(?!\n)[ \t]*", " ", text.replace("``", "`").replace("\n\n", "\0")).replace("\0", "\n\n")
