"""A queue in plain memory, by SQS's rules on the virtual clock."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from aftercare.aws.queue import MESSAGES_A_CALL
from aftercare.kernel.ports import Clock
from sandbox.intrinsics import ACCOUNT, REGION
from sandbox.resources import Queue
from sandbox.services import EPOCH, Record, Witness, call

SQS = "sqs"
DEFAULT_VISIBILITY_SECONDS = 30
DEFAULT_RETENTION_SECONDS = 345_600
LARGEST_MESSAGE_BYTES = 1_048_576
MILLISECOND = timedelta(milliseconds=1)


class MessageTooLong(ValueError):
    """SQS takes no message of that size."""


@dataclass(slots=True)
class _Message:
    id: str
    body: str
    sent_at: datetime
    visible_at: datetime
    received: int = 0
    first_received_at: datetime | None = None


class MemoryQueue:
    """Implements ``PolledQueue``. A message's receipt handle is its number and how often it was received."""

    def __init__(self, queue: Queue, clock: Clock, dead_letters: MemoryQueue | None, max_receives: int) -> None:
        """``dead_letters`` takes what was received ``max_receives`` times and is not gone."""
        attributes = queue.attributes
        self._arn = queue.arn
        self._name = queue.name
        self._clock = clock
        self._dead_letters = dead_letters
        self._max_receives = max_receives
        self._delay = timedelta(seconds=int(attributes.get("DelaySeconds", 0)))
        self._hidden_for = timedelta(seconds=int(attributes.get("VisibilityTimeout", DEFAULT_VISIBILITY_SECONDS)))
        self._kept_for = timedelta(seconds=int(attributes.get("MessageRetentionPeriod", DEFAULT_RETENTION_SECONDS)))
        self._numbers = count(1)
        self._messages: dict[int, _Message] = {}
        self._visible: list[int] = []
        """A heap of numbers: the messages that can be received now, the oldest first, and some that are gone."""
        self._hidden: list[tuple[datetime, int]] = []
        """A heap of the other messages by the time at which they become visible."""

    def send(self, body: str) -> None:
        """Raises ``MessageTooLong``."""
        size = len(body.encode())
        if size > LARGEST_MESSAGE_BYTES:
            raise MessageTooLong(f"a message of {size} bytes: {self._name} takes {LARGEST_MESSAGE_BYTES}")
        now = self._clock.now()
        number = next(self._numbers)
        self._add(number, _Message(f"{self._name}/{number}", body, now, now + self._delay))

    def depth(self) -> int:
        self._uncover()
        return sum(number in self._messages for number in self._visible)

    def has_visible(self) -> bool:
        self._uncover()
        visible, oldest = self._visible, self._clock.now() - self._kept_for
        while visible:
            message = self._messages.get(visible[0])
            if message is not None and message.sent_at > oldest:
                return True
            self._messages.pop(heapq.heappop(visible), None)
        return False

    def next_visible(self) -> datetime | None:
        if self.has_visible():
            return self._clock.now()
        while self._hidden and self._hidden[0][1] not in self._messages:
            heapq.heappop(self._hidden)
        return self._hidden[0][0] if self._hidden else None

    def receive(self, limit: int) -> list[Record]:
        records: list[Record] = []
        while len(records) < limit and self.has_visible():
            number = heapq.heappop(self._visible)
            message = self._messages[number]
            if self._dead_letters is not None and message.received >= self._max_receives:
                del self._messages[number]
                self._dead_letters.bury(message)
                continue
            now = self._clock.now()
            message.received += 1
            message.first_received_at = message.first_received_at or now
            message.visible_at = now + self._hidden_for
            heapq.heappush(self._hidden, (message.visible_at, number))
            records.append(self._record(number, message))
        return records

    def bury(self, message: _Message) -> None:
        """Takes over another queue's message; how long it is kept goes on counting from when it was sent."""
        self._add(next(self._numbers), message)

    def delete(self, receipt_handles: Sequence[str]) -> None:
        for handle in receipt_handles:
            self._messages.pop(int(handle.partition("/")[0]), None)

    def bodies(self) -> list[str]:
        return [message.body for message in self._messages.values()]

    def _add(self, number: int, message: _Message) -> None:
        self._messages[number] = message
        heapq.heappush(self._hidden, (message.visible_at, number))

    def _uncover(self) -> None:
        now, hidden = self._clock.now(), self._hidden
        while hidden and hidden[0][0] <= now:
            number = heapq.heappop(hidden)[1]
            if number in self._messages:
                heapq.heappush(self._visible, number)

    def _record(self, number: int, message: _Message) -> dict[str, Any]:
        return {
            "messageId": message.id,
            "receiptHandle": f"{number}/{message.received}",
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": str(message.received),
                "SentTimestamp": str((message.sent_at - EPOCH) // MILLISECOND),
                "SenderId": ACCOUNT,
                "ApproximateFirstReceiveTimestamp": str(
                    ((message.first_received_at or message.sent_at) - EPOCH) // MILLISECOND
                ),
            },
            "messageAttributes": {},
            "md5OfBody": hashlib.md5(message.body.encode(), usedforsecurity=False).hexdigest(),
            "eventSource": "aws:sqs",
            "eventSourceARN": self._arn,
            "awsRegion": REGION,
        }


@dataclass(frozen=True)
class CountedQueue:
    """Implements ``Queue``: the same one as a function sees it."""

    queue: MemoryQueue
    witness: Witness

    def send(self, bodies: Sequence[str]) -> None:
        if len(bodies) == 1:
            with call(self.witness, SQS, "SendMessage"):
                self.queue.send(bodies[0])
            return
        for start in range(0, len(bodies), MESSAGES_A_CALL):
            with call(self.witness, SQS, "SendMessageBatch"):
                for body in bodies[start : start + MESSAGES_A_CALL]:
                    self.queue.send(body)

    def depth(self) -> int:
        with call(self.witness, SQS, "GetQueueAttributes"):
            return self.queue.depth()
