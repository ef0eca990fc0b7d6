"""Money moves once, or a person is asked: settlement on one table in memory, with a marketplace of ten lines."""

from __future__ import annotations

from datetime import timedelta

import pytest
from builders import SHOP, World, cny, hours, order_paid, plan, policy, refund_decided, refund_requested

from aftercare.events.negotiation import OfferAccepted
from aftercare.kernel.envelope import Event
from aftercare.kernel.money import Money
from aftercare.kernel.ports import Action, ActionOutcome, ActionStatus
from aftercare.kernel.records import RecordWriter
from aftercare.kernel.table import Write, WriteRefused
from aftercare.negotiation import keys, store
from aftercare.negotiation.model.cases import CaseState
from aftercare.negotiation.model.drafts import NoSuchCase
from aftercare.negotiation.model.payouts import MOVES, Payout, PayoutMoveRefused, PayoutState

AMBIGUOUS = ActionOutcome(ActionStatus.AMBIGUOUS, reason="no answer")


@pytest.fixture
def world() -> World:
    world = World()
    world.hear(order_paid(), refund_requested())
    world.run()
    return world


def accept(world: World) -> Event[OfferAccepted]:
    world.negotiation.accept(world.link(), "r1o1")
    said = world.pending[-1]
    assert isinstance(said.data, OfferAccepted)
    return said  # type: ignore[return-value]


def payouts(world: World) -> list[Payout]:
    wanted = [keys.payout_key(key) for key in world.order().commitments]
    return [store.read_payout(key, item).payout for key, item in world.table.get_many(wanted).items()]


def test_a_delivery_repeated_any_number_of_times_pays_once(world: World) -> None:
    said = accept(world)
    for _ in range(4):
        world.settlement.take_in(said)
    world.run()
    assert world.marketplace.paid_out() == 2000
    assert world.names().count("SettlementRecorded") == 1


def test_a_second_delivery_while_the_marketplace_is_called_pays_nothing_more(world: World) -> None:
    said = accept(world)
    calls: list[Action] = []

    def nested(action: Action) -> None:
        calls.append(action)
        if len(calls) == 1:
            world.settlement.take_in(said)

    world.marketplace.on_act = nested
    world.run()
    assert len(calls) == 1
    assert world.case().state is CaseState.SETTLED


def test_a_call_without_an_answer_that_was_done_is_found_in_the_marketplaces_books(world: World) -> None:
    accept(world)

    def done_but_unheard(action: Action) -> None:
        world.marketplace.done[action.key] = action

    world.marketplace.on_act = done_but_unheard
    world.marketplace.answers = [AMBIGUOUS]
    world.run()
    assert payouts(world)[0].state is PayoutState.UNKNOWN
    world.pass_time(timedelta(minutes=2))
    assert payouts(world)[0].state is PayoutState.PAID
    assert world.marketplace.paid_out() == 2000


def test_a_call_that_never_arrived_is_sent_again_with_the_same_key_and_content(world: World) -> None:
    accept(world)
    sent: list[Action] = []
    world.marketplace.on_act = sent.append
    world.marketplace.answers = [AMBIGUOUS, AMBIGUOUS]
    world.run()
    world.pass_time(hours(1))
    assert payouts(world)[0].state is PayoutState.PAID
    assert len(sent) == 3
    assert sent[0] == sent[1] == sent[2]


def test_a_function_killed_in_the_call_is_looked_after_when_its_lease_ends(world: World) -> None:
    class Killed(BaseException):
        pass

    def die(action: Action) -> None:
        raise Killed

    said = accept(world)
    world.pending.clear()
    world.marketplace.on_act = die
    with pytest.raises(Killed):
        world.settlement.take_in(said)
    world.marketplace.on_act = lambda action: None
    world.settlement.take_in(said)
    assert world.marketplace.done == {}, "the lease still stands"
    world.pass_time(timedelta(minutes=3))
    assert world.marketplace.paid_out() == 2000
    assert world.case().state is CaseState.SETTLED


def test_a_payout_that_stays_unknown_for_a_day_is_given_to_a_person(world: World) -> None:
    accept(world)
    world.marketplace.answers = [AMBIGUOUS]
    world.marketplace.look_up = lambda key: AMBIGUOUS  # type: ignore[method-assign]
    world.run()
    world.pass_time(hours(36))
    assert payouts(world)[0].state is PayoutState.NEEDS_HUMAN
    assert world.case().state is CaseState.NEEDS_HUMAN


def test_a_marketplace_that_does_not_know_keys_is_never_asked_twice(world: World) -> None:
    accept(world)
    capabilities = world.marketplace.capabilities
    world.marketplace.capabilities = type(capabilities)(capabilities.actions, deduplicates_keys=False)
    world.marketplace.answers = [AMBIGUOUS]
    world.run()
    world.pass_time(hours(1))
    assert payouts(world)[0].state is PayoutState.NEEDS_HUMAN
    assert world.marketplace.done == {}


@pytest.mark.parametrize(
    ("paid", "state", "outcome"), [(True, CaseState.SETTLED, "kept"), (False, CaseState.PASSED_ON, "passed_on")]
)
def test_a_person_resolves_what_nobody_knows(world: World, paid: bool, state: CaseState, outcome: str) -> None:
    accept(world)
    world.marketplace.answers = [ActionOutcome(ActionStatus.KEY_REUSED)]
    world.run()
    assert world.case().state is CaseState.NEEDS_HUMAN
    [key] = world.order().commitments
    resolution = {"key": key, "paid": paid, "evidence": "statement 2026-11-02"}
    world.merchant.resolve(SHOP, "li", resolution)
    world.run()
    assert world.case().state is state
    assert world.said[-1].data.outcome == outcome  # type: ignore[attr-defined]
    with pytest.raises(PayoutMoveRefused):
        world.merchant.resolve(SHOP, "li", resolution)


def test_a_payout_of_another_shop_cannot_be_resolved(world: World) -> None:
    accept(world)
    world.run()
    [key] = world.order().commitments
    with pytest.raises(NoSuchCase):
        world.merchant.resolve("standard:other", "li", {"key": key, "paid": True, "evidence": "none"})


def test_a_refusal_by_the_marketplace_gives_the_money_back_to_the_cap_and_calls_a_person(world: World) -> None:
    accept(world)
    world.marketplace.answers = [ActionOutcome(ActionStatus.REFUSED, reason="order frozen")]
    world.run()
    assert world.case().state is CaseState.NEEDS_HUMAN
    assert world.order().remaining == Money(minor=10000, currency="CNY")


def test_what_was_refunded_elsewhere_meanwhile_cannot_be_paid_again(world: World) -> None:
    said = accept(world)
    world.pending.clear()
    world.hear(refund_decided("refunded", "R7", amount=cny(9000)))
    world.settlement.take_in(said)
    world.run()
    assert world.marketplace.done == {}
    assert world.case().state is CaseState.NEEDS_HUMAN


def test_the_kill_switch_holds_a_payout_and_lets_it_go_when_it_is_released(world: World) -> None:
    accept(world)
    world.save(policy(kill_switch=True))
    world.run()
    world.pass_time(hours(3))
    assert payouts(world)[0].state is PayoutState.HELD
    assert world.marketplace.done == {}
    world.save(policy())
    world.pass_time(timedelta(minutes=11))
    assert world.marketplace.paid_out() == 2000


def test_a_payout_held_for_a_day_becomes_a_persons_and_is_neither_cancelled_nor_made_twice(
    world: World,
) -> None:
    accept(world)
    world.save(policy(kill_switch=True))
    world.run()
    world.pass_time(hours(25))
    [payout] = payouts(world)
    assert (payout.state, payout.reason) == (PayoutState.NEEDS_HUMAN, "kill_switch")
    assert world.case().state is CaseState.NEEDS_HUMAN
    assert world.stuck == ["held", "needs_human"]
    world.save(policy())
    world.pass_time(hours(25))
    assert world.marketplace.done == {}
    world.merchant.resolve(SHOP, "ann", {"key": payout.key, "paid": True, "evidence": "paid by hand"})
    world.run()
    assert world.case().state is CaseState.SETTLED


def test_a_timer_that_finds_the_payout_moved_by_another_delivery_leaves_it_alone(world: World) -> None:
    accept(world)

    def dies(action: Action) -> None:
        raise KeyboardInterrupt

    world.marketplace.on_act = dies
    with pytest.raises(KeyboardInterrupt):
        world.run()
    [payout] = payouts(world)
    assert payout.lease_until is not None
    key = keys.payout_key(payout.key)
    stored = store.read_payout(key, world.table.get(key) or {})
    longer = payout.model_copy(update={"lease_until": payout.lease_until + hours(1)})
    world.table.write(store.write_payout(RecordWriter(due_shards=1), stored, longer, world.clock.now()))
    world.clock.advance(hours(0.5))
    usual = world.table.write

    def too_late(write: Write) -> None:
        raise WriteRefused(write.key, None)

    world.table.write = too_late  # type: ignore[method-assign]
    world.settlement.wake(key)
    world.table.write = usual  # type: ignore[method-assign]
    assert payouts(world) == [longer]


def test_the_hourly_brake_holds_what_would_pass_it_until_the_next_hour() -> None:
    world = World()
    world.save(policy(payout_brake_per_hour=cny(3000)))
    for number in range(2):
        order_id = f"A{number}"
        world.hear(order_paid(order_id), refund_requested(f"R{number}", order_id))
        world.negotiation.accept(world.link(order_id), "r1o1")
    world.run()
    assert world.marketplace.paid_out() == 2000
    world.pass_time(timedelta(minutes=59))
    assert world.marketplace.paid_out() == 2000
    world.pass_time(timedelta(minutes=15))
    assert world.marketplace.paid_out() == 4000


def test_an_acceptance_that_got_lost_is_said_again_and_paid(world: World) -> None:
    accept(world)
    world.pending.clear()
    world.pass_time(timedelta(minutes=16))
    assert world.marketplace.paid_out() == 2000


def test_an_acceptance_that_nobody_settles_needs_a_human_after_a_day(world: World) -> None:
    accept(world)
    world.settlement.take_in = lambda event: None  # type: ignore[method-assign]
    world.pending.clear()
    world.pass_time(hours(25))
    assert world.case().state is CaseState.NEEDS_HUMAN


@pytest.mark.parametrize("was", PayoutState)
@pytest.mark.parametrize("to", PayoutState)
def test_a_payout_moves_only_as_its_table_says(was: PayoutState, to: PayoutState, world: World) -> None:
    accept(world)
    world.run()
    payout = payouts(world)[0].model_copy(update={"state": was})
    if to in MOVES[was]:
        assert payout.move(to, world.clock.now(), {}).state is to
    else:
        with pytest.raises(PayoutMoveRefused):
            payout.move(to, world.clock.now(), {})


# ---------------------------------------------------------------- budgets and limits


def spend(world: World, count: int, **changed: object) -> list[str]:
    """Opens that many cases of different orders and buyers; answers why each got no offer, or ``offer``."""
    why = []
    for number in range(count):
        order_id = f"B{number}"
        buyer = changed.get("buyer", f"b_{number}")
        world.hear(order_paid(order_id, buyer=buyer), refund_requested(f"Q{number}", order_id, buyer=buyer))
        case = world.case(order_id)
        why.append(case.why_not or "offer")
    return why


def test_a_shops_daily_budget_is_reserved_by_offers_and_never_passed() -> None:
    world = World()
    world.save(policy(plan(limits={"budgets": ["daily"]}), budgets={"daily": {"per_day": cny(5000)}}))
    assert spend(world, 4) == ["offer", "offer", "budget_spent", "budget_spent"]


def test_an_offer_that_ends_unused_gives_its_budget_back() -> None:
    world = World()
    world.save(policy(plan(limits={"budgets": ["daily"]}), budgets={"daily": {"per_day": cny(2000)}}))
    assert spend(world, 1) == ["offer"]
    world.negotiation.decline(world.link("B0"), ask_for_another=False)
    world.hear(order_paid("C1"), refund_requested("C1", "C1"))
    assert world.case("C1").state is CaseState.OFFERED


def test_a_cheaper_choice_gives_the_rest_of_its_budget_back() -> None:
    world = World()
    options = [{"kind": "partial_refund", "percent": 20}, {"kind": "coupon", "face_value": cny(500), "valid_days": 9}]
    limited = plan(options=options, limits={"budgets": ["daily"]})
    world.save(policy(limited, budgets={"daily": {"per_day": cny(2500)}}))
    assert spend(world, 2) == ["offer", "budget_spent"]
    world.negotiation.accept(world.link("B0"), "r1o2")
    world.hear(order_paid("C1"), refund_requested("C1", "C1"))
    assert world.case("C1").state is CaseState.OFFERED


def test_a_spent_budget_leaves_the_case_to_the_next_plan() -> None:
    world = World()
    costly = plan("a-costly", priority=900, limits={"budgets": ["daily"]})
    world.save(policy(costly, plan("free", options=[{"kind": "exchange"}]), budgets={"daily": {"per_day": cny(2000)}}))
    assert spend(world, 2) == ["offer", "offer"]
    assert world.case("B1").plan is not None
    assert world.case("B1").plan.plan_id == "free"


def test_a_buyer_gets_no_more_cases_in_thirty_days_than_the_plan_allows() -> None:
    world = World()
    world.save(policy(plan(limits={"per_buyer_30_days": {"cases": 2}})))
    assert spend(world, 3, buyer="b_x") == ["offer", "offer", "buyer_over_limit"]
    world.clock.advance(timedelta(days=31))
    later = {"requested_at": "2026-12-03T08:00:00Z", "respond_by": None}
    world.hear(order_paid("C1", buyer="b_x"), refund_requested("C1", "C1", buyer="b_x", **later))
    assert world.case("C1").state is CaseState.OFFERED


def test_an_item_gets_no_more_on_a_day_than_the_plan_allows() -> None:
    world = World()
    world.save(policy(plan(limits={"per_item_day": {"cases": 1}})))
    assert spend(world, 2) == ["offer", "budget_spent"]


def test_a_plan_for_new_buyers_passes_over_those_who_bought_before() -> None:
    world = World()
    situation = {"triggers": ["refund_requested"], "buyers": ["new"]}
    world.save(policy(plan(situation=situation)))
    world.hear(order_paid("A0", paid_at="2026-10-01T00:00:00Z"), order_paid("A1"), refund_requested())
    assert world.case().why_not == "no_match"
    world.hear(order_paid("A9", buyer="b_new"), refund_requested("R9", "A9", buyer="b_new"))
    assert world.case("A9").state is CaseState.OFFERED


def test_a_payout_in_doubt_is_said_again_with_every_look_that_finds_no_answer(world: World) -> None:
    accept(world)
    world.marketplace.answers = [AMBIGUOUS]
    world.marketplace.look_up = lambda key: AMBIGUOUS  # type: ignore[method-assign]
    world.run()
    world.pass_time(hours(3))
    assert set(world.stuck) == {"unknown"}
    assert world.stuck_for == sorted(world.stuck_for)
    assert world.stuck_for[-1] >= 900


def test_a_payout_that_needs_a_person_is_said_every_four_hours_with_how_long_it_has_waited(world: World) -> None:
    accept(world)
    world.marketplace.answers = [ActionOutcome(ActionStatus.KEY_REUSED)]
    world.run()
    world.pass_time(hours(13))
    assert world.stuck == ["needs_human"] * 4
    assert world.stuck_for == [0, 4 * 3600, 8 * 3600, 12 * 3600]
    key = payouts(world)[0].key
    world.merchant.resolve(SHOP, "ann", {"key": key, "paid": True, "evidence": "the books"})
    world.pass_time(hours(24))
    assert len(world.stuck) == 4
