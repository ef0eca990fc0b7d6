from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from aftercare.aws.http import MAX_BODY_BYTES, Urllib3Http
from aftercare.kernel.ports import HttpReply, NoReply

pytestmark = pytest.mark.enable_socket


class Twin(BaseHTTPRequestHandler):
    """Answers by path, and notes what it was asked."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        match self.path:
            case "/silent":
                self.server.silent.wait(5)
                self.close_connection = True
            case "/cut":
                self.answer(200, b"half", length=100)
                self.close_connection = True
            case "/moved":
                self.answer(302, b"", location="/elsewhere")
            case "/large":
                self.answer(200, b"x" * (MAX_BODY_BYTES + 1))
            case "/full":
                self.answer(200, b"x" * MAX_BODY_BYTES)
            case "/bomb":
                self.answer(200, gzip.compress(b"x" * (20 * MAX_BODY_BYTES)), encoding="gzip")
            case "/broken":
                self.answer(200, b"no gzip", encoding="gzip")
            case _:
                self.answer(503, "忙".encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(201, self.headers["X-Signature"].encode() + b" " + body)

    def answer(
        self, status: int, body: bytes, length: int | None = None, location: str = "", encoding: str = "identity"
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("Content-Encoding", encoding)
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Twin)
        self.asked: list[str] = []
        self.silent = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what some tests are about."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield serving
        serving.silent.set()
        serving.shutdown()
        thread.join()


@pytest.fixture
def http() -> Urllib3Http:
    return Urllib3Http(timeout_seconds=0.1)


def test_status_and_body_come_back_whatever_the_status(server: Server, http: Urllib3Http) -> None:
    assert http.request("GET", f"{server.url}/", {}, None) == HttpReply(503, "忙".encode())
    assert len(server.asked) == 1, "an error is not asked for twice"


def test_body_and_headers_are_sent_as_they_are(server: Server, http: Urllib3Http) -> None:
    reply = http.request("POST", f"{server.url}/", {"X-Signature": "v1,abc"}, b'{"a": 1}')
    assert reply == HttpReply(201, b'v1,abc {"a": 1}')


def test_a_redirect_is_an_answer(server: Server, http: Urllib3Http) -> None:
    assert http.request("GET", f"{server.url}/moved", {}, None).status == 302
    assert server.asked == ["/moved"]


@pytest.mark.parametrize("path", ["/silent", "/cut", "/large", "/bomb", "/broken"])
def test_an_answer_that_is_not_whole_is_no_reply(server: Server, http: Urllib3Http, path: str) -> None:
    with pytest.raises(NoReply):
        http.request("GET", server.url + path, {}, None)
    assert server.asked == [path], "one attempt"
    assert http.request("GET", f"{server.url}/", {}, None).status == 503, "the next call is not harmed"


def test_an_answer_may_be_as_large_as_the_limit(server: Server, http: Urllib3Http) -> None:
    assert len(http.request("GET", f"{server.url}/full", {}, None).body) == MAX_BODY_BYTES


def test_nobody_there_is_no_reply(http: Urllib3Http) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    with pytest.raises(NoReply):
        http.request("GET", f"http://127.0.0.1:{port}/", {}, None)


def test_an_address_that_is_none_is_no_reply(http: Urllib3Http) -> None:
    with pytest.raises(NoReply):
        http.request("GET", "http://", {}, None)
