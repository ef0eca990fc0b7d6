"""The template packaged and deployed as SAM does it, and what tests need of the stack that stands then."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator import gaps
from emulator.machine import BUILD, LOG, LOOPBACK, ROOT, Emulator, eventually

from aftercare.aws.clock import SystemClock
from aftercare.aws.table import DynamoTable
from aftercare.kernel.ports import Clock
from aftercare.kernel.table import Table
from sandbox.cloud import Published
from sandbox.http_gateway import HttpResponse
from sandbox.intrinsics import REGION, Resolver
from sandbox.jwt_issuer import JwtIssuer
from sandbox.template import TEMPLATE, _translate, read_template

LAYERS = BUILD / "layers"
"""Each by its logical id, made by `make emulate`."""
SIGNPOST = "python/lib/python3/site-packages/layer.pth"
API_HOST = "{api}.execute-api.localhost"
OURS = {"source": [{"prefix": "aftercare."}]}
Change = Callable[[gaps.Resources], object]


@dataclass
class Deployed:
    """A stack. ``functions`` are its functions' names by their folders. What a sandbox has too it has likewise."""

    emulator: Emulator
    stage: str
    resources: Mapping[str, str]
    functions: Mapping[str, str]
    issuer: JwtIssuer
    listener: str
    clock: Clock = field(default_factory=SystemClock)
    _heard: list[Published] = field(default_factory=list)

    def request(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> HttpResponse:
        """One request to the stack's HTTP API."""
        host = API_HOST.format(api=self.resources["Api"])
        return self.emulator.request(host, method, target, dict(headers or {}), body)

    def client(self, service: str) -> Any:
        return self.emulator.client(service)

    def table(self, logical_id: str) -> Table:
        return DynamoTable(self.client("dynamodb"), self.resources[logical_id])

    def environment(self, function: str) -> Mapping[str, str]:
        variables: dict[str, str] = self.configuration(function)["Environment"]["Variables"]
        return variables

    @property
    def published(self) -> list[Published]:
        """What was heard on the bus so far, in the order in which it was heard."""
        sqs = self.client("sqs")
        while messages := sqs.receive_message(QueueUrl=self.listener, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                event, now = json.loads(message["Body"]), self.clock.now()
                self._heard.append(Published(event["source"], event["detail-type"], event["detail"], now, None))
                sqs.delete_message(QueueUrl=self.listener, ReceiptHandle=message["ReceiptHandle"])
        return self._heard

    def heard(self, name: str, of: str | None = None) -> list[Mapping[str, Any]]:
        """The data of the events of that name, of that order where one is named."""
        events = (one.detail["data"] for one in self.published if one.detail_type == name)
        return [data for data in events if of in (None, data.get("order_id"))]

    def configuration(self, function: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client("lambda").get_function_configuration(FunctionName=self.functions[function])
        return found

    def sweep(self) -> None:
        """Calls deadline_sweep as the scheduler does."""
        answer = self.client("lambda").invoke(FunctionName=self.functions["deadline_sweep"], Payload=b"{}")
        assert "FunctionError" not in answer, answer["Payload"].read()

    def waiting(self, logical_id: str) -> int:
        """How many messages of a queue are in a consumer's hands, or wait there for another try."""
        counted = "ApproximateNumberOfMessagesNotVisible"
        answer = self.client("sqs").get_queue_attributes(QueueUrl=self.resources[logical_id], AttributeNames=[counted])
        return int(answer["Attributes"][counted])

    def log(self) -> list[str]:
        """The lines of the functions in the stack's own log group."""
        pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName=self.resources["Logs"])
        return [event["message"] for page in pages for event in page["events"]]

    def log_lines(self) -> list[dict[str, Any]]:
        """Those that are JSON."""
        return [json.loads(line) for line in self.log() if line.startswith("{")]

    def denied(self) -> set[tuple[str, str]]:
        """Function, by its folder, and action of every call that was refused for want of a right."""
        folders = {name: folder for folder, name in self.functions.items()}
        return {(folders[each.function], each.action) for each in self.emulator.calls.denied(list(folders))}


def as_it_is(resources: gaps.Resources) -> None:
    """Changes nothing."""


def without(*logical_ids: str) -> Change:
    def change(resources: gaps.Resources) -> None:
        for logical_id in logical_ids:
            del resources[logical_id]

    return change


@contextmanager
def deployed(emulator: Emulator, stage: str, issuer: JwtIssuer, change: Change = as_it_is) -> Iterator[Deployed]:
    """``change`` is made to the template before it is packaged; ``stage`` names the stack too.

    At the end of the block what its functions logged is written to a file beside the emulator's own log, and the stack
    is deleted, so that nothing of it is tried any more.
    """
    parameters = {"Stage": stage, "JwtIssuer": issuer.issuer}
    resources = _create(emulator, stage, parameters, _package(emulator, stage, change))
    gaps.add_archives(emulator, Resolver(json.loads(_translate(TEMPLATE.read_text(encoding="utf-8"))), parameters))
    template = read_template(TEMPLATE, parameters)
    functions = {name: resources[function.logical_id] for name, function in template.functions.items()}
    stack = Deployed(emulator, stage, resources, functions, issuer, _listener(emulator, stage, resources["Bus"]))
    arns = {folder: stack.configuration(folder)["FunctionArn"] for folder in functions}
    gaps.add_routes(emulator, resources["Api"], template, arns)
    yield stack
    (BUILD / f"functions-{stage}.log").write_text("\n".join(stack.log()), encoding="utf-8")
    emulator.client("cloudformation").delete_stack(StackName=stage)


def _create(emulator: Emulator, stage: str, parameters: Mapping[str, str], address: str) -> dict[str, str]:
    """Answers the physical ids."""
    cloudformation = emulator.client("cloudformation")
    cloudformation.create_stack(
        StackName=stage,
        TemplateURL=address,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
    )

    def ended() -> str | None:
        status: str = cloudformation.describe_stacks(StackName=stage)["Stacks"][0]["StackStatus"]
        return None if status.endswith("IN_PROGRESS") else status

    status = eventually(ended, f"the stack {stage} stands")
    assert status == "CREATE_COMPLETE", f"{status}: {LOG} says why"
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stage)
    listed = (each for page in pages for each in page["StackResourceSummaries"])
    return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in listed}


def _package(emulator: Emulator, stage: str, change: Change) -> str:
    """Uploads the code, and a template that leads to it; answers its address."""
    from samtranslator.yaml_helper import yaml_parse

    s3 = emulator.client("s3")
    if stage not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=stage, CreateBucketConfiguration={"LocationConstraint": REGION})
    document = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))
    for logical_id, resource in document["Resources"].items():
        for code in ("CodeUri", "ContentUri"):
            folder = resource.get("Properties", {}).get(code)
            if folder is not None:
                body = _signpost(logical_id) if code == "ContentUri" else _zipped(_sources(ROOT / folder))
                s3.put_object(Bucket=stage, Key=logical_id, Body=body)
                resource["Properties"][code] = f"s3://{stage}/{logical_id}"
    gaps.mend(document["Resources"])
    change(document["Resources"])
    s3.put_object(Bucket=stage, Key="template.json", Body=json.dumps(document).encode())
    return f"http://{LOOPBACK}:{emulator.port}/{stage}/template.json"


def _sources(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.py")}


def _signpost(logical_id: str) -> bytes:
    """In a layer's place one file that leads to where the layer lies here, which comes to the same on ``sys.path``.

    The emulator unpacks every layer of a function at each of its cold starts, in the process that answers all calls:
    with two thousand files that would be most of what everything takes.
    """
    folder = LAYERS / logical_id / "python"
    return _zipped({SIGNPOST: f"import sys; sys.path.insert(0, {str(folder)!r})\n"})


def _zipped(files: Mapping[str, str]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as archived:
        for name, text in files.items():
            archived.writestr(name, text)
    return archive.getvalue()


def _listener(emulator: Emulator, stage: str, bus: str) -> str:
    """A queue of the tests' own that hears all that our functions put on the bus; answers its URL."""
    sqs, events = emulator.client("sqs"), emulator.client("events")
    url: str = sqs.create_queue(QueueName=f"{stage}-listener")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="listener", EventBusName=bus, EventPattern=json.dumps(OURS))
    events.put_targets(Rule="listener", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    return url
