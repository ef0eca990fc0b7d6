"""How the definitions of packs are counted: each formula at its boundaries, and which metrics a shop has."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import pytest
from scores import (
    DOUYIN,
    MONDAY,
    STANDARD,
    TAOBAO,
    TAOBAO_2025,
    Counted,
    CountedShop,
    Fact,
    anomaly,
    asked,
    at,
    cancelled,
    completed,
    counted,
    decided,
    due,
    opened,
    order_of,
    paid,
    presented,
    rated,
    reviewed,
    scan,
    session_of,
    step_closed,
    stepped_in,
    wrote,
)

from aftercare.rulepacks.loader import read_packs
from aftercare.rulepacks.scores import Definitions, Metric, ScoreRules, definitions
from aftercare.scores.model.contributions import OF_ORDERS, order_rows, session_rows
from aftercare.scores.model.days import item_counts, summary
from aftercare.scores.model.formulas.chat import CHAT

SHANGHAI, NEW_YORK = "Asia/Shanghai", "America/New_York"
NOTHING: list[Counted] = []
PACKS: tuple[ScoreRules, ...] = read_packs("scores", ScoreRules)
FORMULAS = {*OF_ORDERS, *CHAT}
ORDER = paid(at(0, "10:00:00"), ship_by=at(2, "10:00:00"), deliver_by=at(6, "20:00:00"))

every_pack = pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.id)


def uncounted(metrics: tuple[Metric, ...]) -> list[str]:
    """What is defined by a formula that nobody wrote."""
    return [f"{metric.id}: {metric.counted_by}" for metric in metrics if metric.counted_by not in FORMULAS]


def metric_of(defined: Definitions, id_: str) -> Metric:
    return next(metric for metrics in defined.by_formula.values() for metric in metrics if metric.id == id_)


# ---------------------------------------------------------------- definitions


@every_pack
def test_every_metric_of_a_pack_is_counted_by_a_formula_that_there_is(pack: ScoreRules) -> None:
    assert uncounted(pack.metrics) == []


def test_a_formula_that_does_not_exist_is_found() -> None:
    [first, *others] = PACKS[0].metrics
    wrong = first.model_copy(update={"formula": "returns_of_shipped"})
    assert uncounted((wrong, *others)) == [f"{first.id}: returns_of_shipped"]


def test_every_formula_counts_a_metric_of_some_pack() -> None:
    assert {metric.counted_by for pack in PACKS for metric in pack.metrics} == FORMULAS


@every_pack
def test_bonus_and_daily_standards_go_by_metrics_that_are_counted(pack: ScoreRules) -> None:
    moment = pack.effective_from + timedelta(days=1)
    known = {metric.id for metrics in definitions(pack.marketplace, moment).by_formula.values() for metric in metrics}
    assert {bonus.metric for bonus in pack.bonus if bonus.metric} <= known
    assert {standard.metric for standard in pack.daily} <= known & {
        metric.id for metric in pack.metrics if metric.counted_by in CHAT
    }


NEEDS = {
    "good_stars": {"positive_rating"},
    "bad_stars": {
        "negative_feedback", "bad_ratings_of_completed", "bad_delivery_ratings_of_completed", "chat_dissatisfaction",
        "net_keep_rate.offer", "net_keep_rate.hold_out",
    },
    "reasons": {"negative_feedback", "returns_of_delivered", "returns_of_paid"},
}  # fmt: skip


@every_pack
@pytest.mark.parametrize("field", NEEDS)
def test_a_metric_says_all_that_its_formula_asks_and_nothing_that_it_does_not(pack: ScoreRules, field: str) -> None:
    saying = {metric.id for metric in pack.metrics if getattr(metric, field)}
    assert saying == {metric.id for metric in pack.metrics if metric.counted_by in NEEDS[field]}


def test_the_standard_packs_metrics_are_counted_for_every_shop_and_its_own_pack_redefines_or_adds() -> None:
    standard = {metric.id for metrics in STANDARD.by_formula.values() for metric in metrics}
    for defined, own in ((DOUYIN, "douyin-2026-09"), (TAOBAO, "taobao-2026-03"), (TAOBAO_2025, "taobao-2025-06")):
        pack = next(each for each in PACKS if each.id == own)
        found = [metric for metrics in defined.by_formula.values() for metric in metrics]
        assert {metric.id for metric in found} == standard | {metric.id for metric in pack.metrics}
        assert len(found) == len({metric.id for metric in found}), "one definition of each"
        assert all(metric_of(defined, metric.id) is metric for metric in pack.metrics)
    assert metric_of(TAOBAO, "negative_feedback").reasons == ("quality",)
    assert metric_of(DOUYIN, "platform_help").counted_by == "platform_help_of_requests"


def test_a_metric_redefined_is_counted_by_its_pack_alone() -> None:
    facts = [scan("delivered", at(1)), asked(at(1), "damaged")]
    assert counted("negative_feedback", *facts) == [Counted("11-03", 1)]
    assert counted("negative_feedback", *facts, defined=TAOBAO) == [Counted("11-03", 0)]
    assert counted("damage_returns", *facts, defined=TAOBAO) == [Counted("11-03", 1)], "the standard pack's, still"
    assert counted("quality_returns", *facts) == NOTHING


def test_a_shop_of_a_marketplace_without_a_pack_has_the_standard_metrics() -> None:
    assert definitions("kuaishou", MONDAY) == STANDARD
    assert definitions("standard", MONDAY) is STANDARD


# ---------------------------------------------------------------- pickup_hours


def pickup_seconds(paid_at: str, picked_up: str, days: int = 1, zone: str = SHANGHAI) -> int:
    facts = [paid(at(0, paid_at, zone)), scan("picked_up", at(days, picked_up, zone))]
    [one] = counted("pickup_hours", *facts, zone=zone, defined=DOUYIN)
    return one.numerator


def test_paid_in_the_evening_and_picked_up_in_the_morning_took_two_hours() -> None:
    for zone in (SHANGHAI, NEW_YORK, "UTC"):
        assert pickup_seconds("19:10:00", "08:00:00", zone=zone) == 2 * 3600


@pytest.mark.parametrize(
    ("paid_at", "begins_after"),
    [
        ("05:59:59", 1),
        ("06:00:00", 0),
        ("17:59:59", 0),
        ("18:00:00", 12 * 3600),
        ("23:59:59", 6 * 3600 + 1),
        ("00:00:00", 6 * 3600),
    ],
)
def test_the_carriers_night_is_from_six_to_six(paid_at: str, begins_after: int) -> None:
    waited = at(3, "12:00:00", SHANGHAI) - at(0, paid_at, SHANGHAI)
    assert pickup_seconds(paid_at, "12:00:00", 3) == waited.total_seconds() - begins_after


@pytest.mark.parametrize(("picked_up", "days"), [("20:00:00", 0), ("05:59:59", 1), ("06:00:00", 1)])
def test_what_the_carrier_takes_in_the_night_took_no_time(picked_up: str, days: int) -> None:
    assert pickup_seconds("19:10:00", picked_up, days) == 0
    assert pickup_seconds("19:10:00", "06:00:01") == 1


def test_the_carriers_morning_comes_where_clocks_are_changed_too() -> None:
    # in the night after 31 October there are 13 hours from 18:00 to 6:00
    order = paid(at(-2, "19:00:00", NEW_YORK))
    moved = scan("picked_up", at(-1, "06:00:01", NEW_YORK))
    assert counted("pickup_hours", order, moved, zone=NEW_YORK, defined=DOUYIN) == [Counted("11-01", 1)]


def test_pickups_count_on_their_own_day_and_not_once_the_order_was_called_off() -> None:
    moved = scan("picked_up", at(1, "12:00:00"))
    assert counted("pickup_hours", ORDER, moved, defined=DOUYIN) == [Counted("11-03", 26 * 3600)]
    assert counted("pickup_hours", ORDER, defined=DOUYIN) == NOTHING
    assert counted("pickup_hours", moved, defined=DOUYIN) == NOTHING
    assert counted("pickup_hours", ORDER, moved, cancelled(at(2, "10:00:00")), defined=DOUYIN) == NOTHING
    assert len(counted("pickup_hours", ORDER, moved, cancelled(at(2, "10:00:01")), defined=DOUYIN)) == 1
    assert counted("pickup_hours", ORDER, moved) == NOTHING, "the standard pack has none"


# ---------------------------------------------------------------- lane_delivery


def lane(*facts: Fact) -> list[Counted]:
    return counted("lane_delivery", ORDER, *facts, defined=DOUYIN)


@pytest.mark.parametrize(("arrived", "good"), [("20:00:00", 1), ("20:00:01", 0)])
def test_a_parcel_has_the_lanes_time_to_the_second(arrived: str, good: int) -> None:
    assert lane(scan("delivered", at(6, arrived))) == [Counted("11-08", good)]


def test_a_parcel_that_stalled_beyond_the_breach_missed_its_lane_though_it_came_in_time() -> None:
    arrived = scan("delivered", at(5))
    assert lane(arrived, anomaly("Raised", "pre", at(3), 3)) == [Counted("11-08", 1)]
    assert lane(arrived, anomaly("Raised", "breach", at(3), 3)) == [Counted("11-08", 0)]
    assert lane(arrived, anomaly("Raised", "serious", at(3), 3)) == [Counted("11-08", 0)]
    gone = anomaly("Cleared", "breach", at(3), 4, outcome="withdrawn")
    assert lane(arrived, anomaly("Raised", "breach", at(3), 3), gone) == [Counted("11-08", 1)]
    assert lane(arrived, anomaly("Raised", "breach", at(3), 3, kind="late_pickup")) == [Counted("11-08", 1)]


def test_a_parcel_that_never_came_counts_on_the_day_it_was_due() -> None:
    assert lane() == [Counted("11-08", 0)]
    assert lane(due(1, deliver_by=at(9))) == [Counted("11-11", 0)]
    assert counted("lane_delivery", paid(at(0)), scan("delivered", at(1)), defined=DOUYIN) == NOTHING


# ---------------------------------------------------------------- next_day_share, valid_orders


@pytest.mark.parametrize(
    ("days", "arrived", "good"), [(0, "23:00:00", 1), (1, "23:59:59", 1), (2, "00:00:00", 0), (-1, "12:00:00", 1)]
)
def test_the_next_day_is_over_at_local_midnight(days: int, arrived: str, good: int) -> None:
    for zone in ("UTC", SHANGHAI, NEW_YORK):
        delivered = at(days, arrived, zone)
        facts = [paid(at(0, "00:00:01", zone)), scan("delivered", delivered)]
        [one] = counted("next_day_share", *facts, zone=zone)
        assert (one.numerator, one.denominator) == (good, 1)
        late = [paid(at(0, "23:59:59", zone)), scan("delivered", delivered)]
        assert counted("next_day_share", *late, zone=zone) == [one]


def test_only_what_was_paid_and_delivered_has_a_next_day() -> None:
    assert counted("next_day_share", ORDER) == counted("next_day_share", scan("delivered", at(1))) == NOTHING


@pytest.mark.parametrize(("when", "valid"), [("10:00:00", 0), ("10:00:01", 1)])
def test_an_order_is_valid_unless_it_was_called_off_before_it_had_to_be_shipped(when: str, valid: int) -> None:
    assert counted("valid_orders", ORDER, cancelled(at(2, when))) == [Counted("11-02", valid)]
    assert counted("valid_orders", ORDER) == [Counted("11-02", 1)]
    assert counted("valid_orders", ORDER, zone="Pacific/Auckland") == [Counted("11-02", 1)]
    assert counted("valid_orders", scan("delivered", at(1))) == NOTHING


# ---------------------------------------------------------------- stars


@pytest.mark.parametrize("stars", [1, 2, 3, 4, 5])
def test_an_item_is_rated_by_its_stars(stars: int) -> None:
    assert counted("item_rating", reviewed(stars, at(3)), defined=DOUYIN) == [Counted("11-05", stars)]


def test_every_review_rates_and_one_without_stars_or_taken_down_does_not() -> None:
    facts = [reviewed(5, at(3)), reviewed(2, at(4), review_id="V2"), reviewed(None, at(4), review_id="V3")]
    assert counted("item_rating", *facts, defined=DOUYIN) == [Counted("11-05", 5), Counted("11-06", 2)]
    gone = reviewed(5, at(3), revision=2, removed=True)
    assert counted("item_rating", *facts, gone, defined=DOUYIN) == [Counted("11-06", 2)]


@pytest.mark.parametrize(("stars", "bad"), [(1, 1), (2, 1), (3, 0), (5, 0)])
def test_an_order_confirmed_by_its_buyer_is_badly_rated_with_one_or_two_stars(stars: int, bad: int) -> None:
    evidence = "11-08" if bad else None
    facts = [completed(at(4)), reviewed(stars, at(6), delivery=5)]
    assert counted("negative_rating", *facts, defined=TAOBAO_2025) == [Counted("11-06", bad, 1, evidence)]
    assert counted("delivery_rating", *facts, defined=TAOBAO_2025) == [Counted("11-06", 0)]
    for defined in (TAOBAO_2025, TAOBAO):
        carried = [completed(at(4)), reviewed(5, at(6), delivery=stars)]
        assert counted("delivery_rating", *carried, defined=defined) == [Counted("11-06", bad, 1, evidence)]


def test_ratings_of_orders_wait_for_the_buyers_confirmation() -> None:
    bad = reviewed(1, at(6))
    for metric in ("negative_rating", "delivery_rating"):
        assert counted(metric, scan("delivered", at(1)), bad, defined=TAOBAO_2025) == NOTHING
        assert counted(metric, completed(at(8)), bad, defined=TAOBAO_2025) == [Counted("11-10", 1)], "known on its day"
        assert counted(metric, completed(at(8)), completed(at(7)), defined=TAOBAO_2025) == [Counted("11-09", 0)]


def test_a_review_without_stars_for_the_delivery_or_taken_down_blames_nobody() -> None:
    done = completed(at(4))
    gone = reviewed(1, at(6), revision=2, removed=True)
    for facts in ([reviewed(1, at(6), delivery=None)], [reviewed(1, at(6)), gone]):
        assert counted("delivery_rating", done, *facts, defined=TAOBAO) == [Counted("11-06", 0)]
    assert counted("negative_rating", done, reviewed(None, at(6)), defined=TAOBAO_2025) == [Counted("11-06", 0)]


# ---------------------------------------------------------------- what comes back


@pytest.mark.parametrize("reason", ["quality", "damaged", "not_wanted", "fake"])
def test_a_return_counts_where_its_first_reason_is_the_metrics(reason: str) -> None:
    facts = [ORDER, scan("delivered", at(3)), asked(at(5), reason), asked(at(6), "quality", revision=2)]

    def found(on: str, wanted: str) -> list[Counted]:
        return [Counted(on, int(reason == wanted), 1, "11-07" if reason == wanted else None)]

    for defined in (DOUYIN, TAOBAO_2025):
        assert counted("quality_returns", *facts, defined=defined) == found("11-05", "quality")
    assert counted("package_damage_returns", *facts, defined=DOUYIN) == found("11-02", "damaged")


def test_returns_of_the_delivered_need_a_delivery_and_those_of_the_paid_a_payment() -> None:
    wanted = asked(at(5), "quality"), asked(at(5), "damaged", refund_id="R2")
    assert counted("quality_returns", ORDER, *wanted, defined=DOUYIN) == NOTHING
    assert counted("package_damage_returns", ORDER, *wanted, defined=DOUYIN) == [Counted("11-02", 1, 1, "11-07")]
    assert counted("package_damage_returns", scan("delivered", at(3)), *wanted, defined=DOUYIN) == NOTHING


# ---------------------------------------------------------------- review_hours


def review_seconds(asked_at: str, decided_at: str, days: int = 0, **decision: Any) -> list[int]:
    facts = [asked(at(0, asked_at, SHANGHAI)), decided(at(days, decided_at, SHANGHAI), **decision)]
    return [one.numerator for one in counted("review_hours", *facts, zone=SHANGHAI, defined=DOUYIN)]


@pytest.mark.parametrize(
    ("asked_at", "seconds"),
    [
        ("22:59:59", 11 * 3600 + 1),
        ("23:00:00", 2 * 3600),
        ("23:59:59", 2 * 3600),
    ],
)
def test_who_asks_in_the_night_asks_in_the_morning(asked_at: str, seconds: int) -> None:
    assert review_seconds(asked_at, "10:00:00", 1) == [seconds]


@pytest.mark.parametrize(
    ("asked_at", "seconds"),
    [("00:00:00", 2 * 3600), ("07:59:59", 2 * 3600), ("08:00:00", 2 * 3600), ("08:00:01", 7199)],
)
def test_the_night_ends_at_eight(asked_at: str, seconds: int) -> None:
    assert review_seconds(asked_at, "10:00:00") == [seconds]


def test_only_the_night_of_the_request_is_left_out() -> None:
    assert review_seconds("12:00:00", "12:00:00", 2) == [48 * 3600]
    assert review_seconds("23:30:00", "23:45:00") == [0], "decided before the morning"


def test_the_review_ends_with_an_agreement_and_a_refusal_has_none() -> None:
    assert review_seconds("09:00:00", "10:00:00", outcome="refunded", by="system") == [3600]
    assert review_seconds("09:00:00", "10:00:00", outcome="refused") == []
    assert review_seconds("09:00:00", "10:00:00", outcome="agreed", by="platform") == []
    facts = [asked(at(0)), decided(at(1), "refused"), decided(at(2), "agreed", revision=3)]
    assert counted("review_hours", *facts, defined=DOUYIN) == NOTHING
    assert counted("review_hours", decided(at(2)), defined=DOUYIN) == NOTHING, "nobody knows since when"


def test_the_platforms_pauses_and_the_buyers_turn_are_in_the_review() -> None:
    pauses = [stepped_in(at(0, "10:00:00")), step_closed(at(0, "11:00:00")), opened(at(0, "09:00:00"))]
    facts = [asked(at(0, "09:00:00")), *pauses, presented(at(0, "09:30:00")), decided(at(0, "12:00:00"))]
    assert counted("review_hours", *facts, defined=DOUYIN) == [Counted("11-02", 3 * 3600)]


# ---------------------------------------------------------------- platform_help of requests


def help_of(*facts: Fact) -> list[Counted]:
    return counted("platform_help", *facts, defined=DOUYIN)


def test_who_asked_the_shop_for_a_refund_may_ask_the_platform() -> None:
    assert help_of(ORDER, stepped_in(at(8))) == NOTHING, "the shop was never asked"
    assert help_of(ORDER, asked(at(5))) == [Counted("11-07", 0, 1)]
    assert help_of(ORDER, asked(at(5)), stepped_in(at(8))) == [Counted("11-07", 0, 1), Counted("11-10", 1, 0)]
    several = [asked(at(5)), asked(at(3), refund_id="R2"), stepped_in(at(8)), stepped_in(at(7), step="S2")]
    assert help_of(*several) == help_of(*reversed(several)) == [Counted("11-05", 0, 1), Counted("11-09", 1, 0)]
    assert counted("platform_help", ORDER, asked(at(5)), defined=TAOBAO) == [Counted("11-02", 0, 1)]


# ---------------------------------------------------------------- chat_dissatisfaction


@pytest.mark.parametrize(("stars", "bad"), [(1, 1), (3, 1), (4, 0), (5, 0)])
def test_three_stars_for_a_chat_are_dissatisfied(stars: int, bad: int) -> None:
    for by in (None, "human", "assisted", "none"):
        facts = rated(at(0), True, stars=stars, by=by)
        assert counted("chat_dissatisfaction", facts, defined=DOUYIN) == [Counted("11-02", bad)]


def test_sessions_of_a_machine_or_without_stars_are_not_among_the_rated() -> None:
    assert counted("chat_dissatisfaction", rated(at(0), False, stars=1, by="bot"), defined=DOUYIN) == NOTHING
    assert counted("chat_dissatisfaction", rated(at(0), False), defined=DOUYIN) == NOTHING
    assert counted("chat_satisfaction", rated(at(0), False, stars=1, by="bot"), defined=DOUYIN) == [Counted("11-02", 0)]


def test_the_latest_stars_count_whichever_comes_first() -> None:
    first, last = rated(at(0), True, stars=5, by="human"), rated(at(1), False, stars=2, by="human")
    for facts in ([first, last], [last, first]):
        assert counted("chat_dissatisfaction", *facts, defined=DOUYIN) == [Counted("11-03", 1)]


# ---------------------------------------------------------------- marks


def marks(defined: Definitions, *facts: Fact) -> dict[str, list[Counted]]:
    found = {
        mark: counted(f"service.{mark}", *facts, defined=defined) for mark in ("freight_insurance", "installation")
    }
    return {mark: cases for mark, cases in found.items() if cases}


def test_orders_are_counted_by_the_services_that_their_pack_knows() -> None:
    order = paid(at(0), insured=True, flags=["installation", "gift_wrap", "next_day_share"])
    assert marks(STANDARD, order) == {"freight_insurance": [Counted("11-02", 1, 0)]}
    assert marks(DOUYIN, order) == {mark: [Counted("11-02", 1, 0)] for mark in ("freight_insurance", "installation")}
    assert marks(TAOBAO, order) == {}
    for other in ("gift_wrap", "next_day_share"):
        assert counted(f"service.{other}", order, defined=DOUYIN) == NOTHING
    flagged = paid(at(0), flags=["freight_insurance"])
    assert marks(STANDARD, flagged) == {"freight_insurance": [Counted("11-02", 1, 0)]}, "said in whichever way"
    assert marks(STANDARD, paid(at(0), insured=False)) == {}


def test_an_order_that_was_called_off_bears_no_service() -> None:
    order = paid(at(0), ship_by=at(2), insured=True)
    assert marks(STANDARD, order, cancelled(at(1))) == {}
    assert marks(STANDARD, order, cancelled(at(3))) != {}


# ---------------------------------------------------------------- items


def items(*facts: Fact, defined: Definitions = STANDARD) -> dict[str, tuple[int, int]]:
    counts = item_counts(order_rows(order_of(*facts), defined).values())
    return {item: (tally.numerator, tally.denominator) for item, tally in counts.items()}


TWO_ITEMS = paid(at(0), ship_by=at(2), items=("I1", "I2", "I1"))


@pytest.mark.parametrize(
    ("fact", "problem"),
    [
        (reviewed(2, at(5)), 1),
        (reviewed(3, at(5)), 0),
        (asked(at(5), "damaged"), 1),
        (asked(at(5), "not_wanted"), 0),
        (scan("picked_up", at(2)), 0),
        (scan("picked_up", at(2, "00:00:01")), 1),
    ],
)
def test_an_order_with_a_problem_is_one_of_each_of_its_items(fact: Fact, problem: int) -> None:
    assert items(TWO_ITEMS, fact) == {"I1": (problem, 1), "I2": (problem, 1)}


def test_several_problems_of_an_order_are_one_and_an_order_called_off_has_no_items() -> None:
    assert items(TWO_ITEMS, reviewed(1, at(5)), asked(at(5))) == {"I1": (1, 1), "I2": (1, 1)}
    assert items(TWO_ITEMS, reviewed(1, at(5)), cancelled(at(1))) == {}
    assert items(reviewed(1, at(5))) == {}


def test_what_is_wrong_with_an_item_is_what_its_pack_calls_negative() -> None:
    damaged = asked(at(5), "damaged")
    assert items(TWO_ITEMS, damaged, defined=TAOBAO) == {"I1": (0, 1), "I2": (0, 1)}
    assert items(TWO_ITEMS, damaged, defined=DOUYIN) == {"I1": (1, 1), "I2": (1, 1)}


def test_items_stand_in_rows_and_not_in_what_is_told_of_days_and_weeks() -> None:
    shop = CountedShop(at(0))
    shop.follow([TWO_ITEMS, paid(at(0), "A2", ship_by=at(2), items=("I2",)), scan("picked_up", at(3))])
    shop.run_until(at(15))
    assert {metric for row in shop.rows(date(2026, 11, 2)).values() for metric in row.metrics} >= {"item.I1", "item.I2"}
    found = item_counts(shop.rows(date(2026, 11, 2)).values())
    assert {item: tally[:2] for item, tally in found.items()} == {"I1": (1, 1), "I2": (1, 2)}
    said = [counts for _, _, counts in (*shop.days(), *shop.weeks())]
    assert said
    assert not [metric for counts in said for metric in counts if metric.startswith("item.")]


def test_a_thousand_items_make_a_day_no_longer() -> None:
    many = order_rows(order_of(paid(at(0), items=[f"I{number}" for number in range(1000)])), STANDARD)
    one = order_rows(order_of(paid(at(0))), STANDARD)
    assert len(item_counts(many.values())) == 1000
    assert summary(many.values()) == summary(one.values())


# ---------------------------------------------------------------- in any order

A_STORY = [
    paid(at(0, "19:10:00"), ship_by=at(2), deliver_by=at(5), items=("I1", "I2"), insured=True, flags=("installation",)),
    due(2, ship_by=at(3), deliver_by=at(6)),
    scan("picked_up", at(3, "08:00:00")),
    anomaly("Raised", "breach", at(4), 3),
    anomaly("Cleared", "breach", at(4), 4, outcome="withdrawn"),
    scan("delivered", at(5)),
    completed(at(7)),
    completed(at(8)),
    reviewed(5, at(8), delivery=2),
    reviewed(2, at(9), revision=2, delivery=3),
    asked(at(6, "23:30:00"), "damaged"),
    asked(at(7), "quality", revision=2),
    decided(at(8), "refused"),
    decided(at(8), "refused", justified=True, revision=3),
    decided(at(9), "agreed", revision=4),
    stepped_in(at(8)),
    cancelled(at(5)),
]  # fmt: skip
A_CHAT = [
    wrote("buyer", at(0, "10:00:00")),
    wrote("human", at(0, "10:02:00")),
    rated(at(1), True, stars=2, by="human"),
    rated(at(1), True, stars=2, by="bot"),
    rated(at(1), True, stars=4, by="human"),
    rated(at(1), False, resolved=False, stars=5),
]


@pytest.mark.parametrize("defined", [STANDARD, DOUYIN, TAOBAO, TAOBAO_2025], ids=["standard", "douyin", "now", "then"])
def test_whatever_order_facts_come_in_every_pack_counts_the_same(defined: Definitions) -> None:
    orders = order_rows(order_of(*A_STORY, zone=SHANGHAI), defined)
    chats = session_rows(session_of(*A_CHAT, zone=SHANGHAI), defined)
    counted_metrics = {metric for row in (*orders.values(), *chats.values()) for metric in row.metrics}
    negotiated = {"net_keep_rate.offer", "net_keep_rate.hold_out", "door_delivery"}
    metrics = {metric.id for metrics in defined.by_formula.values() for metric in metrics}
    assert metrics - negotiated - {"review_hours"} <= counted_metrics
    draw = random.Random(7)
    for _ in range(40):
        told = draw.sample([*A_STORY, *draw.sample(A_STORY, 6)], len(A_STORY) + 6)
        assert order_rows(order_of(*told, zone=SHANGHAI), defined) == orders
        told = draw.sample([*A_CHAT, *draw.sample(A_CHAT, 2)], len(A_CHAT) + 2)
        assert session_rows(session_of(*told, zone=SHANGHAI), defined) == chats


def test_a_payment_told_late_makes_an_order_its_packs() -> None:
    """Before the payment is known nobody knows which pack holds; afterwards it is the one of that time."""
    for names in (A_STORY, A_STORY[1:] + A_STORY[:1]):
        shop = CountedShop(at(20), pack="douyin")
        shop.hear(*names)
        rows = {day: shop.rows(at(day).date()) for day in range(12)}
        found = {metric for held in rows.values() for row in held.values() for metric in row.metrics}
        assert {"lane_delivery", "package_damage_returns", "service.installation"} <= found
        assert rows[6]["A1"].metrics["platform_help"] == (0, 1, None)


def test_an_order_is_counted_by_the_pack_that_was_in_force_when_it_was_paid() -> None:
    shop = CountedShop(at(-300), pack="taobao")
    shop.hear(paid(at(-303)), scan("delivered", at(-301)), asked(at(-300), "quality"))  # of 2025
    assert shop.rows(at(-301).date())["A1"].metrics["quality_returns"] == (1, 1, at(-300).date())
    shop.hear(paid(at(-1), "A2"), scan("delivered", at(0), order_id="A2"))
    assert "quality_returns" not in shop.rows(at(0).date())["A2"].metrics
