"""The services played by moto: the functions reach them through the SDK, as they reach AWS."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from aftercare.aws.bus import EventBridgeBus
from aftercare.aws.table import DynamoTable
from aftercare.kernel.ports import Bus, Clock
from aftercare.kernel.records import DUE_AT
from aftercare.kernel.table import Table
from aftercare.kernel.times import from_text
from sandbox import moto_seams, resources
from sandbox.functions import reads_only
from sandbox.intrinsics import REGION, STREAM_LABEL
from sandbox.services import PolledQueue, Record, Witness

if TYPE_CHECKING:
    from boto3 import Session

PUT_EVENTS = "PutEvents"
SEEN_IN_IMAGES = frozenset({"NEW_IMAGE", "NEW_AND_OLD_IMAGES"})


class MotoServices:
    """Implements ``Services``."""

    def __init__(self, template: resources.Template, clock: Clock, seed: int, witness: Witness) -> None:
        """``seed`` decides every id and secret that moto makes up."""
        self._template = template
        self._clock = clock
        self._seed = seed
        self._witness = witness
        self._clients: dict[str, Any] = {}

    @contextmanager
    def running(self) -> Iterator[None]:
        from moto import mock_aws

        with mock_aws(), moto_seams.mended(self._clock, self._seed):
            create_resources(self._template, self.client, self._seed)
            yield

    def parts(self) -> Mapping[str, Any]:
        return {"clients": self.client}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._make_client(service)
        return self._clients[service]

    def table(self, name: str) -> Table:
        return DynamoTable(self.client("dynamodb"), name)

    def bus(self, name: str) -> Bus:
        return EventBridgeBus(self.client("events"), name)

    def send(self, queue_name: str, body: str) -> None:
        urls = {queue.name: queue.url for queue in self._template.queues.values()}
        self.client("sqs").send_message(QueueUrl=urls[queue_name], MessageBody=body)

    def queue(self, name: str) -> PolledQueue:
        return MotoQueue(name, self._clock)

    def stream(self, table: resources.Table) -> MotoStream:
        return MotoStream(table)

    def due_times(self, tables: Iterable[str]) -> Callable[[], datetime | None] | None:
        """Known from the streams of the tables, and so only where each of them has one that shows new images."""
        wanted = frozenset(tables)
        swept = [table for table in self._template.tables.values() if table.name in wanted]
        if not swept or any(table.stream_view not in SEEN_IN_IMAGES for table in swept):
            return None
        due = [DueTimes(MotoStream(table)) for table in swept]
        return lambda: min((first for each in due if (first := each.earliest()) is not None), default=None)

    def _make_client(self, service: str) -> Any:
        """An SDK client that counts, and that signs nothing: AWS itself would refuse what it sends."""
        from botocore import UNSIGNED
        from botocore.config import Config

        client = _session().client(
            service,  # type: ignore[call-overload]  # the stubs know only literal names
            region_name=REGION,
            config=Config(
                # moto guards buckets against unsigned reads
                signature_version=None if service == "s3" else UNSIGNED,
                # moto takes the region of an unsigned request from here
                user_agent=f"offline region/{REGION}",
                retries={"mode": "standard", "total_max_attempts": 1},
                account_id_endpoint_mode="disabled",
            ),
        )
        client.meta.events.register("before-call", partial(self._call_begins, service))
        client.meta.events.register("after-call", self._call_ends)
        return client

    def _call_begins(self, service: str, model: Any, params: Any, context: Any, **_: Any) -> None:
        if model.name == PUT_EVENTS:
            context["entries"] = json.loads(params["body"])["Entries"]
        self._witness.call_begins(service, model.name, writes=not reads_only(model.name))

    def _call_ends(self, model: Any, parsed: Any, context: Any, **_: Any) -> None:
        if model.name == PUT_EVENTS:
            for entry, answer in zip(context["entries"], parsed.get("Entries", ()), strict=False):
                if "EventId" in answer:
                    self._witness.taken_by_bus(entry["Source"], entry["DetailType"], json.loads(entry["Detail"]))
        self._witness.call_ends()


@dataclass(frozen=True)
class MotoQueue:
    """Implements ``PolledQueue``."""

    name: str
    clock: Clock

    def has_visible(self) -> bool:
        return moto_seams.has_visible(self.name, self.clock)

    def next_visible(self) -> datetime | None:
        return moto_seams.next_visible(self.name)

    def receive(self, limit: int) -> list[Record]:
        return moto_seams.receive(self.name, limit)

    def delete(self, receipt_handles: Sequence[str]) -> None:
        moto_seams.delete(self.name, receipt_handles)

    def bodies(self) -> list[str]:
        return moto_seams.bodies(self.name)


class MotoStream:
    """Implements ``PolledStream``."""

    def __init__(self, table: resources.Table) -> None:
        self._table = table
        self._taken = 0

    def take(self) -> list[Record]:
        arn = f"{self._table.arn}/stream/{STREAM_LABEL}"
        records = moto_seams.stream_records(self._table.name, self._taken, arn)
        self._taken += len(records)
        return records


class DueTimes:
    """When the items of a table want to be woken, kept up with what the table's stream shows."""

    def __init__(self, stream: MotoStream) -> None:
        self._stream = stream
        self._due: dict[str, str] = {}
        self._earliest: list[tuple[str, str]] = []

    def earliest(self) -> datetime | None:
        self._take_in()
        heap = self._earliest
        while heap and self._due.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)  # moved or gone since
        return from_text(heap[0][0]) if heap else None

    def _take_in(self) -> None:
        for record in self._stream.take():
            key = json.dumps(record["dynamodb"]["Keys"], sort_keys=True)
            due_at = record["dynamodb"].get("NewImage", {}).get(DUE_AT, {}).get("S")
            if due_at is None:
                self._due.pop(key, None)
            elif self._due.get(key) != due_at:
                self._due[key] = due_at
                heapq.heappush(self._earliest, (due_at, key))


@cache
def _session() -> Session:
    # one a process: reading the SDK's description of a service takes a tenth of a second
    import boto3

    return boto3.Session()


def create_resources(template: resources.Template, client: Callable[[str], Any], seed: int) -> None:
    """Makes what the template declares, under the names that the functions' environment has."""
    sqs, dynamodb, events, secrets = client("sqs"), client("dynamodb"), client("events"), client("secretsmanager")
    dead_letters_first = sorted(template.queues.values(), key=lambda queue: queue.dead_letter_arn is not None)
    for queue in dead_letters_first:
        sqs.create_queue(QueueName=queue.name, Attributes=dict(queue.attributes))
    for table in template.tables.values():
        dynamodb.create_table(**table.request)
        if table.time_to_live is not None:
            dynamodb.update_time_to_live(
                TableName=table.name,
                TimeToLiveSpecification={"Enabled": True, "AttributeName": table.time_to_live},
            )
    for bus in template.buses.values():
        events.create_event_bus(Name=bus)
    for rule in template.rules.values():
        events.put_rule(Name=rule.name, EventBusName=rule.bus, EventPattern=rule.pattern)
        events.put_targets(Rule=rule.name, EventBusName=rule.bus, Targets=[dict(target) for target in rule.targets])
    for secret in template.secrets.values():
        secrets.create_secret(Name=secret.name, SecretString=secret.value(seed))
    for bucket in template.buckets.values():
        client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
