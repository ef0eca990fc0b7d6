"""Lambda's side of a function's process: the Runtime API on loopback, with one event to hand over."""

from __future__ import annotations

import json
import resource
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

LAUNCH = Path(__file__).with_name("launch.py")
LOOPBACK = "127.0.0.1"
TIMEOUT_SECONDS = 60
TIMES = "times"
"""The property of a test that holds a line for the table at the end."""


class Failed(Exception):
    """The function did not start, or raised; the message is what it told Lambda, or what it printed."""


class RuntimeApi(HTTPServer):
    """Notes when the event was asked for, and when and how it was answered."""

    timeout = 0.1

    def __init__(self, event: Mapping[str, Any]) -> None:
        super().__init__((LOOPBACK, 0), _Exchange)
        self.event = json.dumps(event, ensure_ascii=False).encode()
        self.asked_at = self.answered_at = 0.0
        self.told: tuple[str, bytes] | None = None
        """The last part of the path that was posted to, ``response`` or ``error``, and what was posted."""


class _Exchange(BaseHTTPRequestHandler):
    server: RuntimeApi
    wbufsize = -1  # head and body in one packet

    def do_GET(self) -> None:
        self.server.asked_at = time.perf_counter()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.server.event)))
        self.send_header("Lambda-Runtime-Aws-Request-Id", "00000000-0000-4000-8000-000000000001")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + TIMEOUT_SECONDS) * 1000)))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:123456789012:function:f")
        self.end_headers()
        self.wfile.write(self.server.event)

    def do_POST(self) -> None:
        self.server.answered_at = time.perf_counter()
        told = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told = (self.path.rpartition("/")[2], told)
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name for it
        pass


@dataclass(frozen=True)
class Invocation:
    """A cold start's answer; how many milliseconds it took until the event was asked for, and then until it was
    answered; how many of the processor's it took in all, which others on the same machine do not prolong.
    """

    answer: Any
    init: float
    event: float
    processor: float


def invoke(
    python: Path, handler: str, folders: Sequence[Path], variables: Mapping[str, str], event: Mapping[str, Any]
) -> Invocation:
    """Starts a process of its own for one event; the second of the folders is the function's. Raises ``Failed``."""
    # -S, -P and -s: nothing that is installed for that Python, no script's folder; -B: Lambda's folders are read-only
    command = [str(python), "-S", "-P", "-s", "-B", str(LAUNCH), handler, *map(str, folders)]
    with RuntimeApi(event) as api, tempfile.TemporaryFile() as printed:
        settings = {**variables, "AWS_LAMBDA_RUNTIME_API": f"{LOOPBACK}:{api.server_port}"}
        used_before, started_at = _used_by_children(), time.perf_counter()
        process = subprocess.Popen(  # noqa: S603  the interpreter that was found, with this folder's script
            command, cwd=folders[1], env=settings, stdout=printed, stderr=subprocess.STDOUT
        )
        try:
            while api.told is None and process.poll() is None and time.perf_counter() < started_at + TIMEOUT_SECONDS:
                api.handle_request()
        finally:
            process.kill()
            process.wait()
        if api.told is None or api.told[0] != "response":
            printed.seek(0)
            raise Failed(f"{'' if api.told is None else api.told[1].decode()}\n{printed.read().decode()}")
        return Invocation(
            json.loads(api.told[1]),
            init=1000 * (api.asked_at - started_at),
            event=1000 * (api.answered_at - api.asked_at),
            processor=1000 * (_used_by_children() - used_before),
        )


def _used_by_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
