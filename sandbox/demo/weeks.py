"""The scenes of a shop's weeks: its score, a promise that it takes on, a bad week, and how it comes back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, time, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

from aftercare.kernel.times import to_text
from aftercare.pages.score_card import score_card
from sandbox.demo.stage import SCORES, SHIPMENTS, TAGS, Result, Stage
from sandbox.demo.table import print_card

SHOP_ID = "boot-room"
TAG = "ships_24h"
MORNING, EVENING = time(9), time(17)
A_DAY, COUNTED_AT = timedelta(days=1), time(2)
"""03:00 in Berlin in winter."""
BERLIN = {"country": "DE", "province": "Berlin", "city": "Berlin"}
Sample = tuple[str, Mapping[str, Any]]


class BootRoom:
    """A shop that packs in the morning what it sells, and hands it to the carrier in the evening of the same day."""

    def __init__(self) -> None:
        self._sold: list[str] = []
        self._on_the_way: list[str] = []
        self._paid_at: dict[str, datetime] = {}

    # ------------------------------------------------------------ the scenes

    def is_scored(self, stage: Stage) -> None:
        stage.narrate("Boot Room opens; it insures the way back of what is returned", f"{SCORES}/ledger.py")
        since = {"service": "freight_insurance", "active": True, "since": to_text(stage.now)}
        stage.deliver_all(SHOP_ID, [("service_enrolled", since)])
        with stage.many_days(SHOP_ID):
            stage.narrate("A weekend with four orders a day")
            for _ in range(3):
                self._day(stage, 4)
            self._night(stage)
            [first] = stage.merchant("/v1/scores/weeks", SHOP_ID)["weeks"]
            stage.narrate(
                f"{first['valid_orders']} valid orders are too few to show a score", f"{SCORES}/model/card.py"
            )
            stage.narrate("Two weeks with four orders a day; some questions wait too long, some reviews are bad")
            for day in range(1, 15):
                self._day(stage, 4, left=1 if day in (10, 13) else 0, stars=2 if day % 5 == 0 else 5)
                if day == 10:
                    self._is_held_up(stage, self._sold[0])
            self._night(stage)
        weeks = stage.merchant("/v1/scores/weeks", SHOP_ID)["weeks"]
        card = stage.merchant(f"/v1/scores/weeks/{weeks[0]['week']}", SHOP_ID)
        stage.narrate(f"The card of {card['week']}, {card['score']} points", f"{SCORES}/model/overview.py")
        print_card(card)
        stage.cards = {"English": score_card(card, weeks, "en"), "中文": score_card(card, weeks, "zh")}
        shown = [week["shown"] is not None for week in weeks]
        stage.expect(f"of the weeks are shown {shown}", shown == [True, True, False])
        stage.expect(f"the first week is {first['reason']}", first["reason"] == "too_few_orders")
        left_out = [(line["metric"], line["cases"]) for line in card["exclusions"]]
        stage.expect(f"left out are {left_out}", left_out == [("on_time_pickup", 1)])
        bonus = [line["id"] for line in card["bonus"]]
        stage.expect(f"the bonus is {bonus}", "freight_insurance" in bonus)
        stage.expect(f"the parts of the card make {_sum(card)}", _sum(card) == card["score"])
        stage.close_case(Result(f"Boot Room, {card['week']}", f"score {card['shown']} shown"))

    def takes_on_a_promise(self, stage: Stage) -> None:
        stage.decide("PUT", "/v1/tags/profile", SHOP_ID, {"name": "Boot Room", "locale": "en"})
        stage.narrate("Boot Room promises what it mostly does: picked up within 24 hours", f"{TAGS}/merchant.py")
        stage.decide("POST", f"/v1/tags/{TAG}/opt-in", SHOP_ID, {})
        self._expect_state(stage, "none")
        with stage.many_days(SHOP_ID):
            for _ in range(3):
                self._day(stage, 7)
                self._night(stage)
        self._see_badge(stage, "Three days in a row were good: the promise is shown", "promised")
        self._expect_state(stage, "live")
        stage.close_case(Result("Boot Room, ships within 24 h", "earned"))

    def has_a_bad_week(self, stage: Stage) -> None:
        with stage.many_days(SHOP_ID):
            stage.narrate("On the first evening one parcel of seven stays behind")
            self._day(stage, 7, left=1, slow=3)
            self._night(stage)
            stage.narrate("On the second evening three of seven")
            self._day(stage, 7, left=3, slow=3)
            self._night(stage)
            [margin] = self._tag(stage)["margins"]
            left = margin["bad_orders_until_lost"]
            stage.narrate(f"Boot Room is warned; bad orders until the tag is lost: {left}", f"{TAGS}/model/forecast.py")
            self._see_badge(stage, "Warned: buyers see no change", "promised")
            self._expect_state(stage, "at_risk")
            stage.narrate("On the third evening one again")
            self._day(stage, 7, left=1, slow=3)
            promised = self._sold[0]
            self._night(stage)
        self._see_badge(stage, "Too many were late: the badge stays where it stands, and says so", "not shown")
        self._expect_state(stage, "suspended")
        with stage.many_days(SHOP_ID):
            self._day(stage, 7, slow=3)
        self._is_owed(stage, promised, self._on_the_way[-1])
        stage.close_case(Result("Boot Room, ships within 24 h", "suspended"))

    def comes_back(self, stage: Stage) -> None:
        with stage.many_days(SHOP_ID):
            self._night(stage)
            week, before = stage.merchant("/v1/scores/weeks", SHOP_ID)["weeks"][:2]
            stage.narrate(f"The score follows the bad week: {week['score']} points after {before['score']}")
            stage.expect("the score falls", Decimal(week["score"]) < Decimal(before["score"]))
            self._expect_state(stage, "suspended")
            stage.narrate("Boot Room packs everything on the day again")
            for _ in range(3):
                self._day(stage, 7)
                self._night(stage)
        self._see_badge(stage, "Three good days in a row: the promise is shown again", "promised")
        self._expect_state(stage, "live")
        stage.close_case(Result("Boot Room, ships within 24 h", "back"))

    # ------------------------------------------------------------ a day of the shop

    def _day(self, stage: Stage, orders: int, left: int = 0, slow: int = 1, stars: int = 5) -> None:
        """What was picked up yesterday arrives, and so many are paid; in the evening all but those ``left`` go out.

        Of three questions so many get a ``slow`` answer; the day's review gives so many ``stars``.
        """
        _wait_for(stage, MORNING)
        day = f"{stage.now:%m%d}"
        arrived = [("parcel_scanned", _scan(stage.now, each, "delivered")) for each in self._on_the_way]
        stage.deliver_all(
            SHOP_ID, [*arrived, *self._reviews(stage.now, day, stars), *self._orders(stage.now, day, orders)]
        )
        _wait_for(stage, EVENING)
        self._on_the_way = self._sold[: len(self._sold) - left]
        self._sold = self._sold[len(self._sold) - left :]
        picked_up = [("parcel_scanned", _scan(stage.now, each, "picked_up")) for each in self._on_the_way]
        stage.deliver_all(SHOP_ID, [*picked_up, *_questions(stage.now, day, slow)])

    def _night(self, stage: Stage) -> None:
        """Until the day that is over is counted."""
        _wait_for(stage, COUNTED_AT)

    def _orders(self, now: datetime, day: str, number: int) -> Iterator[Sample]:
        for each in range(1, number + 1):
            paid_at, order_id = now - each * timedelta(minutes=5), f"B{day}-{each}"
            promise = {"ship_by": paid_at + 2 * A_DAY, "deliver_by": paid_at + 4 * A_DAY}
            self._sold.append(order_id)
            self._paid_at[order_id] = paid_at
            yield (
                "order_paid_boots",
                {
                    "order_id": order_id,
                    "buyer": f"buyer-{order_id}",
                    "paid_at": to_text(paid_at),
                    "promise": {**{name: to_text(at) for name, at in promise.items()}, "door_delivery": True},
                    "origin": BERLIN,
                    "destination": BERLIN,
                    "insured": True,
                },
            )

    def _reviews(self, now: datetime, day: str, stars: int) -> Iterator[Sample]:
        for order_id in self._on_the_way[:1]:
            about = {"review_id": f"V{day}", "order_id": order_id, "posted_at": to_text(now), "text": None}
            yield "review_posted", {**about, "stars": {"item": stars, "delivery": 5, "service": 5}}

    # ------------------------------------------------------------ what is seen and decided

    def _is_held_up(self, stage: Stage, order_id: str) -> None:
        stage.narrate(
            f"A storm holds order {order_id} up: the marketplace leaves it out", f"{SCORES}/model/exclusions.py"
        )
        why = {"order_id": order_id, "metrics": ["on_time_pickup"], "reason": "storm warning in Berlin"}
        stage.decide("POST", "/v1/operate/scores/exclude", SHOP_ID, why, scope="operate")

    def _see_badge(self, stage: Stage, say: str, wanted: str) -> None:
        words = stage.see_badge(SHOP_ID, TAG, say)
        stage.narrate(f"{say}. The badge: {words}", f"{TAGS}/publication.py")
        stage.expect(f"the badge says {words}", words == f"Ships within 24 hours: {wanted}")

    def _tag(self, stage: Stage) -> dict[str, Any]:
        found: dict[str, Any] = stage.merchant(f"/v1/tags/{TAG}", SHOP_ID)
        return found

    def _expect_state(self, stage: Stage, wanted: str) -> None:
        state = self._tag(stage)["state"]
        stage.expect(f"{TAG} is {state}", state == wanted)

    def _is_owed(self, stage: Stage, promised: str, after: str) -> None:
        """The one was paid while buyers saw the promise, the other when they saw it no more."""
        hours = []
        for order_id in (promised, after):
            due = stage.merchant(f"/v1/orders/{order_id}/shipment", SHOP_ID)["due"]
            by = datetime.fromisoformat(due["ship_by"])
            hours.append((by - self._paid_at[order_id]) // timedelta(hours=1))
        stage.narrate(
            f"Order {promised} was paid while the promise was shown and is still owed it, {hours[0]} hours; "
            f"order {after} came later: {hours[1]}",
            f"{SHIPMENTS}/model/promise.py",
        )
        stage.expect(f"the orders are owed {hours} hours", hours == [24, 48])


def _wait_for(stage: Stage, hour: time) -> None:
    """Until it is next that hour, in UTC."""
    moment = datetime.combine(stage.now.date(), hour, stage.now.tzinfo)
    stage.wait_until(moment if moment > stage.now else moment + A_DAY)


def _scan(at: datetime, order_id: str, status: str) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "parcel": {"carrier": "sto", "number": f"7733{order_id}"},
        "scanned_at": to_text(at),
        "status": status,
        "raw": {"code": status.upper(), "text": status},
        "region": BERLIN,
        "hub": None,
        "signed_by": "recipient" if status == "delivered" else None,
    }


def _questions(now: datetime, day: str, slow: int) -> Iterator[Sample]:
    for each in range(3):
        asked_at = now - timedelta(minutes=10 * (each + 1))
        answered_at = asked_at + timedelta(minutes=5 if each < slow else 1)
        yield (
            "chat_round_closed",
            {
                "session_id": f"S{day}-{each}",
                "asked_at": to_text(asked_at),
                "answered_at": to_text(answered_at),
            },
        )


def _sum(card: Mapping[str, Any]) -> str:
    """The score from its published parts, rounded as it is."""
    parts = [Decimal(metric["points"]) * Decimal(metric["share"]) for metric in card["metrics"] if metric["points"]]
    added = [Decimal(line["points"]) for line in (*card["bonus"], *card["deductions"])]
    return f"{sum((*parts, *added), Decimal(0)).quantize(Decimal('0.0001'), ROUND_DOWN):f}"
