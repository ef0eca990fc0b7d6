"""Faults at a chosen call of a chosen function: killed there, or interrupted by something else.

A function's calls are its AWS calls and its HTTP requests, counted from 1 in each invocation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

Moment = Literal["before", "after"]
"""Before the call leaves, or after it was carried out and before its answer is seen."""

Interruption = Callable[[Mapping[str, Any]], object]
"""Gets the Lambda event that the function is at work on."""


class Killed(BaseException):
    """The function ends here, as when Lambda takes its environment away. No handler may catch it."""


@dataclass(eq=False)
class Fault:
    """``fired`` stays False when no invocation made that many calls."""

    function: str
    call: int
    moment: Moment
    action: Interruption
    fired: bool = False


class Faults:
    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self._calls: dict[str, int] = {}

    @contextmanager
    def kill(self, *, function: str, call: int, moment: Moment = "before") -> Iterator[Fault]:
        """Kills the first invocation inside the block that comes to its ``call``-th call, once."""

        def kill(_event: Mapping[str, Any]) -> None:
            raise Killed(f"{function} was killed {moment} its call {call}")

        with self._arm(Fault(function, call, moment, kill)) as fault:
            yield fault

    @contextmanager
    def nest(self, *, function: str, call: int, callback: Interruption, moment: Moment = "before") -> Iterator[Fault]:
        """Runs ``callback`` in the midst of the first invocation that comes to its ``call``-th call, once.

        To deliver the same event a second time at the same time, the callback invokes the function with it. What the
        callback raises, the function sees as raised by its call.
        """
        with self._arm(Fault(function, call, moment, callback)) as fault:
            yield fault

    def count_calls(self, function: str) -> int:
        """How many calls the latest invocation of the function made; 0 if there was none."""
        return self._calls.get(function, 0)

    def started(self, function: str) -> None:
        """To be told of every invocation."""
        self._calls[function] = 0

    def reached(self, function: str, call: int, moment: Moment, event: Mapping[str, Any]) -> None:
        """To be told of every call of every invocation, at both moments."""
        self._calls[function] = call
        for fault in tuple(self._armed):
            if not fault.fired and (fault.function, fault.call, fault.moment) == (function, call, moment):
                fault.fired = True
                fault.action(event)

    @contextmanager
    def _arm(self, fault: Fault) -> Iterator[Fault]:
        self._armed.append(fault)
        try:
            yield fault
        finally:
            self._armed.remove(fault)
