# ruff: noqa: INP001  a script beside what it writes, not a package
"""Writes the parts of the event catalogue that follow from the models and the template: schemas and pages.

    python events/generate.py            write them
    python events/generate.py --check    change nothing; exit 1 and name every file that differs

Beside them stand the examples, which are kept by hand. Who hears an event is read from the template's rules.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, create_model
from pydantic.json_schema import GenerateJsonSchema

from aftercare.events import catalogue
from aftercare.kernel.envelope import EventData, Metadata

HERE = Path(__file__).parent
CATALOGUE = HERE / "catalogue"
TEMPLATE = HERE.parent / "template.yaml"
SCHEMA = "schema.json"
PAGE = "README.md"

# The models refuse a naive time and a time for a day; not every validator of JSON Schema looks at "format".
PATTERNS = {"date-time": "T.*(Z|[+-][0-9]{2}:[0-9]{2})$", "date": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}


# ---------------------------------------------------------------- who hears what


@dataclass(frozen=True, order=True)
class Consumer:
    """A function that hears an event through a rule and a queue, which gives up on it after ``receives``."""

    function: str
    rule: str
    queue: str
    dead_letters: str
    receives: int


class _TemplateLoader(yaml.SafeLoader):
    """CloudFormation's short tags: ``!Ref X`` as ``{"Ref": "X"}``, ``!GetAtt X.Arn`` as ``{"GetAtt": "X.Arn"}``."""


def _short_tag(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.SequenceNode):
        return {tag: loader.construct_sequence(node, deep=True)}
    if isinstance(node, yaml.MappingNode):
        return {tag: loader.construct_mapping(node, deep=True)}
    return {tag: node.value}


_TemplateLoader.add_multi_constructor("!", _short_tag)


def read_template(path: Path) -> dict[str, Any]:
    """The template's resources by logical id."""
    loader = _TemplateLoader(path.read_text(encoding="utf-8"))
    try:
        resources: dict[str, Any] = loader.get_single_data()["Resources"]
    finally:
        loader.dispose()
    return resources


def rules_of(resources: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Logical id and properties of every rule on the bus."""
    for rule, resource in resources.items():
        if resource["Type"] == "AWS::Events::Rule" and "EventPattern" in resource["Properties"]:
            yield rule, resource["Properties"]


def consumers_of(model: type[EventData], resources: Mapping[str, Any]) -> list[Consumer]:
    """Every function whose queue a rule fills with this event, from any of its sources."""
    found = []
    for rule, properties in rules_of(resources):
        pattern = properties["EventPattern"]
        if not _matches(pattern.get("detail-type"), (model.name,)) or not _matches(
            pattern.get("source"), model.sources
        ):
            continue
        for target in properties["Targets"]:
            queue = _logical_id(target["Arn"])
            redrive = resources[queue]["Properties"]["RedrivePolicy"]
            found += [
                Consumer(
                    function=function,
                    rule=rule,
                    queue=queue,
                    dead_letters=_logical_id(redrive["deadLetterTargetArn"]),
                    receives=int(redrive["maxReceiveCount"]),
                )
                for function in _readers_of(queue, resources)
            ]
    return sorted(found)


def _matches(accepted: Sequence[Any] | None, values: Sequence[str]) -> bool:
    if accepted is None:
        return True
    for one in accepted:
        if isinstance(one, str):
            prefix, exact = one, True
        elif set(one) == {"prefix"}:
            prefix, exact = one["prefix"], False
        else:
            raise ValueError(f"this page generator cannot read the pattern {one!r} of a rule")
        if any(value == prefix if exact else value.startswith(prefix) for value in values):
            return True
    return False


def _readers_of(queue: str, resources: Mapping[str, Any]) -> Iterator[str]:
    for resource in resources.values():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        for event in resource["Properties"].get("Events", {}).values():
            if event["Type"] == "SQS" and _logical_id(event["Properties"]["Queue"]) == queue:
                yield str(resource["Properties"]["CodeUri"]).rstrip("/").rpartition("/")[2]


def _logical_id(reference: Any) -> str:
    """``X`` of ``!GetAtt X.Arn`` in either notation."""
    target = reference["GetAtt"]
    return str(target[0] if isinstance(target, list) else target.partition(".")[0])


# ---------------------------------------------------------------- schemas


class _WithoutTitles(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  a title that repeats the name says nothing
        return False


def schema_of(model: type[EventData]) -> dict[str, Any]:
    """JSON Schema of the whole ``detail`` of EventBridge's event."""
    detail = create_model("Detail", metadata=(Metadata, ...), data=(model, ...))
    schema = detail.model_json_schema(schema_generator=_WithoutTitles)
    schema["$defs"]["Metadata"]["properties"]["version"] = {"const": model.version}
    _tidy(schema)
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": f"urn:aftercare:event:{model.name}:{model.version}",
        **schema,
        "title": f"detail of {model.name}, version {model.version}",
        "description": _paragraphs(model)[0],
    }


def _tidy(node: Any) -> None:
    if isinstance(node, list):
        for item in node:
            _tidy(item)
    if not isinstance(node, dict):
        return
    if isinstance(node.get("description"), str):
        node["description"] = _plain(node["description"])
    if node.get("format") in PATTERNS:
        node["pattern"] = PATTERNS[node["format"]]
    for value in node.values():
        _tidy(value)


def _plain(text: str) -> str:
    """A docstring's text with its lines joined, in Markdown's notation of code."""
    return re.sub(r"[ \t]*\n(?!\n)[ \t]*", " ", text.replace("``", "`").replace("\n\n", "\0")).replace("\0", "\n\n")


def _paragraphs(model: type[BaseModel]) -> list[str]:
    return _plain(inspect.cleandoc(model.__doc__ or "")).split("\n\n")


# ---------------------------------------------------------------- pages


def page_of(model: type[EventData], consumers: Sequence[Consumer], schema: Mapping[str, Any]) -> str:
    """The page of one event, in Markdown."""
    definitions = schema["$defs"]
    said_by = ", ".join(f"`{source}`" for source in model.sources)
    lines = [f"# {model.name}, version {model.version}", ""]
    for paragraph in _paragraphs(model):
        lines += [paragraph, ""]
    lines += [f"- **Said by** {said_by}", *_heard_by(consumers), ""]
    lines += [f"The schema of the whole `detail` is [{SCHEMA}]({SCHEMA}); examples stand beside it.", ""]
    lines += ["## On failure", "", *_on_failure(model, consumers), ""]
    lines += ["## Fields of `data`", "", *_table(definitions[model.__name__]), ""]
    for name in _used_by(model.__name__, definitions):
        lines += [f"### {name}", "", definitions[name].get("description", "").split("\n\n")[0], ""]
        if "enum" in definitions[name]:
            lines += [", ".join(f"`{value}`" for value in definitions[name]["enum"]), ""]
        else:
            lines += [*_table(definitions[name]), ""]
    return "\n".join(lines).rstrip() + "\n"


def _heard_by(consumers: Sequence[Consumer]) -> list[str]:
    if not consumers:
        return ["- **Heard by** no function of this system: it is a public fact for whoever adds a rule to the bus"]
    return [f"- **Heard by** `{one.function}` (rule `{one.rule}`, queue `{one.queue}`)" for one in consumers]


def _on_failure(model: type[EventData], consumers: Sequence[Consumer]) -> list[str]:
    if model.name in catalogue.INCOMING:
        lines = ["- A delivery that cannot be made into this event is quarantined whole, with the reason."]
    else:
        lines = ["- An event that the bus refuses is quarantined whole, with the reason; an outage is retried."]
    if consumers:
        lines.append("- A consumer quarantines an event that does not fit the schema, and acknowledges it.")
    lines += [
        f"- When `{one.function}` fails, it is given the event again; after {one.receives} receives the event "
        f"moves to `{one.dead_letters}`."
        for one in consumers
    ]
    lines.append(
        "- The same fact may arrive twice, late and out of order: it is recognised as told above, not by `event_id`."
    )
    return lines


def _table(definition: Mapping[str, Any]) -> list[str]:
    required = definition.get("required", ())
    rows = [
        f"| `{name}` | {_type_text(field)} | {'yes' if name in required else 'no'} | {field.get('description', '')} |"
        for name, field in definition["properties"].items()
    ]
    return ["| field | type | required | meaning |", "|---|---|---|---|", *rows]


def _type_text(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in field:
        return " or ".join(_type_text(choice) for choice in field["anyOf"] if choice.get("type") != "null")
    if field.get("type") == "array":
        return f"list of {_type_text(field['items'])}"
    if "format" in field:
        return {"date-time": "time", "date": "day"}[field["format"]]
    if "const" in field:
        return f"`{field['const']}`"
    return {"string": "text", "integer": "integer", "boolean": "true or false"}[field["type"]]


def _used_by(name: str, definitions: Mapping[str, Any]) -> list[str]:
    """The shapes that a definition is made of, as they are met on the way down."""
    used: dict[str, None] = {}
    waiting = [name]
    while waiting:
        text = json.dumps(definitions[waiting.pop(0)])
        for one in re.findall(r'"#/\$defs/(\w+)"', text):
            if one not in used:
                used[one] = None
                waiting.append(one)
    return list(used)


def index_of(models: Sequence[type[EventData]], resources: Mapping[str, Any]) -> str:
    """The catalogue's own page."""
    metadata = Metadata.model_json_schema(schema_generator=_WithoutTitles)
    lines = [
        "# The event catalogue",
        "",
        "Every fact that travels on the bus. An event is `source`, `detail-type` (its name) and `detail`, which is",
        "`metadata` and `data`. Each event has a folder a version with its page, the JSON Schema of its `detail`, and",
        "good and bad examples. A new version stands beside the old one, whose examples stay tested.",
        "",
        "- A producer writes only what the schema lists. A reader ignores fields that it does not know and takes a",
        "  value that is not in a closed list as `unknown`. Adding an optional field keeps the version.",
        "- A field that is not required may be null or absent. Ids are text, times UTC with `Z`, money is integer",
        "  minor units with a currency, ratios and points are decimal text.",
        "- One fact may arrive under several event ids: recognise it by the key that its page names.",
        "",
        "## Metadata",
        "",
        *_table(metadata),
        "",
    ]
    for heading, incoming in (("What comes in", True), ("What this system says", False)):
        lines += [f"## {heading}", "", "| event | meaning | said by | heard by |", "|---|---|---|---|"]
        for model in models:
            if (model.name in catalogue.INCOMING) is incoming:
                lines.append(_index_row(model, consumers_of(model, resources)))
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _index_row(model: type[EventData], consumers: Sequence[Consumer]) -> str:
    meaning = re.split(r"(?<=\.)\s", _paragraphs(model)[0])[0]
    said_by = ", ".join(f"`{source.partition('.')[2]}`" for source in model.sources)
    heard_by = ", ".join(dict.fromkeys(f"`{one.function}`" for one in consumers)) or "public"
    link = f"[{model.name} v{model.version}]({model.name}/v{model.version}/{PAGE})"
    return f"| {link} | {meaning} | {said_by} | {heard_by} |"


# ---------------------------------------------------------------- writing and checking


def expected_files(resources: Mapping[str, Any]) -> dict[Path, str]:
    """The text of every generated file, by its path inside the catalogue."""
    models = [catalogue.model_of(name, version) for name, version in catalogue.entries()]
    files = {Path(PAGE): index_of(models, resources)}
    for model in models:
        folder = Path(model.name) / f"v{model.version}"
        schema = schema_of(model)
        files[folder / SCHEMA] = json.dumps(schema, ensure_ascii=False, indent=2) + "\n"
        files[folder / PAGE] = page_of(model, consumers_of(model, resources), schema)
    return files


def differences(root: Path, expected: Mapping[Path, str]) -> list[str]:
    """One line for each generated file of the catalogue that is not as it should be."""
    found = []
    for path, text in expected.items():
        there = root / path
        if not there.is_file():
            found.append(f"{path}: missing")
        elif there.read_text(encoding="utf-8") != text:
            found.append(f"{path}: differs")
    standing = {path.relative_to(root) for name in (SCHEMA, PAGE) for path in root.rglob(name)}
    found += [f"{path}: belongs to no event" for path in sorted(standing - expected.keys())]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write the schemas and pages of the event catalogue.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 naming each file that differs")
    parser.add_argument("--catalogue", type=Path, default=CATALOGUE, help="the catalogue's folder")
    parser.add_argument("--template", type=Path, default=TEMPLATE, help="the template whose rules say who hears what")
    chosen = parser.parse_args(arguments)
    expected = expected_files(read_template(chosen.template))
    if chosen.check:
        found = differences(chosen.catalogue, expected)
        for line in found:
            print(line)
        if found:
            print("run: python events/generate.py", file=sys.stderr)
        return 1 if found else 0
    for path, text in expected.items():
        file = chosen.catalogue / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
