from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from aftercare.aws.bus import EventBridgeBus
from aftercare.aws.clients import client
from aftercare.kernel.errors import Transient


def entry(number: int, text: str = "你好 <b>") -> dict[str, Any]:
    return {"source": "aftercare.tags", "detail-type": "TagChanged", "detail": {"number": number, "text": text}}


def took(*codes: str | None) -> tuple[int, dict[str, Any]]:
    entries = [{"EventId": "e"} if code is None else {"ErrorCode": code, "ErrorMessage": "m"} for code in codes]
    return 200, {"FailedEntryCount": len(codes) - codes.count(None), "Entries": entries}


TOO_LARGE = (413, {"__type": "RequestEntityTooLarge", "message": "over the limit"})
INVALID = (400, {"__type": "ValidationException", "message": "Total size of the entries is over the limit"})


@pytest.fixture
def heard() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What a queue hears of everything on the bus ``aftercare-test``."""
    with mock_aws():
        events, sqs = client("events"), client("sqs")
        url = sqs.create_queue(QueueName="all")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.create_event_bus(Name="aftercare-test")
        events.put_rule(
            Name="all", EventBusName="aftercare-test", EventPattern='{"source": [{"prefix": "aftercare."}]}'
        )
        events.put_targets(Rule="all", EventBusName="aftercare-test", Targets=[{"Id": "queue", "Arn": arn}])

        def receive() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
                found += [json.loads(message["Body"]) for message in messages]
            return found

        yield receive


def test_every_entry_arrives_as_it_was_said(heard: Callable[[], list[dict[str, Any]]]) -> None:
    entries = [entry(number) for number in range(12)]
    assert EventBridgeBus(client("events"), "aftercare-test").publish(entries) == [None] * 12
    arrived = [{name: event[name] for name in ("source", "detail-type", "detail")} for event in heard()]
    assert sorted(arrived, key=lambda event: event["detail"]["number"]) == entries


def test_nothing_to_say_needs_no_call(answered: Callable[..., Any]) -> None:
    assert EventBridgeBus(answered("events", Transient("called")), "bus").publish([]) == []


def test_each_entry_gets_its_own_answer_across_calls(answered: Callable[..., Any]) -> None:
    first = [None] * 9 + ["MalformedDetail"]
    bus = EventBridgeBus(answered("events", took(*first), took("ThrottlingException", None)), "bus")
    answers = bus.publish([entry(number) for number in range(12)])
    assert answers == [*first, "ThrottlingException", None]


@pytest.mark.parametrize("refusal", [TOO_LARGE, INVALID])
def test_an_entry_that_is_too_large_does_not_take_the_others_with_it(refusal: Any) -> None:
    class Limited:
        """Takes a call of at most 100 bytes."""

        def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803  the SDK's name
            if sum(len(taken["Detail"].encode()) for taken in Entries) > 100:
                status, body = refusal
                answer: Any = {"Error": {"Code": body["__type"]}, "ResponseMetadata": {"HTTPStatusCode": status}}
                raise ClientError(answer, "PutEvents")
            return {"FailedEntryCount": 0, "Entries": [{"EventId": "e"} for _ in Entries]}

    bus = EventBridgeBus(Limited(), "bus")  # type: ignore[arg-type]
    answers = bus.publish([entry(0), entry(1), entry(2, "x" * 200), entry(3)])
    assert answers == [None, None, refusal[1]["__type"], None]
