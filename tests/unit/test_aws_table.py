"""What DynamoDB answers when it is short of breath; the rest is in the contract of all tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from aftercare.aws.table import DynamoTable
from aftercare.kernel.errors import Transient
from aftercare.kernel.table import Absent, Key, Put, TransactionRefused

FIRST, SECOND = Key("ORDER#1", "CASE"), Key("ORDER#1", "CAP")
WRITES = [Put(FIRST, {"a": 1}, (Absent(),)), Put(SECOND, {"a": 2}, (Absent(),))]

Answered = Callable[..., Any]


def wire(key: Key) -> dict[str, Any]:
    return {"pk": {"S": key.partition}, "sk": {"S": key.sort}}


def batch(found: list[Key], unprocessed: list[Key]) -> tuple[int, dict[str, Any]]:
    left = {"t": {"Keys": [wire(key) for key in unprocessed]}} if unprocessed else {}
    return 200, {"Responses": {"t": [wire(key) | {"n": {"N": "1"}} for key in found]}, "UnprocessedKeys": left}


def cancelled(*reasons: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return 400, {"__type": "TransactionCanceledException", "message": "no", "CancellationReasons": list(reasons)}


NOTHING = {"Code": "None"}
CONFLICT = {"Code": "TransactionConflict"}
THROTTLED = {"Code": "ThrottlingError"}
OVERLOADED = {"Code": "ProvisionedThroughputExceeded"}
REFUSED = {"Code": "ConditionalCheckFailed", "Item": wire(SECOND) | {"a": {"N": "7"}}}
INVALID = {"Code": "ValidationError"}


def test_keys_left_unprocessed_are_asked_for_again(answered: Answered) -> None:
    table = DynamoTable(answered("dynamodb", batch([FIRST], [SECOND]), batch([SECOND], [])), "t")
    assert table.get_many([FIRST, SECOND]) == {FIRST: {"n": 1}, SECOND: {"n": 1}}


def test_keys_that_stay_unprocessed_are_no_answer(answered: Answered) -> None:
    table = DynamoTable(answered("dynamodb", batch([], [FIRST])), "t")
    with pytest.raises(Transient):
        table.get_many([FIRST])


def test_a_transaction_that_met_another_is_refused_without_a_culprit(answered: Answered) -> None:
    table = DynamoTable(answered("dynamodb", cancelled(NOTHING, CONFLICT)), "t")
    with pytest.raises(TransactionRefused) as refusal:
        table.transact(WRITES)
    assert refusal.value.refused == {}


def test_a_failed_condition_counts_before_everything_else(answered: Answered) -> None:
    table = DynamoTable(answered("dynamodb", cancelled(CONFLICT, REFUSED)), "t")
    with pytest.raises(TransactionRefused) as refusal:
        table.transact(WRITES)
    assert refusal.value.refused == {1: {"a": 7}}


@pytest.mark.parametrize("reasons", [(THROTTLED, NOTHING), (NOTHING, OVERLOADED), (CONFLICT, THROTTLED)])
def test_a_throttled_transaction_is_transient(answered: Answered, reasons: tuple[dict[str, Any], ...]) -> None:
    table = DynamoTable(answered("dynamodb", cancelled(*reasons)), "t")
    with pytest.raises(Transient):
        table.transact(WRITES)


@pytest.mark.parametrize("reasons", [(INVALID, NOTHING), (INVALID, CONFLICT), ()])
def test_an_impossible_transaction_is_an_error(answered: Answered, reasons: tuple[dict[str, Any], ...]) -> None:
    table = DynamoTable(answered("dynamodb", cancelled(*reasons)), "t")
    with pytest.raises(ClientError):
        table.transact(WRITES)


def test_a_write_that_met_a_transaction_is_transient(answered: Answered) -> None:
    table = DynamoTable(answered("dynamodb", (400, {"__type": "TransactionConflictException", "message": "no"})), "t")
    with pytest.raises(Transient):
        table.write(WRITES[0])


def test_a_float_is_refused_before_anything_is_sent(answered: Answered) -> None:
    table = DynamoTable(answered("dynamodb", (200, {})), "t")
    with pytest.raises(ValueError, match="float"):
        table.write(Put(FIRST, {"minor": cast("int", 12.5)}, ()))
