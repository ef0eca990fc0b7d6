"""Keeps the offline cloud offline: no real credentials in reach, and no connection that leaves this machine."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from sandbox.intrinsics import REGION

FAKE_SETTINGS = {
    "AWS_ACCESS_KEY_ID": "offline",
    "AWS_SECRET_ACCESS_KEY": "offline",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    # with account ids in host names, moto does not recognise calls that carry a stream's ARN
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",
}
# a profile, a role or an endpoint from the caller's shell would go before the fake keys, and moto has modes in which
# it passes calls on to a server
FORBIDDEN_PREFIXES = ("AWS_", "MOTO_", "TEST_SERVER_MODE", "TEST_PROXY_MODE")
GUARDED_CALLS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"})

_guards = 0


class LeavesThisMachine(ConnectionError):
    """Something tried to reach a host that is not this machine. To its caller it is a failed connection."""


@contextmanager
def offline(hidden_variables: Iterable[str] = ()) -> Iterator[None]:
    """Inside, every AWS setting is a fake one, ``hidden_variables`` are unset, and connections reach loopback only.

    What the environment held is back afterwards.
    """
    global _guards  # noqa: PLW0603  an audit hook is the process's and cannot be taken out again
    _install_hook()
    before = dict(os.environ)
    hidden = frozenset(hidden_variables)
    for name in before:
        if name in hidden or name.startswith(FORBIDDEN_PREFIXES):
            del os.environ[name]
    os.environ.update(FAKE_SETTINGS)
    _guards += 1
    try:
        yield
    finally:
        _guards -= 1
        os.environ.clear()
        os.environ.update(before)


@cache
def _install_hook() -> None:
    sys.addaudithook(_refuse_strangers)


def _refuse_strangers(event: str, arguments: tuple[Any, ...]) -> None:
    if not _guards or event not in GUARDED_CALLS:
        return
    if event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        address = arguments[1]
        if not isinstance(address, tuple):
            return  # a Unix socket, or a datagram on a socket that is connected already
        host = address[0]
    if not _is_this_machine(host):
        raise LeavesThisMachine(f"the offline cloud does not connect to {host}")


def _is_this_machine(host: str | bytes | None) -> bool:
    if host is None:
        return True
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
