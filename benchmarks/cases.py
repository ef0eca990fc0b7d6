"""The kinds of case, each played once in the offline cloud through the real template, and what every call cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from aftercare.events.vocabulary import SCORES
from aftercare.kernel.times import to_text
from benchmarks.recording import Heard, Recorder
from sandbox.cloud import Published, Sandbox
from sandbox.shops import read_shops, register
from sandbox.twins.standard import StandardTwin

START = datetime(2026, 11, 5, 8, 0, tzinfo=UTC)
SHOPS = Path(__file__).with_name("shops.toml")
SAMPLES = Path(__file__).parents[1] / "events" / "webhooks" / "standard"
SHOP_ID = "measured"
PLANLESS_SHOP_ID = "planless"
ACCEPTED = 202
SEE_OTHER = 303
OK = 200
AFTERMATH = timedelta(days=3)
"""So long is waited after a case, so that a timer which fires for nothing is seen too."""
INTERVAL = timedelta(days=1)
"""At least so long between two cases: what the end of one adds to days that are over is counted before the next."""
UNHURRIED, USUAL = timedelta(days=10), timedelta(days=2)
"""Until when an order is to be shipped: where its parcel is no part of the case, and where it is."""
ON_THE_WAY = timedelta(days=4)
FROM = {"country": "CN", "province": "浙江省", "city": "杭州市"}
TO = {"country": "CN", "province": "广东省", "city": "深圳市"}
SHOPS_DAY = "a shop's day"
SWEEP, ROLLUP, RELAY, TAGS = "deadline_sweep", "score_rollup", "event_relay", "service_tags"
MOVING = (
    (8, "picked_up"),
    (12, "in_transit"),
    (18, "in_transit"),
    (24, "in_transit"),
    (32, "in_transit"),
    (40, "in_transit"),
    (48, "in_transit"),
    (56, "in_transit"),
    (64, "out_for_delivery"),
    (68, "delivered"),
)
"""Hours since the payment, and what the carrier says then; the parcel is uploaded after four."""
STALLING = (
    (8, "picked_up"),
    (11, "in_transit"),
    (14, "in_transit"),
    (17, "in_transit"),
    (20, "in_transit"),
    # the limit between provinces is 72 hours: silence at noon of the fourth day
    (100, "in_transit"),
    (104, "in_transit"),
    (108, "in_transit"),
    (112, "out_for_delivery"),
    (116, "delivered"),
)


OF_NIGHTS = ("DayMeasured", "ScorePublished")


class NotAsPlayed(Exception):
    """A case did not go as it is meant to: what it cost says nothing."""


@dataclass(frozen=True)
class Played:
    """What one case cost: every invocation it caused, and the events that came on the bus."""

    name: str
    heard: tuple[Heard, ...]
    published: tuple[Published, ...]


class Floor:
    """The shop floor: a marketplace delivers, a buyer clicks, the system works until it is quiet."""

    def __init__(self, sandbox: Sandbox, twin: StandardTwin) -> None:
        self._sandbox = sandbox
        self._twin = twin
        self.shop_id = SHOP_ID
        self.order_id = ""
        self._paid_at = sandbox.clock.now()

    def pays(self, ships_within: timedelta = UNHURRIED) -> None:
        self._paid_at = self._sandbox.clock.now()
        ship_by = self._paid_at + ships_within
        promise = {
            "ship_by": to_text(ship_by),
            "deliver_by": to_text(ship_by + ON_THE_WAY),
            "door_delivery": True,
        }
        self._deliver(
            "order_paid_lamp",
            order_id=self.order_id,
            buyer=f"buyer-{self.order_id}",
            paid_at=to_text(self._paid_at),
            promise=promise,
            origin=FROM,
            destination=TO,
        )

    def ships(self, hours: int) -> None:
        """So many hours after the payment; so do all that follow it."""
        at = self._waits_until(hours)
        self._deliver("order_shipped", order_id=self.order_id, parcel=self._parcel(), uploaded_at=at)

    def scans(self, hours: int, status: str) -> None:
        """Carriers name the parcel alone."""
        at = self._waits_until(hours)
        raw = {"code": status.upper(), "text": f"快件{hours}小时后的消息"}
        signed_by = "recipient" if status == "delivered" else None
        region = TO if status in {"out_for_delivery", "delivered"} else FROM
        self._deliver(
            "parcel_scanned",
            order_id=None,
            parcel=self._parcel(),
            scanned_at=at,
            status=status,
            raw=raw,
            region=region,
            signed_by=signed_by,
        )

    def cancels(self) -> None:
        self._deliver("order_cancelled", order_id=self.order_id, at=to_text(self._sandbox.clock.now()))

    def asks(self, request: str) -> None:
        now = self._sandbox.clock.now()
        self._deliver(
            request,
            refund_id=f"R-{self.order_id}",
            order_id=self.order_id,
            buyer=f"buyer-{self.order_id}",
            amount={"minor": 31800, "currency": "CNY"},
            lines=None,
            requested_at=to_text(now),
            respond_by=to_text(now + timedelta(hours=48)),
        )

    def looks(self) -> None:
        self._expect("the page", self._sandbox.request("GET", self._link()).status, OK)

    def chooses(self, choice: str) -> None:
        """The browser follows the redirect, as browsers do."""
        form = {"content-type": "application/x-www-form-urlencoded"}
        link = self._link()
        answer = self._sandbox.request("POST", link, form, f"choice={choice}".encode())
        self._expect("the choice", answer.status, SEE_OTHER)
        self._settle_down()
        page = urljoin(link, answer.headers["location"])
        self._expect("the page after it", self._sandbox.request("GET", page).status, OK)

    def waits(self, by: timedelta) -> None:
        self._sandbox.advance_to(self._sandbox.clock.now() + by)
        self._settle_down()

    def _waits_until(self, hours: int) -> str:
        self.waits(self._paid_at + timedelta(hours=hours) - self._sandbox.clock.now())
        return to_text(self._sandbox.clock.now())

    def _parcel(self) -> dict[str, str]:
        return {"carrier": "sto", "number": f"77{self.order_id}"}

    def _deliver(self, sample: str, **changed: Any) -> None:
        content = json.loads((SAMPLES / f"{sample}.json").read_text(encoding="utf-8"))
        delivery = self._twin.say(self.shop_id, content["type"], {**content["data"], **changed})
        self._post(delivery.path, delivery.headers, delivery.body)
        self._settle_down()

    def _post(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        self._expect("a delivery", self._sandbox.request("POST", path, headers, body).status, ACCEPTED)

    def _settle_down(self) -> None:
        self._sandbox.run_until_quiet()
        while told := self._twin.deliveries():
            for delivery in told:
                self._post(delivery.path, delivery.headers, delivery.body)
            self._sandbox.run_until_quiet()

    def _link(self) -> str:
        """Path of the link in the latest message that the marketplace carried to a buyer."""
        offers = self._twin.books(self.shop_id).offers
        if not offers:
            raise NotAsPlayed(f"order {self.order_id} got no offer")
        return urlsplit(str(offers[-1]["data"]["link"])).path

    @staticmethod
    def _expect(what: str, status: int, wanted: int) -> None:
        if status != wanted:
            raise NotAsPlayed(f"{what} was answered {status}, not {wanted}")


def order_paid_only(floor: Floor) -> None:
    floor.pays()


def accepted_refund(floor: Floor) -> None:
    floor.pays()
    floor.asks("refund_requested_damaged")
    floor.looks()
    floor.chooses("r1o1")


def accepted_coupon(floor: Floor) -> None:
    floor.pays()
    floor.asks("refund_requested_not_wanted")
    floor.looks()
    floor.chooses("r1o1")


def declined(floor: Floor) -> None:
    floor.pays()
    floor.asks("refund_requested_damaged")
    floor.looks()
    floor.chooses("original")


def silent(floor: Floor) -> None:
    floor.pays()
    floor.asks("refund_requested_damaged")
    floor.looks()
    floor.waits(timedelta(hours=25))


def no_plan(floor: Floor) -> None:
    floor.shop_id = PLANLESS_SHOP_ID
    floor.pays()
    floor.asks("refund_requested_damaged")


def ten_scans(floor: Floor) -> None:
    floor.pays(ships_within=USUAL)
    floor.ships(4)
    for hours, status in MOVING:
        floor.scans(hours, status)


def stalls_and_moves(floor: Floor) -> None:
    floor.pays(ships_within=USUAL)
    floor.ships(4)
    for hours, status in STALLING:
        floor.scans(hours, status)


CASES: Mapping[str, Callable[[Floor], None]] = {
    "order paid only": order_paid_only,
    "accepted partial refund": accepted_refund,
    "accepted coupon": accepted_coupon,
    "declined": declined,
    "silent": silent,
    "no plan": no_plan,
    "parcel with ten scans": ten_scans,
    "parcel that stalls": stalls_and_moves,
    SHOPS_DAY: order_paid_only,
}
"""What is done in each. Of the last only what the shop's night costs is looked at, and of the others all but that."""


def play_all() -> list[Played]:
    """Every kind of case, one after the other in one offline cloud that is warm; raises ``NotAsPlayed``."""
    recorders: list[Recorder] = []
    with Sandbox(START, parameters={"LogLevel": "ERROR"}, http=lambda: recorders[0].recording(twin)) as sandbox:
        twin = StandardTwin(sandbox.clock, sandbox.clock.advance)
        shops = read_shops(SHOPS)
        for shop in shops:
            if shop.credentials is not None:
                twin.open_shop(shop.shop_id, read=shop.credentials.secrets, act=shop.credentials.act)
        register(sandbox, shops, lambda shop: f"https://marketplace.example/actions/{shop.shop_id}")
        recorders.append(Recorder(sandbox))
        _play(sandbox, twin, recorders[0], "warm-up", stalls_and_moves, 98)
        _play(sandbox, twin, recorders[0], "warm-up", accepted_refund, 99)
        return [
            _play(sandbox, twin, recorders[0], name, play, number)
            for number, (name, play) in enumerate(CASES.items(), start=1)
        ]


def _play(
    sandbox: Sandbox,
    twin: StandardTwin,
    recorder: Recorder,
    name: str,
    play: Callable[[Floor], None],
    number: int,
) -> Played:
    invoked, published = len(sandbox.invocations), len(sandbox.published)
    of_night = name == SHOPS_DAY
    floor = Floor(sandbox, twin)
    floor.order_id = f"2026110500{number:02d}"
    play(floor)
    floor.waits(INTERVAL if of_night else AFTERMATH)
    if sandbox.failures:
        raise NotAsPlayed(f"{name}: {sandbox.failures[0].function} failed: {sandbox.failures[0].error!r}")
    shares = [share_of(heard, sandbox, of_night=of_night) for heard in recorder.heard[invoked:]]
    said = [each for each in sandbox.published[published:] if (each.source == SCORES) == of_night]
    # nothing of it shall fall due while the next is played
    floor.cancels()
    ended = sandbox.clock.now() + INTERVAL
    floor.waits(INTERVAL + (START - ended) % INTERVAL)
    return Played(name, tuple(heard for heard in shares if heard is not None), tuple(said))


def share_of(heard: Heard, sandbox: Sandbox, *, of_night: bool) -> Heard | None:
    """What of an invocation belongs to the case or else, ``of_night``, to the night in which a shop's day is counted.

    The sweep looks after both at once: its share is what it sends, and to whom.
    """
    if heard.function == SWEEP:
        rollup_queue = sandbox.queue_url("RollupQueue")
        kept = [
            exchange
            for exchange in heard.exchanges
            if exchange.service != "sqs" or (exchange.parameters["QueueUrl"] == rollup_queue) == of_night
        ]
        share = replace(heard, exchanges=kept)
        sent = any(exchange.service == "sqs" for exchange in kept)
        return share if sent and (not of_night or _is_about_shop(kept)) else None
    if heard.function == ROLLUP:
        return heard if of_night and _is_about_shop(heard.event) else None
    if heard.function == TAGS and any(said in str(heard.event) for said in OF_NIGHTS):
        return heard if of_night and _is_about_shop(heard.event) else None
    scores = f"/{sandbox.table_name('ScoresTable')}/"
    of_scores = heard.function == RELAY and scores in heard.event["Records"][0]["eventSourceARN"]
    return heard if of_scores == of_night else None


def _is_about_shop(told: object) -> bool:
    """The shops' zones differ, so that no two are counted together."""
    return any(name in str(told) for name in (f"SHOP#standard:{SHOP_ID}", f'"standard:{SHOP_ID}"'))
