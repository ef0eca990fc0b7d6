"""One emulator for all tests, the whole stack in it, and what is told at the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from datetime import timedelta

import pytest
from emulator.deployment import Deployed, deployed, without
from emulator.gaps import GAPS
from emulator.machine import LOG, PYTHON, ROOT, Emulator, emulator
from emulator.marketplace import Late, opened
from emulator.openid import issuing
from flows import Town, lotus

from aftercare.kernel.times import to_text
from sandbox.jwt_issuer import JwtIssuer

TOLD = pytest.StashKey[list[str]]()
LAST_LINES, LONGEST_LINE = 60, 400
Tell = Callable[[str], None]
NOT_OF_A_PARCEL = ("NegotiationRule", "FactsRule", "TagsRule", "NoticeRule", "DelayNoticeRule")
UNTIL_DUE = {"T1": timedelta(seconds=40), "T2": timedelta(seconds=100)}
"""On a slow machine the first is over before the order is on record."""


@pytest.fixture(scope="session")
def tell(request: pytest.FixtureRequest) -> Tell:
    """Takes a line for the end of the run."""
    return request.config.stash.setdefault(TOLD, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash.get(TOLD, []):
        terminalreporter.write_line(line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and LOG.exists():
        lines = LOG.read_text(encoding="utf-8", errors="replace").splitlines()
        report.sections.append(
            (f"the end of {LOG.relative_to(ROOT)}", "\n".join(line[:LONGEST_LINE] for line in lines[-LAST_LINES:]))
        )
    return report


@pytest.fixture(scope="session")
def running(tell: Tell) -> Iterator[Emulator]:
    if not PYTHON.exists():
        pytest.skip(f"{PYTHON.relative_to(ROOT)} is not there: `make emulate` installs it")
    with emulator() as one:
        tell(f"ministack {one.version()}, 127.0.0.1:{one.port}, roles enforced; its log: {LOG.relative_to(ROOT)}")
        yield one
        tell(f"{one.calls.answers} calls of AWS by functions; {len(GAPS)} gaps, listed in tests/emulator/gaps.py")


@pytest.fixture(scope="session")
def issuer() -> Iterator[JwtIssuer]:
    with issuing() as one:
        yield one


@pytest.fixture(scope="session", autouse=True)
def unswept(running: Emulator, issuer: JwtIssuer) -> Iterator[Late]:
    """A stack in which no test calls deadline_sweep, with orders that nothing but a deadline makes late.

    Stands before all else: the scheduler's first minute passes while the other tests run.
    """
    with (
        deployed(running, "unswept", issuer, without(*NOT_OF_A_PARCEL)) as stack,
        opened(stack, lotus(plans=[])) as one,
    ):
        now = stack.clock.now()
        due = {order_id: now + wait for order_id, wait in UNTIL_DUE.items()}
        for order_id, at in due.items():
            promise = {"door_delivery": False, "ship_by": to_text(at)}
            one.pay(order_id, paid_at=to_text(now - timedelta(days=1)), promise=promise)
        yield Late(stack, due)


@pytest.fixture(scope="session")
def whole(running: Emulator, issuer: JwtIssuer, tell: Tell) -> Iterator[Deployed]:
    """The template as it is."""
    began = time.monotonic()
    with deployed(running, "whole", issuer) as stack:
        tell(f"template.yaml: {len(stack.resources)} resources in {time.monotonic() - began:.1f} s")
        yield stack
        counts = Counter(one.detail_type for one in stack.published)
        told = ", ".join(f"{times} {name}" for name, times in sorted(counts.items()))
        tell(f"{counts.total()} events heard on its bus: {told}")
        tell(f"{len(stack.denied())} calls of its functions denied")


@pytest.fixture(scope="session")
def town(whole: Deployed) -> Iterator[Town]:
    """A shop of the whole stack that has no plans yet."""
    with opened(whole, lotus(plans=[])) as one:
        yield one
