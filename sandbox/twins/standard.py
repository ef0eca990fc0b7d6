"""The twin of a marketplace behind the standard door: it takes signed actions, keeps books, and sends webhooks.

It can be told to be slow, to fail before or after the work, to fall silent, or to refuse. Nothing takes real time.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from aftercare.kernel.errors import DomainError
from aftercare.kernel.ports import SPENDING_ACTIONS, ActionType, Clock, HttpReply, NoReply
from aftercare.kernel.times import to_text
from aftercare.marketplaces.standard.act import KEY_HEADER, key_of_header
from aftercare.marketplaces.standard.verify import verify
from sandbox.twins.books import REFUSED, Books
from sandbox.twins.signing import SignedDelivery, sign_delivery

PATIENCE = timedelta(seconds=8)
"""How long a caller waits for an answer before it hangs up."""

ACTIONS_PATH = "actions"


class Fault(Enum):
    """How a call can go wrong."""

    ERROR_BEFORE = auto()
    """500, and nothing was done."""
    ERROR_AFTER = auto()
    """500, though the work was done."""
    TIMEOUT_BEFORE = auto()
    """No answer, and nothing was done."""
    TIMEOUT_AFTER = auto()
    """No answer, though the work was done."""
    REFUSE = auto()
    """The marketplace will not do it."""
    SLOW = auto()
    """Done, after a while; after more than ``PATIENCE`` nobody waits for the answer."""


@dataclass(slots=True)
class _Planned:
    fault: Fault
    left: int
    key: str | None
    method: str
    delay: timedelta


@dataclass(slots=True)
class _Shop:
    """``answers`` holds the first body and its answer for every key that was ever sent."""

    read: Sequence[str]
    act: str
    books: Books = field(default_factory=Books)
    answers: dict[str, tuple[bytes, dict[str, Any]]] = field(default_factory=dict)
    said: int = 0


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    shop_id: str
    key: str
    body: bytes


class _Rejected(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class StandardTwin:
    """One marketplace with any number of shops; implements ``Http`` for whoever calls it in the same process.

    Actions go to ``{any host}/actions/{shop_id}``. ``pass_time`` is told of every virtual delay, so that the
    caller's clock moves while a slow answer is on its way.
    """

    def __init__(self, clock: Clock, pass_time: Callable[[timedelta], None] = lambda _delay: None) -> None:
        self._clock = clock
        self._pass_time = pass_time
        self._shops: dict[str, _Shop] = {}
        self._planned: list[_Planned] = []
        self._lock = threading.RLock()

    def open_shop(self, shop_id: str, *, read: Sequence[str], act: str) -> Books:
        """Registers a shop with its ``read`` secrets, newest first, and its ``act`` secret; answers its books."""
        shop = self._shops[shop_id] = _Shop(tuple(read), act)
        return shop.books

    def books(self, shop_id: str) -> Books:
        return self._shops[shop_id].books

    def fail(
        self,
        fault: Fault,
        *,
        times: int = 1,
        key: str | None = None,
        method: str = "POST",
        delay: timedelta = timedelta(),
    ) -> None:
        """Plans a fault for the next ``times`` calls, or for those with ``key``; ``method`` GET means look-ups."""
        self._planned.append(_Planned(fault, times, key, method, delay))

    # ------------------------------------------------------------ webhooks out

    def say(self, shop_id: str, type_: str, data: Mapping[str, Any], at: datetime | None = None) -> SignedDelivery:
        """Enters a fact in the books and answers the webhook that tells it, signed now; ``at`` is when it happened."""
        shop = self._shops[shop_id]
        shop.books.note(type_, data)
        return self._delivery(shop_id, type_, data, at or self._clock.now())

    def deliveries(self) -> list[SignedDelivery]:
        """The webhooks that the actions of late have caused, each once, signed now."""
        waiting = []
        for shop_id, shop in self._shops.items():
            now = self._clock.now()
            for decision in shop.books.decided:
                told = {name: value for name, value in decision.items() if value is not None}
                data = {**told, "decided_at": to_text(now)}
                waiting.append(self._delivery(shop_id, "refund.decided", data, now))
            shop.books.decided.clear()
        return waiting

    def _delivery(self, shop_id: str, type_: str, data: Mapping[str, Any], at: datetime) -> SignedDelivery:
        shop = self._shops[shop_id]
        shop.said += 1
        content = {"type": type_, "timestamp": to_text(at), "data": data}
        body = json.dumps(content, ensure_ascii=False).encode()
        return sign_delivery(shop_id, shop.read[0], f"msg_{shop_id}_{shop.said}", self._clock.now(), body)

    # ------------------------------------------------------------ actions in

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpReply:
        """One call, as over the wire; raises ``NoReply`` where the caller would wait in vain."""
        with self._lock:
            try:
                call = self._authenticated(method, urlsplit(url).path, headers, body or b"")
            except _Rejected as rejected:
                return HttpReply(rejected.status, b"")
            return self._answer(call)

    def _authenticated(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> _Call:
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if len(parts) != (2 if method == "POST" else 3) or parts[0] != ACTIONS_PATH or parts[1] not in self._shops:
            raise _Rejected(404)
        shop = self._shops[parts[1]]
        lower = {name.lower(): value for name, value in headers.items()}
        if method == "GET":
            self._require_signed(lower, body, (*shop.read, shop.act))
            return _Call(method, parts[1], parts[2], body)
        action = _action(body)
        # a secret that may only speak cannot spend, nor may the other one stand in for it
        self._require_signed(lower, body, (shop.act,) if action["type"] in SPENDING_ACTIONS else shop.read)
        if key_of_header(lower.get(KEY_HEADER.lower(), "")) != action["key"]:
            raise _Rejected(400)
        if action["shop"] != f"standard:{parts[1]}":
            raise _Rejected(400)
        return _Call(method, parts[1], action["key"], body)

    def _require_signed(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
        try:
            verify(headers, body, {"secrets": secrets}, self._clock.now())
        except DomainError:
            raise _Rejected(401) from None

    def _answer(self, call: _Call) -> HttpReply:
        planned = self._next_fault(call)
        fault = None if planned is None else planned.fault
        if fault is Fault.ERROR_BEFORE:
            return HttpReply(500, b"")
        if fault is Fault.TIMEOUT_BEFORE:
            self._hang()
        if planned is not None and fault is Fault.SLOW:
            self._pass_time(min(planned.delay, PATIENCE))
        reply = self._worked(call, refuse=fault is Fault.REFUSE)
        if fault is Fault.ERROR_AFTER:
            return HttpReply(500, b"")
        if fault is Fault.TIMEOUT_AFTER:
            self._hang()
        if planned is not None and planned.delay > PATIENCE:
            raise NoReply("the answer came too late")
        return reply

    def _hang(self) -> None:
        self._pass_time(PATIENCE)
        raise NoReply("no answer")

    def _worked(self, call: _Call, *, refuse: bool) -> HttpReply:
        shop = self._shops[call.shop_id]
        known = shop.answers.get(call.key)
        if call.method == "GET":
            return HttpReply(404, b"") if known is None else _reply(200, known[1])
        if known is not None:
            return _reply(200, known[1]) if known[0] == call.body else _reply(409, {"error": "key_reused"})
        if refuse:
            answer: dict[str, Any] = {"status": REFUSED, "reference": None, "reason": "refused on request"}
        else:
            answer = shop.books.perform(json.loads(call.body))
        shop.answers[call.key] = (call.body, answer)
        return _reply(200, answer)

    def _next_fault(self, call: _Call) -> _Planned | None:
        for planned in self._planned:
            if planned.left > 0 and planned.method == call.method and planned.key in (None, call.key):
                planned.left -= 1
                return planned
        return None


def _action(body: bytes) -> dict[str, Any]:
    try:
        action = json.loads(body)
    except ValueError:
        raise _Rejected(400) from None
    match action:
        case {"type": str(type_), "key": str(), "shop": str(), "data": dict()} if type_ in set(ActionType):
            return dict(action)
    raise _Rejected(400)


def _reply(status: int, content: Mapping[str, Any]) -> HttpReply:
    return HttpReply(status, json.dumps(content).encode())


@contextmanager
def serving(twin: StandardTwin) -> Iterator[str]:
    """The twin on a free port of the loopback address; yields its base address, without a slash at the end."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._pass_on(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

        def do_GET(self) -> None:
            self._pass_on(None)

        def _pass_on(self, body: bytes | None) -> None:
            try:
                reply = twin.request(self.command, self.path, dict(self.headers), body)
            except NoReply:
                self.close_connection = True  # the caller sees the connection end without an answer
                return
            self.send_response(reply.status)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            """Keeps the terminal quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
