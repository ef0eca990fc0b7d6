# ruff: noqa: INP001  a script, not a package
"""Says what is in the way of a deployment, and how a deployed stack is.

    python tools/doctor.py                       this machine
    python tools/doctor.py --env dev             and the environment of samconfig.toml, and its stack

Answers 1 when something is wrong. What needs credentials is left out, and said so, where there are none.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aftercare.rulepacks.scores import score_packs
from aftercare.rulepacks.shipments import shipment_packs
from aftercare.rulepacks.tags import tag_packs
from sandbox.intrinsics import TemplateError
from sandbox.template import read_template

ROOT = Path(__file__).resolve().parents[1]
OLDEST_PYTHON = (3, 11)
SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
DEAD_LETTERS = "DeadLetters"


class Finding(NamedTuple):
    """``advice`` is empty where all is well."""

    what: str
    advice: str = ""


class Environment(NamedTuple):
    """One of samconfig.toml's."""

    stack: str
    region: str
    parameters: Mapping[str, str]

    @classmethod
    def read(cls, name: str, path: Path = ROOT / "samconfig.toml") -> Environment:
        """Raises ``KeyError`` with the names that there are."""
        found = tomllib.loads(path.read_text(encoding="utf-8"))
        deployed = {one: each["deploy"]["parameters"] for one, each in found.items()
                    if isinstance(each, dict) and "deploy" in each}  # fmt: skip
        if name not in deployed:
            raise KeyError(f"samconfig.toml has no environment {name}, only {', '.join(deployed)}")
        wanted = deployed[name]
        return cls(wanted["stack_name"], wanted["region"], overrides(wanted["parameter_overrides"]))


def overrides(written: Sequence[str]) -> dict[str, str]:
    """Parameters by their names; what is empty stands in quotes, or SAM would not read it."""
    pairs = (each.split("=", 1) for each in written)
    return {name: value.strip('"') for name, value in pairs}


# ---------------------------------------------------------------- this machine


def machine(root: Path = ROOT) -> Iterator[Finding]:
    version = sys.version_info[:2]
    too_old = "" if version >= OLDEST_PYTHON else "install Python 3.11 or newer"
    yield Finding(f"Python {version[0]}.{version[1]}", too_old)
    for made, advice in ((".venv-sam/bin/sam", "make build"), (".aws-sam/build/template.yaml", "make build")):
        yield Finding(made, "" if (root / made).exists() else f"is not there: {advice}")


def parameters(environment: Environment) -> Iterator[Finding]:
    """Whether the template takes the parameters, and whether what they name exists."""
    try:
        read_template(parameters=environment.parameters, region=environment.region)
    except TemplateError as refused:
        yield Finding("parameters", str(refused))
    else:
        yield Finding("parameters")
    zone = environment.parameters.get("DefaultZone", "UTC")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        yield Finding(f"zone {zone}", "is not an IANA zone")
    else:
        yield Finding(f"zone {zone}")
    pairs = (pair.partition("=") for pair in environment.parameters.get("MarketplacePacks", "").split(",") if pair)
    for marketplace, _, pack in pairs:
        lacking = [subject for subject, names in PACKS.items() if pack not in names()]
        yield Finding(f"packs of {marketplace}", f"there is no {pack} for {', '.join(lacking)}" if lacking else "")


PACKS: Mapping[str, Callable[[], frozenset[str]]] = {
    "scores": score_packs,
    "shipments": shipment_packs,
    "tags": tag_packs,
}


# ---------------------------------------------------------------- the stack


def stack(environment: Environment, client: Callable[[str], Any]) -> Iterator[Finding]:
    """``client`` gives an SDK client of the environment's region by the service's name."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        account = client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        yield Finding("credentials", f"none that work, so the stack was not looked at ({type(error).__name__})")
        return
    yield Finding(f"credentials of account {account}")
    try:
        [found] = client("cloudformation").describe_stacks(StackName=environment.stack)["Stacks"]
    except ClientError as error:
        absent = "does not exist" in str(error)
        advice = f"is not in {environment.region}: make deploy" if absent else f"cannot be looked at: {error}"
        yield Finding(f"stack {environment.stack}", advice)
        return
    status = found["StackStatus"]
    yield Finding(f"stack {environment.stack}", "" if status in SETTLED else f"is {status}")
    yield from _resources(environment, client)


def _resources(environment: Environment, client: Callable[[str], Any]) -> Iterator[Finding]:
    pages = client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=environment.stack)
    resources = [each for page in pages for each in page["StackResourceSummaries"]]
    queues = [each for each in resources if each["ResourceType"] == "AWS::SQS::Queue"]
    for queue in queues:
        if not queue["LogicalResourceId"].endswith(DEAD_LETTERS):
            continue
        wanted = {"QueueUrl": queue["PhysicalResourceId"], "AttributeNames": ["ApproximateNumberOfMessages"]}
        waiting = int(client("sqs").get_queue_attributes(**wanted)["Attributes"]["ApproximateNumberOfMessages"])
        advice = f"{waiting} messages failed every time: docs/runbook/dead-letters.md"
        yield Finding(queue["LogicalResourceId"], advice if waiting else "")
    alarms = [each["PhysicalResourceId"] for each in resources if each["ResourceType"] == "AWS::CloudWatch::Alarm"]
    for name in alarms:
        [alarm] = client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
        if alarm["StateValue"] == "ALARM":
            yield Finding(name, alarm.get("AlarmDescription", ""))
    yield Finding(f"{len(alarms)} alarms looked at")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--env", help="an environment of samconfig.toml")
    options = parser.parse_args(arguments)
    findings = list(machine())
    if options.env:
        try:
            environment = Environment.read(options.env)
        except KeyError as unknown:
            print(unknown.args[0], file=sys.stderr)
            return 2
        import boto3

        session: Any = boto3.Session(region_name=environment.region)
        findings += [*parameters(environment), *stack(environment, session.client)]
    for finding in findings:
        print(f"{'--' if finding.advice else 'ok'}  {finding.what}{': ' if finding.advice else ''}{finding.advice}")
    return 1 if any(finding.advice for finding in findings) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
