"""What every ``Table`` keeps: the one in memory and the one on DynamoDB answer alike."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from aftercare.aws.clients import client
from aftercare.aws.table import DynamoTable
from aftercare.kernel.envelope import EventData
from aftercare.kernel.errors import Conflict
from aftercare.kernel.records import (
    DUE_AT,
    DUE_INDEX,
    DUE_SHARD,
    OUTBOX,
    Change,
    RecordWriter,
    Stored,
    armed_at,
    due_shard,
)
from aftercare.kernel.table import (
    Absent,
    AtLeast,
    Condition,
    Delete,
    Increment,
    Index,
    Item,
    Key,
    Put,
    Query,
    Table,
    TransactionRefused,
    VersionIs,
    WriteRefused,
)
from sandbox.memory_table import MemoryTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE = "orders"
NOON = datetime(2026, 11, 2, 12, 0, 0, tzinfo=UTC)
KEY = Key("ORDER#1", "CASE")
OTHER = Key("ORDER#1", "CAP")
THIRD = Key("ORDER#2", "CASE")


@pytest.fixture(scope="module")
def dynoxide() -> Iterator[DynamoDBClient]:
    """A client of the DynamoDB emulator dynoxide, which is stricter than moto; skips where it is not on the PATH."""
    program = shutil.which("dynoxide")
    if program is None:
        pytest.skip("dynoxide is not installed (npm: @dynoxide/linux-x64)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([program, "serve", "--port", str(port)], stdout=subprocess.DEVNULL) as server:  # noqa: S603
        patient = Config(retries={"mode": "standard", "total_max_attempts": 10})
        yield boto3.client("dynamodb", endpoint_url=f"http://127.0.0.1:{port}", config=patient)
        server.terminate()


@pytest.fixture(params=["memory", "moto", "dynoxide"])
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    match request.param:
        case "memory":
            yield MemoryTable()
        case "moto":
            with mock_aws():
                yield create_table(client("dynamodb"))
        case "dynoxide":
            dynamodb: DynamoDBClient = request.getfixturevalue("dynoxide")
            yield create_table(dynamodb)
            dynamodb.delete_table(TableName=TABLE)


def create_table(dynamodb: DynamoDBClient) -> DynamoTable:
    dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", DUE_SHARD, DUE_AT)
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": DUE_INDEX.name,
                "KeySchema": [
                    {"AttributeName": DUE_SHARD, "KeyType": "HASH"},
                    {"AttributeName": DUE_AT, "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )
    return DynamoTable(dynamodb, TABLE)


def put(key: Key = KEY, conditions: tuple[Condition, ...] = (), **attributes: str | int) -> Put:
    return Put(key, attributes, conditions)


def all_pages(table: Table, query: Query) -> list[Key]:
    """The keys of all pages; a full page may be followed by an empty one."""
    found: list[Key] = []
    while True:
        page = table.query(query)
        assert len(page.keys) == len(page.items) <= query.limit
        found += page.keys
        if page.next is None:
            return found
        query = Query(
            query.partition, query.lowest, query.highest, query.index, query.descending, query.limit, page.next
        )


class TestReading:
    def test_an_absent_item_is_none(self, table: Table) -> None:
        assert table.get(KEY) is None

    def test_an_item_comes_back_without_its_key_and_with_its_types(self, table: Table) -> None:
        stored: Item = {"text": "浙江省", "empty": "", "zero": 0, "negative": -5, "large": 10**37 + 1, "digits": "0012"}
        table.write(Put(KEY, stored, ()))
        assert table.get(KEY) == stored

    def test_many_keys_are_answered_by_those_that_exist(self, table: Table) -> None:
        table.write(put(KEY, a=1))
        table.write(put(THIRD, a=3))
        assert table.get_many([KEY, OTHER, THIRD]) == {KEY: {"a": 1}, THIRD: {"a": 3}}

    def test_a_key_may_be_asked_for_twice(self, table: Table) -> None:
        table.write(put(a=1))
        assert table.get_many([KEY, KEY]) == {KEY: {"a": 1}}

    def test_no_keys_bring_no_items(self, table: Table) -> None:
        assert table.get_many([]) == {}

    def test_more_keys_than_one_round_trip_takes_are_all_answered(self, table: Table) -> None:
        keys = [Key("P", f"{number:03}") for number in range(205)]
        for number, key in enumerate(keys):
            table.write(put(key, n=number))
        assert table.get_many(keys) == {key: {"n": number} for number, key in enumerate(keys)}


class TestPutting:
    def test_a_put_replaces_the_whole_item(self, table: Table) -> None:
        table.write(put(a=1, b=2))
        table.write(put(a=3))
        assert table.get(KEY) == {"a": 3}

    def test_the_first_of_two_that_want_nothing_there_wins(self, table: Table) -> None:
        table.write(put(conditions=(Absent(),), owner="first"))
        with pytest.raises(WriteRefused) as refusal:
            table.write(put(conditions=(Absent(),), owner="second"))
        assert refusal.value.key == KEY
        assert refusal.value.existing == {"owner": "first"}
        assert table.get(KEY) == {"owner": "first"}

    def test_a_version_lets_through_only_the_writer_who_read_it(self, table: Table) -> None:
        table.write(put(version=1))
        table.write(put(conditions=(VersionIs(1),), version=2))
        with pytest.raises(WriteRefused) as refusal:
            table.write(put(conditions=(VersionIs(1),), version=2))
        assert refusal.value.existing == {"version": 2}

    def test_a_version_of_an_absent_item_is_refused(self, table: Table) -> None:
        with pytest.raises(WriteRefused) as refusal:
            table.write(put(conditions=(VersionIs(1),), version=2))
        assert refusal.value.existing is None
        assert table.get(KEY) is None

    @pytest.mark.parametrize(("stored", "allowed"), [(99, False), (100, True), (101, True)])
    def test_a_minimum_is_met_from_the_number_itself_upwards(self, table: Table, stored: int, allowed: bool) -> None:
        table.write(put(remaining=stored))
        taking = put(conditions=(AtLeast("remaining", 100),), remaining=stored - 100)
        if allowed:
            table.write(taking)
        else:
            with pytest.raises(WriteRefused) as refusal:
                table.write(taking)
            assert refusal.value.existing == {"remaining": stored}

    @pytest.mark.parametrize("stored", [None, {"other": 1}])
    def test_a_minimum_of_an_absent_number_is_refused(self, table: Table, stored: Item | None) -> None:
        if stored is not None:
            table.write(Put(KEY, stored, ()))
        with pytest.raises(WriteRefused) as refusal:
            table.write(put(conditions=(AtLeast("remaining", 0),), a=1))
        assert refusal.value.existing == stored

    @pytest.mark.parametrize(("version", "remaining"), [(7, 5), (8, 4)])
    def test_all_conditions_of_a_write_must_hold(self, table: Table, version: int, remaining: int) -> None:
        table.write(put(version=7, remaining=4))
        with pytest.raises(WriteRefused):
            table.write(put(conditions=(VersionIs(version), AtLeast("remaining", remaining)), a=1))
        table.write(put(conditions=(VersionIs(7), AtLeast("remaining", 4)), a=1))
        assert table.get(KEY) == {"a": 1}

    def test_a_refusal_is_a_conflict(self) -> None:
        assert issubclass(WriteRefused, Conflict)
        assert issubclass(TransactionRefused, Conflict)

    def test_words_that_dynamodb_reserves_are_attributes_like_others(self, table: Table) -> None:
        table.write(put(state="open", count=3, size=1))
        table.write(put(conditions=(AtLeast("count", 3), AtLeast("size", 1)), state="closed"))
        table.write(Increment(KEY, {"count": 1}, {"count": 5}, {"timestamp": "now"}))
        assert table.get(KEY) == {"state": "closed", "count": 1, "timestamp": "now"}


class TestIncrementing:
    def test_an_absent_counter_starts_at_zero(self, table: Table) -> None:
        table.write(Increment(KEY, {"spent": 30}))
        assert table.get(KEY) == {"spent": 30}

    def test_counters_of_one_item_move_together_and_leave_the_rest_alone(self, table: Table) -> None:
        table.write(put(spent=30, cases=1, note="kept"))
        table.write(Increment(KEY, {"spent": 12, "cases": 1, "refused": 1}))
        assert table.get(KEY) == {"spent": 42, "cases": 2, "refused": 1, "note": "kept"}

    def test_attributes_are_set_beside_the_counters(self, table: Table) -> None:
        table.write(Increment(KEY, {"spent": 1}, attributes={"expires_at": 100}))
        table.write(Increment(KEY, {"spent": 1}, attributes={"expires_at": 200}))
        assert table.get(KEY) == {"spent": 2, "expires_at": 200}

    @pytest.mark.parametrize("before", [None, 0, 60])
    def test_a_counter_may_reach_its_ceiling_but_not_pass_it(self, table: Table, before: int | None) -> None:
        if before is not None:
            table.write(put(spent=before))
        room = 100 - (before or 0)
        with pytest.raises(WriteRefused) as refusal:
            table.write(Increment(KEY, {"spent": room + 1}, {"spent": 100}))
        assert refusal.value.existing == (None if before is None else {"spent": before})
        table.write(Increment(KEY, {"spent": room}, {"spent": 100}))
        assert table.get(KEY) == {"spent": 100}

    def test_more_than_the_ceiling_is_refused_on_an_item_without_the_counter(self, table: Table) -> None:
        table.write(put(note="kept"))
        with pytest.raises(WriteRefused) as refusal:
            table.write(Increment(KEY, {"spent": 101}, {"spent": 100}))
        assert refusal.value.existing == {"note": "kept"}

    def test_what_was_given_back_before_makes_room(self, table: Table) -> None:
        table.write(put(spent=-50))
        table.write(Increment(KEY, {"spent": 150}, {"spent": 100}))
        assert table.get(KEY) == {"spent": 100}

    def test_one_ceiling_passed_refuses_all_counters(self, table: Table) -> None:
        table.write(put(spent=90, cases=1))
        with pytest.raises(WriteRefused):
            table.write(Increment(KEY, {"spent": 11, "cases": 1}, {"spent": 100, "cases": 5}, {"a": 1}))
        assert table.get(KEY) == {"spent": 90, "cases": 1}

    def test_a_counter_can_be_lowered(self, table: Table) -> None:
        table.write(put(spent=90))
        table.write(Increment(KEY, {"spent": -40}, {"spent": 100}))
        assert table.get(KEY) == {"spent": 50}


class TestDeleting:
    def test_a_deleted_item_is_gone(self, table: Table) -> None:
        table.write(put(a=1))
        table.write(Delete(KEY, ()))
        assert table.get(KEY) is None

    def test_deleting_what_is_absent_changes_nothing(self, table: Table) -> None:
        table.write(Delete(KEY, ()))
        assert table.get(KEY) is None

    @pytest.mark.parametrize("existing", [None, {"version": 3}])
    def test_a_condition_guards_a_deletion_too(self, table: Table, existing: Item | None) -> None:
        if existing is not None:
            table.write(Put(KEY, existing, ()))
        with pytest.raises(WriteRefused) as refusal:
            table.write(Delete(KEY, (VersionIs(2),)))
        assert refusal.value.existing == existing
        assert table.get(KEY) == existing


class TestTransactions:
    def test_writes_of_every_kind_move_together(self, table: Table) -> None:
        table.write(put(THIRD, version=1))
        table.transact(
            [put(KEY, (Absent(),), a=1), Increment(OTHER, {"spent": 5}, {"spent": 5}), Delete(THIRD, (VersionIs(1),))]
        )
        assert table.get_many([KEY, OTHER, THIRD]) == {KEY: {"a": 1}, OTHER: {"spent": 5}}

    @pytest.mark.parametrize("refused_first", [True, False])
    def test_one_refusal_leaves_everything_as_it_was(self, table: Table, refused_first: bool) -> None:
        table.write(put(KEY, owner="first"))
        writes = [put(KEY, (Absent(),), owner="second"), put(OTHER, (Absent(),), a=1)]
        if not refused_first:
            writes.reverse()
        with pytest.raises(TransactionRefused) as refusal:
            table.transact(writes)
        assert refusal.value.refused == {0 if refused_first else 1: {"owner": "first"}}
        assert table.get_many([KEY, OTHER]) == {KEY: {"owner": "first"}}

    def test_every_refused_write_is_named_with_what_stands_there(self, table: Table) -> None:
        table.write(put(OTHER, spent=90))
        with pytest.raises(TransactionRefused) as refusal:
            table.transact(
                [put(KEY, (VersionIs(1),), a=1), put(THIRD, a=1), Increment(OTHER, {"spent": 11}, {"spent": 100})]
            )
        assert refusal.value.refused == {0: None, 2: {"spent": 90}}
        assert table.get_many([KEY, OTHER, THIRD]) == {OTHER: {"spent": 90}}

    def test_a_ceiling_below_the_increment_refuses_an_absent_counter(self, table: Table) -> None:
        with pytest.raises(TransactionRefused) as refusal:
            table.transact([put(KEY, a=1), Increment(OTHER, {"spent": 101}, {"spent": 100})])
        assert refusal.value.refused == {1: None}
        assert table.get_many([KEY, OTHER]) == {}

    @pytest.mark.parametrize("existing", [None, {"version": 4}])
    def test_a_transaction_of_one_is_refused_as_a_transaction(self, table: Table, existing: Item | None) -> None:
        if existing is not None:
            table.write(Put(KEY, existing, ()))
        with pytest.raises(TransactionRefused) as refusal:
            table.transact([put(conditions=(VersionIs(3),), version=4)])
        assert refusal.value.refused == {0: existing}

    def test_a_transaction_of_one_writes(self, table: Table) -> None:
        table.transact([put(a=1)])
        assert table.get(KEY) == {"a": 1}

    def test_a_transaction_cannot_write_an_item_twice(self, table: Table) -> None:
        with pytest.raises((ValueError, ClientError)):
            table.transact([put(KEY, a=1), put(KEY, a=2)])
        assert table.get(KEY) is None


class TestQueries:
    SORTS: ClassVar = ["A#1", "A#2", "A#3", "B#1", "é", "浙"]

    @pytest.fixture
    def filled(self, table: Table) -> Table:
        for sort in self.SORTS[::-1]:
            table.write(put(Key("P", sort), name=sort))
        table.write(put(Key("Q", "A#1"), name="of another partition"))
        return table

    def test_a_partition_is_answered_in_order_with_its_items(self, filled: Table) -> None:
        page = filled.query(Query("P"))
        assert [key.sort for key in page.keys] == self.SORTS
        assert {key.partition for key in page.keys} == {"P"}
        assert page.items == tuple({"name": sort} for sort in self.SORTS)
        assert page.next is None

    def test_an_unknown_partition_is_empty(self, filled: Table) -> None:
        page = filled.query(Query("R"))
        assert (page.keys, page.items, page.next) == ((), (), None)

    @pytest.mark.parametrize(
        ("lowest", "highest", "found"),
        [
            ("A#2", "B#1", ["A#2", "A#3", "B#1"]),
            ("A#2", "A#2", ["A#2"]),
            ("", "A#2", ["A#1", "A#2"]),
            ("A#", "A#\U0010ffff", ["A#1", "A#2", "A#3"]),
            ("A#4", "A#9", []),
            ("B", "A", []),
        ],
    )
    def test_both_bounds_belong_to_the_range(self, filled: Table, lowest: str, highest: str, found: list[str]) -> None:
        assert [key.sort for key in filled.query(Query("P", lowest, highest)).keys] == found

    @pytest.mark.parametrize("limit", [1, 2, 3, 5, 6, 7])
    @pytest.mark.parametrize("descending", [False, True])
    def test_pages_join_to_the_whole(self, filled: Table, limit: int, descending: bool) -> None:
        keys = all_pages(filled, Query("P", descending=descending, limit=limit))
        assert [key.sort for key in keys] == (self.SORTS[::-1] if descending else self.SORTS)

    def test_a_page_goes_on_behind_an_item_that_is_gone(self, filled: Table) -> None:
        first = filled.query(Query("P", limit=2))
        filled.write(Delete(first.keys[-1], ()))
        assert [key.sort for key in filled.query(Query("P", after=first.next)).keys] == self.SORTS[2:]


class TestSparseIndex:
    ARMED: ClassVar = [Key("ORDER#5", "CASE"), Key("ORDER#3", "CASE"), Key("ORDER#4", "CASE"), Key("ORDER#1", "CASE")]

    @pytest.fixture
    def armed(self, table: Table) -> Table:
        for minute, key in enumerate(self.ARMED):
            table.write(put(key, state="open", due_shard="0", due_at=f"2026-11-02T08:0{minute}:00Z"))
        table.write(put(Key("ORDER#2", "CASE"), state="no timer"))
        table.write(put(Key("ORDER#6", "CASE"), state="half a key", due_shard="0"))
        table.write(put(Key("ORDER#7", "CASE"), due_shard="1", due_at="2026-11-02T08:00:00Z"))
        return table

    def test_only_items_with_both_attributes_are_found_in_order_of_time(self, armed: Table) -> None:
        page = armed.query(Query("0", index=DUE_INDEX))
        assert list(page.keys) == self.ARMED
        assert page.items[0] == {DUE_SHARD: "0", DUE_AT: "2026-11-02T08:00:00Z"}

    def test_what_is_due_is_found_up_to_the_moment_itself(self, armed: Table) -> None:
        page = armed.query(Query("0", highest="2026-11-02T08:02:00Z", index=DUE_INDEX))
        assert list(page.keys) == self.ARMED[:3]

    @pytest.mark.parametrize("limit", [1, 3, 4])
    @pytest.mark.parametrize("descending", [False, True])
    def test_pages_of_an_index_join_to_the_whole(self, armed: Table, limit: int, descending: bool) -> None:
        keys = all_pages(armed, Query("0", index=DUE_INDEX, descending=descending, limit=limit))
        assert keys == (self.ARMED[::-1] if descending else self.ARMED)

    @pytest.mark.parametrize("descending", [False, True])
    def test_items_due_at_the_same_moment_are_paged_without_loss(self, table: Table, descending: bool) -> None:
        keys = {Key(f"ORDER#{number}", "CASE") for number in range(7)}
        for key in keys:
            table.write(put(key, due_shard="0", due_at="2026-11-02T08:00:00Z"))
        found = all_pages(table, Query("0", index=DUE_INDEX, descending=descending, limit=2))
        assert len(found) == len(keys)
        assert set(found) == keys

    def test_the_index_follows_every_write(self, armed: Table) -> None:
        assert len(armed.query(Query("0", index=DUE_INDEX)).keys) == len(self.ARMED)
        fifth, third, fourth, first = self.ARMED
        armed.write(put(fifth, state="disarmed"))
        armed.write(put(third, due_shard="0", due_at="2026-11-02T09:00:00Z"))
        armed.write(put(fourth, due_shard="1", due_at="2026-11-02T08:02:00Z"))
        armed.write(Delete(first, ()))
        armed.transact([Increment(Key("ORDER#8", "CASE"), {"n": 1}, {}, {DUE_SHARD: "0", DUE_AT: "2026"})])
        assert [key.partition for key in armed.query(Query("0", index=DUE_INDEX)).keys] == ["ORDER#8", "ORDER#3"]
        assert set(armed.query(Query("1", index=DUE_INDEX)).keys) == {fourth, Key("ORDER#7", "CASE")}


class Said(EventData):
    name: ClassVar[str] = "Said"
    sources: ClassVar[tuple[str, ...]] = ("aftercare.negotiation",)
    text: str


class TestRecords:
    WRITER = RecordWriter(due_shards=4)

    def change(self, table: Table, at: datetime, deadline: datetime | None, *said: str) -> Item:
        """Reads the record, writes its next version, and answers what stands there now."""
        item = table.get(KEY)
        was = None if item is None else Stored.of(KEY, item)
        change = Change("taobao:1", f"state at {at}", [Said(text=text) for text in said], deadline, at)
        table.write(self.WRITER.put(KEY, was, change))
        written = table.get(KEY)
        assert written is not None
        return written

    def test_a_first_write_carries_state_timer_and_outbox(self, table: Table) -> None:
        written = self.change(table, NOON, NOON + timedelta(hours=1), "hello")
        assert written["version"] == 1
        assert written["created_at"] == "2026-11-02T12:00:00Z"
        assert written[DUE_AT] == "2026-11-02T13:00:00Z"
        assert written[DUE_SHARD] == due_shard(KEY, 4)
        assert '"hello"' in str(written[OUTBOX])

    def test_a_silent_second_write_removes_the_outbox(self, table: Table) -> None:
        self.change(table, NOON, None, "hello")
        written = self.change(table, NOON + timedelta(minutes=1), None)
        assert written["version"] == 2
        assert written["created_at"] == "2026-11-02T12:00:00Z"
        assert OUTBOX not in written

    def test_two_writers_of_the_same_version_cannot_both_win(self, table: Table) -> None:
        self.change(table, NOON, None)
        item = table.get(KEY)
        assert item is not None
        write = self.WRITER.put(KEY, Stored.of(KEY, item), Change("taobao:1", "new", [], None, NOON))
        table.write(write)
        with pytest.raises(WriteRefused) as refusal:
            table.write(write)
        assert refusal.value.existing is not None
        assert refusal.value.existing["version"] == 2

    def test_a_record_that_must_be_new_is_refused_beside_an_old_one(self, table: Table) -> None:
        self.change(table, NOON, None)
        with pytest.raises(WriteRefused):
            table.write(self.WRITER.put(KEY, None, Change("taobao:1", "new", [], None, NOON)))

    def test_a_timer_moves_only_earlier_until_it_fires(self, table: Table) -> None:
        def due(at: datetime, deadline: datetime | None) -> str | int | None:
            self.change(table, at, deadline)
            page = table.query(Query(due_shard(KEY, 4), index=DUE_INDEX))
            return page.items[0][DUE_AT] if page.items else None

        hour = timedelta(hours=1)
        assert due(NOON, NOON + 4 * hour) == "2026-11-02T16:00:00Z"
        assert due(NOON, NOON + 5 * hour) == "2026-11-02T16:00:00Z"
        assert due(NOON, NOON + 3 * hour) == "2026-11-02T15:00:00Z"
        assert due(NOON, None) is None
        assert due(NOON, NOON + 3 * hour) == "2026-11-02T15:00:00Z"
        assert due(NOON + 3 * hour, NOON + 6 * hour) == "2026-11-02T18:00:00Z"


times = st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 3), timezones=st.just(UTC))  # noqa: DTZ001  made aware


@given(armed=st.none() | times, deadline=st.none() | times, now=times)
def test_a_timer_never_misses_its_deadline(armed: datetime | None, deadline: datetime | None, now: datetime) -> None:
    result = armed_at(armed, deadline, now)
    assert (result is None) == (deadline is None)
    if result is not None and deadline is not None:
        assert result <= deadline, "it must not come late"
        assert result in (armed, deadline), "it stands at a time that somebody asked for"
        assert result > now or result == deadline, "a timer that has fired is not left armed for the past"
        assert armed is None or not now < armed <= deadline or result == armed, "moving costs index writes"


def test_an_index_built_late_knows_the_items_written_before() -> None:
    table = MemoryTable()
    table.write(put(shop="taobao:1", opened_at="2026"))
    page = table.query(Query("taobao:1", index=Index("cases", "shop", "opened_at")))
    assert page.keys == (KEY,)


def test_the_memory_table_tells_every_new_image_in_order() -> None:
    heard: list[tuple[Key, Item | None]] = []
    table = MemoryTable(on_write=lambda key, item: heard.append((key, item)))
    table.write(put(a=1))
    with pytest.raises(TransactionRefused):
        table.transact([put(OTHER, a=1), put(KEY, (Absent(),), a=2)])
    table.transact([Increment(KEY, {"a": 1}), put(OTHER, b=1)])
    table.write(Delete(KEY, ()))
    table.write(Delete(KEY, ()))
    assert heard == [(KEY, {"a": 1}), (KEY, {"a": 2}), (OTHER, {"b": 1}), (KEY, None)]
