"""The card of a shop: from counts to points, what is shown, and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aftercare.events.scores import ScorePublished
from aftercare.events.vocabulary import Window
from aftercare.rulepacks.scores import Metric, ScoreRules, score_pack
from aftercare.scores.model.benchmarks import (
    CategoryBar,
    Measure,
    MetricBar,
    bar_from_item,
    bar_to_item,
    category_bar,
)
from aftercare.scores.model.card import Card, MetricLine, MiscountedMeasure, ServiceUse, card, published, shown_score
from aftercare.scores.model.explain import change, next_step, with_good_cases

STANDARD = score_pack("standard-1")
TAOBAO = score_pack("taobao-2026-03")
DOUYIN = score_pack("douyin-2026-09")
METRICS = {metric.id: metric for metric in STANDARD.metrics}

# a shop that is at the target of everything
AVERAGE = {
    "negative_feedback": (5, 500),
    "positive_rating": (190, 200),
    "damage_returns": (1, 500),
    "on_time_pickup": (475, 500),
    "arrival_hours": (500 * 72 * 3600, 500),
    "on_time_delivery": (450, 500),
    "trace_anomalies": (5, 500),
    "door_delivery": (90, 100),
    "ship_hours": (500 * 24 * 3600, 500),
    "reply_3min": (240, 300),
    "reply_seconds": (300 * 60, 300),
    "chat_satisfaction": (70, 100),
    "refund_hours": (40 * 24 * 3600, 40),
    "refund_refusals": (2, 40),
    "platform_help": (0, 500),
}


def measures(**changed: tuple[int, int]) -> list[Measure]:
    return [Measure(id_, *counts) for id_, counts in {**AVERAGE, **changed}.items()]


def standard(*, valid_orders: int = 500, category: CategoryBar | None = None, **changed: tuple[int, int]) -> Card:
    return card(STANDARD, measures(**changed), category, valid_orders=valid_orders)


def line(of: Card, id_: str) -> MetricLine:
    return next(each for each in of.metrics if each.metric.id == id_)


def points(of: Card, id_: str) -> Fraction:
    text = line(of, id_).points
    assert text is not None
    return Fraction(text)


def exact(of: Card) -> Fraction:
    assert of.exact is not None
    return of.exact


# ---------------------------------------------------------------- the sum


def test_a_shop_at_the_usual_of_everything_has_the_usual_points() -> None:
    counted = {metric.id: Measure(metric.id, 0, 0) for metric in STANDARD.metrics}
    usual = card(STANDARD, counted.values(), valid_orders=500)
    assert {line.points for line in usual.metrics if line.metric.weight} == {"80.00"}
    assert (usual.score, usual.shown, usual.service_weight, usual.grade) == ("80.0000", "4.5", "1.0000", "medium")


def test_the_published_numbers_add_up_to_the_score() -> None:
    shop = card(
        STANDARD,
        measures(negative_feedback=(17, 500), on_time_pickup=(499, 500)),
        services=[ServiceUse("freight_insurance", 3, 500, active_days=2), ServiceUse("next_day_share", 99, 500)],
        violations={"bad_return_address": 2},
        valid_orders=500,
    )
    assert [(item.id, item.points) for item in shop.bonus] == [("freight_insurance", "2.00")]
    assert [(item.id, item.points) for item in shop.deductions] == [("bad_return_address", "-4.00")]
    total = sum(Fraction(each.points or 0) * each.metric.weight / 100 for each in shop.metrics)
    assert Fraction(shop.score or 0) == total + 2 - 4
    assert sum(each.contribution for each in shop.metrics) == total
    assert sum(each.share for each in shop.metrics) == 1


def test_a_card_fills_the_event_of_a_published_score() -> None:
    shop = standard()
    moment = datetime(2026, 11, 2, tzinfo=UTC)
    event = ScorePublished(
        week="2026-W44", window=Window(from_=moment.replace(month=10, day=3), to=moment), revision=1, **published(shop)
    )
    assert event.pack == "standard-1"
    assert [measure.id for measure in event.metrics] == [metric.id for metric in STANDARD.metrics]
    assert ScorePublished.model_validate_json(event.model_dump_json(by_alias=True)) == event
    pickup = next(measure for measure in event.metrics if measure.id == "on_time_pickup")
    assert (pickup.numerator, pickup.denominator, pickup.value) == (475, 500, "0.9500")
    assert pickup.interval is not None
    assert (pickup.interval.low, pickup.interval.high) == ("0.9272", "0.9659")
    assert [dimension.weight for dimension in event.dimensions] == ["0.28", "0.30", "0.42"]
    unseen = next(measure for measure in event.metrics if measure.id == "pickup_24h")
    assert (unseen.numerator, unseen.denominator, unseen.value, unseen.points, unseen.interval) == (
        0,
        0,
        None,
        None,
        None,
    )


def test_times_are_valued_in_their_unit() -> None:
    shop = standard(ship_hours=(100_000, 3), reply_seconds=(100, 3))
    assert (line(shop, "ship_hours").value, line(shop, "reply_seconds").value) == ("9.26", "33.33")
    assert line(shop, "ship_hours").interval is None


def test_a_metric_of_weight_nothing_is_counted_and_not_scored() -> None:
    shop = standard(pickup_24h=(10, 500))
    assert (line(shop, "pickup_24h").value, line(shop, "pickup_24h").points) == ("0.0200", None)
    assert shop.score == standard().score


def test_bonus_and_deductions_stay_on_the_scale() -> None:
    best = {metric.id: (0, 10_000) if metric.better == "lower" else (10_000, 10_000) for metric in STANDARD.metrics}
    services = [ServiceUse("next_day_share", 9000, 10_000)]
    assert card(STANDARD, measures(**best), services=services, valid_orders=10_000).score == "100.0000"
    worst = {"brushing": 3, "bad_return_address": 9, "invoice_refused": 9, "not_as_described": 9, "speeding": 1}
    shop = card(STANDARD, measures(), violations=worst, valid_orders=500)
    assert [item.points for item in shop.deductions] == ["-10.00"] * 4
    assert (shop.score, shop.shown) == ("50.0000", "3.0")
    assert shop.unpriced == ("speeding",)


def test_insurance_counts_only_while_it_was_on() -> None:
    def bonus(days: int | None) -> tuple[object, ...]:
        use = ServiceUse("freight_insurance", 1, 500, days)
        return card(STANDARD, measures(), services=[use], valid_orders=500).bonus

    assert bonus(1) == bonus(None) == ()
    assert len(bonus(2)) == 1


@pytest.mark.parametrize("counts", [(2, 1), (-1, 1), (0, -1)])
def test_a_count_that_cannot_be_is_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(MiscountedMeasure, match="on_time_pickup"):
        standard(on_time_pickup=counts)


def test_an_order_may_need_the_platform_twice() -> None:
    assert line(standard(platform_help=(12, 10)), "platform_help").value == "1.2000"
    assert points(standard(platform_help=(12, 0)), "platform_help") == 50


# ---------------------------------------------------------------- what is not shown


def test_under_thirty_orders_a_score_is_computed_and_not_shown() -> None:
    few, enough = standard(valid_orders=29), standard(valid_orders=30)
    assert (few.shown, few.reason) == (None, "too_few_orders")
    assert few.score == enough.score
    assert (enough.shown, enough.reason) == (shown_score(STANDARD, Decimal(enough.score or 0)), None)


def test_what_was_not_seen_counts_as_usual_where_there_is_a_prior() -> None:
    shop = standard(positive_rating=(0, 0))
    rating = line(shop, "positive_rating")
    assert (rating.value, rating.points, rating.note, rating.label) == (None, "80.00", "prior_only", "no_data")


def test_without_a_prior_a_metric_is_left_out_and_then_its_dimension() -> None:
    shop = card(TAOBAO, [Measure("positive_rating", 95, 100), Measure("reply_3min", 85, 100)], valid_orders=100)
    assert [(each.id, each.points, each.weight) for each in shop.dimensions] == [
        ("quality", shop.metrics[1].points, "0.25"),
        ("logistics", None, "0.25"),
        ("service", "4.00", "0.50"),
    ]
    quality = points(shop, "positive_rating")
    assert exact(shop) == (25 * quality + 50 * 4) / 75
    assert line(shop, "on_time_pickup").note == "left_out"


def test_where_nothing_was_measured_there_is_no_score() -> None:
    shop = card(TAOBAO, [], valid_orders=100)
    assert (shop.score, shop.shown, shop.reason, shop.grade) == (None, None, "nothing_measured", None)
    assert shop.service_weight == "1.0000"
    assert next_step(shop) is None


# ---------------------------------------------------------------- small shops


@pytest.mark.parametrize("id_", [id_ for id_, metric in METRICS.items() if metric.weight and metric.kind != "mean"])
def test_one_bad_order_in_ten_moves_nobody(id_: str) -> None:
    good = {"lower": (0, 10), "higher": (10, 10)}[METRICS[id_].better]
    bad = {"lower": (1, 10), "higher": (9, 10)}[METRICS[id_].better]
    assert points(standard(**{id_: good}), id_) == points(standard(**{id_: bad}), id_)
    assert line(standard(**{id_: bad}), id_).note == "guarded"


def test_three_defects_in_sixty_sales_are_five_percent_and_still_no_pattern() -> None:
    # eBay: beyond the rate AND more than so many cases
    three, five = standard(negative_feedback=(3, 60)), standard(negative_feedback=(5, 60))
    assert line(three, "negative_feedback").value == "0.0500"
    assert points(three, "negative_feedback") == points(standard(negative_feedback=(0, 60)), "negative_feedback")
    assert points(five, "negative_feedback") < 60


def test_a_few_perfect_orders_are_no_perfect_shop() -> None:
    few, many = standard(on_time_pickup=(5, 5)), standard(on_time_pickup=(5000, 5000))
    assert 80 < points(few, "on_time_pickup") < 85
    assert points(many, "on_time_pickup") == 100


def test_one_lost_parcel_is_not_a_slow_shop() -> None:
    normal, year = 12 * 3600, 365 * 24 * 3600
    cap = METRICS["ship_hours"].cap_seconds or 0
    counted = [
        Measure("ship_hours", 99 * normal + year, 100, 99 * normal + cap),
        Measure("ship_hours", 99 * normal + year, 100),
    ]
    cut, whole = (card(STANDARD, [each], valid_orders=100) for each in counted)
    assert line(cut, "ship_hours").value == line(whole, "ship_hours").value == "99.48"
    assert points(cut, "ship_hours") > 80
    assert points(whole, "ship_hours") == 50


def test_an_alarm_needs_more_than_a_few_bad_cases() -> None:
    def label(counts: tuple[int, int]) -> str | None:
        return line(standard(negative_feedback=counts), "negative_feedback").label

    assert [label((0, 10)), label((1, 10)), label((10, 100))] == ["on_target", "below_target", "alarm"]
    assert line(standard(reply_3min=(240, 300)), "reply_3min").label == "on_target"
    assert line(standard(reply_3min=(200, 300)), "reply_3min").label == "alarm"


# ---------------------------------------------------------------- Douyin's own


@pytest.mark.parametrize(
    ("score", "shown"),
    [(100, "5.0"), (97, "5.0"), (96, "4.9"), (93, "4.9"), (92, "4.8"), (64, "4.1"), (61, "4.1"), (60, "4.0"),
     (59, "3.9"), (51, "3.1"), (50, "3.0"), (49, "3.0"), (0, "3.0")],
)  # fmt: skip
def test_douyin_shows_scores_by_its_table(score: int, shown: str) -> None:
    assert shown_score(DOUYIN, Decimal(score)) == shown


def test_douyin_shows_every_whole_score_as_its_rule_counts() -> None:
    for score in range(50, 101):
        tenths = 50 - -(-max(0, 97 - score) // 4) if score >= 61 else score - 20
        assert shown_score(DOUYIN, Decimal(score)) == f"{tenths / 10:.1f}"


def douyin_points(shop_class: str, orders: int, bad: int) -> str | None:
    shop = card(DOUYIN, [Measure("quality_returns", bad, orders)], valid_orders=orders, shop_class=shop_class)
    return line(shop, "quality_returns").points


def test_douyin_leaves_a_metric_at_80_while_too_little_was_seen() -> None:
    assert douyin_points("flagship", 280, 3) == "80.00"
    assert douyin_points("flagship", 280, 4) == "76.79"  # 4 of 280 on the tiers
    assert douyin_points("flagship", 300, 3) == "80.00"  # by the tiers: exactly 1 %
    assert douyin_points("flagship", 299, 0) == "80.00"
    assert douyin_points("flagship", 300, 0) == "100.00"
    assert douyin_points("other", 300, 0) == "80.00"
    assert douyin_points("other", 500, 0) == "100.00"


def test_douyins_satisfaction_needs_more_than_three_rated_sessions() -> None:
    def of(counts: tuple[int, int]) -> str | None:
        shop = card(DOUYIN, [Measure("chat_dissatisfaction", *counts)], valid_orders=900)
        return line(shop, "chat_dissatisfaction").points

    assert (of((3, 3)), of((4, 4))) == ("80.00", "50.00")


def test_taobaos_samples_have_their_scores() -> None:
    shop = card(
        TAOBAO,
        [
            Measure("negative_feedback", 13, 10_000),
            Measure("positive_rating", 9724, 10_000),
            Measure("arrival_hours", 145_512, 1),
            Measure("reply_3min", 8500, 10_000),
            Measure("chat_satisfaction", 973, 1000),
            Measure("refund_hours", 4824, 1),
            Measure("platform_help", 4, 10_000),
        ],
        valid_orders=10_000,
    )
    assert [each.points for each in shop.metrics if each.points] == [
        "5.00",
        "4.80",
        "5.00",
        "4.00",
        "5.00",
        "5.00",
        "5.00",
    ]


# ---------------------------------------------------------------- a better order never hurts

CASES = st.integers(0, 60) | st.integers(0, 3000)
SCORED = [metric for metric in STANDARD.metrics if metric.weight]


@st.composite
def counts(draw: st.DrawFn, metric: Metric) -> Measure:
    cases = draw(CASES)
    if metric.kind == "mean":
        most = 2 * (metric.cap_seconds or 600)
        each = draw(st.integers(0, most))
        return Measure(metric.id, cases * each, cases, min(cases * each, cases * (metric.cap_seconds or most)))
    bad = min(draw(st.integers(0, 6) | st.integers(0, cases)), cases)
    return Measure(metric.id, bad if metric.better == "lower" else cases - bad, cases)


@st.composite
def bars(draw: st.DrawFn) -> CategoryBar | None:
    if draw(st.booleans()):
        return None
    found = {}
    for metric in SCORED:
        values = st.decimals(0, 1, places=3) if metric.kind != "mean" else st.decimals(0, 400, places=1)
        quantiles = tuple(sorted(draw(st.lists(values, min_size=5, max_size=5))))
        found[metric.id] = MetricBar(draw(st.sampled_from((29, 30))), quantiles, Decimal(draw(st.integers(10, 200))))
    return CategoryBar("home", "2026-W44", found)


@st.composite
def shops(draw: st.DrawFn) -> Shop:
    counted = {metric.id: draw(counts(metric)) for metric in SCORED if draw(st.booleans())}
    return (
        counted,
        draw(bars()),
        draw(st.dictionaries(st.sampled_from(("brushing", "bad_return_address")), st.integers(0, 4))),
    )


Shop = tuple[dict[str, Measure], CategoryBar | None, dict[str, int]]


def scored(counted: Mapping[str, Measure], bar: CategoryBar | None, violations: dict[str, int]) -> Card:
    return card(STANDARD, counted.values(), bar, violations=violations, valid_orders=50)


def not_lower(better: Card, than: Card) -> None:
    assert exact(better) >= exact(than)
    assert Fraction(better.shown or 0) >= Fraction(than.shown or 0)
    assert Fraction(better.service_weight) >= Fraction(than.service_weight)


@given(shops(), st.sampled_from(SCORED), st.integers(1, 40))
def test_a_good_case_more_never_lowers_a_standard_score(shop: Shop, metric: Metric, cases: int) -> None:
    counted, bar, violations = shop
    before = counted.get(metric.id, Measure(metric.id, 0, 0))
    known = None if bar is None or bar.metrics[metric.id].peers < 30 else bar.metrics[metric.id]
    better = counted | {metric.id: with_good_cases(metric, before, cases, known)}
    not_lower(scored(better, bar, violations), scored(counted, bar, violations))


@given(shops(), st.sampled_from(SCORED), st.data())
def test_a_bad_case_less_never_lowers_a_standard_score(shop: Shop, metric: Metric, data: st.DataObject) -> None:
    counted, bar, violations = shop
    before = data.draw(counts(metric))
    worse = before.numerator if metric.better == "lower" else before.denominator - before.numerator
    assume(worse > 0)
    less = data.draw(st.integers(1, worse))
    change_ = -less if metric.better == "lower" else less
    after = before._replace(numerator=before.numerator + change_)
    if before.winsorised is not None:
        after = after._replace(winsorised=min(before.winsorised, after.numerator))
    not_lower(
        scored(counted | {metric.id: after}, bar, violations), scored(counted | {metric.id: before}, bar, violations)
    )


@given(shops())
def test_an_order_with_nothing_wrong_never_lowers_a_standard_score(
    shop: Shop,
) -> None:
    counted, _, violations = shop
    better = dict(counted)
    for metric in SCORED:
        if metric.cases == "orders":
            better[metric.id] = with_good_cases(metric, counted.get(metric.id, Measure(metric.id, 0, 0)), 1)
    not_lower(scored(better, None, violations), scored(counted, None, violations))


# ---------------------------------------------------------------- the category's bar


def peers(count: int, *, of: int = 200) -> list[list[Measure]]:
    return [
        [Measure("on_time_pickup", of - shop % 40, of), Measure("ship_hours", of * 3600 * (10 + shop), of)]
        for shop in range(count)
    ]


def test_among_thirty_shops_one_knows_how_many_percent_it_beats() -> None:
    bar = category_bar(STANDARD, "home", "2026-W44", peers(40))
    shop = standard(category=bar, ship_hours=(500 * 3600 * 12, 500), on_time_pickup=(500, 500))
    pickup, shipping = line(shop, "on_time_pickup"), line(shop, "ship_hours")
    assert pickup.beats is not None
    assert pickup.beats > 80
    assert (shipping.beats, shipping.points) == (88, "99.09")
    slowest = line(standard(category=bar, ship_hours=(500 * 3600 * 90, 500)), "ship_hours")
    assert (slowest.beats, slowest.points) == (0, "50.00")


def test_among_fewer_than_thirty_the_packs_tiers_count_and_nobody_is_beaten() -> None:
    bar = category_bar(STANDARD, "home", "2026-W44", peers(29))
    shop = standard(category=bar)
    assert line(shop, "ship_hours").beats is None
    assert shop._replace(terms=standard().terms) == standard()


def test_in_a_category_of_good_shops_a_good_one_is_not_bad() -> None:
    bar = CategoryBar("home", "2026-W44", {"on_time_pickup": MetricBar(900, (Decimal("0.999"),) * 5, Decimal(10))})
    assert points(standard(category=bar, on_time_pickup=(4900, 5000)), "on_time_pickup") == 80
    assert points(standard(category=bar, on_time_pickup=(5000, 5000)), "on_time_pickup") == 100
    assert points(standard(category=bar, on_time_pickup=(4000, 5000)), "on_time_pickup") < 60


def test_tiny_shops_hardly_move_a_bar() -> None:
    tiny = [[Measure("on_time_pickup", 0, 1)] for _ in range(40)]
    alone = category_bar(STANDARD, "home", "w", peers(40))
    beside = category_bar(STANDARD, "home", "w", [*peers(40), *tiny])
    assert beside.metrics["on_time_pickup"].quantiles[1:] == alone.metrics["on_time_pickup"].quantiles[1:]


def test_a_bar_is_kept_as_plain_text() -> None:
    bar = category_bar(STANDARD, "home", "2026-W44", peers(40))
    assert bar_from_item(bar_to_item(bar)) == bar
    assert bar_to_item(bar)["metrics"]["on_time_pickup"]["quantiles"][2] == "0.900000"


def test_the_order_of_shops_does_not_change_a_bar() -> None:
    assert category_bar(STANDARD, "a", "w", peers(40)) == category_bar(STANDARD, "a", "w", reversed(peers(40)))


# ---------------------------------------------------------------- explained


def test_a_change_is_split_into_what_left_and_what_entered() -> None:
    before = standard(on_time_pickup=(90, 100))
    after = standard(on_time_pickup=(98, 100))
    moved = change(before, after, [Measure("on_time_pickup", 18, 26)], [Measure("on_time_pickup", 26, 26)])
    pickup = next(each for each in moved.metrics if each.id == "on_time_pickup")
    assert moved.total == pickup.after - pickup.before > 0
    assert pickup.left > 0
    assert pickup.entered > 0
    assert pickup.restated == 0
    assert {each.left + each.entered + each.restated for each in moved.metrics if each is not pickup} == {Fraction(0)}


def test_what_neither_left_nor_entered_was_restated() -> None:
    before, after = standard(on_time_pickup=(90, 100)), standard(on_time_pickup=(95, 100))
    pickup = next(each for each in change(before, after).metrics if each.id == "on_time_pickup")
    assert (pickup.left, pickup.entered) == (0, 0)
    assert pickup.restated == pickup.after - pickup.before > 0


@settings(max_examples=25)
@given(shops(), shops(), shops(), shops())
def test_the_parts_of_a_change_add_up(
    before: Shop,
    after: Shop,
    left: Shop,
    entered: Shop,
) -> None:
    one, other = scored(*before), scored(*after)
    moved = change(one, other, left[0].values(), entered[0].values())
    assert moved.total == exact(other) - exact(one)
    parts = sum(each.left + each.entered + each.restated for each in moved.metrics)
    assert parts + moved.bonus + moved.deductions + moved.limits == moved.total


def with_good_orders(orders: int) -> Card:
    more = [
        with_good_cases(METRICS[each.id], each, orders) if METRICS[each.id].cases == "orders" else each
        for each in measures()
    ]
    return card(STANDARD, more, valid_orders=500)


def test_so_many_good_orders_to_the_next_tenth() -> None:
    step = next_step(standard())
    assert step is not None
    assert step.good_orders is not None
    assert [standard().shown, step.shown] == ["4.6", "4.7"]
    assert [with_good_orders(step.good_orders - 1).shown, with_good_orders(step.good_orders).shown] == ["4.6", "4.7"]


def test_so_many_good_cases_of_one_metric_or_never() -> None:
    step = next_step(standard())
    assert step is not None
    enough = step.good_cases["negative_feedback"]
    assert enough is not None
    shown = [standard(negative_feedback=(5, 500 + cases)).shown for cases in (enough - 1, enough)]
    assert shown == ["4.6", "4.7"]
    assert step.good_cases["door_delivery"] is None
    assert "pickup_24h" not in step.good_cases


def test_at_the_top_there_is_no_next_step() -> None:
    best = {metric.id: (0, 100_000) if metric.better == "lower" else (100_000, 100_000) for metric in SCORED}
    shop = standard(**best)
    assert shop.shown == "5.0"
    assert next_step(shop) is None


def test_history_is_scored_again_as_it_was() -> None:
    old: ScoreRules = score_pack("taobao-2025-06")
    counted = [
        Measure("quality_returns", 1, 100),
        Measure("negative_rating", 1, 200),
        Measure("negative_feedback", 50, 100),
    ]
    shop = card(old, counted, valid_orders=100)
    assert (shop.score, shop.shown, published(shop)["pack"]) == ("4.0000", "4.0", "taobao-2025-06")
