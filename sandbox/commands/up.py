"""``up``: the offline cloud stays up on this machine, over HTTP and in real time."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import IO, Any

from aftercare.kernel.times import to_text
from sandbox.cloud import Published, Sandbox
from sandbox.commands import DEFAULT_PORT, DONE, CannotRun, add_shops_option, moment, port
from sandbox.commands.opened import Marketplace, opened, shops_of
from sandbox.commands.replay import as_line
from sandbox.http_gateway import LOOPBACK, Headers, HttpResponse
from sandbox.shops import Shop

TICK_SECONDS = 0.2
TOKEN_LIFE = timedelta(days=30)
CLOCK_PATH = "/clock"
SAMPLES_AT = "2026-11-05T11:20:20Z"
"""When the samples of events/webhooks/ that ask for a refund are new."""
SHOWN = 20
"""How many of the latest links and events the index page lists."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=port, default=DEFAULT_PORT, help="on 127.0.0.1; 0 takes a free one")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="append every event that the system says, as JSON lines"
    )
    parser.add_argument(
        "--at", type=moment, metavar="TIME", help=f"start the clock there, not now; {SAMPLES_AT} suits the samples"
    )
    add_shops_option(parser)


def run(options: argparse.Namespace) -> int:
    """Until Ctrl-C or SIGTERM. Raises ``CannotRun``."""
    shops = shops_of(options.shops)
    began = datetime.now(UTC)
    start = options.at or began
    with ExitStack() as stack:
        stop = stack.enter_context(_told_to_stop())
        out = None if options.out is None else stack.enter_context(_appending(options.out))
        cloud = OpenCloud(start)
        marketplace = stack.enter_context(opened(cloud, shops))
        cloud.pages["/"] = lambda: _index(cloud, shops, marketplace)
        url = stack.enter_context(_listening(cloud, options.port))
        print(_greeting(cloud, shops, url), flush=True)
        carrier = Carrier(cloud, marketplace, out)
        while not stop.is_set():
            carrier.carry_on(start + (datetime.now(UTC) - began))
            cloud.asked.wait(TICK_SECONDS)
            cloud.asked.clear()
    print("stopped", flush=True)
    return DONE


class OpenCloud(Sandbox):
    """Answers, beside the API's addresses, a few pages of text of its own; ``asked`` is set after every request."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self.asked = Event()
        self.pages: dict[str, Callable[[], str]] = {CLOCK_PATH: lambda: to_text(self.clock.now())}

    def request(
        self, method: str, target: str, headers: Headers = (), body: bytes = b"", source_ip: str = LOOPBACK
    ) -> HttpResponse:
        if method == "GET" and target in self.pages:
            content = f"{self.pages[target]()}\n"
            return HttpResponse(200, {"content-type": "text/plain; charset=utf-8"}, content.encode())
        try:
            return super().request(method, target, headers, body, source_ip)
        finally:
            self.asked.set()


class Carrier:
    """Keeps things moving: the clock, the marketplace's own webhooks, and the record of what was said."""

    def __init__(self, cloud: Sandbox, marketplace: Marketplace, out: IO[str] | None) -> None:
        self._cloud = cloud
        self._marketplace = marketplace
        self._out = out
        self._heard = 0
        self._looked_at = 0

    def carry_on(self, now: datetime) -> None:
        self._cloud.advance_to(max(now, self._cloud.clock.now()))
        self._hear()
        for delivery in self._marketplace.twin.deliveries():
            self._cloud.request("POST", delivery.path, delivery.headers, delivery.body)

    def _hear(self) -> None:
        # requests go on meanwhile: what is counted is what was looked at
        events, invocations = self._cloud.published[self._heard :], self._cloud.invocations[self._looked_at :]
        self._heard += len(events)
        self._looked_at += len(invocations)
        for event in events:
            self._marketplace.hear(event.entry())
            if self._out is not None:
                self._out.write(as_line(event.entry()))
        if self._out is not None:
            self._out.flush()
        for invocation in invocations:
            if invocation.error is not None:
                print(f"{invocation.function} failed: {invocation.error!r}", file=sys.stderr, flush=True)


@contextmanager
def _told_to_stop() -> Iterator[Event]:
    """Inside, Ctrl-C and SIGTERM set the event and do nothing else."""
    stop = Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stop.set()) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _appending(path: Path) -> IO[str]:
    try:
        return path.open("a", encoding="utf-8")
    except OSError as error:
        raise CannotRun(f"{path}: {error.strerror}") from error


@contextmanager
def _listening(cloud: Sandbox, number: int) -> Iterator[str]:
    with ExitStack() as stack:
        try:
            url = stack.enter_context(cloud.serve(number))
        except OSError as error:
            raise CannotRun(f"cannot listen on {LOOPBACK}:{number}: {error.strerror}; name another --port") from error
        yield url


# ---------------------------------------------------------------- what it says


def _greeting(cloud: Sandbox, shops: tuple[Shop, ...], url: str) -> str:
    number = url.rpartition(":")[2]
    scopes = sorted({scope for route in cloud.template.routes for scope in route.scopes})
    lines = [
        f"Aftercare is up at {url}; its clock stands at {to_text(cloud.clock.now())}. Ctrl-C stops it.",
        "",
        f"POST {url}/webhooks/DOOR/SHOP_ID   webhooks; print a signed one with:",
        f"     python -m sandbox sign events/webhooks/standard/order_paid_scarf.json --shop SHOP --port {number}",
        f"GET  {url}/offers/TOKEN            the buyer's page; the links that were sent stand at {url}/",
        f"GET  {url}/v1/cases                the merchant's API, with a shop's token:",
        f'     curl -H "Authorization: Bearer $TOKEN" {url}/v1/plans',
        "",
    ]
    for shop in shops:
        token = cloud.issuer.token(shop.shop, scopes, TOKEN_LIFE)
        lines += [
            f"{shop.shop} (plans: {len(shop.plans)}, acted on at {shop.action_url or 'the twin'})",
            f"TOKEN={token}",
        ]
    return "\n".join(lines)


def _index(cloud: Sandbox, shops: tuple[Shop, ...], marketplace: Marketplace) -> str:
    said = [_said(event) for event in cloud.published[-SHOWN:]]
    sections = {
        "clock": [to_text(cloud.clock.now())],
        "shops": [f"{shop.shop}  POST /webhooks/{shop.door}/{shop.shop_id}" for shop in shops],
        "the latest links that buyers got": marketplace.links()[-SHOWN:],
        "the latest events": said,
    }
    return "\n\n".join(
        "\n".join([title, *(f"  {line}" for line in lines or ["none"])]) for title, lines in sections.items()
    )


def _said(event: Published) -> str:
    return f"{to_text(event.at)}  {event.source}  {event.detail_type}  {_in_short(event.detail.get('data'))}"


def _in_short(data: Any) -> str:
    return json.dumps({name: value for name, value in data.items() if name.endswith("_id")}) if data else ""
