"""The Shopify door from end to end: what its page says, what the ingress makes of it, and bodies that are not ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from builders import START, plan, policy

from aftercare.events import catalogue
from aftercare.intake.model import Shelf
from aftercare.intake.receiving import Request, WebhookIntake
from aftercare.intake.service import BatchOutcome, Translator
from aftercare.intake.store import list_page
from aftercare.kernel.fields import InvalidFields
from aftercare.kernel.table import Key
from aftercare.marketplaces import doors
from aftercare.marketplaces.shopify.parcels import STATUSES
from aftercare.marketplaces.shopify.translate import PARKED, READINGS, UNINSTALLED
from aftercare.negotiation.model.planning import with_plans
from aftercare.negotiation.service import rules_for
from sandbox.memory_table import MemoryTable

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "events" / "webhooks" / "shopify"
PAGE = ROOT / "docs" / "shopify-door.md"
BODIES = ROOT / "../shared/payloads/shopify"
SHOP = "shopify:quarry-lane"
SECRET = "shpss_of a test"
NOW = datetime(2026, 12, 1, 8, 0, 0, tzinfo=UTC)
NOT_BODIES = frozenset({"eventbridge_envelope", "signature_vectors"})


class Secrets:
    def get(self, name: str) -> Mapping[str, Any]:
        return {"key": "of pseudonyms"} if name.endswith("/pseudonym") else {"secrets": [SECRET]}


class StoppedClock:
    def now(self) -> datetime:
        return NOW


class Queue:
    def __init__(self) -> None:
        self.messages: list[str] = []

    def send(self, bodies: Sequence[str]) -> None:
        self.messages += bodies

    def depth(self) -> int:
        return len(self.messages)


class Bus:
    def __init__(self) -> None:
        self.taken: list[Mapping[str, Any]] = []

    def publish(self, entries: Sequence[Mapping[str, Any]]) -> Sequence[str | None]:
        self.taken += entries
        return [None] * len(entries)


class Ingress:
    """Both halves of the ingress, with the queue between them."""

    def __init__(self) -> None:
        self.queue, self.bus, self.table = Queue(), Bus(), MemoryTable()
        self._intake = WebhookIntake(
            secrets=Secrets(), queue=self.queue, clock=StoppedClock(), secret_prefix="x", verifier=doors.verifier
        )
        self._translator = Translator(
            bus=self.bus,
            table=self.table,
            secrets=Secrets(),
            clock=StoppedClock(),
            secret_prefix="x",
            translation=doors.translation,
        )

    def receive(self, topic: str, body: bytes, webhook_id: str = "w-1") -> int:
        headers = {
            "X-Shopify-Topic": topic,
            "X-Shopify-Hmac-Sha256": base64.b64encode(
                hmac.new(SECRET.encode(), body, hashlib.sha256).digest()
            ).decode(),
            "X-Shopify-Shop-Domain": "quarry-lane.myshopify.com",
            "X-Shopify-Webhook-Id": webhook_id,
            "X-Shopify-Triggered-At": "2026-11-30T22:00:00.5Z",
        }
        encoded = base64.b64encode(body).decode()
        return self._intake.receive(Request("shopify", "quarry-lane", headers, encoded, True)).status

    def translate(self) -> BatchOutcome:
        return self._translator.translate({str(number): each for number, each in enumerate(self.queue.messages)})

    @property
    def names(self) -> list[str]:
        return [entry["detail-type"] for entry in self.bus.taken]

    def reasons(self, shelf: Shelf) -> list[str]:
        return [listed.entry.reason for listed in list_page(self.table, shelf, SHOP, None, 100)[0]]


@pytest.fixture
def ingress() -> Ingress:
    return Ingress()


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.json").read_bytes()


# ---------------------------------------------------------------- the page


def rows(width: int) -> dict[str, list[str]]:
    """The cells beside each word in backquotes that begins a row of a table of so many columns."""
    lines = re.findall(r"^\| `([^`]+)` \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    cells = {first: [cell.strip() for cell in rest.split("|")] for first, rest in lines}
    return {first: rest for first, rest in cells.items() if len(rest) == width - 1}


def test_the_page_lists_every_topic_that_is_read_with_its_events() -> None:
    listed = rows(3)
    assert set(listed) == {*READINGS, UNINSTALLED}
    told = {name for topic in listed.values() for name in re.findall(r"\[(\w+)\]", topic[0])}
    assert told <= catalogue.INCOMING
    for name in ("orders-paid", "orders-cancelled", "fulfillments-update", "refunds-create", "app-uninstalled"):
        fresh = Ingress()
        fresh.receive(name.replace("-", "/"), sample(name))
        fresh.translate()
        assert re.findall(r"\[(\w+)\]", listed[name.replace("-", "/")][0]) == fresh.names


def test_the_page_lists_every_topic_that_is_parked_and_every_status() -> None:
    listed = rows(2)
    assert {topic for topic in listed if "/" in topic} == set(PARKED)
    statuses = {status: cells[0] for status, cells in listed.items() if "/" not in status}
    assert statuses == {
        status: f"`{meaning.status}`" + (f", `{meaning.reason}`" if meaning.reason else "")
        for status, meaning in STATUSES.items()
    }


# ---------------------------------------------------------------- both halves


def test_a_genuine_webhook_becomes_an_event_and_its_customer_an_erasable_item(ingress: Ingress) -> None:
    assert ingress.receive("orders/paid", sample("orders-paid")) == 202
    outcome = ingress.translate()
    assert (outcome.errors, outcome.set_aside, ingress.names) == ({}, [], ["OrderPaid"])
    [entry] = ingress.bus.taken
    item = ingress.table.get(Key(f"BUYER#{SHOP}#{entry['detail']['data']['buyer']}", "OrderPaid#6123456789012345678"))
    assert item is not None
    assert item["buyer"] == "9007199254740995"


def test_a_webhook_that_comes_twice_says_the_same_event_twice(ingress: Ingress) -> None:
    for _ in range(2):
        ingress.receive("app/uninstalled", sample("app-uninstalled"))
    ingress.translate()
    first, second = ingress.bus.taken
    assert first == second


def test_what_tells_no_fact_is_parked_whole_with_its_reason(ingress: Ingress) -> None:
    ingress.receive("returns/request", sample("returns-request"))
    ingress.receive("products/update", b"<xml/>", "w-2")
    ingress.translate()
    assert sorted(ingress.reasons(Shelf.PARKED)) == [
        "a return without its amount, buyer and reason: it has to be read before it says anything",
        "a topic that the door does not know",
    ]
    assert (ingress.names, ingress.reasons(Shelf.QUARANTINE)) == ([], [])


def test_a_broken_body_is_quarantined(ingress: Ingress) -> None:
    ingress.receive("orders/paid", b'{"financial_status": "paid", "currency": "USD"}')
    ingress.translate()
    assert ingress.reasons(Shelf.QUARANTINE) == ["updated_at is missing"]


def test_no_plan_can_offer_what_the_door_cannot_do() -> None:
    empty = policy().model_copy(update={"plans": ()})
    with pytest.raises(InvalidFields) as refused:
        with_plans(empty, [plan()], 7, doors.actions_of(SHOP), rules_for(SHOP, START), START)
    assert {error.message for error in refused.value.errors} == {"the shop's marketplace cannot carry this out for us"}


# ---------------------------------------------------------------- bodies from elsewhere


@pytest.mark.shared
@pytest.mark.skipif(not BODIES.is_dir(), reason="no payloads of Shopify are beside the repository")
def test_every_published_body_is_verified_and_gives_events_or_is_parked() -> None:
    told: dict[str, list[str]] = {}
    for path in sorted(BODIES.glob("*.json")):
        if path.stem in NOT_BODIES:
            continue
        ingress, topic = Ingress(), path.stem.replace("__", "/")
        assert ingress.receive(topic, path.read_bytes()) == 202, topic
        outcome = ingress.translate()
        assert (outcome.errors, ingress.reasons(Shelf.QUARANTINE)) == ({}, []), topic
        assert bool(ingress.names) != bool(ingress.reasons(Shelf.PARKED)), topic
        if ingress.names:
            told[topic] = ingress.names
    assert told == {
        "app/uninstalled": ["ShopAuthorizationRevoked"],
        "fulfillment_events/create": ["ParcelScanned"],
        "fulfillments/create": ["OrderShipped"],
        "fulfillments/update": ["OrderShipped"],
        "orders/cancelled": ["OrderCancelled"],
        "refunds/create": ["RefundDecided"],
    }


@pytest.mark.shared
@pytest.mark.skipif(not BODIES.is_dir(), reason="no payloads of Shopify are beside the repository")
def test_the_published_body_of_an_order_is_a_paid_one_once_it_says_so() -> None:
    content = json.loads((BODIES / "orders__cancelled.json").read_bytes()) | {"financial_status": "paid"}
    ingress = Ingress()
    ingress.receive("orders/paid", json.dumps(content).encode())
    assert ingress.translate().set_aside == []
    [entry] = ingress.bus.taken
    assert entry["detail"]["data"]["amount"] == {"minor": 40495, "currency": "USD"}


@pytest.mark.shared
@pytest.mark.skipif(not BODIES.is_dir(), reason="no payloads of Shopify are beside the repository")
def test_the_published_signature_is_genuine() -> None:
    verify = doors.verifier("shopify")
    assert verify is not None
    [vector] = json.loads((BODIES / "signature_vectors.json").read_bytes())["vectors"]
    headers = {
        "x-shopify-hmac-sha256": vector["expected_base64"],
        "x-shopify-topic": vector["headers"]["X-Shopify-Topic"],
        "x-shopify-shop-domain": "shop1.myshopify.com",
        "x-shopify-webhook-id": vector["headers"]["X-Shopify-Webhook-Id"],
    }
    genuine = verify(headers, vector["body"].encode(), {"secrets": [vector["secret"]]}, NOW)
    assert (genuine.delivery_id, genuine.shop_id) == ("123456789", "shop1")
