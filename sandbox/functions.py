"""The Lambda call: the template's handlers, each as if in a process of its own, with every outside call counted."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.machinery import ModuleSpec
from io import TextIOBase
from types import ModuleType
from typing import Any, TextIO, cast

import aftercare
from aftercare.kernel.ports import Clock, Http, HttpReply
from sandbox.faults import Faults, Killed, Moment
from sandbox.resources import Function

BOOTSTRAP = "aftercare.bootstrap"
HTTP = "http"
READING = ("BatchGet", "Describe", "Get", "Head", "List", "Query", "Receive", "Scan")
READING_METHODS = frozenset({"GET", "HEAD"})

UNMEASURED = {"POWERTOOLS_METRICS_DISABLED": "true"}
"""Metrics are lines for a log that nobody reads here."""


@dataclass(frozen=True)
class Call:
    """One call to the outside: an AWS operation, or an HTTP request with its method as ``operation``."""

    service: str
    operation: str
    writes: bool


@dataclass
class Invocation:
    function: str
    request_id: str
    started_at: datetime
    event: Mapping[str, Any]
    calls: list[Call] = field(default_factory=list)
    error: BaseException | None = None


@dataclass
class CallCount:
    """What the invocations of one function cost in all."""

    invocations: int = 0
    reads: int = 0
    writes: int = 0
    http: int = 0

    def add(self, service: str, *, writes: bool) -> None:
        """One call more."""
        if service == HTTP:
            self.http += 1
        elif writes:
            self.writes += 1
        else:
            self.reads += 1


class InvocationFailed(Exception):
    """The handler raised, was killed, or answered with what is not JSON; ``__cause__`` says which."""

    def __init__(self, invocation: Invocation) -> None:
        super().__init__(f"{invocation.function}: {invocation.error!r}")
        self.invocation = invocation


@dataclass(frozen=True)
class LambdaContext:
    """What Lambda hands to a handler beside the event."""

    function_name: str
    invoked_function_arn: str
    memory_limit_in_mb: int
    aws_request_id: str
    deadline: datetime
    clock: Clock
    function_version: str = "$LATEST"
    log_group_name: str = "/aws/lambda/offline"
    log_stream_name: str = "offline"

    def get_remaining_time_in_millis(self) -> int:
        """By the virtual clock, which stands still during an invocation unless a fault moves it."""
        return max(0, (self.deadline - self.clock.now()) // timedelta(milliseconds=1))


class Functions:
    """Invokes the template's functions, one after the other on the caller's thread."""

    def __init__(
        self,
        functions: Mapping[str, Function],
        clock: Clock,
        services: Mapping[str, Any],
        http: Callable[[], Http],
        faults: Faults,
    ) -> None:
        """``services`` are the parts of ``aftercare.bootstrap`` that reach AWS."""
        self._functions = functions
        self._clock = clock
        self._services = services
        self._http = http
        self._faults = faults
        self._processes: dict[str, _Process] = {}
        self._at_work: list[Invocation] = []
        self._number = 0
        self.invocations: list[Invocation] = []
        self.counts: dict[str, CallCount] = {}
        """The calls of all invocations so far, by function."""

    @property
    def current(self) -> Invocation | None:
        """The innermost invocation that is at work now."""
        return self._at_work[-1] if self._at_work else None

    def invoke(self, name: str, event: Mapping[str, Any]) -> Any:
        """The handler's answer as it comes back through JSON; raises ``InvocationFailed``, or ``KeyError``.

        The first invocation is the cold start.
        """
        if name not in self._functions:
            raise KeyError(f"the template has no function {name!r}, only {sorted(self._functions)}")
        function = self._functions[name]
        self._number += 1
        request_id = f"00000000-0000-4000-8000-{self._number:012d}"
        invocation = Invocation(name, request_id, self._clock.now(), event)
        self.invocations.append(invocation)
        self.counts.setdefault(name, CallCount()).invocations += 1
        self._at_work.append(invocation)
        self._faults.started(name)
        try:
            answer = self._process(function).handle(_through_json(event), self._context(function, request_id))
            return _through_json(answer)
        except (Exception, SystemExit, Killed) as error:
            invocation.error = error
            raise InvocationFailed(invocation) from error
        finally:
            self._at_work.pop()

    def restart(self, functions: Mapping[str, Function]) -> None:
        """As after a deployment: these functions, each with a cold start before it."""
        self._functions = functions
        self.close()

    def close(self) -> None:
        for process in self._processes.values():
            process.end()
        self._processes.clear()

    def call_begins(self, service: str, operation: str, *, writes: bool) -> None:
        """To be told of every outside call before it leaves; counts it for the invocation at work, if any."""
        if self.current is not None:
            self.current.calls.append(Call(service, operation, writes))
            self.counts[self.current.function].add(service, writes=writes)
            self._tell_faults("before")

    def call_ends(self) -> None:
        if self.current is not None:
            self._tell_faults("after")

    def _tell_faults(self, moment: Moment) -> None:
        if invocation := self.current:
            self._faults.reached(invocation.function, len(invocation.calls), moment, invocation.event)

    def _process(self, function: Function) -> _Process:
        if function.name not in self._processes:
            parts = {**self._services, "clock": self._clock, "http": lambda: CountedHttp(self._http(), self)}
            self._processes[function.name] = _Process(function, parts)
        return self._processes[function.name]

    def _context(self, function: Function, request_id: str) -> LambdaContext:
        return LambdaContext(
            function_name=function.arn.rsplit(":", 1)[1],
            invoked_function_arn=function.arn,
            memory_limit_in_mb=function.memory_mb,
            aws_request_id=request_id,
            deadline=self._clock.now() + function.timeout,
            clock=self._clock,
        )


@dataclass(frozen=True)
class CountedHttp:
    """Implements ``Http`` by another one, and counts."""

    http: Http
    functions: Functions

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpReply:
        self.functions.call_begins(HTTP, method, writes=method not in READING_METHODS)
        reply = self.http.request(method, url, headers, body)
        self.functions.call_ends()
        return reply


def reads_only(operation: str) -> bool:
    """Whether an AWS operation, by its name, changes nothing."""
    return operation.startswith(READING)


class _StandardError(TextIOBase):
    """Whatever standard error is at the moment: a logger keeps the stream that it finds at its first line."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


LOG: TextIO = cast("TextIO", _StandardError())


class _Process:
    """A function's execution environment.

    It has its own environment variables and its own ``aftercare.bootstrap``: what one function assembled from its
    variables must not serve another that lacks them in the template.
    """

    def __init__(self, function: Function, parts: Mapping[str, Any]) -> None:
        module_name, handler_name = function.handler.rsplit(".", 1)
        own = {"AWS_LAMBDA_FUNCTION_NAME": function.arn.rsplit(":", 1)[1]}
        self._variables = {**function.environment, **UNMEASURED, **own}
        self._bootstrap = _module_from(importlib.util.find_spec(BOOTSTRAP))
        app_path = function.folder / f"{module_name}.py"
        app = _module_from(importlib.util.spec_from_file_location(f"offline_function_{function.name}", app_path))
        self._name = app.__name__
        sys.modules[self._name] = app
        with self._entered():
            _execute(self._bootstrap)
            self._bootstrap.install(self._bootstrap.Parts(**parts))
            _execute(app)
        self._handler: Callable[[Any, LambdaContext], Any] = getattr(app, handler_name)

    def handle(self, event: Any, context: LambdaContext) -> Any:
        with self._entered():
            return self._handler(event, context)

    def end(self) -> None:
        sys.modules.pop(self._name, None)

    @contextmanager
    def _entered(self) -> Iterator[None]:
        # standard output is the log of a Lambda function, and the result of a command
        with _variables(self._variables), _standing_in(self._bootstrap), redirect_stdout(LOG):
            yield


@contextmanager
def _variables(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _standing_in(bootstrap: ModuleType) -> Iterator[None]:
    before = sys.modules.get(BOOTSTRAP)
    _place(bootstrap)
    try:
        yield
    finally:
        _place(before)


def _place(bootstrap: ModuleType | None) -> None:
    # an import looks at the loaded modules, ``from aftercare import bootstrap`` at the package first
    if bootstrap is None:
        sys.modules.pop(BOOTSTRAP, None)
        vars(aftercare).pop("bootstrap", None)
    else:
        sys.modules[BOOTSTRAP] = bootstrap
        vars(aftercare)["bootstrap"] = bootstrap


def _module_from(spec: ModuleSpec | None) -> ModuleType:
    if spec is None:
        raise ImportError("there is no such module")
    return importlib.util.module_from_spec(spec)


def _execute(module: ModuleType) -> None:
    if module.__spec__ is None or module.__spec__.loader is None:
        raise ImportError(f"nothing can load {module.__name__}")
    module.__spec__.loader.exec_module(module)


def _through_json(value: Any) -> Any:
    return json.loads(json.dumps(value, ensure_ascii=False))
