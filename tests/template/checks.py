"""What must be true of the deployed system, told from its template alone. Every check answers the faults it finds."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aftercare import bootstrap
from aftercare.aws.metrics import METRICS
from aftercare.events import catalogue
from sandbox.clock import VirtualClock
from sandbox.intrinsics import Resolver
from sandbox.moto_seams import matches
from sandbox.template import TEMPLATE, _translate

ROOT = TEMPLATE.parent
EXAMPLES = sorted((ROOT / "events" / "catalogue").glob("*/v*/good-*.json"))
READ_BY_LIBRARIES = frozenset({"POWERTOOLS_LOG_LEVEL", "POWERTOOLS_METRICS_NAMESPACE"})
VISIBILITY_PER_TIMEOUT = 6
"""How often a function's time-out fits into its queue's visibility time-out, as AWS advises."""
STREAM_HOURS = 24
MAY_SPEND = {"refund_settlement"}
MAY_PUBLISH = {"notification_translate", "event_relay"}


@dataclass(frozen=True)
class Stack:
    """A template: its text, what SAM makes of it, and that with all references resolved."""

    text: str
    document: Mapping[str, Any]
    parameters: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, text: str) -> Stack:
        return cls(text, json.loads(_translate(text)))

    @cached_property
    def resolver(self) -> Resolver:
        return Resolver(self.document, dict(self.parameters))

    def each(self, type_: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Logical id and resolved properties of the resources of a type."""
        for logical_id, resource in self.resolver.resources.items():
            if resource["Type"] == type_:
                yield logical_id, self.resolver.properties(logical_id)

    def functions(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Logical id, folder and properties."""
        for logical_id, properties in self.each("AWS::Lambda::Function"):
            yield logical_id, Path(properties["Code"]["S3Key"]).name, properties

    def statements(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every statement of every function's own policies, with the folder of the function."""
        roles = {}
        for logical_id, folder, _ in self.functions():
            role = self.resolver.resources[logical_id]["Properties"]["Role"]
            roles[role["Fn::GetAtt"][0]] = folder
        for logical_id, properties in self.each("AWS::IAM::Role"):
            for policy in properties.get("Policies", []):
                for statement in listed(policy["PolicyDocument"]["Statement"]):
                    yield roles.get(logical_id, logical_id), statement

    def queues_by_arn(self) -> dict[str, tuple[str, dict[str, Any]]]:
        return {
            self.resolver.arn(logical_id): (logical_id, found) for logical_id, found in self.each("AWS::SQS::Queue")
        }

    def mappings(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Logical id, the function's logical id, and properties of the event source mappings."""
        names = {self.resolver.name(logical_id): logical_id for logical_id, _, _ in self.functions()}
        for logical_id, properties in self.each("AWS::Lambda::EventSourceMapping"):
            yield logical_id, names[properties["FunctionName"]], properties

    def queue_mappings(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        return (found for found in self.mappings() if found[2]["EventSourceArn"] in self.queues_by_arn())

    def stream_mappings(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        return (found for found in self.mappings() if "/stream/" in found[2]["EventSourceArn"])


Check = Callable[[Stack], list[str]]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# ---------------------------------------------------------------- functions


def every_function_has_its_code(stack: Stack) -> list[str]:
    faults = []
    for logical_id, _, properties in stack.functions():
        module, handler = properties["Handler"].rsplit(".", 1)
        path = ROOT / properties["Code"]["S3Key"] / f"{module}.py"
        tree = ast.parse(path.read_text(encoding="utf-8")) if path.exists() else ast.Module([], [])
        if handler not in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}:
            faults.append(f"{logical_id}: no {handler} in {path}")
    return faults


def every_setting_is_given_and_read(stack: Stack) -> list[str]:
    faults = []
    for logical_id, _, properties in stack.functions():
        path = ROOT / properties["Code"]["S3Key"] / "app.py"
        if not path.exists():
            continue
        given, read = set(properties["Environment"]["Variables"]), settings_read(path) | READ_BY_LIBRARIES
        faults += [f"{logical_id}: {name} is given and never read" for name in sorted(given - read)]
        faults += [f"{logical_id}: {name} is read and not given" for name in sorted(read - given)]
    return faults


class _Recording(dict[str, str]):
    """An environment in which everything is set, and which knows what was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.read: set[str] = set()

    def get(self, name: str, default: Any = None) -> str:
        self.read.add(name)
        return "1"

    __getitem__ = get


def settings_read(app: Path) -> set[str]:
    """The environment variables that a function reads when its parts are assembled."""
    tree = ast.parse(app.read_text(encoding="utf-8"))
    assemblers = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "bootstrap"
    }
    environment = _Recording()
    module = vars(bootstrap)
    assemblers |= {lazy for name in assemblers for lazy in assembled_later(name)}
    usual = module["os"]
    clock = VirtualClock(datetime(2026, 11, 2, tzinfo=UTC))
    bootstrap.install(bootstrap.Parts(clock, clients=lambda _service: SimpleNamespace(), http=SimpleNamespace))
    module["os"] = SimpleNamespace(environ=environment)
    try:
        for name in assemblers:
            module[name]()
    finally:
        module["os"] = usual
        bootstrap.install(None)
    return environment.read


def assembled_later(assembler: str) -> set[str]:
    """The other assemblers that one names: their parts are made when they are needed first."""
    source = inspect.getsource(inspect.unwrap(vars(bootstrap)[assembler]))
    named = set(re.findall(r"\b_\w+", source))
    return {name for name in named if hasattr(vars(bootstrap).get(name), "cache_clear")}


def no_function_reserves_concurrency(stack: Stack) -> list[str]:
    """It would take it from all others, and what it throttles comes back to the queue as a failure."""
    faults = [
        f"{logical_id} reserves concurrency"
        for logical_id, _, properties in stack.functions()
        if "ReservedConcurrentExecutions" in properties
    ]
    for logical_id, _, properties in stack.queue_mappings():
        if "MaximumConcurrency" not in properties.get("ScalingConfig", {}):
            faults.append(f"{logical_id} has no MaximumConcurrency")
    return faults


# ---------------------------------------------------------------- rules


def every_rule_hears_what_it_names(stack: Stack) -> list[str]:
    """Its pattern takes the catalogue's good examples of the events that it names, from every source they may have."""
    faults = []
    examples = [json.loads(path.read_text(encoding="utf-8")) for path in EXAMPLES]
    versions = dict(catalogue.entries())
    for logical_id, properties in stack.each("AWS::Events::Rule"):
        pattern = properties["EventPattern"]
        names, sources = set(pattern["detail-type"]), set(pattern["source"])
        heard = {index for index, example in enumerate(examples) if matches(json.dumps(pattern), example)}
        wanted = {index for index, example in enumerate(examples) if example["detail-type"] in names}
        # a rule that looks into the detail takes some of an event's examples and leaves others
        unheard = [] if _chooses(pattern, examples, heard, wanted) else sorted(wanted - heard)
        for index in (*unheard, *sorted(heard - wanted)):
            example = examples[index]
            faults.append(f"{logical_id}: {example['detail-type']} of {example['source']} heard: {index in heard}")
        faults += [f"{logical_id}: there is no event {name}" for name in sorted(names - versions.keys())]
        possible = {name: set(catalogue.model_of(name, versions[name]).sources) for name in names & versions.keys()}
        for name, of in possible.items():
            faults += [f"{logical_id}: {name} may come from {source} too" for source in sorted(of - sources)]
        idle = sources - set().union(*possible.values())
        faults += [f"{logical_id}: nothing that it names comes from {source}" for source in sorted(idle)]
    return faults


def _chooses(pattern: Mapping[str, Any], examples: Sequence[Any], heard: set[int], wanted: set[int]) -> bool:
    by_name = {examples[index]["detail-type"] for index in heard}
    looks_into_data = set(pattern.get("detail", {})) == {"data"}
    return looks_into_data and by_name == set(pattern["detail-type"]) and heard < wanted


def every_rule_may_send_to_its_queue(stack: Stack) -> list[str]:
    allowed: set[str] = set()
    for _, properties in stack.each("AWS::SQS::QueuePolicy"):
        for statement in listed(properties["PolicyDocument"]["Statement"]):
            if statement["Principal"] == {"Service": "events.amazonaws.com"} and "Condition" in statement:
                queues = {
                    arn for arn in listed(statement["Resource"]) if queue_url_of(stack, arn) in properties["Queues"]
                }
                allowed |= queues
    return [
        f"{logical_id} may not send to {target['Arn']}"
        for logical_id, properties in stack.each("AWS::Events::Rule")
        for target in properties["Targets"]
        if target["Arn"] not in allowed
    ]


def queue_url_of(stack: Stack, arn: str) -> str | None:
    found = stack.queues_by_arn().get(arn)
    return None if found is None else stack.resolver.resolve({"Ref": found[0]})


def every_event_is_heard_or_public(stack: Stack) -> list[str]:
    heard: set[str] = set()
    for _, properties in stack.each("AWS::Events::Rule"):
        heard |= set(properties["EventPattern"]["detail-type"])
    faults = []
    for name, version in catalogue.entries():
        model = catalogue.model_of(name, version)
        if model.public and name in heard:
            faults.append(f"{name} is heard: it is not only for others")
        if not model.public and name not in heard:
            faults.append(f"{name} is heard by nobody, and not declared public")
    return faults


def the_bus_is_archived(stack: Stack) -> list[str]:
    archived = {properties["SourceArn"] for _, properties in stack.each("AWS::Events::Archive")}
    buses = {stack.resolver.arn(logical_id) for logical_id, _ in stack.each("AWS::Events::EventBus")}
    return [f"{bus} is not archived" for bus in sorted(buses - archived)]


# ---------------------------------------------------------------- queues and streams


def every_consumed_queue_has_dead_letters(stack: Stack) -> list[str]:
    faults, queues = [], stack.queues_by_arn()
    consumed = {properties["EventSourceArn"] for _, _, properties in stack.queue_mappings()}
    for arn in sorted(consumed):
        logical_id, properties = queues[arn]
        redrive = properties.get("RedrivePolicy", {})
        dead_letters = queues.get(redrive.get("deadLetterTargetArn", ""))
        if dead_letters is None or redrive["deadLetterTargetArn"] in consumed:
            faults.append(f"{logical_id} has no dead-letter queue of its own")
        elif dead_letters[1].get("MessageRetentionPeriod", 0) < properties.get("MessageRetentionPeriod", 0):
            # a message keeps the age that it had in the queue before
            faults.append(f"{logical_id}: its dead letters are forgotten before they are looked at")
    return faults


def every_rule_has_dead_letters(stack: Stack) -> list[str]:
    """What the bus itself could not hand to a queue is kept, and somebody is told."""
    faults, watched = [], watched_queues(stack)
    for logical_id, properties in stack.each("AWS::Events::Rule"):
        if not properties["Targets"]:
            faults.append(f"{logical_id} has no queue")
        for target in properties["Targets"]:
            kept = target.get("DeadLetterConfig", {}).get("Arn", "")
            if kept.rsplit(":", 1)[-1] not in watched:
                faults.append(f"{logical_id}: what cannot be delivered is lost, or nobody is told")
    return faults


def watched_queues(stack: Stack) -> set[str]:
    """The names of the queues of which one single message alarms."""
    return {
        dimension["Value"]
        for _, properties in stack.each("AWS::CloudWatch::Alarm")
        for dimension in properties.get("Dimensions", [])
        if dimension["Name"] == "QueueName" and properties["Threshold"] == 0
    }


def every_dead_letter_queue_is_watched(stack: Stack) -> list[str]:
    watched = watched_queues(stack)
    dead = {properties["RedrivePolicy"]["deadLetterTargetArn"] for _, properties in stack.each("AWS::SQS::Queue")
            if "RedrivePolicy" in properties}  # fmt: skip
    return [f"{arn} has no alarm" for arn in sorted(dead) if arn.rsplit(":", 1)[1] not in watched]


def a_message_stays_hidden_long_enough(stack: Stack) -> list[str]:
    timeouts = {logical_id: int(properties["Timeout"]) for logical_id, _, properties in stack.functions()}
    return [
        f"{queue}: hidden for {hidden} s, {function} may take {timeouts[function]} s"
        for _, function, mapping in stack.queue_mappings()
        for queue, properties in [stack.queues_by_arn()[mapping["EventSourceArn"]]]
        if (hidden := int(properties.get("VisibilityTimeout", 30))) < VISIBILITY_PER_TIMEOUT * timeouts[function]
    ]


def every_mapping_reports_partial_failures(stack: Stack) -> list[str]:
    return [
        f"{logical_id} does not report single failures"
        for logical_id, _, properties in stack.mappings()
        if properties.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]
    ]


def every_stream_mapping_loses_nothing(stack: Stack) -> list[str]:
    faults = []
    for logical_id, _, properties in stack.stream_mappings():
        if not properties.get("BisectBatchOnFunctionError"):
            faults.append(f"{logical_id} does not split a batch that fails")
        if not 0 < properties.get("MaximumRecordAgeInSeconds", -1) < STREAM_HOURS * 3600:
            faults.append(f"{logical_id} does not give up before the stream forgets")
        if "MaximumRetryAttempts" in properties:
            faults.append(f"{logical_id} gives up by count, not by age")
        if not properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"):
            faults.append(f"{logical_id} has nowhere to put what it gives up")
        if properties["StartingPosition"] != "TRIM_HORIZON":
            faults.append(f"{logical_id} skips what was written before it was made")
    return faults


# ---------------------------------------------------------------- rights


def no_policy_is_open(stack: Stack) -> list[str]:
    return [
        f"{owner}: {statement}"
        for owner, statement in stack.statements()
        if "*" in listed(statement["Resource"]) or any("*" in action for action in listed(statement["Action"]))
    ]


def only_settlement_may_spend(stack: Stack) -> list[str]:
    holders = {
        owner
        for owner, statement in stack.statements()
        for resource in listed(statement["Resource"])
        if "secretsmanager:GetSecretValue" in listed(statement["Action"]) and "/act/" in opened(resource)
    }
    return [f"the secrets that spend are open to {sorted(holders)}"] if holders != MAY_SPEND else []


def opened(resource: str) -> str:
    """A pattern of secrets, made to show an ``act`` secret where it would take one."""
    base, _, shop_secrets = resource.partition(":secret:")
    wanted = "aftercare/dev/act/standard/some-shop"
    pattern = re.escape(shop_secrets).replace(r"\*", ".*")
    return wanted if re.fullmatch(pattern, wanted) else base


def what_spends_is_deployed_gradually(stack: Stack) -> list[str]:
    """By an alias that its queue is mapped to, with alarms that take a version back, and a version for every change."""
    faults = []
    for logical_id, resource in stack.document["Resources"].items():
        if resource["Type"] == "AWS::Lambda::Function" and folder_of(resource) in MAY_SPEND:
            aliases = {
                name for name, one in stack.document["Resources"].items()
                if one["Type"] == "AWS::Lambda::Alias" and one["Properties"]["FunctionName"] == {"Ref": logical_id}
            }  # fmt: skip
            mapped = {
                one["Properties"]["FunctionName"].get("Ref") for name, one in stack.document["Resources"].items()
                if one["Type"] == "AWS::Lambda::EventSourceMapping" and name.startswith(logical_id)
            }  # fmt: skip
            if not aliases or mapped != aliases:
                faults.append(f"{logical_id} is called as {sorted(map(str, mapped))}, not by its alias")
    groups = [properties for _, properties in stack.each("AWS::CodeDeploy::DeploymentGroup")]
    if not groups or not all(group["AlarmConfiguration"].get("Alarms") for group in groups):
        faults.append("no alarm takes a version back")
    if "AutoPublishCodeSha256: unbuilt" not in stack.text:
        faults.append("a change of a layer publishes no version")
    return faults


def folder_of(function: Mapping[str, Any]) -> str:
    return Path(function["Properties"]["Code"]["S3Key"]).name


def only_two_functions_may_publish(stack: Stack) -> list[str]:
    faults = []
    publishers = set()
    for owner, statement in stack.statements():
        if "events:PutEvents" in listed(statement["Action"]):
            publishers.add(owner)
            sources = statement.get("Condition", {}).get("StringEquals", {}).get("events:source")
            if not sources:
                faults.append(f"{owner} may publish under any source")
            elif owner == "notification_translate" and set(sources) != catalogue.INCOMING_SOURCES:
                faults.append(f"{owner} publishes under {sources}")
            elif owner == "event_relay" and set(sources) & catalogue.INCOMING_SOURCES:
                faults.append(f"{owner} may speak for a marketplace")
    if publishers != MAY_PUBLISH:
        faults.append(f"{sorted(publishers)} may publish")
    return faults


# ---------------------------------------------------------------- what is kept


def tables_are_encrypted_and_recoverable(stack: Stack) -> list[str]:
    faults = []
    for logical_id, properties in stack.each("AWS::DynamoDB::Table"):
        if not properties.get("SSESpecification", {}).get("SSEEnabled"):
            faults.append(f"{logical_id} is not encrypted with a key of the account")
        if not properties.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled"):
            faults.append(f"{logical_id} cannot be restored")
        if stack.document["Resources"][logical_id].get("DeletionPolicy") != "RetainExceptOnCreate":
            faults.append(f"{logical_id} goes with the stack")
    return faults


def queues_are_encrypted(stack: Stack) -> list[str]:
    return [
        f"{logical_id} is not encrypted"
        for logical_id, properties in stack.each("AWS::SQS::Queue")
        if not (properties.get("SqsManagedSseEnabled") or properties.get("KmsMasterKeyId"))
    ]


def arns_name_no_partition(stack: Stack) -> list[str]:
    """``aws`` is the wrong one in China."""
    literal = re.findall(r"arn:(?!\$\{AWS::Partition\}:)[^\s\"']*", stack.text)
    hosts = [
        host for host in re.findall(r"[\w.${}:-]*\.amazonaws\.com\S*", stack.text) if host != "events.amazonaws.com}"
    ]
    return literal + hosts


# ---------------------------------------------------------------- watched

RUNBOOK = ROOT / "docs" / "runbook"
CHAPTERS = ("## What it means", "## What to look at", "## What to do")


def every_alarm_leads_to_its_page(stack: Stack) -> list[str]:
    faults = []
    for logical_id, properties in stack.each("AWS::CloudWatch::Alarm"):
        named = re.search(r"See docs/runbook/([a-z-]+)\.md\.$", properties.get("AlarmDescription", ""))
        page = RUNBOOK / f"{named.group(1)}.md" if named else None
        if page is None or not page.exists():
            faults.append(f"{logical_id} leads to no page")
        elif not all(chapter in page.read_text(encoding="utf-8") for chapter in CHAPTERS):
            faults.append(f"{logical_id}: {page.name} does not say what it means, what to look at and what to do")
    return faults


def every_alarm_reaches_somebody(stack: Stack) -> list[str]:
    """Where an alarm topic is given."""
    alarmed = Stack(stack.text, stack.document, (("AlarmTopicArn", "arn:topic"),))
    return [
        f"{logical_id} tells nobody"
        for logical_id, properties in alarmed.each("AWS::CloudWatch::Alarm")
        if properties.get("AlarmActions") != ["arn:topic"]
    ]


def every_metric_is_watched(stack: Stack) -> list[str]:
    """By an alarm or on the dashboard; and nothing watches a metric, or a dimension of one, that nobody writes."""
    faults, watched = [], set()
    for logical_id, properties in stack.each("AWS::CloudWatch::Alarm"):
        name = properties.get("MetricName", "")
        if not properties.get("Namespace", "").startswith("Aftercare/"):
            continue
        watched.add(name)
        possible = {METRICS[name].by} if name in METRICS else set()
        asked = {dimension["Name"] for dimension in properties.get("Dimensions", [])}
        if name not in METRICS or not asked <= possible:
            faults.append(f"{logical_id}: nobody writes {name} by {sorted(asked)}")
    for _, properties in stack.each("AWS::CloudWatch::Dashboard"):
        watched |= {name for name in METRICS if name in properties["DashboardBody"]}
    return faults + [f"nobody looks at {name}" for name in sorted(METRICS.keys() - watched)]


def every_stream_and_schedule_is_watched(stack: Stack) -> list[str]:
    """Streams by their lag; what a schedule calls by whether it is called at all: no queue keeps what it missed."""
    watched = {
        (properties.get("MetricName"), dimension["Value"])
        for _, properties in stack.each("AWS::CloudWatch::Alarm")
        for dimension in properties.get("Dimensions", [])
    }
    streaming = {("IteratorAge", properties["FunctionName"]) for _, _, properties in stack.stream_mappings()}
    scheduled = {
        ("Invocations", properties["Target"]["Arn"].rsplit(":", 1)[1])
        for _, properties in stack.each("AWS::Scheduler::Schedule")
    }
    return [f"{name} of {function} has no alarm" for name, function in sorted((streaming | scheduled) - watched)]


def logs_are_kept_for_a_time(stack: Stack) -> list[str]:
    """One group with a retention holds the log of every function: one that a function makes itself is kept for ever."""
    kept = {stack.resolver.name(logical_id) for logical_id, properties in stack.each("AWS::Logs::LogGroup")
            if int(properties.get("RetentionInDays", 0)) > 0}  # fmt: skip
    return [
        f"{logical_id} writes elsewhere"
        for logical_id, _, properties in stack.functions()
        if properties.get("LoggingConfig", {}).get("LogGroup") not in kept
    ]


# ---------------------------------------------------------------- regions

ABSENT_IN_CHINA = ("SnapStart", "TracingConfig", "FunctionUrlConfig", "CodeSigningConfigArn", "RecursiveLoop")
"""Properties of functions that cfn-lint lets pass everywhere, though China's regions lack what they ask for."""
ABSENT_TYPES = ("AWS::Lambda::Url", "AWS::XRay::", "AWS::Events::Endpoint", "AWS::EventsV2::", "AWS::Cognito::")


def nothing_asks_for_what_china_lacks(stack: Stack) -> list[str]:
    faults = [
        f"{logical_id}: {resource['Type']} is not in every region"
        for logical_id, resource in stack.document["Resources"].items()
        if resource["Type"].startswith(ABSENT_TYPES)
    ]
    for logical_id, _, properties in stack.functions():
        faults += [f"{logical_id}: {name} is not in every region" for name in ABSENT_IN_CHINA if name in properties]
    for logical_id, _, properties in stack.mappings():
        faults += [f"{logical_id}: {name} is not in every region"
                   for name in ("MetricsConfig", "ProvisionedPollerConfig") if name in properties]  # fmt: skip
    return faults


def tables_of_production_cannot_be_deleted(stack: Stack) -> list[str]:
    production = Stack(stack.text, stack.document, (("Stage", "prod"),))
    return [
        f"{logical_id} can be deleted in production"
        for logical_id, properties in production.each("AWS::DynamoDB::Table")
        if properties.get("DeletionProtectionEnabled") is not True
    ]
