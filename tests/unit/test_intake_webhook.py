"""POST /webhooks/{door}/{shop_id}: only genuine, fresh deliveries of registered shops get in, and none is lost."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aftercare.intake.model import Delivery
from aftercare.intake.receiving import LARGEST_BODY, Answer, Request, WebhookIntake
from aftercare.kernel.errors import MalformedInput, Transient
from aftercare.kernel.ports import UnknownSecret
from aftercare.marketplaces import doors
from aftercare.marketplaces.standard.signature import BrokenSecret, signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = datetime(2026, 11, 2, 8, 0, 0, 123456, tzinfo=UTC)
BODY = b'{"type": "order.paid", "data": {}}'
SQS_LIMIT = 1_048_576


class StoppedClock:
    def now(self) -> datetime:
        return NOW


@dataclass
class Store:
    """Secrets by name; ``down`` raises instead."""

    values: Mapping[str, Mapping[str, Any]]
    asked: list[str] = field(default_factory=list)
    down: bool = False

    def get(self, name: str) -> Mapping[str, Any]:
        self.asked.append(name)
        if self.down:
            raise Transient("throttled")
        if name not in self.values:
            raise UnknownSecret(name)
        return self.values[name]


@dataclass
class Line:
    sent: list[str] = field(default_factory=list)
    down: bool = False

    def send(self, bodies: Sequence[str]) -> None:
        if self.down:
            raise Transient("no connection")
        self.sent += bodies

    def depth(self) -> int:
        return len(self.sent)


def secrets() -> Store:
    return Store({"aftercare/dev/read/standard/tea-house": {"secrets": [SECRET], "action_url": "https://x.example"}})


def receive(request: Request, store: Store | None = None, line: Line | None = None) -> tuple[Answer, Line]:
    line = line or Line()
    intake = WebhookIntake(
        secrets=store or secrets(),
        queue=line,
        clock=StoppedClock(),
        secret_prefix="aftercare/dev",
        verifier=doors.verifier,
    )
    return intake.receive(request), line


def request(body: bytes = BODY, *, shop_id: str = "tea-house", door: str = "standard", as_base64: bool = False,
            at: datetime = NOW, **headers: str) -> Request:  # fmt: skip
    signed = signed_headers(SECRET, "msg_1", int(at.timestamp()), body)
    text = base64.b64encode(body).decode() if as_base64 else body.decode(errors="surrogateescape")
    return Request(door, shop_id, signed | headers, text, as_base64)


def test_a_genuine_delivery_is_queued_byte_for_byte_and_accepted() -> None:
    answer, line = receive(request())
    assert (answer.status, json.loads(answer.body)) == (202, {"status": "accepted"})
    assert [Delivery.from_message(message) for message in line.sent] == [
        Delivery("standard", "tea-house", "msg_1", NOW, BODY)
    ]


@pytest.mark.parametrize("body", [BODY, b"", b"\xff\xfe not UTF-8", "茶".encode(), b'{"a": "\xef\xbf\xbe"}', b"\x00"])
def test_the_signature_is_checked_over_the_decoded_bytes_whatever_the_body_is(body: bytes) -> None:
    answer, line = receive(request(body, as_base64=True))
    assert answer.status == 202
    assert Delivery.from_message(line.sent[0]).body == body


def test_a_genuine_delivery_that_is_not_json_is_accepted_too_since_nothing_is_parsed_here() -> None:
    assert receive(request(b"<xml/>"))[0].status == 202


def test_header_names_may_come_in_any_case() -> None:
    plain = request()
    shouting = Request(plain.door, plain.shop_id, {k.upper(): v for k, v in plain.headers.items()}, plain.body, False)
    assert receive(shouting)[0].status == 202


UNPROVEN = {
    "a wrong signature": request(**{"webhook-signature": "v1,AAAA"}),
    "no signature": Request("standard", "tea-house", {}, BODY.decode(), False),
    "a signature that is not ASCII": request(**{"webhook-signature": "v1,é\udcff"}),
    "an altered body": Request("standard", "tea-house", request().headers, BODY.decode() + " ", False),
    "half of a character in the body": Request("standard", "tea-house", request().headers, "\ud83d", False),
    "an unknown shop": request(shop_id="nobody"),
    "an impossible shop": request(shop_id="../keys"),
    "an empty shop": request(shop_id=""),
    "a shop of 65 characters": request(shop_id="x" * 65),
    "a stale time": request(at=NOW - timedelta(minutes=6)),
    "a time to come": request(at=NOW + timedelta(minutes=6)),
    "an unknown door": request(door="nowhere"),
    "no door": request(door=""),
    "broken base64": Request("standard", "tea-house", request().headers, "e30=!", True),
    "base64 that is not ASCII": Request("standard", "tea-house", request().headers, "é", True),
}


@pytest.mark.parametrize("what", UNPROVEN)
def test_whatever_is_not_proven_gets_the_same_answer_and_is_not_queued(what: str) -> None:
    answer, line = receive(UNPROVEN[what])
    assert (answer.status, answer.body) == (401, '{"error":"unauthorized"}')
    assert line.sent == []


def test_a_strangers_path_never_reaches_the_name_of_a_secret() -> None:
    store = secrets()
    for shop_id in ("../keys", "a/b", "x" * 65, "", "a b", "a\n", "tea-house\n", "é"):
        receive(request(shop_id=shop_id), store)
    assert store.asked == []


def test_the_logs_tell_apart_what_the_answer_does_not_and_name_registered_shops_alone() -> None:
    stale, _ = receive(UNPROVEN["a stale time"])
    forged, _ = receive(UNPROVEN["a wrong signature"])
    unknown, _ = receive(UNPROVEN["an unknown shop"])
    assert len({stale.outcome, forged.outcome, unknown.outcome}) == 3
    assert (stale.shop, forged.shop, unknown.shop) == ("standard:tea-house", "standard:tea-house", None)


@pytest.mark.parametrize("as_base64", [False, True])
def test_256_kb_of_body_are_taken_and_one_byte_more_is_not(as_base64: bool) -> None:
    assert receive(request(b"x" * LARGEST_BODY, as_base64=as_base64))[0].status == 202
    assert receive(request(b"x" * (LARGEST_BODY + 1), as_base64=as_base64))[0].status == 413


def test_size_counts_bytes_and_not_characters() -> None:
    assert receive(request("茶".encode() * (LARGEST_BODY // 3 + 1)))[0].status == 413


def test_size_comes_before_everything_else() -> None:
    huge = "!" * (2 * LARGEST_BODY)
    assert receive(Request("nowhere", "nobody", {}, huge, True))[0].status == 413
    assert receive(Request("nowhere", "nobody", {}, huge, False))[0].status == 413


def test_the_sender_is_asked_to_try_again_when_the_queue_or_the_secrets_cannot_answer() -> None:
    store = secrets()
    store.down = True
    assert receive(request(), store)[0].status == 503
    answer, line = receive(request(), line=Line(down=True))
    assert (answer.status, line.sent) == (503, [])


def test_a_stored_secret_that_cannot_be_read_is_loud() -> None:
    broken = Store({"aftercare/dev/read/standard/tea-house": {"secrets": ["whsec_!"]}})
    with pytest.raises(BrokenSecret):
        receive(request(), broken)


@given(st.binary(max_size=300))
@example(b'"' * 300)
@example("\ufffe\uffff".encode())
@example("\u2028\x00\x1f\x7f".encode())
def test_any_bytes_survive_the_queue(body: bytes) -> None:
    delivery = Delivery("standard", "tea-house", "msg_1", NOW, body)
    message = delivery.to_message()
    assert Delivery.from_message(message) == delivery
    # a queue replaces these without a word
    assert not [c for c in message if c in "\ufffe\uffff" or (c < " " and c not in "\t\n\r")]


@pytest.mark.parametrize(
    "body",
    [b'"' * LARGEST_BODY, b"\x01" * LARGEST_BODY, b"\xff" * LARGEST_BODY, "茶".encode() * (LARGEST_BODY // 3)],
)
def test_the_largest_body_fits_into_one_message_and_one_item(body: bytes) -> None:
    message = Delivery("standard", "x" * 64, "m" * 256, NOW, body).to_message()
    assert len(message.encode()) < 4 * LARGEST_BODY / 3 + 1000 < 400 * 1024 < SQS_LIMIT


def test_readable_bodies_stay_readable_in_the_queue() -> None:
    assert "order.paid" in Delivery("standard", "tea-house", "msg_1", NOW, BODY).to_message()


@pytest.mark.parametrize(
    "message",
    ["", "{", "[]", "7", "{}", '{"body": 1}', '{"door": "standard", "base64": "!"}', "[" * 100_000,
     '{"door":"a","shop_id":"b","delivery_id":"c","received_at":"2026-11-02","body":""}',
     '{"door":"a","shop_id":"b","delivery_id":"c","received_at":7,"body":""}'],
)  # fmt: skip
def test_a_message_that_is_not_ours_is_malformed(message: str) -> None:
    with pytest.raises(MalformedInput):
        Delivery.from_message(message)
