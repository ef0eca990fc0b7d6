"""What items say goes out in order and whole; what is due reaches its owner."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from builders import SHARDS, SHOP, START, StandingClock, World, order_paid, refund_requested

from aftercare.consuming import Consumer
from aftercare.events.catalogue import parse
from aftercare.intake import store as intake_store
from aftercare.intake.model import Shelf
from aftercare.intake.relay import Outbox, Relay
from aftercare.kernel.due import DEEP_QUEUE, DueSweep, Owner, from_message
from aftercare.kernel.errors import MalformedInput, Transient
from aftercare.kernel.table import Key
from aftercare.negotiation import keys
from sandbox.memory_table import MemoryTable


class ShakyBus:
    """Takes what it is told to take; answers an error code for the rest."""

    def __init__(self, codes: Mapping[str, str] | None = None) -> None:
        self.codes = dict(codes or {})
        self.taken: list[Mapping[str, Any]] = []
        self.down = False

    def publish(self, entries: Sequence[Mapping[str, Any]]) -> Sequence[str | None]:
        if self.down:
            raise Transient("away")
        answers = [self.codes.get(entry["detail"]["data"]["order_id"]) for entry in entries]
        self.taken += [entry for entry, code in zip(entries, answers, strict=True) if code is None]
        return answers


class CountingQueue:
    def __init__(self, waiting: int = 0) -> None:
        self.bodies: list[str] = []
        self.waiting = waiting

    def send(self, bodies: Sequence[str]) -> None:
        self.bodies += bodies

    def depth(self) -> int:
        return self.waiting


def outboxes(*order_ids: str) -> list[Outbox]:
    """What the first write of a case on each of these orders says."""
    world = World()
    told = []
    for number, order_id in enumerate(order_ids):
        world.hear(order_paid(order_id), refund_requested(f"R{number}", order_id))
        entries = [one.entry() for one in world.said]
        world.said.clear()
        told.append(Outbox(str(number), json.dumps(entries)))
    return told


def test_everything_that_is_said_goes_out_in_its_order() -> None:
    bus = ShakyBus()
    relayed = Relay(bus=bus, table=MemoryTable()).publish(outboxes("A", "B"))
    assert (len(relayed.published), relayed.failed) == (4, None)
    names = [(entry["detail-type"], entry["detail"]["data"]["order_id"]) for entry in bus.taken]
    assert names == [(name, order) for order in "AB" for name in ("NegotiationOpened", "OffersPresented")]
    for entry in bus.taken:
        parse(entry["source"], entry["detail-type"], entry["detail"])


def test_a_throttled_record_is_where_the_stream_is_read_again() -> None:
    bus = ShakyBus({"B": "ThrottlingException"})
    assert Relay(bus=bus, table=MemoryTable()).publish(outboxes("A", "B", "C")).failed == "1"


def test_a_bus_that_is_away_makes_the_whole_batch_come_again() -> None:
    bus = ShakyBus()
    bus.down = True
    assert Relay(bus=bus, table=MemoryTable()).publish(outboxes("A", "B")).failed == "0"


def test_an_event_that_the_bus_refuses_for_good_is_kept_whole_and_the_others_go_on() -> None:
    bus, table = ShakyBus({"A": "MalformedDetail"}), MemoryTable()
    relayed = Relay(bus=bus, table=table).publish(outboxes("A", "B"))
    assert (len(relayed.published), relayed.set_aside, relayed.failed) == (2, 2, None)
    kept, _ = intake_store.list_page(table, Shelf.EVENTS, "standard:lotus", None, 10)
    assert {json.loads(entry.entry.message)["detail"]["data"]["order_id"] for entry in kept} == {"A"}


# ---------------------------------------------------------------- sweep


def swept(world: World, queue: CountingQueue) -> list[Key | None]:
    owners = (Owner("cases", keys.is_order, queue), Owner("payouts", keys.is_payout, CountingQueue()))
    DueSweep(world.table, world.clock, SHARDS, owners).run()
    return [from_message(body) for body in queue.bodies]


def test_only_what_is_due_is_sent_and_it_is_sent_until_its_owner_has_looked() -> None:
    world = World()
    world.hear(order_paid("A"), refund_requested("R1", "A"))
    assert swept(world, CountingQueue()) == []
    world.clock.advance(timedelta(hours=24))
    [key] = swept(world, CountingQueue())
    assert key == keys.order_key("standard:lotus", "A")
    assert swept(world, CountingQueue()) == [key]
    world.negotiation.wake(key)
    assert swept(world, CountingQueue()) == []


def test_a_queue_that_is_deep_gets_no_more() -> None:
    world = World()
    world.hear(order_paid("A"), refund_requested("R1", "A"))
    world.clock.advance(timedelta(hours=24))
    assert swept(world, CountingQueue(DEEP_QUEUE)) == []


def test_more_than_a_page_is_swept_oldest_first() -> None:
    world = World()
    for number in range(450):
        world.hear(order_paid(f"A{number}"), refund_requested(f"R{number}", f"A{number}"))
    world.clock.advance(timedelta(hours=24))
    assert len(set(swept(world, CountingQueue()))) == 450


@pytest.mark.parametrize("body", ['{"due": 1}', '{"due"', '{"due": {"partition": "x"}}'])
def test_a_broken_timer_message_is_malformed(body: str) -> None:
    with pytest.raises(MalformedInput):
        from_message(body)


# ---------------------------------------------------------------- consuming


def records(*bodies: str) -> dict[str, Any]:
    return {"Records": [{"messageId": str(number), "body": body} for number, body in enumerate(bodies)]}


def test_an_event_that_nobody_can_read_is_kept_whole_and_acknowledged() -> None:
    table = MemoryTable()
    heard: list[object] = []
    consumer = Consumer(clock=StandingClock(START), intake_table=table, on_event=heard.append)
    assert consumer.consume(records("{", '{"due": 1}', "[]")) == {"batchItemFailures": []}
    kept, _ = intake_store.list_page(table, Shelf.EVENTS, "unknown", None, 10)
    assert {entry.entry.message for entry in kept} == {"{", '{"due": 1}', "[]"}
    assert heard == []


def test_a_message_that_fails_in_passing_comes_again_and_the_others_are_done() -> None:
    world = World()
    world.hear(order_paid("A"), refund_requested("R1", "A"))
    body = json.dumps(world.said[0].entry())
    heard: list[object] = []

    def fail_first(one: object) -> None:
        heard.append(one)
        if len(heard) == 1:
            raise Transient("later")

    consumer = Consumer(clock=StandingClock(START), intake_table=MemoryTable(), on_event=fail_first)
    assert consumer.consume(records(body, body)) == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert len(heard) == 2


def test_an_event_that_nobody_can_read_is_found_by_the_shop_that_it_names() -> None:
    table = MemoryTable()
    consumer = Consumer(clock=StandingClock(START), intake_table=table, on_event=lambda _: None)
    odd = json.dumps({"source": "x", "detail-type": "y", "detail": {"metadata": {"shop": SHOP}}})
    hostile = json.dumps({"source": "x", "detail-type": "y", "detail": {"metadata": {"shop": "no shop#at all"}}})
    consumer.consume(records(odd, hostile))
    shelves = {shop: len(intake_store.list_page(table, Shelf.EVENTS, shop, None, 10)[0]) for shop in (SHOP, "unknown")}
    assert shelves == {SHOP: 1, "unknown": 1}
