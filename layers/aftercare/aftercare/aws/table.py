"""``Table`` on DynamoDB, through the low-level client.

The marshalling is our own: items are flat and hold text and integers only, while the SDK's serializer goes through
``Decimal`` and costs several times as much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from aftercare.aws.faults import error_code, transient_faults
from aftercare.kernel.errors import Transient
from aftercare.kernel.table import (
    PARTITION,
    SORT,
    VERSION,
    Absent,
    AtLeast,
    Below,
    Check,
    Condition,
    Delete,
    Increment,
    Item,
    Key,
    Page,
    Put,
    Query,
    Scalar,
    TransactionRefused,
    VersionIs,
    Write,
    WriteRefused,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BATCH_GET_KEYS = 100
# One answer holds 16 MB at most and a hundred items 40 MB, so three rounds bring them all unless the table throttles;
# then the message goes back to its queue, which waits better than a running function does.
BATCH_GET_ROUNDS = 4
CONDITION_FAILED = "ConditionalCheckFailed"
TRANSACTION_CONFLICT = "TransactionConflict"
THROTTLED_REASONS = frozenset({"ThrottlingError", "ProvisionedThroughputExceeded"})
NO_REASON = "None"


class DynamoTable:
    """Implements ``Table`` on one DynamoDB table with the keys ``pk`` and ``sk``.

    The SDK repeats a call whose answer was lost, so a refused ``write`` may be the caller's own write of a moment ago:
    whoever must know compares the version or the owner in ``WriteRefused.existing``. For the same reason a lone
    ``Increment`` may count twice. A transaction of two writes or more never does: the SDK sends it with a token by
    which DynamoDB recognises the repetition.
    """

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self._name = name

    def get(self, key: Key) -> Item | None:
        with transient_faults():
            answer = self._client.get_item(TableName=self._name, Key=_to_wire_key(key), ConsistentRead=True)
        stored = answer.get("Item")
        return None if stored is None else _attributes(stored)

    def get_many(self, keys: Sequence[Key]) -> Mapping[Key, Item]:
        distinct = list(dict.fromkeys(keys))
        found: dict[Key, Item] = {}
        for start in range(0, len(distinct), BATCH_GET_KEYS):
            self._get_batch(distinct[start : start + BATCH_GET_KEYS], found)
        return found

    def _get_batch(self, keys: Sequence[Key], found: dict[Key, Item]) -> None:
        wanted: Any = {self._name: {"Keys": [_to_wire_key(key) for key in keys], "ConsistentRead": True}}
        for _ in range(BATCH_GET_ROUNDS):
            with transient_faults():
                answer = self._client.batch_get_item(RequestItems=wanted)
            found.update((_key(stored), _attributes(stored)) for stored in answer["Responses"].get(self._name, ()))
            wanted = answer.get("UnprocessedKeys")
            if not wanted:
                return
        raise Transient("BatchGetItem: keys stay unprocessed")

    def write(self, write: Write) -> None:
        try:
            with transient_faults():
                match write:
                    case Put():
                        self._client.put_item(**self._put(write))
                    case Increment():
                        self._client.update_item(**self._increment(write))
                    case Delete():
                        self._client.delete_item(**self._guarded(write))
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                raise WriteRefused(write.key, _existing(error.response)) from None
            raise

    def transact(self, writes: Sequence[Write | Check]) -> None:
        if len(writes) == 1 and not isinstance(writes[0], Check):
            # a transaction of one costs twice what the plain write costs
            try:
                self.write(writes[0])
            except WriteRefused as refusal:
                raise TransactionRefused({0: refusal.existing}) from None
            return
        try:
            with transient_faults():
                self._client.transact_write_items(TransactItems=[self._transaction_item(write) for write in writes])
        except ClientError as error:
            if error_code(error) == "TransactionCanceledException":
                _raise_refusal(error)
            raise

    def query(self, query: Query) -> Page:
        """Consistent on the table itself; an index follows the table within moments."""
        if query.lowest > query.highest:
            return Page((), (), None)
        placeholders = _Placeholders()
        request: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": _key_condition(query, placeholders),
            "ScanIndexForward": not query.descending,
            "Limit": query.limit,
        }
        if query.index is None:
            request["ConsistentRead"] = True
        else:
            request["IndexName"] = query.index.name
        if query.after is not None:
            request["ExclusiveStartKey"] = _to_wire(query.after)
        with transient_faults():
            answer = self._client.query(**request, **placeholders.parameters())
        last = answer.get("LastEvaluatedKey")
        return Page(
            keys=tuple(_key(stored) for stored in answer["Items"]),
            items=tuple(_attributes(stored) for stored in answer["Items"]),
            next=None if not last else {name: _from_wire(value) for name, value in last.items()},
        )

    def _transaction_item(self, write: Write | Check) -> Any:
        match write:
            case Put():
                return {"Put": self._put(write)}
            case Increment():
                return {"Update": self._increment(write)}
            case Delete():
                return {"Delete": self._guarded(write)}
            case Check():
                return {"ConditionCheck": self._guarded(write)}

    def _put(self, put: Put) -> dict[str, Any]:
        placeholders = _Placeholders()
        conditions = [_condition(condition, placeholders) for condition in put.conditions]
        return {
            "TableName": self._name,
            "Item": _to_wire(put.attributes) | _to_wire_key(put.key),
            **_guarded_by(conditions),
            **placeholders.parameters(),
        }

    def _increment(self, increment: Increment) -> dict[str, Any]:
        placeholders = _Placeholders()
        name, value = placeholders.name, placeholders.value
        added = [f"{name(attribute)} {value(by)}" for attribute, by in increment.by.items()]
        assigned = [f"{name(attribute)} = {value(new)}" for attribute, new in increment.attributes.items()]
        ceilings = [
            _ceiling_condition(attribute, ceiling - increment.by.get(attribute, 0), placeholders)
            for attribute, ceiling in increment.ceilings.items()
        ]
        update = [f"{verb} {', '.join(parts)}" for verb, parts in (("ADD", added), ("SET", assigned)) if parts]
        return {
            "TableName": self._name,
            "Key": _to_wire_key(increment.key),
            "UpdateExpression": " ".join(update),
            **_guarded_by(ceilings),
            **placeholders.parameters(),
        }

    def _guarded(self, guarded: Delete | Check) -> dict[str, Any]:
        placeholders = _Placeholders()
        conditions = [_condition(condition, placeholders) for condition in guarded.conditions]
        return {
            "TableName": self._name,
            "Key": _to_wire_key(guarded.key),
            **_guarded_by(conditions),
            **placeholders.parameters(),
        }


class _Placeholders:
    """Names and values of an expression stand under placeholders: DynamoDB reserves hundreds of plain words."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, dict[str, str]] = {}

    def name(self, attribute: str) -> str:
        placeholder = f"#n{len(self._names)}"
        self._names[placeholder] = attribute
        return placeholder

    def value(self, value: Scalar) -> str:
        placeholder = f":v{len(self._values)}"
        self._values[placeholder] = _to_wire_value(value)
        return placeholder

    def parameters(self) -> dict[str, Any]:
        """What the call takes beside its expressions; DynamoDB refuses empty maps."""
        parameters: dict[str, Any] = {}
        if self._names:
            parameters["ExpressionAttributeNames"] = self._names
        if self._values:
            parameters["ExpressionAttributeValues"] = self._values
        return parameters


def _condition(condition: Condition, placeholders: _Placeholders) -> str:
    match condition:
        case Absent():
            return f"attribute_not_exists({PARTITION})"
        case VersionIs(version):
            return f"{placeholders.name(VERSION)} = {placeholders.value(version)}"
        case AtLeast(attribute, minimum):
            return f"{placeholders.name(attribute)} >= {placeholders.value(minimum)}"
        case Below(attribute, limit):
            below = f"{placeholders.name(attribute)} < {placeholders.value(limit)}"
            return f"(attribute_not_exists({PARTITION}) OR {below})"


def _ceiling_condition(attribute: str, highest_before: int, placeholders: _Placeholders) -> str:
    """Holds where the counter is at most ``highest_before``; an absent counter is 0."""
    name = placeholders.name(attribute)
    at_most = f"{name} <= {placeholders.value(highest_before)}"
    # a comparison with an absent attribute is false, which is right where not even 0 is low enough
    return at_most if highest_before < 0 else f"(attribute_not_exists({name}) OR {at_most})"


def _guarded_by(conditions: Sequence[str]) -> dict[str, str]:
    if not conditions:
        return {}
    return {
        "ConditionExpression": " AND ".join(conditions),
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _key_condition(query: Query, placeholders: _Placeholders) -> str:
    partition, sort = (PARTITION, SORT) if query.index is None else (query.index.partition, query.index.sort)
    same_partition = f"{placeholders.name(partition)} = {placeholders.value(query.partition)}"
    sort_name, highest = placeholders.name(sort), placeholders.value(query.highest)
    if not query.lowest:
        # DynamoDB refuses empty text as the bound of a key
        return f"{same_partition} AND {sort_name} <= {highest}"
    return f"{same_partition} AND {sort_name} BETWEEN {placeholders.value(query.lowest)} AND {highest}"


def _raise_refusal(error: ClientError) -> None:
    """Raises what the reasons of a cancelled transaction amount to; returns where only the error itself says it."""
    reasons: Sequence[Mapping[str, Any]] = error.response.get("CancellationReasons", ())
    refused = {
        index: _existing(reason) for index, reason in enumerate(reasons) if reason.get("Code") == CONDITION_FAILED
    }
    if refused:
        raise TransactionRefused(refused) from None
    codes = {str(reason.get("Code", NO_REASON)) for reason in reasons} - {NO_REASON}
    if codes == {TRANSACTION_CONFLICT}:
        raise TransactionRefused({}) from None
    if codes and codes <= {TRANSACTION_CONFLICT, *THROTTLED_REASONS}:
        raise Transient(f"TransactWriteItems: {', '.join(sorted(codes))}") from error


def _existing(refusal: Mapping[str, Any]) -> Item | None:
    stored = refusal.get("Item")
    return _attributes(stored) if stored else None


def _to_wire_value(value: Scalar) -> dict[str, str]:
    # the format "d" refuses a float, which str() would let through
    return {"S": value} if isinstance(value, str) else {"N": f"{value:d}"}


def _to_wire(attributes: Mapping[str, Scalar]) -> dict[str, dict[str, str]]:
    return {name: _to_wire_value(value) for name, value in attributes.items()}


def _to_wire_key(key: Key) -> dict[str, dict[str, str]]:
    return {PARTITION: {"S": key.partition}, SORT: {"S": key.sort}}


def _from_wire(value: Mapping[str, Any]) -> Scalar:
    text: str | None = value.get("S")
    return int(value["N"]) if text is None else text


def _key(stored: Mapping[str, Any]) -> Key:
    return Key(stored[PARTITION]["S"], stored[SORT]["S"])


def _attributes(stored: Mapping[str, Any]) -> Item:
    return {name: _from_wire(value) for name, value in stored.items() if name not in (PARTITION, SORT)}
