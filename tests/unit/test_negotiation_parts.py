"""The small parts of negotiation: moves, history, links, references, rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from builders import START, PlainWording, World, cny, event, order_paid, plan, policy, refund_requested
from hypothesis import given
from hypothesis import strategies as st

from aftercare.kernel.errors import DomainError, MalformedInput
from aftercare.kernel.money import Money
from aftercare.kernel.times import to_text
from aftercare.negotiation.model import history
from aftercare.negotiation.model.cases import ENDED, MOVES, Case, CaseState, CaseTrigger, MoveRefused
from aftercare.negotiation.model.choosing import Surroundings, next_round
from aftercare.negotiation.model.links import LinkKeys, OfferLink, UnknownLink, from_token, to_token
from aftercare.negotiation.model.orders import Intervention, Order
from aftercare.negotiation.model.references import OfferReference
from aftercare.negotiation.service import rules_for
from aftercare.rulepacks.negotiation import negotiation_rules

KEYS = LinkKeys("2", {"1": b"old key", "2": b"new key"})
LINK = OfferLink("standard:lotus", "A/1#ü", "0" * 32, 2)


# ---------------------------------------------------------------- cases


@pytest.mark.parametrize("was", CaseState)
@pytest.mark.parametrize("to", CaseState)
def test_a_case_moves_only_as_its_table_says(was: CaseState, to: CaseState) -> None:
    trigger = CaseTrigger(kind="refund_requested", natural_key="refund/R1")
    case = Case(negotiation_id="n", trigger=trigger, opened_at=START, state=was)
    if to in MOVES[was]:
        assert case.move(to, START, "moved", {}).state is to
    else:
        with pytest.raises(MoveRefused):
            case.move(to, START, "moved", {})


def test_nothing_leads_out_of_an_end_and_every_other_state_leads_to_one() -> None:
    for state in CaseState:
        reached = {state}
        while more := {to for one in reached for to in MOVES[one]} - reached:
            reached |= more
        assert (reached == {state}) is (state in ENDED)
        assert reached & ENDED


# ---------------------------------------------------------------- history


def chain(length: int) -> tuple[history.Step, ...]:
    log = ""
    for number in range(length):
        log = history.append(log, START + timedelta(hours=number), "happened", {"number": number})
    return history.steps_of(log)


@given(st.integers(2, 8), st.data())
def test_a_history_with_a_step_left_out_changed_or_moved_does_not_verify(length: int, data: st.DataObject) -> None:
    steps = chain(length)
    history.verify(steps)
    index = data.draw(st.integers(0, length - 2))
    changed = steps[index]._replace(facts={"number": 99})
    swapped = (*steps[:index], steps[index + 1], steps[index], *steps[index + 2 :])
    for broken in ((*steps[:index], *steps[index + 1 :]), (*steps[:index], changed, *steps[index + 1 :]), swapped):
        with pytest.raises(history.BrokenHistory):
            history.verify(broken)


# ---------------------------------------------------------------- links


def test_a_link_opens_what_it_was_made_for() -> None:
    assert from_token(to_token(LINK, KEYS), KEYS) == LINK


def test_a_link_made_with_an_earlier_key_opens_until_that_key_is_gone() -> None:
    token = to_token(LINK, LinkKeys("1", KEYS.keys))
    assert from_token(token, KEYS) == LINK
    with pytest.raises(UnknownLink):
        from_token(token, LinkKeys("2", {"2": b"new key"}))


@given(st.integers(0, 400), st.characters())
def test_a_link_with_any_character_changed_opens_nothing(position: int, character: str) -> None:
    token = to_token(LINK, KEYS)
    position %= len(token)
    changed = token[:position] + character + token[position + 1 :]
    if changed != token:
        with pytest.raises(UnknownLink):
            from_token(changed, KEYS)


@given(st.text(max_size=2000))
def test_any_text_that_is_no_link_is_refused_and_nothing_else(text: str) -> None:
    with pytest.raises(UnknownLink):
        from_token(text, KEYS)


@given(st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable()))
def test_an_offers_name_on_a_marketplace_leads_back_to_it(order_id: str) -> None:
    reference = OfferReference(order_id, "0" * 32, 1, "r1o1")
    assert OfferReference.parse(str(reference)) == reference


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c.d", "%%.x.1.y", "é.x.1.y"])
def test_a_name_that_is_not_of_our_making_is_malformed(text: str) -> None:
    with pytest.raises(MalformedInput):
        OfferReference.parse(text)


# ---------------------------------------------------------------- time while the platform is in


spans = st.lists(st.tuples(st.integers(0, 100), st.integers(1, 50)), max_size=5)


@given(spans, st.permutations(range(5)))
def test_a_deadline_moves_by_the_time_the_platform_was_in_whatever_the_order_of_the_news(
    hours: list[tuple[int, int]], order: list[int]
) -> None:
    known = {
        str(number): Intervention(
            opened_at=START + timedelta(hours=begin), closed_at=START + timedelta(hours=begin + length)
        )
        for number, (begin, length) in enumerate(hours)
    }
    shuffled = {str(number): known[str(number)] for number in order if str(number) in known}
    deadline = START + timedelta(hours=24)
    one, other = (Order(shop="s:1", order_id="A", interventions=seen) for seen in (known, shuffled))
    moved = one.postponed(deadline, START)
    assert moved == other.postponed(deadline, START)
    assert deadline <= moved <= deadline + sum((timedelta(hours=length) for _, length in hours), timedelta())


# ---------------------------------------------------------------- rules and choosing


def test_an_order_is_judged_by_the_rules_of_the_day_it_was_paid_and_any_marketplace_has_some() -> None:
    for marketplace in ("standard", "taobao", "of-nobody"):
        assert negotiation_rules(marketplace, START).compensation.percent_of_paid == 30
    with pytest.raises(DomainError):
        negotiation_rules("standard", datetime(1969, 1, 1, tzinfo=UTC))


@given(
    paid=st.integers(1, 10**7), percent=st.integers(1, 99), minimum=st.integers(1, 5000), asked=st.integers(0, 10**7)
)
def test_no_partial_refund_passes_the_guardrails_or_what_was_asked(
    paid: int, percent: int, minimum: int, asked: int
) -> None:
    option = {"kind": "partial_refund", "percent": percent, "minimum": cny(minimum)}
    world = World()
    world.save(policy(plan(options=[option])))
    world.hear(order_paid(amount=paid), refund_requested(amount=cny(asked)))
    case = world.case()
    for shown in case.rounds:
        for offered in shown.options:
            assert offered.amount is not None
            assert minimum <= offered.amount.minor <= min(paid * 30 // 100, 20000, asked)


def test_a_round_that_has_nothing_left_to_show_is_skipped() -> None:
    world = World()
    rounds = [
        {"options": [{"kind": "coupon", "face_value": cny(9000), "valid_days": 9}]},
        {"options": [{"kind": "exchange"}]},
    ]
    world.save(policy(plan(rounds=rounds)))
    world.hear(order_paid(), refund_requested())
    assert [shown.number for shown in world.case().rounds] == [2]
    assert world.negotiation.accept(world.link(), "r2o1").state is CaseState.ACCEPTED


def test_a_plans_own_limit_for_an_order_counts_what_was_given_before() -> None:
    world = World()
    limited = policy(plan(limits={"per_order": cny(500)}))
    world.save(limited)
    world.hear(order_paid(), refund_requested())
    order, case = world.order(), world.case()
    assert case.round is not None
    assert case.round.options[0].amount == Money(minor=500, currency="CNY")
    around = Surroundings(
        now=START, policy=limited, rules=rules_for(order.shop, START), wording=PlainWording(), spent=frozenset()
    )
    offered, _ = next_round(order, case, limited.plans[0], 1, around)
    assert offered is not None


def test_an_anomaly_of_a_parcel_opens_a_case_only_where_a_plan_says_so() -> None:
    raised = {
        "anomaly_id": "X1",
        "order_id": "A1",
        "kind": "stalled",
        "leg": "transit",
        "stage": "breach",
        "since": to_text(START),
        "crossed_at": to_text(START),
        "rule": "transit",
        "notify": True,
    }
    world = World()
    world.hear(order_paid(), event("ShipmentAnomalyRaised", raised))
    assert world.order().cases == ()
    situation = {"triggers": ["parcel_anomaly"], "anomalies": ["stalled"]}
    world.save(policy(plan(situation=situation, options=[{"kind": "reissue"}])))
    world.hear(event("ShipmentAnomalyRaised", {**raised, "notify": False}))
    assert world.order().cases == ()
    world.hear(event("ShipmentAnomalyRaised", raised))
    assert world.case().state is CaseState.OFFERED


def test_the_longest_order_id_still_makes_a_link_that_opens() -> None:
    longest = OfferLink("standard:" + "s" * 64, "好" * 256, "0" * 32, 3)
    assert from_token(to_token(longest, KEYS), KEYS) == longest
