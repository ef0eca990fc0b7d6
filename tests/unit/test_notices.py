"""Buyers are told once of an offer and of what came of it, and never of what they know already."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from builders import PlainWording, World, hours, order_paid, plan, policy, refund_decided, refund_requested

from aftercare.kernel.ports import ActionOutcome, ActionStatus
from aftercare.negotiation.model.links import LinkKeys, from_token
from aftercare.negotiation.notices import BuyerNotice, NotDelivered

KEYS = LinkKeys("1", {"1": b"key"})


class PlainResults(PlainWording):
    def result_text(self, locale: str, ended: str, chosen: Any) -> str:
        return f"{locale} {ended} {chosen.kind.value if chosen else '-'}"


@pytest.fixture
def world() -> World:
    world = World()
    world.hear(order_paid(locale="en"), refund_requested())
    return world


@pytest.fixture
def notice(world: World) -> BuyerNotice:
    return BuyerNotice(
        world.table, world.clock, PlainResults(), lambda shop: world.marketplace, lambda: KEYS, "https://shop.example/"
    )


def told(world: World) -> Sequence[Any]:
    speaking = ("offers.present", "message.send")
    return [action for action in world.marketplace.done.values() if action.type.value in speaking]


def hear_all(world: World, notice: BuyerNotice) -> None:
    for one in world.said:
        notice.take_in(one)


def test_an_offer_is_presented_once_with_a_link_that_opens_it(world: World, notice: BuyerNotice) -> None:
    hear_all(world, notice)
    hear_all(world, notice)
    [action] = told(world)
    assert action.type.value == "offers.present"
    base, _, token = action.data["link"].rpartition("/")
    assert base == "https://shop.example/offers"
    assert from_token(token, KEYS) == world.link()


def test_a_marketplace_that_shows_no_offers_gets_the_message_with_the_link(world: World, notice: BuyerNotice) -> None:
    capabilities = world.marketplace.capabilities
    without = frozenset(action for action in capabilities.actions if action.value != "offers.present")
    world.marketplace.capabilities = type(capabilities)(without, deduplicates_keys=True)
    hear_all(world, notice)
    [action] = told(world)
    assert action.type.value == "message.send"
    assert "options" not in action.data


def test_an_offer_that_is_answered_or_over_is_not_announced_any_more(world: World, notice: BuyerNotice) -> None:
    world.hear(refund_decided("refused"))
    hear_all(world, notice)
    assert told(world) == []


def test_a_message_whose_fate_is_unknown_comes_again_under_the_same_key(world: World, notice: BuyerNotice) -> None:
    keys: list[str] = []
    world.marketplace.on_act = lambda action: keys.append(action.key)
    world.marketplace.answers = [ActionOutcome(ActionStatus.AMBIGUOUS, reason="no answer")]
    with pytest.raises(NotDelivered):
        hear_all(world, notice)
    hear_all(world, notice)
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_what_was_chosen_is_confirmed_in_the_language_of_the_offer(world: World, notice: BuyerNotice) -> None:
    world.run()
    world.negotiation.accept(world.link(), "r1o1")
    world.run()
    hear_all(world, notice)
    assert [action.data["text"] for action in told(world)] == ["en settled partial_refund"]


def test_a_silent_buyer_is_told_that_the_request_goes_on(world: World, notice: BuyerNotice) -> None:
    hear_all(world, notice)
    world.pass_time(hours(30))
    hear_all(world, notice)
    assert [action.data["text"] for action in told(world)][1:] == ["en expired -"]


def test_who_declined_or_was_offered_nothing_is_left_alone(world: World, notice: BuyerNotice) -> None:
    hear_all(world, notice)
    world.negotiation.decline(world.link(), ask_for_another=False)
    world.save(policy(plan()).model_copy(update={"plans": ()}))
    world.hear(order_paid("A2"), refund_requested("R2", "A2"))
    hear_all(world, notice)
    assert len(told(world)) == 1


def test_a_person_who_must_look_is_announced_once_even_when_it_ends_well_meanwhile(
    world: World, notice: BuyerNotice
) -> None:
    world.run()
    world.negotiation.accept(world.link(), "r1o1")
    world.marketplace.answers = [ActionOutcome(ActionStatus.KEY_REUSED)]
    world.run()
    [key] = world.order().commitments
    world.merchant.resolve(world.order().shop, "li", {"key": key, "paid": True, "evidence": "statement"})
    world.run()
    world.clock.advance(timedelta(minutes=1))
    hear_all(world, notice)
    assert [action.data["text"] for action in told(world)] == ["en settled partial_refund"]
