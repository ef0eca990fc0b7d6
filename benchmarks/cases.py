"""The kinds of case, each played once in the offline cloud through the real template, and what every call cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

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

    def pays(self) -> None:
        self._deliver("order_paid_lamp", order_id=self.order_id, buyer=f"buyer-{self.order_id}")

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


CASES: Mapping[str, Callable[[Floor], None]] = {
    "order paid only": order_paid_only,
    "accepted partial refund": accepted_refund,
    "accepted coupon": accepted_coupon,
    "declined": declined,
    "silent": silent,
    "no plan": no_plan,
}


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
        _play(sandbox, twin, recorders[0], "warm-up", accepted_refund, 0)
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
    floor = Floor(sandbox, twin)
    floor.order_id = f"2026110500{number:02d}"
    play(floor)
    floor.waits(AFTERMATH)
    if sandbox.failures:
        raise NotAsPlayed(f"{name}: {sandbox.failures[0].function} failed: {sandbox.failures[0].error!r}")
    return Played(name, tuple(recorder.heard[invoked:]), tuple(sandbox.published[published:]))
