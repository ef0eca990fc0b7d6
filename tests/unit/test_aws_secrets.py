from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from aftercare.aws.clients import client
from aftercare.aws.secrets import SecretsManagerSecrets
from aftercare.kernel.errors import Transient
from aftercare.kernel.ports import SecretForbidden, UnknownSecret

NOON = datetime(2026, 11, 2, 12, 0, 0, tzinfo=UTC)
FIVE_MINUTES = timedelta(minutes=5)


class SetClock:
    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time


class FakeManager:
    """Secrets by name; an exception in a secret's place is raised."""

    def __init__(self, **secrets: str | Exception) -> None:
        self.secrets = secrets
        self.reads = 0

    def get_secret_value(self, SecretId: str) -> dict[str, Any]:  # noqa: N803  the SDK's name
        self.reads += 1
        found = self.secrets.get(SecretId, refusal("ResourceNotFoundException"))
        if isinstance(found, Exception):
            raise found
        return {"SecretString": found}


def refusal(code: str, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "GetSecretValue")


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


def secrets_of(manager: FakeManager, clock: SetClock, max_names: int = 1000) -> SecretsManagerSecrets:
    return SecretsManagerSecrets(manager, clock, max_names)  # type: ignore[arg-type]


def test_a_secret_is_read_anew_once_it_is_older_than_five_minutes(clock: SetClock) -> None:
    manager = FakeManager(shop='{"key": "old"}')
    secrets = secrets_of(manager, clock)
    assert secrets.get("shop") == {"key": "old"}
    manager.secrets["shop"] = '{"key": "new"}'
    clock.time = NOON + FIVE_MINUTES
    assert secrets.get("shop") == {"key": "old"}
    assert manager.reads == 1
    clock.time += timedelta(microseconds=1)
    assert secrets.get("shop") == {"key": "new"}


def test_an_unknown_name_is_remembered_as_long(clock: SetClock) -> None:
    manager = FakeManager()
    secrets = secrets_of(manager, clock)
    for _ in range(3):
        with pytest.raises(UnknownSecret):
            secrets.get("stranger")
    assert manager.reads == 1
    manager.secrets["stranger"] = "{}"
    clock.time = NOON + FIVE_MINUTES + timedelta(seconds=1)
    assert secrets.get("stranger") == {}


def test_the_name_asked_for_longest_ago_is_forgotten_first(clock: SetClock) -> None:
    manager = FakeManager(a="{}", b="{}", c="{}")
    secrets = secrets_of(manager, clock, max_names=2)
    for name in ("a", "b", "a", "c"):
        secrets.get(name)
    manager.reads = 0
    secrets.get("a")
    secrets.get("c")
    assert manager.reads == 0
    secrets.get("b")
    assert manager.reads == 1


@pytest.mark.parametrize("code", ["InvalidRequestException", "InvalidParameterException", "ValidationException"])
def test_a_name_that_cannot_have_a_secret_is_unknown(clock: SetClock, code: str) -> None:
    with pytest.raises(UnknownSecret):
        secrets_of(FakeManager(shop=refusal(code)), clock).get("shop")


def test_a_fault_is_not_remembered(clock: SetClock) -> None:
    manager = FakeManager(shop=refusal("InternalServiceError", 500))
    secrets = secrets_of(manager, clock)
    with pytest.raises(Transient):
        secrets.get("shop")
    manager.secrets["shop"] = '{"key": 1}'
    assert secrets.get("shop") == {"key": 1}


def test_a_missing_permission_is_not_taken_for_an_unknown_secret(clock: SetClock) -> None:
    with pytest.raises(SecretForbidden):
        secrets_of(FakeManager(shop=refusal("AccessDeniedException")), clock).get("shop")


@pytest.mark.parametrize("text", ["", "hunter2", '["hunter2"]', '"hunter2"', '{"key": "hunter2"'])
def test_what_is_no_json_object_is_an_error_that_does_not_quote_it(clock: SetClock, text: str) -> None:
    with pytest.raises(ValueError, match="secret shop is not a JSON object") as error:
        secrets_of(FakeManager(shop=text), clock).get("shop")
    assert "hunter2" not in str(error.value)


@pytest.fixture
def manager_of_moto() -> Iterator[Any]:
    with mock_aws():
        yield client("secretsmanager")


def test_a_secret_that_waits_for_its_deletion_is_unknown(manager_of_moto: Any, clock: SetClock) -> None:
    manager_of_moto.create_secret(Name="aftercare/dev/read/taobao:1", SecretString='{"key": "k"}')
    manager_of_moto.create_secret(Name="aftercare/dev/read/taobao:2", SecretString='{"key": "k"}')
    manager_of_moto.delete_secret(SecretId="aftercare/dev/read/taobao:2")
    secrets = SecretsManagerSecrets(manager_of_moto, clock)
    assert secrets.get("aftercare/dev/read/taobao:1") == {"key": "k"}
    for name in ("aftercare/dev/read/taobao:2", "aftercare/dev/read/taobao:3"):
        with pytest.raises(UnknownSecret):
            secrets.get(name)
