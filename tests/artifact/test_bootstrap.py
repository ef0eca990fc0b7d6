"""What is built for Lambda starts in Lambda's own bootstrap, with nothing to import from but itself, and works."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from artifact.built import ROOT, Artifact
from artifact.runtime_api import TIMES, Failed, Invocation
from artifact.world import world_of

from sandbox.commands.invoke import SAMPLES
from sandbox.template import read_template

FUNCTIONS = read_template().functions
STATUS = {"webhook_intake": 202, "offer_page": 303, "merchant_api": 200}
SWEEP = "deadline_sweep"
NOBODY = "http://127.0.0.1:9"
ASKS_FOR = {
    "dynamodb": "fact_ledger",
    "events": "event_relay",
    "s3": "tag_publication",
    "secretsmanager": "webhook_intake",
    "sqs": "webhook_intake",
}
"""A function for each of the AWS services that are called."""
NEEDS = {
    "AftercareLayer/python/aftercare": "webhook_intake",
    "DependenciesLayer/python/botocore": "webhook_intake",
    "DependenciesLayer/python/jinja2": "offer_page",
    "DependenciesLayer/python/pydantic_core": "refund_negotiation",
}
"""A function for some of the packages."""


@pytest.mark.artifact
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_starts_and_does_the_work_of_its_sample_event(
    name: str,
    artifact: Artifact,
    without_bytecode: Artifact,
    aws: str,
    record_property: Callable[[str, object], None],
    tmp_path: Path,
) -> None:
    with world_of(name, tmp_path) as world:
        before = world.state()
        slow = without_bytecode.invoke(FUNCTIONS[name], world.event, aws)
        world.put_back(before)
        fast = artifact.invoke(FUNCTIONS[name], world.event, aws)
        assert answered_well(name, slow.answer)
        assert answered_well(name, fast.answer)
        assert world.state() != before
    ratio = slow.processor / fast.processor
    record_property(TIMES, f"  {name:23}{told(fast)}   without bytecode {told(slow)}, {ratio:.1f} times as much")


def told(invocation: Invocation) -> str:
    return f"{invocation.init:5.0f} + {invocation.event:5.0f} ({invocation.processor:5.0f})"


def answered_well(name: str, answer: Mapping[str, Any]) -> bool:
    if name in STATUS:
        return bool(answer["statusCode"] == STATUS[name])
    return bool(answer["sent"] > 0) if name == SWEEP else answer == {"batchItemFailures": []}


@pytest.mark.artifact
@pytest.mark.parametrize("service", sorted(ASKS_FOR))
def test_a_service_that_is_called_and_was_not_kept_is_found_missing(
    service: str, artifact: Artifact, tmp_path: Path
) -> None:
    lacking = artifact.without(f"DependenciesLayer/python/botocore/data/{service}", tmp_path / "artifact")
    with pytest.raises(Failed, match=f"Unknown service: '{service}'"):
        invoke_sample(ASKS_FOR[service], lacking)


@pytest.mark.artifact
@pytest.mark.parametrize("package", sorted(NEEDS))
def test_a_package_that_is_imported_and_in_no_layer_is_found_missing(
    package: str, artifact: Artifact, tmp_path: Path
) -> None:
    lacking = artifact.without(package, tmp_path / "artifact")
    with pytest.raises(Failed, match=f"No module named '{Path(package).name}"):
        invoke_sample(NEEDS[package], lacking)


def invoke_sample(name: str, artifact: Artifact) -> None:
    event = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    artifact.invoke(FUNCTIONS[name], event, NOBODY)


@pytest.mark.artifact
def test_time_zones_come_from_the_layer(artifact: Artifact, aws: str, tmp_path: Path) -> None:
    lacking = artifact.without("DependenciesLayer/python/tzdata", tmp_path / "artifact")
    with world_of("fact_ledger", tmp_path) as world:
        answer = lacking.invoke(FUNCTIONS["fact_ledger"], world.event, aws).answer
    assert not answered_well("fact_ledger", answer)


@pytest.mark.artifact
def test_the_certificates_that_the_sdk_trusts_are_in_the_layer(artifact: Artifact) -> None:
    # nothing else on this machine would miss them: what plays AWS here speaks without TLS
    assert (artifact.built / "DependenciesLayer/python/botocore/cacert.pem").stat().st_size > 0


def test_the_layer_keeps_the_services_that_the_code_asks_for_and_no_others() -> None:
    makefile = (ROOT / "layers" / "dependencies" / "Makefile").read_text(encoding="utf-8")
    kept = re.search(r"^SERVICES := (.+)$", makefile, re.MULTILINE)
    code = [path.read_text(encoding="utf-8") for path in (ROOT / "layers" / "aftercare").rglob("*.py")]
    called = {service for text in code for service in re.findall(r"""\bclients?\(["'](\w+)["']\)""", text)}
    assert kept is not None
    assert set(kept[1].split()) == called == ASKS_FOR.keys()
