"""The stage: the offline cloud, the marketplace's twin, and a narrator who says what happens and where to read on."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import urllib3

from aftercare.kernel.money import Money
from aftercare.kernel.times import to_text
from sandbox.cloud import Published, Sandbox
from sandbox.shops import Shop, read_shops, register
from sandbox.twins.books import Books
from sandbox.twins.signing import SignedDelivery
from sandbox.twins.standard import ACTIONS_PATH, StandardTwin, serving

SAMPLES = Path(__file__).parents[2] / "events" / "webhooks" / "standard"
SHOP_ID = "tea-house"
OK = 200
ACCEPTED = 202
SEE_OTHER = 303
NEGOTIATION = "layers/aftercare/aftercare/negotiation"
SHIPMENTS = "layers/aftercare/aftercare/shipments"
SCORES = "layers/aftercare/aftercare/scores"
TAGS = "layers/aftercare/aftercare/tags"
READ_ON = {
    "OrderPaid": "functions/notification_translate/app.py",
    "RefundRequested": "functions/notification_translate/app.py",
    "RefundDecided": f"{NEGOTIATION}/model/facts.py",
    "PlatformSteppedIn": f"{NEGOTIATION}/model/orders.py",
    "PlatformStepClosed": f"{NEGOTIATION}/model/orders.py",
    "NegotiationOpened": f"{NEGOTIATION}/model/choosing.py",
    "OffersPresented": f"{NEGOTIATION}/model/offering.py",
    "OfferAccepted": f"{NEGOTIATION}/model/answering.py",
    "OffersDeclined": f"{NEGOTIATION}/model/answering.py",
    "OffersExpired": f"{NEGOTIATION}/model/proceeding.py",
    "SettlementRecorded": f"{NEGOTIATION}/settlement.py",
    "NegotiationClosed": f"{NEGOTIATION}/model/endings.py",
    "OrderShipped": f"{SHIPMENTS}/model/facts.py",
    "ParcelScanned": f"{SHIPMENTS}/model/facts.py",
    "ParcelTraced": f"{SHIPMENTS}/model/facts.py",
    "ShipmentAnomalyRaised": f"{SHIPMENTS}/model/verdicts.py",
    "ShipmentAnomalyEscalated": f"{SHIPMENTS}/model/verdicts.py",
    "ShipmentAnomalyCleared": f"{SHIPMENTS}/model/lifecycle.py",
    "OrderDue": f"{SHIPMENTS}/model/promise.py",
    "OrderDelivered": f"{SHIPMENTS}/model/lifecycle.py",
    "DayMeasured": f"{SCORES}/model/days.py",
    "ScorePublished": f"{SCORES}/model/card.py",
    "TagChanged": f"{TAGS}/model/decide.py",
    "OrderPromised": f"{TAGS}/service.py",
}
"""Where to read on about an event."""
EVERY_DAY = frozenset(
    {"OrderPaid", "ParcelScanned", "OrderDelivered", "ChatRoundClosed", "ReviewPosted", "DayMeasured"}
)
"""What happens all the time: not told while many days go by."""


@dataclass
class Result:
    """One line of the table. Money in minor units of CNY; ``calls`` counts calls to AWS."""

    case: str
    outcome: str = "passed on"
    asked: int = 0
    offered: int = 0
    paid: int = 0
    kept: int = 0
    calls: int = 0


@dataclass(frozen=True)
class Line:
    """One line of the story; ``depth`` 0 is a scene's title."""

    depth: int
    at: datetime
    text: str
    file: str | None = None


@dataclass(frozen=True)
class BadgeSeen:
    """A badge as the public saw it at a moment: its SVG by language."""

    at: datetime
    text: str
    svg: Mapping[str, str]


@dataclass
class Stage:
    sandbox: Sandbox
    twin: StandardTwin
    shops: tuple[Shop, ...]
    api: str
    http: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False))
    results: list[Result] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    pages: dict[str, str] = field(default_factory=dict)
    cards: dict[str, str] = field(default_factory=dict)
    badges: list[BadgeSeen] = field(default_factory=list)
    _told_only_of: str | None = None
    _told: int = 0
    _calls: int = 0

    @property
    def books(self) -> Books:
        return self.twin.books(SHOP_ID)

    @property
    def now(self) -> datetime:
        return self.sandbox.clock.now()

    # ------------------------------------------------------------ the narrator

    def begin(self, title: str) -> None:
        print(f"\n{title}")
        self.lines.append(Line(0, self.now, title))

    def narrate(self, text: str, file: str | None = None) -> None:
        self.lines.append(Line(1, self.now, text, file))
        where = f"  [{file}]" if file else ""
        print(f"  {self.now:%d %b %H:%M}  {text}{where}")

    def expect(self, what: str, holds: bool) -> None:
        if not holds:
            self.surprises.append(what)

    def close_case(self, result: Result) -> Result:
        """Ends a scene's case: what it cost is what was called since the last one ended, the sweep left out."""
        calls = sum(
            count.reads + count.writes for function, count in self.sandbox.calls.items() if function != "deadline_sweep"
        )
        result.calls, self._calls = calls - self._calls, calls
        self.results.append(result)
        return result

    @contextmanager
    def many_days(self, shop_id: str) -> Iterator[None]:
        """Inside, nothing is told of other shops, nor what happens every day."""
        self._told_only_of = shop_id
        yield
        self._told_only_of = None

    # ------------------------------------------------------------ what the marketplace does

    def sample(self, name: str, **changed: Any) -> tuple[str, dict[str, Any], str]:
        """A sample delivery's type and data, with the scene's own names in it, and the file it comes from."""
        path = SAMPLES / f"{name}.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        return content["type"], {**content["data"], **changed}, f"events/webhooks/standard/{path.name}"

    def deliver(self, name: str, say: str, *, shop_id: str = SHOP_ID, **changed: Any) -> SignedDelivery:
        """Signs a sample as the marketplace does, posts it over HTTP, and tells what came of it."""
        type_, data, file = self.sample(name, **changed)
        delivery = self.twin.say(shop_id, type_, data)
        self.narrate(say, file)
        status = self.post(delivery.path, delivery.headers, delivery.body)
        self.expect(f"{type_} was answered {status}", status == ACCEPTED)
        self.settle_down()
        return delivery

    def deliver_all(self, shop_id: str, samples: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Posts many samples, each with what is changed in it, before the system gets to work."""
        for name, changed in samples:
            type_, data, _ = self.sample(name, **changed)
            delivery = self.twin.say(shop_id, type_, data)
            status = self.post(delivery.path, delivery.headers, delivery.body)
            self.expect(f"{type_} was answered {status}", status == ACCEPTED)
        self.settle_down()

    def post(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        return self.http.request("POST", self.api + path, headers=dict(headers), body=body).status

    def settle_down(self) -> None:
        """Lets the system work, and the marketplace tell what it did in turn, until nothing more happens."""
        while True:
            self.sandbox.run_until_quiet()
            self._tell_events()
            told = self.twin.deliveries()
            for delivery in told:
                self.post(delivery.path, delivery.headers, delivery.body)
            if not told:
                return

    def wait(self, by: timedelta) -> None:
        self.wait_until(self.now + by)

    def wait_until(self, moment: datetime) -> None:
        self.sandbox.advance_to(moment)
        self.settle_down()

    # ------------------------------------------------------------ what the buyer does

    def offer_link(self) -> str:
        """The link of the latest offer message that the marketplace carried to a buyer."""
        presented = [
            action["data"] for action in (*self.books.offers, *self.books.messages) if "link" in action["data"]
        ]
        return str(presented[-1]["link"])

    def open_page(self, link: str, label: str | None = None) -> str:
        page = self.http.request("GET", link).data.decode()
        if label is not None:
            self.pages[label] = page
        return page

    def choose(self, link: str, choice: str, say: str) -> None:
        self.narrate(say, "functions/offer_page/app.py")
        form = {"content-type": "application/x-www-form-urlencoded"}
        answer = self.http.request("POST", link, headers=form, body=f"choice={choice}", redirect=False)
        self.expect(f"the choice {choice} was answered {answer.status}", answer.status == SEE_OTHER)
        self.settle_down()

    # ------------------------------------------------------------ what the merchant does

    def merchant(self, path: str, shop_id: str = SHOP_ID) -> Any:
        """What the merchant's API answers to the shop's own token."""
        return self._ask("GET", path, shop_id, "aftercare/read")

    def decide(self, method: str, path: str, shop_id: str, content: Mapping[str, Any], scope: str = "write") -> Any:
        """A decision through the merchant's API; with the scope ``operate`` it is the marketplace's."""
        answer = self._ask(method, path, shop_id, f"aftercare/{scope}", json.dumps(content))
        self.settle_down()
        return answer

    def _ask(self, method: str, path: str, shop_id: str, scope: str, body: str | None = None) -> Any:
        token = self.sandbox.issuer.token(f"standard:{shop_id}", scopes=(scope,))
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        answer = self.http.request(method, self.api + path, headers=headers, body=body)
        self.expect(f"{method} {path} was answered {answer.status}", answer.status == OK)
        return json.loads(answer.data)

    # ------------------------------------------------------------ what the public sees

    def see_badge(self, shop_id: str, tag: str, say: str) -> str:
        """The words on a badge, in English, as its public file says them now; kept for the report in both languages."""
        bucket = self.sandbox.template.buckets["PublicFiles"]
        files = self.sandbox.client("s3")
        svg = {
            language: files.get_object(Bucket=bucket, Key=f"shops/standard/{shop_id}/{tag}.{language}.svg")["Body"]
            .read()
            .decode()
            for language in ("en", "zh")
        }
        self.badges.append(BadgeSeen(self.now, say, svg))
        return html.unescape(svg["en"].partition("<title>")[2].partition("</title>")[0])

    # ------------------------------------------------------------ events in words

    def _tell_events(self) -> None:
        said = self.sandbox.published[self._told :]
        self._told += len(said)
        told = filter(self._is_told, said)
        for (name, words), same in groupby(told, lambda event: (event.detail_type, _in_words(event))):
            events = list(same)
            text = f"{name}{words}" + (f" \u00d7 {len(events)}" if len(events) > 1 else "")
            file = READ_ON.get(name)
            self.lines.append(Line(2, events[0].at, text, file))
            print(f"                  {text}" + (f"  [{file}]" if file else ""))

    def _is_told(self, event: Published) -> bool:
        if self._told_only_of is None:
            return True
        return event.detail_type not in EVERY_DAY and _shop(event) == self._told_only_of


def _in_words(event: Published) -> str:
    data = event.detail["data"]
    match event.detail_type:
        case "NegotiationOpened" if data["arm"] != "offer":
            return f": no offer, {data.get('why_not')}"
        case "NegotiationOpened":
            return f": plan {data['plan']['id']} v{data['plan']['version']}"
        case "OffersPresented":
            return f": round {data['round']}, " + " / ".join(_option(option) for option in data["options"])
        case "OfferAccepted" | "SettlementRecorded":
            amount = f" {_money(data['amount'])}" if "amount" in data else ""
            return f": {data['kind']}{amount}" + (f" {data['result']}" if "result" in data else "")
        case "NegotiationClosed":
            return f": {data['outcome']}"
        case "ShipmentAnomalyRaised" | "ShipmentAnomalyEscalated":
            risk = f", {_money(data['at_risk'])} at risk" if "at_risk" in data else ""
            return f": {_what_is_wrong(data)}, {data['stage']}{risk}"
        case "ShipmentAnomalyCleared":
            return f": {_what_is_wrong(data)}, {data['outcome']}"
        case "RefundDecided":
            return f": {data['outcome']} by {data['by']}"
    return _standing_in_words(event)


def _standing_in_words(event: Published) -> str:
    data = event.detail["data"]
    match event.detail_type:
        case "ScorePublished":
            shown = data.get("shown") or f"not shown, {data.get('reason')}"
            return f": {_shop(event)} {data['week']}, {data.get('score', 'no')} points, {shown}"
        case "TagChanged":
            if data["previous"] == data["state"]:
                return f": {_shop(event)} {data['tag']}, {data['state']}, {data.get('value', data['reason'])}"
            return f": {_shop(event)} {data['tag']}, {data['previous']} -> {data['state']}, {data['reason']}"
        case "OrderPromised" if data["source"] == "tag":
            return f": {data['terms']}"
    return ""


def _shop(event: Published) -> str:
    return str(event.detail["metadata"]["shop"]).partition(":")[2]


def _what_is_wrong(data: Mapping[str, Any]) -> str:
    return f"{data['kind']} ({data['leg']})" if "leg" in data else str(data["kind"])


def _option(option: Mapping[str, Any]) -> str:
    if "coupon" in option:
        return f"coupon {_money(option['coupon']['face_value'])}"
    return f"{option['kind']} {_money(option['amount'])}" if "amount" in option else str(option["kind"])


def _money(amount: Mapping[str, Any]) -> str:
    return str(Money.model_validate(amount))


def visible_text(page: str) -> str:
    """A page as a person reads it: without markup, one space between words."""
    body = re.sub(r"<style.*?</style>|<title.*?</title>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


@contextmanager
def opened(start: datetime) -> Iterator[Stage]:
    """The offline cloud on real HTTP, the twin beside it, and every shop of the file registered.

    In plain memory: by moto the story is the same to the last call, and weeks of a shop take a minute.
    """
    shops = read_shops()
    with Sandbox(start, parameters={"LogLevel": "CRITICAL"}, backend="memory") as sandbox:
        twin = StandardTwin(sandbox.clock, sandbox.clock.advance)
        for shop in shops:
            if shop.credentials is not None:
                twin.open_shop(shop.shop_id, read=shop.credentials.secrets, act=shop.credentials.act)
        with serving(twin) as marketplace, sandbox.serve() as api:
            register(sandbox, shops, lambda shop: f"{marketplace}/{ACTIONS_PATH}/{shop.shop_id}")
            yield Stage(sandbox, twin, shops, api)


def soon(now: datetime, hours: int) -> str:
    return to_text(now + timedelta(hours=hours))
