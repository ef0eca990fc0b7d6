"""Tables with their streams, queues, the bus and secrets in plain memory, behind the ports that the functions use.

What costs milliseconds through the SDK and moto costs microseconds here; the calls are those that the adapters in
``aftercare.aws`` would make, and are told to the witness as such. A service that is not played here is moto's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from io import BytesIO
from typing import Any

from aftercare.kernel.ports import Bus, Clock
from aftercare.kernel.table import Table
from sandbox import resources
from sandbox.memory_bus import EVENTS, MemoryBus, MemoryRule
from sandbox.memory_queue import SQS, CountedQueue, MemoryQueue
from sandbox.memory_streams import DYNAMODB, StreamedTable
from sandbox.moto_services import MotoServices
from sandbox.services import PolledQueue, PolledStream, Witness, call

SECRETS, S3 = "secretsmanager", "s3"
BEHIND_PORTS = frozenset({DYNAMODB, EVENTS, SQS})


class MemoryServices:
    """Implements ``Services``."""

    def __init__(self, template: resources.Template, clock: Clock, seed: int, witness: Witness) -> None:
        """Raises ``TemplateError`` for a rule that changes what its target gets."""
        self._template = template
        self._clock = clock
        self._witness = witness
        self._moto: MotoServices | None = None
        self._seed = seed
        self._stack = ExitStack()
        self._secrets = MemorySecrets(template, seed, witness)
        self._buckets = MemoryBuckets(template, witness)
        self._tables = {table.name: StreamedTable(table, clock, witness) for table in template.tables.values()}
        queues = _queues(template, clock)
        self._queues = {queue.name: queues[queue.arn] for queue in template.queues.values()}
        self._queues_by_url = {queue.url: queues[queue.arn] for queue in template.queues.values()}
        rules = [(rule.bus, MemoryRule.of(rule, queues)) for rule in template.rules.values()]
        self._buses = {
            name: MemoryBus([rule for bus, rule in rules if bus == name], clock, witness)
            for name in template.buses.values()
        }

    @contextmanager
    def running(self) -> Iterator[None]:
        with self._stack:
            yield

    def parts(self) -> Mapping[str, Any]:
        return {
            "clients": self.client,
            "table": self._tables.__getitem__,
            "queue": lambda url: CountedQueue(self._queues_by_url[url], self._witness),
            "bus": self._buses.__getitem__,
        }

    def client(self, service: str) -> Any:
        """Raises ``RuntimeError`` for a service that has no SDK client here."""
        if service in BEHIND_PORTS:
            raise RuntimeError(f"{service} is played in memory: it is reached through its port only")
        if service == SECRETS:
            return self._secrets
        if service == S3:
            return self._buckets
        if self._moto is None:
            # it takes a second to start, and most runs never ask
            self._moto = MotoServices(self._template, self._clock, self._seed, self._witness)
            self._stack.enter_context(self._moto.running())
        return self._moto.client(service)

    def table(self, name: str) -> Table:
        return self._tables[name]

    def bus(self, name: str) -> Bus:
        return self._buses[name]

    def send(self, queue_name: str, body: str) -> None:
        self._queues[queue_name].send(body)

    def queue(self, name: str) -> PolledQueue:
        return self._queues[name]

    def stream(self, table: resources.Table) -> PolledStream:
        return self._tables[table.name].reader()

    def due_times(self, tables: Iterable[str]) -> Callable[[], datetime | None] | None:
        swept = [self._tables[name] for name in tables]
        if not swept:
            return None
        return lambda: min((due for table in swept if (due := table.first_due()) is not None), default=None)


def _queues(template: resources.Template, clock: Clock) -> Mapping[str, MemoryQueue]:
    """By their ARNs."""
    made: dict[str, MemoryQueue] = {}
    for queue in sorted(template.queues.values(), key=lambda queue: queue.dead_letter_arn is not None):
        redrive = json.loads(queue.attributes.get("RedrivePolicy", "{}"))
        dead_letters = None if queue.dead_letter_arn is None else made[queue.dead_letter_arn]
        made[queue.arn] = MemoryQueue(queue, clock, dead_letters, int(redrive.get("maxReceiveCount", 0)))
    return made


class MemorySecrets:
    """What the functions and the operator use of Secrets Manager's SDK client."""

    def __init__(self, template: resources.Template, seed: int, witness: Witness) -> None:
        self._values = {secret.name: secret.value(seed) for secret in template.secrets.values()}
        self._witness = witness

    def get_secret_value(self, SecretId: str) -> Mapping[str, Any]:  # noqa: N803  the SDK's name
        """Raises ``ClientError``."""
        from botocore.exceptions import ClientError

        with call(self._witness, SECRETS, "GetSecretValue"):
            if SecretId in self._values:
                return {"Name": SecretId, "SecretString": self._values[SecretId]}
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetSecretValue")

    def create_secret(self, Name: str, SecretString: str) -> Mapping[str, Any]:  # noqa: N803  the SDK's names
        with call(self._witness, SECRETS, "CreateSecret"):
            self._values[Name] = SecretString
            return {"Name": Name}


class MemoryBuckets:
    """What the functions, the pump and whoever looks at public files use of S3's SDK client."""

    def __init__(self, template: resources.Template, witness: Witness) -> None:
        self._buckets: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in template.buckets.values()}
        self._witness = witness

    def put_object(self, Bucket: str, Key: str, Body: bytes, **headers: str) -> Mapping[str, Any]:  # noqa: N803  the SDK's names
        with call(self._witness, S3, "PutObject"):
            self._buckets[Bucket][Key] = {**headers, "Body": Body}
            return {}

    def get_object(self, Bucket: str, Key: str) -> Mapping[str, Any]:  # noqa: N803  the SDK's names
        """Raises ``ClientError``."""
        from botocore.exceptions import ClientError

        with call(self._witness, S3, "GetObject"):
            found = self._buckets[Bucket].get(Key)
            if found is None:
                raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
            return {**found, "Body": BytesIO(found["Body"])}

    def list_objects_v2(self, Bucket: str, Prefix: str = "") -> Mapping[str, Any]:  # noqa: N803  the SDK's names
        with call(self._witness, S3, "ListObjectsV2"):
            return {"Contents": [{"Key": key} for key in sorted(self._buckets[Bucket]) if key.startswith(Prefix)]}
