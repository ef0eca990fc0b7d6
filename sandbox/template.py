"""What ``template.yaml`` deploys, read through aws-sam-translator: the one source of the offline cloud's wiring.

What the template does not say is not here. What it says and the offline cloud cannot play raises ``TemplateError``,
so that nothing seems to work that is silently left out; roles, policies, alarms and the like have no effect offline.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from aftercare.kernel.records import DUE_INDEX
from sandbox.intrinsics import REGION, Resolver, TemplateError, queue_url
from sandbox.resources import (
    Authorizer,
    Function,
    Queue,
    QueueMapping,
    Route,
    Rule,
    Schedule,
    Secret,
    StreamMapping,
    Table,
    Template,
)

TEMPLATE = Path(__file__).resolve().parents[1] / "template.yaml"
NO_EFFECT_OFFLINE = re.compile(
    r"AWS::(IAM|CloudWatch|Logs|SNS|KMS|EventSchemas)::\w+"
    r"|AWS::Lambda::(LayerVersion|Permission|EventInvokeConfig|Version|Alias)|AWS::CodeDeploy::\w+"
    r"|AWS::Events::Archive|AWS::ApiGatewayV2::Stage|AWS::SQS::QueuePolicy|AWS::S3::BucketPolicy"
)
PLAYED = frozenset(
    {
        "AWS::ApiGatewayV2::Api",
        "AWS::DynamoDB::Table",
        "AWS::Events::EventBus",
        "AWS::Events::Rule",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Function",
        "AWS::S3::Bucket",
        "AWS::SQS::Queue",
        "AWS::Scheduler::Schedule",
        "AWS::SecretsManager::Secret",
    }
)
CREATE_TABLE = ("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema", "LocalSecondaryIndexes")
PARTIAL_FAILURES = "ReportBatchItemFailures"
DEFAULT_BUS = "default"
RATE_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}


def read_template(path: Path = TEMPLATE, parameters: Mapping[str, str] | None = None, region: str = REGION) -> Template:
    """The template under these parameters, the defaults for the rest; raises ``TemplateError``.

    Of the functions' logs only what went wrong is wanted here: what they do is told by who plays them.
    """
    document = json.loads(_translate(path.read_text(encoding="utf-8")))
    quiet = {"LogLevel": "WARNING"} if "LogLevel" in document.get("Parameters", {}) else {}
    resolver = Resolver(document, {**quiet, **(parameters or {})}, region)
    if refused := resolver.refused():
        raise TemplateError("; ".join(refused))
    return _Reader(path.parent, resolver).template()


@lru_cache(maxsize=16)
def _translate(text: str) -> str:
    """The plain CloudFormation template, as JSON."""
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator
    from samtranslator.yaml_helper import yaml_parse

    # it complains of switches that only AWS itself can set
    logging.getLogger("samtranslator.feature_toggle.feature_toggle").setLevel(logging.ERROR)
    document = yaml_parse(text)
    for resource in document["Resources"].values():
        for code in ("CodeUri", "ContentUri"):
            # the translator refuses a folder here; the bucket's key becomes the folder again
            folder = resource.get("Properties", {}).get(code)
            if isinstance(folder, str):
                resource["Properties"][code] = f"s3://local/{folder}"
    translator = Translator({}, Parser(), boto_session=_RegionOnly())
    try:
        translated = translator.translate(document, {})
    except InvalidDocumentException as error:
        raise TemplateError(error.message) from error
    finally:
        translator.metrics.publish()  # to nobody; else it complains on standard error when it is collected
    return json.dumps(translated)


class _RegionOnly:
    """All that the translator wants of an SDK session."""

    region_name = REGION


class _Reader:
    def __init__(self, root: Path, resolver: Resolver) -> None:
        self._root = root
        self._resolver = resolver
        for logical_id, resource in resolver.resources.items():
            if resource["Type"] not in PLAYED and not NO_EFFECT_OFFLINE.fullmatch(resource["Type"]):
                raise TemplateError(f"{logical_id}: the offline cloud does not play {resource['Type']}")
        self._functions = {function.arn: function for function in self._each_function()}
        self._queues = {queue.arn: queue for queue in self._each_queue()}
        self._tables = {table.arn: table for table in self._each_table()}

    def template(self) -> Template:
        mappings = [self._mapping(logical_id) for logical_id in self._ids("AWS::Lambda::EventSourceMapping")]
        return Template(
            functions={function.name: function for function in self._functions.values()},
            queues={queue.logical_id: queue for queue in self._queues.values()},
            tables={table.logical_id: table for table in self._tables.values()},
            buses={logical_id: self._resolver.name(logical_id) for logical_id in self._ids("AWS::Events::EventBus")},
            buckets={logical_id: self._resolver.name(logical_id) for logical_id in self._ids("AWS::S3::Bucket")},
            rules=dict(self._each_rule()),
            secrets={logical_id: self._secret(logical_id) for logical_id in self._ids("AWS::SecretsManager::Secret")},
            queue_mappings=tuple(mapping for mapping in mappings if isinstance(mapping, QueueMapping)),
            stream_mappings=tuple(mapping for mapping in mappings if isinstance(mapping, StreamMapping)),
            schedules=tuple(self._each_schedule()),
            routes=tuple(self._each_route()),
        )

    def _ids(self, resource_type: str) -> list[str]:
        return [name for name, resource in self._resolver.resources.items() if resource["Type"] == resource_type]

    def _each_function(self) -> Iterator[Function]:
        for logical_id in self._ids("AWS::Lambda::Function"):
            properties = self._resolver.resources[logical_id]["Properties"]
            variables = self._resolver.resolve(properties.get("Environment", {"Variables": {}}))["Variables"]
            folder = self._root / self._resolver.resolve(properties["Code"])["S3Key"]
            yield Function(
                logical_id=logical_id,
                name=folder.name,
                arn=self._resolver.arn(logical_id),
                folder=folder,
                handler=properties["Handler"],
                timeout=timedelta(seconds=int(self._resolver.resolve(properties.get("Timeout", 3)))),
                memory_mb=int(self._resolver.resolve(properties.get("MemorySize", 128))),
                environment={name: _scalar_text(value) for name, value in variables.items()},
                due_tables=frozenset(self._due_tables(properties["Role"])),
            )

    def _due_tables(self, role: Any) -> Iterator[str]:
        """Whoever may query a due index is a sweep: it has nothing to do until something there falls due."""
        if not isinstance(role, dict) or "Fn::GetAtt" not in role:
            return
        for policy in self._resolver.properties(role["Fn::GetAtt"][0]).get("Policies", []):
            for statement in _listed(policy["PolicyDocument"]["Statement"]):
                for arn in _listed(statement.get("Resource", [])):
                    if arn.endswith(f"/index/{DUE_INDEX.name}"):
                        yield arn.split("/")[1]

    def _each_queue(self) -> Iterator[Queue]:
        for logical_id in self._ids("AWS::SQS::Queue"):
            properties = self._resolver.properties(logical_id)
            if properties.get("FifoQueue"):
                raise TemplateError(f"{logical_id}: the offline cloud does not play FIFO queues")
            redrive = properties.get("RedrivePolicy")
            attributes = {
                name: json.dumps(value) if isinstance(value, dict) else _scalar_text(value)
                for name, value in properties.items()
                if name not in {"QueueName", "Tags"}
            }
            yield Queue(
                logical_id=logical_id,
                name=self._resolver.name(logical_id),
                url=queue_url(self._resolver.name(logical_id)),
                arn=self._resolver.arn(logical_id),
                attributes=attributes,
                dead_letter_arn=None if redrive is None else redrive["deadLetterTargetArn"],
            )

    def _each_table(self) -> Iterator[Table]:
        for logical_id in self._ids("AWS::DynamoDB::Table"):
            properties = self._resolver.properties(logical_id)
            request = {name: properties[name] for name in CREATE_TABLE if name in properties}
            view = properties.get("StreamSpecification", {}).get("StreamViewType")
            if view is not None:
                request["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": view}
            time_to_live = properties.get("TimeToLiveSpecification", {})
            yield Table(
                logical_id=logical_id,
                name=self._resolver.name(logical_id),
                arn=self._resolver.arn(logical_id),
                request={"TableName": self._resolver.name(logical_id), **request},
                time_to_live=time_to_live["AttributeName"] if time_to_live.get("Enabled") else None,
                stream_view=view,
            )

    def _each_rule(self) -> Iterator[tuple[str, Rule]]:
        for logical_id in self._ids("AWS::Events::Rule"):
            properties = self._resolver.properties(logical_id)
            if "ScheduleExpression" in properties or properties.get("State") == "DISABLED":
                continue
            for target in properties.get("Targets", []):
                if target["Arn"] not in self._queues:
                    raise TemplateError(f"{logical_id}: the offline cloud plays rules to queues, not {target['Arn']}")
            yield (
                logical_id,
                Rule(
                    name=self._resolver.name(logical_id),
                    bus=properties.get("EventBusName", DEFAULT_BUS),
                    pattern=json.dumps(properties["EventPattern"]),
                    targets=tuple(properties.get("Targets", [])),
                ),
            )

    def _secret(self, logical_id: str) -> Secret:
        properties = self._resolver.properties(logical_id)
        return Secret(
            name=self._resolver.name(logical_id),
            generate=properties.get("GenerateSecretString"),
            text=properties.get("SecretString"),
        )

    def _mapping(self, logical_id: str) -> QueueMapping | StreamMapping | None:
        properties = self._resolver.properties(logical_id)
        if properties.get("Enabled") is False:
            return None
        source = str(properties["EventSourceArn"])
        function = self._function_named(properties["FunctionName"])
        batch_size = int(properties.get("BatchSize", 10 if source in self._queues else 100))
        partial_failures = PARTIAL_FAILURES in properties.get("FunctionResponseTypes", [])
        filters = tuple(entry["Pattern"] for entry in properties.get("FilterCriteria", {}).get("Filters", []))
        if source in self._queues:
            if filters:
                raise TemplateError(f"{logical_id}: the offline cloud does not filter what comes from a queue")
            return QueueMapping(self._queues[source], function, batch_size, partial_failures)
        table_arn = source.split("/stream/", maxsplit=1)[0]
        if table_arn not in self._tables:
            raise TemplateError(f"{logical_id}: the offline cloud plays no mapping from {source}")
        age = int(properties.get("MaximumRecordAgeInSeconds", -1))
        retries = int(properties.get("MaximumRetryAttempts", -1))
        return StreamMapping(
            table=self._tables[table_arn],
            function=function,
            batch_size=batch_size,
            partial_failures=partial_failures,
            bisect=bool(properties.get("BisectBatchOnFunctionError")),
            filters=filters,
            maximum_age=None if age < 0 else timedelta(seconds=age),
            maximum_retries=None if retries < 0 else retries,
            on_failure_arn=properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"),
        )

    def _each_schedule(self) -> Iterator[Schedule]:
        for logical_id in [*self._ids("AWS::Scheduler::Schedule"), *self._ids("AWS::Events::Rule")]:
            properties = self._resolver.properties(logical_id)
            if "ScheduleExpression" not in properties or properties.get("State") == "DISABLED":
                continue
            for target in properties.get("Targets") or [properties["Target"]]:
                if target["Arn"] not in self._functions:
                    raise TemplateError(f"{logical_id}: the offline cloud plays schedules of its functions only")
                yield Schedule(
                    name=self._resolver.name(logical_id),
                    function=self._functions[target["Arn"]].name,
                    every=_rate(logical_id, properties["ScheduleExpression"]),
                    arn=self._resolver.arn(logical_id),
                    is_rule="Targets" in properties,
                    input=target.get("Input"),
                )

    def _each_route(self) -> Iterator[Route]:
        apis = self._ids("AWS::ApiGatewayV2::Api")
        if len(apis) > 1:
            raise TemplateError(f"the offline cloud plays one HTTP API, not {apis}")
        for api in apis:
            body = self._resolver.resolve(self._resolver.resources[api]["Properties"]["Body"])
            schemes = body.get("components", {}).get("securitySchemes", {})
            authorizers = {name: _authorizer(name, scheme) for name, scheme in schemes.items()}
            for path, methods in body["paths"].items():
                for method, operation in methods.items():
                    yield self._route(path, method, operation, authorizers)

    def _route(
        self, path: str, method: str, operation: Mapping[str, Any], authorizers: Mapping[str, Authorizer]
    ) -> Route:
        uri = operation["x-amazon-apigateway-integration"]["uri"]
        arn = uri.split("/functions/")[1].removesuffix("/invocations")
        secured = [(name, scopes) for entry in operation.get("security", []) for name, scopes in entry.items()]
        name, scopes = secured[0] if secured else (None, [])
        return Route(
            method="ANY" if method == "x-amazon-apigateway-any-method" else method.upper(),
            path=path,
            function=self._functions[arn].name,
            authorizer=None if name is None else authorizers[name],
            scopes=tuple(scopes),
        )

    def _function_named(self, name: str) -> str:
        for arn, function in self._functions.items():
            if name in {arn, arn.rsplit(":", 1)[1]}:
                return function.name
        raise TemplateError(f"the template has no function {name}")


def _authorizer(name: str, scheme: Mapping[str, Any]) -> Authorizer:
    described = scheme["x-amazon-apigateway-authorizer"]
    header = re.fullmatch(r"\$request\.header\.([\w-]+)", str(described.get("identitySource")))
    if described["type"] != "jwt" or header is None:
        raise TemplateError(f"{name}: the offline cloud plays JWT authorizers that read a header")
    configuration = described["jwtConfiguration"]
    return Authorizer(configuration["issuer"], tuple(configuration["audience"]), header.group(1).lower())


def _rate(logical_id: str, expression: str) -> timedelta:
    match = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression)
    if match is None or int(match.group(1)) < 1:
        raise TemplateError(f"{logical_id}: the offline cloud plays rate(…) schedules, not {expression!r}")
    return int(match.group(1)) * RATE_UNITS[match.group(2)]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _scalar_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
