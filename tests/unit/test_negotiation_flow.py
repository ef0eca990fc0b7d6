"""What becomes of a refund request, from the first fact to the end, on one table in memory."""

from __future__ import annotations

from datetime import timedelta

import pytest
from builders import (
    SHOP,
    START,
    World,
    cny,
    event,
    hours,
    order_paid,
    plan,
    policy,
    refund_decided,
    refund_requested,
    refund_updated,
    step_closed,
    stepped_in,
)

from aftercare.kernel.money import Money
from aftercare.kernel.ports import ActionOutcome, ActionStatus
from aftercare.kernel.times import to_text
from aftercare.negotiation.model import history
from aftercare.negotiation.model.cases import CaseState, MoveRefused
from aftercare.negotiation.model.deadlines import answer_by
from aftercare.negotiation.model.drafts import AnsweredAlready, NotNow, TooLate
from aftercare.negotiation.model.plans import Plan
from aftercare.negotiation.model.references import OfferReference
from aftercare.negotiation.service import rules_for

RULES = rules_for(SHOP, START)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def offered(world: World) -> World:
    world.hear(order_paid(), refund_requested())
    world.run()
    return world


def last(world: World, name: str):  # type: ignore[no-untyped-def]
    return next(one.data for one in reversed(world.said) if one.data.name == name)


# ---------------------------------------------------------------- offering


def test_a_refund_request_that_a_plan_answers_is_offered_a_share_of_what_was_asked(offered: World) -> None:
    assert offered.names() == ["NegotiationOpened", "OffersPresented"]
    assert last(offered, "NegotiationOpened").eligible
    [option] = last(offered, "OffersPresented").options
    assert option.amount == Money(minor=2000, currency="CNY")


def test_the_text_that_was_shown_is_sealed_into_the_history(offered: World) -> None:
    case = offered.case()
    assert case.round is not None
    presented = next(step for step in case.history if step.what == "presented")
    assert presented.facts["text_sha256"] == case.round.text_sha256
    history.verify(case.history)


def test_a_request_without_a_plan_is_passed_on_and_counted(world: World) -> None:
    world.save(policy().model_copy(update={"plans": ()}))
    world.hear(order_paid(), refund_requested())
    assert world.names() == ["NegotiationOpened", "NegotiationClosed"]
    assert last(world, "NegotiationOpened").why_not == "no_plan"
    assert last(world, "NegotiationClosed").outcome == "passed_on"


def test_a_held_out_case_gets_no_offer_but_says_so(world: World) -> None:
    world.save(policy(plan(hold_out_percent=50)))
    arms = set()
    for number in range(40):
        world.hear(order_paid(f"A{number}"), refund_requested(f"R{number}", f"A{number}"))
        arms.add(world.case(f"A{number}").arm.value)
    assert arms == {"offer", "hold_out"}


def test_a_request_for_an_order_never_seen_waits_and_is_passed_on_before_the_deadline(world: World) -> None:
    world.hear(refund_requested())
    assert world.case().state is CaseState.AWAITING_ORDER
    world.pass_time(hours(47))
    closed = last(world, "NegotiationClosed")
    assert closed.closed_at == START + hours(47)
    assert last(world, "NegotiationOpened").why_not == "order_unknown"


def test_a_request_that_comes_before_its_order_is_offered_when_the_order_comes(world: World) -> None:
    world.hear(refund_requested(), order_paid())
    assert world.case().state is CaseState.OFFERED


@pytest.mark.parametrize(
    ("changed", "why_not"),
    [
        ({"amount": {"minor": 10000, "currency": "USD"}}, "currency_mismatch"),
        ({"amount": cny(0)}, "nothing_asked"),
        ({"reason": {"code": "fake", "raw": "假货"}}, "suppressed"),
        ({"respond_by": to_text(START + timedelta(minutes=89))}, "deadline_too_near"),
    ],
)
def test_what_cannot_be_offered_on_says_why(world: World, changed: dict[str, object], why_not: str) -> None:
    world.hear(order_paid(), refund_requested(**changed))
    assert last(world, "NegotiationOpened").why_not == why_not
    assert world.case().state is CaseState.PASSED_ON


def test_an_offer_ends_an_hour_before_the_marketplaces_own_deadline(world: World) -> None:
    world.save(policy(plan(answer_minutes=7 * 24 * 60)))
    world.hear(order_paid(), refund_requested())
    assert last(world, "OffersPresented").answer_by == START + hours(47)


def test_more_asked_than_was_paid_is_offered_on_what_was_paid(world: World) -> None:
    world.hear(order_paid(amount=5000), refund_requested(amount=cny(90000)))
    [option] = last(world, "OffersPresented").options
    assert option.amount == Money(minor=1000, currency="CNY")


def test_compensation_never_passes_thirty_percent_of_what_was_paid(world: World) -> None:
    world.save(policy(plan(options=[{"kind": "partial_refund", "percent": 90}])))
    world.hear(order_paid(amount=9999), refund_requested(amount=cny(9999)))
    [option] = last(world, "OffersPresented").options
    assert option.amount == Money(minor=2999, currency="CNY")


def test_compensation_never_passes_two_hundred_yuan(world: World) -> None:
    world.save(policy(plan(options=[{"kind": "partial_refund", "percent": 25}])))
    world.hear(order_paid(amount=500_000), refund_requested(amount=cny(500_000)))
    [option] = last(world, "OffersPresented").options
    assert option.amount == Money(minor=20000, currency="CNY")


def test_the_plan_with_the_highest_priority_wins_and_the_others_are_explained(world: World) -> None:
    other = plan("other", priority=5, situation={"triggers": ["refund_requested"], "reasons": ["late"]})
    best = plan("best", priority=900, situation={"triggers": ["refund_requested"], "reasons": ["late"]})
    world.save(policy(plan("keep", priority=10), other, best))
    world.hear(order_paid(), refund_requested())
    considered = next(step for step in world.case().history if step.what == "considered")
    assert considered.facts["plans"] == [["best", 1, "no_match:reasons"], ["keep", 1, None]]


# ---------------------------------------------------------------- answering


def test_an_accepted_partial_refund_is_paid_once_and_the_request_is_kept(offered: World) -> None:
    offered.negotiation.accept(offered.link(), "r1o1")
    offered.run()
    assert offered.marketplace.paid_out() == 2000
    assert offered.case().state is CaseState.SETTLED
    closed = last(offered, "NegotiationClosed")
    assert (closed.outcome, closed.cash) == ("kept", Money(minor=2000, currency="CNY"))


def test_the_same_choice_twice_is_one_choice(offered: World) -> None:
    link = offered.link()
    offered.negotiation.accept(link, "r1o1")
    offered.negotiation.accept(link, "r1o1")
    offered.run()
    assert offered.names().count("OfferAccepted") == 1


def test_of_two_different_choices_the_first_wins(world: World) -> None:
    world.save(policy(plan(options=[{"kind": "partial_refund", "percent": 20}, {"kind": "exchange"}])))
    world.hear(order_paid(), refund_requested())
    world.negotiation.accept(world.link(), "r1o2")
    with pytest.raises(AnsweredAlready):
        world.negotiation.accept(world.link(), "r1o1")
    with pytest.raises(AnsweredAlready):
        world.negotiation.decline(world.link(), ask_for_another=False)


def test_a_choice_at_the_deadline_is_too_late_and_one_second_before_it_counts(offered: World) -> None:
    deadline = answer_by(offered.order(), offered.case(), RULES)
    offered.clock.time = deadline
    with pytest.raises(TooLate):
        offered.negotiation.accept(offered.link(), "r1o1")
    offered.clock.time = deadline - timedelta(seconds=1)
    assert offered.negotiation.accept(offered.link(), "r1o1").state is CaseState.ACCEPTED


def test_a_buyer_who_stays_silent_keeps_the_original_request(offered: World) -> None:
    offered.pass_time(hours(48))
    assert offered.names()[-2:] == ["OffersExpired", "NegotiationClosed"]
    assert last(offered, "NegotiationClosed").outcome == "passed_on"
    assert offered.marketplace.done == {}


def test_a_buyer_who_declines_is_asked_nothing_more(world: World) -> None:
    rounds = [{"options": [{"kind": "exchange"}]}, {"options": [{"kind": "reissue"}]}]
    world.save(policy(plan(rounds=rounds)))
    world.hear(order_paid(), refund_requested())
    world.negotiation.decline(world.link(), ask_for_another=False)
    assert world.names()[-2:] == ["OffersDeclined", "NegotiationClosed"]


def test_a_buyer_who_asks_for_another_offer_gets_the_next_round(world: World) -> None:
    rounds = [{"options": [{"kind": "exchange"}]}, {"options": [{"kind": "reissue"}]}]
    world.save(policy(plan(rounds=rounds)))
    world.hear(order_paid(), refund_requested())
    first = world.link()
    world.negotiation.decline(first, ask_for_another=True)
    assert last(world, "OffersPresented").round == 2
    with pytest.raises(AnsweredAlready):
        world.negotiation.accept(first, "r1o1")
    world.negotiation.accept(world.link(), "r2o1")
    world.run()
    assert world.marketplace.types() == ["reissue"]


def test_an_answer_on_the_marketplace_itself_is_taken_in(offered: World) -> None:
    case = offered.case()
    reference = OfferReference("A1", case.negotiation_id, 1, "r1o1")
    answer = {
        "refund_id": "R1",
        "external_offer_id": str(reference),
        "choice": "accepted",
        "answered_at": to_text(START + hours(1)),
    }
    offered.hear(event("OfferAnswered", answer))
    offered.run()
    assert offered.case().state is CaseState.SETTLED
    offered.hear(event("OfferAnswered", {**answer, "external_offer_id": "the merchant's own"}))


# ---------------------------------------------------------------- the world changes meanwhile


def test_a_withdrawn_request_ends_the_case(offered: World) -> None:
    offered.hear(refund_decided("withdrawn", by="buyer"))
    assert last(offered, "NegotiationClosed").outcome == "withdrawn"


def test_a_request_decided_by_hand_supersedes_the_offer(offered: World) -> None:
    offered.hear(refund_decided("refused"))
    assert last(offered, "NegotiationClosed").outcome == "superseded"
    with pytest.raises(TooLate):
        offered.negotiation.accept(offered.link(), "r1o1")


def test_a_changed_request_supersedes_the_offer_and_a_moved_deadline_does_not(offered: World) -> None:
    offered.hear(refund_updated(respond_by=to_text(START + hours(40))))
    assert offered.case().state is CaseState.OFFERED
    offered.hear(refund_updated(revision=3, amount=cny(5000)))
    assert last(offered, "NegotiationClosed").outcome == "superseded"


def test_a_request_that_was_decided_before_it_was_heard_of_ends_superseded(world: World) -> None:
    world.hear(order_paid(), refund_decided("refused"), refund_requested())
    assert world.names() == ["NegotiationOpened", "NegotiationClosed"]
    assert world.case().state is CaseState.SUPERSEDED


def test_while_the_platform_has_stepped_in_nothing_can_be_chosen_and_no_time_runs(offered: World) -> None:
    before = answer_by(offered.order(), offered.case(), RULES)
    offered.clock.time = START + hours(5)
    offered.hear(stepped_in(START + hours(5)))
    with pytest.raises(NotNow):
        offered.negotiation.accept(offered.link(), "r1o1")
    offered.pass_time(hours(30))
    assert offered.case().state is CaseState.PAUSED
    offered.hear(step_closed(START + hours(35)))
    assert offered.case().state is CaseState.OFFERED
    assert answer_by(offered.order(), offered.case(), RULES) == before + hours(30)


def test_a_plan_deleted_while_its_offer_is_open_is_still_honoured(offered: World) -> None:
    offered.save(policy().model_copy(update={"plans": ()}))
    offered.negotiation.accept(offered.link(), "r1o1")
    offered.run()
    assert offered.marketplace.paid_out() == 2000


def test_a_later_trigger_joins_the_open_case(offered: World) -> None:
    contact = {
        "session_id": "S1",
        "order_id": "A1",
        "buyer": "b_1",
        "topic": "after_sale",
        "contacted_at": to_text(START),
    }
    situation = {"triggers": ["refund_requested", "support_contacted"]}
    offered.save(policy(plan(situation=situation)))
    offered.hear(event("SupportContacted", contact))
    assert len(offered.order().cases) == 1
    assert offered.case().session_id == "S1"


def test_a_contact_without_a_plan_for_it_is_no_case(world: World) -> None:
    contact = {
        "session_id": "S1",
        "order_id": "A1",
        "buyer": "b_1",
        "topic": "shipping",
        "contacted_at": to_text(START),
    }
    world.hear(order_paid(), event("SupportContacted", contact))
    assert world.order().cases == ()


# ---------------------------------------------------------------- coming back


def test_a_buyer_who_took_a_partial_refund_and_applies_again_gets_the_rest(offered: World) -> None:
    offered.negotiation.accept(offered.link(), "r1o1")
    offered.run()
    offered.save(policy(plan(options=[{"kind": "full_refund"}])))
    offered.hear(refund_requested("R2"))
    offered.negotiation.accept(offered.link(), "r1o1")
    offered.run()
    assert offered.marketplace.paid_out() == 10000
    assert offered.order().remaining == Money(minor=0, currency="CNY")


@pytest.mark.parametrize("used", [False, True])
def test_an_unused_coupon_is_revoked_before_the_full_refund_and_a_used_one_stays(world: World, used: bool) -> None:
    world.save(policy(plan(options=[{"kind": "coupon", "face_value": cny(2000), "valid_days": 30}])))
    world.hear(order_paid(), refund_requested())
    world.negotiation.accept(world.link(), "r1o1")
    world.run()
    world.save(policy(plan(options=[{"kind": "full_refund"}])))
    world.hear(refund_requested("R2"))
    world.negotiation.accept(world.link(), "r1o1")
    if used:
        world.marketplace.answers = [ActionOutcome(ActionStatus.REFUSED, reason="used")]
    world.run()
    assert world.marketplace.paid_out() == 10000
    assert ("coupon.revoke" in world.marketplace.types()) is not used
    assert world.order().compensation_given == Money(minor=2000 if used else 0, currency="CNY")


def test_compensation_is_counted_over_all_cases_of_the_order(offered: World) -> None:
    offered.negotiation.accept(offered.link(), "r1o1")
    offered.run()
    offered.hear(refund_requested("R2", amount=cny(8000)))
    [option] = last(offered, "OffersPresented").options
    assert option.amount == Money(minor=1000, currency="CNY")


def test_a_refund_made_elsewhere_lowers_what_is_left_once(world: World) -> None:
    made = {"amount": cny(4000), "revision": 3}
    world.hear(order_paid(), refund_decided("refunded", **made), refund_decided("refunded", **made))
    assert world.order().remaining == Money(minor=6000, currency="CNY")


def test_our_own_refund_told_by_the_marketplace_is_not_counted_again(offered: World) -> None:
    offered.negotiation.accept(offered.link(), "r1o1")
    offered.run()
    [key] = offered.order().commitments
    offered.hear(refund_decided("refunded", amount=cny(2000), payout_key=key, by="system"))
    assert offered.order().remaining == Money(minor=8000, currency="CNY")


# ---------------------------------------------------------------- the merchant's hand


def test_an_offer_that_needs_approval_waits_for_it(world: World) -> None:
    world.save(policy(plan(needs_approval=True)))
    world.hear(order_paid(), refund_requested())
    assert world.case().state is CaseState.OPENED
    world.negotiation.approve(SHOP, "A1", world.case().negotiation_id, "li")
    assert world.case().state is CaseState.OFFERED
    assert world.case().approved_by == "li"


def test_an_approval_that_never_comes_passes_the_request_on(world: World) -> None:
    world.save(policy(plan(needs_approval=True)))
    world.hear(order_paid(), refund_requested())
    world.pass_time(hours(48))
    assert world.case().state is CaseState.PASSED_ON
    assert world.case().reason == "approval_missed"


def test_a_case_taken_over_by_hand_ends_superseded(offered: World) -> None:
    offered.negotiation.take_over(SHOP, "A1", offered.case().negotiation_id, "li", "I know this buyer")
    assert offered.case().state is CaseState.SUPERSEDED


def test_what_a_buyer_accepted_cannot_be_taken_over(offered: World) -> None:
    offered.negotiation.accept(offered.link(), "r1o1")
    with pytest.raises(MoveRefused):
        offered.negotiation.take_over(SHOP, "A1", offered.case().negotiation_id, "li", "no")


def test_a_plan_may_not_have_more_than_three_rounds() -> None:
    with pytest.raises(ValueError, match="at most 3"):
        Plan.model_validate(plan(rounds=[{"options": [{"kind": "exchange"}]}] * 4))
