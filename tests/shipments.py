"""Things that tests of shipments need: what is told of orders and parcels, and a watch on a table in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from builders import SHARDS, SHOP, StandingClock, cny

from aftercare.events import catalogue
from aftercare.events.shipments import (
    OrderDelivered,
    OrderDue,
    ShipmentAnomaly,
    ShipmentAnomalyCleared,
)
from aftercare.events.vocabulary import AnomalyKind, AnomalyOutcome, AnomalyStage, Leg, Words
from aftercare.kernel.envelope import Event, EventData, Metadata
from aftercare.kernel.ids import stable_id
from aftercare.kernel.records import DUE_AT, DUE_INDEX, OUTBOX, RecordWriter
from aftercare.kernel.table import Item, Key, Query
from aftercare.kernel.times import from_text, to_text
from aftercare.rulepacks.shipments import ShipmentRules, shipment_rules
from aftercare.shipments import keys, store
from aftercare.shipments.model.facts import fold
from aftercare.shipments.model.lifecycle import anomaly_id
from aftercare.shipments.model.settings import ShopSettings
from aftercare.shipments.model.shipment import ParcelId, Shipment
from aftercare.shipments.model.verdicts import Finding, judge
from aftercare.shipments.service import ShipmentWatch
from sandbox.memory_table import MemoryTable

DAY0 = datetime(2026, 11, 2, 8, tzinfo=UTC)
"""When the orders of these tests are paid; hours count from here."""
MUCH_LATER = DAY0 + timedelta(days=90)
FAR_AWAY = ("浙江省", "四川省")
NEARBY = ("浙江省", "浙江省")
P1, P2 = ParcelId("sto", "P1"), ParcelId("sto", "P2")

Fact = Event[EventData]


def hour(count: float) -> datetime:
    """That many hours after the orders were paid."""
    return DAY0 + timedelta(hours=count)


def moment(at: float | datetime) -> datetime:
    return at if isinstance(at, datetime) else hour(at)


# ---------------------------------------------------------------- what is told; times are hours or moments


def fact(name: str, data: dict[str, Any], at: float | datetime, *, told: float | datetime | None = None) -> Fact:
    """``told`` is when it arrived, where that was later than ``at``. The same fact has the same event id."""
    model = catalogue.model_of(name, 1)
    metadata = Metadata(
        event_id=stable_id(name, json.dumps(data, sort_keys=True)),
        version=1,
        occurred_at=moment(at),
        received_at=None if told is None else moment(told),
        shop=SHOP,
    )
    return Event(model.sources[0], metadata, model.model_validate(data))


def region(province: str | None, country: str = "CN", city: str | None = None) -> dict[str, Any] | None:
    return None if province is None else {"country": country, "province": province, "city": city}


def paid(
    order_id: str = "A1",
    at: float | datetime = 0,
    *,
    ship_by: float | datetime | None = None,
    deliver_by: float | datetime | None = None,
    door: bool = False,
    lane: tuple[str | None, str | None] = FAR_AWAY,
    city: str | None = None,
    amount: int = 100_000,
    **changed: Any,
) -> Fact:
    destination = region(lane[1], city=city)
    promise: dict[str, Any] = {"ship_by": _text(ship_by), "deliver_by": _text(deliver_by), "door_delivery": door}
    data: dict[str, Any] = {
        "order_id": order_id,
        "buyer": "b_1",
        "paid_at": to_text(moment(at)),
        "amount": cny(amount),
        "lines": [{"line_id": "1", "item_id": "I1", "category": "apparel", "quantity": 1, "amount": cny(amount)}],
        "promise": promise,
        "origin": region(lane[0]),
        "destination": destination,
        **changed,
    }
    return fact("OrderPaid", data, at)


def promised(source: str, made: float = 0, order_id: str = "A1", **terms: Any) -> Fact:
    """``ship_by`` and ``deliver_by`` as hours or moments."""
    times: dict[str, Any] = {name: _text(terms.pop(name)) for name in ("ship_by", "deliver_by") if name in terms}
    data: dict[str, Any] = {"order_id": order_id, "source": source, "made_at": to_text(hour(made)), **times, **terms}
    return fact("OrderPromised", data, made)


def shipped(at: float | datetime = 0, order_id: str = "A1", parcel: ParcelId = P1) -> Fact:
    data = {"order_id": order_id, "parcel": parcel._asdict(), "uploaded_at": to_text(moment(at))}
    return fact("OrderShipped", data, at)


def entry(status: str, at: float | datetime, *, text: str = "", code: str | None = None, **more: Any) -> dict[str, Any]:
    """One entry of a trace."""
    return {
        "scanned_at": to_text(moment(at)),
        "status": status,
        "raw": {"code": code or status.upper(), "text": text},
        **more,
    }


def scan(
    status: str,
    at: float | datetime,
    *,
    parcel: ParcelId | None = P1,
    order_id: str | None = None,
    told: float | datetime | None = None,
    **more: Any,
) -> Fact:
    whose = {"parcel": parcel and parcel._asdict(), "order_id": order_id}
    return fact("ParcelScanned", {**entry(status, at, **more), **whose}, at, told=told)


def traced(
    *entries: dict[str, Any],
    told: float | datetime,
    complete: bool = True,
    parcel: ParcelId = P1,
    order_id: str | None = None,
) -> Fact:
    data = {"parcel": parcel._asdict(), "order_id": order_id, "complete": complete, "scans": list(entries)}
    return fact("ParcelTraced", data, told)


def alarm(at: float, *, lifted: bool = False, parcel: ParcelId | None = P1, order_id: str | None = None) -> Fact:
    """What the carrier itself says is wrong, or no longer wrong."""
    name = "ParcelExceptionLifted" if lifted else "ParcelExceptionReported"
    whose = {"parcel": parcel and parcel._asdict(), "order_id": order_id}
    return fact(name, {**whose, "kind": "DELAY", "raw": "late", "at": to_text(hour(at))}, at)


def ended(name: str, at: float, order_id: str = "A1") -> Fact:
    """``OrderCancelled``, ``OrderCompleted`` or ``OutOfStockDeclared``."""
    return fact(name, {"order_id": order_id, "at": to_text(moment(at))}, at)


def asked(at: float | datetime, reason: str = "not_received", *, refund_id: str = "R1", order_id: str = "A1",
          revision: int = 1) -> Fact:  # fmt: skip
    data = {
        "refund_id": refund_id,
        "order_id": order_id,
        "buyer": "b_1",
        "kind": "refund_only",
        "stage": "delivered",
        "reason": {"code": reason, "raw": ""},
        "amount": cny(100_000),
        "requested_at": to_text(moment(at)),
        "revision": revision,
    }
    return fact("RefundRequested" if revision == 1 else "RefundUpdated", data, at)


def decided(
    at: float, outcome: str = "refunded", minor: int = 100_000, *, refund_id: str = "R1", order_id: str = "A1"
) -> Fact:
    data = {
        "refund_id": refund_id,
        "order_id": order_id,
        "kind": "refund_only",
        "outcome": outcome,
        "by": "seller",
        "decided_at": to_text(hour(at)),
        "amount": cny(minor) if outcome == "refunded" else None,
        "revision": 9,
    }
    return fact("RefundDecided", data, at)


def _text(at: float | datetime | None) -> str | None:
    return None if at is None else to_text(moment(at))


# ---------------------------------------------------------------- the pure model


def known(*facts: Fact, pack: str = "standard", order_id: str = "A1") -> Shipment:
    """An order's shipment with those facts in it, one after the other."""
    shipment = Shipment(SHOP, order_id, pack)
    for each in facts:
        shipment = fold(shipment, each)
    return shipment


def rules_for(shipment: Shipment) -> ShipmentRules:
    return shipment_rules(shipment.pack, shipment.payment.paid_at if shipment.payment else DAY0)


def findings(shipment: Shipment, now: float | datetime = MUCH_LATER) -> tuple[Finding, ...]:
    found = judge(shipment, rules_for(shipment), moment(now)).findings
    assert len({anomaly_id(shipment, each) for each in found}) == len(found), "the same thing is found twice"
    return found


def kinds(shipment: Shipment, now: float | datetime = MUCH_LATER) -> list[str]:
    return sorted(each.kind.value for each in findings(shipment, now))


# ---------------------------------------------------------------- the service


class ShortWording:
    def words(self, kind: AnomalyKind, leg: Leg | None) -> Words:
        return Words(zh=kind.value, en=kind.value)

    def action(self, kind: AnomalyKind, leg: Leg | None) -> str:
        return f"see_to_{kind.value}"


class Final(NamedTuple):
    """An anomaly as it stands in the end, by what was said of it. What was withdrawn is none."""

    order_id: str
    parcel: str | None
    kind: str
    leg: str | None
    since: str
    stage: str
    crossed_at: str
    cleared_at: str | None
    outcome: str | None


class WatchedShop:
    """The shipments of one shop on a table in memory, with a clock that wakes what falls due on its way."""

    def __init__(self, settings: ShopSettings | None = None, start: datetime = DAY0) -> None:
        self.clock = StandingClock(start)
        self.said: list[tuple[datetime, Fact]] = []
        """Every event with the moment at which it was said."""
        self.table = MemoryTable(on_write=self._heard)
        self.watch = ShipmentWatch(self.table, self.clock, RecordWriter(SHARDS), ShortWording())
        if settings is not None:
            self.table.write(store.write_settings(SHOP, store.read_settings(SHOP, None), settings))

    def _heard(self, key: Key, item: Item | None) -> None:
        for one in json.loads(str((item or {}).get(OUTBOX, "[]"))):
            event = catalogue.parse(one["source"], one["detail-type"], one["detail"])
            self.said.append((self.clock.time, event))

    # ------------------------------------------------------------ what happens

    def hear(self, *facts: Fact) -> None:
        """Delivers them now, as late as that may be."""
        for each in facts:
            self.watch.take_in(each)

    def follow(self, facts: Iterable[Fact]) -> None:
        """Delivers each when it happened, or now if that is past; what falls due before it comes first."""
        for each in facts:
            self.run_until(each.metadata.occurred_at)
            self.watch.take_in(each)

    def run_until(self, end: float | datetime) -> None:
        """Lets time pass and wakes every order at the moment for which it armed its timer."""
        while (due := self._next_due()) is not None and due[0] <= max(moment(end), self.clock.time):
            self.clock.time = max(self.clock.time, due[0])
            self.watch.wake(due[1])
        self.clock.time = max(self.clock.time, moment(end))

    def sleep_until(self, end: float | datetime) -> None:
        """Lets time pass while nobody wakes anything."""
        self.clock.time = max(self.clock.time, moment(end))

    def _next_due(self) -> tuple[datetime, Key] | None:
        armed: list[tuple[datetime, Key]] = []
        for shard in range(SHARDS):
            page = self.table.query(Query(partition=str(shard), index=DUE_INDEX, limit=1))
            armed += [(from_text(str(item[DUE_AT])), key) for key, item in zip(page.keys, page.items, strict=True)]
        return min(armed, default=None)

    def hear_interrupted(self, one: Fact, at: dict[int, Callable[[], object]]) -> int:
        """Delivers it while other things happen at those moments; answers how many moments there were."""
        table = Interrupted(self.table, at)
        ShipmentWatch(table, self.clock, RecordWriter(SHARDS), ShortWording()).take_in(one)
        return table.moment + 1

    # ------------------------------------------------------------ what can be seen

    def order(self, order_id: str = "A1") -> Shipment:
        return store.read_shipment(SHOP, order_id, self.table.get(keys.shipment_key(SHOP, order_id))).shipment

    def facts(self, order_id: str = "A1") -> Shipment:
        """What is known of an order, without what was said of it."""
        return self.order(order_id)._replace(said={}, due_said=None, delivered_said={})

    def armed_for(self, order_id: str = "A1") -> datetime | None:
        item = self.table.get(keys.shipment_key(SHOP, order_id)) or {}
        return from_text(str(item[DUE_AT])) if DUE_AT in item else None

    def anomalies(self) -> list[ShipmentAnomaly]:
        return [event.data for _, event in self.said if isinstance(event.data, ShipmentAnomaly)]

    def story(self) -> list[str]:
        """Every word of an anomaly in order: ``Raised stalled/transit breach``, ``!`` where somebody is notified."""
        return [
            f"{one.name.removeprefix('ShipmentAnomaly')} {one.kind.value}{f'/{one.leg.value}' if one.leg else ''}"
            f" {one.stage.value}{'!' if one.notify else ''}"
            for one in self.anomalies()
        ]

    def dues(self) -> list[OrderDue]:
        return [event.data for _, event in self.said if isinstance(event.data, OrderDue)]

    def deliveries(self) -> list[OrderDelivered]:
        return [event.data for _, event in self.said if isinstance(event.data, OrderDelivered)]

    def finals(self, order_ids: Iterable[str] = ("A1",)) -> set[Final]:
        """By the events alone, as a reader of the bus would know it; it must be what the orders themselves hold."""
        last, crossed = self._last_words()
        held = {
            each: (said.stage, said.crossed_at, said.cleared_at, said.outcome)
            for order_id in order_ids
            for each, said in self.order(order_id).said.items()
        }
        told = {each: (one.stage, crossed[each], one.cleared_at, one.outcome) for each, one in last.items()}
        assert held == told, "what was said is not what the orders hold"
        return self.finals_of_all()

    def finals_of_all(self) -> set[Final]:
        """As ``finals``, of every order of any shop."""
        last, crossed = self._last_words()
        finals = {_final(one, crossed[each]) for each, one in last.items() if one.outcome is not _WITHDRAWN}
        assert len(finals) == len({final[:5] for final in finals}), "one thing wrong is told twice"
        return finals

    def _last_words(self) -> tuple[dict[str, ShipmentAnomaly], dict[str, datetime]]:
        """What was said last of every anomaly, and when its breach began."""
        last: dict[str, ShipmentAnomaly] = {}
        crossed: dict[str, datetime] = {}
        for one in self.anomalies():
            last[one.anomaly_id] = one
            if one.stage is not AnomalyStage.SERIOUS or isinstance(one, ShipmentAnomalyCleared):
                crossed[one.anomaly_id] = one.crossed_at
        return last, crossed


_WITHDRAWN = AnomalyOutcome.WITHDRAWN


def _final(one: ShipmentAnomaly, crossed_at: datetime) -> Final:
    return Final(
        order_id=one.order_id,
        parcel=None if one.parcel is None else f"{one.parcel.carrier}/{one.parcel.number}",
        kind=one.kind.value,
        leg=one.leg and one.leg.value,
        since=to_text(one.since),
        stage=one.stage.value,
        crossed_at=to_text(crossed_at),
        cleared_at=_text(one.cleared_at),
        outcome=one.outcome and one.outcome.value,
    )


class Interrupted:
    """A table at which something happens at given moments: before its first call, which is moment 0, or after one."""

    def __init__(self, table: MemoryTable, at: dict[int, Callable[[], object]]) -> None:
        self._table = table
        self._at = at
        self.moment = -1

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            if self.moment < 0:
                self._pass()
            answer = getattr(self._table, name)(*arguments)
            self._pass()
            return answer

        return call

    def _pass(self) -> None:
        self.moment += 1
        self._at.pop(self.moment, lambda: None)()
