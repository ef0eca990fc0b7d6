"""A refund from the marketplace's notification to the buyer's last message, and what else comes in at the door.

The marketplace, the buyer's browser and the functions speak HTTP over 127.0.0.1 in the first tests; those that follow
knock at the same door without sockets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3
from flows import (
    A_WHILE,
    FORM,
    PAID,
    PARTIAL,
    SHOP_ID,
    START,
    Town,
    accept_first,
    asked,
    choices,
    cny,
    ending,
    lotus,
    paid,
    settled_in,
)

from aftercare.intake.receiving import LARGEST_BODY
from aftercare.negotiation.model.cases import CaseState
from sandbox.cloud import Sandbox
from sandbox.http_gateway import HttpResponse
from sandbox.shops import Shop, register
from sandbox.twins.signing import SignedDelivery, sign_delivery
from sandbox.twins.standard import StandardTwin, serving

NUMBERS = count(1)
SHOP_WITHOUT_PLANS = Shop.model_validate(
    {
        "shop": "standard:empty",
        "credentials": {
            "secrets": ["whsec_ZW1wdHktcmVhZC1zZWNyZXQtbmV3ZXN0LTAwMDAwMQ=="],
            "act": "whsec_ZW1wdHktYWN0LXNlY3JldC0wMDAwMDAwMDAwMDAwMQ==",
        },
    }
)


@dataclass(frozen=True)
class Served:
    """The town with its HTTP API at ``url``."""

    town: Town
    url: str

    def request(self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Any:
        return urllib3.request(
            method, f"{self.url}{target}", headers=dict(headers or {}), body=body, redirect=False, retries=False
        )

    def say(self, type_: str, data: Mapping[str, Any]) -> int:
        delivery = self.town.twin.say(SHOP_ID, type_, data)
        status: int = self.request("POST", delivery.path, delivery.headers, delivery.body).status
        return status


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(START))
        twin = StandardTwin(sandbox.clock)
        town = settled_in(sandbox, twin, lotus(), stack.enter_context(serving(twin)))
        register(sandbox, [SHOP_WITHOUT_PLANS], lambda _: "http://127.0.0.1:1/actions/empty")
        yield Served(town, stack.enter_context(sandbox.serve()))


@pytest.fixture
def town(served: Served) -> Town:
    return served.town


@pytest.fixture
def order_id() -> str:
    return f"20261102{next(NUMBERS):06}"


def secret(shop: Shop) -> str:
    assert shop.credentials is not None
    return shop.credentials.secrets[0]


def delivery(town: Town, body: bytes, shop: Shop | None = None, *, delivery_id: str | None = None) -> SignedDelivery:
    """A genuine delivery of any bytes."""
    shop = shop or lotus()
    name = delivery_id or f"raw-{next(NUMBERS)}"
    return sign_delivery(shop.shop_id, secret(shop), name, town.sandbox.clock.now(), body)


def notification(type_: str, data: Mapping[str, Any]) -> bytes:
    return json.dumps({"type": type_, "timestamp": "2026-11-02T08:00:00Z", "data": data}, ensure_ascii=False).encode()


def names(town: Town, order_id: str) -> list[str]:
    return [one.detail_type for one in town.said(order_id)]


def said(town: Town, order_id: str, name: str) -> Any:
    """The data of the latest event of that name about the order."""
    return [one.detail["data"] for one in town.said(order_id) if one.detail_type == name][-1]


def shelved(town: Town, delivery_id: str, shelf: str = "QUARANTINE") -> list[dict[str, Any]]:
    """What the merchant is shown of a delivery that was set aside."""
    entries = town.merchant("GET", f"/v1/quarantine?shelf={shelf}")["entries"]
    return [entry for entry in entries if entry["delivery_id"] == delivery_id]


# ---------------------------------------------------------------- over the wire


def test_a_refund_goes_from_the_notification_to_the_buyers_last_message(served: Served, order_id: str) -> None:
    town, now = served.town, served.town.sandbox.clock.now()
    assert served.say("order.paid", paid(order_id, now, locale="en")) == 202
    assert served.say("refund.requested", asked(order_id, PARTIAL, 1, now)) == 202
    town.sandbox.run_until_quiet()

    [offer] = town.offers(order_id)
    link = offer["data"]["link"]
    assert link.startswith(f"{served.url}/offers/")
    target = link.removeprefix(served.url)
    page = served.request("GET", target)
    assert page.status == 200
    shown = choices(HttpResponse(page.status, {}, page.data))
    assert shown == ["r1o1", "r1o2", "original"]
    assert names(town, order_id).count("OfferAccepted") == 0, "looking changes nothing"

    chosen = served.request("POST", target, FORM, urlencode({"choice": "r1o1"}).encode())
    assert chosen.status == 303
    town.sandbox.run_until_quiet()
    for told in town.twin.deliveries():
        assert served.request("POST", told.path, told.headers, told.body).status == 202
    town.sandbox.run_until_quiet()

    end = ending(town, order_id)
    assert end.given == (("refund.partial", PAID * 20 // 100),)
    assert end.cases == (("settled", "kept"),)
    assert end.left_to_refund == PAID - PAID * 20 // 100
    assert len(end.messages) == 1
    assert end.messages[0]
    assert end.ids == 1
    assert names(town, order_id) == [
        "OrderPaid",
        "RefundRequested",
        "NegotiationOpened",
        "OffersPresented",
        "OfferAccepted",
        "SettlementRecorded",
        "NegotiationClosed",
        "RefundDecided",
    ]
    after = served.request("GET", target)
    assert after.status == 200
    assert choices(HttpResponse(after.status, {}, after.data)) == []


@pytest.mark.parametrize("spoilt", ["signature", "body", "time", "shop", "door"])
def test_what_is_not_proven_genuine_is_refused_in_one_way(served: Served, order_id: str, spoilt: str) -> None:
    now = served.town.sandbox.clock.now()
    body = notification("order.paid", paid(order_id, now))
    signed_at = now - timedelta(minutes=6) if spoilt == "time" else now
    signed_with = secret(SHOP_WITHOUT_PLANS) if spoilt == "signature" else secret(lotus())
    signed = sign_delivery(SHOP_ID, signed_with, f"bad-{spoilt}", signed_at, body)
    path = {"shop": "/webhooks/standard/nobody", "door": "/webhooks/nowhere/lotus"}.get(spoilt, signed.path)
    answer = served.request(
        "POST", path, signed.headers, body.replace(b"10000", b"99999") if spoilt == "body" else body
    )
    assert (answer.status, answer.data) == (401, b'{"error":"unauthorized"}')
    served.town.sandbox.run_until_quiet()
    assert names(served.town, order_id) == []


def test_a_body_above_256_kb_is_refused(served: Served) -> None:
    for size, status in ((LARGEST_BODY, 202), (LARGEST_BODY + 1, 413)):
        sent = delivery(served.town, b"[" + b" " * (size - 2) + b"]")
        assert served.request("POST", sent.path, sent.headers, sent.body).status == status
    served.town.sandbox.run_until_quiet()


# ---------------------------------------------------------------- what cannot be understood


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"type": "order.paid", "data": {"order_id": "\xff\xfe"}}', "UTF-8"),
        (b'{"type": "order.paid", "data": {', "not JSON"),
        (b'{"type": "order.paid", "type": "order.paid"}', "twice"),
        (b"[]", "object"),
        (notification("order.paid", paid("F1", START, amount={"minor": 99.5, "currency": "CNY"})), "amount"),
        (notification("order.paid", paid("F1", START, amount={"minor": 1e3, "currency": "CNY"})), "amount"),
        (notification("refund.requested", asked("F1", PARTIAL, 1, START, amount=cny(-1))), "amount"),
        (notification("refund.requested", asked("F1", PARTIAL, 1, START, requested_at=1762070400)), "requested_at"),
    ],
    ids=["not UTF-8", "broken", "a field twice", "a list", "a float", "an exponent", "negative", "a numeric time"],
)
def test_what_cannot_be_understood_is_kept_whole_and_listed(town: Town, body: bytes, reason: str) -> None:
    sent = delivery(town, body)
    for _ in range(2):
        assert town.deliver(sent).status == 202
        town.sandbox.run_until_quiet()
    [entry] = shelved(town, sent.headers["webhook-id"])
    assert reason in entry["reason"]
    assert names(town, "F1") == []
    assert town.waiting() == {}


def test_a_type_that_nobody_knows_is_parked(town: Town) -> None:
    sent = delivery(town, notification("loyalty.granted", {"points": 3}))
    assert town.deliver(sent).status == 202
    town.sandbox.run_until_quiet()
    assert len(shelved(town, sent.headers["webhook-id"], "PARKED")) == 1
    assert shelved(town, sent.headers["webhook-id"]) == []


# ---------------------------------------------------------------- the same again, and out of order


def test_the_same_delivery_twice_is_one_request(town: Town, order_id: str) -> None:
    town.pay(order_id)
    sent = town.twin.say(SHOP_ID, "refund.requested", asked(order_id, PARTIAL, 1, town.sandbox.clock.now()))
    for _ in range(2):
        assert town.deliver(sent).status == 202
        town.sandbox.run_until_quiet()
    assert len(town.order(order_id).cases) == 1
    assert len(town.offers(order_id)) == 1
    assert ending(town, order_id).ids == 1


def test_the_same_refund_under_another_delivery_id_is_one_request(town: Town, order_id: str) -> None:
    town.pay(order_id)
    for _ in range(2):
        town.ask(order_id, PARTIAL)
        town.sandbox.run_until_quiet()
    assert names(town, order_id).count("RefundRequested") == 2
    assert len(town.order(order_id).cases) == 1
    assert len(town.offers(order_id)) == 1


def test_a_request_that_was_decided_before_it_was_heard_of_gets_no_offer(town: Town, order_id: str) -> None:
    now = town.sandbox.clock.now()
    town.pay(order_id)
    decided = {
        "outcome": "refused",
        "by": "seller",
        "decided_at": now.isoformat(),
        "kind": "refund_only",
        "revision": 9,
    }
    town.say("refund.decided", {"refund_id": f"{order_id}-R1", "order_id": order_id, **decided})
    town.sandbox.run_until_quiet()
    town.ask(order_id, PARTIAL)
    town.wait(timedelta(days=3))
    assert town.offers(order_id) == []
    assert said(town, order_id, "NegotiationClosed")["outcome"] == "superseded"


def test_a_request_for_an_order_never_seen_is_passed_on_before_its_deadline(town: Town, order_id: str) -> None:
    asked_at = town.sandbox.clock.now()
    town.ask(order_id, PARTIAL)
    town.wait(timedelta(hours=48))
    assert said(town, order_id, "NegotiationOpened")["why_not"] == "order_unknown"
    closed = said(town, order_id, "NegotiationClosed")
    assert (closed["outcome"], closed["closed_at"]) == (
        "passed_on",
        f"{asked_at + timedelta(hours=47):%Y-%m-%dT%H:%M:%SZ}",
    )


# ---------------------------------------------------------------- sums, currencies and ids


@pytest.mark.parametrize(
    ("amount", "why_not"),
    [(cny(0), "nothing_asked"), ({"minor": 10000, "currency": "USD"}, "currency_mismatch")],
    ids=["zero", "another currency"],
)
def test_a_sum_that_no_offer_can_answer_is_passed_on(
    town: Town, order_id: str, amount: Mapping[str, Any], why_not: str
) -> None:
    town.pay(order_id)
    town.ask(order_id, PARTIAL, amount=amount)
    town.sandbox.run_until_quiet()
    assert said(town, order_id, "NegotiationOpened")["why_not"] == why_not
    assert said(town, order_id, "NegotiationClosed")["outcome"] == "passed_on"
    assert town.offers(order_id) == []


def test_more_asked_than_was_paid_is_answered_out_of_what_was_paid(town: Town, order_id: str) -> None:
    town.pay(order_id)
    town.ask(order_id, PARTIAL, amount=cny(100 * PAID))
    town.sandbox.run_until_quiet()
    accept_first(town, order_id)
    town.sandbox.run_until_quiet()
    assert ending(town, order_id).given == (("refund.partial", PAID * 20 // 100),)


def test_ids_of_64_bits_come_as_numbers_and_lose_no_digit(town: Town) -> None:
    order, refund, now = 9_223_372_036_854_775_807, 9_007_199_254_740_993, town.sandbox.clock.now()
    order_id = str(order)
    town.books.note("order.paid", paid(order_id, now))
    for type_, data in (
        ("order.paid", {**paid(order_id, now), "order_id": order, "buyer": 12_345_678_901_234_567}),
        ("refund.requested", {**asked(order_id, PARTIAL, 1, now), "order_id": order, "refund_id": refund}),
    ):
        assert town.deliver(delivery(town, notification(type_, data))).status == 202
    town.sandbox.run_until_quiet()
    accept_first(town, order_id)
    town.sandbox.run_until_quiet()
    [payment] = [one for one in town.books.payments if one.order_id == order_id]
    assert payment.refund_id == str(refund)


# ---------------------------------------------------------------- plans


def test_a_plan_deleted_while_its_offer_is_open_is_honoured_and_makes_no_new_offer(town: Town, order_id: str) -> None:
    other = f"{order_id}9"
    town.pay(order_id)
    town.ask(order_id, PARTIAL)
    town.pay(other)
    town.sandbox.run_until_quiet()
    version = town.merchant("GET", "/v1/plans")["version"]
    assert town.merchant("PUT", "/v1/plans", {"plans": [], "version": version})["plans"] == []
    town.ask(other, PARTIAL)
    accept_first(town, order_id)
    town.sandbox.run_until_quiet()
    town.save(lotus().policy())
    assert town.case(order_id).state is CaseState.SETTLED
    assert said(town, other, "NegotiationOpened")["why_not"] == "no_plan"
    assert town.offers(other) == []


def test_a_shop_without_a_plan_passes_every_request_on(town: Town, order_id: str) -> None:
    now = town.sandbox.clock.now()
    for type_, data in (("order.paid", paid(order_id, now)), ("refund.requested", asked(order_id, PARTIAL, 1, now))):
        assert town.deliver(delivery(town, notification(type_, data), SHOP_WITHOUT_PLANS)).status == 202
    town.wait(A_WHILE)
    assert names(town, order_id) == ["OrderPaid", "RefundRequested", "NegotiationOpened", "NegotiationClosed"]
    assert said(town, order_id, "NegotiationOpened")["why_not"] == "no_plan"
    assert {one.detail["metadata"]["shop"] for one in town.said(order_id)} == {"standard:empty"}
