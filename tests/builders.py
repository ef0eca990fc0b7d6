"""Things that many tests need: events, plans, and a small world of negotiation in memory."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aftercare.events import catalogue
from aftercare.kernel.envelope import Event, EventData, Metadata
from aftercare.kernel.ids import stable_id
from aftercare.kernel.ports import SPENDING_ACTIONS, Action, ActionOutcome, ActionStatus, ActionType, Capabilities
from aftercare.kernel.records import DUE_AT, DUE_INDEX, OUTBOX, RecordWriter
from aftercare.kernel.table import Item, Key, Query
from aftercare.kernel.times import from_text, to_text
from aftercare.negotiation import keys, store
from aftercare.negotiation.merchant import Merchant
from aftercare.negotiation.model.cases import Case
from aftercare.negotiation.model.links import OfferLink
from aftercare.negotiation.model.orders import Order
from aftercare.negotiation.model.plans import ShopPolicy
from aftercare.negotiation.service import Negotiation
from aftercare.negotiation.settlement import Settlement, Stuck
from sandbox.memory_table import MemoryTable

SHOP = "standard:lotus"
SHARDS = 4
START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)


def cny(minor: int) -> dict[str, Any]:
    return {"minor": minor, "currency": "CNY"}


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


class StandingClock:
    """A clock that moves only when it is told to."""

    def __init__(self, start: datetime = START) -> None:
        self.time = start

    def now(self) -> datetime:
        return self.time

    def advance(self, by: timedelta) -> None:
        self.time += by


class PlainWording:
    def offer_text(self, locale: str, zone: str, opening: str, options: Sequence[Any], answer_by: datetime) -> str:
        return f"{opening} {[option.option_id for option in options]} until {answer_by.isoformat()}"


_deliveries = itertools.count(1)


def event(name: str, data: dict[str, Any], *, at: datetime = START, sequence: int | None = None) -> Event[EventData]:
    """An event of the catalogue as a consumer reads it; every call is another delivery of its fact."""
    model = catalogue.model_of(name, 1)
    metadata = Metadata(
        event_id=stable_id("delivery", next(_deliveries)), version=1, occurred_at=at, shop=SHOP, sequence=sequence
    )
    return Event(source=model.sources[0], metadata=metadata, data=model.model_validate(data))


def order_paid(order_id: str = "A1", amount: int = 10000, **changed: Any) -> Event[EventData]:
    data = {
        "order_id": order_id,
        "buyer": "b_1",
        "paid_at": to_text(START - hours(48)),
        "amount": cny(amount),
        "lines": [{"line_id": "1", "item_id": "I1", "category": "apparel", "quantity": 1, "amount": cny(amount)}],
        "promise": {"door_delivery": False},
        **changed,
    }
    return event("OrderPaid", data)


def order_promised(tag: str = "damage_guarantee", order_id: str = "A1", **changed: Any) -> Event[EventData]:
    data = {
        "order_id": order_id,
        "source": "tag",
        "tag": tag,
        "terms": f"{tag}/tags-standard-1",
        "made_at": to_text(START - hours(1)),
        **changed,
    }
    return event("OrderPromised", data)


def refund_requested(refund_id: str = "R1", order_id: str = "A1", **changed: Any) -> Event[EventData]:
    return event("RefundRequested", asked(refund_id, order_id, **changed))


def refund_updated(refund_id: str = "R1", order_id: str = "A1", **changed: Any) -> Event[EventData]:
    return event("RefundUpdated", asked(refund_id, order_id, **{"revision": 2, **changed}))


def asked(refund_id: str, order_id: str, **changed: Any) -> dict[str, Any]:
    return {
        "refund_id": refund_id,
        "order_id": order_id,
        "buyer": "b_1",
        "kind": "refund_only",
        "stage": "delivered",
        "reason": {"code": "damaged", "raw": "破损"},
        "amount": cny(10000),
        "requested_at": to_text(START),
        "respond_by": to_text(START + hours(48)),
        "revision": 1,
        **changed,
    }


def refund_decided(outcome: str, refund_id: str = "R1", order_id: str = "A1", **changed: Any) -> Event[EventData]:
    data = {
        "refund_id": refund_id,
        "order_id": order_id,
        "kind": "refund_only",
        "outcome": outcome,
        "by": "seller",
        "decided_at": to_text(START + hours(1)),
        "revision": 9,
        **changed,
    }
    return event("RefundDecided", data)


def stepped_in(at: datetime, intervention_id: str = "P1", order_id: str = "A1") -> Event[EventData]:
    data = {"intervention_id": intervention_id, "order_id": order_id, "at": to_text(at), "kind": "dispute"}
    return event("PlatformSteppedIn", data)


def step_closed(at: datetime, intervention_id: str = "P1", order_id: str = "A1") -> Event[EventData]:
    data = {"intervention_id": intervention_id, "order_id": order_id, "at": to_text(at), "outcome": "settled"}
    return event("PlatformStepClosed", data)


def plan(plan_id: str = "keep", *, options: Sequence[dict[str, Any]] = (), **changed: Any) -> dict[str, Any]:
    """A plan that offers 20 % back, or the given options, for any refund request."""
    offered = list(options) or [{"kind": "partial_refund", "percent": 20}]
    return {
        "plan_id": plan_id,
        "situation": {"triggers": ["refund_requested"]},
        "opening": {"zh": "很抱歉给您添麻烦了。", "en": "We are sorry for the trouble."},
        "rounds": [{"options": offered}],
        **changed,
    }


def policy(*plans: dict[str, Any], **changed: Any) -> ShopPolicy:
    return ShopPolicy.model_validate({"shop": SHOP, "plans": list(plans) or [plan()], **changed})


class BookKeeper:
    """A marketplace of ten lines: does every new key once, and counts what it was asked to do."""

    def __init__(self) -> None:
        self.capabilities = Capabilities(actions=frozenset(ActionType), deduplicates_keys=True)
        self.done: dict[str, Action] = {}
        self.answers: list[ActionOutcome] = []
        self.on_act: Callable[[Action], None] = lambda action: None

    def act(self, action: Action) -> ActionOutcome:
        self.on_act(action)
        if self.answers:
            return self.answers.pop(0)
        self.done.setdefault(action.key, action)
        return ActionOutcome(ActionStatus.DONE, reference=f"ref-{len(self.done)}")

    def look_up(self, key: str) -> ActionOutcome:
        return (
            ActionOutcome(ActionStatus.DONE, reference="ref")
            if key in self.done
            else ActionOutcome(ActionStatus.ABSENT)
        )

    def paid_out(self) -> int:
        """Minor units that left for buyers."""
        refunds = [action for action in self.done.values() if action.type.value.startswith("refund.")]
        return sum(action.data["amount"]["minor"] for action in refunds)

    def types(self) -> list[str]:
        return sorted(action.type.value for action in self.done.values() if action.type in SPENDING_ACTIONS)


@dataclass
class World:
    """Negotiation and settlement on one table in memory, with a bus that runs when it is told to."""

    clock: StandingClock = field(default_factory=StandingClock)
    said: list[Event[EventData]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pending: list[Event[EventData]] = []
        self.table = MemoryTable(on_write=self._heard)
        writer = RecordWriter(due_shards=SHARDS)
        self.marketplace = BookKeeper()
        self.negotiation = Negotiation(self.table, self.clock, writer, PlainWording())
        self.stuck: list[str] = []
        self.stuck_for: list[int] = []
        self.settlement = Settlement(
            self.table,
            self.clock,
            writer,
            lambda shop: self.marketplace,
            self._heard_stuck,
        )
        everything = frozenset(ActionType)
        self.merchant = Merchant(self.table, self.clock, writer, self.negotiation, lambda shop: everything)
        self.save(policy())

    def _heard(self, key: Key, item: Item | None) -> None:
        for entry in json.loads(str((item or {}).get(OUTBOX, "[]"))):
            one = catalogue.parse(entry["source"], entry["detail-type"], entry["detail"])
            self.said.append(one)
            self.pending.append(one)

    def _heard_stuck(self, stuck: Stuck) -> None:
        self.stuck.append(stuck.state)
        self.stuck_for.append(stuck.seconds)

    def save(self, new: ShopPolicy) -> None:
        was = store.read_policy(SHOP, self.table.get(keys.policy_key(SHOP)))
        self.table.write(store.write_policy(was, new))

    def hear(self, *events: Event[EventData]) -> None:
        for one in events:
            self.negotiation.take_in(one)

    def run(self) -> None:
        """Delivers what was said to those who hear it, until nothing more is said."""
        while self.pending:
            one = self.pending.pop(0)
            if one.data.name == "OfferAccepted":
                self.settlement.take_in(one)
            if one.data.name == "SettlementRecorded":
                self.negotiation.take_in(one)

    def pass_time(self, by: timedelta) -> None:
        """Wakes everything that falls due on the way, in its order."""
        end = self.clock.time + by
        while (due := self._next_due()) is not None and due[0] <= end:
            self.clock.time = max(self.clock.time, due[0])
            owner = self.settlement if keys.is_payout(due[1]) else self.negotiation
            owner.wake(due[1])
            self.run()
        self.clock.time = end

    def _next_due(self) -> tuple[datetime, Key] | None:
        armed = []
        for shard in range(SHARDS):
            page = self.table.query(Query(partition=str(shard), index=DUE_INDEX, limit=1))
            armed += [(from_text(str(item[DUE_AT])), key) for key, item in zip(page.keys, page.items, strict=True)]
        return min(armed, default=None)

    def order(self, order_id: str = "A1") -> Order:
        return store.read_order(SHOP, order_id, self.table.get(keys.order_key(SHOP, order_id))).order

    def case(self, order_id: str = "A1") -> Case:
        return self.order(order_id).cases[-1]

    def link(self, order_id: str = "A1", round_number: int | None = None) -> OfferLink:
        case = self.case(order_id)
        return OfferLink(SHOP, order_id, case.negotiation_id, round_number or case.rounds[-1].number)

    def names(self) -> list[str]:
        return [one.data.name for one in self.said]
