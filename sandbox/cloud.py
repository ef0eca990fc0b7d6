"""The offline cloud as a whole: the template's resources in moto, its functions, and what moves between them.

with Sandbox(start=datetime(2026, 11, 2, 8, tzinfo=UTC)) as sandbox:
    sandbox.request("POST", "/webhooks/standard/demo", headers, body)
    sandbox.run_until_quiet()
    sandbox.published
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Any

from aftercare.kernel.ports import Bus, Http
from aftercare.kernel.table import Table
from sandbox import guard, http_gateway
from sandbox.clock import VirtualClock
from sandbox.faults import Faults
from sandbox.functions import CallCount, Functions, Invocation
from sandbox.http_gateway import Headers, HttpGateway, HttpResponse
from sandbox.jwt_issuer import JwtIssuer
from sandbox.pump import Pump
from sandbox.resources import Template
from sandbox.services import Backend, Services
from sandbox.template import TEMPLATE, read_template

PUBLIC_BASE_URL = "PublicBaseUrl"
CLOSED = "the sandbox works only inside its with block"


@dataclass(frozen=True)
class Published:
    """An event that the bus took. ``by`` is the function that put it there; None for one put from outside."""

    source: str
    detail_type: str
    detail: Mapping[str, Any]
    at: datetime
    by: str | None

    def entry(self) -> dict[str, Any]:
        """In EventBridge's own shape: ``source``, ``detail-type``, ``detail``."""
        return {"source": self.source, "detail-type": self.detail_type, "detail": self.detail}


class Sandbox:
    """One offline cloud; one at a time in a process. Its methods may be called from any thread, one runs at a time."""

    def __init__(
        self,
        start: datetime,
        *,
        seed: int = 0,
        template: Path = TEMPLATE,
        parameters: Mapping[str, str] | None = None,
        http: Callable[[], Http] | None = None,
        backend: Backend = "moto",
    ) -> None:
        """``seed`` decides every generated id and secret. ``http`` replaces the functions' way to marketplaces, which
        otherwise is real HTTP to this machine. ``backend`` plays tables, queues, buses and secrets: ``moto`` behind the
        SDK, as AWS does, ``memory`` many times faster behind the functions' ports. Raises ``TemplateError`` for what
        the offline cloud cannot play.
        """
        self._template_path = template
        self._parameters = dict(parameters or {})
        self._seed = seed
        self._http = http or _real_http
        self._lock = RLock()
        self._running: ExitStack | None = None
        self._backend = backend
        self._failure_numbers = count(1)
        self.template = read_template(template, parameters)
        self.clock = VirtualClock(start)
        self.faults = Faults()
        self.published: list[Published] = []

    def __enter__(self) -> Sandbox:
        global _active  # noqa: PLW0603  moto's state is the process's
        if _active:
            raise RuntimeError("another sandbox is active in this process")
        variables = {name for function in self.template.functions.values() for name in function.environment}
        with ExitStack() as stack:
            stack.enter_context(guard.offline(variables))
            self._services = self._make_services()
            parts = self._services.parts()
            self._functions = Functions(self.template.functions, self.clock, parts, self._http, self.faults)
            stack.callback(self._functions.close)
            stack.enter_context(self._services.running())
            self._pump = Pump(self.template, self._services, self._functions, self.clock, self._send_failure)
            self.issuer = _issuer(self.template, self.clock)
            self._gateway = HttpGateway(self.template.routes, self.issuer, self.clock, self._functions.invoke)
            # what stands now need not be looked at by the garbage collector again: a fifth less time for every call
            gc.freeze()
            stack.callback(gc.unfreeze)
            _active = True
            self._running = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _active  # noqa: PLW0603
        with self._at_work():
            running, self._running = self._running, None
            _active = False
            if running is not None:
                running.close()

    # ---------------------------------------------------------------- what a marketplace, a buyer or a merchant does

    def request(
        self, method: str, target: str, headers: Headers = (), body: bytes = b"", source_ip: str = "127.0.0.1"
    ) -> HttpResponse:
        """One request to the HTTP API, without sockets."""
        with self._at_work():
            return self._gateway.request(method, target, headers, body, source_ip)

    @contextmanager
    def serve(self, port: int = 0) -> Iterator[str]:
        """The HTTP API on 127.0.0.1 as long as the block lasts; yields its base URL. Port 0 takes a free one.

        Unless the parameter ``PublicBaseUrl`` was given, the functions' links lead here from now on. Requests wait for
        each other, so whoever answers a function's HTTP request must not send one here before he has answered.
        """
        with http_gateway.serve(self.request, port) as server:
            url = f"http://127.0.0.1:{server.server_port}"
            with self._at_work():
                reached = read_template(self._template_path, {PUBLIC_BASE_URL: url, **self._parameters})
                self._functions.restart(reached.functions)
            yield url

    # ---------------------------------------------------------------- time

    def run_until_quiet(self) -> None:
        """Carries everything on as far as it goes at this moment."""
        with self._at_work():
            self._pump.run_until_quiet()

    def advance_to(self, moment: datetime) -> None:
        """Goes on to the moment; what falls due until then, itself included, happens in its order."""
        with self._at_work():
            self._pump.advance_to(moment)

    def next_wake(self) -> datetime | None:
        """When something happens next by itself; None when nothing is waiting."""
        with self._at_work():
            return self._pump.next_wake()

    # ---------------------------------------------------------------- a look inside

    def invoke(self, function: str, event: Mapping[str, Any]) -> Any:
        """Calls one function, by its folder's name; raises ``InvocationFailed``."""
        with self._at_work():
            return self._functions.invoke(function, event)

    @property
    def invocations(self) -> list[Invocation]:
        """Every invocation so far that was not forgotten, in the order in which they began."""
        return self._functions.invocations

    @property
    def failures(self) -> list[Invocation]:
        return [invocation for invocation in self.invocations if invocation.error is not None]

    @property
    def calls(self) -> dict[str, CallCount]:
        """What each function's invocations cost so far, in calls to the outside."""
        return {function: replace(count) for function, count in self._functions.counts.items()}

    def forget(self) -> None:
        """Lets go of what was published and invoked so far, so that a long run does not keep all of it."""
        with self._at_work():
            self.published.clear()
            self._functions.invocations.clear()

    def client(self, service: str) -> Any:
        """The SDK client of an AWS service that the functions use too.

        Raises ``RuntimeError`` for a service that the backend plays behind a port.
        """
        return self._services.client(service)

    def table(self, logical_id: str) -> Table:
        return self._services.table(self.table_name(logical_id))

    @property
    def bus(self) -> Bus:
        """The template's first, as a function reaches it; what is put there from outside is nobody's."""
        return self._services.bus(next(iter(self.template.buses.values())))

    def environment(self, function: str) -> Mapping[str, str]:
        """The variables that the template gives to a function."""
        return self.template.functions[function].environment

    def table_name(self, logical_id: str) -> str:
        return self.template.tables[logical_id].name

    def queue_url(self, logical_id: str) -> str:
        return self.template.queues[logical_id].url

    def waiting(self, logical_id: str) -> list[str]:
        """The bodies of all messages that are in a queue, visible or not."""
        with self._at_work():
            return self._services.queue(self.template.queues[logical_id].name).bodies()

    # ---------------------------------------------------------------- inner works

    def call_begins(self, service: str, operation: str, *, writes: bool) -> None:
        """For the services: as ``Witness``."""
        self._functions.call_begins(service, operation, writes=writes)

    def call_ends(self) -> None:
        self._functions.call_ends()

    def taken_by_bus(self, source: str, detail_type: str, detail: Mapping[str, Any]) -> None:
        by = self._functions.current
        self.published.append(
            Published(source, detail_type, detail, self.clock.now(), None if by is None else by.function)
        )

    def _make_services(self) -> Services:
        if self._backend == "memory":
            from sandbox.memory_services import MemoryServices

            return MemoryServices(self.template, self.clock, self._seed, self)
        from sandbox.moto_services import MotoServices

        return MotoServices(self.template, self.clock, self._seed, self)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        # moto is not safe for threads, and a function's environment is the process's
        with self._lock:
            if self._running is None:
                raise RuntimeError(CLOSED)
            yield

    def _send_failure(self, arn: str, text: str) -> None:
        queues = {queue.arn: queue.name for queue in self.template.queues.values()}
        if arn in queues:
            self._services.send(queues[arn], text)
        else:
            bucket, key = arn.rsplit(":", 1)[1], f"{self.clock.now().isoformat()}-{next(self._failure_numbers)}"
            self.client("s3").put_object(Bucket=bucket, Key=key, Body=text.encode())


_active = False


def _real_http() -> Http:
    from aftercare.aws.http import Urllib3Http

    return Urllib3Http()


def _issuer(template: Template, clock: VirtualClock) -> JwtIssuer:
    """One whose tokens the template's authorizer takes."""
    for route in template.routes:
        if route.authorizer is not None:
            return JwtIssuer(route.authorizer.issuer, route.authorizer.audience[0], clock)
    return JwtIssuer("https://issuer.example", "nobody", clock)
