# ruff: noqa: INP001, S311  a script, not a package; the same seed tells the same story
"""Writes a rich scene for ``python -m sandbox replay``: what four made-up shops hear in eight weeks.

    python tools/scene.py EVENTS.jsonl                 some 3,000 events
    python tools/scene.py EVENTS.jsonl --orders 60     a smaller one

Only what comes in from outside is told; anomalies and negotiations are left to the system. Every metric of
``standard-1`` is met, and so is what makes counting hard: zones with and without summer time, moments on the stroke of
a limit, shared parcel numbers, facts that come late, twice, in the wrong order, and that are taken back.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from aftercare.events.vocabulary import MARKETPLACES
from aftercare.kernel.ids import stable_id
from aftercare.kernel.times import to_text
from aftercare.negotiation.model.cases import negotiation_id
from aftercare.negotiation.model.references import OfferReference

BEGIN = datetime(2026, 10, 5, tzinfo=UTC)
"""A Monday; in the third week Berlin turns its clocks back."""
WEEKS = 8
UNTIL = BEGIN + timedelta(weeks=WEEKS + 8)
"""By then nothing of the scene waits to be said or counted any more."""
SHOPS = {
    "standard:tea-house": "Asia/Shanghai",
    "standard:boot-room": "Europe/Berlin",
    "standard:new-shop": "Asia/Shanghai",
    # nobody registered it: it is counted in UTC
    "standard:stranger": "UTC",
}
SEED = 87
"""One of the stories in which chance holds some requests out of the offers."""
PLANNED = "standard:tea-house"
"""Its plans make offers at once."""
REASONS = (
    *("not_wanted", "not_wanted", "not_wanted", "wrong_size", "damaged", "damaged", "quality"),
    *("not_as_described", "wrong_item", "missing", "fake", "late", "not_received", "other"),
)
BAD_REASONS = "quality", "damaged", "fake"

MICROSECOND = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
AROUND = timedelta(), -SECOND, MICROSECOND, SECOND
"""A limit that is just met, or just missed."""


class Told(NamedTuple):
    """``arrives`` and ``number`` are the place in the file."""

    arrives: datetime
    number: int
    entry: dict[str, Any]


class Stage(NamedTuple):
    """A scan of a parcel's way, and how much later it is heard of."""

    status: str
    at: datetime
    late: timedelta


class Scene:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.told: list[Told] = []
        self.parcels: dict[str, dict[str, str]] = {}
        """By shop, the parcel that was handed over last."""

    # ------------------------------------------------------------ telling

    def tell(
        self, name: str, shop: str, at: datetime, data: dict[str, Any], late: timedelta = timedelta(), **dedupe: int
    ) -> None:
        """``late`` is how much later than ``at`` it arrives. Some things are told once more, at once or days later."""
        metadata = {
            "event_id": stable_id(name, shop, json.dumps(_plain(data), sort_keys=True), *dedupe.values()),
            "version": 1,
            "occurred_at": to_text(at),
            "shop": shop,
        }
        if late:
            metadata["received_at"] = to_text(at + late)
        detail = {"metadata": metadata, "data": _plain(data)}
        entry = {"source": MARKETPLACES, "detail-type": name, "detail": detail}
        self.told.append(Told(at + late, len(self.told), entry))
        if self.chance(8):
            again = at + late + self.rng.choice((timedelta(), 5 * SECOND, 3 * DAY, 9 * DAY))
            self.told.append(Told(again, len(self.told), entry))

    def entries(self) -> list[dict[str, Any]]:
        """In the order of arrival."""
        return [told.entry for told in sorted(self.told, key=lambda told: (told.arrives, told.number))]

    # ------------------------------------------------------------ chances

    def chance(self, percent: int) -> bool:
        return self.rng.randrange(100) < percent

    def hours(self, lowest: float, highest: float) -> timedelta:
        """Whole seconds, now and then with a fraction."""
        seconds = self.rng.randint(int(lowest * 3600), int(highest * 3600))
        return timedelta(seconds=seconds, microseconds=self.rng.choice((0, 0, 0, 250_000, 999_999)))

    def late(self, percent: int) -> timedelta:
        return self.hours(20, 12 * 24) if self.chance(percent) else timedelta()

    def moment(self, shop: str) -> datetime:
        """Some time in the weeks of the scene, now and then on the stroke of a local limit."""
        zone = ZoneInfo(SHOPS[shop])
        at = BEGIN + self.hours(0, (WEEKS * 7 - 1) * 24)
        if self.chance(80):
            return at
        clock = self.rng.choice((time(), time(8), time(16), time(23)))
        day = at.astimezone(zone).date()
        if self.chance(50):
            day -= timedelta(days=day.weekday())
        stroke = datetime.combine(day, clock, zone).astimezone(UTC)
        return stroke + self.rng.choice((timedelta(), -SECOND, SECOND, -MICROSECOND))

    # ------------------------------------------------------------ orders

    def order(self, shop: str, number: int) -> None:
        rng, order_id, buyer = self.rng, f"{shop.partition(':')[2]}-{number}", f"b_{number:032x}"
        paid_at = self.moment(shop)
        ship_by = rng.choice((paid_at + DAY, paid_at + 2 * DAY, paid_at + 2 * DAY, self.moment(shop), None))
        deliver_by = rng.choice((paid_at + 4 * DAY, paid_at + 6 * DAY, None))
        if not self.chance(2):
            # of the others nothing but their parcels is ever heard
            self.payment(shop, order_id, buyer, paid_at, ship_by, deliver_by)
        if self.chance(7):
            limit = ship_by or paid_at + DAY
            at = limit + rng.choice((timedelta(), MICROSECOND, SECOND, -SECOND, -6 * HOUR, 9 * HOUR))
            self.tell("OrderCancelled", shop, at, {"order_id": order_id, "at": at}, self.late(20))
        arrived = self.way(shop, order_id, paid_at, ship_by, deliver_by)
        if arrived is not None and self.chance(50):
            at = arrived + self.hours(1, 200)
            self.tell("OrderCompleted", shop, at, {"order_id": order_id, "at": at})
        if self.chance(55):
            self.review(shop, order_id, (arrived or paid_at) + self.hours(-3, 200))
        if self.chance(50 if shop == PLANNED else 30):
            self.refund(shop, order_id, buyer, (arrived or paid_at + DAY) + self.hours(-40, 120))
        if self.chance(12):
            self.intervention(shop, order_id, None, paid_at + self.hours(1, 300))
        if self.chance(5):
            at = paid_at + self.hours(1, 200)
            contact = {"session_id": f"{order_id}-chat", "order_id": order_id, "buyer": buyer}
            self.tell("SupportContacted", shop, at, {**contact, "topic": "after_sale", "contacted_at": at})

    def payment(
        self,
        shop: str,
        order_id: str,
        buyer: str,
        paid_at: datetime,
        ship_by: datetime | None,
        deliver_by: datetime | None,
    ) -> None:
        rng, amount = self.rng, cny(self.rng.randint(2_000, 60_000))
        line = {"line_id": "1", "item_id": rng.choice("ABCDE"), "category": "home", "quantity": 1, "amount": amount}
        data: dict[str, Any] = {"order_id": order_id, "buyer": buyer, "paid_at": paid_at, "amount": amount}
        data["lines"] = [line]
        data["promise"] = {"ship_by": ship_by, "deliver_by": deliver_by, "door_delivery": self.chance(40)}
        if self.chance(30):
            data["insured"] = True
        if self.chance(20):
            data["flags"] = ["category_service"]
        self.tell("OrderPaid", shop, paid_at, data, self.late(8))
        if self.chance(8):
            agreed = {"source": "agreement", "ship_by": paid_at + 4 * DAY, "deliver_by": paid_at + 9 * DAY}
            at = paid_at + self.hours(1, 20)
            promised = {"order_id": order_id, **agreed, "door_delivery": self.chance(50), "made_at": at}
            self.tell("OrderPromised", shop, at, promised, self.late(20))

    # ------------------------------------------------------------ parcels

    def way(
        self, shop: str, order_id: str, paid_at: datetime, ship_by: datetime | None, deliver_by: datetime | None
    ) -> datetime | None:
        """When the first parcel arrived; None for an order whose parcels never did."""
        arrivals = [
            self.parcel(shop, order_id, paid_at, ship_by, deliver_by) for _ in range(self.rng.choice((1, 1, 2)))
        ]
        return min((at for at in arrivals if at is not None), default=None)

    def parcel(
        self, shop: str, order_id: str, paid_at: datetime, ship_by: datetime | None, deliver_by: datetime | None
    ) -> datetime | None:
        parcel = {"carrier": "sto", "number": f"77{self.rng.randrange(10**10):010d}"}
        if self.chance(8):
            # two orders of one buyer in one box
            parcel = self.parcels.get(shop, parcel)
        self.parcels[shop] = parcel
        if self.chance(4):
            return None
        uploaded_at = paid_at + self.hours(0.2, 20)
        shipped = {"order_id": order_id, "parcel": parcel, "uploaded_at": uploaded_at}
        self.tell("OrderShipped", shop, uploaded_at, shipped, self.late(15))
        stages = self.stages(shop, paid_at, ship_by, deliver_by)
        if self.chance(10):
            at = max(stage.at for stage in stages) + self.hours(1, 90)
            corrected = [self.scan(stage.status, stage.at - 4 * HOUR) for stage in stages[self.rng.randrange(2) :]]
            trace = {"parcel": parcel, "complete": self.chance(60), "scans": corrected}
            self.tell("ParcelTraced", shop, at, trace, self.late(20))
        for stage in stages:
            named = self.rng.choice(({"parcel": parcel}, {"parcel": parcel}, {"parcel": parcel, "order_id": order_id}))
            whose = {"order_id": order_id} if self.chance(3) else named
            self.tell("ParcelScanned", shop, stage.at, {**self.scan(stage.status, stage.at), **whose}, stage.late)
        return next((stage.at for stage in stages if stage.status == "delivered"), None)

    def stages(
        self, shop: str, paid_at: datetime, ship_by: datetime | None, deliver_by: datetime | None
    ) -> list[Stage]:
        rng, picked_up = self.rng, paid_at + self.hours(-1, 30)
        if self.chance(5):
            # nobody heard how it got that far
            odd = ("delivery_failed", "ready_for_pickup", "return_started", "returned", "lost", "unknown")
            return [Stage(rng.choice(odd), picked_up, self.late(6))]
        limit = rng.choice((ship_by, paid_at + DAY, _next_midnight(paid_at, shop)))
        if limit is not None and self.chance(30):
            picked_up = limit + rng.choice(AROUND)
        delivered = picked_up + self.hours(10, 110)
        if deliver_by is not None and deliver_by > picked_up and self.chance(15):
            delivered = deliver_by + rng.choice(AROUND)
        moved = picked_up + (delivered - picked_up) / 3
        stages = [] if self.chance(20) else [Stage("picked_up", picked_up, self.late(6))]
        stages.append(Stage("in_transit", moved, self.late(6)))
        if self.chance(15):
            stands_still = timedelta(days=rng.randint(2, 9))
            delivered += stands_still
            if self.chance(50):
                # heard of late only: it had moved all the time
                stages.append(Stage("in_transit", moved + stands_still / 2, self.hours(60, 300)))
        stages.append(Stage("out_for_delivery", delivered - 2 * HOUR, self.late(6)))
        if not self.chance(7):
            stages.append(Stage("delivered", delivered, self.late(6)))
        return stages

    def scan(self, status: str, at: datetime) -> dict[str, Any]:
        signed_by = self.rng.choice(("recipient", "household", "locker", "station", None))
        signature = {"signed_by": signed_by} if status == "delivered" and signed_by else {}
        return {"scanned_at": at, "status": status, "raw": {"code": status.upper(), "text": ""}, **signature}

    # ------------------------------------------------------------ after the sale

    def review(self, shop: str, order_id: str, at: datetime) -> None:
        stars = self.rng.choice((1, 2, 3, 4, 5, 5, 5, 5))
        given = self.rng.choice(({"item": stars, "delivery": 5}, {"item": stars}, {"item": stars}, {"delivery": 2}))
        data = {"review_id": f"{order_id}-V", "order_id": order_id, "posted_at": at, "stars": given, "revision": 1}
        self.tell("ReviewPosted", shop, at, data, self.late(15))
        if self.chance(20):
            other = {**data, "stars": {"item": self.rng.randint(1, 5)}, "revision": 2}
            self.tell("ReviewPosted", shop, at + self.hours(1, 300), other, self.late(20))
        if self.chance(12):
            gone = {**data, "removed": True, "revision": 3}
            self.tell("ReviewPosted", shop, at + self.hours(1, 400), gone)

    def refund(self, shop: str, order_id: str, buyer: str, at: datetime, number: int = 1) -> None:
        rng, refund_id = self.rng, f"{order_id}-R{number}"
        reason = rng.choice(REASONS)
        request: dict[str, Any] = {"refund_id": refund_id, "order_id": order_id, "buyer": buyer, "kind": "refund_only"}
        request |= {"stage": "delivered", "reason": {"code": reason, "raw": ""}, "amount": cny(1_500)}
        request |= {"requested_at": at, "revision": 1}
        self.tell("RefundRequested", shop, at, request, self.late(8))
        if self.chance(15):
            changed = {**request, "reason": {"code": rng.choice(BAD_REASONS), "raw": ""}, "revision": 2}
            self.tell("RefundUpdated", shop, at + self.hours(0.1, 5), changed)
        answered = shop == PLANNED and self.chance(60)
        if answered:
            self.answer(shop, order_id, refund_id, at + self.hours(0.5, 22))
        if not answered or self.chance(30):
            self.decisions(shop, order_id, refund_id, at)
        if self.chance(25):
            self.intervention(shop, order_id, refund_id, at + self.hours(1, 60))
        if number == 1 and self.chance(35):
            self.refund(shop, order_id, buyer, at + self.hours(1, 24 * 20), 2)

    def answer(self, shop: str, order_id: str, refund_id: str, at: datetime) -> None:
        """As if the buyer chose on the marketplace itself; where no offer was made it names none of ours."""
        case_id = negotiation_id(shop, order_id, f"refund/{refund_id}")
        offer = str(OfferReference(order_id, case_id, 1, "r1o1"))
        choice = "accepted" if self.chance(60) else "declined"
        answer = {"refund_id": refund_id, "external_offer_id": offer, "choice": choice, "answered_at": at}
        self.tell("OfferAnswered", shop, at, answer)

    def decisions(self, shop: str, order_id: str, refund_id: str, asked_at: datetime) -> None:
        rng, decided_at, revision = self.rng, asked_at + self.hours(0.2, 90), 3
        ways: Sequence[tuple[str, str]] = (
            ("agreed", "seller"),
            ("agreed", "seller"),
            ("refunded", "system"),
            ("refused", "seller"),
            ("refused", "seller"),
            ("refused", "platform"),
            ("withdrawn", "buyer"),
            ("withdrawn", "buyer"),
            ("withdrawn", "buyer"),
            ("closed", "system"),
        )
        said = [rng.choice(ways)]
        if said[0][0] in {"withdrawn", "refused"} and self.chance(40):
            said.append(rng.choice(ways))
        for outcome, by in said:
            decision: dict[str, Any] = {"refund_id": refund_id, "order_id": order_id, "outcome": outcome}
            decision |= {"kind": "refund_only", "by": by, "decided_at": decided_at, "revision": revision}
            decision |= {"amount": cny(1_500)} if outcome == "refunded" else {}
            self.tell("RefundDecided", shop, decided_at, decision, self.late(10))
            if outcome == "refused" and self.chance(35):
                held_right = {**decision, "justified": True, "revision": revision + 1}
                self.tell("RefundDecided", shop, decided_at, held_right, self.hours(30, 200))
            decided_at, revision = decided_at + self.hours(1, 100), revision + 2

    def intervention(self, shop: str, order_id: str, refund_id: str | None, at: datetime) -> None:
        for number in range(self.rng.choice((1, 1, 2))):
            step_id = f"{refund_id or order_id}-S{number}"
            kind = self.rng.choice(("dispute", "complaint", "contact"))
            opened_at = at + number * self.hours(1, 200)
            whose = {"intervention_id": step_id, "order_id": order_id, "refund_id": refund_id}
            self.tell("PlatformSteppedIn", shop, opened_at, {**whose, "at": opened_at, "kind": kind}, self.late(12))
            if self.chance(70):
                ended_at = opened_at + self.hours(0.5, 100)
                self.tell("PlatformStepClosed", shop, ended_at, {**whose, "at": ended_at, "outcome": "settled"})

    # ------------------------------------------------------------ chats

    def chat(self, shop: str, number: int) -> None:
        """Told message by message, or in rounds by a marketplace that counts them itself."""
        session_id, at = f"{shop.partition(':')[2]}-chat-{number}", self.moment(shop)
        counted = self.chance(40)
        last = self.rounds(shop, session_id, at) if counted else at
        if not counted or self.chance(30):
            last = self.messages(shop, session_id, at)
        for time_ in range(self.rng.choice((0, 1, 1, 2))):
            rated_at = last + (1 + time_) * self.hours(0, 40)
            rating: dict[str, Any] = {"session_id": session_id, "rated_at": rated_at, "satisfied": self.chance(75)}
            resolved = self.rng.choice((True, False, None))
            rating |= {} if resolved is None else {"resolved": resolved}
            self.tell("ChatRated", shop, rated_at, rating, self.late(15))

    def rounds(self, shop: str, session_id: str, at: datetime) -> datetime:
        for _ in range(self.rng.randint(1, 3)):
            by = self.rng.choice(("human", "assisted", "bot", "none"))
            waited = self.rng.choice((3 * MINUTE, 3 * MINUTE + SECOND, 3 * MINUTE + MICROSECOND, self.hours(0, 0.3)))
            answer = {} if by == "none" else {"answered_at": at + waited}
            data = {"session_id": session_id, "asked_at": at, "answered_by": by, **answer}
            self.tell("ChatRoundClosed", shop, at + waited, data, self.late(8))
            at += waited + self.hours(0, 1)
        return at

    def messages(self, shop: str, session_id: str, at: datetime) -> datetime:
        for number in range(self.rng.randint(1, 9)):
            sender = self.rng.choice(("buyer", "buyer", "buyer", "human", "assisted", "bot"))
            data = {"session_id": session_id, "message_id": f"{session_id}-{number}", "sender": sender, "at": at}
            self.tell("ChatMessagePosted", shop, at, data, self.late(6))
            at += self.rng.choice((timedelta(), SECOND, 3 * MINUTE, 3 * MINUTE + SECOND, self.hours(0, 0.4)))
        return at

    # ------------------------------------------------------------ shops

    def shop(self, shop: str) -> None:
        for active, weeks in ((True, 0), (False, 4), (True, 5)):
            since = BEGIN + timedelta(weeks=weeks)
            enrolment = {"service": "freight_insurance", "active": active, "since": since}
            self.tell("ServiceEnrolled", shop, since, enrolment)
        at = self.moment(shop)
        self.tell("ViolationRecorded", shop, at, {"kind": "brushing", "at": at}, self.late(50))


def _next_midnight(at: datetime, shop: str) -> datetime:
    zone = ZoneInfo(SHOPS[shop])
    return datetime.combine(at.astimezone(zone).date() + DAY, time(), zone).astimezone(UTC)


def cny(minor: int) -> dict[str, Any]:
    return {"minor": minor, "currency": "CNY"}


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return to_text(value)
        case dict():
            return {name: _plain(each) for name, each in value.items() if each is not None}
        case list():
            return [_plain(each) for each in value]
    return value


def scene(orders: int, seed: int = SEED) -> list[dict[str, Any]]:
    """Events as EventBridge has them, in the order in which they arrive; as many chats as a third of the orders."""
    told = Scene(seed)
    shops = list(SHOPS)
    for shop in shops:
        told.shop(shop)
    for number in range(orders):
        # every second order is of the shop with plans: offers need a crowd
        shop = shops[0] if number % 2 == 0 else shops[number // 2 % len(shops)]
        told.order(shop, number)
        if number % 3 == 0:
            told.chat(told.rng.choice(shops), number)
    return told.entries()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="A rich scene for python -m sandbox replay")
    parser.add_argument("events", type=Path, metavar="EVENTS.jsonl")
    parser.add_argument("--orders", type=int, default=240, metavar="N", help="how many orders are paid (default: 240)")
    parser.add_argument("--seed", type=int, default=SEED, metavar="N", help=f"which story is told (default: {SEED})")
    options = parser.parse_args(arguments)
    told = scene(options.orders, options.seed)
    lines = (json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n" for entry in told)
    options.events.write_text("".join(lines), encoding="utf-8")
    print(f"{len(told)} events in {options.events}; replay them until {to_text(UNTIL)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
