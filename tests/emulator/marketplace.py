"""A shop of a deployed stack, registered as docs/operations.md says, and its marketplace beside it on 127.0.0.1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple, cast

from builders import StandingClock
from emulator.deployment import Deployed
from flows import Town, settled_in

from sandbox.cloud import Sandbox
from sandbox.shops import Shop
from sandbox.twins.standard import StandardTwin, serving


class Late(NamedTuple):
    """A stack with orders that are late from ``due`` on."""

    stack: Deployed
    due: Mapping[str, datetime]


@contextmanager
def opened(stack: Deployed, shop: Shop, since: datetime | None = None) -> Iterator[Town]:
    """Secrets and items are stored with an administrator's credentials, through our own code.

    ``since`` is when the shop was registered, where that was not just now.
    """
    twin = StandardTwin(stack.clock)
    then = stack if since is None else replace(stack, clock=StandingClock(since))
    with serving(twin) as base:
        # a stack has what of a sandbox is used
        settled_in(cast("Sandbox", then), twin, shop, base)
        yield Town(cast("Sandbox", stack), twin)
