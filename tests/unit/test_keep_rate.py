"""The keep rate: which cases count as kept, and whether the arithmetic is right."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import isclose
from statistics import NormalDist
from typing import Any

import pytest
from builders import (
    START,
    World,
    cny,
    hours,
    order_paid,
    plan,
    policy,
    refund_decided,
    refund_requested,
    stepped_in,
)
from hypothesis import given
from hypothesis import strategies as st

from aftercare.events.vocabulary import Arm
from aftercare.kernel.money import Money
from aftercare.kernel.statistics import wilson
from aftercare.kernel.times import to_text
from aftercare.negotiation.model.keeping import (
    CountedCase,
    costs_per_kept,
    counted,
    decimal_text,
    difference_interval,
    figures,
)

DAY = timedelta(days=1)


def one(arm: Arm = Arm.OFFER, **changed: Any) -> CountedCase:
    plain = {
        "opened_at": START,
        "plan_id": "keep",
        "arm": arm,
        "kept_by_offer": False,
        "withdrawn": False,
        "applied_again": False,
        "cost": Money(minor=0, currency="CNY"),
    }
    return CountedCase(**{**plain, **changed})


def kept(minor: int = 500, **changed: Any) -> CountedCase:
    return one(kept_by_offer=True, cost=Money(minor=minor, currency="CNY"), **changed)


# ---------------------------------------------------------------- a worked example


def test_a_small_shops_figures_worked_out_by_hand() -> None:
    # 40 with an offer: 16 kept by it for 5.01 each, of whom 2 came back; 4 more withdrew.  Net 18 of 40.
    offered = [kept(501)] * 14 + [kept(501, applied_again=True)] * 2 + [one(withdrawn=True)] * 4 + [one()] * 20
    # 30 held out: 6 withdrew, one of whom came back.  Net 5 of 30.
    held_out = [one(Arm.HOLD_OUT, withdrawn=True)] * 5 + [one(Arm.HOLD_OUT)] * 24
    held_out += [one(Arm.HOLD_OUT, withdrawn=True, applied_again=True)]
    shown = figures(offered + held_out)
    assert shown["offer"] == {
        "cases": 40,
        "kept": 20,
        "kept_by_offer": 16,
        "withdrawn": 4,
        "applied_again": 2,
        "net_kept": 18,
        "gross": "0.5000",
        "net": "0.4500",
    }
    assert (shown["hold_out"]["gross"], shown["hold_out"]["net"]) == ("0.2000", "0.1667")
    # 18/40 - 5/30 = 0.2833; Wilson's bounds 0.30705..0.60171 and 0.07337..0.33564, so
    # 0.2833 - sqrt(0.14295^2 + 0.16898^2) = 0.0620 and 0.2833 + sqrt(0.15171^2 + 0.09330^2) = 0.4614
    assert shown["difference"] == {"net": "0.2833", "low": "0.0620", "high": "0.4614", "confidence_percent": 95}
    # 16 x 5.01 = 80.16 for 14 that stayed: 5.7257
    assert shown["cost_per_kept"] == [{"minor": 573, "currency": "CNY"}]
    assert (shown["enough"], shown["note"]) == (True, None)


@pytest.mark.parametrize(("offered", "held_out", "enough"), [(30, 30, True), (29, 30, False), (30, 29, False)])
def test_fewer_than_thirty_in_an_arm_are_said_to_be_too_few(offered: int, held_out: int, enough: bool) -> None:
    shown = figures([one()] * offered + [one(Arm.HOLD_OUT)] * held_out)
    assert shown["enough"] is enough
    assert enough or (str(held_out) in shown["note"]["en"] and str(held_out) in shown["note"]["zh"])


def test_without_a_hold_out_there_is_nothing_to_compare_with() -> None:
    shown = figures([kept()])
    assert (shown["difference"], shown["hold_out"]["net"], shown["enough"]) == (None, None, False)


def test_without_a_case_there_are_no_rates() -> None:
    shown = figures([])
    assert (shown["offer"]["gross"], shown["cost_per_kept"], shown["plans"]) == (None, [], [])


def test_every_round_says_what_it_kept_and_what_that_cost() -> None:
    first = kept(500, rounds=(1,), chosen_round=1)
    second = kept(900, rounds=(1, 2), chosen_round=2)
    came_back = kept(900, rounds=(1, 2), chosen_round=2, applied_again=True)
    [plan_] = figures([first, second, came_back, one(rounds=(1, 2)), one(Arm.HOLD_OUT)])["plans"]
    assert plan_["rounds"] == [
        {
            "round": 1,
            "presented": 4,
            "kept_by_offer": 1,
            "net_kept": 1,
            "cost_per_kept": [{"minor": 500, "currency": "CNY"}],
        },
        {
            "round": 2,
            "presented": 3,
            "kept_by_offer": 2,
            "net_kept": 1,
            # what was given to the one who came back was spent too
            "cost_per_kept": [{"minor": 1800, "currency": "CNY"}],
        },
    ]


def test_every_plan_has_its_own_figures() -> None:
    shown = figures([kept(), one(plan_id="b"), one(Arm.HOLD_OUT, plan_id="b", withdrawn=True)])
    assert [(each["plan"], each["offer"]["gross"], each["hold_out"]["gross"]) for each in shown["plans"]] == [
        ("b", "0.0000", "1.0000"),
        ("keep", "1.0000", None),
    ]


def test_the_price_of_a_kept_request_is_by_currency_and_rounds_half_a_unit_up() -> None:
    yen = [one(kept_by_offer=True, cost=Money(minor=minor, currency="JPY")) for minor in (10, 11)]
    lost = [one(kept_by_offer=True, applied_again=True, cost=Money(minor=9, currency="USD"))]
    assert costs_per_kept([*yen, *lost, one(withdrawn=True)]) == (Money(minor=11, currency="JPY"),)


@pytest.mark.parametrize(
    ("numerator", "denominator", "text"),
    [
        (1, 3, "0.3333"),
        (2, 3, "0.6667"),
        (1, 1, "1.0000"),
        (-1, 3, "-0.3333"),
        (1, 20000, "0.0001"),
        (-1, 30000, "0.0000"),
    ],
)
def test_ratios_are_decimal_text_of_four_digits(numerator: int, denominator: int, text: str) -> None:
    assert decimal_text(numerator, denominator) == text


# ---------------------------------------------------------------- the interval

PUBLISHED = [
    # Newcombe, Statistics in Medicine 17 (1998) 873-890, table II, method 10
    ((56, 70, 48, 80), (0.0524, 0.3339)),
    ((9, 10, 3, 10), (0.1705, 0.8090)),
    ((6, 7, 2, 7), (0.0582, 0.8062)),
    ((5, 56, 0, 29), (-0.0381, 0.1926)),
    ((0, 10, 0, 20), (-0.1611, 0.2775)),
    ((0, 10, 0, 10), (-0.2775, 0.2775)),
    ((10, 10, 0, 20), (0.6791, 1.0000)),
    ((10, 10, 0, 10), (0.6075, 1.0000)),
]


@pytest.mark.parametrize(("counts", "bounds"), PUBLISHED)
def test_the_interval_is_the_one_that_its_author_published(
    counts: tuple[int, int, int, int], bounds: tuple[float, float]
) -> None:
    assert tuple(round(bound, 4) for bound in difference_interval(*counts)) == bounds


@st.composite
def proportions(draw: st.DrawFn) -> tuple[int, int]:
    cases = draw(st.integers(1, 5000))
    return draw(st.integers(0, cases)), cases


def score_bound(successes: int, cases: int, upper: bool) -> float:
    """The rate at which the score test just stops to reject, found by halving: no formula of the interval in it."""
    z, rate = NormalDist().inv_cdf(0.975), successes / cases
    near, far = rate, 1.0 if upper else 0.0
    for _ in range(200):
        middle = (near + far) / 2
        rejected = (rate - middle) ** 2 > z * z * middle * (1 - middle) / cases
        near, far = (near, middle) if rejected else (middle, far)
    return near


@given(proportions())
def test_wilsons_bounds_are_where_the_score_test_stops_to_reject(proportion: tuple[int, int]) -> None:
    low, high = wilson(*proportion)
    assert isclose(low, score_bound(*proportion, upper=False), abs_tol=1e-9)
    assert isclose(high, score_bound(*proportion, upper=True), abs_tol=1e-9)


@given(proportions(), proportions())
def test_the_interval_holds_the_difference_and_stays_within_minus_one_and_one(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    low, high = difference_interval(*one, *other)
    assert -1 <= low <= one[0] / one[1] - other[0] / other[1] <= high <= 1
    swapped_low, swapped_high = difference_interval(*other, *one)
    assert isclose(low, -swapped_high, abs_tol=1e-12)
    assert isclose(high, -swapped_low, abs_tol=1e-12)


@given(proportions(), proportions())
def test_the_texts_of_the_interval_hold_the_text_of_the_difference(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    low, high = difference_interval(*one, *other)
    texts = (
        decimal_text(*low.as_integer_ratio()),
        decimal_text(one[0] * other[1] - other[0] * one[1], one[1] * other[1]),
        decimal_text(*high.as_integer_ratio()),
    )
    assert sorted(texts, key=float) == list(texts)


# ---------------------------------------------------------------- which cases count, from the facts


@pytest.fixture
def world() -> World:
    return World()


def count(world: World, order_id: str = "A1", since: datetime = START, until: datetime = START + DAY) -> CountedCase:
    return next(counted(world.order(order_id), since, until))


def keep(world: World) -> None:
    world.hear(order_paid(), refund_requested())
    world.negotiation.accept(world.link(), "r1o1")
    world.run()


def test_an_accepted_and_paid_offer_is_kept_and_costs_what_was_paid(world: World) -> None:
    keep(world)
    case = count(world)
    assert (case.kept_by_offer, case.applied_again, case.cost) == (True, False, Money(minor=2000, currency="CNY"))


def test_a_coupon_costs_its_face_value(world: World) -> None:
    world.save(policy(plan(options=[{"kind": "coupon", "face_value": cny(700), "valid_days": 9}])))
    keep(world)
    assert count(world).cost == Money(minor=700, currency="CNY")


def test_goods_sent_again_cost_no_money(world: World) -> None:
    world.save(policy(plan(options=[{"kind": "reissue"}])))
    keep(world)
    assert (count(world).kept_by_offer, count(world).cost.minor) == (True, 0)


def test_a_full_refund_is_not_kept(world: World) -> None:
    world.save(policy(plan(options=[{"kind": "full_refund"}])))
    keep(world)
    assert not count(world).kept


def test_a_withdrawn_request_counts_as_kept_in_both_arms(world: World) -> None:
    world.save(policy(plan(hold_out_percent=50)))
    seen = set()
    for number in range(30):
        refund_id, order_id = f"R{number}", f"A{number}"
        world.hear(order_paid(order_id), refund_requested(refund_id, order_id))
        world.hear(refund_decided("withdrawn", refund_id, order_id, by="buyer"))
        case = count(world, order_id)
        assert case.withdrawn
        assert not case.kept_by_offer
        seen.add(case.arm)
    assert seen == {Arm.OFFER, Arm.HOLD_OUT}


@pytest.mark.parametrize(
    ("after", "again"),
    [
        (timedelta(0), False),
        (timedelta(seconds=1), True),
        (15 * DAY - timedelta(seconds=1), True),
        (15 * DAY, False),
    ],
)
def test_who_applies_again_within_fifteen_days_was_not_kept_for_good(
    world: World, after: timedelta, again: bool
) -> None:
    keep(world)
    world.clock.time = START + after
    world.hear(refund_requested("R2", requested_at=to_text(START + after), respond_by=None))
    assert count(world).applied_again is again


@pytest.mark.parametrize(("after", "again"), [(hours(1), True), (15 * DAY, False), (-hours(1), False)])
def test_the_platform_stepping_in_later_counts_as_applying_again(world: World, after: timedelta, again: bool) -> None:
    keep(world)
    world.hear(stepped_in(START + after))
    assert count(world).applied_again is again


def test_news_of_the_same_request_is_no_new_one(world: World) -> None:
    keep(world)
    world.hear(refund_requested("R1", revision=4, requested_at=to_text(START + hours(2))))
    assert not count(world).applied_again


def test_a_request_that_came_while_the_offer_was_open_counts_as_applying_again(world: World) -> None:
    world.hear(order_paid(), refund_requested())
    world.clock.advance(hours(1))
    world.hear(refund_requested("R2", requested_at=to_text(START + hours(1))))
    assert count(world).applied_again


def test_only_refund_requests_that_stand_in_an_arm_count(world: World) -> None:
    world.save(policy().model_copy(update={"plans": ()}))
    world.hear(order_paid(), refund_requested())
    assert list(counted(world.order(), START, START + DAY)) == []


@pytest.mark.parametrize(("since", "until", "counts"), [(0, 1, True), (1, 2, False), (-1, 0, False)])
def test_a_case_counts_from_the_first_moment_of_the_span_to_before_its_end(
    world: World, since: int, until: int, counts: bool
) -> None:
    world.hear(order_paid(), refund_requested())
    found = list(counted(world.order(), START + since * DAY, START + until * DAY))
    assert bool(found) is counts
