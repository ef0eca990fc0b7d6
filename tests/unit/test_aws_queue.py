from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from moto import mock_aws

from aftercare.aws.clients import client
from aftercare.aws.queue import SqsQueue
from aftercare.kernel.errors import Transient


@pytest.fixture
def url() -> Iterator[str]:
    with mock_aws():
        yield client("sqs").create_queue(QueueName="facts")["QueueUrl"]


def received(url: str) -> list[str]:
    bodies: list[str] = []
    while messages := client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [message["Body"] for message in messages]
    return bodies


@pytest.mark.parametrize("count", [0, 1, 2, 10, 11, 25])
def test_every_text_is_queued(url: str, count: int) -> None:
    queue = SqsQueue(client("sqs"), url)
    bodies = [f"{number} 退款" for number in range(count)]
    queue.send(bodies)
    assert queue.depth() == count
    assert sorted(received(url)) == sorted(bodies)


def test_one_text_that_was_not_taken_is_transient(answered: Callable[..., Any]) -> None:
    failed = [{"Id": "1", "Code": "InternalError", "SenderFault": False}]
    queue = SqsQueue(answered("sqs", (200, {"Successful": [], "Failed": failed})), "https://sqs/1/q")
    with pytest.raises(Transient, match="1 of 2"):
        queue.send(["a", "b"])
