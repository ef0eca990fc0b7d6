"""``replay``: recorded events go through the system in their own time, and what the system says is written down."""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from botocore.exceptions import ClientError

from aftercare.kernel.errors import MalformedInput
from aftercare.kernel.times import from_text, to_text
from sandbox.cloud import Sandbox
from sandbox.commands import DONE, WENT_WRONG, CannotRun, add_shops_option, moment
from sandbox.commands.opened import Marketplace, opened, shops_of
from sandbox.shops import Shop

GZIP = ".gz"


@dataclass(frozen=True, slots=True)
class Recorded:
    """One line: an event as EventBridge has it, when it happened, and its detail as text."""

    line: int
    entry: Mapping[str, Any]
    occurred_at: datetime
    detail: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("events", type=Path, metavar="EVENTS.jsonl[.gz]", help="one event a line")
    parser.add_argument("--until", type=moment, metavar="TIME", help="then go on to this time, itself included")
    parser.add_argument("--out", type=Path, metavar="OUT.jsonl", help="write what the system says there")
    add_shops_option(parser)


def run(options: argparse.Namespace) -> int:
    """Plays every line that can be read; 1 when one could not. Raises ``CannotRun``."""
    shops, faults = shops_of(options.shops), Faults()
    if options.out is not None and options.out.resolve() == options.events.resolve():
        raise CannotRun(f"--out {options.out} would overwrite the events: name another file")
    with ExitStack() as stack:
        try:
            lines = stack.enter_context(_open(options.events))
            out = None if options.out is None else stack.enter_context(options.out.open("w", encoding="utf-8"))
        except OSError as error:
            raise CannotRun(f"{error.filename}: {error.strerror}") from error
        played = play(recorded(lines, faults), shops, options.until, out, faults)
    print(played.summary())
    if faults.count:
        print(f"left out, see above: {faults.count} of the lines of {options.events}", file=sys.stderr)
        return WENT_WRONG
    return DONE


# ---------------------------------------------------------------- reading


class Faults:
    """Says at once what is wrong with a line, and goes on."""

    def __init__(self) -> None:
        self.count = 0

    def report(self, line: int, reason: object) -> None:
        self.count += 1
        print(f"line {line}: {reason}", file=sys.stderr)


def recorded(lines: IO[bytes], faults: Faults) -> Iterator[Recorded]:
    """The events of a file, in its order; what is none is reported."""
    number = 0
    try:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    yield read(number, line)
                except MalformedInput as malformed:
                    faults.report(number, malformed)
    except (OSError, EOFError, zlib.error) as error:
        faults.report(number + 1, f"the file cannot be read on from here: {error}")


def read_all(path: Path) -> list[Recorded]:
    """Every event of a file; raises ``CannotRun`` where there is a line that is none."""
    faults = Faults()
    try:
        with _open(path) as lines:
            events = list(recorded(lines, faults))
    except OSError as error:
        raise CannotRun(f"{path}: {error.strerror}") from error
    if faults.count:
        raise CannotRun(f"{path} cannot be used: see above")
    return events


def read(number: int, line: bytes) -> Recorded:
    """Raises ``MalformedInput`` for what the bus could not carry, or what does not say when it happened."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise MalformedInput(f"not JSON: {error}") from error
    match entry:
        case {"source": str(), "detail-type": str(), "detail": {"metadata": {"occurred_at": str(occurred_at)}}}:
            pass
        case _:
            raise MalformedInput("not an event: source, detail-type and detail with metadata.occurred_at are needed")
    try:
        detail = json.dumps(entry["detail"], ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        detail.encode()
        return Recorded(number, entry, from_text(occurred_at), detail)
    except ValueError as error:
        raise MalformedInput(f"not an event: {error}") from error


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == GZIP else path.open("rb")  # type: ignore[return-value]  # it reads alike


# ---------------------------------------------------------------- playing


@dataclass(frozen=True)
class Played:
    """``said`` counts, by name, what the system itself put on the bus; ``dead`` the messages by dead-letter queue."""

    events: int
    seconds: float
    now: datetime
    said: Mapping[str, int]
    failures: Sequence[str]
    dead: Mapping[str, int]

    def summary(self) -> str:
        rate = self.events / self.seconds if self.seconds else 0.0
        said = ", ".join(f"{name} {count}" for name, count in sorted(self.said.items())) or "nothing"
        lines = [
            f"{self.events} events in {self.seconds:.1f} s ({rate:.0f} events/s)",
            f"the clock stands at {to_text(self.now)}",
            f"the system said: {said}",
        ]
        if self.failures:
            lines.append(f"{len(self.failures)} invocations failed, the first: {self.failures[0]}")
        lines += [f"{count} messages ended in {queue}" for queue, count in self.dead.items()]
        return "\n".join(lines)


def play(
    events: Iterator[Recorded], shops: Sequence[Shop], until: datetime | None, out: IO[str] | None, faults: Faults
) -> Played:
    """The clock starts at the first event; the system's own events go to ``out``, one JSON a line."""
    first = next(events, None)
    start = first.occurred_at if first is not None else until or datetime.now(UTC)
    sandbox = Sandbox(start)
    with opened(sandbox, shops) as marketplace:
        began = time.monotonic()
        player = Player(sandbox, marketplace, out)
        count = 0
        while first is not None:
            try:
                player.put(first)
                count += 1
            except NotTaken as reason:
                faults.report(first.line, reason)
            first = next(events, None)
        if until is not None:
            player.go_on_to(until)
        seconds = time.monotonic() - began
        failures = [f"{each.function}: {each.error!r}" for each in sandbox.failures]
        return Played(count, seconds, sandbox.clock.now(), player.said, failures, _dead_letters(sandbox))


def _dead_letters(sandbox: Sandbox) -> dict[str, int]:
    queues = sandbox.template.queues
    last_stops = {queue.dead_letter_arn for queue in queues.values()}
    counts = {name: len(sandbox.waiting(name)) for name, queue in queues.items() if queue.arn in last_stops}
    return {name: count for name, count in counts.items() if count}


class NotTaken(Exception):
    """The bus refused an event; nobody heard it."""


class Player:
    """Puts events on the bus from outside, each at its time."""

    def __init__(self, sandbox: Sandbox, marketplace: Marketplace, out: IO[str] | None = None) -> None:
        self._sandbox = sandbox
        self._marketplace = marketplace
        self._out = out
        self._written = 0
        self._bus = next(iter(sandbox.template.buses.values()))
        self.said: Counter[str] = Counter()

    def put(self, event: Recorded) -> None:
        """All that is due before the event happens first, then all that it causes. Raises ``NotTaken``."""
        self.go_on_to(event.occurred_at)
        self._marketplace.hear(event.entry)
        wire = {
            "EventBusName": self._bus,
            "Source": event.entry["source"],
            "DetailType": event.entry["detail-type"],
            "Detail": event.detail,
        }
        try:
            (answer,) = self._sandbox.client("events").put_events(Entries=[wire])["Entries"]
        except ClientError as error:
            raise NotTaken(f"the bus refuses it: {error}") from error
        if "EventId" not in answer:
            raise NotTaken(f"the bus refuses it: {answer.get('ErrorCode')}: {answer.get('ErrorMessage')}")
        self._sandbox.run_until_quiet()
        self._write_down()

    def go_on_to(self, time_: datetime) -> None:
        """Where the clock is past that time already, it stands still."""
        if time_ > self._sandbox.clock.now():
            self._sandbox.advance_to(time_)
            self._write_down()

    def _write_down(self) -> None:
        published = self._sandbox.published
        for event in published[self._written :]:
            if event.by is not None:
                self.said[event.detail_type] += 1
                if self._out is not None:
                    self._out.write(as_line(event.entry()))
        self._written = len(published)


def as_line(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n"
