"""One shop in the offline cloud with its marketplace beside it, and what its buyers do."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from aftercare.kernel.ports import Http
from aftercare.kernel.table import Table
from aftercare.kernel.times import to_text
from aftercare.negotiation import keys, store
from aftercare.negotiation.model.cases import Case
from aftercare.negotiation.model.orders import Order
from aftercare.negotiation.model.payouts import Payout
from aftercare.negotiation.model.plans import ShopPolicy
from sandbox.cloud import Published, Sandbox
from sandbox.faults import Killed, Moment
from sandbox.functions import Invocation
from sandbox.http_gateway import HttpResponse
from sandbox.services import Backend
from sandbox.shops import Shop, register
from sandbox.template import TEMPLATE
from sandbox.twins.books import Books
from sandbox.twins.signing import SignedDelivery
from sandbox.twins.standard import StandardTwin

START = datetime(2026, 11, 2, 8, tzinfo=UTC)
SHOP_ID = "lotus"
SHOP = f"standard:{SHOP_ID}"
FORM = {"content-type": "application/x-www-form-urlencoded"}
PAID = 10_000
"""Minor units of CNY, what every order costs."""
REDELIVERIES = 3
SEE_OTHER, SERVER_ERROR = 303, 500
A_WHILE = timedelta(minutes=20)
"""Longer than a queue's visibility time-out, a payout's lease, and what a function remembers of a secret."""

PARTIAL, COUPON, FULL = "damaged", "not_wanted", "not_received"
"""The reasons of requests that the shop's plans answer with part of the money, a coupon, and all of it."""

NATURAL_KEYS: Mapping[str, tuple[str, ...]] = {
    "OrderPaid": ("order_id",),
    "RefundRequested": ("refund_id",),
    "RefundDecided": ("refund_id", "outcome", "revision"),
    "NegotiationOpened": ("negotiation_id",),
    "OffersPresented": ("negotiation_id", "round"),
    "OfferAccepted": ("negotiation_id",),
    "SettlementRecorded": ("payout_key", "result"),
    "NegotiationClosed": ("negotiation_id",),
}
"""By which fields of its data a consumer recognises a fact, as each event's page in the catalogue says."""


def cny(minor: int) -> dict[str, Any]:
    return {"minor": minor, "currency": "CNY"}


def plan(reason: str, *rounds: Sequence[Mapping[str, Any]], **changed: Any) -> dict[str, Any]:
    return {
        "plan_id": reason.replace("_", "-"),
        "situation": {"triggers": ["refund_requested"], "reasons": [reason]},
        "opening": {"zh": "很抱歉给您添麻烦了。", "en": "We are sorry for the trouble."},
        "rounds": [{"options": list(options)} for options in rounds],
        "limits": {"budgets": ["daily"], "per_buyer_30_days": {"cases": 5}, "per_item_day": {"cases": 1000}},
        **changed,
    }


def lotus(**changed: Any) -> Shop:
    """A shop whose plans answer three kinds of request, within limits that no test comes near."""
    content = {
        "shop": SHOP,
        "zone": "Asia/Shanghai",
        "category": "apparel",
        "plans": [
            plan(PARTIAL, [{"kind": "partial_refund", "percent": 20}, {"kind": "reissue"}]),
            plan(COUPON, [{"kind": "coupon", "face_value": cny(800), "valid_days": 30}]),
            plan(FULL, [{"kind": "full_refund"}]),
            # a budget that allows no offer at all: then the buyer is told in plain words
            plan(
                "lost_parcels",
                [{"kind": "coupon", "face_value": cny(800), "valid_days": 30}],
                situation={"triggers": ["parcel_anomaly"], "anomalies": ["lost"]},
                limits={"budgets": ["parcels"]},
            ),
        ],
        "delay_messages": {"kinds": ["stalled", "lost"]},
        "budgets": {"daily": {"per_day": cny(100_000_000)}, "parcels": {"per_day": cny(1)}},
        "payout_brake_per_hour": cny(100_000_000),
        "credentials": {
            "secrets": ["whsec_bG90dXMtcmVhZC1zZWNyZXQtbmV3ZXN0LTAwMDAwMQ=="],
            "act": "whsec_bG90dXMtYWN0LXNlY3JldC0wMDAwMDAwMDAwMDAwMQ==",
        },
        **changed,
    }
    return Shop.model_validate(content)


@dataclass(frozen=True)
class Town:
    """A running cloud, the marketplace, and what goes between them and the buyers of one shop."""

    sandbox: Sandbox
    twin: StandardTwin

    # ------------------------------------------------------------ the marketplace speaks

    def deliver(self, delivery: SignedDelivery) -> HttpResponse:
        """As a marketplace does it: the same delivery again as long as the answer is a server's error."""
        return self._repeated("POST", delivery.path, delivery.headers, delivery.body)

    def say(self, type_: str, data: Mapping[str, Any]) -> HttpResponse:
        return self.deliver(self.twin.say(SHOP_ID, type_, data))

    def pay(self, order_id: str, **changed: Any) -> None:
        self.say("order.paid", paid(order_id, self.sandbox.clock.now(), **changed))

    def ask(self, order_id: str, reason: str, number: int = 1, **changed: Any) -> None:
        """The buyer's ``number``-th request for a refund of that order."""
        self.say("refund.requested", asked(order_id, reason, number, self.sandbox.clock.now(), **changed))

    def ship(self, order_id: str) -> None:
        self.say("order.shipped", {"order_id": order_id, "parcel": parcel(order_id), "uploaded_at": self._now()})

    def scan(self, order_id: str, status: str, **changed: Any) -> None:
        """The carrier scans the order's parcel now, and names no order."""
        raw = {"code": status, "text": status}
        scanned = {"parcel": parcel(order_id), "scanned_at": self._now(), "status": status, "raw": raw, **changed}
        self.say("parcel.scanned", scanned)

    def _now(self) -> str:
        return to_text(self.sandbox.clock.now())

    def tell_decisions(self) -> None:
        """The marketplace tells by webhook what it did for us."""
        for delivery in self.twin.deliveries():
            self.deliver(delivery)

    # ------------------------------------------------------------ the buyer

    def offers(self, order_id: str) -> list[Mapping[str, Any]]:
        """The offers that the buyer of that order was shown, oldest first."""
        return [offer for offer in self.books.offers if offer["order_id"] == order_id]

    def link(self, order_id: str) -> str:
        """The path of the latest offer's page."""
        return urlsplit(str(self.offers(order_id)[-1]["data"]["link"])).path

    def look(self, path: str) -> HttpResponse:
        return self.sandbox.request("GET", path)

    def choose(self, path: str, choice: str) -> HttpResponse:
        """A buyer whose browser shows an error clicks again."""
        return self._repeated("POST", path, FORM, urlencode({"choice": choice}).encode())

    def _repeated(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> HttpResponse:
        for _ in range(REDELIVERIES):
            answer = self.sandbox.request(method, path, headers, body)
            if answer.status < SERVER_ERROR:
                return answer
        raise AssertionError(f"{method} {path} answers {answer.status} however often it is asked")

    # ------------------------------------------------------------ the merchant

    def merchant(
        self, method: str, path: str, body: Any = None, *, scope: str = "aftercare/write", shop: str = SHOP
    ) -> dict[str, Any]:
        """What the merchants' API answers to somebody who may do everything in the shop."""
        token = self.sandbox.issuer.token(shop, [scope])
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        answer = self.sandbox.request(method, path, headers, b"" if body is None else json.dumps(body).encode())
        said: dict[str, Any] = answer.json()
        return said

    def operator(self, path: str, body: Any) -> dict[str, Any]:
        """What it answers to the marketplace's own people."""
        return self.merchant("POST", f"/v1/operate/{path}", body, scope="aftercare/operate")

    # ------------------------------------------------------------ time

    def wait(self, by: timedelta) -> None:
        self.sandbox.advance_to(self.sandbox.clock.now() + by)

    def wait_for_the_morning(self) -> None:
        """Which days an order adds something to depends on the hour, and so does the number of calls."""
        passed = self.sandbox.clock.now() - START
        self.wait(timedelta(days=passed.days + 1) - passed)

    # ------------------------------------------------------------ a look at what stands

    @property
    def books(self) -> Books:
        return self.twin.books(SHOP_ID)

    def public_files(self) -> list[str]:
        """The paths of what everybody may read of service tags."""
        bucket = self.sandbox.environment("tag_publication")["PUBLIC_FILES"]
        return [each["Key"] for each in self.sandbox.client("s3").list_objects_v2(Bucket=bucket).get("Contents", ())]

    @property
    def table(self) -> Table:
        return self.sandbox.table("NegotiationTable")

    def order(self, order_id: str) -> Order:
        return store.read_order(SHOP, order_id, self.table.get(keys.order_key(SHOP, order_id))).order

    def case(self, order_id: str) -> Case:
        return self.order(order_id).cases[-1]

    def payouts(self, order: Order) -> list[Payout]:
        wanted = [keys.payout_key(key) for key in order.commitments]
        found = self.table.get_many(wanted) if wanted else {}
        return [store.read_payout(key, item).payout for key, item in found.items()]

    def payout_key(self, order_id: str, step: str) -> str:
        """The key of a payout of the order's latest case."""
        return f"{SHOP}/{order_id}/{self.case(order_id).negotiation_id}/{step}"

    def save(self, policy: ShopPolicy) -> None:
        was = store.read_policy(policy.shop, self.table.get(keys.policy_key(policy.shop)))
        self.table.write(store.write_policy(was, policy))

    def said(self, order_id: str) -> list[Published]:
        """What stands on the bus about that order."""
        return [one for one in self.sandbox.published if one.detail["data"].get("order_id") == order_id]

    def waiting(self) -> dict[str, int]:
        """Messages that are still in a queue, dead letters included."""
        counts = {name: len(self.sandbox.waiting(name)) for name in self.sandbox.template.queues}
        return {name: count for name, count in counts.items() if count}


@contextmanager
def town(
    *,
    template: Path = TEMPLATE,
    backend: Backend = "moto",
    parameters: Mapping[str, str] | None = None,
    **changed: Any,
) -> Iterator[Town]:
    """The functions' HTTP goes to the twin in this process, without sockets; ``changed`` is other about the shop."""
    twins: list[StandardTwin] = []

    def http() -> Http:
        return twins[0]

    with Sandbox(START, template=template, parameters=parameters, http=http, backend=backend) as sandbox:
        twins.append(StandardTwin(sandbox.clock, pass_time=sandbox.clock.advance))
        yield settled_in(sandbox, twins[0], lotus(**changed), "http://127.0.0.1:1")


def settled_in(sandbox: Sandbox, twin: StandardTwin, shop: Shop, base: str) -> Town:
    """The shop registered on both sides; ``base`` is the twin's address."""
    register(sandbox, [shop], lambda one: f"{base}/actions/{one.shop_id}")
    if shop.credentials is not None:
        twin.open_shop(shop.shop_id, read=shop.credentials.secrets, act=shop.credentials.act)
    return Town(sandbox, twin)


# ---------------------------------------------------------------- what marketplaces say


def paid(order_id: str, at: datetime, **changed: Any) -> dict[str, Any]:
    amount = changed.get("amount", cny(PAID))
    return {
        "order_id": order_id,
        "buyer": f"buyer of {order_id}",
        "paid_at": to_text(at - timedelta(days=2)),
        "amount": amount,
        "lines": [{"line_id": "1", "item_id": "I1", "category": "tea", "quantity": 1, "amount": amount}],
        "promise": {"door_delivery": False},
        **changed,
    }


def asked(order_id: str, reason: str, number: int, at: datetime, **changed: Any) -> dict[str, Any]:
    return {
        "refund_id": f"{order_id}-R{number}",
        "order_id": order_id,
        "buyer": f"buyer of {order_id}",
        "kind": "refund_only",
        "stage": "delivered",
        "reason": {"code": reason, "raw": reason},
        "amount": cny(PAID),
        "requested_at": to_text(at),
        "respond_by": to_text(at + timedelta(hours=48)),
        "revision": 1,
        **changed,
    }


def parcel(order_id: str) -> dict[str, str]:
    return {"carrier": "sto", "number": f"77{order_id}"}


def choices(page: HttpResponse) -> list[str]:
    """The values that the page's form can send."""
    return [html.unescape(value) for value in re.findall(r'name="choice"[^>]*value="([^"]*)"', page.body.decode())]


# ---------------------------------------------------------------- whole stories


@dataclass(frozen=True)
class Story:
    """One request for a refund that ends with money or a coupon; ``before`` is what went on until then."""

    name: str
    before: Callable[[Town, str], object]
    request: Callable[[Town, str], object]

    def play(self, town: Town, order_id: str, after_choice: Callable[[], object] = lambda: None) -> None:
        """From the request to the end; ``after_choice`` happens before anything follows from the buyer's choice."""
        self.request(town, order_id)
        town.wait(A_WHILE)
        accept_first(town, order_id)
        after_choice()
        town.wait(A_WHILE)
        town.tell_decisions()
        town.wait(A_WHILE)


def accept_first(town: Town, order_id: str) -> None:
    """The buyer looks at the latest offer and takes its first option; the page may fail the first time."""
    path = town.link(order_id)
    shown = choices(town.look(path)) or choices(town.look(path))
    answer = town.choose(path, shown[0])
    assert answer.status == SEE_OTHER, answer


def _paid_in_one_batch_with_the_request(town: Town, order_id: str) -> None:
    town.pay(order_id)
    town.ask(order_id, PARTIAL)


def _paid_long_ago(town: Town, order_id: str) -> None:
    town.pay(order_id)
    town.wait(A_WHILE)


def _has_a_coupon(town: Town, order_id: str) -> None:
    town.pay(order_id)
    town.ask(order_id, COUPON)
    town.sandbox.run_until_quiet()
    town.choose(town.link(order_id), "r1o1")
    town.wait(A_WHILE)


REFUND_STORY = Story("refund", lambda town, order_id: None, _paid_in_one_batch_with_the_request)
COUPON_STORY = Story("coupon", _paid_long_ago, lambda town, order_id: town.ask(order_id, COUPON))
FULL_STORY = Story("full refund after a coupon", _has_a_coupon, lambda town, order_id: town.ask(order_id, FULL, 2))
STORIES = (REFUND_STORY, COUPON_STORY, FULL_STORY)


@dataclass(frozen=True)
class Ending:
    """All that must be the same however a story went: nothing in it depends on the order's own ids.

    ``said`` counts the facts on the bus by their natural keys; ``ids`` is the most event ids that one of them has.
    """

    given: tuple[tuple[str, int], ...]
    coupons: tuple[tuple[int, str], ...]
    messages: tuple[str, ...]
    offers: int
    cases: tuple[tuple[str, str | None], ...]
    payouts: tuple[tuple[str, str], ...]
    left_to_refund: int | None
    said: tuple[tuple[str, int], ...]
    ids: int


def ending(town: Town, order_id: str) -> Ending:
    books, order = town.books, town.order(order_id)
    facts: dict[tuple[str, ...], set[str]] = {}
    for one in town.said(order_id):
        metadata, data = one.detail["metadata"], one.detail["data"]
        key = (one.detail_type, *(str(data[name]) for name in NATURAL_KEYS[one.detail_type]))
        facts.setdefault(key, set()).add(metadata["event_id"])
    return Ending(
        given=tuple((one.type, one.amount.minor) for one in books.payments if one.order_id == order_id),
        coupons=tuple(
            (one.face_value.minor, one.state.value) for one in books.coupons.values() if one.order_id == order_id
        ),
        messages=tuple(one["data"]["text"] for one in books.messages if one["order_id"] == order_id),
        offers=len(town.offers(order_id)),
        cases=tuple((case.state.value, case.outcome) for case in order.cases),
        payouts=tuple(sorted((one.kind.value, one.state.value) for one in town.payouts(order))),
        left_to_refund=order.remaining.minor if order.remaining else None,
        said=tuple(sorted(Counter(key[0] for key in facts).items())),
        ids=max(len(ids) for ids in facts.values()),
    )


# ---------------------------------------------------------------- striking at one call of all


@dataclass(frozen=True)
class Point:
    """A place in a story at which a function can be struck: before or after the ``number``-th call of all, from 1."""

    function: str
    number: int
    moment: Moment


def points_of(invocations: Sequence[Invocation]) -> list[Point]:
    """Before the first call of every invocation and after each call: between two calls nothing leaves a function."""
    points: list[Point] = []
    number = 1
    for invocation in invocations:
        points += [Point(invocation.function, number, "before")] if invocation.calls else []
        for _ in invocation.calls:
            points.append(Point(invocation.function, number, "after"))
            number += 1
    return points


Strike = Callable[[Invocation], object]


@dataclass
class Struck:
    """``by`` is the function in whose call it happened; None where the run made fewer calls."""

    by: str | None = None


@contextmanager
def struck_at(sandbox: Sandbox, point: Point, strike: Strike) -> Iterator[Struck]:
    """Does ``strike`` at that point, counted from the beginning of the block."""
    faults, usual = sandbox.faults, sandbox.faults.reached
    struck = Struck()
    counted = 0

    def reached(function: str, call: int, at: Moment, event: Mapping[str, Any]) -> None:
        nonlocal counted
        usual(function, call, at, event)
        if struck.by is None and at == point.moment:
            counted += 1
            if counted == point.number:
                struck.by = function
                strike(sandbox.invocations[-1])

    with ExitStack() as stack:
        stack.callback(lambda: vars(faults).pop("reached"))
        vars(faults)["reached"] = reached
        yield struck


def kill(invocation: Invocation) -> None:
    raise Killed(f"{invocation.function} was killed")
