"""Which failures of AWS are worth another try, the same at every adapter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from aftercare.aws.bus import EventBridgeBus
from aftercare.aws.clock import SystemClock
from aftercare.aws.queue import SqsQueue
from aftercare.aws.secrets import SecretsManagerSecrets
from aftercare.aws.table import DynamoTable
from aftercare.kernel.errors import Transient
from aftercare.kernel.table import Delete, Increment, Key, Put, Query

KEY = Key("ORDER#1", "CASE")
URL = "https://sqs.eu-central-1.amazonaws.com/1/queue"
TOKEN_EXPIRED = (400, {"__type": "ExpiredTokenException", "message": "expired"})

CALLS: dict[str, tuple[str, Callable[[Any], object]]] = {
    "get": ("dynamodb", lambda client: DynamoTable(client, "t").get(KEY)),
    "get_many": ("dynamodb", lambda client: DynamoTable(client, "t").get_many([KEY])),
    "put": ("dynamodb", lambda client: DynamoTable(client, "t").write(Put(KEY, {}, ()))),
    "increment": ("dynamodb", lambda client: DynamoTable(client, "t").write(Increment(KEY, {"n": 1}))),
    "delete": ("dynamodb", lambda client: DynamoTable(client, "t").write(Delete(KEY, ()))),
    "transact": (
        "dynamodb",
        lambda client: DynamoTable(client, "t").transact([Put(KEY, {}, ()), Delete(Key("a", "b"), ())]),
    ),
    "query": ("dynamodb", lambda client: DynamoTable(client, "t").query(Query("ORDER#1"))),
    "publish": (
        "events",
        lambda client: EventBridgeBus(client, "bus").publish([{"source": "s", "detail-type": "T", "detail": {}}]),
    ),
    "send one": ("sqs", lambda client: SqsQueue(client, URL).send(["one"])),
    "send two": ("sqs", lambda client: SqsQueue(client, URL).send(["one", "two"])),
    "depth": ("sqs", lambda client: SqsQueue(client, URL).depth()),
    "secret": ("secretsmanager", lambda client: SecretsManagerSecrets(client, SystemClock()).get("name")),
}


@pytest.fixture(params=list(CALLS.values()), ids=list(CALLS))
def call(request: pytest.FixtureRequest, answered: Callable[..., Any]) -> Callable[..., object]:
    service, run = request.param
    return lambda answer: run(answered(service, answer))


@pytest.mark.parametrize(
    "failure",
    [
        (400, {"__type": "ThrottlingException", "message": "slow down"}),
        (429, {}),
        (500, {"__type": "InternalServerError", "message": "oops"}),
        (503, {}),
        ReadTimeoutError(endpoint_url="https://aws"),
        ConnectTimeoutError(endpoint_url="https://aws"),
        EndpointConnectionError(endpoint_url="https://aws"),
    ],
    ids=["throttled", "too many", "internal", "unavailable", "silent", "no connection", "unreachable"],
)
def test_a_failure_that_may_pass_is_transient(call: Callable[..., object], failure: Any) -> None:
    with pytest.raises(Transient):
        call(failure)


def test_a_failure_that_will_not_pass_is_not_disguised(call: Callable[..., object]) -> None:
    with pytest.raises(ClientError, match="ExpiredToken"):
        call(TOKEN_EXPIRED)
