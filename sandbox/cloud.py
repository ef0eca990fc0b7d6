"""The offline cloud as a whole: the template's resources in moto, its functions, and what moves between them.

with Sandbox(start=datetime(2026, 11, 2, 8, tzinfo=UTC)) as sandbox:
    sandbox.request("POST", "/webhooks/standard/demo", headers, body)
    sandbox.run_until_quiet()
    sandbox.published
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import TYPE_CHECKING, Any

from aftercare.kernel.ports import Http
from sandbox import guard, http_gateway, moto_seams
from sandbox.clock import VirtualClock
from sandbox.faults import Faults
from sandbox.functions import CallCount, Functions, Invocation, reads_only
from sandbox.http_gateway import Headers, HttpGateway, HttpResponse
from sandbox.intrinsics import REGION
from sandbox.jwt_issuer import JwtIssuer
from sandbox.pump import Pump
from sandbox.resources import Template
from sandbox.template import TEMPLATE, read_template

if TYPE_CHECKING:
    from boto3 import Session

PUBLIC_BASE_URL = "PublicBaseUrl"
PUT_EVENTS = "PutEvents"
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
    ) -> None:
        """``seed`` decides every generated id and secret. ``http`` replaces the functions' way to marketplaces, which
        otherwise is real HTTP to this machine. Raises ``TemplateError`` for what the offline cloud cannot play.
        """
        self._template_path = template
        self._parameters = dict(parameters or {})
        self._seed = seed
        self._http = http or _real_http
        self._lock = RLock()
        self._running: ExitStack | None = None
        self._clients: dict[str, Any] = {}
        self.template = read_template(template, parameters)
        self.clock = VirtualClock(start)
        self.faults = Faults()
        self.published: list[Published] = []

    def __enter__(self) -> Sandbox:
        from moto import mock_aws

        global _active  # noqa: PLW0603  moto's state is the process's
        if _active:
            raise RuntimeError("another sandbox is active in this process")
        variables = {name for function in self.template.functions.values() for name in function.environment}
        with ExitStack() as stack:
            stack.enter_context(guard.offline(variables))
            stack.enter_context(mock_aws())
            stack.enter_context(moto_seams.mended(self.clock, self._seed))
            self._functions = Functions(self.template.functions, self.clock, self.client, self._http, self.faults)
            stack.callback(self._functions.close)
            create_resources(self.template, self.client, self._seed)
            self._pump = Pump(self.template, self._functions, self.clock, self._send_failure)
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
        """Every invocation so far, in the order in which they began."""
        return self._functions.invocations

    @property
    def failures(self) -> list[Invocation]:
        return [invocation for invocation in self.invocations if invocation.error is not None]

    @property
    def calls(self) -> dict[str, CallCount]:
        """What each function's invocations cost so far, in calls to the outside."""
        return self._functions.count()

    def client(self, service: str) -> Any:
        """The SDK client of an AWS service that the functions use too."""
        if service not in self._clients:
            self._clients[service] = self._make_client(service)
        return self._clients[service]

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
            return moto_seams.bodies(self.template.queues[logical_id].name)

    # ---------------------------------------------------------------- inner works

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        # moto is not safe for threads, and a function's environment is the process's
        with self._lock:
            if self._running is None:
                raise RuntimeError(CLOSED)
            yield

    def _make_client(self, service: str) -> Any:
        """An SDK client that counts, and that signs nothing: AWS itself would refuse what it sends."""
        from botocore import UNSIGNED
        from botocore.config import Config

        client = _session().client(
            service,  # type: ignore[call-overload]  # the stubs know only literal names
            region_name=REGION,
            config=Config(
                # moto guards buckets against unsigned reads
                signature_version=None if service == "s3" else UNSIGNED,
                # moto takes the region of an unsigned request from here
                user_agent=f"offline region/{REGION}",
                retries={"mode": "standard", "total_max_attempts": 1},
                account_id_endpoint_mode="disabled",
            ),
        )
        client.meta.events.register("before-call", partial(self._call_begins, service))
        client.meta.events.register("after-call", self._call_ends)
        return client

    def _call_begins(self, service: str, model: Any, params: Any, context: Any, **_: Any) -> None:
        if model.name == PUT_EVENTS:
            context["entries"] = json.loads(params["body"])["Entries"]
        self._functions.call_begins(service, model.name, writes=not reads_only(model.name))

    def _call_ends(self, model: Any, parsed: Any, context: Any, **_: Any) -> None:
        if model.name == PUT_EVENTS:
            answers = parsed.get("Entries", ())
            taken = [entry for entry, answer in zip(context["entries"], answers, strict=False) if "EventId" in answer]
            self.published += map(self._published, taken)
        self._functions.call_ends()

    def _published(self, entry: Mapping[str, Any]) -> Published:
        by = self._functions.current
        return Published(
            source=entry["Source"],
            detail_type=entry["DetailType"],
            detail=json.loads(entry["Detail"]),
            at=self.clock.now(),
            by=None if by is None else by.function,
        )

    def _send_failure(self, arn: str, text: str) -> None:
        queues = {queue.arn: queue.url for queue in self.template.queues.values()}
        if arn in queues:
            self.client("sqs").send_message(QueueUrl=queues[arn], MessageBody=text)
        else:
            bucket, key = arn.rsplit(":", 1)[1], f"{self.clock.now().isoformat()}-{len(self.invocations)}"
            self.client("s3").put_object(Bucket=bucket, Key=key, Body=text.encode())


_active = False


@cache
def _session() -> Session:
    # one a process: reading the SDK's description of a service takes a tenth of a second
    import boto3

    return boto3.Session()


def _real_http() -> Http:
    from aftercare.aws.http import Urllib3Http

    return Urllib3Http()


def _issuer(template: Template, clock: VirtualClock) -> JwtIssuer:
    """One whose tokens the template's authorizer takes."""
    for route in template.routes:
        if route.authorizer is not None:
            return JwtIssuer(route.authorizer.issuer, route.authorizer.audience[0], clock)
    return JwtIssuer("https://issuer.example", "nobody", clock)


def create_resources(template: Template, client: Callable[[str], Any], seed: int) -> None:
    """Makes what the template declares, under the names that the functions' environment has."""
    sqs, dynamodb, events, secrets = client("sqs"), client("dynamodb"), client("events"), client("secretsmanager")
    dead_letters_first = sorted(template.queues.values(), key=lambda queue: queue.dead_letter_arn is not None)
    for queue in dead_letters_first:
        sqs.create_queue(QueueName=queue.name, Attributes=dict(queue.attributes))
    for table in template.tables.values():
        dynamodb.create_table(**table.request)
        if table.time_to_live is not None:
            dynamodb.update_time_to_live(
                TableName=table.name,
                TimeToLiveSpecification={"Enabled": True, "AttributeName": table.time_to_live},
            )
    for bus in template.buses.values():
        events.create_event_bus(Name=bus)
    for rule in template.rules.values():
        events.put_rule(Name=rule.name, EventBusName=rule.bus, EventPattern=rule.pattern)
        events.put_targets(Rule=rule.name, EventBusName=rule.bus, Targets=[dict(target) for target in rule.targets])
    for secret in template.secrets.values():
        secrets.create_secret(Name=secret.name, SecretString=secret.value(seed))
    for bucket in template.buckets.values():
        client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
