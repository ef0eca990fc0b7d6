from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime

from aftercare.aws.clients import client
from aftercare.aws.clock import SystemClock

MODULES = ["batch", "bus", "clients", "clock", "http", "logs", "queue", "secrets", "table"]


def test_a_service_has_one_client_a_process() -> None:
    assert client("sqs") is client("sqs")
    assert client("sqs") is not client("events")


def test_a_silent_endpoint_cannot_hold_a_function_for_long() -> None:
    config = client("dynamodb").meta.config
    attempts = config.retries["total_max_attempts"]
    assert attempts * (config.connect_timeout + config.read_timeout) < 10


def test_importing_the_adapters_loads_neither_boto3_nor_powertools() -> None:
    imports = ", ".join(f"aftercare.aws.{name}" for name in MODULES)
    check = f"import sys, {imports}; print(sorted({{'boto3', 'aws_lambda_powertools'}} & sys.modules.keys()))"
    answer = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)  # noqa: S603
    assert answer.stdout.strip() == "[]"


def test_a_client_is_made_without_boto3() -> None:
    check = "import sys; from aftercare.aws.clients import client; client('sqs'); print('boto3' in sys.modules)"
    environment = {**os.environ, "AWS_DEFAULT_REGION": "us-east-1"}
    command = [sys.executable, "-c", check]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)  # noqa: S603
    assert answer.stdout.strip() == "False"


def test_the_system_clock_is_aware_and_in_utc() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert before <= now <= datetime.now(UTC)
