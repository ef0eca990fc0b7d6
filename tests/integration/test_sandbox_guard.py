"""The offline cloud cannot reach a real one."""

from __future__ import annotations

import os
import socket

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from fixtures.sandbox.small_system import small_system

from sandbox import guard
from sandbox.guard import LeavesThisMachine, offline


def test_no_real_setting_of_the_shell_is_left_and_all_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    real = {
        "AWS_ACCESS_KEY_ID": "AKIAREAL",
        "AWS_SECRET_ACCESS_KEY": "real",
        "AWS_SESSION_TOKEN": "real",
        "AWS_PROFILE": "production",
        "AWS_ENDPOINT_URL": "https://dynamodb.us-east-1.amazonaws.com",
        "AWS_ENDPOINT_URL_SQS": "https://sqs.us-east-1.amazonaws.com",
        "AWS_ROLE_ARN": "arn:aws:iam::1:role/real",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/tmp/token",  # noqa: S108
        "TEST_SERVER_MODE": "true",
        "NEGOTIATION_TABLE": "production",
        "UNRELATED": "kept",
    }
    for name, value in real.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    with offline({"NEGOTIATION_TABLE"}):
        aws = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "TEST_"))}
        assert aws == guard.FAKE_SETTINGS
        assert "NEGOTIATION_TABLE" not in os.environ
        assert os.environ["UNRELATED"] == "kept"
    assert dict(os.environ) == before


def test_a_sandbox_ignores_real_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://real.example")
    monkeypatch.setenv("AWS_PROFILE", "production")
    with small_system() as sandbox:
        assert sandbox.client("dynamodb").meta.endpoint_url == "https://dynamodb.eu-central-1.amazonaws.com"
        assert sandbox.client("dynamodb").list_tables()["TableNames"] == [sandbox.table_name("Parcels")]


@pytest.mark.parametrize("host", ["93.184.216.34", "169.254.169.254", "10.0.0.1", "0.0.0.0"])  # noqa: S104
def test_a_connection_to_another_machine_is_refused(host: str) -> None:
    with offline(), socket.socket() as connection, pytest.raises(LeavesThisMachine, match=host):
        connection.connect((host, 443))


def test_a_datagram_to_another_machine_is_refused() -> None:
    with offline(), socket.socket(type=socket.SOCK_DGRAM) as sender, pytest.raises(LeavesThisMachine):
        sender.sendto(b"x", ("93.184.216.34", 53))


def test_even_the_name_of_another_machine_is_not_looked_up() -> None:
    with offline(), pytest.raises(LeavesThisMachine, match=r"dynamodb\.eu-central-1\.amazonaws\.com"):
        socket.getaddrinfo("dynamodb.eu-central-1.amazonaws.com", 443)


def test_this_machine_can_be_reached() -> None:
    with offline(), socket.create_server(("127.0.0.1", 0)) as server:
        for host in ("127.0.0.1", "localhost"):
            with socket.create_connection((host, server.getsockname()[1])):
                pass


def test_after_the_block_the_guard_is_down() -> None:
    with offline():
        pass
    assert socket.getaddrinfo("127.0.0.2", 80)
    guard._refuse_strangers("socket.getaddrinfo", ("example.org", 80))


def test_a_client_that_moto_does_not_catch_reaches_nobody() -> None:
    with offline():
        client = boto3.Session().client("sqs", config=boto3.session.Config(retries={"total_max_attempts": 1}))
        with pytest.raises(EndpointConnectionError):
            client.list_queues()
