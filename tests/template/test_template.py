"""The template keeps the house's rules; and every check would notice a template that does not."""

from __future__ import annotations

import ast
import copy
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from template import checks
from template.checks import ROOT, Check, Stack

from aftercare.events import catalogue
from sandbox.template import TEMPLATE

Break = Callable[[dict[str, Any]], object]
"""Makes a translated template wrong, given its resources."""


@pytest.fixture(scope="module")
def stack() -> Stack:
    return Stack.of(TEMPLATE.read_text(encoding="utf-8"))


def properties(resources: Mapping[str, Any], logical_id: str) -> dict[str, Any]:
    found: dict[str, Any] = resources[logical_id]["Properties"]
    return found


def statement(resources: Mapping[str, Any], function: str, action: str) -> dict[str, Any]:
    """The first statement of a function's role that allows the action."""
    statements = [
        one
        for policy in properties(resources, f"{function}Role")["Policies"]
        for one in checks.listed(policy["PolicyDocument"]["Statement"])
    ]
    found: dict[str, Any] = next(one for one in statements if action in checks.listed(one["Action"]))
    return found


def remove(logical_id: str, *path: str) -> Break:
    def change(resources: dict[str, Any]) -> None:
        holder = properties(resources, logical_id)
        for name in path[:-1]:
            holder = holder[name]
        del holder[path[-1]]

    return change


def put(logical_id: str, value: Any, *path: str) -> Break:
    def change(resources: dict[str, Any]) -> None:
        holder = properties(resources, logical_id)
        for name in path[:-1]:
            holder = holder[name]
        holder[path[-1]] = value

    return change


def allow(function: str, action: str, resource: Any) -> Break:
    def change(resources: dict[str, Any]) -> None:
        policy = properties(resources, f"{function}Role")["Policies"][0]
        policy["PolicyDocument"]["Statement"].append({"Effect": "Allow", "Action": action, "Resource": resource})

    return change


SECRETS = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:aftercare/${Stage}"
PATTERN = ("EventPattern",)
BROKEN: tuple[tuple[Check, Break], ...] = (
    (checks.every_function_has_its_code, put("OfferPageFunction", "functions/nowhere", "Code", "S3Key")),
    (checks.every_function_has_its_code, put("OfferPageFunction", "app.main", "Handler")),
    (checks.every_setting_is_given_and_read, remove("OfferPageFunction", "Environment", "Variables", "DUE_SHARDS")),
    (checks.every_setting_is_given_and_read, put("OfferPageFunction", "x", "Environment", "Variables", "BUS_NAME")),
    (checks.no_function_reserves_concurrency, put("EventRelayFunction", 1, "ReservedConcurrentExecutions")),
    (checks.no_function_reserves_concurrency, remove("RefundSettlementFunctionAccepted", "ScalingConfig")),
    (checks.every_rule_hears_what_it_names, put("NoticeRule", ["OffersPresentd"], *PATTERN, "detail-type")),
    (checks.every_rule_hears_what_it_names, put("NoticeRule", ["aftercare.marketplaces"], *PATTERN, "source")),
    (
        checks.every_rule_hears_what_it_names,
        put("NegotiationRule", ["aftercare.marketplaces", "aftercare.negotiation"], *PATTERN, "source"),
    ),
    (checks.every_rule_hears_what_it_names, put("NoticeRule", {"metadata": {"version": [2]}}, *PATTERN, "detail")),
    (
        checks.every_rule_hears_what_it_names,
        put("SettlementRule", ["aftercare.negotiation", "aftercare.scores"], *PATTERN, "source"),
    ),
    (checks.every_rule_may_send_to_its_queue, put("BusToQueues", [{"Ref": "NoticeQueue"}], "Queues")),
    (checks.every_rule_may_send_to_its_queue, put("BusToQueues", [], "PolicyDocument", "Statement")),
    (checks.every_consumed_queue_has_dead_letters, remove("SettlementQueue", "RedrivePolicy")),
    (checks.every_consumed_queue_has_dead_letters, remove("SettlementDeadLetters", "MessageRetentionPeriod")),
    (checks.every_dead_letter_queue_is_watched, remove("NoticeDeadLettersAlarm", "Dimensions")),
    (checks.a_message_stays_hidden_long_enough, put("SettlementQueue", 179, "VisibilityTimeout")),
    (checks.a_message_stays_hidden_long_enough, put("RefundSettlementFunction", 31, "Timeout")),
    (checks.every_mapping_reports_partial_failures, remove("BuyerNoticeFunctionNews", "FunctionResponseTypes")),
    (checks.every_mapping_reports_partial_failures, remove("EventRelayFunctionNegotiation", "FunctionResponseTypes")),
    (checks.every_stream_mapping_loses_nothing, remove("EventRelayFunctionNegotiation", "BisectBatchOnFunctionError")),
    (checks.every_stream_mapping_loses_nothing, remove("EventRelayFunctionNegotiation", "MaximumRecordAgeInSeconds")),
    (checks.every_stream_mapping_loses_nothing, remove("EventRelayFunctionNegotiation", "DestinationConfig")),
    (checks.every_stream_mapping_loses_nothing, put("EventRelayFunctionNegotiation", 3, "MaximumRetryAttempts")),
    (checks.no_policy_is_open, allow("OfferPageFunction", "dynamodb:GetItem", "*")),
    (checks.no_policy_is_open, allow("OfferPageFunction", "dynamodb:*", {"Fn::GetAtt": "IntakeTable.Arn"})),
    (
        checks.only_settlement_may_spend,
        allow("BuyerNoticeFunction", "secretsmanager:GetSecretValue", {"Fn::Sub": f"{SECRETS}/act/*"}),
    ),
    (
        checks.only_settlement_may_spend,
        allow("OfferPageFunction", "secretsmanager:GetSecretValue", {"Fn::Sub": f"{SECRETS}/*"}),
    ),
    (checks.only_two_functions_may_publish, allow("OfferPageFunction", "events:PutEvents", {"Fn::GetAtt": "Bus.Arn"})),
    (
        checks.only_two_functions_may_publish,
        lambda resources: statement(resources, "EventRelayFunction", "events:PutEvents").pop("Condition"),
    ),
    (
        checks.only_two_functions_may_publish,
        lambda resources: statement(resources, "EventRelayFunction", "events:PutEvents")["Condition"][
            "StringEquals"
        ].update({"events:source": ["aftercare.marketplaces"]}),
    ),
    (
        checks.what_spends_is_deployed_gradually,
        put("RefundSettlementFunctionAccepted", {"Ref": "RefundSettlementFunction"}, "FunctionName"),
    ),
    (
        checks.what_spends_is_deployed_gradually,
        lambda resources: resources.pop("RefundSettlementFunctionDeploymentGroup"),
    ),
    (checks.tables_are_encrypted_and_recoverable, remove("IntakeTable", "SSESpecification")),
    (checks.tables_are_encrypted_and_recoverable, remove("IntakeTable", "PointInTimeRecoverySpecification")),
    (checks.tables_are_encrypted_and_recoverable, lambda resources: resources["IntakeTable"].pop("DeletionPolicy")),
    (checks.queues_are_encrypted, remove("IngressQueue", "SqsManagedSseEnabled")),
    (checks.tables_of_production_cannot_be_deleted, put("TagsTable", False, "DeletionProtectionEnabled")),
    (checks.every_event_is_heard_or_public, lambda resources: resources.pop("PublicationRule")),
    (checks.every_event_is_heard_or_public, put("SettlementRule", ["OrderDelivered"], *PATTERN, "detail-type")),
    (
        checks.every_rule_has_dead_letters,
        lambda resources: properties(resources, "TagsRule")["Targets"][0].pop("DeadLetterConfig"),
    ),
    (checks.every_rule_has_dead_letters, lambda resources: resources.pop("BusDeadLettersAlarm")),
    (checks.every_rule_has_dead_letters, put("TagsRule", [], "Targets")),
    (checks.the_bus_is_archived, lambda resources: resources.pop("BusArchive")),
    (checks.every_alarm_leads_to_its_page, put("RelayLagAlarm", "The relay lags.", "AlarmDescription")),
    (checks.every_alarm_leads_to_its_page, put("RelayLagAlarm", "See docs/runbook/none.md.", "AlarmDescription")),
    (checks.every_alarm_reaches_somebody, remove("RelayLagAlarm", "AlarmActions")),
    (
        checks.every_metric_is_watched,
        lambda resources: resources.pop("CodesUnknownAlarm") and resources.pop("Dashboard"),
    ),
    (checks.every_metric_is_watched, put("CodesUnknownAlarm", "CodesNew", "MetricName")),
    (checks.every_metric_is_watched, put("CodesUnknownAlarm", [{"Name": "code", "Value": "x"}], "Dimensions")),
    (checks.every_stream_and_schedule_is_watched, lambda resources: resources.pop("RowsLagAlarm")),
    (checks.every_stream_and_schedule_is_watched, lambda resources: resources.pop("SweepStoppedAlarm")),
    (checks.logs_are_kept_for_a_time, remove("OfferPageFunction", "LoggingConfig")),
    (checks.logs_are_kept_for_a_time, remove("Logs", "RetentionInDays")),
    (checks.nothing_asks_for_what_china_lacks, put("OfferPageFunction", {"ApplyOn": "None"}, "SnapStart")),
    (checks.nothing_asks_for_what_china_lacks, put("OfferPageFunction", {"Mode": "Active"}, "TracingConfig")),
    (checks.nothing_asks_for_what_china_lacks, put("EventRelayFunctionTags", {"Metrics": []}, "MetricsConfig")),
    (
        checks.nothing_asks_for_what_china_lacks,
        lambda resources: resources.update({"Url": {"Type": "AWS::Lambda::Url", "Properties": {}}}),
    ),
)
BROKEN_TEXTS: tuple[tuple[Check, str, str], ...] = (
    (checks.arns_name_no_partition, "arn:${AWS::Partition}:events", "arn:aws:events"),
    (checks.arns_name_no_partition, "${AWS::URLSuffix}", "amazonaws.com"),
    (checks.what_spends_is_deployed_gradually, "AutoPublishCodeSha256: unbuilt", ""),
)
CHECKS = tuple(dict.fromkeys([check for check, *_ in (*BROKEN, *BROKEN_TEXTS)]))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_template_stands(stack: Stack, check: Check) -> None:
    assert check(stack) == []


@pytest.mark.parametrize(("check", "change"), BROKEN, ids=lambda part: getattr(part, "__name__", ""))
def test_a_broken_copy_is_noticed(stack: Stack, check: Check, change: Break) -> None:
    document = copy.deepcopy(dict(stack.document))
    change(document["Resources"])
    assert document != stack.document
    assert check(Stack(stack.text, document)) != []


@pytest.mark.parametrize(("check", "right", "wrong"), BROKEN_TEXTS)
def test_a_broken_text_is_noticed(stack: Stack, check: Check, right: str, wrong: str) -> None:
    assert right in stack.text
    assert check(Stack(stack.text.replace(right, wrong, 1), stack.document)) != []


def test_every_check_is_tried_on_a_broken_copy() -> None:
    told = {"stack": "Stack", "return": "list[str]"}
    every = {name for name, value in vars(checks).items() if getattr(value, "__annotations__", {}) == told}
    assert every == {check.__name__ for check in CHECKS}


def test_only_the_assembler_reads_the_environment() -> None:
    readers = {
        path.name
        for folder in ("functions", "layers/aftercare/aftercare")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"\bos\.environ|\bgetenv\b", path.read_text(encoding="utf-8"))
    }
    assert readers == {"bootstrap.py"}


def test_every_function_of_the_repository_is_deployed(stack: Stack) -> None:
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}
    assert {folder for _, folder, _ in stack.functions()} == folders


def test_every_good_example_is_of_a_source_that_may_say_it() -> None:
    for path in checks.EXAMPLES:
        example = json.loads(Path(path).read_text(encoding="utf-8"))
        assert catalogue.parse(example["source"], example["detail-type"], example["detail"]).data.name


def test_the_runbooks_index_lists_every_alarm(stack: Stack) -> None:
    index = (checks.RUNBOOK / "README.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"`(\w+Alarm)`", index))
    assert listed == {logical_id for logical_id, _ in stack.each("AWS::CloudWatch::Alarm")}


def test_the_page_on_deploying_lists_every_parameter(stack: Stack) -> None:
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(stack.document["Parameters"])


def test_only_settlement_is_given_a_marketplace_that_can_spend() -> None:
    """Beside the secrets, which its role alone may read."""
    source = (ROOT / "layers" / "aftercare" / "aftercare" / "bootstrap.py").read_text(encoding="utf-8")
    assembled = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    spending = {
        node.name for node in assembled if '_marketplaces("act")' in (ast.get_source_segment(source, node) or "")
    }
    assert spending == {"settlement_consumer"}
    users = {
        path.parent.name
        for path in (ROOT / "functions").glob("*/app.py")
        if "settlement_consumer" in path.read_text(encoding="utf-8")
    }
    assert users == checks.MAY_SPEND


def test_every_locked_package_has_hashes_and_no_index_is_named() -> None:
    locks = [*(ROOT / "requirements").glob("*.txt"), ROOT / "layers" / "dependencies" / "requirements.txt"]
    for lock in locks:
        text = lock.read_text(encoding="utf-8")
        assert not re.search(r"://|--(extra-)?index|--find-links|@ ", text), lock
        pins = re.findall(r"^[\w.\[\],-]+==[^\s]+(?: ; .*?)? \\\n((?:    --hash=.*\n)+)", text, re.MULTILINE)
        assert len(pins) == len(re.findall(r"^[\w]", text, re.MULTILINE)) > 0, lock
