"""moto and memory play AWS alike: the same calls, messages, records and queries, the same events out of a replay."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from fixtures.sandbox.small_system import START, TEMPLATE, altered, small_system
from hypothesis import given, settings
from hypothesis import strategies as st

from aftercare.aws.queue import SqsQueue
from aftercare.kernel.ports import Bus, Queue
from aftercare.kernel.records import DUE_INDEX
from aftercare.kernel.table import (
    Absent,
    AtLeast,
    Check,
    Delete,
    Increment,
    Index,
    Key,
    Put,
    Query,
    Table,
    TransactionRefused,
    VersionIs,
    WriteRefused,
)
from sandbox import guard
from sandbox.clock import VirtualClock
from sandbox.cloud import Sandbox
from sandbox.commands.opened import opened_for_replay
from sandbox.commands.replay import Player, read
from sandbox.memory_queue import LARGEST_MESSAGE_BYTES, MessageTooLong
from sandbox.memory_services import MemoryServices
from sandbox.moto_services import MotoServices
from sandbox.services import Backend, Services
from sandbox.shops import read_shops
from sandbox.template import TemplateError, read_template

TABLE, FACTS, DEAD = "Parcels", "Facts", "FactsDeadLetters"
KEY, OTHER, THIRD = Key("p1", "parcel"), Key("p2", "parcel"), Key("p3", "parcel")
SEEN = {"source": "test.door", "detail-type": "ParcelSeen", "detail": {"id": "p", "text": "<id> 你好"}}


class Recorder:
    """Implements ``Witness``."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    def call_begins(self, service: str, operation: str, *, writes: bool) -> None:
        self.told.append((service, operation, "writes" if writes else "reads"))

    def call_ends(self) -> None:
        self.told.append(("end",))

    def taken_by_bus(self, source: str, detail_type: str, detail: Mapping[str, Any]) -> None:
        self.told.append((source, detail_type, json.dumps(detail)))


class Played:
    """One small system's services, without its functions."""

    def __init__(self, make: Callable[..., Services], template: Path) -> None:
        self.clock = VirtualClock(START)
        self.recorder = Recorder()
        self.template = read_template(template)
        self.services = make(self.template, self.clock, 0, self.recorder)
        self.facts = self.services.queue(self.template.queues[FACTS].name)
        self.dead = self.services.queue(self.template.queues[DEAD].name)

    @property
    def table(self) -> Table:
        return self.services.table(self.template.tables[TABLE].name)

    @property
    def bus(self) -> Bus:
        return self.services.bus("parcels-test")

    @property
    def queue(self) -> Queue:
        """The queue of facts as a function reaches it."""
        parts, url = self.services.parts(), self.template.queues[FACTS].url
        queue: Queue = parts["queue"](url) if "queue" in parts else SqsQueue(parts["clients"]("sqs"), url)
        return queue

    def put_in(self, body: str) -> None:
        self.services.send(self.template.queues[FACTS].name, body)


BACKENDS: dict[Backend, Callable[..., Services]] = {"moto": MotoServices, "memory": MemoryServices}


@contextmanager
def played(template: Path = TEMPLATE) -> Iterator[list[Played]]:
    """By every backend, each in turn to be asked the same."""
    with ExitStack() as stack:
        stack.enter_context(guard.offline())
        both = [Played(make, template) for make in BACKENDS.values()]
        for each in both:
            stack.enter_context(each.services.running())
            each.recorder.told.clear()
        yield both


def alike(what: Callable[[Played], Any], template: Path = TEMPLATE) -> Any:
    """What every backend answers, once all have answered the same."""
    with played(template) as both:
        answers = [what(each) for each in both]
    assert all(answer == answers[0] for answer in answers), answers
    return answers[0]


def test_every_backend_is_compared() -> None:
    assert set(BACKENDS) == set(get_args(Backend))


# ---------------------------------------------------------------- calls


def test_the_calls_are_those_that_the_sdk_would_make() -> None:
    def calls(on: Played) -> list[tuple[str, ...]]:
        table, queue = on.table, on.queue
        table.write(Put(KEY, {"version": 1}, (Absent(),)))
        with pytest.raises(WriteRefused):
            table.write(Put(KEY, {"version": 1}, (Absent(),)))
        table.write(Increment(OTHER, {"n": 1}))
        table.get(KEY)
        table.get_many([])
        table.get_many([KEY, KEY, OTHER])
        table.get_many([Key("p", str(number)) for number in range(101)])
        table.transact([Put(KEY, {"version": 2}, (VersionIs(1),))])
        table.transact([Put(THIRD, {}, ()), Check(KEY, (VersionIs(2),))])
        with pytest.raises(TransactionRefused):
            table.transact([Put(THIRD, {}, (Absent(),)), Delete(KEY, (VersionIs(1),))])
        with pytest.raises(TransactionRefused):
            table.transact([Put(THIRD, {}, (Absent(),))])
        table.query(Query("p1"))
        table.query(Query("p1", lowest="b", highest="a"))
        table.write(Delete(KEY, ()))
        on.bus.publish([])
        on.bus.publish([SEEN] * 12)
        on.bus.publish([SEEN | {"source": ""}, SEEN])
        queue.send([])
        queue.send(["one"])
        queue.send([str(number) for number in range(11)])
        queue.depth()
        return on.recorder.told

    told = alike(calls)
    assert ("events", "PutEvents", "writes") in told
    assert told.count(("dynamodb", "TransactWriteItems", "writes")) == 2


def test_an_entry_that_the_bus_refuses_leaves_the_others_alone() -> None:
    assert alike(lambda on: on.bus.publish([SEEN | {"detail-type": ""}, SEEN])) == ["InvalidArgument", None]


def test_what_is_too_large_for_the_bus_or_a_queue_is_refused() -> None:
    with played() as both:
        memory = both[1]
        assert memory.bus.publish([SEEN | {"detail": {"text": "x" * LARGEST_MESSAGE_BYTES}}]) == ["ValidationException"]
        memory.put_in("x" * LARGEST_MESSAGE_BYTES)
        with pytest.raises(MessageTooLong):
            memory.put_in("é" * (LARGEST_MESSAGE_BYTES // 2 + 1))
        assert len(memory.facts.bodies()) == 1


# ---------------------------------------------------------------- queues


def test_an_event_reaches_its_queue_as_the_same_message() -> None:
    def record(on: Played) -> dict[str, Any]:
        on.bus.publish([SEEN])
        (record,) = on.facts.receive(10)
        body = json.loads(record.pop("body"))
        for name in ("messageId", "receiptHandle", "md5OfBody"):
            assert isinstance(record.pop(name), str)
        assert record["attributes"].pop("SenderId")
        assert body.pop("id")
        return record | {"read": body}

    assert alike(record)["read"]["detail"] == SEEN["detail"]


class Steps:
    """Sends, receives, deletes and lets time pass, and answers all that can be seen from outside after each."""

    def __init__(self, on: Played) -> None:
        self._on = on
        self._held: list[str] = []
        self._sent = 0

    def take(self, step: tuple[str, int]) -> Any:
        what, number = step
        seen: Any = None
        match what:
            case "send":
                for _ in range(number % 4 + 1):
                    self._sent += 1
                    self._on.put_in(str(self._sent))
            case "receive" | "receive again":
                if what == "receive again":
                    self._on.clock.advance(timedelta(seconds=180))
                records = self._on.facts.receive(number % 5 + 1)
                self._held += [record["receiptHandle"] for record in records]
                seen = [(record["body"], record["attributes"]["ApproximateReceiveCount"]) for record in records]
            case "delete" if self._held:
                self._on.facts.delete([self._held.pop(number % len(self._held))])
            case "pass":
                self._on.clock.advance(timedelta(seconds=number))
        visible = self._on.facts.has_visible()
        wake = self._on.facts.next_visible()
        return seen, visible, None if visible else wake, self._on.queue.depth(), self._bodies()

    def _bodies(self) -> tuple[list[str], list[str]]:
        return self._on.facts.bodies(), self._on.dead.bodies()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["send", "receive", "receive again", "receive again", "delete", "pass"]),
        st.sampled_from([0, 1, 4, 60, 180]),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_queues_behave_alike(steps: Sequence[tuple[str, int]]) -> None:
    def watched(on: Played) -> list[Any]:
        walk = Steps(on)
        return [walk.take(step) for step in steps]

    alike(watched)


def test_a_message_that_was_received_too_often_is_moved_away() -> None:
    def received(on: Played) -> list[Any]:
        on.put_in("x")
        seen: list[Any] = []
        for _ in range(4):
            seen.append((len(on.facts.receive(10)), on.facts.bodies(), on.dead.bodies()))
            on.clock.advance(timedelta(seconds=180))
        return seen

    assert alike(received) == [*[(1, ["x"], [])] * 3, (0, [], ["x"])]


def test_a_message_that_is_kept_no_longer_is_gone() -> None:
    def kept(on: Played) -> tuple[bool, bool, datetime | None]:
        on.put_in("x")
        on.clock.advance(timedelta(days=4) - timedelta(milliseconds=1))
        before = on.facts.has_visible()
        on.clock.advance(timedelta(milliseconds=1))
        return before, on.facts.has_visible(), on.facts.next_visible()

    assert alike(kept) == (True, False, None)


# ---------------------------------------------------------------- tables and streams


def test_streams_show_the_same_records() -> None:
    def records(on: Played) -> list[Any]:
        stream = on.services.stream(on.template.tables[TABLE])
        on.table.write(Put(KEY, {"version": 1, "text": "你好"}, ()))
        on.table.write(Put(KEY, {"version": 1, "text": "你好"}, ()))
        on.table.transact([Increment(OTHER, {"n": 5}), Put(KEY, {"version": 2}, (VersionIs(1),))])
        with pytest.raises(TransactionRefused):
            on.table.transact([Put(THIRD, {}, ()), Put(KEY, {}, (AtLeast("version", 9),))])
        first = stream.take()
        on.table.write(Delete(KEY, ()))
        on.table.write(Delete(KEY, ()))
        return [plain(record) for record in (*first, *stream.take())]

    def plain(record: dict[str, Any]) -> dict[str, Any]:
        inner = dict(record["dynamodb"])
        numbers = [inner.pop("SequenceNumber"), inner.pop("SizeBytes"), record["eventID"]]
        assert all(numbers)
        return record | {"dynamodb": inner, "eventID": ""}

    names = [record["eventName"] for record in alike(records)]
    assert names == ["INSERT", "INSERT", "MODIFY", "REMOVE"]


@pytest.mark.parametrize("view", ["KEYS_ONLY", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"])
def test_streams_show_the_images_that_the_template_asks_for(tmp_path: Path, view: str) -> None:
    def change(resources: dict[str, Any]) -> None:
        resources[TABLE]["Properties"]["StreamSpecification"]["StreamViewType"] = view

    def images(on: Played) -> list[Any]:
        stream = on.services.stream(on.template.tables[TABLE])
        on.table.write(Put(KEY, {"n": 1}, ()))
        on.table.write(Put(KEY, {"n": 2}, ()))
        return [(one["dynamodb"].get("OldImage"), one["dynamodb"].get("NewImage")) for one in stream.take()]

    alike(images, altered(tmp_path, change))


PROJECTIONS = [
    {"ProjectionType": "KEYS_ONLY"},
    {"ProjectionType": "ALL"},
    {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["a"]},
]


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_an_index_answers_with_what_it_projects(tmp_path: Path, projection: dict[str, Any]) -> None:
    def change(resources: dict[str, Any]) -> None:
        resources[TABLE]["Properties"]["GlobalSecondaryIndexes"][0]["Projection"] = projection

    def page(on: Played) -> Any:
        on.table.write(Put(KEY, {"due_shard": "0", "due_at": "2026", "a": 1, "b": "2"}, ()))
        on.table.write(Put(OTHER, {"due_shard": "0", "due_at": "2027"}, ()))
        return on.table.query(Query("0", index=DUE_INDEX))

    assert alike(page, altered(tmp_path, change)).keys == (KEY, OTHER)


def test_an_index_that_the_template_lacks_is_an_error_in_memory_too() -> None:
    with played() as both, pytest.raises(TemplateError, match="no index"):
        both[1].table.query(Query("a", index=Index("nobody", "a", "b")))


def test_a_partition_that_is_queried_again_and_again_follows_its_items() -> None:
    def found(on: Played) -> list[Any]:
        pages = []
        for sort in ("b", "a", "c"):
            on.table.write(Put(Key("p", sort), {}, ()))
            pages.append(on.table.query(Query("p")).keys)
        on.table.write(Delete(Key("p", "b"), ()))
        on.table.write(Put(Key("p", "a"), {"n": 1}, ()))
        return [*pages, on.table.query(Query("p"))]

    alike(found)


# ---------------------------------------------------------------- the rest of the cloud


def test_what_memory_plays_behind_ports_has_no_client() -> None:
    with small_system(backend="memory") as sandbox, pytest.raises(RuntimeError, match="through its port"):
        sandbox.client("dynamodb")


@pytest.mark.parametrize("backend", get_args(Backend))
def test_secrets_are_the_same_and_an_absent_one_is_not_found(backend: Backend) -> None:
    from botocore.exceptions import ClientError

    with small_system(backend=backend, seed=3) as sandbox:
        client = sandbox.client("secretsmanager")
        secret = json.loads(client.get_secret_value(SecretId="parcels/test/keys")["SecretString"])
        assert (secret["key_id"], len(secret["key"])) == ("1", 40)
        client.create_secret(Name="mine", SecretString="{}")
        assert client.get_secret_value(SecretId="mine")["SecretString"] == "{}"
        with pytest.raises(ClientError, match="ResourceNotFound"):
            client.get_secret_value(SecretId="nobody's")


def test_memory_plays_no_target_that_changes_its_input(tmp_path: Path) -> None:
    def transform(resources: dict[str, Any]) -> None:
        resources["FactsRule"]["Properties"]["Targets"][0]["InputPath"] = "$.detail"

    with (
        pytest.raises(TemplateError, match="changed on its way"),
        small_system(altered(tmp_path, transform), backend="memory"),
    ):
        pass


@pytest.mark.parametrize("backend", get_args(Backend))
def test_what_is_forgotten_is_still_counted(backend: Backend) -> None:
    with small_system(backend=backend) as sandbox:
        sandbox.bus.publish([SEEN])
        sandbox.run_until_quiet()
        counted = sandbox.calls
        sandbox.forget()
        assert (sandbox.invocations, sandbox.published) == ([], [])
        assert sandbox.calls == counted
        sandbox.bus.publish([SEEN])
        sandbox.run_until_quiet()
        assert sandbox.calls["ledger"].invocations == 2
        assert sandbox.invocations[0].request_id.endswith("3")


# ---------------------------------------------------------------- replays

SHOP = "standard:tea-house"
MONDAY = datetime(2026, 11, 2, 8, tzinfo=UTC)


def told(name: str, at: datetime, **data: Any) -> dict[str, Any]:
    moment = f"{at:%Y-%m-%dT%H:%M:%SZ}"
    metadata = {"event_id": f"{name}/{moment}/{data['order_id']}", "version": 1, "occurred_at": moment, "shop": SHOP}
    return {"source": "aftercare.marketplaces", "detail-type": name, "detail": {"metadata": metadata, "data": data}}


def cny(minor: int) -> dict[str, Any]:
    return {"minor": minor, "currency": "CNY"}


def history(number: int, reason: str) -> Iterator[dict[str, Any]]:
    """One order: paid, asked for twice over, and broken news in between."""
    order, paid_at = f"A{number}", MONDAY + timedelta(minutes=37 * number)
    line = {"line_id": "1", "item_id": "cup", "category": "tea", "quantity": 1, "amount": cny(20000)}
    buyer, day = f"b_{number % 5}", timedelta(days=1)
    paid = {"order_id": order, "buyer": buyer, "paid_at": f"{paid_at:%Y-%m-%dT%H:%M:%SZ}", "amount": cny(20000)}
    promise = {"ship_by": "2026-12-01T00:00:00Z", "door_delivery": False}
    yield told("OrderPaid", paid_at, **paid, lines=[line], promise=promise)
    asked_at = paid_at + day
    asked = {
        "refund_id": f"R{number}",
        "order_id": order,
        "buyer": buyer,
        "kind": "refund_only",
        "stage": "delivered",
        "reason": {"code": reason, "raw": "破了"},
        "amount": cny(3000 + number),
        "requested_at": f"{asked_at:%Y-%m-%dT%H:%M:%SZ}",
        "respond_by": f"{asked_at + 9 * day:%Y-%m-%dT%H:%M:%SZ}",
        "revision": 1,
    }
    request = told("RefundRequested", asked_at, **asked)
    yield request
    yield request
    yield told("RefundRequested", asked_at, order_id=order)


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    reasons = ("damaged", "quality", "not_received", "not_wanted")
    lines = [line for number in range(24) for line in history(number, reasons[number % len(reasons)])]
    return sorted(lines, key=lambda line: str(line["detail"]["metadata"]["occurred_at"]))


def accepting(sandbox: Sandbox, said: str) -> Iterator[dict[str, Any]]:
    """Buyers of every second presented offer take its first option."""
    presented = [entry for line in said.splitlines() if (entry := json.loads(line))["detail-type"] == "OffersPresented"]
    for entry in presented[::2]:
        data = entry["detail"]["data"]
        external = f"{_base64(data['order_id'])}.{data['negotiation_id']}.1.{data['options'][0]['option_id']}"
        at = sandbox.clock.now()
        answer = {"refund_id": f"R{data['order_id'][1:]}", "external_offer_id": external, "choice": "accepted"}
        metadata = {"event_id": external, "version": 1, "occurred_at": f"{at:%Y-%m-%dT%H:%M:%SZ}", "shop": SHOP}
        answered = {"metadata": metadata, "data": {**answer, "answered_at": metadata["occurred_at"]}}
        yield {"source": "aftercare.marketplaces", "detail-type": "OfferAnswered", "detail": answered}


def _base64(text: str) -> str:
    import base64

    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def replayed(events: Sequence[dict[str, Any]], backend: Backend) -> tuple[str, Any]:
    """What the system said, and what its calls cost."""
    out = io.StringIO()
    with opened_for_replay(MONDAY, read_shops(), backend) as (sandbox, marketplace):
        player = Player(sandbox, marketplace, out)
        for entry in events:
            player.put(read(1, json.dumps(entry).encode()))
        for entry in list(accepting(sandbox, out.getvalue())):
            player.put(read(1, json.dumps(entry).encode()))
        player.go_on_to(MONDAY + timedelta(days=90))
        assert (sandbox.invocations, sandbox.published) == ([], [])
        dead = {name: sandbox.waiting(name) for name in sandbox.template.queues}
        return out.getvalue(), (sandbox.calls, player.said, player.failures, dead)


def test_a_replay_says_the_same_at_the_same_cost_on_either_backend(events: list[dict[str, Any]]) -> None:
    by_moto, by_memory = (replayed(events, backend) for backend in ("moto", "memory"))
    assert by_memory == by_moto
    names = {json.loads(line)["detail-type"] for line in by_memory[0].splitlines()}
    assert {"OffersPresented", "OfferAccepted", "SettlementRecorded", "OffersExpired", "NegotiationClosed"} <= names
