"""The emulator as a process of its own environment, on 127.0.0.1 alone, with roles enforced."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import boto3
import urllib3
from botocore.config import Config
from emulator.calls import CallWatch

from sandbox.http_gateway import HttpResponse
from sandbox.intrinsics import ACCOUNT, REGION

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "emulator"
PYTHON = ROOT / ".venv-emulator" / "bin" / "python"
LOG = BUILD / "emulator.log"
LOOPBACK = "127.0.0.1"
READY_WITHIN, ENDS_WITHIN = 30.0, 10.0
A_WHILE = 90.0
"""Many times longer than anything takes: a machine may have much else to do."""
LOOK_EVERY = 0.05
ADMINISTRATOR = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
"""The emulator's root: whom it denies nothing."""
T = TypeVar("T")


def eventually(look: Callable[[], T], what: str, within: float = A_WHILE) -> T:
    """The first answer that is true, looked for until the time is over; ``within`` is in seconds."""
    ends = time.monotonic() + within
    while not (found := look()):
        if time.monotonic() > ends:
            raise AssertionError(f"{what}: not within {within:g} s")
        time.sleep(LOOK_EVERY)
    return found


@dataclass(frozen=True)
class Emulator:
    """``calls`` sees what the functions ask of it; what tests ask goes there directly."""

    port: int
    calls: CallWatch
    _clients: dict[str, Any] = field(default_factory=dict)
    _pool: urllib3.PoolManager = field(default_factory=urllib3.PoolManager)

    def client(self, service: str) -> Any:
        """An administrator's client; one a service. It does not repeat what failed."""
        if service not in self._clients:
            self._clients[service] = self.client_of(service, **ADMINISTRATOR)
        return self._clients[service]

    def client_of(self, service: str, **credentials: str) -> Any:
        make: Any = boto3.client
        return make(
            service,
            endpoint_url=f"http://{LOOPBACK}:{self.port}",
            region_name=REGION,
            config=Config(retries={"mode": "standard", "total_max_attempts": 1}, s3={"addressing_style": "path"}),
            **credentials,
        )

    def request(
        self, host: str, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> HttpResponse:
        """One request over HTTP to a host that the emulator plays, such as an API's."""
        answer = self._pool.request(
            method,
            f"http://{LOOPBACK}:{self.port}{target}",
            headers={**(headers or {}), "host": f"{host}:{self.port}"},
            body=body,
            redirect=False,
            retries=False,
        )
        return HttpResponse(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.data)

    def version(self) -> str:
        health = json.loads(self._pool.request("GET", f"http://{LOOPBACK}:{self.port}/_ministack/health").data)
        assert health["auth"] == "enabled"
        return str(health["version"])

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._pool.clear()


@contextmanager
def emulator() -> Iterator[Emulator]:
    """Runs as long as the block lasts; what it and the functions' processes say is in ``LOG``."""
    temporary = BUILD / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    with ExitStack() as stack:
        port, calls = _free_port(), CallWatch()
        watched = stack.enter_context(calls.between((LOOPBACK, port)))
        log = stack.enter_context(LOG.open("wb"))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
            "AUTH": "true",
            # every other listener would be open to the network
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(port),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            "TMPDIR": str(temporary),
            # the functions' way to it
            "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{watched}",
            # a function's code folder cannot be written to
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        process = subprocess.Popen(  # noqa: S603
            [PYTHON, "-m", "ministack"], env=environment, stdout=log, stderr=log, start_new_session=True
        )
        stack.callback(_end, process)
        eventually(lambda: _answers(port) or _has_ended(process), "the emulator listens", READY_WITHIN)
        running = Emulator(port, calls)
        stack.callback(running.close)
        yield running


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"the emulator ended with {process.returncode}: see {LOG}")
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """With all the functions' processes, which are in its group."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(ENDS_WITHIN)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
