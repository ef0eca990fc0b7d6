"""What stands in the way of a deployment is said with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tools import doctor
from tools.doctor import Environment, Finding

REGION = "eu-central-1"
DEV = Environment("aftercare-dev", REGION, {"Stage": "dev"})
ALARM: Any = {
    "AlarmName": "relay-lag",
    "AlarmDescription": "See docs/runbook/streams.md.",
    "Namespace": "AWS/Lambda",
    "MetricName": "IteratorAge",
    "Statistic": "Maximum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 1,
    "ComparisonOperator": "GreaterThanThreshold",
}


class OneStack:
    """CloudFormation with a stack of two queues and an alarm, which moto's own cannot make."""

    def __init__(self, queues: dict[str, str]) -> None:
        self.resources = [(name, url, "AWS::SQS::Queue") for name, url in queues.items()]
        self.resources.append(("RelayLagAlarm", "relay-lag", "AWS::CloudWatch::Alarm"))

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803  the SDK's name
        return {"Stacks": [{"StackName": StackName, "StackStatus": "UPDATE_COMPLETE"}]}

    def get_paginator(self, _operation: str) -> Any:
        names = ("LogicalResourceId", "PhysicalResourceId", "ResourceType")
        page = {"StackResourceSummaries": [dict(zip(names, each, strict=True)) for each in self.resources]}
        return SimpleNamespace(paginate=lambda StackName: [page])  # noqa: N803  the SDK's name


@pytest.fixture
def urls() -> Iterator[dict[str, str]]:
    with mock_aws():
        client("cloudwatch").put_metric_alarm(**ALARM)
        names = ("FactsQueue", "FactsDeadLetters")
        yield {name: client("sqs").create_queue(QueueName=name)["QueueUrl"] for name in names}


def findings(urls: dict[str, str]) -> dict[str, str]:
    services = {"cloudformation": OneStack(urls)}
    return wrong(doctor.stack(DEV, lambda service: services.get(service) or client(service)))


def client(service: str) -> Any:
    clients: Any = boto3.client
    return clients(service, region_name=REGION)


def wrong(findings: Iterator[Finding]) -> dict[str, str]:
    return {finding.what: finding.advice for finding in findings if finding.advice}


def test_a_healthy_stack_has_nothing_wrong(urls: dict[str, str]) -> None:
    assert findings(urls) == {}


def test_dead_letters_are_counted_by_their_queue(urls: dict[str, str]) -> None:
    for url in urls.values():
        client("sqs").send_message(QueueUrl=url, MessageBody="x")
    assert findings(urls) == {
        "FactsDeadLetters": "1 messages failed every time: docs/runbook/dead-letters.md",
    }


def test_an_alarm_that_rings_says_where_to_read_on(urls: dict[str, str]) -> None:
    client("cloudwatch").set_alarm_state(AlarmName="relay-lag", StateValue="ALARM", StateReason="test")
    assert findings(urls) == {"relay-lag": "See docs/runbook/streams.md."}


def test_a_stack_that_is_not_there_is_to_be_deployed() -> None:
    with mock_aws():
        assert wrong(doctor.stack(DEV, client)) == {"stack aftercare-dev": f"is not in {REGION}: make deploy"}


def test_parameters_that_name_what_does_not_exist_are_found() -> None:
    odd = Environment("aftercare-dev", REGION, {"DefaultZone": "Asia/Atlantis", "MarketplacePacks": "standard=nowhere"})
    assert wrong(doctor.parameters(odd)) == {
        "zone Asia/Atlantis": "is not an IANA zone",
        "packs of standard": "there is no nowhere for scores, shipments, tags",
    }


def test_every_environment_of_the_house_is_read_and_another_is_refused() -> None:
    assert Environment.read("prod-cn-north-1").region == "cn-north-1"
    with pytest.raises(KeyError, match="no environment staging, only dev, prod-"):
        Environment.read("staging")
