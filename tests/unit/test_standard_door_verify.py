"""Who may speak at the standard door: our reading of the Standard Webhooks specification, against its library."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from aftercare.marketplaces.standard.signature import BrokenSecret, signature, signed_headers
from aftercare.marketplaces.standard.verify import BadSignature, OutsideWindow, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_SECRET = "whsec_" + base64.b64encode(b"the one before, until yesterday!").decode()
CREDENTIALS = {"secrets": [SECRET, OLD_SECRET]}
AT = 1614265330
NOW = datetime.fromtimestamp(AT, UTC)
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
BODY = b'{"test": 2432232314}'
PUBLISHED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
SIGNED = {"webhook-id": ID, "webhook-timestamp": str(AT), "webhook-signature": PUBLISHED}


def refused(headers: dict[str, str], body: bytes = BODY, now: datetime = NOW) -> bool:
    try:
        verify(headers, body, CREDENTIALS, now)
    except (BadSignature, OutsideWindow):
        return True
    return False


def test_the_published_vector_is_genuine() -> None:
    assert signature(SECRET, ID, str(AT), BODY) == PUBLISHED
    assert verify(SIGNED, BODY, CREDENTIALS, NOW).delivery_id == ID


@given(body=st.text(), message_id=st.from_regex(r"msg_[0-9A-Za-z]{1,40}", fullmatch=True), key=st.binary(min_size=1))
def test_what_the_specifications_library_signs_we_verify(body: str, message_id: str, key: bytes) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(AT),
        "webhook-signature": Webhook(secret).sign(message_id, NOW, body),
    }
    assert verify(headers, body.encode(), {"secrets": [secret]}, NOW).delivery_id == message_id


@given(body=st.text(), key=st.binary(min_size=1))
def test_what_we_sign_the_specifications_library_verifies(body: str, key: bytes) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    headers = signed_headers(secret, ID, int(datetime.now(UTC).timestamp()), body.encode())
    Webhook(secret).verify(body, headers, json_parse=False)


@pytest.mark.parametrize("form", [SECRET, SECRET.removeprefix("whsec_")])
@pytest.mark.parametrize("key", [b"k" * 24, b"k" * 25, b"k" * 26, b"k" * 64])
def test_a_secret_is_taken_with_and_without_prefix_and_padding(form: str, key: bytes) -> None:
    encoded = base64.b64encode(key).decode()
    forms = {encoded, encoded.rstrip("="), "whsec_" + encoded, "whsec_" + encoded.rstrip("=")}
    assert len({signature(written, ID, "1", BODY) for written in forms}) == 1
    assert signature(form, ID, str(AT), BODY) == PUBLISHED


@pytest.mark.parametrize("secret", ["whsec_not base64!", "whsec_ключ", "whsec_A", "whsec_", ""])
def test_a_broken_secret_is_a_clear_error_that_does_not_quote_it(secret: str) -> None:
    with pytest.raises(BrokenSecret) as raised:
        verify(SIGNED, BODY, {"secrets": [secret]}, NOW)
    assert str(raised.value) in {"a webhook secret is not base64", "a webhook secret is empty"}
    assert raised.value.__cause__ is None


def test_every_active_secret_opens_the_door() -> None:
    for secret in (SECRET, OLD_SECRET):
        assert verify(signed_headers(secret, ID, AT, BODY), BODY, CREDENTIALS, NOW).delivery_id == ID


def test_a_retired_secret_does_not() -> None:
    headers = signed_headers(OLD_SECRET, ID, AT, BODY)
    with pytest.raises(BadSignature):
        verify(headers, BODY, {"secrets": [SECRET]}, NOW)


def test_a_shop_without_any_secret_takes_nothing() -> None:
    with pytest.raises(BadSignature):
        verify(SIGNED, BODY, {"secrets": []}, NOW)


def test_an_unknown_shop_is_refused_whatever_is_sent() -> None:
    with pytest.raises(BadSignature):
        verify(SIGNED, BODY, None, NOW)


def test_one_good_signature_among_others_is_enough() -> None:
    others = f"v1,{'A' * 43}= v1a,ed25519stuff v2,later {PUBLISHED} v1,"
    assert verify(SIGNED | {"webhook-signature": others}, BODY, CREDENTIALS, NOW).delivery_id == ID


@pytest.mark.parametrize(
    "header",
    ["", "v1,", "v1", ",", PUBLISHED.replace("v1", "v2"), PUBLISHED.removeprefix("v1,"), f"{PUBLISHED},{PUBLISHED}"],
)
def test_other_versions_and_bare_signatures_prove_nothing(header: str) -> None:
    assert refused(SIGNED | {"webhook-signature": header})


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_refused(missing: str) -> None:
    assert refused({name: value for name, value in SIGNED.items() if name != missing})


@pytest.mark.parametrize("seconds", [300, -300])
def test_a_signed_time_five_minutes_away_is_still_fresh(seconds: int) -> None:
    assert verify(SIGNED, BODY, CREDENTIALS, NOW + timedelta(seconds=seconds)).delivery_id == ID


@pytest.mark.parametrize("away", [timedelta(seconds=300, microseconds=1), timedelta(seconds=-301), timedelta(days=900)])
def test_a_signed_time_further_away_is_refused(away: timedelta) -> None:
    with pytest.raises(OutsideWindow):
        verify(SIGNED, BODY, CREDENTIALS, NOW + away)


@pytest.mark.parametrize(
    "timestamp", ["1614265330.0", "+1614265330", " 1614265330", "١٦١٤٢٦٥٣٣٠", "-1", "9" * 400, "x"]
)
def test_a_timestamp_is_digits_even_when_it_is_signed(timestamp: str) -> None:
    headers = SIGNED | {"webhook-timestamp": timestamp}
    headers["webhook-signature"] = signature(SECRET, ID, timestamp, BODY)
    assert refused(headers)


@given(position=st.integers(0, len(BODY) - 1), flip=st.integers(1, 255))
def test_any_altered_byte_of_the_body_is_refused(position: int, flip: int) -> None:
    altered = bytearray(BODY)
    altered[position] ^= flip
    assert refused(SIGNED, bytes(altered))


@given(name=st.sampled_from(["webhook-id", "webhook-timestamp"]), position=st.integers(0, 9), other=st.characters())
def test_any_altered_character_of_id_or_time_is_refused(name: str, position: int, other: str) -> None:
    value = SIGNED[name]
    altered = value[:position] + other + value[position + 1 :]
    if altered != value:
        assert refused(SIGNED | {name: altered})


@given(body=st.binary(max_size=40))
@example(body=BODY + b"\n")
@example(body=b"")
def test_another_body_is_refused(body: bytes) -> None:
    assert body == BODY or refused(SIGNED, body)


@given(
    headers=st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "x"]),
        st.one_of(st.text(), st.text(st.characters(max_codepoint=0x2FF)), st.just(PUBLISHED), st.just(str(AT))),
    )
)
@example(headers=SIGNED | {"webhook-signature": "v1,é"})
@example(headers=SIGNED | {"webhook-signature": "v1,\udcff"})
@example(headers=SIGNED | {"webhook-id": "\udcff"})
@example(headers=SIGNED | {"webhook-id": "a\nb"})
@example(headers=SIGNED | {"webhook-timestamp": "99999999999"})
def test_garbage_in_headers_is_refused_and_never_crashes(headers: dict[str, str]) -> None:
    assert headers == SIGNED or refused(headers)
