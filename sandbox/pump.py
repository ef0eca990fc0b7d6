"""What carries things from one function to the next, by Lambda's and Scheduler's rules on the virtual clock.

Everything runs on one thread and in the template's order, so that the same input always gives the same run.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Protocol

from aftercare.kernel.times import to_text
from sandbox import moto_seams
from sandbox.clock import VirtualClock
from sandbox.functions import Functions, InvocationFailed
from sandbox.intrinsics import ACCOUNT, REGION
from sandbox.resources import QueueMapping, Schedule, StreamMapping, Template
from sandbox.services import EPOCH, PolledQueue, PolledStream, Record, Services

STREAM_RETENTION = timedelta(hours=24)
LONGEST_RETRY_DELAY = timedelta(seconds=60)
MAX_PASSES = 10_000
FAILED_ITEMS = "batchItemFailures"
ITEM = "itemIdentifier"

SendFailure = Callable[[str, str], None]
"""Takes the ARN of an on-failure destination and the text that it gets."""


class NeverQuiet(Exception):
    """The system keeps itself busy at one and the same moment."""


class _Source(Protocol):
    """Something that invokes a function when it has something for it."""

    def poll(self) -> bool:
        """Does at most one invocation; answers whether anything happened."""

    def next_wake(self) -> datetime | None:
        """When there is something to do, perhaps already; None for never, as things stand."""


class Pump:
    def __init__(
        self,
        template: Template,
        services: Services,
        functions: Functions,
        clock: VirtualClock,
        on_failure: SendFailure,
    ) -> None:
        self._clock = clock
        self._sources: list[_Source] = [
            *(
                _ScheduleSource(
                    each, functions, clock, services.due_times(template.functions[each.function].due_tables)
                )
                for each in template.schedules
            ),
            *(_QueueSource(each, services.queue(each.queue.name), functions) for each in template.queue_mappings),
            *(
                _StreamSource(each, services.stream(each.table), functions, clock, on_failure)
                for each in template.stream_mappings
            ),
        ]

    def run_until_quiet(self) -> None:
        """Does all that can be done at this moment; raises ``NeverQuiet`` when there is no end to it."""
        for _ in range(MAX_PASSES):
            if not any([source.poll() for source in self._sources]):  # noqa: C419  each gets its turn in a pass
                return
        raise NeverQuiet(f"still busy after {MAX_PASSES} rounds at {self._clock.now().isoformat()}")

    def next_wake(self) -> datetime | None:
        """The next moment at which something happens by itself; None when nothing is waiting."""
        return min((wake for source in self._sources if (wake := source.next_wake()) is not None), default=None)

    def advance_to(self, moment: datetime) -> None:
        """Goes on to the moment; what falls due on the way, and at the moment itself, happens in its order."""
        self.run_until_quiet()
        while (wake := self.next_wake()) is not None and wake <= moment:
            if wake <= self._clock.now():
                raise NeverQuiet(f"something waits since {wake.isoformat()} and nothing takes it")
            self._clock.advance_to(wake)
            self.run_until_quiet()
        self._clock.advance_to(moment)


# ---------------------------------------------------------------- queues


class _QueueSource:
    """An SQS event source mapping: what fails stays in the queue until its visibility time-out ends."""

    def __init__(self, mapping: QueueMapping, queue: PolledQueue, functions: Functions) -> None:
        self._mapping = mapping
        self._queue = queue
        self._functions = functions

    def poll(self) -> bool:
        if not self._queue.has_visible():
            return False
        records = self._queue.receive(self._mapping.batch_size)
        if records:
            self._deliver(records)
        return True

    def next_wake(self) -> datetime | None:
        return self._queue.next_visible()

    def _deliver(self, records: Sequence[Record]) -> None:
        try:
            answer = self._functions.invoke(self._mapping.function, {"Records": records})
        except InvocationFailed:
            return
        failed = failed_items(answer, {record["messageId"] for record in records})
        if not self._mapping.partial_failures:
            failed = set()
        done = [record["receiptHandle"] for record in records if record["messageId"] not in failed]
        self._queue.delete(done)


def failed_items(answer: Any, ids: set[str]) -> set[str]:
    """The ids that a partial batch answer names as failed; all of them when the answer is not one.

    An empty answer, or one without failures, means that all succeeded; an unknown, empty or missing id that all failed.
    """
    if answer is None:
        return set()
    if not isinstance(answer, dict):
        return ids
    failures = answer.get(FAILED_ITEMS)
    if failures is None:
        return set()
    if not isinstance(failures, list):
        return ids
    named = [failure.get(ITEM) if isinstance(failure, dict) else None for failure in failures]
    known = {name for name in named if isinstance(name, str) and name in ids}
    return known if all(isinstance(name, str) and name in known for name in named) else ids


# ---------------------------------------------------------------- streams


class _StreamSource:
    """A DynamoDB stream's event source mapping: in order, and a failure holds up all that comes after it."""

    def __init__(
        self,
        mapping: StreamMapping,
        stream: PolledStream,
        functions: Functions,
        clock: VirtualClock,
        on_failure: SendFailure,
    ) -> None:
        self._mapping = mapping
        self._stream = stream
        self._functions = functions
        self._clock = clock
        self._on_failure = on_failure
        self._waiting: deque[Record] = deque()
        self._parts: list[int] = []
        """The sizes of the batches that a failed one was split into and that are still to be tried."""
        self._failures = 0
        self._retry_at: datetime | None = None

    def poll(self) -> bool:
        self._take_in()
        if not self._waiting or (self._retry_at is not None and self._clock.now() < self._retry_at):
            return False
        expired = self._count_expired()
        if expired:
            self._give_up(expired, "RecordAgeExceeded")
        else:
            self._deliver(self._parts[0] if self._parts else self._mapping.batch_size)
        return True

    def next_wake(self) -> datetime | None:
        self._take_in()
        if not self._waiting:
            return None
        return self._retry_at or self._clock.now()

    def _take_in(self) -> None:
        self._waiting += (record for record in self._stream.take() if self._passes(record))

    def _passes(self, record: Record) -> bool:
        filters = self._mapping.filters
        return not filters or any(moto_seams.matches(pattern, record) for pattern in filters)

    def _count_expired(self) -> int:
        age = min(self._mapping.maximum_age or STREAM_RETENTION, STREAM_RETENTION)
        oldest = (self._clock.now() - age - EPOCH).total_seconds()
        batch = islice(self._waiting, self._mapping.batch_size)
        return sum(record["dynamodb"]["ApproximateCreationDateTime"] < oldest for record in batch)

    def _deliver(self, size: int) -> None:
        batch = list(islice(self._waiting, size))
        try:
            answer = self._functions.invoke(self._mapping.function, {"Records": batch})
        except InvocationFailed:
            self._fail(len(batch))
            return
        numbers = [record["dynamodb"]["SequenceNumber"] for record in batch]
        failed = failed_items(answer, set(numbers)) if self._mapping.partial_failures else set()
        done = min((numbers.index(number) for number in failed), default=len(batch))
        if done:
            self._succeed(done)
        if failed:
            self._fail(len(batch) - done)

    def _succeed(self, count: int) -> None:
        for _ in range(count):
            self._waiting.popleft()
            if self._parts:
                self._parts[0] -= 1
                self._parts = self._parts if self._parts[0] else self._parts[1:]
        self._failures = 0
        self._retry_at = None

    def _fail(self, size: int) -> None:
        """``size`` records, the first that wait, are to be tried again: in halves where the mapping bisects."""
        self._failures += 1
        if self._mapping.bisect and size > 1:
            half = size // 2
            self._parts = [half, size - half, *self._parts[1:]]
            self._failures -= 1  # splitting does not count as a try
        elif self._mapping.maximum_retries is not None and self._failures > self._mapping.maximum_retries:
            self._give_up(size, "RetryAttemptsExhausted")
            return
        delay = timedelta(seconds=2 ** min(self._failures, 6))
        self._retry_at = self._clock.now() + min(delay, LONGEST_RETRY_DELAY)

    def _give_up(self, size: int, condition: str) -> None:
        """Moves on, after the on-failure destination got the whole records.

        AWS puts the records themselves only into an S3 bucket; a queue gets the numbers by which the stream still has
        them until they are 24 h old. Here a queue gets the records too.
        """
        batch = list(islice(self._waiting, size))
        if self._mapping.on_failure_arn is not None:
            document = _failure(self._mapping, batch, condition, self._clock.now())
            self._on_failure(self._mapping.on_failure_arn, json.dumps(document, ensure_ascii=False))
        self._succeed(size)


def _failure(mapping: StreamMapping, batch: Sequence[Record], condition: str, now: datetime) -> dict[str, Any]:
    """The invocation record that an on-failure destination gets."""
    first, last = batch[0]["dynamodb"], batch[-1]["dynamodb"]
    return {
        "requestContext": {"functionArn": mapping.function, "condition": condition},
        "version": "1.0",
        "timestamp": to_text(now),
        "DDBStreamBatchInfo": {
            "startSequenceNumber": first["SequenceNumber"],
            "endSequenceNumber": last["SequenceNumber"],
            "batchSize": len(batch),
            "streamArn": batch[0]["eventSourceARN"],
        },
        "payload": json.dumps({"Records": batch}, ensure_ascii=False),
    }


# ---------------------------------------------------------------- schedules


class _ScheduleSource:
    """A schedule. One that sweeps due indexes runs when something is due there, which it would find within its rate.

    Running it in between changes nothing, and months of quiet have many thousand minutes. All others run at their rate.
    """

    def __init__(
        self,
        schedule: Schedule,
        functions: Functions,
        clock: VirtualClock,
        next_due: Callable[[], datetime | None] | None,
    ) -> None:
        self._schedule = schedule
        self._functions = functions
        self._clock = clock
        self._next_due = next_due
        self._ran_at = clock.now()
        self._has_run = False

    def poll(self) -> bool:
        wake, now = self.next_wake(), self._clock.now()
        if wake is None or wake > now:
            return False
        self._ran_at = now if self._next_due else now - (now - self._ran_at) % self._schedule.every
        self._has_run = True
        with suppress(InvocationFailed):  # the next run is the retry
            self._functions.invoke(self._schedule.function, self._event(now))
        return True

    def next_wake(self) -> datetime | None:
        if self._next_due is None:
            return self._ran_at + self._schedule.every
        due_at = self._next_due()
        if due_at is None:
            return None
        if not self._has_run:
            return due_at
        # what the last run left standing is due again after the schedule's own pause
        return due_at if due_at > self._ran_at else self._ran_at + self._schedule.every

    def _event(self, now: datetime) -> Mapping[str, Any]:
        schedule = self._schedule
        if schedule.input is not None:
            document: Mapping[str, Any] = json.loads(schedule.input)
            return document
        return {
            "version": "0",
            "id": f"{schedule.name}/{to_text(now)}",
            "detail-type": "Scheduled Event",
            "source": "aws.events" if schedule.is_rule else "aws.scheduler",
            "account": ACCOUNT,
            "time": to_text(now.replace(microsecond=0)),
            "region": REGION,
            "resources": [schedule.arn],
            "detail": {} if schedule.is_rule else "{}",
        }
