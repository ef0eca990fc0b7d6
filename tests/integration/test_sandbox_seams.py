"""Each place where the offline cloud reaches into moto: what it needs of moto's inner parts still holds."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import moto
import pytest
from botocore.exceptions import ClientError
from fixtures.sandbox.small_system import START, small_system

from sandbox import moto_seams
from sandbox.cloud import Sandbox

OUTBOX = '{"dynamodb": {"NewImage": {"outbox": {"S": [{"exists": true}]}}}}'


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with small_system() as sandbox:
        yield sandbox


@pytest.fixture
def dynamodb(sandbox: Sandbox) -> Any:
    return sandbox.client("dynamodb")


@pytest.fixture
def table(sandbox: Sandbox) -> str:
    return sandbox.table_name("Parcels")


def item(parcel: str, **attributes: str) -> dict[str, Any]:
    return {"pk": {"S": parcel}, "sk": {"S": "parcel"}, **{name: {"S": value} for name, value in attributes.items()}}


def key(parcel: str) -> dict[str, Any]:
    return item(parcel)


def stream(table: str) -> list[dict[str, Any]]:
    return moto_seams.stream_records(table, 0, "arn:stream")


def test_moto_is_the_version_that_the_seams_were_verified_against() -> None:
    assert moto.__version__ == moto_seams.MOTO_VERSION


# ---------------------------------------------------------------- time


def test_a_message_is_visible_again_exactly_when_its_time_out_ends(sandbox: Sandbox) -> None:
    queue = sandbox.template.queues["Facts"].name
    sandbox.client("sqs").send_message(QueueUrl=sandbox.queue_url("Facts"), MessageBody="x")
    assert len(moto_seams.receive(queue, 10)) == 1
    assert moto_seams.next_visible(queue) == START + timedelta(seconds=180)
    sandbox.clock.advance(timedelta(seconds=179.999))
    assert not moto_seams.has_visible(queue, sandbox.clock)
    sandbox.clock.advance(timedelta(milliseconds=1))
    assert moto_seams.has_visible(queue, sandbox.clock)
    assert len(moto_seams.receive(queue, 10)) == 1


def test_a_moment_with_microseconds_is_not_missed(sandbox: Sandbox) -> None:
    queue = sandbox.template.queues["Facts"].name
    sandbox.clock.advance(timedelta(microseconds=123_457))
    sandbox.client("sqs").send_message(QueueUrl=sandbox.queue_url("Facts"), MessageBody="x")
    moto_seams.receive(queue, 10)
    again = moto_seams.next_visible(queue)
    assert again is not None
    sandbox.clock.advance_to(again)
    assert moto_seams.has_visible(queue, sandbox.clock)


def test_a_delayed_message_waits_on_the_virtual_clock(sandbox: Sandbox) -> None:
    queue = sandbox.template.queues["Facts"].name
    sandbox.client("sqs").send_message(QueueUrl=sandbox.queue_url("Facts"), MessageBody="x", DelaySeconds=60)
    assert not moto_seams.has_visible(queue, sandbox.clock)
    assert moto_seams.next_visible(queue) == START + timedelta(seconds=60)
    sandbox.clock.advance(timedelta(seconds=60))
    assert moto_seams.has_visible(queue, sandbox.clock)


def test_a_message_past_its_queue_s_retention_is_gone(sandbox: Sandbox) -> None:
    queue = sandbox.template.queues["Facts"].name
    sandbox.client("sqs").send_message(QueueUrl=sandbox.queue_url("Facts"), MessageBody="x")
    sandbox.clock.advance(timedelta(days=4) - timedelta(milliseconds=1))
    assert moto_seams.has_visible(queue, sandbox.clock)
    sandbox.clock.advance(timedelta(milliseconds=1))
    assert not moto_seams.has_visible(queue, sandbox.clock)
    assert moto_seams.next_visible(queue) is None


# ---------------------------------------------------------------- queues


def test_a_received_message_looks_as_lambda_hands_it_on(sandbox: Sandbox) -> None:
    queue = sandbox.template.queues["Facts"]
    sandbox.client("sqs").send_message(
        QueueUrl=queue.url,
        MessageBody="körper",
        MessageAttributes={"kind": {"DataType": "String", "StringValue": "raw"}},
    )
    (record,) = moto_seams.receive(queue.name, 10)
    assert record["body"] == "körper"
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["attributes"]["SentTimestamp"] == str(int(START.timestamp() * 1000))
    assert record["messageAttributes"]["kind"]["stringValue"] == "raw"
    assert (record["eventSource"], record["eventSourceARN"]) == ("aws:sqs", queue.arn)


def test_a_deleted_message_does_not_come_back(sandbox: Sandbox) -> None:
    queue = sandbox.template.queues["Facts"]
    sandbox.client("sqs").send_message(QueueUrl=queue.url, MessageBody="x")
    (record,) = moto_seams.receive(queue.name, 10)
    assert moto_seams.bodies(queue.name) == ["x"]
    moto_seams.delete(queue.name, [record["receiptHandle"]])
    assert moto_seams.bodies(queue.name) == []


# ---------------------------------------------------------------- events


def test_an_event_reaches_its_queue_unharmed(sandbox: Sandbox) -> None:
    detail = {"id": "p", "words": '<id> <detail> "quoted" \\ 你好'}
    entry = {"Source": "test.door", "DetailType": "ParcelSeen", "Detail": json.dumps(detail)}
    sandbox.client("events").put_events(Entries=[entry | {"EventBusName": "parcels-test"}])
    (record,) = moto_seams.receive(sandbox.template.queues["Facts"].name, 10)
    event = json.loads(record["body"])
    assert event.pop("id")
    assert event == {
        "version": "0",
        "detail-type": "ParcelSeen",
        "source": "test.door",
        "account": "123456789012",
        "time": "2026-11-02T08:00:00Z",
        "region": "eu-central-1",
        "resources": [],
        "detail": detail,
    }


def test_an_input_transformer_still_transforms(sandbox: Sandbox, tmp_path: Path) -> None:
    target = {
        "Id": "queue",
        "Arn": sandbox.template.queues["Facts"].arn,
        "InputTransformer": {"InputPathsMap": {"parcel": "$.detail.id"}, "InputTemplate": '{"only": "<parcel>"}'},
    }
    rule = sandbox.template.rules["FactsRule"]
    sandbox.client("events").put_targets(Rule=rule.name, EventBusName=rule.bus, Targets=[target])
    entry = {"EventBusName": rule.bus, "Source": "test.door", "DetailType": "ParcelSeen", "Detail": '{"id": "p"}'}
    sandbox.client("events").put_events(Entries=[entry])
    assert sandbox.waiting("Facts") == ['{"only": "p"}']


@pytest.mark.parametrize(
    "pattern",
    [
        {},
        {"a": [1]},
        {"a": {"b": ["x", "y"]}},
        {"a": {"b": [{"prefix": "x"}], "c": [{"exists": False}]}},
        {"a": [{"exists": True}]},
        {"a": [{"exists": False}]},
        {"a": {"b": [{"anything-but": ["x"]}]}},
        {"$or": [{"a": [1]}, {"z": {"b": ["x"]}}]},
        {"z": [None], "$or": [{"a": {"b": ["x"]}}, {"a": {"c": [3]}}]},
    ],
)
def test_a_pattern_matches_what_moto_itself_says(pattern: dict[str, Any]) -> None:
    from moto.events.models import EventPattern

    text = json.dumps(pattern)
    values: list[Any] = [1, "x", "xy", None, {}, [], ["x", 1], {"b": "x"}, {"b": "y", "c": 3}, {"b": {"d": 1}}]
    for record in ({"a": one, "z": other} for one in values for other in values):
        assert moto_seams.matches(text, record) == EventPattern.load(text).matches_event(record)
    assert moto_seams.matches(text, {}) == EventPattern.load(text).matches_event({})


def test_a_filter_pattern_tells_records_apart() -> None:
    assert moto_seams.matches(OUTBOX, {"dynamodb": {"NewImage": {"outbox": {"S": "[]"}}}})
    assert not moto_seams.matches(OUTBOX, {"dynamodb": {"NewImage": {"state": {"S": "{}"}}}})
    assert not moto_seams.matches(OUTBOX, {"dynamodb": {}})
    names = '{"eventName": ["INSERT", "MODIFY"]}'
    assert moto_seams.matches(names, {"eventName": "MODIFY"})
    assert not moto_seams.matches(names, {"eventName": "REMOVE"})


# ---------------------------------------------------------------- streams


def test_a_stream_record_looks_as_lambda_hands_it_on(dynamodb: Any, table: str) -> None:
    dynamodb.put_item(TableName=table, Item=item("a", state="1"))
    (record,) = stream(table)
    assert (record["eventName"], record["eventSource"]) == ("INSERT", "aws:dynamodb")
    assert (record["awsRegion"], record["eventSourceARN"]) == ("eu-central-1", "arn:stream")
    assert record["dynamodb"]["ApproximateCreationDateTime"] == int(START.timestamp())
    assert record["dynamodb"]["NewImage"] == item("a", state="1")
    assert record["dynamodb"]["Keys"] == key("a")


def test_a_write_that_changes_nothing_leaves_no_record(dynamodb: Any, table: str) -> None:
    dynamodb.put_item(TableName=table, Item=item("a", state="1"))
    dynamodb.put_item(TableName=table, Item=item("a", state="1"))
    dynamodb.put_item(TableName=table, Item=item("a", state="2"))
    dynamodb.delete_item(TableName=table, Key=key("a"))
    assert [record["eventName"] for record in stream(table)] == ["INSERT", "MODIFY", "REMOVE"]


def test_an_update_that_creates_an_item_leaves_one_record(dynamodb: Any, table: str) -> None:
    for parcel in ("a", "b"):
        dynamodb.update_item(
            TableName=table,
            Key=key(parcel),
            UpdateExpression="ADD counted :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
    records = stream(table)
    assert [record["dynamodb"]["NewImage"]["counted"]["N"] for record in records] == ["1", "1"]
    assert [record["eventName"] for record in records] == ["INSERT", "INSERT"]
    first, second = (int(record["dynamodb"]["SequenceNumber"]) for record in records)
    assert second == first + 1


# ---------------------------------------------------------------- transactions and queries


def put(table: str, parcel: str, **attributes: str) -> dict[str, Any]:
    return {"Put": {"TableName": table, "Item": item(parcel, **attributes)}}


def refused(table: str, parcel: str) -> dict[str, Any]:
    return {
        "Put": {
            "TableName": table,
            "Item": item(parcel, state="refused"),
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }


def everything(dynamodb: Any, table: str) -> dict[str, Any]:
    return {found["pk"]["S"]: found for found in dynamodb.scan(TableName=table)["Items"]}


def test_a_cancelled_transaction_leaves_no_trace(dynamodb: Any, table: str) -> None:
    for parcel in ("standing", "updated", "deleted"):
        dynamodb.put_item(TableName=table, Item=item(parcel, state="before"))
    before, records = everything(dynamodb, table), stream(table)
    update = {
        "TableName": table,
        "Key": key("updated"),
        "UpdateExpression": "SET #state = :new",
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {":new": {"S": "after"}},
    }
    with pytest.raises(ClientError) as cancelled:
        dynamodb.transact_write_items(
            TransactItems=[
                put(table, "new", state="after"),
                {"Update": update},
                {"Delete": {"TableName": table, "Key": key("deleted")}},
                refused(table, "standing"),
            ]
        )
    assert everything(dynamodb, table) == before
    assert stream(table) == records
    reasons: Any = cancelled.value.response["CancellationReasons"]  # type: ignore[typeddict-item]
    assert [reason["Code"] for reason in reasons] == ["None", "None", "None", "ConditionalCheckFailed"]
    assert reasons[3]["Item"] == item("standing", state="before")
    dynamodb.put_item(TableName=table, Item=item("standing", state="later"))
    assert len(stream(table)) == len(records) + 1


def test_a_transaction_that_names_an_item_twice_is_refused_without_trace(dynamodb: Any, table: str) -> None:
    with pytest.raises(ClientError, match="multiple operations"):
        dynamodb.transact_write_items(TransactItems=[put(table, "a", state="1"), put(table, "a", state="2")])
    assert everything(dynamodb, table) == {}
    assert stream(table) == []


def test_a_carried_out_transaction_stands_with_its_records(dynamodb: Any, table: str) -> None:
    dynamodb.transact_write_items(TransactItems=[put(table, "a", state="1"), put(table, "b", state="1")])
    assert everything(dynamodb, table).keys() == {"a", "b"}
    assert len(stream(table)) == 2


def test_a_query_finds_one_hash_in_order_and_in_pages(dynamodb: Any, table: str) -> None:
    for parcel in ("a", "b"):
        for sort in ("3", "1", "2"):
            dynamodb.put_item(TableName=table, Item=item(parcel) | {"sk": {"S": sort}})
    asked = {
        "TableName": table,
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": "a"}},
        "Limit": 2,
    }
    first = dynamodb.query(**asked)
    second = dynamodb.query(**asked, ExclusiveStartKey=first["LastEvaluatedKey"])
    assert [found["sk"]["S"] for found in first["Items"] + second["Items"]] == ["1", "2", "3"]
    backwards = dynamodb.query(**asked | {"ScanIndexForward": False, "Limit": 10})
    assert [found["sk"]["S"] for found in backwards["Items"]] == ["3", "2", "1"]
    nothing = dynamodb.query(**asked | {"ExpressionAttributeValues": {":pk": {"S": "absent"}}})
    assert nothing["Items"] == []


def test_a_sparse_index_holds_only_the_items_that_have_its_key(dynamodb: Any, table: str) -> None:
    for number in range(6):
        armed = {"due_shard": "0", "due_at": f"2026-11-0{9 - number}"} if number % 2 else {"due_shard": "0"}
        dynamodb.put_item(TableName=table, Item=item(f"p{number}", state="x", **armed))
    found = dynamodb.query(
        TableName=table,
        IndexName="due",
        KeyConditionExpression="due_shard = :shard AND due_at <= :now",
        ExpressionAttributeValues={":shard": {"S": "0"}, ":now": {"S": "2026-11-06"}},
    )["Items"]
    assert [entry["pk"]["S"] for entry in found] == ["p5", "p3"]
    assert all(entry.keys() == {"pk", "sk", "due_shard", "due_at"} for entry in found)


def test_an_unknown_index_is_still_an_error(dynamodb: Any, table: str) -> None:
    with pytest.raises(ClientError, match="nobody"):
        dynamodb.query(
            TableName=table,
            IndexName="nobody",
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": "a"}},
        )


def test_a_table_without_a_range_key_is_queried_and_restored_too(dynamodb: Any) -> None:
    dynamodb.create_table(
        TableName="flat",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    flat = {"Put": {"TableName": "flat", "Item": {"pk": {"S": "a"}}, "ConditionExpression": "attribute_not_exists(pk)"}}
    dynamodb.transact_write_items(TransactItems=[flat])
    with pytest.raises(ClientError, match="TransactionCanceled"):
        dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": "flat", "Item": {"pk": {"S": "b"}}}}, flat])
    asked = {"TableName": "flat", "KeyConditionExpression": "pk = :pk"}
    assert dynamodb.query(**asked, ExpressionAttributeValues={":pk": {"S": "a"}})["Count"] == 1
    assert dynamodb.query(**asked, ExpressionAttributeValues={":pk": {"S": "b"}})["Count"] == 0


def test_calls_do_not_cost_the_size_of_the_table(dynamodb: Any, table: str) -> None:
    def seconds() -> float:
        begin = time.process_time()
        for number in range(3):
            dynamodb.transact_write_items(
                TransactItems=[put(table, f"new{number}", state="1"), put(table, f"newer{number}", state="1")]
            )
            dynamodb.query(
                TableName=table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": "a"}},
            )
        return time.process_time() - begin

    dynamodb.put_item(TableName=table, Item=item("a", state="1"))
    seconds()
    small = seconds()
    crowd = [{"PutRequest": {"Item": item(f"crowd{number}", state="1")}} for number in range(1000)]
    for start in range(0, len(crowd), 25):
        dynamodb.batch_write_item(RequestItems={table: crowd[start : start + 25]})
    # plain moto takes some thirty times as long here
    assert seconds() < 5 * small
