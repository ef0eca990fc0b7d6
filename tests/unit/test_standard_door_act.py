"""What we ask of a marketplace behind the standard door, and how its answers are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from aftercare.kernel.ports import (
    SPENDING_ACTIONS,
    Action,
    ActionOutcome,
    ActionStatus,
    ActionType,
    HttpReply,
    NoReply,
)
from aftercare.marketplaces import doors
from aftercare.marketplaces.standard.act import (
    ActionNotAllowed,
    CannotAct,
    StandardMarketplace,
    action_body,
    connect,
    header_form,
    key_of_header,
)
from aftercare.marketplaces.standard.verify import verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL = "https://shop.example/aftercare"
NOW = datetime(2026, 11, 5, 14, 30, 0, tzinfo=UTC)
REFUND = Action(
    type=ActionType.REFUND_PARTIAL,
    key="standard:tea-house/2026/neg-1/partial",
    shop="standard:tea-house",
    data={"amount": {"minor": 7770, "currency": "CNY"}},
    order_id="2026",
    refund_id="R-1",
)
DONE = HttpReply(200, b'{"status": "done", "reference": "P-1"}')


@dataclass
class FixedClock:
    moment: datetime = NOW

    def now(self) -> datetime:
        return self.moment


@dataclass
class Wire:
    """Answers everything with ``reply`` and remembers what was asked; None is silence."""

    reply: HttpReply | None = DONE
    asked: list[tuple[str, str, Mapping[str, str], bytes | None]] = field(default_factory=list)

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpReply:
        self.asked.append((method, url, headers, body))
        if self.reply is None:
            raise NoReply("silence")
        return self.reply


def marketplace(wire: Wire, clock: FixedClock | None = None, url: str = URL) -> StandardMarketplace:
    return StandardMarketplace(wire, clock or FixedClock(), url, SECRET, SPENDING_ACTIONS)


def test_an_action_is_posted_with_its_key_and_a_signature_that_the_specification_takes() -> None:
    wire = Wire()
    clock = FixedClock(datetime.now(UTC))
    assert marketplace(wire, clock).act(REFUND) == ActionOutcome(ActionStatus.DONE, reference="P-1")
    [(method, url, headers, body)] = wire.asked
    assert (method, url, headers["Idempotency-Key"]) == ("POST", URL, REFUND.key)
    assert body is not None
    Webhook(SECRET).verify(body, dict(headers))
    assert json.loads(body) == {
        "type": "refund.partial",
        "key": REFUND.key,
        "shop": "standard:tea-house",
        "order_id": "2026",
        "refund_id": "R-1",
        "data": {"amount": {"minor": 7770, "currency": "CNY"}},
    }


def test_what_does_not_apply_is_left_out_of_the_body() -> None:
    body = json.loads(action_body(replace(REFUND, order_id=None, refund_id=None)))
    assert body.keys() == {"type", "key", "shop", "data"}


def test_the_same_action_is_the_same_bytes_under_the_same_message_id_whenever_it_is_sent() -> None:
    wire = Wire()
    clock = FixedClock()
    reordered = replace(REFUND, data={"round": 1, "amount": {"currency": "CNY", "minor": 7770}})
    marketplace(wire, clock).act(replace(REFUND, data={"amount": {"minor": 7770, "currency": "CNY"}, "round": 1}))
    clock.moment += timedelta(hours=3)
    marketplace(wire, clock).act(reordered)
    [(_, _, first, first_body), (_, _, second, second_body)] = wire.asked
    assert first_body == second_body
    assert first["webhook-id"] == second["webhook-id"]
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 3 * 3600


def test_another_key_is_another_message() -> None:
    wire = Wire()
    marketplace(wire).act(REFUND)
    marketplace(wire).act(replace(REFUND, key="other"))
    marketplace(wire).look_up(REFUND.key)
    assert len({headers["webhook-id"] for _, _, headers, _ in wire.asked}) == 3


@pytest.mark.parametrize("type_", sorted(frozenset(ActionType) - SPENDING_ACTIONS))
def test_an_action_that_the_secret_may_not_sign_is_a_defect_and_is_not_sent(type_: ActionType) -> None:
    wire = Wire()
    with pytest.raises(ActionNotAllowed):
        marketplace(wire).act(replace(REFUND, type=type_))
    assert wire.asked == []


def test_a_look_up_names_the_key_in_the_address_and_is_signed_over_nothing() -> None:
    wire = Wire()
    outcome = marketplace(wire, url=URL + "/").look_up("a/b?c=d e%#茶")
    [(method, url, headers, body)] = wire.asked
    assert outcome.status is ActionStatus.DONE
    assert (method, url, body) == ("GET", f"{URL}/a%2Fb%3Fc%3Dd%20e%25%23%E8%8C%B6", None)
    verify(headers, b"", {"secrets": [SECRET]}, NOW)


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (DONE, ActionOutcome(ActionStatus.DONE, reference="P-1")),
        (HttpReply(200, b'{"status":"done"}'), ActionOutcome(ActionStatus.DONE)),
        (HttpReply(200, b'{"status":"done","reference":9007199254740993}'),
         ActionOutcome(ActionStatus.DONE, reference="9007199254740993")),
        (HttpReply(200, b'{"status":"refused","reference":null,"reason":"over the limit"}'),
         ActionOutcome(ActionStatus.REFUSED, reason="over the limit")),
        (HttpReply(409, b""), ActionOutcome(ActionStatus.KEY_REUSED)),
    ],
)  # fmt: skip
def test_a_clear_answer_is_taken_at_its_word(reply: HttpReply, outcome: ActionOutcome) -> None:
    assert marketplace(Wire(reply)).act(REFUND) == outcome


UNCLEAR = [
    None,
    *(HttpReply(status, DONE.body) for status in (201, 202, 204, 301, 307, 400, 401, 403, 408, 429, 500, 502, 503)),
    *(
        HttpReply(200, body)
        for body in (b"", b"{}", b"[]", b"null", b"\xff", b"<html>", b'{"status":"maybe"}', b'{"status":["done"]}',
                     b'{"status":true}', b'{"status":"done"', b"[" * 100_000)
    ),
]  # fmt: skip


@pytest.mark.parametrize("reply", UNCLEAR)
def test_anything_else_leaves_open_whether_it_was_done(reply: HttpReply | None) -> None:
    assert marketplace(Wire(reply)).act(REFUND).status is ActionStatus.AMBIGUOUS
    assert marketplace(Wire(reply)).look_up(REFUND.key).status is ActionStatus.AMBIGUOUS


def test_a_404_is_absence_only_for_a_look_up() -> None:
    assert marketplace(Wire(HttpReply(404, b""))).look_up(REFUND.key) == ActionOutcome(ActionStatus.ABSENT)
    assert marketplace(Wire(HttpReply(404, b""))).act(REFUND).status is ActionStatus.AMBIGUOUS


def test_a_409_to_a_look_up_says_nothing() -> None:
    assert marketplace(Wire(HttpReply(409, b""))).look_up(REFUND.key).status is ActionStatus.AMBIGUOUS


@given(st.binary(max_size=50))
def test_no_answer_can_make_it_raise(body: bytes) -> None:
    assert marketplace(Wire(HttpReply(200, body))).act(REFUND).status in ActionStatus


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_key_fits_into_a_header_and_comes_back(key: str) -> None:
    form = header_form(key)
    assert all("!" <= character <= "~" for character in form)
    assert key_of_header(form) == key


def test_the_act_secret_spends_and_the_newest_read_secret_speaks() -> None:
    wire = Wire()
    spender = doors.spender("standard", wire, FixedClock(), {"secret": SECRET, "action_url": URL})
    newest = "whsec_" + "bmV3ZXN0IG9mIHRoZSB0d28="
    speaker = doors.speaker("standard", wire, FixedClock(), {"secrets": [newest, SECRET], "action_url": URL})
    spender.act(REFUND)
    speaker.act(replace(REFUND, type=ActionType.MESSAGE_SEND))
    for (_, _, headers, body), secret in zip(wire.asked, (SECRET, newest), strict=True):
        assert body is not None
        verify(headers, body, {"secrets": [secret]}, NOW)
    with pytest.raises(ActionNotAllowed):
        spender.act(replace(REFUND, type=ActionType.MESSAGE_SEND))
    with pytest.raises(ActionNotAllowed):
        speaker.act(REFUND)


def test_a_shop_without_an_address_for_actions_takes_none() -> None:
    with pytest.raises(CannotAct):
        connect(Wire(), FixedClock(), {"secret": SECRET}, SPENDING_ACTIONS)


def test_the_standard_door_can_do_everything_and_does_a_key_once() -> None:
    capabilities = marketplace(Wire()).capabilities
    assert capabilities.actions == frozenset(ActionType)
    assert capabilities.deduplicates_keys


def test_a_door_that_does_not_exist_has_no_parts() -> None:
    for name in ("", "nobody", "doors", "../aws"):
        assert doors.verifier(name) is None
        assert doors.translation(name) is None
