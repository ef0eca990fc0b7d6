# ruff: noqa: INP001  a script, not a package
"""Sends what lies in a dead-letter queue back to the queue that it came from.

    python tools/redrive.py FactsDeadLetters --stage prod --dry    only looks
    python tools/redrive.py FactsDeadLetters --stage prod          ten messages a second
    python tools/redrive.py BusDeadLetters --stack shops --region cn-north-1 --rate 2

A message is read as its consumer would read it, sent, and then deleted; one that no consumer could read stays where it
is, and is named with the reason. Killed in between, a message is sent once more, which every consumer is right under.
While it is worked on a message is hidden, so two may run at once. Exit code 0 when nothing stayed, 1 when something
did, 2 when nothing could be done.

SQS can do the like by itself (``StartMessageMoveTask``), but not in China's regions, not for what the bus could not
deliver, and without looking at what it moves.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from aftercare.events.catalogue import read_json
from aftercare.intake.model import Delivery
from aftercare.kernel.due import from_message
from aftercare.kernel.errors import MalformedInput

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

INGRESS = "IngressQueue"
"""The one queue that holds deliveries: all others hold events and timers."""
TARGET = "TARGET_ARN"
"""The bus writes beside an event that it could not deliver which queue it was for."""
MESSAGES_A_CALL = 10
SPARE_SECONDS = 60
"""So much longer than its batch should take a message is hidden."""
LISTENS_SECONDS = 1
"""A call that waits asks all of SQS's servers: without, a few messages may go unseen and end the run too early."""
CAME_LATER = "came after this run began"
"""What was sent in this run and has failed once more must not be sent for ever."""
USUAL_RATE = 10.0
SLOWEST_RATE = 0.01
"""Messages a second. Slower, a batch would have to be hidden for longer than SQS hides anything."""


class CannotRedrive(Exception):
    """What was asked for is no dead-letter queue of the stack, or nobody can say where its messages came from."""


class Route(NamedTuple):
    """Where messages lie, and the queue that all of them go back to; None where each names its own.

    ``queues`` are the stack's, their URLs by logical id.
    """

    name: str
    url: str
    back_to: str | None
    queues: Mapping[str, str]

    def destination(self, message: MessageTypeDef) -> str:
        """A logical id; raises ``MalformedInput`` for a message that names none."""
        if self.back_to is not None:
            return self.back_to
        attribute = message.get("MessageAttributes", {}).get(TARGET)
        if attribute is None:
            raise MalformedInput(f"has no {TARGET}: nobody can say which queue it was for")
        named = {queue_name(url): logical_id for logical_id, url in self.queues.items()}
        found = named.get(attribute.get("StringValue", "").rpartition(":")[2])
        if found is None:
            raise MalformedInput(f"its {TARGET} is no queue of this stack")
        return found


# ---------------------------------------------------------------- where to


def queue_name(url: str) -> str:
    return url.rpartition("/")[2]


def queues_of(cloudformation: Any, stack: str) -> dict[str, str]:
    """The URLs of a stack's queues by their logical ids."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    return {
        each["LogicalResourceId"]: each["PhysicalResourceId"]
        for page in pages
        for each in page["StackResourceSummaries"]
        if each["ResourceType"] == "AWS::SQS::Queue"
    }


def route_of(sqs: SQSClient, queues: Mapping[str, str], name: str) -> Route:
    """Asks SQS which queue's failures go there. Raises ``CannotRedrive``."""
    url = queues.get(name)
    if url is None:
        raise CannotRedrive(f"the stack has no queue {name}; it has {', '.join(sorted(queues))}")
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])
    if "RedrivePolicy" in answer.get("Attributes", {}):
        raise CannotRedrive(f"{name} has dead letters of its own: its messages are not dead")
    found = {queue_name(each) for each in sqs.list_dead_letter_source_queues(QueueUrl=url)["queueUrls"]}
    sources = sorted(logical_id for logical_id, each in queues.items() if queue_name(each) in found)
    if len(sources) != len(found) or len(found) > 1:
        raise CannotRedrive(f"the messages of {name} may come from any of {', '.join(sorted(found))}")
    return Route(name, url, sources[0] if sources else None, queues)


# ---------------------------------------------------------------- what


def require_readable(destination: str, body: str) -> None:
    """Reads a message as the consumer of that queue does. Raises ``MalformedInput``."""
    if destination == INGRESS:
        Delivery.from_message(body)
    elif from_message(body) is None:
        read_json(body)


class Redrive:
    """One run. ``now`` gives seconds since 1970; ``dry`` only looks."""

    def __init__(
        self,
        sqs: SQSClient,
        route: Route,
        *,
        rate: float = USUAL_RATE,
        dry: bool = False,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.sent: Counter[str] = Counter()
        """How many, by the queue that they went to."""
        self.kept: dict[str, str] = {}
        """Reasons by message id."""
        self._sqs = sqs
        self._route = route
        self._pause = 1 / rate
        self._hidden = SPARE_SECONDS + math.ceil(MESSAGES_A_CALL * self._pause)
        self._dry = dry
        self._now = now
        self._sleep = sleep
        self._next = 0.0
        self._hands: dict[str, str] = {}
        """The last receipt of every message that is hidden from others."""

    def run(self) -> None:
        """Until a look finds nothing new; whatever is left is seen again by others at once."""
        began_ms = self._now() * 1000
        seen: set[str] = set()
        try:
            while unseen := [each for each in self._receive() if each["MessageId"] not in seen]:
                for message in unseen:
                    seen.add(message["MessageId"])
                    self._take(message, began_ms)
        finally:
            self._release()

    def _receive(self) -> Sequence[MessageTypeDef]:
        answer = self._sqs.receive_message(
            QueueUrl=self._route.url,
            MaxNumberOfMessages=MESSAGES_A_CALL,
            VisibilityTimeout=self._hidden,
            WaitTimeSeconds=LISTENS_SECONDS,
            MessageAttributeNames=[TARGET],
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        messages = answer.get("Messages", [])
        self._hands.update((message["MessageId"], message["ReceiptHandle"]) for message in messages)
        return messages

    def _take(self, message: MessageTypeDef, began_ms: float) -> None:
        if int(message["Attributes"]["SentTimestamp"]) > began_ms:
            self.kept[message["MessageId"]] = CAME_LATER
            return
        try:
            destination = self._route.destination(message)
            require_readable(destination, message["Body"])
        except MalformedInput as reason:
            self.kept[message["MessageId"]] = str(reason)
            return
        if not self._dry:
            self._move(message, self._route.queues[destination])
        self.sent[destination] += 1

    def _move(self, message: MessageTypeDef, to: str) -> None:
        now = self._now()
        if now < self._next:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + self._pause
        self._sqs.send_message(QueueUrl=to, MessageBody=message["Body"])
        self._sqs.delete_message(QueueUrl=self._route.url, ReceiptHandle=message["ReceiptHandle"])
        del self._hands[message["MessageId"]]

    def _release(self) -> None:
        receipts = list(self._hands.values())
        for start in range(0, len(receipts), MESSAGES_A_CALL):
            # one that is not hidden any more is what was wanted: refusals of single ones are left alone
            self._sqs.change_message_visibility_batch(
                QueueUrl=self._route.url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                    for index, receipt in enumerate(receipts[start : start + MESSAGES_A_CALL])
                ],
            )

    def report(self) -> Iterator[str]:
        """A line for every message that stayed, and one about all."""
        yield from (f"kept {message_id}: {reason}" for message_id, reason in self.kept.items())
        sent = f"{'would send' if self._dry else 'sent'} {_counted(self.sent)}"
        yield f"{self._route.name}: {sent}, kept {_counted(Counter(self.kept.values()))}"


def _counted(counts: Counter[str]) -> str:
    named = "; ".join(f"{name}: {count}" for name, count in counts.most_common())
    return f"{counts.total()} ({named})" if named else "0"


# ---------------------------------------------------------------- the command


def main(arguments: Sequence[str] | None = None) -> int:
    assert __doc__ is not None  # noqa: S101  mypy
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("queue", help="the dead-letter queue's name in template.yaml")
    parser.add_argument("--stage", default="dev", help="of the stack aftercare-STAGE; default: dev")
    parser.add_argument("--stack", help="the stack's name, where it is another one")
    parser.add_argument("--region", help="default: that of the AWS environment")
    parser.add_argument("--rate", type=_rate, default=USUAL_RATE, help="messages a second; default: 10")
    parser.add_argument("--dry", action="store_true", help="only look: nothing is sent or deleted")
    asked = parser.parse_args(arguments)
    try:
        sqs = _client("sqs", asked.region)
        queues = queues_of(_client("cloudformation", asked.region), asked.stack or f"aftercare-{asked.stage}")
        redrive = Redrive(sqs, route_of(sqs, queues, asked.queue), rate=asked.rate, dry=asked.dry)
        try:
            redrive.run()
        finally:
            print("\n".join(redrive.report()))
    except (CannotRedrive, ClientError, BotoCoreError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 1 if redrive.kept else 0


def _client(service: str, region: str | None) -> Any:
    import boto3

    return boto3.Session(region_name=region).client(service)  # type: ignore[call-overload]  # knows literal names only


def _rate(text: str) -> float:
    rate = float(text)
    if not SLOWEST_RATE <= rate < math.inf:
        raise argparse.ArgumentTypeError(f"must be {SLOWEST_RATE} or more")
    return rate


if __name__ == "__main__":
    sys.exit(main())
