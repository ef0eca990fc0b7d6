"""Who may speak at the Shopify door: a signature over the raw body, and two families of headers that must agree."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aftercare.intake.model import Delivery
from aftercare.intake.receiving import Request, WebhookIntake
from aftercare.kernel.errors import DomainError
from aftercare.kernel.ports import Genuine, Heading, UnknownSecret
from aftercare.marketplaces import doors
from aftercare.marketplaces.shopify.verify import BadHeaders, BadSignature, BrokenSecret, verify

SECRET = "shpss_the client secret of an app"
OLD_SECRET = "shpss_the one before it"
CREDENTIALS = {"secrets": [SECRET, OLD_SECRET]}
NOW = datetime(2026, 11, 2, 8, 0, 30, tzinfo=UTC)
BODY = b'{"id": 6123456789012345678}'
WEBHOOK_ID = "b1c2d3e4-0000-4000-8000-000000000001"
STATED = {
    "topic": "orders/paid",
    "shop-domain": "quarry-lane.myshopify.com",
    "webhook-id": WEBHOOK_ID,
    "triggered-at": "2026-11-02T08:00:13.123456789Z",
}
TRIGGERED = datetime(2026, 11, 2, 8, 0, 13, 123456, tzinfo=UTC)
GENUINE = Genuine(WEBHOOK_ID, "quarry-lane", Heading("orders/paid", TRIGGERED))


def signature(secret: str = SECRET, body: bytes = BODY) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def signed(family: str = "x-shopify-", secret: str = SECRET, body: bytes = BODY, **changed: str) -> dict[str, str]:
    """``changed`` has the names of headers with ``_`` for ``-``."""
    stated = STATED | {"hmac-sha256": signature(secret, body)}
    stated |= {name.replace("_", "-"): value for name, value in changed.items()}
    return {family + name: value for name, value in stated.items()}


def refused(headers: dict[str, str], body: bytes = BODY) -> bool:
    try:
        verify(headers, body, CREDENTIALS, NOW)
    except (BadSignature, BadHeaders):
        return True
    return False


def test_the_signature_is_the_base64_of_an_hmac_over_the_raw_body() -> None:
    # computed once with OpenSSL: printf '{"id":1}' | openssl dgst -sha256 -hmac hush -binary | base64
    known = "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY="
    headers = signed(secret="hush", body=b'{"id":1}')
    assert headers["x-shopify-hmac-sha256"] == known
    assert verify(headers, b'{"id":1}', {"secrets": ["hush"]}, NOW).delivery_id == WEBHOOK_ID


@pytest.mark.parametrize("family", ["x-shopify-", "shopify-"])
def test_either_family_of_headers_is_enough(family: str) -> None:
    assert verify(signed(family), BODY, CREDENTIALS, NOW) == GENUINE


def test_both_families_at_once_are_taken_where_they_say_the_same() -> None:
    assert verify(signed() | signed("shopify-"), BODY, CREDENTIALS, NOW) == GENUINE


def test_one_family_may_state_what_the_other_leaves_out() -> None:
    mixed = {name: value for name, value in (signed() | signed("shopify-")).items() if name != "x-shopify-triggered-at"}
    assert verify(mixed, BODY, CREDENTIALS, NOW) == GENUINE


@pytest.mark.parametrize(
    "changed",
    [
        {"hmac_sha256": signature("somebody else's")},
        {"hmac_sha256": ""},
        {"topic": "orders/cancelled"},
        {"shop_domain": "another.myshopify.com"},
        {"webhook_id": "b1c2d3e4-0000-4000-8000-000000000002"},
    ],
    ids=lambda changed: next(iter(changed)),
)
@pytest.mark.parametrize("families", [("x-shopify-", "shopify-"), ("shopify-", "x-shopify-")])
def test_two_families_that_contradict_each_other_are_refused(
    families: tuple[str, str], changed: dict[str, str]
) -> None:
    first, second = families
    assert refused(signed(first) | signed(second, **changed))


def test_a_signature_of_either_active_secret_is_genuine() -> None:
    for secret in (SECRET, OLD_SECRET):
        assert verify(signed(secret=secret), BODY, CREDENTIALS, NOW) == GENUINE


def test_a_retired_secret_opens_nothing() -> None:
    with pytest.raises(BadSignature):
        verify(signed(secret=OLD_SECRET), BODY, {"secrets": [SECRET]}, NOW)


def test_a_shop_without_any_secret_takes_nothing() -> None:
    with pytest.raises(BadSignature):
        verify(signed(), BODY, {"secrets": []}, NOW)


def test_an_unknown_shop_is_refused_whatever_is_sent() -> None:
    with pytest.raises(BadSignature):
        verify(signed(), BODY, None, NOW)


def test_an_empty_secret_is_an_error_and_never_a_key() -> None:
    with pytest.raises(BrokenSecret):
        verify(signed(secret=""), BODY, {"secrets": [""]}, NOW)


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", " {}", "{} "])
def test_white_space_around_a_signature_does_not_spoil_it(around: str) -> None:
    assert verify(signed(hmac_sha256=around.format(signature())), BODY, CREDENTIALS, NOW) == GENUINE


@pytest.mark.parametrize(
    "value",
    [
        "",
        "fake",
        "Bearer " + signature(),
        "sha256=" + signature(),
        signature() + ", " + signature(),
        signature().rstrip("="),
        base64.b64decode(signature()).hex(),
        signature().swapcase(),
        "é" * 44,
        "\ud800" * 44,
        "签名",
    ],
)
def test_anything_else_in_the_signature_header_is_refused_and_does_no_harm(value: str) -> None:
    assert refused(signed(hmac_sha256=value))


@pytest.mark.parametrize("missing", ["hmac-sha256", "topic", "shop-domain", "webhook-id"])
def test_a_missing_header_is_refused(missing: str) -> None:
    headers = signed()
    del headers[f"x-shopify-{missing}"]
    assert refused(headers)


@pytest.mark.parametrize(
    "changed",
    [
        {"shop_domain": "quarry-lane.myshopify.com.evil.example"},
        {"shop_domain": "evil.example/quarry-lane.myshopify.com"},
        {"shop_domain": "quarry-lane"},
        {"shop_domain": "quarrylane.example"},
        {"shop_domain": ".myshopify.com"},
        {"topic": "orders/paid#1"},
        {"topic": "o" * 65},
        {"webhook_id": "two words"},
        {"webhook_id": "w" * 257},
        {"webhook_id": "é"},
    ],
    ids=str,
)
def test_a_broken_header_is_refused_though_the_body_is_signed(changed: dict[str, str]) -> None:
    with pytest.raises(BadHeaders):
        verify(signed(**changed), BODY, CREDENTIALS, NOW)


@pytest.mark.parametrize("triggered_at", ["", "yesterday", "2026-11-02T08:00:13", "2026-11-02T08:00:31Z", "9" * 400])
def test_a_time_that_is_broken_or_yet_to_come_is_none_and_costs_nothing(triggered_at: str) -> None:
    assert verify(signed(triggered_at=triggered_at), BODY, CREDENTIALS, NOW).heading == Heading("orders/paid", None)


def test_a_retry_hours_later_is_genuine_as_no_time_is_signed() -> None:
    assert verify(signed(), BODY, CREDENTIALS, NOW + timedelta(hours=4)) == GENUINE


@given(position=st.integers(0, len(BODY) - 1), flip=st.integers(1, 255))
def test_any_altered_byte_of_the_body_is_refused(position: int, flip: int) -> None:
    altered = bytearray(BODY)
    altered[position] ^= flip
    assert refused(signed(), bytes(altered))


@given(body=st.binary(max_size=60), secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_bytes_are_verified_as_they_are(body: bytes, secret: str) -> None:
    assert verify(signed(secret=secret, body=body), body, {"secrets": [secret]}, NOW) == GENUINE


@given(value=st.text(max_size=60))
def test_no_header_of_a_strangers_is_more_than_refused(value: str) -> None:
    for name in ("hmac_sha256", "topic", "shop_domain", "webhook_id"):
        assert value.strip() in STATED.values() or refused(signed(secret="a stranger's", **{name: value}))


# ---------------------------------------------------------------- behind POST /webhooks/shopify/{shop_id}


class Shops:
    def get(self, name: str) -> dict[str, list[str]]:
        if name not in {"aftercare/dev/read/shopify/quarry-lane", "aftercare/dev/read/shopify/mill-street"}:
            raise UnknownSecret(name)
        return CREDENTIALS


class Line:
    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, bodies: list[str]) -> None:
        self.sent += bodies

    def depth(self) -> int:
        return len(self.sent)


class StoppedClock:
    def now(self) -> datetime:
        return NOW


def receive(shop_id: str, headers: dict[str, str]) -> tuple[int, list[str]]:
    line = Line()
    intake = WebhookIntake(
        secrets=Shops(), queue=line, clock=StoppedClock(), secret_prefix="aftercare/dev", verifier=doors.verifier
    )
    return intake.receive(Request("shopify", shop_id, headers, BODY.decode(), False)).status, line.sent


def test_a_genuine_delivery_is_queued_with_its_topic_and_time() -> None:
    status, [message] = receive("quarry-lane", {name.title(): value for name, value in signed().items()})
    assert status == 202
    heading = Heading("orders/paid", TRIGGERED)
    assert Delivery.from_message(message) == Delivery("shopify", "quarry-lane", WEBHOOK_ID, NOW, BODY, heading)


@pytest.mark.parametrize("shop_id", ["mill-street", "nobody", "QUARRY-LANE", "quarry-lane.myshopify.com"])
def test_a_delivery_at_the_path_of_another_shop_is_refused_like_a_bad_signature(shop_id: str) -> None:
    assert receive(shop_id, signed()) == (401, [])
    assert receive("quarry-lane", signed(secret="a stranger's")) == (401, [])


def test_an_app_with_one_secret_for_two_shops_does_not_mix_them() -> None:
    headers = signed(shop_domain="mill-street.myshopify.com")
    assert receive("mill-street", headers)[0] == 202
    assert receive("quarry-lane", headers)[0] == 401


def test_non_ascii_bytes_in_the_signature_are_unauthorized_and_no_crash() -> None:
    assert receive("quarry-lane", signed(hmac_sha256="caf\u00e9 \udcff")) == (401, [])


def test_every_refusal_is_of_the_domain() -> None:
    assert issubclass(BadSignature, DomainError)
    assert issubclass(BadHeaders, DomainError)
