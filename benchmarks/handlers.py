"""CPU time of the real handlers beside the bare SDK calls that they make.

What the offline cloud heard and answered is played again without it: the function's own ``app.py``, its own assembler
and adapters, and the production clients, whose answers come from memory instead of the network. The same clients with
the same parameters make the bare calls. Reading and writing sockets is in neither.
"""

from __future__ import annotations

import gc
import importlib.util
import io
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aftercare import bootstrap
from aftercare.aws.clients import client
from aftercare.kernel.ports import HttpReply
from benchmarks.cases import Played
from benchmarks.recording import SECRETS, SERVICES, Exchange, Heard
from sandbox import guard
from sandbox.resources import Function

MEASURED = frozenset(
    {
        "webhook_intake",
        "notification_translate",
        "refund_negotiation",
        "refund_settlement",
        "buyer_notice",
        "event_relay",
        "offer_page",
        "shipment_watch",
        "fact_ledger",
        "score_rows",
    }
)
PAGE = "offer_page"
"""Renders HTML for a person: shown for information."""
WARM_UP_RUNS = 5
SMALLEST_ERROR = 400


class NotAsRecorded(Exception):
    """A handler did otherwise than in the offline cloud: its time says nothing."""


@dataclass(frozen=True)
class Effort:
    """How long to measure: so many blocks a side, interleaved, each of about so many seconds."""

    blocks: int
    block_seconds: float


@dataclass(frozen=True)
class StepTime:
    """CPU microseconds an invocation, one figure a block, of the handler and of its bare calls."""

    function: str
    heard: str
    calls: int
    handler: tuple[float, ...]
    bare: tuple[float, ...]


@dataclass(frozen=True)
class HandlerTime:
    """All that a handler hears in the course of a case, each thing once."""

    function: str
    steps: tuple[StepTime, ...]

    @property
    def best(self) -> float:
        ours: float = sum(min(step.handler) for step in self.steps)
        theirs: float = sum(min(step.bare) for step in self.steps)
        return ours / theirs

    @property
    def median(self) -> float:
        """Of the blocks' own ratios: both sides of a block ran at the same speed of the machine."""
        blocks = range(len(self.steps[0].handler))
        ours = [sum(step.handler[block] for step in self.steps) for block in blocks]
        theirs = [sum(step.bare[block] for step in self.steps) for block in blocks]
        return statistics.median(our / their for our, their in zip(ours, theirs, strict=True))


def measure(
    played: Sequence[Played], functions: Mapping[str, Function], effort: Effort, only: frozenset[str] = MEASURED
) -> list[HandlerTime]:
    """Raises ``NotAsRecorded``."""
    steps: dict[tuple[str, str], Heard] = {}
    for heard in (each for case in played for each in case.heard):
        name = _name_of(heard)
        if heard.function in only and name is not None and heard.calls:
            # of what is heard in several cases the dearest, so that nothing is flattered by an early return
            known = steps.get((heard.function, name))
            if known is None or _dearness(heard) > _dearness(known):
                steps[heard.function, name] = heard
    with _canned() as canned:
        secrets = {
            exchange.parameters["SecretId"]: exchange
            for case in played
            for heard in case.heard
            for exchange in heard.exchanges
            if exchange.service == SECRETS
        }
        canned.secrets.update(secrets)
        times = [_measure_step(functions[name], text, heard, canned, effort) for (name, text), heard in steps.items()]
    names = sorted({step.function for step in times})
    return [HandlerTime(name, tuple(step for step in times if step.function == name)) for name in names]


def _name_of(heard: Heard) -> str | None:
    """None for a batch of several messages; the rows of one record come together."""
    names = heard.names
    if len(names) == 1:
        return names[0]
    return "rows" if len(heard.event["Records"]) == 1 and names[0] == "row" else None


def _dearness(heard: Heard) -> tuple[int, int]:
    return len(heard.calls), sum(exchange.write_units for exchange in heard.calls)


def _measure_step(function: Function, text: str, heard: Heard, canned: Canned, effort: Effort) -> StepTime:
    def bare() -> None:
        canned.rewind()
        for method, parameters in calls:
            method(**parameters)

    def handled() -> Any:
        canned.rewind()
        return handler(heard.event, None)

    canned.expect(heard)
    calls = [(_method(exchange), dict(exchange.parameters)) for exchange in heard.calls]
    with _process(function, heard.at, canned) as handler:
        for _ in range(WARM_UP_RUNS):
            _require_success(function.name, handled())
            canned.require_end()
            bare()
        handled_us, bare_us = interleaved(handled, bare, effort)
    return StepTime(function.name, text, len(calls), handled_us, bare_us)


def interleaved(
    first: Callable[[], object], second: Callable[[], object], effort: Effort
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """CPU microseconds a run of both, one figure a block, block by block in turn."""
    first_runs, second_runs = (_runs_in(effort.block_seconds, each) for each in (first, second))
    firsts, seconds = [], []
    for _ in range(effort.blocks):
        firsts.append(_block(first, first_runs))
        seconds.append(_block(second, second_runs))
    return tuple(firsts), tuple(seconds)


def _runs_in(seconds: float, run: Callable[[], object]) -> int:
    return max(1, round(seconds * 1_000_000 / _block(run, 5)))


def _block(run: Callable[[], object], runs: int) -> float:
    gc.collect()
    start = time.process_time()
    for _ in range(runs):
        run()
    seconds: float = time.process_time() - start
    return seconds * 1_000_000 / runs


def _method(exchange: Exchange) -> Callable[..., Any]:
    from botocore import xform_name

    method: Callable[..., Any] = getattr(client(exchange.service), xform_name(exchange.operation))
    return method


def _require_success(function: str, answer: Mapping[str, Any]) -> None:
    if answer.get("batchItemFailures") or answer.get("statusCode", 0) >= SMALLEST_ERROR:
        raise NotAsRecorded(f"{function} answered {json.dumps(answer)[:500]}")


# ---------------------------------------------------------------- a process with answers from memory


@dataclass
class Canned:
    """Answers every call with what was recorded, in its order; secrets by their names."""

    secrets: dict[str, Exchange] = field(default_factory=dict)
    _exchanges: Sequence[Exchange] = ()
    _replies: Sequence[HttpReply] = ()
    _next: int = 0
    _next_reply: int = 0

    def expect(self, heard: Heard) -> None:
        self._exchanges, self._replies = heard.calls, heard.replies
        self.rewind()

    def rewind(self) -> None:
        self._next = self._next_reply = 0

    def require_end(self) -> None:
        if (self._next, self._next_reply) != (len(self._exchanges), len(self._replies)):
            raise NotAsRecorded(f"{self._next} of {len(self._exchanges)} calls were made")

    def answer(self, request: Any, **_: Any) -> Any:
        """A handler of the SDK's event ``before-send``."""
        from botocore.awsrequest import AWSResponse
        from botocore.compat import HTTPHeaders

        operation = _text(request.headers["X-Amz-Target"]).rpartition(".")[2]
        if operation == "GetSecretValue":
            exchange = self.secrets[json.loads(request.body)["SecretId"]]
        else:
            if self._next == len(self._exchanges) or self._exchanges[self._next].operation != operation:
                raise NotAsRecorded(f"call {self._next + 1} is {operation}")
            exchange = self._exchanges[self._next]
            self._next += 1
        headers = HTTPHeaders.from_dict(exchange.headers)
        return AWSResponse(request.url, exchange.status, headers, _Body(exchange.body))

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpReply:  # noqa: ARG002  as ``Http`` has it
        """What the marketplace said."""
        reply = self._replies[self._next_reply]
        self._next_reply += 1
        return reply


class _Body(io.BytesIO):
    def stream(self) -> Iterator[bytes]:
        yield self.read()


@dataclass(frozen=True)
class _StandingClock:
    at: datetime

    def now(self) -> datetime:
        return self.at


@contextmanager
def _canned() -> Iterator[Canned]:
    """The production clients, cut off from the network."""
    canned = Canned()
    # what the offline cloud left in memory is no part of a function's heap: its collector shall not look at it
    gc.collect()
    gc.freeze()
    with guard.offline():
        events = [client(service).meta.events for service in SERVICES]
        for emitter in events:
            emitter.register("before-send", canned.answer)
        try:
            yield canned
        finally:
            for emitter in events:
                emitter.unregister("before-send", canned.answer)
            client.cache_clear()
            gc.unfreeze()


@contextmanager
def _process(function: Function, at: datetime, canned: Canned) -> Iterator[Callable[[Any, Any], Any]]:
    """The function's handler as in a process of its own, at the moment of the recording."""
    before = dict(os.environ)
    os.environ.update(function.environment)
    bootstrap.install(bootstrap.Parts(clock=_StandingClock(at), clients=client, http=lambda: canned))
    try:
        spec = importlib.util.spec_from_file_location(f"measured_{function.name}", function.folder / "app.py")
        if spec is None or spec.loader is None:
            raise ImportError(f"{function.folder} has no app.py")
        app = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(app)
        yield app.handler
    finally:
        bootstrap.install(None)
        os.environ.clear()
        os.environ.update(before)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()
