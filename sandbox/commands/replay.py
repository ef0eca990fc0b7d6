"""``replay``: recorded events go through the system in their own time, and what the system says is written down; so
is, if asked for, what the scores table has on record in the end, for a program that counts it again."""

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
from typing import IO, Any, get_args

from botocore.exceptions import ClientError

from aftercare.kernel import compact
from aftercare.kernel.errors import MalformedInput
from aftercare.kernel.table import Key, Table
from aftercare.kernel.times import from_text, to_text
from aftercare.scores import keys, store
from sandbox.cloud import Sandbox
from sandbox.commands import DONE, WENT_WRONG, CannotRun, add_shops_option, moment
from sandbox.commands.opened import Marketplace, opened_for_replay, shops_of
from sandbox.services import Backend
from sandbox.shops import Shop

GZIP = ".gz"


@dataclass(frozen=True, slots=True)
class Recorded:
    """One line: an event as EventBridge has it, and when it happened."""

    line: int
    entry: Mapping[str, Any]
    occurred_at: datetime


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("events", type=Path, metavar="EVENTS.jsonl[.gz]", help="one event a line")
    parser.add_argument("--until", type=moment, metavar="TIME", help="then go on to this time, itself included")
    parser.add_argument("--out", type=Path, metavar="OUT.jsonl", help="write what the system says there")
    parser.add_argument(
        "--records",
        type=Path,
        metavar="RECORDS.jsonl",
        help="write there what the scores table has on record in the end: orders, chat sessions, shops",
    )
    parser.add_argument(
        "--backend",
        choices=get_args(Backend),
        default="memory",
        help="what plays AWS: memory is fast, moto goes through the SDK (default: memory)",
    )
    add_shops_option(parser)


def run(options: argparse.Namespace) -> int:
    """Plays every line that can be read; 1 when one could not. Raises ``CannotRun``."""
    shops, faults = shops_of(options.shops), Faults()
    _refuse_to_overwrite(options)
    with ExitStack() as stack:
        try:
            lines = stack.enter_context(_open(options.events))
            out, records = (
                None if path is None else stack.enter_context(path.open("w", encoding="utf-8"))
                for path in (options.out, options.records)
            )
        except OSError as error:
            raise CannotRun(f"{error.filename}: {error.strerror}") from error
        played = play(recorded(lines, faults), shops, options.until, out, faults, options.backend, records)
    print(played.summary())
    if faults.count:
        print(f"left out, see above: {faults.count} of the lines of {options.events}", file=sys.stderr)
        return WENT_WRONG
    return DONE


def _refuse_to_overwrite(options: argparse.Namespace) -> None:
    taken = {options.events.resolve(): "the events"}
    for name, path in (("--out", options.out), ("--records", options.records)):
        if path is not None:
            if (what := taken.get(path.resolve())) is not None:
                raise CannotRun(f"{name} {path} would overwrite {what}: name another file")
            taken[path.resolve()] = f"what {name} writes"


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
        # half a surrogate pair, or a number that JSON does not have
        json.dumps(entry["detail"], ensure_ascii=False, allow_nan=False).encode()
        return Recorded(number, entry, from_text(occurred_at))
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
    failures: int
    first_failure: str | None
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
            lines.append(f"{self.failures} invocations failed, the first: {self.first_failure}")
        lines += [f"{count} messages ended in {queue}" for queue, count in self.dead.items()]
        return "\n".join(lines)


def play(
    events: Iterator[Recorded],
    shops: Sequence[Shop],
    until: datetime | None,
    out: IO[str] | None,
    faults: Faults,
    backend: Backend,
    records: IO[str] | None = None,
) -> Played:
    """The clock starts at the first event; the system's own events go to ``out``, what is on record in the end to
    ``records``, one JSON a line."""
    first = next(events, None)
    start = first.occurred_at if first is not None else until or datetime.now(UTC)
    with opened_for_replay(start, shops, backend) as (sandbox, marketplace):
        began = time.monotonic()
        named = None if records is None else Named(shops)
        player = Player(sandbox, marketplace, out, named)
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
        if named is not None and records is not None:
            records.writelines(map(as_line, named.on_record(sandbox.table("ScoresTable"))))
        return Played(
            count,
            seconds,
            sandbox.clock.now(),
            player.said,
            player.failures,
            player.first_failure,
            _dead_letters(sandbox),
        )


def _dead_letters(sandbox: Sandbox) -> dict[str, int]:
    queues = sandbox.template.queues
    last_stops = {queue.dead_letter_arn for queue in queues.values()}
    counts = {name: len(sandbox.waiting(name)) for name, queue in queues.items() if queue.arn in last_stops}
    return {name: count for name, count in counts.items() if count}


class NotTaken(Exception):
    """The bus refused an event; nobody heard it."""


class Player:
    """Puts events on the bus from outside, each at its time, and keeps of what follows no more than the figures."""

    def __init__(
        self, sandbox: Sandbox, marketplace: Marketplace, out: IO[str] | None = None, named: Named | None = None
    ) -> None:
        self._sandbox = sandbox
        self._marketplace = marketplace
        self._out = out
        self._named = named
        self.said: Counter[str] = Counter()
        self.failures = 0
        self.first_failure: str | None = None

    def put(self, event: Recorded) -> None:
        """All that is due before the event happens first, then all that it causes. Raises ``NotTaken``."""
        self.go_on_to(event.occurred_at)
        self._marketplace.hear(event.entry)
        try:
            (refusal,) = self._sandbox.bus.publish([event.entry])
        except ClientError as error:
            raise NotTaken(f"the bus refuses it: {error}") from error
        if refusal is not None:
            raise NotTaken(f"the bus refuses it: {refusal}")
        self._sandbox.run_until_quiet()
        self._write_down()

    def go_on_to(self, time_: datetime) -> None:
        """Where the clock is past that time already, it stands still."""
        while (wake := self._sandbox.next_wake()) is not None and self._sandbox.clock.now() < wake <= time_:
            self._sandbox.advance_to(wake)
            self._write_down()
        if time_ > self._sandbox.clock.now():
            self._sandbox.advance_to(time_)
            self._write_down()

    def _write_down(self) -> None:
        for event in self._sandbox.published:
            if self._named is not None:
                self._named.note(event.detail)
            if event.by is not None:
                self.said[event.detail_type] += 1
                if self._out is not None:
                    self._out.write(as_line(event.entry()))
        for failure in self._sandbox.failures:
            self.failures += 1
            self.first_failure = self.first_failure or f"{failure.function}: {failure.error!r}"
        # years of it would fill the memory
        self._sandbox.forget()


class Named:
    """The shops, orders and chat sessions that events name: their records can be read one by one, as no table is ever
    scanned."""

    def __init__(self, shops: Sequence[Shop]) -> None:
        self._kinds: dict[Key, str] = {keys.shop_key(shop.shop): "shop" for shop in shops}

    def note(self, detail: Mapping[str, Any]) -> None:
        match detail:
            case {"metadata": {"shop": str(shop)}, "data": {**data}}:
                self._kinds[keys.shop_key(shop)] = "shop"
                if order_id := data.get("order_id"):
                    self._kinds[keys.order_key(shop, str(order_id))] = "order"
                if session_id := data.get("session_id"):
                    self._kinds[keys.session_key(shop, str(session_id))] = "session"

    def on_record(self, scores: Table) -> Iterator[dict[str, Any]]:
        """What stands of them in the scores table: ``kind`` and the record's own fields by their names."""
        readers = {"order": store.stored_order, "session": store.stored_session}
        for key, kind in sorted(self._kinds.items()):
            item = scores.get(key)
            if item is not None and kind == "shop":
                yield {"kind": kind, **with_names(store.read_shop(key, item).state)}
            elif item is not None and (found := readers[kind](key, item)) is not None:
                yield {"kind": kind, **with_names(found.record)}


def with_names(value: Any) -> Any:
    """Named tuples as JSON objects, at any depth; the rest as in items."""
    match value:
        case tuple() if hasattr(value, "_asdict"):
            return {name: with_names(each) for name, each in value._asdict().items()}
        case tuple():
            return [with_names(each) for each in value]
        case Mapping():
            return {str(key): with_names(each) for key, each in value.items()}
    return compact.plain(value)


def as_line(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n"
