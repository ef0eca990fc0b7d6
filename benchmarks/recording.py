"""What the functions asked of AWS in the offline cloud: every call with its answer and what it costs in units."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aftercare.kernel.ports import Http, HttpReply
from aftercare.kernel.records import DUE_SHARD
from aftercare.kernel.table import PARTITION, SORT
from aftercare.kernel.times import local_day
from aftercare.scores.store import ROWS, read_rows
from benchmarks.units import KeysOnlyIndex, WireItem, query_units, read_units, write_units
from sandbox.cloud import Sandbox
from sandbox.resources import Table

SERVICES = ("dynamodb", "events", "sqs", "secretsmanager")
SECRETS = "secretsmanager"
WRITING = {"PutItem": "Item", "UpdateItem": "Key", "DeleteItem": "Key"}
"""The operations that write one item, and the parameter that holds its key."""
ACTIONS = {"Put": "Item", "Update": "Key", "Delete": "Key", "ConditionCheck": "Key"}
"""The same inside a transaction."""


@dataclass
class Exchange:
    """One call to AWS: its parameters as the SDK takes them, and the answer as it came over the wire."""

    service: str
    operation: str
    parameters: Mapping[str, Any]
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    write_units: int = 0
    read_units: float = 0
    timer_units: int = 0
    """Those of the write units that the due index took."""


@dataclass
class Heard:
    """One invocation: what a function heard at which moment, and whom it called."""

    function: str
    event: Mapping[str, Any]
    at: datetime
    exchanges: list[Exchange] = field(default_factory=list)
    replies: list[HttpReply] = field(default_factory=list)

    @property
    def calls(self) -> list[Exchange]:
        """The calls that every invocation pays for: a secret is read once in five minutes, so it is left out."""
        return [exchange for exchange in self.exchanges if exchange.service != SECRETS]

    @property
    def names(self) -> list[str]:
        """What it heard, in the words of the written minimum: one name for every message of a batch.

        The relay's batch is one thing however many records it has: they go out in one call. What records add to days
        is one thing a row, and one more for each day that is over.
        """
        if "requestContext" in self.event:
            is_delivery = "door" in self.event["pathParameters"]
            return ["delivery" if is_delivery else self.event["requestContext"]["http"]["method"]]
        if "Records" not in self.event:
            return ["schedule"]
        if "dynamodb" in self.event["Records"][0]:
            images = [record["dynamodb"]["NewImage"] for record in self.event["Records"]]
            return [name for image in images for name in self._row_names(image)] or ["outboxes"]
        return [_message_name(json.loads(record["body"])) for record in self.event["Records"]]

    def _row_names(self, image: WireItem) -> list[str]:
        if ROWS not in image:
            return []
        rows, today = read_rows(image[ROWS]["S"]), local_day(self.at, image["zone"]["S"])
        return ["row"] * len(rows) + ["late day"] * len({row.day for row in rows if row.day < today})

    @property
    def messages(self) -> int:
        """How many messages of a queue came with it."""
        return sum("body" in record for record in self.event.get("Records", ()))

    def operations(self) -> str:
        counted = Counter(exchange.operation for exchange in self.calls)
        return ", ".join(name if times == 1 else f"{times} {name}" for name, times in counted.items())


class Recorder:
    """Listens to a sandbox's functions from the moment it is attached."""

    def __init__(self, sandbox: Sandbox) -> None:
        import boto3

        self._sandbox = sandbox
        self._heard: dict[int, Heard] = {}
        self._images: dict[tuple[str, str, str], WireItem | None] = {}
        self._exchange: Exchange | None = None
        # not one of the sandbox's clients: what it asks is nobody's call
        self._eye = boto3.client("dynamodb")
        self._indexes = {table.name: indexes_of(table) for table in sandbox.template.tables.values()}
        for service in SERVICES:
            events = sandbox.client(service).meta.events
            events.register("provide-client-params", self._called)
            events.register("after-call", self._answered)

    @property
    def heard(self) -> list[Heard]:
        """Every invocation since, in its order."""
        invocations = self._sandbox.invocations
        for number in range(len(self._heard), len(invocations)):
            self._at(number)
        return [self._heard[number] for number in range(len(invocations))]

    def recording(self, http: Http) -> Http:
        """The marketplace, with every reply kept for the invocation that asked."""
        return _RecordedHttp(http, self)

    def replied(self, reply: HttpReply) -> None:
        self._at(len(self._sandbox.invocations) - 1).replies.append(reply)

    def _at(self, number: int) -> Heard:
        if number not in self._heard:
            invocation = self._sandbox.invocations[number]
            self._heard[number] = Heard(invocation.function, invocation.event, invocation.started_at)
        return self._heard[number]

    def _called(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        self._exchange = Exchange(model.service_model.service_name, model.name, copy.deepcopy(params))
        self._images = self._look_at(written_keys(self._exchange))

    def _answered(self, http_response: Any, parsed: Mapping[str, Any], **_: Any) -> None:
        exchange = self._exchange
        if exchange is None:
            raise RuntimeError("an answer without a call")
        exchange.status, exchange.body = http_response.status_code, http_response.content
        exchange.headers = dict(http_response.headers)
        exchange.write_units, exchange.timer_units = self._write_units(exchange)
        exchange.read_units = units_read(exchange, parsed)
        self._at(len(self._sandbox.invocations) - 1).exchanges.append(exchange)

    def _write_units(self, exchange: Exchange) -> tuple[int, int]:
        """All of them, and those of the due index."""
        before, after = self._images, self._look_at(self._images)
        transactional = exchange.operation == "TransactWriteItems"
        units = timers = 0
        for place in before:
            indexes = self._indexes[place[0]]
            units += write_units(before[place], after[place], indexes, transactional=transactional)
            due = (index for index in indexes if DUE_SHARD in index.attributes)
            timers += sum(index.write_units(before[place], after[place]) for index in due)
        return units, timers

    def _look_at(self, places: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str, str], WireItem | None]:
        found = {}
        for table, partition, sort in places:
            key = {PARTITION: {"S": partition}, SORT: {"S": sort}}
            item: Any = self._eye.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
            found[table, partition, sort] = item
        return found


@dataclass(frozen=True)
class _RecordedHttp:
    http: Http
    recorder: Recorder

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpReply:
        reply = self.http.request(method, url, headers, body)
        self.recorder.replied(reply)
        return reply


def _message_name(message: Mapping[str, Any]) -> str:
    if "due" in message:
        return "timer"
    if "detail-type" in message:
        return str(message["detail-type"])
    return str(json.loads(message["body"])["type"])


def indexes_of(table: Table) -> Sequence[KeysOnlyIndex]:
    """A table's indexes; raises ``ValueError`` for one that projects more than keys."""
    indexes = []
    own = [part["AttributeName"] for part in table.request["KeySchema"]]
    for index in table.request.get("GlobalSecondaryIndexes", ()):
        if index["Projection"]["ProjectionType"] != "KEYS_ONLY":
            raise ValueError(f"the index {index['IndexName']} projects more than keys: its writes cost more")
        indexes.append(KeysOnlyIndex((*(part["AttributeName"] for part in index["KeySchema"]), *own)))
    return indexes


def written_keys(exchange: Exchange) -> list[tuple[str, str, str]]:
    """Table, partition and sort value of every item that a call writes."""
    if exchange.operation == "TransactWriteItems":
        actions = [next(iter(item.items())) for item in exchange.parameters["TransactItems"]]
        return [_place(action, action[ACTIONS[name]]) for name, action in actions]
    if exchange.operation in WRITING:
        return [_place(exchange.parameters, exchange.parameters[WRITING[exchange.operation]])]
    return []


def units_read(exchange: Exchange, parsed: Mapping[str, Any]) -> float:
    asked = exchange.parameters
    consistent = bool(asked.get("ConsistentRead"))
    if exchange.operation == "GetItem":
        return read_units([parsed.get("Item")], consistent=consistent)
    if exchange.operation == "Query":
        return query_units(parsed.get("Items", ()), consistent=consistent)
    if exchange.operation == "BatchGetItem":
        [(table, wanted)] = asked["RequestItems"].items()
        found = parsed["Responses"].get(table, [])
        absent = [None] * (len(wanted["Keys"]) - len(found))
        return read_units([*found, *absent], consistent=bool(wanted.get("ConsistentRead")))
    return 0


def _place(request: Mapping[str, Any], keyed: WireItem) -> tuple[str, str, str]:
    return request["TableName"], keyed[PARTITION]["S"], keyed[SORT]["S"]
