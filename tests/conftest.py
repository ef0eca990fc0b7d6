"""What all tests share: no network in unit tests, an AWS environment that leads nowhere, and the log as data."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

UNIT_TESTS = Path(__file__).parent / "unit"
AWS_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_REGION": "eu-central-1",
    # moto does not know the hosts that begin with an account id
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",
    "POWERTOOLS_LOG_LEVEL": "WARNING",
    "POWERTOOLS_METRICS_NAMESPACE": "Aftercare/test",
}

# a shared machine is slow at times; that is no fault of the code under test
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(UNIT_TESTS):
            item.add_marker(pytest.mark.disable_socket)


@pytest.fixture(autouse=True, scope="session")
def _aws_environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in AWS_ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        yield


Answer = tuple[int, dict[str, Any]] | Exception


@pytest.fixture
def answered() -> Callable[..., Any]:
    """``answered("sqs", (200, {...}), SomeError())``: a client that gets these instead of the network, then the last
    one for ever. It does not retry.
    """
    import boto3
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from botocore.compat import HTTPHeaders
    from botocore.config import Config

    class Body(io.BytesIO):
        def stream(self) -> Iterator[bytes]:
            yield self.read()

    def make(service: Any, *answers: Answer) -> Any:
        def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
            now = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            if isinstance(now, Exception):
                raise now
            status, body = now
            return AWSResponse(request.url, status, HTTPHeaders(), Body(json.dumps(body).encode()))

        waiting = list(answers)
        made = boto3.client(service, config=Config(retries={"mode": "standard", "total_max_attempts": 1}))
        made.meta.events.register("before-send", answer)
        return made

    return make


@pytest.fixture
def log_lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Answers what was logged since the test began, one dict a line."""
    from aftercare.aws import logs

    logs.log("test begins")
    logger = logging.getLogger(logs.LOGGER_NAME)
    [handler] = logger.handlers
    assert isinstance(handler, logging.StreamHandler)
    written = io.StringIO()
    usual, level = handler.setStream(written), logger.level
    logger.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    logger.setLevel(level)
    handler.setStream(usual)
