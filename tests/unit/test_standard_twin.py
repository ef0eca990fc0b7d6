"""The standard twin: it pays what its rules allow, once a key, and its books tell what really happened."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aftercare.kernel.money import Money
from aftercare.kernel.ports import Action, ActionOutcome, ActionStatus, ActionType, Marketplace
from aftercare.marketplaces import doors
from aftercare.marketplaces.standard.act import StandardMarketplace
from aftercare.marketplaces.standard.translate import translate
from aftercare.marketplaces.standard.verify import verify
from sandbox.twins.books import Books, CouponState, Refusal
from sandbox.twins.standard import PATIENCE, Fault, StandardTwin

SAMPLES = Path(__file__).parents[2] / "events" / "webhooks" / "standard"
READ, ACT = "whsec_cmVhZCByZWFkIHJlYWQgcmVhZA==", "whsec_YWN0IGFjdCBhY3QgYWN0IGFjdA=="
URL = "http://twin/actions/tea-house"
TEA = "202611020001"


def cny(minor: int) -> dict[str, Any]:
    return {"minor": minor, "currency": "CNY"}


PARTIAL = Action(
    ActionType.REFUND_PARTIAL,
    "k/partial",
    "standard:tea-house",
    {"amount": cny(7770)},
    order_id=TEA,
    refund_id="R-88001",
)
COUPON = Action(
    ActionType.COUPON_ISSUE, "k/coupon", "standard:tea-house", {"face_value": cny(2000), "valid_days": 30}, order_id=TEA
)
REVOKE = Action(ActionType.COUPON_REVOKE, "k/revoke", "standard:tea-house", {"coupon_key": "k/coupon"}, order_id=TEA)
MESSAGE = Action(ActionType.MESSAGE_SEND, "k/message", "standard:tea-house", {"text": "…"}, order_id=TEA)


class VirtualClock:
    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 5, 14, 0, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def pass_time(self, delay: timedelta) -> None:
        self.moment += delay


class World:
    """One shop with one paid order and one open refund request."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.twin = StandardTwin(self.clock, self.clock.pass_time)
        self.books: Books = self.twin.open_shop("tea-house", read=[READ], act=ACT)
        for name in ("order_paid_tea_set", "refund_requested_damaged"):
            content = json.loads((SAMPLES / f"{name}.json").read_bytes())
            self.twin.say("tea-house", content["type"], content["data"])
        self.spender: Marketplace = doors.spender("standard", self.twin, self.clock, {"secret": ACT, "action_url": URL})
        self.speaker: Marketplace = doors.speaker(
            "standard", self.twin, self.clock, {"secrets": [READ], "action_url": URL}
        )

    @property
    def paid_out(self) -> list[int]:
        return [payment.amount.minor for payment in self.books.payments]


@pytest.fixture
def world() -> World:
    return World()


def test_a_key_is_paid_once_however_often_it_is_sent(world: World) -> None:
    first = world.spender.act(PARTIAL)
    assert (first.status, world.spender.act(PARTIAL), world.spender.look_up(PARTIAL.key)) == (
        ActionStatus.DONE,
        first,
        first,
    )
    assert world.paid_out == [7770]
    assert world.books.double_payments() == []


def test_a_key_with_another_body_is_reused_and_pays_nothing(world: World) -> None:
    world.spender.act(PARTIAL)
    assert world.spender.act(replace(PARTIAL, data={"amount": cny(1)})).status is ActionStatus.KEY_REUSED
    assert world.paid_out == [7770]


def test_the_books_show_when_two_keys_paid_for_the_same_thing(world: World) -> None:
    world.spender.act(PARTIAL)
    world.spender.act(replace(PARTIAL, key="k/random"))
    assert world.books.double_payments() == [("refund.partial", TEA, "R-88001")]


def test_an_unknown_key_is_absent(world: World) -> None:
    assert world.spender.look_up("never sent") == ActionOutcome(ActionStatus.ABSENT)


@pytest.mark.parametrize("key", ["a/b", "a b", "茶/%2F?#&", "%"])
def test_any_key_is_found_again(world: World, key: str) -> None:
    done = world.spender.act(replace(PARTIAL, key=key))
    assert done.status is ActionStatus.DONE
    assert world.spender.look_up(key) == done


REFUSED = {
    "more than was paid": replace(PARTIAL, data={"amount": cny(44701)}),
    "nothing": replace(PARTIAL, data={"amount": cny(0)}),
    "less than nothing": replace(PARTIAL, data={"amount": cny(-1)}),
    "no amount": replace(PARTIAL, data={}),
    "a fraction": replace(PARTIAL, data={"amount": {"minor": 1.5, "currency": "CNY"}}),
    "another currency": replace(PARTIAL, data={"amount": {"minor": 1, "currency": "EUR"}}),
    "an unknown order": replace(PARTIAL, order_id="1"),
    "no order": replace(PARTIAL, order_id=None),
    "an unknown coupon": REVOKE,
    "a coupon of nothing": replace(COUPON, data={"face_value": cny(0)}),
    "an exchange of an unknown order": replace(PARTIAL, type=ActionType.EXCHANGE, order_id="1"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_rules_forbid_is_refused_with_a_reason_and_stays_refused(world: World, what: str) -> None:
    outcome = world.spender.act(REFUSED[what])
    assert outcome.status is ActionStatus.REFUSED
    assert outcome.reason
    assert world.spender.look_up(REFUSED[what].key) == outcome
    assert (world.paid_out, world.books.coupons, world.twin.deliveries()) == ([], {}, [])


def test_refunds_of_an_order_never_exceed_what_was_paid(world: World) -> None:
    world.spender.act(replace(PARTIAL, data={"amount": cny(44000)}))
    rest = replace(PARTIAL, key="k/full", type=ActionType.REFUND_AGREE)
    assert world.spender.act(replace(rest, data={"amount": cny(701)})).status is ActionStatus.REFUSED
    assert world.spender.act(replace(rest, key="k/2", data={"amount": cny(700)})).status is ActionStatus.DONE
    assert world.books.orders[TEA].remaining == Money(minor=0, currency="CNY")


def test_a_refund_made_elsewhere_takes_from_the_same_order(world: World) -> None:
    decided = {"refund_id": "R-2", "order_id": TEA, "outcome": "refunded", "amount": cny(44000)}
    world.twin.say("tea-house", "refund.decided", decided)
    assert world.spender.act(PARTIAL).status is ActionStatus.REFUSED


def test_a_coupon_is_issued_used_or_revoked(world: World) -> None:
    assert world.spender.act(COUPON).status is ActionStatus.DONE
    assert world.spender.act(REVOKE).status is ActionStatus.DONE
    assert world.books.coupons["k/coupon"].state is CouponState.REVOKED


def test_a_used_coupon_is_not_revoked(world: World) -> None:
    world.spender.act(COUPON)
    world.books.use_coupon("k/coupon")
    assert world.spender.act(REVOKE).status is ActionStatus.REFUSED
    assert world.books.coupons["k/coupon"].state is CouponState.USED


def test_a_coupon_issued_under_two_keys_shows_in_the_books(world: World) -> None:
    world.spender.act(COUPON)
    world.spender.act(replace(COUPON, key="k/random"))
    assert world.books.double_payments() == [("coupon.issue", TEA, None)]


def test_messages_offers_and_tags_are_kept(world: World) -> None:
    for number, type_ in enumerate((ActionType.MESSAGE_SEND, ActionType.OFFERS_PRESENT, ActionType.TAG_CHANGED)):
        assert world.speaker.act(replace(MESSAGE, type=type_, key=f"k/{number}")).status is ActionStatus.DONE
    assert [len(kept) for kept in (world.books.messages, world.books.offers, world.books.tags)] == [1, 1, 1]


@pytest.mark.parametrize("action", [PARTIAL, COUPON, MESSAGE])
def test_the_wrong_secret_of_the_two_is_turned_away(world: World, action: Action) -> None:
    wrong = READ if action is not MESSAGE else ACT
    impostor = StandardMarketplace(world.twin, world.clock, URL, wrong, frozenset(ActionType))
    assert impostor.act(action) == ActionOutcome(ActionStatus.AMBIGUOUS, reason="status 401")
    assert world.spender.look_up(action.key).status is ActionStatus.ABSENT


def test_an_old_signature_is_turned_away(world: World) -> None:
    class SlowPost:
        def request(self, *call: Any) -> Any:
            world.clock.pass_time(timedelta(minutes=6))
            return world.twin.request(*call)

    late = StandardMarketplace(SlowPost(), world.clock, URL, ACT, frozenset(ActionType))
    assert late.act(PARTIAL).reason == "status 401"


def test_an_action_for_another_shop_is_turned_away(world: World) -> None:
    world.twin.open_shop("other", read=[READ], act=ACT)
    assert world.spender.act(replace(PARTIAL, shop="standard:other")).reason == "status 400"


AFTER_AND_BEFORE = [
    (Fault.ERROR_BEFORE, 0),
    (Fault.TIMEOUT_BEFORE, 0),
    (Fault.ERROR_AFTER, 1),
    (Fault.TIMEOUT_AFTER, 1),
]


@pytest.mark.parametrize(("fault", "done"), AFTER_AND_BEFORE)
def test_a_failure_is_ambiguous_and_the_books_and_a_look_up_know_better(world: World, fault: Fault, done: int) -> None:
    world.twin.fail(fault)
    assert world.spender.act(PARTIAL).status is ActionStatus.AMBIGUOUS
    assert len(world.paid_out) == done
    found = world.spender.look_up(PARTIAL.key).status
    assert found is (ActionStatus.DONE if done else ActionStatus.ABSENT)
    assert world.spender.act(PARTIAL).status is ActionStatus.DONE
    assert world.paid_out == [7770]


def test_a_fault_can_be_meant_for_one_key_and_a_number_of_calls(world: World) -> None:
    world.twin.fail(Fault.ERROR_BEFORE, key=COUPON.key, times=2)
    assert world.spender.act(PARTIAL).status is ActionStatus.DONE
    answers = [world.spender.act(COUPON).status for _ in range(3)]
    assert answers == [ActionStatus.AMBIGUOUS, ActionStatus.AMBIGUOUS, ActionStatus.DONE]


def test_look_ups_can_fail_too(world: World) -> None:
    world.spender.act(PARTIAL)
    world.twin.fail(Fault.TIMEOUT_BEFORE, method="GET")
    assert world.spender.look_up(PARTIAL.key).status is ActionStatus.AMBIGUOUS
    assert world.spender.look_up(PARTIAL.key).status is ActionStatus.DONE


def test_it_can_refuse_on_request_and_sticks_to_it(world: World) -> None:
    world.twin.fail(Fault.REFUSE)
    assert [world.spender.act(PARTIAL).status for _ in range(2)] == [ActionStatus.REFUSED] * 2
    assert world.paid_out == []


def test_a_slow_answer_passes_virtual_time(world: World) -> None:
    begun = world.clock.now()
    world.twin.fail(Fault.SLOW, delay=timedelta(seconds=5))
    assert world.spender.act(PARTIAL).status is ActionStatus.DONE
    assert world.clock.now() - begun == timedelta(seconds=5)


def test_nobody_waits_longer_than_they_have_patience_though_the_work_is_done(world: World) -> None:
    begun = world.clock.now()
    world.twin.fail(Fault.SLOW, delay=timedelta(minutes=5))
    assert world.spender.act(PARTIAL).status is ActionStatus.AMBIGUOUS
    assert world.clock.now() - begun == PATIENCE
    assert world.paid_out == [7770]


@pytest.mark.parametrize(
    ("action", "outcome"),
    [
        (PARTIAL, "refunded"),
        (replace(PARTIAL, type=ActionType.RETURN_AGREE), "agreed"),
        (replace(PARTIAL, type=ActionType.REISSUE, refund_id=None), "agreed"),
    ],
)
def test_what_it_did_it_tells_by_a_webhook_that_our_own_door_takes(world: World, action: Action, outcome: str) -> None:
    world.spender.act(action)
    [delivery] = world.twin.deliveries()
    genuine = verify(delivery.headers, delivery.body, {"secrets": [READ]}, world.clock.now())
    [fact] = (
        translate(
            delivery.body,
            shop="standard:tea-house",
            delivery_id=genuine.delivery_id,
            received_at=world.clock.now(),
            pseudonym_key=b"key",
            ref_of=lambda *parts: "|".join(map(str, parts)),
        )
        or ()
    )
    data = fact.event.detail()["data"]
    assert (delivery.path, fact.event.data.name) == ("/webhooks/standard/tea-house", "RefundDecided")
    assert (data["outcome"], data["payout_key"], data.get("amount")) == (
        outcome,
        action.key,
        cny(7770) if outcome == "refunded" else None,
    )
    assert data["revision"] == (2 if action.refund_id else 1)
    assert world.twin.deliveries() == []


def test_a_fact_is_told_once_even_when_the_action_came_twice(world: World) -> None:
    world.spender.act(PARTIAL)
    world.spender.act(PARTIAL)
    assert len(world.twin.deliveries()) == 1


def test_a_fact_that_comes_again_changes_nothing_in_the_books(world: World) -> None:
    elsewhere = {
        "refund_id": "R-1",
        "order_id": TEA,
        "kind": "refund_only",
        "outcome": "refunded",
        "amount": cny(100),
        "revision": 1,
    }
    world.spender.act(PARTIAL)
    paid = json.loads((SAMPLES / "order_paid_tea_set.json").read_bytes())
    for _ in range(2):
        world.books.note("order.paid", paid["data"])
        world.books.note("refund.decided", elsewhere)
    assert world.paid_out == [7770, 100]
    assert world.books.orders[TEA].refunded == Money(minor=7870, currency="CNY")


def test_a_refund_that_came_before_its_order_is_entered_when_it_comes_again(world: World) -> None:
    early = {"refund_id": "R-2", "order_id": "later", "outcome": "refunded", "amount": cny(100), "revision": 1}
    with pytest.raises(Refusal):
        world.books.note("refund.decided", early)
    world.books.note("order.paid", {"order_id": "later", "amount": cny(500)})
    world.books.note("refund.decided", early)
    assert world.books.orders["later"].remaining == Money(minor=400, currency="CNY")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"type": "refund.partial"}', b'{"type": "x", "key": "k"}'])
def test_an_unreadable_action_is_turned_away(world: World, body: bytes) -> None:
    assert world.twin.request("POST", URL, {}, body).status == 400


@pytest.mark.parametrize("url", ["http://twin/", "http://twin/actions/nobody", "http://twin/elsewhere/tea-house"])
def test_an_address_that_is_not_there_is_not_found(world: World, url: str) -> None:
    assert world.twin.request("POST", url, {}, b"").status == 404
