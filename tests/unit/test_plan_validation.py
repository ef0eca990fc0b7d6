"""What a merchant may save: every error at its field, all at once; warnings where a plan will not do what it says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from builders import SHOP, START, cny, plan, policy
from hypothesis import given
from hypothesis import strategies as st

from aftercare.kernel.fields import InvalidFields, read
from aftercare.kernel.ports import ActionType
from aftercare.kernel.times import to_text
from aftercare.negotiation.model.planning import (
    LARGEST_AMOUNT,
    BudgetsToSave,
    Planned,
    PlansToSave,
    with_budgets,
    with_plans,
)
from aftercare.negotiation.model.plans import ShopPolicy
from aftercare.negotiation.service import rules_for

EVERYTHING = frozenset(ActionType)
USD = {"minor": 500, "currency": "USD"}
EMPTY = policy().model_copy(update={"plans": ()})
DAILY = policy(budgets={"daily": {"per_day": cny(5000)}})


def save(*plans: Any, was: ShopPolicy = EMPTY, can_do: frozenset[ActionType] = EVERYTHING) -> Planned:
    return with_plans(was, plans, 7, can_do, rules_for(SHOP, START), START)


def refused(*plans: Any, **around: Any) -> dict[str, str]:
    """The message by field of each error."""
    with pytest.raises(InvalidFields) as caught:
        save(*plans, **around)
    return {error.field: error.message for error in caught.value.errors}


def warned(*plans: Any, was: ShopPolicy = EMPTY) -> dict[str, str]:
    return {warning.field: warning.message for warning in save(*plans, was=was).warnings}


def with_options(*options: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return plan(options=options, **changed)


def situated(**situation: Any) -> dict[str, Any]:
    return plan(situation={"triggers": ["refund_requested"], **situation})


# ---------------------------------------------------------------- errors at their fields


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (plan(plan_id="Not An Id"), "plans.0.plan_id"),
        (plan(priority="high"), "plans.0.priority"),
        (plan(prioritty=3), "plans.0.prioritty"),
        (plan(rounds=[]), "plans.0.rounds"),
        (plan(answer_minutes=5), "plans.0.answer_minutes"),
        (plan(opening={"zh": "您好"}), "plans.0.opening.en"),
        (with_options({"kind": "partial_refund", "percent": 100}), "plans.0.rounds.0.options.0.percent"),
        (with_options({"kind": "partial_refund"}), "plans.0.rounds.0.options.0"),
        (with_options({"kind": "discount"}), "plans.0.rounds.0.options.0.kind"),
        (with_options({"percent": 10}), "plans.0.rounds.0.options.0.kind"),
        (
            with_options({"kind": "coupon", "face_value": {"minor": 9.5, "currency": "CNY"}, "valid_days": 3}),
            "plans.0.rounds.0.options.0.face_value.minor",
        ),
        (situated(valid_until="tomorrow"), "plans.0.situation.valid_until"),
        (situated(amount_from=cny(9), amount_to=cny(3)), "plans.0.situation"),
        (plan(limits={"per_order": cny(0)}), "plans.0.limits.per_order.minor"),
        ("not a plan", "plans.0"),
    ],
)
def test_a_plan_of_the_wrong_form_is_refused_at_the_field_that_is_wrong(wrong: Any, field: str) -> None:
    assert list(refused(wrong)) == [field]


@pytest.mark.parametrize(
    ("wrong", "field", "said"),
    [
        (situated(kinds=["refund_onyl"]), "plans.0.situation.kinds.0", "refund_only"),
        (situated(reasons=["damaged", "brocken"]), "plans.0.situation.reasons.1", "damaged"),
        (plan(situation={"triggers": ["unknown"]}), "plans.0.situation.triggers.0", "refund_requested"),
        (situated(anomalies=["lost"]), "plans.0.situation.anomalies", "parcel_anomaly"),
        (situated(valid_until=to_text(START)), "plans.0.situation.valid_until", "run out"),
        (plan(limits={"budgets": ["summer"]}), "plans.0.limits.budgets.0", "no budget"),
        (with_options({"kind": "exchange"}, {"kind": "exchange"}), "plans.0.rounds.0.options.1", "options.0"),
        (
            plan(opening={"zh": "给个好评就返现", "en": "Sorry."}),
            "plans.0.opening.zh",
            "never tied to a review",
        ),
        (plan(opening={"zh": "抱歉", "en": "See www.example.com"}), "plans.0.opening.en", "no links"),
        (
            with_options({"kind": "partial_refund", "fixed": {"minor": LARGEST_AMOUNT + 1, "currency": "CNY"}}),
            "plans.0.rounds.0.options.0.fixed.minor",
            str(LARGEST_AMOUNT),
        ),
        (situated(items=["x" * 200] * 200), "plans.0", "bytes"),
    ],
)
def test_a_plan_that_cannot_mean_what_it_says_is_refused(wrong: dict[str, Any], field: str, said: str) -> None:
    errors = refused(wrong)
    assert list(errors) == [field]
    assert said in errors[field]


def test_all_errors_of_all_plans_come_at_once() -> None:
    first = plan(priority=-1, opening={"zh": "五星好评", "en": "Sorry."}, limits={"budgets": ["none"]})
    second = with_options({"kind": "partial_refund", "percent": 0}, {"kind": "coupon", "valid_days": 3})
    assert sorted(refused(first, second)) == [
        "plans.0.limits.budgets.0",
        "plans.0.opening.zh",
        "plans.0.priority",
        "plans.1.rounds.0.options.0.percent",
        "plans.1.rounds.0.options.1.face_value",
    ]


def test_an_id_stands_once() -> None:
    assert refused(plan("a"), plan("b"), plan("a")) == {"plans.2.plan_id": "plans.0 has this id too"}


def test_a_kind_that_the_door_cannot_carry_out_is_refused() -> None:
    wanted = with_options({"kind": "exchange"}, {"kind": "coupon", "face_value": cny(500), "valid_days": 9})
    errors = refused(wanted, can_do=EVERYTHING - {ActionType.COUPON_ISSUE})
    assert list(errors) == ["plans.0.rounds.0.options.1.kind"]


def test_a_plan_has_one_currency() -> None:
    coupon = {"kind": "coupon", "face_value": USD, "valid_days": 9}
    mixed = with_options({"kind": "partial_refund", "percent": 9, "maximum": cny(900)}, coupon)
    assert list(refused(mixed)) == ["plans.0.rounds.0.options.1.face_value.currency"]
    limited = with_options({"kind": "exchange"}, limits={"per_order": cny(9), "per_item_day": {"amount": USD}})
    assert list(refused(limited)) == ["plans.0.limits.per_item_day.amount.currency"]


def test_a_plan_has_the_currency_of_its_budgets() -> None:
    coupon = {"kind": "coupon", "face_value": USD, "valid_days": 9}
    wanted = with_options(coupon, limits={"budgets": ["daily"]})
    assert list(refused(wanted, was=DAILY)) == ["plans.0.limits.budgets.0"]


def test_a_budget_is_named_once_and_not_too_many_are() -> None:
    assert list(refused(plan(limits={"budgets": ["daily", "daily"]}), was=DAILY)) == ["plans.0.limits.budgets.1"]
    names = [f"b{number}" for number in range(11)]
    many = policy(budgets={name: {"per_day": cny(9)} for name in names})
    assert list(refused(plan(limits={"budgets": names}), was=many)) == ["plans.0.limits.budgets"]


def test_a_plan_must_leave_the_buyer_the_time_that_the_rules_ask_for() -> None:
    rules = rules_for(SHOP, START)
    slower = rules.model_copy(update={"answering": rules.answering.model_copy(update={"shortest_answer": 45})})
    for minutes, fields in ((44, ["plans.0.answer_minutes"]), (45, [])):
        try:
            with_plans(EMPTY, [plan(answer_minutes=minutes)], 1, EVERYTHING, slower, START)
            found = []
        except InvalidFields as refusal:
            found = [error.field for error in refusal.errors]
        assert found == fields


def test_the_policy_as_a_whole_has_a_size() -> None:
    plans = [plan(f"p{number}", situation={"items": ["x" * 200] * 40}) for number in range(60)]
    assert list(refused(*plans)) == ["plans"]


def test_more_plans_than_a_shop_can_have_are_refused_unread() -> None:
    with pytest.raises(InvalidFields) as caught:
        read(PlansToSave, {"plans": [{}] * 101, "version": 0})
    assert [error.field for error in caught.value.errors] == ["plans"]


# ---------------------------------------------------------------- warnings


@pytest.mark.parametrize(
    ("allowed", "field"),
    [
        (with_options({"kind": "partial_refund", "percent": 31}), "plans.0.rounds.0.options.0.percent"),
        (with_options({"kind": "partial_refund", "fixed": cny(20001)}), "plans.0.rounds.0.options.0.fixed"),
        (
            with_options({"kind": "partial_refund", "percent": 9, "minimum": cny(20001)}),
            "plans.0.rounds.0.options.0.minimum",
        ),
        (
            with_options({"kind": "coupon", "face_value": cny(20001), "valid_days": 3}),
            "plans.0.rounds.0.options.0.face_value",
        ),
        (situated(reasons=["late", "fake"]), "plans.0.situation.reasons.1"),
        (situated(promised_tags=["damage_guarantee", "damage_garantee"]), "plans.0.situation.promised_tags.1"),
        (
            plan(situation={"triggers": ["support_contacted"], "reasons": ["late"]}),
            "plans.0.situation.reasons",
        ),
    ],
)
def test_what_is_allowed_but_will_not_do_what_it_says_is_warned_of(allowed: dict[str, Any], field: str) -> None:
    assert list(warned(allowed)) == [field]


def test_what_the_guardrails_allow_is_not_warned_of() -> None:
    options = (
        {"kind": "partial_refund", "percent": 30, "maximum": cny(90000)},
        {"kind": "coupon", "face_value": cny(20000), "valid_days": 3},
    )
    assert warned(with_options(*options)) == {}


def test_an_option_that_a_days_budget_cannot_bear_is_warned_of() -> None:
    dear = with_options({"kind": "coupon", "face_value": cny(5001), "valid_days": 3}, limits={"budgets": ["daily"]})
    assert list(warned(dear, was=DAILY)) == ["plans.0.rounds.0.options.0.face_value"]


def test_a_plan_that_ran_out_since_it_was_saved_does_not_stop_the_others() -> None:
    old = situated(valid_until=to_text(START - timedelta(days=1)))
    was = policy(old)
    assert list(warned(old, plan("new"), was=was)) == ["plans.0.situation.valid_until"]
    assert list(refused({**old, "priority": 3}, was=was)) == ["plans.0.situation.valid_until"]


# ---------------------------------------------------------------- versions


def test_a_changed_plan_takes_the_new_version_and_an_unchanged_one_keeps_its_own() -> None:
    was = save(plan("a"), plan("b")).policy
    after = with_plans(
        was, [plan("a"), plan("b", priority=1), plan("c")], 9, EVERYTHING, rules_for(SHOP, START), START
    ).policy
    assert [(one.plan_id, one.version) for one in after.plans] == [("a", 7), ("b", 9), ("c", 9)]


def test_what_the_client_says_of_a_version_is_not_looked_at() -> None:
    was = save(plan("a")).policy
    sent = [{**plan("a"), "version": 99}, {**plan("b"), "version": "nonsense"}]
    assert [one.version for one in save(*sent, was=was).policy.plans] == [7, 7]


def test_a_plans_version_never_falls() -> None:
    was = policy({**plan("a"), "version": 50})
    assert [one.version for one in save(plan("a", priority=1), was=was).policy.plans] == [51]


def test_what_is_read_back_can_be_saved_again_unchanged() -> None:
    options = ({"kind": "partial_refund", "percent": 9, "minimum": cny(5)}, {"kind": "reissue"})
    was = save(with_options(*options, limits={"per_buyer_30_days": {"cases": 2}})).policy
    sent = [one.model_dump(mode="json", exclude_none=True) for one in was.plans]
    assert save(*sent, was=was).policy == was


# ---------------------------------------------------------------- budgets


def budgets_refused(was: ShopPolicy, **wanted: Any) -> list[str]:
    with pytest.raises(InvalidFields) as caught:
        with_budgets(was, read(BudgetsToSave, {"version": 1, **wanted}))
    return [error.field for error in caught.value.errors]


def test_a_budget_that_a_plan_draws_on_cannot_go() -> None:
    was = policy(plan(limits={"budgets": ["daily"]}), budgets={"daily": {"per_day": cny(9)}, "free": {"per_day": USD}})
    assert budgets_refused(was, budgets={}) == ["budgets.daily"]
    kept = with_budgets(was, read(BudgetsToSave, {"version": 1, "budgets": {"daily": {"per_day": cny(1)}}})).policy
    assert list(kept.budgets) == ["daily"]


def test_a_budget_does_not_change_its_currency_under_a_plan() -> None:
    drawing = with_options({"kind": "partial_refund", "fixed": cny(5)}, limits={"budgets": ["daily"]})
    was = policy(drawing, budgets={"daily": {"per_day": cny(9)}})
    assert budgets_refused(was, budgets={"daily": {"per_day": USD}}) == ["budgets.daily.per_day.currency"]


@pytest.mark.parametrize(
    ("budgets", "field"),
    [
        ({"Daily!": {"per_day": cny(9)}}, "budgets.Daily!"),
        ({"daily": {"per_day": cny(0)}}, "budgets.daily.per_day.minor"),
        ({"daily": {"per_day": cny(10**13)}}, "budgets.daily.per_day.minor"),
        ({"daily": {}}, "budgets.daily.per_day"),
    ],
)
def test_a_budget_of_the_wrong_form_is_refused_at_its_field(budgets: dict[str, Any], field: str) -> None:
    assert budgets_refused(EMPTY, budgets=budgets) == [field]


def test_a_brake_that_is_not_named_stays_and_null_takes_it_away() -> None:
    was = policy(payout_brake_per_hour=cny(700))
    for sent, left in (({}, 700), ({"payout_brake_per_hour": cny(300)}, 300), ({"payout_brake_per_hour": None}, None)):
        brake = with_budgets(
            was, read(BudgetsToSave, {"version": 1, "budgets": {}, **sent})
        ).policy.payout_brake_per_hour
        assert (brake.minor if brake else None) == left


# ---------------------------------------------------------------- whatever is sent

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PARTS = ("plan_id", "version", "priority", "situation", "opening", "rounds", "limits", "answer_minutes")


@given(st.dictionaries(st.sampled_from(PARTS), JSON))
def test_whatever_stands_in_a_plan_it_is_saved_or_refused_at_a_field(changed: dict[str, Any]) -> None:
    try:
        save({**plan(), **changed})
    except InvalidFields as refusal:
        assert all(error.field.startswith("plans.0") and error.message for error in refusal.errors)  # noqa: PT017
