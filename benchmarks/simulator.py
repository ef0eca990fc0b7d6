"""How many deliveries a second the domain takes without AWS: negotiation and settlement over a table in memory.

It bounds how many schedules a simulation can try, and shows what of a handler's time is decisions and what is calls.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aftercare.events import catalogue
from aftercare.events.negotiation import OfferAccepted, SettlementRecorded
from aftercare.kernel.envelope import Event, EventData, Metadata
from aftercare.kernel.ids import stable_id
from aftercare.kernel.ports import Action, ActionOutcome, ActionStatus, ActionType, Capabilities
from aftercare.kernel.records import OUTBOX, RecordWriter
from aftercare.kernel.table import Item, Key
from aftercare.kernel.times import to_text
from aftercare.negotiation import keys, store
from aftercare.negotiation.model.links import OfferLink
from aftercare.negotiation.service import Negotiation
from aftercare.negotiation.settlement import Settlement
from aftercare.pages.wording import OfferWording
from benchmarks.cases import SHOPS
from sandbox.memory_table import MemoryTable
from sandbox.shops import read_shops

NOW = datetime(2026, 11, 5, 8, 0, tzinfo=UTC)
PAID = {"minor": 31800, "currency": "CNY"}


@dataclass(frozen=True)
class Throughput:
    orders: int
    deliveries: int
    """Every event that a consumer took in, and every choice of a buyer."""
    seconds: float
    """CPU."""

    @property
    def a_second(self) -> float:
        return self.deliveries / self.seconds


def measure(orders: int) -> Throughput:
    """Every order is paid, asked back in part, offered on, accepted, settled and closed."""
    world = _World()
    start = time.process_time()
    for number in range(orders):
        world.negotiate(f"S{number}")
    return Throughput(orders, world.deliveries, time.process_time() - start)


class _StandingClock:
    def now(self) -> datetime:
        return NOW


class _Marketplace:
    capabilities = Capabilities(actions=frozenset(ActionType), deduplicates_keys=True)

    def act(self, action: Action) -> ActionOutcome:
        return ActionOutcome(ActionStatus.DONE, reference=action.key)

    def look_up(self, key: str) -> ActionOutcome:
        return ActionOutcome(ActionStatus.DONE, reference=key)


class _World:
    def __init__(self) -> None:
        self.deliveries = 0
        self._said: list[Event[EventData]] = []
        self._table = MemoryTable(on_write=self._hear)
        writer, wording, marketplace = RecordWriter(due_shards=4), OfferWording(), _Marketplace()
        self._negotiation = Negotiation(self._table, _StandingClock(), writer, wording)
        self._settlement = Settlement(
            self._table, _StandingClock(), writer, lambda _shop: marketplace, lambda _stuck: None
        )
        policy = read_shops(SHOPS)[0].policy()
        self._shop = policy.shop
        self._table.write(store.write_policy(store.read_policy(policy.shop, None), policy))

    def negotiate(self, order_id: str) -> None:
        buyer = f"b_{order_id}"
        self._deliver("OrderPaid", _paid(order_id, buyer))
        self._deliver("RefundRequested", _asked(order_id, buyer))
        item = self._table.get(keys.order_key(self._shop, order_id))
        case = store.read_order(self._shop, order_id, item).order.cases[-1]
        self.deliveries += 1
        self._negotiation.accept(OfferLink(self._shop, order_id, case.negotiation_id, 1), "r1o1")
        while self._said:
            event = self._said.pop(0)
            if isinstance(event.data, OfferAccepted):
                self.deliveries += 1
                self._settlement.take_in(event)
            if isinstance(event.data, SettlementRecorded):
                self.deliveries += 1
                self._negotiation.take_in(event)

    def _deliver(self, name: str, data: dict[str, Any]) -> None:
        model = catalogue.model_of(name, 1)
        event_id = stable_id(name, data["order_id"])
        metadata = Metadata(event_id=event_id, version=1, occurred_at=NOW, shop=self._shop)
        self.deliveries += 1
        self._negotiation.take_in(Event(model.sources[0], metadata, model.model_validate(data)))

    def _hear(self, _key: Key, item: Item | None) -> None:
        for entry in json.loads(str((item or {}).get(OUTBOX, "[]"))):
            self._said.append(catalogue.parse(entry["source"], entry["detail-type"], entry["detail"]))


def _paid(order_id: str, buyer: str) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "buyer": buyer,
        "paid_at": to_text(NOW - timedelta(days=2)),
        "amount": PAID,
        "lines": [{"line_id": "1", "item_id": "I1", "category": "lighting", "quantity": 1, "amount": PAID}],
        "promise": {"door_delivery": False},
    }


def _asked(order_id: str, buyer: str) -> dict[str, Any]:
    return {
        "refund_id": f"R-{order_id}",
        "order_id": order_id,
        "buyer": buyer,
        "kind": "refund_only",
        "stage": "delivered",
        "reason": {"code": "damaged", "raw": "商品破损"},
        "amount": PAID,
        "requested_at": to_text(NOW),
        "respond_by": to_text(NOW + timedelta(hours=48)),
        "revision": 1,
    }
