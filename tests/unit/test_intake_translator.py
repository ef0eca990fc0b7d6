"""Queued deliveries become events; what cannot be understood is set aside; what fails in passing comes again."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aftercare.intake.model import Delivery, Shelf
from aftercare.intake.service import BatchOutcome, NotPublished, Translator
from aftercare.intake.store import list_page, read_text
from aftercare.kernel.errors import Transient
from aftercare.kernel.ids import pseudonym
from aftercare.kernel.table import Item, Key, Query, Write
from aftercare.marketplaces import doors
from sandbox.memory_table import MemoryTable

SAMPLES = Path(__file__).parents[2] / "events" / "webhooks" / "standard"
SHOP = "standard:tea-house"
NOW = datetime(2026, 11, 5, 12, 0, 0, tzinfo=UTC)
LIN = pseudonym(b"key of pseudonyms", SHOP, "lin.xiaoyu.3391")


class StoppedClock:
    def now(self) -> datetime:
        return NOW


@dataclass
class Keys:
    down: bool = False

    def get(self, name: str) -> Mapping[str, Any]:
        if self.down:
            raise Transient("throttled")
        assert name == "aftercare/dev/pseudonym"
        return {"key": "key of pseudonyms"}


@dataclass
class FakeBus:
    """Refuses entries by the event's name with the code given for it."""

    refuses: dict[str, str] = field(default_factory=dict)
    down: bool = False
    calls: int = 0
    taken: list[Mapping[str, Any]] = field(default_factory=list)

    def publish(self, entries: Sequence[Mapping[str, Any]]) -> Sequence[str | None]:
        self.calls += 1
        if self.down:
            raise Transient("no connection")
        codes = [self.refuses.get(entry["detail-type"]) for entry in entries]
        self.taken += [entry for entry, code in zip(entries, codes, strict=True) if code is None]
        return codes

    @property
    def names(self) -> list[str]:
        return [entry["detail-type"] for entry in self.taken]


class CountingTable(MemoryTable):
    def __init__(self) -> None:
        self.images: dict[Key, Item | None] = {}
        self.requests = 0
        self.down = False
        super().__init__(self.images.__setitem__)

    def write(self, write: Write) -> None:
        self.requests += 1
        if self.down:
            raise Transient("throttled")
        super().write(write)


@dataclass
class World:
    bus: FakeBus = field(default_factory=FakeBus)
    table: CountingTable = field(default_factory=CountingTable)
    keys: Keys = field(default_factory=Keys)

    def translate(self, *messages: str) -> BatchOutcome:
        translator = Translator(
            bus=self.bus,
            table=self.table,
            secrets=self.keys,
            clock=StoppedClock(),
            secret_prefix="aftercare/dev",
            translation=doors.translation,
        )
        return translator.translate({f"m{number}": message for number, message in enumerate(messages)})

    def shelf(self, shelf: Shelf, shop: str = SHOP) -> list[str]:
        entries, _ = list_page(self.table, shelf, shop, None, 100)
        return [entry.entry.message for entry in entries]


@pytest.fixture
def world() -> World:
    return World()


def queued(body: bytes, delivery_id: str = "msg_1", door: str = "standard") -> str:
    return Delivery(door, "tea-house", delivery_id, NOW, body).to_message()


def sample(name: str, delivery_id: str | None = None, **changed: Any) -> str:
    content = json.loads((SAMPLES / f"{name}.json").read_bytes())
    content["data"] |= changed
    return queued(json.dumps(content).encode(), delivery_id or f"msg_{name}")


def test_a_batch_of_deliveries_is_one_call_to_the_bus_and_one_write_for_each_with_personal_data(world: World) -> None:
    names = ["order_paid_tea_set", "order_shipped", "parcel_scanned", "refund_requested_damaged", "platform_stepped_in"]
    outcome = world.translate(*(sample(name) for name in names))
    assert (len(outcome.published), outcome.errors, outcome.set_aside) == (5, {}, [])
    assert world.bus.names == ["OrderPaid", "OrderShipped", "ParcelScanned", "RefundRequested", "PlatformSteppedIn"]
    assert (world.bus.calls, world.table.requests) == (1, 2)


def test_personal_data_stands_in_one_erasable_item_per_fact_under_the_buyer(world: World) -> None:
    world.translate(sample("order_paid_tea_set"), sample("refund_requested_damaged"))
    page = world.table.query(Query(f"BUYER#{SHOP}#{LIN}"))
    assert [(key.sort, dict(item)) for key, item in zip(page.keys, page.items, strict=True)] == [
        ("OrderPaid#202611020001", {"buyer": "lin.xiaoyu.3391"}),
        ("RefundRequested#R-88001", {"buyer": "lin.xiaoyu.3391", "note": "茶杯碎了一只，其余的都还好。"}),
    ]


def note_on_the_bus(entry: Mapping[str, Any]) -> Mapping[str, str]:
    reference: Mapping[str, str] = entry["detail"]["data"]["reason"]["note"]
    return reference


def test_an_events_reference_leads_to_the_very_text_also_when_a_note_was_revised(world: World) -> None:
    reason = {"code": "damaged", "raw": "商品破损"}
    notes = ["one cup is broken", "two cups are broken", "three cups"]
    for note in [*notes, *notes]:
        world.translate(sample("refund_requested_damaged", reason={**reason, "note": note}))
    read = [read_text(world.table, **note_on_the_bus(entry)) for entry in world.bus.taken]
    assert read == [*notes, *notes]
    assert len(world.table.images) == len(notes)


def test_an_erased_text_is_gone(world: World) -> None:
    world.translate(sample("refund_requested_damaged"))
    assert read_text(CountingTable(), **note_on_the_bus(world.bus.taken[0])) is None


def test_a_text_without_a_buyer_stands_under_the_shop(world: World) -> None:
    world.translate(sample("review_posted"))
    assert list(world.table.images) == [Key(f"TEXT#{SHOP}", "ReviewPosted#V-90210")]


def test_repeated_and_shuffled_deliveries_say_the_same_events_and_leave_the_same_items() -> None:
    messages = [sample(path.stem) for path in sorted(SAMPLES.glob("*.json"))]
    once = World()
    once.translate(*messages)
    many = World()
    deck = messages * 3
    random.Random(5).shuffle(deck)
    for start in range(0, len(deck), 10):
        assert many.translate(*deck[start : start + 10]).errors == {}

    def said(world: World) -> set[str]:
        return {json.dumps(entry, sort_keys=True) for entry in world.bus.taken}

    assert said(many) == said(once)
    assert many.table.images == once.table.images


BROKEN = {
    "not UTF-8": b"\xff\xfe",
    "broken JSON": b'{"type": "order.paid",',
    "not an object": b"[1]",
    "a fraction of a cent": (SAMPLES / "order_paid_tea_set.json").read_bytes().replace(b"44700", b"447.00"),
    "a negative amount": (SAMPLES / "order_paid_tea_set.json").read_bytes().replace(b"44700", b"-1"),
    "a missing field": b'{"type": "order.cancelled", "data": {"order_id": "1"}}',
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_genuine_delivery_that_is_broken_is_quarantined_whole_with_its_reason(world: World, what: str) -> None:
    message = queued(BROKEN[what])
    outcome = world.translate(message, sample("order_shipped"))
    assert (outcome.errors, len(outcome.published), world.bus.names) == ({}, 1, ["OrderShipped"])
    [entry] = outcome.set_aside
    assert (entry.shelf, entry.shop, entry.delivery_id) == (Shelf.QUARANTINE, SHOP, "msg_1")
    assert entry.reason
    assert world.shelf(Shelf.QUARANTINE) == [message]
    assert Delivery.from_message(message).body == BROKEN[what]


def test_an_unknown_type_is_parked(world: World) -> None:
    message = queued(b'{"type": "loyalty.points_earned", "data": {}}')
    outcome = world.translate(message)
    assert (outcome.errors, [entry.shelf for entry in outcome.set_aside]) == ({}, [Shelf.PARKED])
    assert world.shelf(Shelf.PARKED) == [message]


def test_a_door_that_is_gone_parks_what_was_still_queued(world: World) -> None:
    outcome = world.translate(queued(b"{}", door="closed"))
    assert [(entry.shelf, entry.shop) for entry in outcome.set_aside] == [(Shelf.PARKED, "closed:tea-house")]


def test_a_message_that_is_no_delivery_is_quarantined_under_no_shop(world: World) -> None:
    assert world.translate("garbage").errors == {}
    assert world.shelf(Shelf.QUARANTINE, "unknown") == ["garbage"]


def test_setting_the_same_delivery_aside_again_changes_nothing(world: World) -> None:
    message = queued(b"{")
    world.translate(message, message)
    world.translate(message)
    assert world.shelf(Shelf.QUARANTINE) == [message]


def test_two_broken_deliveries_with_one_id_are_both_kept(world: World) -> None:
    world.translate(queued(b"{"), queued(b"}"), queued(b"{"))
    assert sorted(world.shelf(Shelf.QUARANTINE)) == sorted([queued(b"{"), queued(b"}")])


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalFailure", "NotAuthorizedForSourceException"])
def test_what_the_bus_could_not_take_now_comes_again_alone(world: World, code: str) -> None:
    world.bus.refuses = {"OrderShipped": code}
    outcome = world.translate(sample("order_paid_tea_set"), sample("order_shipped"), sample("parcel_scanned"))
    assert list(outcome.errors) == ["m1"]
    assert isinstance(outcome.errors["m1"], NotPublished)
    assert world.bus.names == ["OrderPaid", "ParcelScanned"]
    assert outcome.set_aside == []


@pytest.mark.parametrize("code", ["MalformedDetail", "InvalidArgument", "ValidationException", ""])
def test_what_the_bus_can_never_take_is_quarantined_and_acknowledged(world: World, code: str) -> None:
    world.bus.refuses = {"OrderShipped": code}
    outcome = world.translate(sample("order_paid_tea_set"), sample("order_shipped"))
    assert (outcome.errors, len(outcome.published)) == ({}, 1)
    assert world.shelf(Shelf.QUARANTINE) == [sample("order_shipped")]


def test_a_bus_that_is_down_returns_every_message_that_had_something_to_say(world: World) -> None:
    world.bus.down = True
    outcome = world.translate(sample("order_paid_tea_set"), queued(b"{"), sample("order_shipped"))
    assert sorted(outcome.errors) == ["m0", "m2"]


def test_without_the_key_of_pseudonyms_every_message_comes_again(world: World) -> None:
    world.keys.down = True
    outcome = world.translate(sample("order_paid_tea_set"), sample("order_shipped"))
    assert sorted(outcome.errors) == ["m0", "m1"]
    assert (world.bus.calls, world.table.requests) == (0, 0)


def test_an_event_never_goes_out_before_its_personal_data_is_kept(world: World) -> None:
    world.table.down = True
    outcome = world.translate(sample("order_paid_tea_set"), sample("order_shipped"), queued(b"{"))
    assert sorted(outcome.errors) == ["m0", "m2"]
    assert world.bus.names == ["OrderShipped"]


def test_a_quarantine_that_cannot_be_written_returns_the_message(world: World) -> None:
    world.table.down = True
    world.bus.refuses = {"OrderShipped": "MalformedDetail"}
    assert list(world.translate(sample("order_shipped")).errors) == ["m0"]


def test_an_unforeseen_error_takes_its_own_message_only(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(body: bytes, **_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(doors, "translation", lambda door: defect if door == "standard" else None)
    outcome = world.translate(sample("order_shipped"), queued(b"{}", door="closed"))
    assert [type(error) for error in outcome.errors.values()] == [ZeroDivisionError]
    assert len(outcome.set_aside) == 1
