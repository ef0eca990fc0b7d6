"""Every call of a function passes here on its way to the emulator: who asked for what, and what was denied."""

from __future__ import annotations

import re
import socket
import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

DENIAL = re.compile(rb"assumed-role/[^/\s]+/(\S+) is not authorized to perform: ([\w:]+)")
ANSWER = re.compile(rb"HTTP/1\.1 (\d{3}) ")
CHUNK = 65536
LONGEST_MATCH = 512


class Denied(NamedTuple):
    function: str
    action: str


class CallWatch:
    """Hands bytes on as they are, since the callers have signed them, and reads the answers."""

    def __init__(self) -> None:
        self.answers = 0
        self._denied: list[Denied] = []
        self._lock = threading.Lock()

    def denied(self, functions: Sequence[str]) -> list[Denied]:
        """The calls of these functions that were refused for want of a right, in their order."""
        with self._lock:
            return [each for each in self._denied if each.function in functions]

    @contextmanager
    def between(self, upstream: tuple[str, int]) -> Iterator[int]:
        """Listens on a free port of 127.0.0.1, and yields it, as long as the block lasts."""
        watch = self

        class Connection(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with socket.create_connection(upstream) as there:
                    there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    asking = threading.Thread(target=_pump, args=(self.request, there), daemon=True)
                    asking.start()
                    watch._pump_answers(there, self.request)
                    with suppress(OSError):
                        self.request.shutdown(socket.SHUT_RDWR)
                    asking.join()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                """A caller whose connection ends finds that out by itself."""

        with Server(("127.0.0.1", 0), Connection) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
            thread.start()
            try:
                yield int(server.server_address[1])
            finally:
                server.shutdown()
                thread.join()

    def _pump_answers(self, source: socket.socket, sink: socket.socket) -> None:
        seen = b""
        with suppress(OSError):
            while data := source.recv(CHUNK):
                # before the caller can act on it
                seen = self._read(seen + data)
                sink.sendall(data)

    def _read(self, data: bytes) -> bytes:
        """Notes what stands in ``data``; answers its end, where something may have begun."""
        end = 0
        with self._lock:
            for match in ANSWER.finditer(data):
                self.answers, end = self.answers + 1, max(end, match.end())
            for match in DENIAL.finditer(data):
                # the word may go on in the next bytes
                if match.end() < len(data):
                    self._denied.append(Denied(match[1].decode(), match[2].decode()))
                    end = max(end, match.end())
        return data[max(end, len(data) - LONGEST_MATCH) :]


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
