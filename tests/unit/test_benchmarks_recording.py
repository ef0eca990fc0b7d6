"""Which items a call writes, and what its reads cost."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.recording import Exchange, indexes_of, units_read, written_keys
from benchmarks.units import KeysOnlyIndex
from sandbox.resources import Table
from sandbox.template import read_template

KEY = {"pk": {"S": "A"}, "sk": {"S": "B"}}
PLACE = ("table", "A", "B")


def exchange(operation: str, **parameters: Any) -> Exchange:
    return Exchange("dynamodb", operation, parameters)


@pytest.mark.parametrize(
    "write",
    [
        exchange("PutItem", TableName="table", Item={**KEY, "state": {"S": "x"}}),
        exchange("UpdateItem", TableName="table", Key=KEY),
        exchange("DeleteItem", TableName="table", Key=KEY),
    ],
    ids=lambda write: write.operation,
)
def test_a_single_write_writes_the_item_it_names(write: Exchange) -> None:
    assert written_keys(write) == [PLACE]


def test_a_transaction_writes_every_item_it_names_also_those_it_only_checks() -> None:
    items = [
        {"Put": {"TableName": "table", "Item": KEY}},
        {"Update": {"TableName": "table", "Key": KEY}},
        {"Delete": {"TableName": "table", "Key": KEY}},
        {"ConditionCheck": {"TableName": "table", "Key": KEY}},
    ]
    assert written_keys(exchange("TransactWriteItems", TransactItems=items)) == [PLACE] * 4


def test_reads_write_nothing() -> None:
    assert written_keys(exchange("GetItem", TableName="table", Key=KEY)) == []


def test_keys_that_a_batch_read_does_not_find_cost_too() -> None:
    asked = exchange("BatchGetItem", RequestItems={"table": {"Keys": [KEY, KEY, KEY], "ConsistentRead": True}})
    assert units_read(asked, {"Responses": {"table": [KEY]}}) == 3


def test_a_consistent_read_costs_twice_an_inconsistent_one() -> None:
    assert units_read(exchange("GetItem", Key=KEY, ConsistentRead=True), {"Item": KEY}) == 1
    assert units_read(exchange("Query"), {"Items": [KEY]}) == 0.5


def test_the_indexes_are_those_of_the_template() -> None:
    tables = read_template().tables
    assert KeysOnlyIndex(("due_shard", "due_at", "pk", "sk")) in indexes_of(tables["NegotiationTable"])


def test_an_index_that_projects_more_than_keys_is_refused() -> None:
    wide = {"IndexName": "wide", "Projection": {"ProjectionType": "ALL"}, "KeySchema": []}
    request = {"KeySchema": [], "GlobalSecondaryIndexes": [wide]}
    table = Table("T", "table", "arn", request, time_to_live=None, stream_view=None)
    with pytest.raises(ValueError, match="wide projects more than keys"):
        indexes_of(table)
