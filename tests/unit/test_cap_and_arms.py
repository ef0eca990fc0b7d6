"""What must never happen: more out than was paid, two arms on an order, an offer past its deadline, a lost request."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from builders import (
    SHARDS,
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

from aftercare.kernel.envelope import Event, EventData
from aftercare.kernel.ports import ActionOutcome, ActionStatus, UnknownSecret
from aftercare.kernel.records import Change, RecordWriter
from aftercare.kernel.table import Page, Put, Query, WriteRefused
from aftercare.kernel.times import to_text
from aftercare.negotiation import keys, store
from aftercare.negotiation.model.cases import CaseState, MoveRefused
from aftercare.negotiation.model.drafts import NotNow, TooLate
from aftercare.negotiation.model.references import OfferReference

FULL = plan(options=[{"kind": "full_refund"}])
RETURN = plan(options=[{"kind": "return_and_refund"}])


def opened(*plans: dict[str, Any], **changed: Any) -> World:
    world = World()
    world.save(policy(*plans, **changed))
    world.hear(order_paid(), refund_requested())
    return world


def contact(session_id: str = "S1") -> Event[EventData]:
    data = {
        "session_id": session_id,
        "order_id": "A1",
        "buyer": "b_1",
        "topic": "after_sale",
        "contacted_at": to_text(START),
    }
    return event("SupportContacted", data)


def left(world: World) -> int:
    remaining = world.order().remaining
    assert remaining is not None
    return remaining.minor


# ---------------------------------------------------------------- the cap


def test_a_held_payout_is_not_made_when_the_order_was_refunded_elsewhere_meanwhile() -> None:
    world = opened(plan(), kill_switch=True)
    world.negotiation.accept(world.link(), "r1o1")
    world.run()
    world.hear(refund_decided("refunded", "R9", amount=cny(10000), by="platform"))
    world.save(policy())
    world.pass_time(hours(1))
    assert world.marketplace.done == {}
    assert world.case().state is CaseState.NEEDS_HUMAN


def test_a_return_sets_its_money_aside_until_it_is_paid_and_counts_it_once() -> None:
    world = opened(RETURN)
    world.negotiation.accept(world.link(), "r1o1")
    world.run()
    assert left(world) == 0
    [key] = world.order().commitments
    world.hear(refund_decided("refunded", amount=cny(9000), payout_key=key))
    assert left(world) == 1000


def test_a_return_that_is_paid_without_our_key_is_counted_once_too() -> None:
    world = opened(RETURN)
    world.negotiation.accept(world.link(), "r1o1")
    world.run()
    world.hear(refund_decided("refunded", amount=cny(9000)))
    assert left(world) == 1000


@pytest.mark.parametrize("outcome", ["closed", "withdrawn"])
def test_a_return_that_never_happens_gives_its_money_back(outcome: str) -> None:
    world = opened(RETURN)
    world.negotiation.accept(world.link(), "r1o1")
    world.run()
    world.hear(refund_decided(outcome))
    assert left(world) == 10000


def test_what_the_marketplace_says_it_paid_counts_even_where_a_person_said_it_did_not() -> None:
    world = opened(FULL)
    world.negotiation.accept(world.link(), "r1o1")
    world.marketplace.answers = [ActionOutcome(ActionStatus.KEY_REUSED)]
    world.run()
    [key] = world.order().commitments
    world.merchant.resolve(world.order().shop, "li", {"key": key, "paid": False, "evidence": "not in the statement"})
    world.run()
    assert left(world) == 10000
    world.hear(refund_decided("refunded", amount=cny(10000), payout_key=key))
    assert left(world) == 0


@pytest.mark.parametrize(("known", "remains"), [(True, 4000), (False, 0)])
def test_a_refund_of_an_unknown_sum_counts_as_what_was_asked_or_as_everything(known: bool, remains: int) -> None:
    world = World()
    world.hear(order_paid())
    if known:
        world.hear(refund_requested(amount=cny(6000)))
    world.hear(refund_decided("refunded"))
    assert left(world) == remains


def test_an_offer_that_can_no_longer_be_paid_is_not_shown_any_more() -> None:
    world = opened(FULL)
    world.hear(refund_decided("refunded", "R9", amount=cny(6000)))
    assert world.case().state is CaseState.SUPERSEDED


def test_all_the_money_is_not_offered_to_somebody_who_did_not_ask_for_it() -> None:
    world = World()
    world.save(policy(plan(options=[{"kind": "full_refund"}], situation={"triggers": ["support_contacted"]})))
    world.hear(order_paid(), contact())
    assert world.case().why_not == "guardrail"


def test_a_payout_in_one_currency_is_not_held_by_what_left_in_another() -> None:
    world = World()
    world.save(policy(payout_brake_per_hour=cny(3000)))
    yen = {"amount": {"minor": 400_000, "currency": "JPY"}}
    paid = order_paid("J").data.model_dump(mode="json", exclude_none=True)
    world.hear(event("OrderPaid", {**paid, **yen, "lines": []}), refund_requested("RJ", "J", **yen))
    world.negotiation.accept(world.link("J"), "r1o1")
    world.hear(order_paid(), refund_requested())
    world.negotiation.accept(world.link(), "r1o1")
    world.run()
    assert world.case().state is CaseState.SETTLED


def test_a_shop_whose_secret_is_missing_holds_its_payout_and_says_so() -> None:
    world = opened(plan())
    world.negotiation.accept(world.link(), "r1o1")

    def unknown(shop: str) -> Any:
        raise UnknownSecret(shop)

    usual, world.settlement._marketplace = world.settlement._marketplace, unknown
    world.run()
    world.pass_time(hours(20))
    assert world.stuck == ["held"]
    world.settlement._marketplace = usual
    world.pass_time(timedelta(minutes=11))
    assert world.case().state is CaseState.SETTLED


def test_a_case_cannot_be_taken_over_while_its_payout_may_have_been_made() -> None:
    world = opened(plan())
    world.negotiation.accept(world.link(), "r1o1")
    world.marketplace.answers = [ActionOutcome(ActionStatus.KEY_REUSED)]
    world.run()
    with pytest.raises(MoveRefused):
        world.negotiation.take_over(world.order().shop, "A1", world.case().negotiation_id, "li", "by hand")


# ---------------------------------------------------------------- deadlines


def test_a_deadline_that_was_moved_forward_ends_the_offer_before_it() -> None:
    world = opened(plan())
    world.hear(refund_updated(respond_by=to_text(START + hours(3))))
    world.clock.advance(hours(2))
    with pytest.raises(TooLate):
        world.negotiation.accept(world.link(), "r1o1")
    world.pass_time(timedelta(seconds=1))
    assert world.case().state is CaseState.EXPIRED


def test_a_request_that_joins_a_contact_brings_its_deadline() -> None:
    world = World()
    world.save(policy(plan(situation={"triggers": ["support_contacted", "refund_requested"]})))
    world.hear(order_paid(), contact(), refund_requested(respond_by=to_text(START + hours(3))))
    world.pass_time(hours(2))
    assert world.case().state is CaseState.EXPIRED


def test_a_platform_that_never_says_it_is_done_is_not_waited_for_for_ever() -> None:
    world = opened(plan())
    world.hear(stepped_in(START))
    world.pass_time(timedelta(days=31))
    assert world.case().reason == "platform_never_closed"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("answered", [0.5, 1.5, 3])
def test_an_answer_that_the_marketplace_took_counts_whatever_is_heard_first(
    order: Sequence[int], answered: float
) -> None:
    world = opened(plan())
    reference = OfferReference("A1", world.case().negotiation_id, 1, "r1o1")
    answer = {"refund_id": "R1", "external_offer_id": str(reference), "choice": "accepted"}
    facts = [
        stepped_in(START + hours(1)),
        step_closed(START + hours(2)),
        event("OfferAnswered", {**answer, "answered_at": to_text(START + hours(answered))}),
    ]
    world.clock.advance(hours(4))
    world.hear(*(facts[index] for index in order))
    world.run()
    assert world.case().state is CaseState.SETTLED


def test_an_approval_does_not_get_time_for_an_intervention_that_was_over_before_it_was_asked() -> None:
    world = World()
    world.save(policy(plan(needs_approval=True, answer_minutes=600)))
    world.hear(order_paid(), stepped_in(START - hours(9)), step_closed(START), refund_requested())
    assert world.case().state is CaseState.OPENED
    world.pass_time(hours(9.5))
    assert world.case().reason == "approval_missed"


# ---------------------------------------------------------------- one matter, one case, one arm


def test_a_second_request_is_negotiated_when_the_first_case_ends() -> None:
    ends = set()
    withdrawn = refund_decided("withdrawn", by="buyer")
    for order in itertools.permutations([refund_requested(), refund_requested("R2"), withdrawn]):
        world = World()
        world.hear(order_paid(), *order)
        ends.add((world.case().refund_id, world.case().state))
    assert ends == {("R2", CaseState.OFFERED)}


def test_a_request_that_comes_while_a_payout_is_made_is_not_swallowed_by_it() -> None:
    world = World()
    situation = {"triggers": ["support_contacted", "refund_requested"]}
    world.save(policy(plan(situation=situation, options=[{"kind": "exchange"}])))
    world.hear(order_paid(), contact())
    world.negotiation.accept(world.link(), "r1o1")
    world.hear(refund_requested())
    world.run()
    first, second = world.order().cases
    assert (first.state, first.refund_id) == (CaseState.SETTLED, None)
    assert (second.refund_id, second.state) == ("R1", CaseState.OFFERED)


def test_an_order_stays_in_the_arm_it_was_drawn_into() -> None:
    situation = {"triggers": ["support_contacted", "refund_requested"]}
    for number in range(12):
        for facts in ([refund_requested, contact], [contact, refund_requested]):
            world = World()
            world.save(policy(plan(f"p{number}", situation=situation, hold_out_percent=50)))
            world.hear(order_paid(), *(fact() for fact in facts))
            arms = {case.arm.value for case in world.order().cases}
            assert len(arms) == 1


def test_only_those_who_would_get_an_offer_are_held_out() -> None:
    world = World()
    limited = plan(hold_out_percent=50, limits={"budgets": ["daily"]})
    world.save(policy(limited, budgets={"daily": {"per_day": cny(2000)}}))
    after_the_first_offer: list[str] = []
    for number in range(30):
        world.hear(order_paid(f"B{number}"), refund_requested(f"Q{number}", f"B{number}"))
        case = world.case(f"B{number}")
        if after_the_first_offer or case.arm.value == "offer":
            after_the_first_offer.append(case.why_not or "offer")
    assert after_the_first_offer[0] == "offer"
    assert set(after_the_first_offer[1:]) == {"budget_spent"}


# ---------------------------------------------------------------- promises to buyers


def test_a_declined_offer_does_not_count_against_the_buyer_with_or_without_a_budget() -> None:
    world = opened(plan(limits={"per_buyer_30_days": {"cases": 1}}))
    world.negotiation.decline(world.link(), ask_for_another=False)
    world.hear(order_paid("A2"), refund_requested("R2", "A2"))
    assert world.case("A2").state is CaseState.OFFERED


def test_a_promise_given_back_leaves_the_buyers_other_promises() -> None:
    world = opened(plan(limits={"per_buyer_30_days": {"cases": 2}}))
    world.hear(order_paid("A2"), refund_requested("R2", "A2"))
    world.negotiation.decline(world.link(), ask_for_another=False)
    for order_id in ("A3", "A4"):
        world.hear(order_paid(order_id), refund_requested(f"R{order_id}", order_id))
    assert world.case("A3").state is CaseState.OFFERED
    assert world.case("A4").why_not == "buyer_over_limit"


def test_a_cheaper_choice_counts_less_against_the_buyer() -> None:
    options = [{"kind": "partial_refund", "percent": 20}, {"kind": "coupon", "face_value": cny(500), "valid_days": 9}]
    world = opened(plan(options=options, limits={"per_buyer_30_days": {"amount": cny(2500)}}))
    world.negotiation.accept(world.link(), "r1o2")
    for order_id in ("A2", "A3"):
        world.hear(order_paid(order_id), refund_requested(f"R{order_id}", order_id))
    assert world.case("A2").state is CaseState.OFFERED
    assert world.case("A3").why_not == "buyer_over_limit"


def test_a_promise_is_as_old_as_its_first_round_however_it_changes() -> None:
    options = [{"kind": "partial_refund", "percent": 20}, {"kind": "coupon", "face_value": cny(500), "valid_days": 9}]
    lasting = {"answer_minutes": 7 * 24 * 60, "limits": {"per_buyer_30_days": {"cases": 1}}}
    world = opened(plan(options=options, **lasting))
    world.pass_time(hours(20))
    world.negotiation.accept(world.link(), "r1o2")
    world.clock.advance(timedelta(days=29, hours=5))
    later = {"requested_at": to_text(world.clock.now()), "respond_by": None}
    world.hear(order_paid("A2"), refund_requested("R2", "A2", **later))
    assert world.case("A2").state is CaseState.OFFERED


@pytest.mark.parametrize(
    "situation",
    [
        {"triggers": ["support_contacted"], "buyers": ["new"]},
        {"triggers": ["refund_requested"], "buyers": ["new", "returning"]},
        {"triggers": ["refund_requested"], "reasons": ["late"], "buyers": ["returning"]},
    ],
)
def test_nobody_asks_whether_a_buyer_is_new_where_no_plan_turns_on_it(situation: dict[str, Any]) -> None:
    def ask(query: Query) -> Page:
        raise AssertionError(query)

    world = World()
    world.save(policy(plan("particular", situation=situation, priority=900), plan()))
    world.table.query = ask  # type: ignore[method-assign]
    world.hear(order_paid(), refund_requested())
    assert world.case().state is CaseState.OFFERED


def test_a_buyers_own_earlier_round_does_not_stand_in_the_way_of_the_next() -> None:
    rounds = [{"options": [{"kind": "partial_refund", "percent": 20}]}, {"options": [{"kind": "exchange"}]}]
    world = opened(plan(rounds=rounds, limits={"per_buyer_30_days": {"cases": 1}}))
    world.negotiation.decline(world.link(), ask_for_another=True)
    assert world.case().state is CaseState.OFFERED


def test_a_request_by_another_buyer_than_the_orders_is_taken_in() -> None:
    world = World()
    world.save(policy(plan(limits={"per_buyer_30_days": {"cases": 1}})))
    world.hear(order_paid("A0"), refund_requested("R0", "A0"))
    world.hear(order_paid(), refund_requested(buyer="b_other"))
    assert world.case().why_not == "buyer_over_limit"


def test_any_number_of_spent_budgets_leaves_the_case_to_the_next_plan() -> None:
    world = World()
    names = [f"b{number}" for number in range(9)]
    costly = [
        plan(f"p{number}", priority=900 - number, limits={"budgets": [name]}) for number, name in enumerate(names)
    ]
    budgets = {name: {"per_day": cny(2000)} for name in names}
    world.save(policy(*costly, plan("free", priority=1, options=[{"kind": "exchange"}]), budgets=budgets))
    for number in range(10):
        world.hear(order_paid(f"B{number}"), refund_requested(f"Q{number}", f"B{number}"))
    chosen = [world.case(f"B{number}").plan for number in range(10)]
    assert [one.plan_id for one in chosen if one] == [*(f"p{number}" for number in range(9)), "free"]


# ---------------------------------------------------------------- what is asked about


def test_a_plan_for_an_item_looks_at_the_items_that_the_request_is_about() -> None:
    lines = [
        {"line_id": "1", "item_id": "I1", "category": "tea", "quantity": 1, "amount": cny(5000)},
        {"line_id": "2", "item_id": "I2", "category": "cups", "quantity": 1, "amount": cny(5000)},
    ]
    world = World()
    world.save(policy(plan(situation={"triggers": ["refund_requested"], "items": ["I2"]})))
    about = [{"line_id": "1", "quantity": 1, "amount": cny(5000)}]
    world.hear(order_paid(lines=lines), refund_requested(lines=about, amount=cny(5000)))
    assert world.case().why_not == "no_match"


def test_a_request_in_another_currency_is_no_part_of_an_open_case() -> None:
    world = World()
    rounds = [{"options": [{"kind": "exchange"}]}, {"options": [{"kind": "partial_refund", "percent": 10}]}]
    world.save(policy(plan(rounds=rounds, situation={"triggers": ["support_contacted", "refund_requested"]})))
    dollars = {"minor": 10000, "currency": "USD"}
    world.hear(order_paid(), contact(), refund_requested(amount=dollars))
    world.negotiation.decline(world.link(), ask_for_another=True)
    assert world.case().refund_id is None
    world.negotiation.decline(world.link(), ask_for_another=False)
    world.pass_time(timedelta(minutes=1))
    assert world.case().why_not == "currency_mismatch"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_lowest_revision_is_what_was_first_asked_whichever_comes_first(order: Sequence[int]) -> None:
    facts = [refund_requested(), refund_requested(revision=2, amount=cny(5000)), order_paid()]
    world = World()
    world.hear(*(facts[index] for index in order))
    assert world.case().state is CaseState.SUPERSEDED


def test_while_the_platform_is_in_the_page_can_still_not_choose() -> None:
    world = opened(plan())
    world.hear(stepped_in(START))
    with pytest.raises(NotNow):
        world.negotiation.accept(world.link(), "r1o1")


# ---------------------------------------------------------------- one item an order


def largest_plan() -> dict[str, Any]:
    """As large as a merchant can save one, with everything that a case keeps of it at its longest."""
    words = "真" * 600
    option = {"kind": "partial_refund", "percent": 20, "minimum": cny(300), "maximum": cny(10**12)}
    options = [{**option, "percent": 5 - number} for number in range(4)]
    return plan(
        "l" * 40,
        priority=0,
        opening={"zh": words, "en": words},
        rounds=[{"options": options}] * 3,
        situation={"triggers": ["support_contacted", "refund_requested"], "items": ["I1", *map(str, range(3000))]},
        limits={"budgets": [f"{number}{'b' * 39}" for number in range(10)], "per_item_day": {"cases": 1000}},
    )


def test_an_order_stays_one_item_however_often_the_buyer_turns_to_the_shop() -> None:
    lines = [
        {"line_id": str(number), "item_id": f"{number}{'i' * 250}", "category": "c", "quantity": 1, "amount": cny(100)}
        for number in range(79)
    ]
    lines.append({"line_id": "80", "item_id": "I1", "category": "c", "quantity": 1, "amount": cny(100)})
    budgets = {f"{number}{'b' * 39}": {"per_day": cny(10**9)} for number in range(10)}
    unfit = [
        plan(f"{number}{'p' * 38}", priority=1, situation={"triggers": ["support_contacted"], "categories": ["other"]})
        for number in range(99)
    ]
    world = World()
    world.save(policy(*unfit, largest_plan(), budgets=budgets))
    world.hear(order_paid(lines=lines))
    for number in range(100):
        world.hear(contact(session_id=f"{number}{'s' * 250}"))
        if world.case().state is not CaseState.OFFERED:
            continue
        for another in (True, True, False) if number % 2 else (True, True):
            world.negotiation.decline(world.link(), ask_for_another=another)
        if not number % 2:
            world.negotiation.accept(world.link(), "r3o1")
            world.run()
    item = world.table.get(keys.order_key(SHOP, "A1")) or {}
    size = sum(len(name.encode()) + len(str(value).encode()) for name, value in item.items())
    assert size < 390_000
    assert {case.why_not for case in world.order().cases} == {None, "order_over_limit"}


@pytest.mark.parametrize(("taking", "taken"), [(100, True), (101, False)])
def test_the_table_itself_refuses_to_set_aside_more_than_is_left(taking: int, *, taken: bool) -> None:
    """Even when the decision was made by a reading that no longer says what is left."""
    world = opened(FULL)
    key = keys.order_key(SHOP, "A1")
    stored = world.table.get(key)
    assert stored is not None
    was = store.read_order(SHOP, "A1", stored)
    # what is left shrank behind the back of the version
    world.table.write(Put(key, {**stored, store.REMAINING: 100}, ()))
    change = Change(shop=SHOP, state=str(stored["state"]), said=(), deadline=None, now=START)
    put = store.write_order(RecordWriter(SHARDS), was, change, was.order, taking=taking)
    if taken:
        world.table.write(put)
    else:
        with pytest.raises(WriteRefused):
            world.table.write(put)
