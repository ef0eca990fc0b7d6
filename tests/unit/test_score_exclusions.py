"""What somebody kept out of a metric: gone from both sides of it, counted apart, and brought back when it is lifted."""

from __future__ import annotations

import random
from datetime import date

import pytest
from scores import (
    DOUYIN,
    STANDARD,
    CountedShop,
    Fact,
    asked,
    at,
    closed,
    decided,
    opened,
    order_of,
    paid,
    rated,
    reviewed,
    scan,
    session_of,
    stepped_in,
    wrote,
)

from aftercare.rulepacks.scores import Definitions
from aftercare.scores.ledger import changed_rows
from aftercare.scores.model.contributions import EXCLUDED, excluded_metrics, order_rows, session_rows
from aftercare.scores.model.days import item_counts, summary, week_measures
from aftercare.scores.model.exclusions import brought_back, excluded
from aftercare.scores.model.records import Exclusion, OrderRecord, SessionRecord

Totals = dict[str, tuple[int, int]]

ORDER: list[Fact] = [
    paid(at(0), ship_by=at(1), deliver_by=at(4), door=True, insured=True),
    scan("picked_up", at(2)),
    scan("delivered", at(3), signed_by="locker"),
    reviewed(1, at(6)),
    asked(at(5), "damaged"),
    decided(at(6), "refused"),
    stepped_in(at(6)),
]
CHAT: list[Fact] = [
    wrote("buyer", at(0, "10:00:00")),
    wrote("human", at(0, "10:09:00")),
    wrote("buyer", at(1, "10:00:00")),
    wrote("human", at(1, "10:01:00")),
    rated(at(1), False),
]


def totals(record: OrderRecord | SessionRecord, defined: Definitions = STANDARD) -> Totals:
    """What the record adds to each metric, over all its days."""
    rows = order_rows(record, defined) if isinstance(record, OrderRecord) else session_rows(record, defined)
    found: Totals = {}
    for row in rows.values():
        for metric, (numerator, denominator, _) in row.metrics.items():
            was = found.get(metric, (0, 0))
            found[metric] = (was[0] + numerator, was[1] + denominator)
    return found


def without(record: OrderRecord, *metrics: str) -> OrderRecord:
    return excluded(record, metrics, "a flood", "lin", at(9))


# ---------------------------------------------------------------- what a record adds


@pytest.mark.parametrize("metric", sorted(each for each in totals(order_of(*ORDER)) if not each.startswith("item.")))
def test_an_order_kept_out_of_a_metric_leaves_both_sides_of_it_and_is_counted_apart(metric: str) -> None:
    whole = totals(order_of(*ORDER))
    found = totals(without(order_of(*ORDER), metric))
    assert metric not in found
    assert found[EXCLUDED + metric][0] == 0
    assert found[EXCLUDED + metric][1] >= 1
    del whole[metric], found[EXCLUDED + metric]
    assert found == whole, "and no other one"


def test_an_order_kept_out_of_all_is_in_none() -> None:
    whole, found = totals(order_of(*ORDER)), totals(without(order_of(*ORDER), "*"))
    assert {metric for metric in found if "item." not in metric} == {
        EXCLUDED + metric for metric in whole if not metric.startswith("item.")
    }
    assert {counts[0] for counts in found.values()} == {0}
    assert item_counts(order_rows(without(order_of(*ORDER), "*"), STANDARD).values()) == {}


def test_an_excluded_case_lies_on_its_own_day_and_waits_for_no_evidence() -> None:
    record = without(order_of(*ORDER), "negative_feedback", "refund_hours")
    rows = order_rows(record, STANDARD)
    assert rows[at(3).date(), "A1"].metrics["excluded.negative_feedback"] == (0, 1, None)
    assert rows[at(6).date(), "A1/R1"].metrics["excluded.refund_hours"] == (0, 1, None)
    assert rows[at(6).date(), "A1/R1"].metrics["refund_refusals"] == (1, 1, None)


def test_a_chat_kept_out_is_counted_apart_round_by_round() -> None:
    session = excluded(session_of(*CHAT), ["reply_3min"], "an outage", "lin", at(9))
    assert totals(session_of(*CHAT))["reply_3min"] == (1, 2)
    found = totals(session)
    assert (found["excluded.reply_3min"], found["reply_seconds"]) == ((0, 2), (10 * 60, 2))
    assert "reply_3min" not in found
    assert set(totals(excluded(session_of(*CHAT), ["*"], "an outage", "lin", at(9)))) == {
        "excluded.reply_3min",
        "excluded.reply_seconds",
        "excluded.chat_satisfaction",
    }


def test_what_is_lifted_is_counted_as_if_it_had_never_been_kept_out() -> None:
    for metrics in (["ship_hours"], ["*"], ["ship_hours", "positive_rating"]):
        record = without(order_of(*ORDER), *metrics)
        lifted = brought_back(record, metrics, "wang", at(10))
        assert order_rows(lifted, STANDARD) == order_rows(order_of(*ORDER), STANDARD)
        assert {each.lifted_by for each in lifted.exclusions} == {"wang"}, "it stays on record"
    part = brought_back(without(order_of(*ORDER), "ship_hours", "positive_rating"), ["ship_hours"], "wang", at(10))
    assert excluded_metrics(part.exclusions) == {"positive_rating"}
    again = without(part, "ship_hours")
    assert excluded_metrics(again.exclusions) == {"positive_rating", "ship_hours"}
    assert len(again.exclusions) == 3


def test_two_exclusions_of_one_metric_are_lifted_one_by_one() -> None:
    standing, gone = Exclusion("*", "a flood", "lin", at(9)), Exclusion("ship_hours", "x", "lin", at(9), "wang", at(10))
    assert excluded_metrics((standing, gone)) == {"*"}
    assert "ship_hours" not in totals(order_of(*ORDER)._replace(exclusions=(standing, gone)))


def test_items_of_an_excluded_order_stay_out_of_what_is_told_of_days() -> None:
    """There are as many items as a shop has, kept out or not."""
    for record in (order_of(*ORDER), without(order_of(*ORDER), "*")):
        days = summary(order_rows(record, STANDARD).values())
        assert not [metric for metric in days if "item." in metric]


def test_an_excluded_case_is_counted_in_the_window_of_its_metric() -> None:
    case = [opened(at(0)), closed(at(1))]
    record = without(order_of(*case), "net_keep_rate.offer")
    for days in (7, 14, 21, 28, 35, 42, 49):
        end = at(days).date()

        def cases(of: OrderRecord, metric: str, end: date = end) -> list[int]:
            by_day = {day: summary([row]) for (day, _), row in order_rows(of, STANDARD).items()}
            return [each.denominator for each in week_measures(by_day, end, STANDARD.counting) if each.id == metric]

        counted_in = cases(order_of(*case), "net_keep_rate.offer")
        assert cases(record, "excluded.net_keep_rate.offer") == counted_in, end


def test_metrics_of_a_pack_can_be_excluded_too() -> None:
    record = without(order_of(*ORDER), "lane_delivery")
    assert totals(record, DOUYIN)["excluded.lane_delivery"] == (0, 1)
    assert totals(record, STANDARD) == totals(order_of(*ORDER))


def test_a_fact_told_afterwards_is_kept_out_as_well() -> None:
    record = without(order_of(*ORDER[:3]), "positive_rating")
    later = order_of(*ORDER)._replace(exclusions=record.exclusions)
    assert totals(later)["excluded.positive_rating"] == (0, 1)
    told = changed_rows(order_rows(order_of(*ORDER), STANDARD), order_rows(later, STANDARD))
    assert [(row.subject, row.metrics) for row in told] == [("A1/V1", {"excluded.positive_rating": (0, 1, None)})]


# ---------------------------------------------------------------- what is published


def told_shop() -> CountedShop:
    shop = CountedShop(at(-1))
    shop.follow(
        sorted([*ORDER, reviewed(5, at(2), review_id="V2", order_id="A2")], key=lambda one: one.metadata.occurred_at)
    )
    shop.run_until(at(8))
    return shop


def test_a_published_week_is_restated_without_the_case_and_again_with_it() -> None:
    shop = told_shop()
    first = shop.weeks()[-1][2]
    assert first["positive_rating"] == (1, 2)
    shop.exclude("positive_rating")
    assert len(shop.weeks()) == 1, "it is counted at three"
    shop.run_until(at(9))
    [_, (week, revision, second)] = shop.weeks()
    assert (week, revision) == ("2026-W45", 2)
    assert second == {**first, "positive_rating": (1, 1)}
    assert shop.days()[-1][2]["excluded.positive_rating"] == (0, 1)
    shop.bring_back("positive_rating")
    shop.run_until(at(10))
    assert shop.weeks()[-1] == ("2026-W45", 3, first)
    assert "excluded.positive_rating" not in shop.days()[-1][2]


def test_an_order_kept_out_of_all_leaves_the_week_and_no_other() -> None:
    shop = told_shop()
    shop.exclude("*")
    shop.run_until(at(9))
    assert shop.weeks()[-1][2] == {"positive_rating": (1, 1)}
    alone = CountedShop(at(-1))
    alone.follow([reviewed(5, at(2), review_id="V2", order_id="A2")])
    alone.run_until(at(9))
    assert shop.weeks()[-1][2] == alone.weeks()[-1][2]


def test_kept_out_before_or_after_the_facts_and_in_any_order_the_same_is_counted() -> None:
    expected = told_shop()
    expected.exclude("positive_rating", "ship_hours")
    expected.run_until(at(16))
    draw = random.Random(2)
    for _ in range(6):
        shop = CountedShop(at(7))
        told = draw.sample([*ORDER, *draw.sample(ORDER, 3)], len(ORDER) + 3)
        part = draw.randrange(1, len(told))
        shop.hear(*told[:part])
        shop.exclude("positive_rating", "ship_hours")
        shop.hear(*told[part:], reviewed(5, at(2), review_id="V2", order_id="A2"))
        shop.run_until(at(16))
        assert [shop.rows(at(day).date()) for day in range(8)] == [expected.rows(at(day).date()) for day in range(8)]
        assert shop.finals()[1] == expected.finals()[1]
