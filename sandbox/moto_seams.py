"""Every touch of moto's internals, verified against ``MOTO_VERSION`` by ``tests/integration/test_sandbox_seams.py``.

``mended`` corrects what moto does otherwise than AWS and what costs the size of a table or queue; the functions below
it let the pump look into queues and streams without an API call. Nothing else in ``sandbox`` imports moto's parts.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from itertools import chain
from typing import Any
from unittest.mock import patch

from aftercare.kernel.ports import Clock
from sandbox.intrinsics import ACCOUNT, REGION
from sandbox.services import EPOCH, Record

MOTO_VERSION = "5.2.5"
MILLISECOND = timedelta(milliseconds=1)


@contextmanager
def mended(clock: Clock, seed: int) -> Iterator[None]:
    """moto under this clock, with ids that follow from the seed, and with the mends below; only inside ``mock_aws``."""
    from moto.moto_api._internal import mock_random

    mock_random.seed(seed)
    with ExitStack() as stack:
        for mend in (_virtual_time(clock), _events(), _streams(), _transactions(), _queries(), _dispatch()):
            stack.enter_context(mend)
        yield


# ---------------------------------------------------------------- mends


@contextmanager
def _virtual_time(clock: Clock) -> Iterator[None]:
    """Queues, events and streams run on the clock; a message is visible at the very millisecond its time-out ends.

    moto's own test is strict, so that a jump to exactly that moment would find nothing.
    """
    from moto.core import utils
    from moto.dynamodb.models import table
    from moto.sqs.models import Message, SQSBackend

    def now() -> datetime:
        return clock.now().replace(tzinfo=None)

    def visible(message: Message) -> bool:
        return _milliseconds(clock.now()) >= round(message.visible_at)

    def delayed(message: Message) -> bool:
        return _milliseconds(clock.now()) < round(message.delayed_until)

    def is_kept(backend: SQSBackend, queue_name: str, message: Message) -> bool:
        # moto computes all attributes of the queue for this, and with them counts its messages three times
        queue: Any = backend.queues[queue_name]
        return not _expired(message, queue.message_retention_period, clock)

    with (
        patch.object(utils, "utcnow", now),
        patch.object(table, "utcnow", now),
        patch.object(Message, "visible", property(visible)),
        patch.object(Message, "delayed", property(delayed)),
        patch.object(SQSBackend, "is_message_valid_based_on_retention_period", is_kept),
    ):
        yield


@contextmanager
def _events() -> Iterator[None]:
    """A target without an input transformer gets the event itself.

    moto writes it into a text template and parses that again: slow, and a ``<id>`` in a buyer's words is replaced.
    """
    from moto.events.utils import EventTemplateParser

    original = EventTemplateParser.parse

    def parse(input_template: str, input_paths_map: dict[str, Any], event: Any) -> dict[str, Any]:
        if input_template:
            return dict(original(input_template, input_paths_map, event))
        return {name: value for name, value in event.items() if name != "ingestion-time"}

    with patch.object(EventTemplateParser, "parse", staticmethod(parse)):
        yield


@contextmanager
def _streams() -> Iterator[None]:
    """A write that changes nothing leaves no record, and an update that creates an item leaves one, as on AWS."""
    from moto.dynamodb.models import DynamoDBBackend
    from moto.dynamodb.models.table import StreamShard

    original_add, original_update = StreamShard.add, DynamoDBBackend.update_item

    def add(shard: Any, old: Any, new: Any) -> None:
        if old is None or new is None or old.to_json() != new.to_json():
            original_add(shard, old, new)

    def update_item(backend: Any, table_name: str, *arguments: Any, **named: Any) -> Any:
        shard = backend.get_table(table_name).stream_shard
        before = 0 if shard is None else len(shard.items)
        item = original_update(backend, table_name, *arguments, **named)
        if shard is not None and len(shard.items) - before > 1:
            # the first of the two shows the bare key that moto puts before it updates
            bare = shard.items.pop(before)
            shard.items[before].record["dynamodb"]["SequenceNumber"] = bare.record["dynamodb"]["SequenceNumber"]
        return item

    with patch.object(StreamShard, "add", add), patch.object(DynamoDBBackend, "update_item", update_item):
        yield


@contextmanager
def _transactions() -> Iterator[None]:
    """A transaction keeps a copy of the items it names, not of whole tables, and puts them back when cancelled."""
    from moto.dynamodb.models import DynamoDBBackend
    from moto.dynamodb.models.table import Table

    original = DynamoDBBackend.transact_write_items

    def transact_write_items(backend: Any, transact_items: list[dict[str, Any]]) -> None:
        restore = [_remember(backend, action) for item in transact_items for action in item.values()]
        # moto copies every table that an action names before it begins, and that is all it copies tables for
        with patch.object(Table, "__deepcopy__", lambda table, _memo: table, create=True):
            try:
                original(backend, transact_items)
            except BaseException:
                for put_back in restore:
                    put_back()
                raise

    with patch.object(DynamoDBBackend, "transact_write_items", transact_write_items):
        yield


def _remember(backend: Any, action: Mapping[str, Any]) -> Callable[[], None]:
    """What puts the item that an action names, and its table's stream, back as they are now."""
    from moto.dynamodb.models.dynamo_type import DynamoType

    table = backend.tables.get(action.get("TableName"))
    keyed = action.get("Key") or action.get("Item") or {}
    if table is None or any(name not in keyed for name in table.table_key_attrs):
        return lambda: None  # moto refuses the action
    hash_key = DynamoType(keyed[table.hash_key_attr])
    range_key = None if table.range_key_attr is None else DynamoType(keyed[table.range_key_attr])
    place = table.items if range_key is None else table.items[hash_key]
    key = hash_key if range_key is None else range_key
    item = copy.deepcopy(place.get(key))
    shard, records = table.stream_shard, 0 if table.stream_shard is None else len(table.stream_shard.items)

    def put_back() -> None:
        if item is None:
            place.pop(key, None)
        else:
            place[key] = item
        if shard is not None:
            del shard.items[records:]

    return put_back


@contextmanager
def _queries() -> Iterator[None]:
    """A query sorts and compares only the items that it can find, not the whole table."""
    from moto.dynamodb.models.table import Table

    original = Table.query

    def query(table: Any, hash_key: Any, *arguments: Any, **named: Any) -> Any:
        indexes = {index.name: index for index in table.all_indexes()}
        index = indexes.get(arguments[6])
        if index is None:
            found = table.items.get(hash_key, {})
            candidates = list(found.values()) if table.has_range_key else [found] if found else []
        else:
            ((hash_name, hash_value), *more) = named["hash_key_conditions"]
            conditions = [*((name, "=", [value]) for name, value in more), *named["range_key_conditions"]]
            candidates = [item for item in _indexed(table, index, hash_name, hash_value) if _meets(item, conditions)]
        with patch.object(table, "all_items", lambda: candidates):
            return original(table, hash_key, *arguments, **named)

    with patch.object(Table, "query", query):
        yield


def _indexed(table: Any, index: Any, hash_name: str, hash_value: Any) -> Iterator[Any]:
    """The items of one hash of an index, told apart without the calls of moto's own comparison for every item."""
    names, wanted = index.schema_key_attrs, (hash_value.type, hash_value.value)
    for item in _items(table):
        found = item.attrs.get(hash_name)
        if found is not None and (found.type, found.value) == wanted and all(name in item.attrs for name in names):
            yield item


def _meets(item: Any, conditions: Sequence[tuple[str, str, Sequence[Any]]]) -> bool:
    return all(item.attrs[name].compare(comparison, values) for name, comparison, values in conditions)


@contextmanager
def _dispatch() -> Iterator[None]:
    """moto inspects the class of a service and spells out names letter by letter at every call; once is enough."""
    from moto.core import utils

    spelled = cache(utils.camelcase_to_underscores)
    with (
        patch("moto.core.responses.method_names_from_class", cache(utils.method_names_from_class)),
        patch("moto.core.responses.camelcase_to_underscores", spelled),
        patch("moto.sqs.models.camelcase_to_underscores", spelled),
    ):
        yield


def _items(table: Any) -> Iterable[Any]:
    by_hash: Mapping[Any, Any] = table.items
    return (
        chain.from_iterable(found.values() for found in by_hash.values()) if table.has_range_key else by_hash.values()
    )


# ---------------------------------------------------------------- queues


def has_visible(queue_name: str, clock: Clock) -> bool:
    """Whether a receive would find something now. Drops what is past the queue's retention, as SQS does."""
    queue = _queue(queue_name)
    retained = queue.message_retention_period
    if any(_expired(message, retained, clock) for message in queue._messages):
        queue._messages = [message for message in queue._messages if not _expired(message, retained, clock)]
    return any(message.visible and not message.delayed for message in queue._messages)


def next_visible(queue_name: str) -> datetime | None:
    """When the first message of the queue is or becomes visible; None for an empty queue."""
    moments = [max(message.visible_at, message.delayed_until) for message in _queue(queue_name)._messages]
    return EPOCH + round(min(moments)) * MILLISECOND if moments else None


def receive(queue_name: str, limit: int) -> list[Record]:
    """Up to ``limit`` visible messages as records of a Lambda event; what was received too often is moved away."""
    from moto.sqs.models import sqs_backends

    queue = _queue(queue_name)
    messages = sqs_backends[ACCOUNT][REGION].receive_message(
        queue_name, limit, 0, queue.visibility_timeout, message_attribute_names=["All"]
    )
    return [_queue_record(message, queue.queue_arn) for message in messages]


def delete(queue_name: str, receipt_handles: Sequence[str]) -> None:
    from moto.sqs.exceptions import ReceiptHandleIsInvalid

    for receipt_handle in receipt_handles:
        # AWS takes the handle of a message that was moved away meanwhile, and deletes nothing
        with suppress(ReceiptHandleIsInvalid):
            _queue(queue_name).delete_message(receipt_handle)


def bodies(queue_name: str) -> list[str]:
    """The bodies of all messages in the queue, visible or not, in the order of their arrival."""
    return [message.body for message in _queue(queue_name)._messages]


def _queue(queue_name: str) -> Any:
    from moto.sqs.models import sqs_backends

    return sqs_backends[ACCOUNT][REGION].queues[queue_name]


def _queue_record(message: Any, queue_arn: str) -> Record:
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.approximate_receive_count),
            "SentTimestamp": str(message.sent_timestamp),
            "SenderId": message.sender_id,
            "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
        },
        "messageAttributes": {
            name: {
                "stringValue": attribute.get("StringValue"),
                "binaryValue": attribute.get("BinaryValue"),
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": attribute["DataType"],
            }
            for name, attribute in message.message_attributes.items()
        },
        "md5OfBody": message.body_md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    }


def _expired(message: Any, retained_seconds: int, clock: Clock) -> bool:
    return bool(message.sent_timestamp + retained_seconds * 1000 <= _milliseconds(clock.now()))


# ---------------------------------------------------------------- streams


def stream_records(table_name: str, start: int, stream_arn: str) -> list[Record]:
    """The records of a table's stream from the ``start``-th on, as Lambda hands them to a function.

    moto leaves out the stream's ARN, gives a datetime where Lambda gives seconds, and always names one region.
    """
    from moto.dynamodb.models import dynamodb_backends

    shard = dynamodb_backends[ACCOUNT][REGION].tables[table_name].stream_shard
    return [] if shard is None else [_stream_record(item.record, stream_arn) for item in shard.items[start:]]


def _stream_record(record: Record, stream_arn: str) -> Record:
    created: datetime = record["dynamodb"]["ApproximateCreationDateTime"].replace(tzinfo=UTC)
    dynamodb = record["dynamodb"] | {"ApproximateCreationDateTime": (created - EPOCH) // timedelta(seconds=1)}
    return record | {"awsRegion": REGION, "eventSourceARN": stream_arn, "dynamodb": dynamodb}


def matches(pattern: str, record: Record) -> bool:
    """Whether a record passes an event pattern (JSON), by the rules that EventBridge and Lambda's filters share."""
    matcher = _pattern(pattern)
    # moto would copy the whole record through JSON and take it apart, for the two or three fields of a pattern
    asked_for = _part_named_by(matcher._pattern, record)
    return bool(matcher._does_event_match(matcher._flatten_dict(asked_for), matcher._pattern))


def _part_named_by(pattern: Any, record: Any) -> Any:
    if not isinstance(pattern, dict) or not isinstance(record, dict) or "$or" in pattern:
        return record
    return {name: _part_named_by(inner, record[name]) for name, inner in pattern.items() if name in record}


@lru_cache(maxsize=64)
def _pattern(pattern: str) -> Any:
    from moto.events.models import EventPattern

    return EventPattern.load(pattern)


def _milliseconds(moment: datetime) -> int:
    return (moment - EPOCH) // MILLISECOND
