"""Things that tests of scores need: what is told of orders and sessions, and a ledger with its roll-up in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from builders import SHARDS, SHOP, StandingClock, cny

from aftercare.events import catalogue
from aftercare.events.scores import DailyStandardAtRisk, DayMeasured, ScorePublished
from aftercare.kernel.days import next_closing
from aftercare.kernel.envelope import Event, EventData, Metadata
from aftercare.kernel.ids import stable_id
from aftercare.kernel.records import DUE_AT, DUE_INDEX, OUTBOX, RecordWriter
from aftercare.kernel.table import Item, Key, Query, Table
from aftercare.kernel.times import from_text
from aftercare.rulepacks.scores import Definitions, definitions, score_pack
from aftercare.scores import keys, store
from aftercare.scores.ledger import FactLedger, RowWriter
from aftercare.scores.model.contributions import Row, order_rows, session_rows
from aftercare.scores.model.exclusions import brought_back, excluded
from aftercare.scores.model.facts import fold_order, fold_session
from aftercare.scores.model.records import OrderRecord, SessionRecord
from aftercare.scores.model.shops import ShopState
from aftercare.scores.rollup import ScoreRollup
from sandbox.memory_table import MemoryTable

Fact = Event[EventData]
Counts = dict[str, tuple[int, int]]
"""Numerator and denominator by metric."""

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
COUNTING = score_pack("standard-1").counting
STANDARD = definitions("standard", MONDAY)
DOUYIN = definitions("douyin", MONDAY)
TAOBAO = definitions("taobao", MONDAY)
TAOBAO_2025 = definitions("taobao", datetime(2025, 12, 1, tzinfo=UTC))


def at(days: float = 0, clock: str = "00:00:00", zone: str = "UTC") -> datetime:
    """That time of day in the zone, as many days after Monday, 2 November 2026."""
    day = (MONDAY + timedelta(days=days)).date()
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


# ---------------------------------------------------------------- what is told


def fact(
    name: str,
    when: datetime,
    data: dict[str, Any],
    *,
    told: datetime | None = None,
    sequence: int | None = None,
    shop: str = SHOP,
) -> Fact:
    """``told`` is when it arrived, where that was later. The same fact has the same event id."""
    model = catalogue.model_of(name, 1)
    metadata = Metadata(
        event_id=stable_id(name, shop, repr(sorted(data.items())), sequence or 0),
        version=1,
        occurred_at=when,
        received_at=told,
        shop=shop,
        sequence=sequence,
    )
    return Event(model.sources[0], metadata, model.model_validate(data))


def paid(
    when: datetime,
    order_id: str = "A1",
    *,
    ship_by: datetime | None = None,
    deliver_by: datetime | None = None,
    door: bool = False,
    items: Sequence[str] = ("I1",),
    insured: bool | None = None,
    flags: Sequence[str] | None = None,
    shop: str = SHOP,
) -> Fact:
    lines = [
        {"line_id": str(number), "item_id": item, "category": "apparel", "quantity": 1, "amount": cny(10_000)}
        for number, item in enumerate(items, start=1)
    ]
    data = {
        "order_id": order_id,
        "buyer": "b_1",
        "paid_at": when,
        "amount": cny(10_000),
        "lines": lines,
        "promise": {"ship_by": ship_by, "deliver_by": deliver_by, "door_delivery": door},
        "insured": insured,
        "flags": flags,
    }
    return fact("OrderPaid", when, data, shop=shop)


def due(
    revision: int,
    *,
    ship_by: datetime | None = None,
    deliver_by: datetime | None = None,
    door: bool = False,
    order_id: str = "A1",
) -> Fact:
    data = {"ship_by": ship_by, "deliver_by": deliver_by, "door_delivery": door, "rule": "agreed"}
    return fact("OrderDue", MONDAY, {"order_id": order_id, "revision": revision, **data})


def cancelled(when: datetime, order_id: str = "A1") -> Fact:
    return fact("OrderCancelled", when, {"order_id": order_id, "at": when})


def completed(when: datetime, order_id: str = "A1") -> Fact:
    return fact("OrderCompleted", when, {"order_id": order_id, "at": when})


def parcel(number: str) -> dict[str, str]:
    return {"carrier": "sto", "number": number}


def shipped(when: datetime, order_id: str = "A1", number: str = "P1") -> Fact:
    return fact("OrderShipped", when, {"order_id": order_id, "parcel": parcel(number), "uploaded_at": when})


def entry(status: str, when: datetime, *, text: str = "", signed_by: str | None = None) -> dict[str, Any]:
    """One entry of a trace."""
    raw = {"code": status.upper(), "text": text}
    return {"scanned_at": when, "status": status, "raw": raw, "signed_by": signed_by}


def scan(
    status: str,
    when: datetime,
    *,
    number: str | None = None,
    order_id: str | None = None,
    told: datetime | None = None,
    **more: Any,
) -> Fact:
    """Of the order where no parcel's number is given."""
    order_id = order_id or (None if number else "A1")
    whose = {"parcel": parcel(number) if number else None, "order_id": order_id}
    return fact("ParcelScanned", when, {**entry(status, when, **more), **whose}, told=told)


def traced(
    *entries: dict[str, Any], told: datetime, number: str = "P1", complete: bool = True, order_id: str | None = None
) -> Fact:
    data = {"parcel": parcel(number), "order_id": order_id, "complete": complete, "scans": list(entries)}
    return fact("ParcelTraced", told, data)


def reviewed(
    stars: int | None,
    when: datetime,
    *,
    review_id: str = "V1",
    revision: int | None = 1,
    removed: bool | None = None,
    delivery: int | None = 1,
    order_id: str = "A1",
) -> Fact:
    given = {"item": stars, "delivery": delivery}
    data = {"review_id": review_id, "order_id": order_id, "posted_at": when, "stars": given}
    return fact("ReviewPosted", when, {**data, "revision": revision, "removed": removed})


def asked(
    when: datetime, reason: str = "quality", *, refund_id: str = "R1", revision: int = 1, order_id: str = "A1"
) -> Fact:
    data = {
        "refund_id": refund_id,
        "order_id": order_id,
        "buyer": "b_1",
        "kind": "refund_only",
        "stage": "delivered",
        "reason": {"code": reason, "raw": ""},
        "amount": cny(10_000),
        "requested_at": when,
        "revision": revision,
    }
    return fact("RefundRequested" if revision == 1 else "RefundUpdated", when, data)


def decided(
    when: datetime,
    outcome: str = "agreed",
    *,
    by: str = "seller",
    refund_id: str = "R1",
    justified: bool | None = None,
    order_id: str = "A1",
    revision: int = 2,
) -> Fact:
    data = {"refund_id": refund_id, "order_id": order_id, "kind": "refund_only", "outcome": outcome, "by": by}
    return fact("RefundDecided", when, {**data, "decided_at": when, "justified": justified, "revision": revision})


def stepped_in(
    when: datetime, kind: str = "dispute", *, step: str = "S1", refund_id: str | None = None, order_id: str = "A1"
) -> Fact:
    data = {"intervention_id": step, "order_id": order_id, "refund_id": refund_id, "at": when, "kind": kind}
    return fact("PlatformSteppedIn", when, data)


def step_closed(when: datetime, *, step: str = "S1", order_id: str = "A1") -> Fact:
    data = {"intervention_id": step, "order_id": order_id, "at": when, "outcome": "settled"}
    return fact("PlatformStepClosed", when, data)


def anomaly(
    word: str,
    stage: str,
    crossed: datetime,
    sequence: int,
    *,
    kind: str = "stalled",
    outcome: str | None = None,
    anomaly_id: str = "N1",
    order_id: str = "A1",
) -> Fact:
    """``word`` is Raised, Escalated or Cleared."""
    data = {
        "anomaly_id": anomaly_id,
        "parcel": parcel("P1"),
        "order_id": order_id,
        "kind": kind,
        "stage": stage,
        "since": MONDAY,
        "crossed_at": crossed,
        "cleared_at": crossed if outcome else None,
        "outcome": outcome,
        "rule": "stall",
        "notify": True,
    }
    return fact(f"ShipmentAnomaly{word}", crossed, data, sequence=sequence)


def opened(
    when: datetime,
    arm: str = "offer",
    *,
    trigger: str = "refund_requested",
    case: str = "C1",
    refund_id: str | None = "R1",
    order_id: str = "A1",
) -> Fact:
    data = {"negotiation_id": case, "order_id": order_id, "refund_id": refund_id, "trigger": trigger, "arm": arm}
    return fact("NegotiationOpened", when, {**data, "eligible": True, "opened_at": when}, sequence=1)


def presented(when: datetime, number: int = 1, *, case: str = "C1", order_id: str = "A1") -> Fact:
    options = [{"option_id": "o1", "kind": "partial_refund", "amount": cny(500)}]
    data = {"negotiation_id": case, "order_id": order_id, "round": number, "options": options}
    return fact("OffersPresented", when, {**data, "answer_by": when, "text_sha256": "0" * 64})


def answered(word: str, when: datetime, number: int = 1, *, case: str = "C1", order_id: str = "A1") -> Fact:
    """``word`` is Accepted, Declined or Expired."""
    data: dict[str, Any] = {"negotiation_id": case, "order_id": order_id, "round": number}
    if word == "Accepted":
        chosen = {"option_id": "o1", "kind": "partial_refund", "amount": cny(500), "via": "page", "accepted_at": when}
        return fact("OfferAccepted", when, {**data, **chosen})
    return fact(f"Offers{word}", when, {**data, "at": when})


def closed(when: datetime, outcome: str = "kept", *, case: str = "C1", order_id: str = "A1", sequence: int = 9) -> Fact:
    data = {"negotiation_id": case, "order_id": order_id, "refund_id": "R1", "outcome": outcome, "closed_at": when}
    return fact("NegotiationClosed", when, data, sequence=sequence)


def wrote(sender: str, when: datetime, *, session: str = "chat-1") -> Fact:
    data = {"session_id": session, "message_id": f"{sender}@{when.isoformat()}", "sender": sender, "at": when}
    return fact("ChatMessagePosted", when, data)


def round_closed(when: datetime, answer: datetime | None = None, by: str = "none", *, session: str = "chat-1") -> Fact:
    data = {"session_id": session, "asked_at": when, "answered_at": answer, "answered_by": by}
    return fact("ChatRoundClosed", answer or when, data)


def rated(
    when: datetime,
    satisfied: bool,
    *,
    resolved: bool | None = None,
    stars: int | None = None,
    by: str | None = None,
    session: str = "chat-1",
) -> Fact:
    data = {"session_id": session, "rated_at": when, "satisfied": satisfied, "resolved": resolved}
    return fact("ChatRated", when, {**data, "stars": stars, "answered_by": by})


def enrolled(service: str, since: datetime, *, active: bool = True) -> Fact:
    return fact("ServiceEnrolled", since, {"service": service, "active": active, "since": since})


def violated(when: datetime, kind: str = "brushing", *, order_id: str = "A1") -> Fact:
    return fact("ViolationRecorded", when, {"kind": kind, "order_id": order_id, "at": when})


# ---------------------------------------------------------------- the pure model


class Counted(NamedTuple):
    """What a record adds to a metric: days as ``11-02``."""

    day: str
    numerator: int
    denominator: int = 1
    evidence: str | None = None


def order_of(*facts: Fact, zone: str = "UTC") -> OrderRecord:
    record = OrderRecord(SHOP, "A1", zone, "standard")
    for each in facts:
        record = fold_order(record, each)
    return record


def session_of(*facts: Fact, zone: str = "UTC") -> SessionRecord:
    record = SessionRecord(SHOP, "chat-1", zone, "standard")
    for each in facts:
        record = fold_session(record, each)
    return record


def counted(metric: str, *facts: Fact, zone: str = "UTC", defined: Definitions = STANDARD) -> list[Counted]:
    """What those facts about order A1, or session chat-1, add to a metric, by day."""
    if metric.startswith(("reply_", "chat_")):
        rows: Iterable[Row] = session_rows(session_of(*facts, zone=zone), defined).values()
    else:
        rows = order_rows(order_of(*facts, zone=zone), defined).values()
    return sorted(_counted(row.day, *row.metrics[metric]) for row in rows if metric in row.metrics)


def _counted(day: date, numerator: int, denominator: int, evidence: date | None) -> Counted:
    return Counted(f"{day:%m-%d}", numerator, denominator, evidence and f"{evidence:%m-%d}")


# ---------------------------------------------------------------- the services


class CountedShop:
    """A ledger and its roll-up on a table in memory, with a clock that wakes what falls due on its way.

    Facts may be of several shops; what is asked is about ``SHOP``.
    """

    def __init__(self, start: datetime = MONDAY, *, zone: str | None = None, **registered: Any) -> None:
        """``registered``: what the registry knows of the shop from the start, such as its ``category``."""
        self.clock = StandingClock(start)
        self.said: list[tuple[datetime, Fact]] = []
        """Every event with the moment at which it was said."""
        self.stream: list[Item] = []
        """Items with rows that have not been written out yet."""
        self.table = MemoryTable(on_write=self._heard)
        if zone is not None or registered:
            zone = zone or "UTC"
            state = ShopState.entered(SHOP, start, zone=zone)._replace(**registered)
            self.table.write(store.write_shop(RecordWriter(SHARDS), None, state, next_closing(start, zone), start))

    def _heard(self, key: Key, item: Item | None) -> None:
        for one in json.loads(str((item or {}).get(OUTBOX, "[]"))):
            event = catalogue.parse(one["source"], one["detail-type"], one["detail"])
            self.said.append((self.clock.time, event))
        if item is not None and store.ROWS in item:
            self.stream.append(item)

    # ------------------------------------------------------------ what happens

    def ledger(self, table: Table | None = None) -> FactLedger:
        return FactLedger(table or self.table, self.clock, RecordWriter(SHARDS))

    def rollup(self, table: Table | None = None) -> ScoreRollup:
        return ScoreRollup(table or self.table, self.clock, RecordWriter(SHARDS))

    def hear(self, *facts: Fact) -> None:
        """Takes them in now and writes their rows out."""
        for each in facts:
            self.ledger().take_in(each)
            self.write_rows()

    def exclude(self, *metrics: str, order_id: str = "A1") -> None:
        """A person keeps an order out of metrics, now."""
        self._edit(order_id, lambda record: excluded(record, metrics, "a flood", "lin", self.clock.time), lifted=False)

    def bring_back(self, *metrics: str, order_id: str = "A1") -> None:
        self._edit(order_id, lambda record: brought_back(record, metrics, "wang", self.clock.time), lifted=True)

    def _edit(self, order_id: str, edit: Callable[[OrderRecord], OrderRecord], *, lifted: bool) -> None:
        note = store.Note("order", order_id, (), "a flood", "lin", self.clock.time, lifted)
        self.ledger().edit_order(SHOP, order_id, edit, store.write_note(SHOP, note))
        self.write_rows()

    def write_rows(self, table: Table | None = None) -> None:
        while self.stream:
            write_out(table or self.table, self.clock, self.stream[0])
            del self.stream[0]

    def follow(self, facts: Iterable[Fact]) -> None:
        """Each when it happened, or now if that is past; what falls due before it comes first."""
        for each in facts:
            self.run_until(each.metadata.occurred_at)
            self.hear(each)

    def run_until(self, end: datetime) -> None:
        """Lets time pass and wakes every shop at the moment for which it armed its timer."""
        while (first := self.table.first(DUE_INDEX)) is not None and from_text(first) <= max(end, self.clock.time):
            self.clock.time = max(self.clock.time, from_text(first))
            for key in self._due(first):
                self.rollup().wake(key)
        self.clock.time = max(self.clock.time, end)

    def sleep_until(self, end: datetime) -> None:
        """Lets time pass while nobody wakes anything."""
        self.clock.time = max(self.clock.time, end)

    def wake(self, table: Table | None = None) -> None:
        self.rollup(table).wake(keys.shop_key(SHOP))

    def _due(self, until: str) -> list[Key]:
        pages = [self.table.query(Query(str(shard), highest=until, index=DUE_INDEX)) for shard in range(SHARDS)]
        return [key for page in pages for key in page.keys]

    # ------------------------------------------------------------ what can be seen

    def state(self) -> ShopState:
        key = keys.shop_key(SHOP)
        item = self.table.get(key)
        assert item is not None
        return store.read_shop(key, item).state

    def armed_for(self) -> datetime:
        return from_text(str((self.table.get(keys.shop_key(SHOP)) or {})[DUE_AT]))

    def order(self, order_id: str = "A1") -> OrderRecord | None:
        key = keys.order_key(SHOP, order_id)
        found = store.stored_order(key, self.table.get(key))
        return found and found.record

    def session(self, session_id: str = "chat-1") -> SessionRecord | None:
        key = keys.session_key(SHOP, session_id)
        found = store.stored_session(key, self.table.get(key))
        return found and found.record

    def rows(self, day: date) -> dict[str, Row]:
        """By subject, without those that stand for none."""
        page = self.table.query(store.rows_of(SHOP, day, None))
        found = [store.read_row(key, item, day) for key, item in zip(page.keys, page.items, strict=True)]
        return {row.subject: row for row in found if row.metrics}

    def late(self) -> list[date]:
        return [keys.day_of(key) for key in self.table.query(store.late_days(SHOP)).keys]

    def days(self) -> list[tuple[str, int, Counts]]:
        """What was said of days: day, revision, counts."""
        measured = [event.data for _, event in self.said if isinstance(event.data, DayMeasured)]
        return [(f"{one.day:%m-%d}", one.revision, _counts(one)) for one in measured]

    def weeks(self) -> list[tuple[str, int, Counts]]:
        """What was published: week, revision, and the counts that are not 0 of 0."""
        return [(one.week, one.revision, _counts(one)) for one in self.scores()]

    def scores(self) -> list[ScorePublished]:
        return [event.data for _, event in self.said if isinstance(event.data, ScorePublished)]

    def warnings(self) -> list[tuple[datetime, DailyStandardAtRisk]]:
        return [(moment, event.data) for moment, event in self.said if isinstance(event.data, DailyStandardAtRisk)]

    def finals(self) -> tuple[dict[str, Counts], dict[str, Counts]]:
        """The highest revisions of days and weeks; each must follow the one before it."""
        said: dict[str, ScorePublished] = {}
        for one in self.scores():
            known = said.get(one.week)
            assert known is None or known.model_copy(update={"revision": one.revision}) != one, "it says something new"
            said[one.week] = one
        return _finals(self.days()), _finals(self.weeks())


def _counts(one: DayMeasured | ScorePublished) -> Counts:
    return {each.id: (each.numerator, each.denominator) for each in one.metrics if each.numerator or each.denominator}


def _finals(said: list[tuple[str, int, Counts]]) -> dict[str, Counts]:
    finals: dict[str, Counts] = {}
    revisions: dict[str, int] = {}
    for name, revision, counts in said:
        assert revision == revisions.get(name, 0) + 1, "revisions count up"
        finals[name], revisions[name] = counts, revision
    return {name: counts for name, counts in finals.items() if counts}


def write_out(table: Table, clock: StandingClock, item: Mapping[str, Any]) -> None:
    """As the stream's consumer does with one version of a record."""
    RowWriter(table, clock).write_out(
        shop=str(item["shop"]), zone=str(item["zone"]), version=int(item["version"]), rows=str(item[store.ROWS])
    )


class Killed(BaseException):
    """The function ends here."""


def die() -> None:
    raise Killed
