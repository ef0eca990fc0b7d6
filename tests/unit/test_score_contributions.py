"""What the facts about an order or a chat add to each metric, and on which local day."""

from __future__ import annotations

from datetime import timedelta

import pytest
from scores import (
    COUNTING,
    STANDARD,
    Counted,
    Fact,
    anomaly,
    answered,
    asked,
    at,
    cancelled,
    closed,
    counted,
    decided,
    due,
    entry,
    opened,
    order_of,
    paid,
    presented,
    rated,
    reviewed,
    round_closed,
    scan,
    session_of,
    shipped,
    step_closed,
    stepped_in,
    traced,
    wrote,
)

from aftercare.rulepacks.scores import score_pack
from aftercare.scores.ledger import changed_rows
from aftercare.scores.model.contributions import order_rows, session_rows
from aftercare.scores.model.facts import fold_order

SHANGHAI, NEW_YORK = "Asia/Shanghai", "America/New_York"
SHIP_BY = at(2, "10:00:00")
DELIVER_BY = at(6, "20:00:00")
ORDER = paid(at(0, "10:00:00"), ship_by=SHIP_BY, deliver_by=DELIVER_BY)
NOTHING: list[Counted] = []


# ---------------------------------------------------------------- on_time_pickup


@pytest.mark.parametrize(("picked_up", "in_time"), [("10:00:00", 1), ("10:00:01", 0)])
def test_a_pickup_at_the_very_moment_it_was_due_is_in_time(picked_up: str, in_time: int) -> None:
    assert counted("on_time_pickup", ORDER, scan("picked_up", at(2, picked_up))) == [Counted("11-04", in_time)]


def test_an_order_that_was_never_picked_up_counts_on_the_day_it_was_due() -> None:
    assert counted("on_time_pickup", ORDER) == [Counted("11-04", 0)]


@pytest.mark.parametrize("status", ["picked_up", "in_transit", "delivered", "return_started", "returned"])
def test_any_scan_that_proves_the_carrier_has_it_is_a_pickup(status: str) -> None:
    assert counted("on_time_pickup", ORDER, scan(status, at(1))) == [Counted("11-04", 1)]


@pytest.mark.parametrize("fact", [scan("label_created", at(1)), scan("on_hold", at(1)), shipped(at(1))])
def test_neither_an_upload_nor_a_label_is_a_pickup(fact: Fact) -> None:
    assert counted("on_time_pickup", ORDER, fact) == [Counted("11-04", 0)]


def test_an_order_due_at_no_time_is_not_counted() -> None:
    assert counted("on_time_pickup", paid(at())) == NOTHING
    assert counted("on_time_delivery", paid(at())) == NOTHING


def test_an_order_lies_on_the_local_day_it_was_due() -> None:
    late = paid(at(), ship_by=at(2, "16:00:00"))  # midnight of the next day in Shanghai
    early = paid(at(), ship_by=at(2, "15:59:59"))
    assert counted("on_time_pickup", late, zone=SHANGHAI) == [Counted("11-05", 0)]
    assert counted("on_time_pickup", early, zone=SHANGHAI) == [Counted("11-04", 0)]
    assert counted("on_time_pickup", paid(at(), ship_by=at(2, "04:59:59")), zone=NEW_YORK) == [Counted("11-03", 0)]
    assert counted("on_time_pickup", paid(at(), ship_by=at(2, "05:00:00")), zone=NEW_YORK) == [Counted("11-04", 0)]


def test_the_latest_word_on_when_an_order_is_due_counts() -> None:
    first = due(3, ship_by=at(1), deliver_by=at(3))
    latest = due(7, ship_by=at(4), deliver_by=at(5))
    for facts in ([ORDER, first, latest], [latest, first, ORDER], [latest, ORDER, first]):
        assert counted("on_time_pickup", *facts, scan("picked_up", at(4))) == [Counted("11-06", 1)]
        assert counted("on_time_delivery", *facts) == [Counted("11-07", 0)]


def test_of_several_parcels_the_first_scan_of_any_counts() -> None:
    parcels = [
        scan("picked_up", at(3), number="P1", order_id="A1"),
        scan("picked_up", at(1), number="P2", order_id="A1"),
        scan("delivered", at(4), number="P2", order_id="A1"),
        scan("delivered", at(5), number="P1", order_id="A1"),
    ]
    assert counted("on_time_pickup", ORDER, *parcels) == [Counted("11-04", 1)]
    assert counted("arrival_hours", ORDER, *parcels) == [Counted("11-06", (4 * 24 - 10) * 3600)]


# ---------------------------------------------------------------- cancelled orders


LEFT = ("on_time_pickup", "ship_hours", "trace_anomalies", "pickup_24h", "pickup_today")
STAYED = ("on_time_delivery", "arrival_hours", "platform_help", "positive_rating", "negative_feedback")


@pytest.mark.parametrize(("when", "stays"), [("09:00:00", False), ("10:00:00", False), ("10:00:01", True)])
def test_an_order_cancelled_at_or_before_the_time_it_was_due_leaves_what_is_about_shipping(
    when: str, *, stays: bool
) -> None:
    facts = [ORDER, scan("picked_up", at(1)), scan("delivered", at(2)), reviewed(5, at(3)), cancelled(at(2, when))]
    assert {metric for metric in LEFT if counted(metric, *facts)} == (set(LEFT) if stays else set())
    assert {metric for metric in STAYED if counted(metric, *facts)} == set(STAYED)


def test_an_order_that_was_due_later_in_the_end_was_cancelled_in_time() -> None:
    assert counted("on_time_pickup", ORDER, cancelled(at(3)), due(1, ship_by=at(3))) == NOTHING


# ---------------------------------------------------------------- on_time_delivery, hours


@pytest.mark.parametrize(("arrived", "in_time"), [("20:00:00", 1), ("20:00:01", 0)])
def test_a_delivery_at_the_very_moment_it_was_due_is_in_time(arrived: str, in_time: int) -> None:
    assert counted("on_time_delivery", ORDER, scan("delivered", at(6, arrived))) == [Counted("11-08", in_time)]


def test_only_a_delivery_is_one() -> None:
    facts = [scan(status, at(1)) for status in ("ready_for_pickup", "out_for_delivery", "returned")]
    assert counted("on_time_delivery", ORDER, *facts) == [Counted("11-08", 0)]
    assert counted("arrival_hours", ORDER, *facts) == NOTHING


def test_the_first_of_two_deliveries_counts() -> None:
    facts = [scan("delivered", at(7)), scan("delivered", at(3))]
    assert counted("arrival_hours", ORDER, *facts) == [Counted("11-05", 62 * 3600)]


def test_hours_are_whole_seconds_since_the_payment_on_the_day_of_the_scan() -> None:
    moved = scan("picked_up", at(1, "10:00:01.900000"))
    assert counted("ship_hours", ORDER, moved) == [Counted("11-03", 24 * 3600 + 1)]
    assert counted("ship_hours", ORDER, moved, zone="Pacific/Auckland") == [Counted("11-03", 24 * 3600 + 1)]
    assert counted("ship_hours", ORDER, scan("picked_up", at(1, "16:00:00")), zone=SHANGHAI)[0].day == "11-04"


def test_a_scan_before_the_payment_took_no_time() -> None:
    early = [scan("picked_up", at(0, "09:00:00")), scan("delivered", at(0, "09:30:00"))]
    assert counted("ship_hours", ORDER, *early) == [Counted("11-02", 0)]
    assert counted("arrival_hours", ORDER, *early) == [Counted("11-02", 0)]


def test_without_a_payment_nobody_knows_how_long_it_took() -> None:
    assert counted("ship_hours", scan("picked_up", at(1))) == NOTHING


# ---------------------------------------------------------------- pickup_24h, pickup_today


@pytest.mark.parametrize(("picked_up", "in_time"), [("10:00:00", 1), ("10:00:01", 0)])
def test_twenty_four_hours_exactly_are_within_a_day(picked_up: str, in_time: int) -> None:
    assert counted("pickup_24h", ORDER, scan("picked_up", at(1, picked_up))) == [Counted("11-03", in_time)]


def test_a_day_is_24_hours_also_where_the_clocks_are_changed() -> None:
    order = paid(at(-2, "12:00:00", NEW_YORK))  # Saturday; on Sunday there are 25 hours
    assert counted("pickup_24h", order, scan("picked_up", at(-1, "11:00:00", NEW_YORK)), zone=NEW_YORK) == [
        Counted("11-01", 1)
    ]
    assert counted("pickup_24h", order, scan("picked_up", at(-1, "11:00:01", NEW_YORK)), zone=NEW_YORK) == [
        Counted("11-01", 0)
    ]


@pytest.mark.parametrize(
    ("paid_at", "picked_up", "expected"),
    [
        ("15:59:59", at(0, "23:59:59", SHANGHAI), Counted("11-03", 1)),
        ("15:59:59", at(1, "00:00:00", SHANGHAI), Counted("11-03", 0)),
        ("16:00:00", at(1, "23:59:59", SHANGHAI), Counted("11-04", 1)),
        ("23:59:59", at(2, "00:00:00", SHANGHAI), Counted("11-04", 0)),
    ],
)
def test_today_is_over_at_local_midnight_and_begins_anew_at_the_cut_off(
    paid_at: str, picked_up: object, expected: Counted
) -> None:
    order = paid(at(0, paid_at, SHANGHAI))
    assert counted("pickup_today", order, scan("picked_up", picked_up), zone=SHANGHAI) == [expected]  # type: ignore[arg-type]


def test_the_midnight_of_a_day_with_23_hours_comes_an_hour_sooner() -> None:
    spring = at(125, "10:00:00", NEW_YORK)  # 7 March 2027; clocks go forward on the 14th
    order = paid(spring + timedelta(days=7))
    before, after = at(132, "23:59:59", NEW_YORK), at(133, "00:00:00", NEW_YORK)
    assert counted("pickup_today", order, scan("picked_up", before), zone=NEW_YORK) == [Counted("03-15", 1)]
    assert counted("pickup_today", order, scan("picked_up", after), zone=NEW_YORK) == [Counted("03-15", 0)]


# ---------------------------------------------------------------- reviews


@pytest.mark.parametrize(("stars", "good"), [(5, 1), (4, 1), (3, 0), (2, 0), (1, 0)])
def test_four_stars_of_the_item_are_good(stars: int, good: int) -> None:
    assert counted("positive_rating", reviewed(stars, at(3))) == [Counted("11-05", good)]


def test_a_review_without_stars_for_the_item_is_not_counted() -> None:
    delivered = scan("delivered", at(1))
    assert counted("positive_rating", delivered, reviewed(None, at(3))) == NOTHING
    assert counted("negative_feedback", delivered, reviewed(None, at(3))) == [Counted("11-03", 0)]


def test_every_review_counts_by_its_latest_revision_on_the_day_it_was_posted() -> None:
    first, better = reviewed(1, at(3), revision=1), reviewed(4, at(3), revision=2)
    other = reviewed(2, at(4, "16:00:00"), review_id="V2")
    for facts in ([first, better, other], [better, other, first]):
        assert counted("positive_rating", *facts, zone=SHANGHAI) == [Counted("11-05", 1), Counted("11-07", 0)]


def test_a_removed_review_counts_nowhere() -> None:
    facts = [scan("delivered", at(1)), reviewed(1, at(3)), reviewed(1, at(3), revision=2, removed=True)]
    assert counted("positive_rating", *facts) == NOTHING
    assert counted("negative_feedback", *facts) == [Counted("11-03", 0)]


def test_a_review_is_gone_also_where_the_marketplace_counts_no_revisions() -> None:
    posted, gone = reviewed(1, at(3), revision=None), reviewed(1, at(3), revision=None, removed=True)
    assert counted("positive_rating", posted, gone) == NOTHING
    assert counted("positive_rating", gone, posted) == NOTHING


# ---------------------------------------------------------------- bad cases of what was delivered


@pytest.mark.parametrize(("stars", "bad"), [(1, 1), (2, 1), (3, 0)])
def test_one_or_two_stars_are_negative_from_the_day_of_the_review(stars: int, bad: int) -> None:
    facts = [scan("delivered", at(1)), reviewed(stars, at(3))]
    assert counted("negative_feedback", *facts) == [Counted("11-03", bad, 1, "11-05" if bad else None)]


@pytest.mark.parametrize("reason", ["quality", "damaged", "not_as_described", "wrong_item", "missing", "fake"])
def test_a_refund_for_what_is_the_shops_fault_is_negative(reason: str) -> None:
    facts = [scan("delivered", at(1)), asked(at(2), reason)]
    assert counted("negative_feedback", *facts) == [Counted("11-03", 1, 1, "11-04")]
    assert counted("damage_returns", *facts) == [
        Counted("11-03", int(reason == "damaged"), 1, "11-04" if reason == "damaged" else None)
    ]


@pytest.mark.parametrize("reason", ["not_wanted", "wrong_size", "not_received", "late", "price_drop", "other"])
def test_a_refund_for_any_other_reason_is_not(reason: str) -> None:
    assert counted("negative_feedback", scan("delivered", at(1)), asked(at(2), reason)) == [Counted("11-03", 0)]


def test_the_first_reason_counts_whichever_comes_first() -> None:
    first, second = asked(at(2), "not_wanted"), asked(at(2), "damaged", revision=5)
    for facts in ([first, second], [second, first]):
        assert counted("damage_returns", scan("delivered", at(1)), *facts) == [Counted("11-03", 0)]


def test_what_was_asked_before_the_delivery_counts_on_its_day() -> None:
    assert counted("negative_feedback", asked(at(0)), scan("delivered", at(1))) == [Counted("11-03", 1)]
    assert counted("negative_feedback", asked(at(0))) == NOTHING


def test_the_earliest_evidence_counts() -> None:
    facts = [scan("delivered", at(1)), reviewed(1, at(8)), asked(at(5)), asked(at(6), refund_id="R2")]
    assert counted("negative_feedback", *facts) == [Counted("11-03", 1, 1, "11-07")]


def test_evidence_of_the_same_local_day_needs_no_day_of_its_own() -> None:
    facts = [scan("delivered", at(1, "15:00:00")), reviewed(1, at(1, "17:00:00"))]
    assert counted("negative_feedback", *facts) == [Counted("11-03", 1)]
    assert counted("negative_feedback", *facts, zone=SHANGHAI) == [Counted("11-03", 1, 1, "11-04")]


# ---------------------------------------------------------------- trace_anomalies


def stalls(*facts: Fact) -> list[Counted]:
    return counted("trace_anomalies", ORDER, *facts)


@pytest.mark.parametrize(("stage", "found"), [("pre", 0), ("breach", 1), ("serious", 1)])
def test_a_stall_counts_from_the_breach_on(stage: str, found: int) -> None:
    evidence = "11-07" if found else None
    assert stalls(anomaly("Raised", stage, at(5), 3)) == [Counted("11-04", found, 1, evidence)]


@pytest.mark.parametrize("kind", ["late_pickup", "lost", "late_delivery"])
def test_other_anomalies_do_not_count(kind: str) -> None:
    assert stalls(anomaly("Raised", "breach", at(1), 3, kind=kind)) == [Counted("11-04", 0)]


def test_a_stall_that_became_serious_was_passed_at_its_breach() -> None:
    breach, serious = anomaly("Raised", "breach", at(3), 3), anomaly("Escalated", "serious", at(9), 5)
    for facts in ([breach, serious], [serious, breach]):
        assert stalls(*facts) == [Counted("11-04", 1, 1, "11-05")]


def test_all_stages_and_the_end_said_at_once_are_passed_at_the_breach() -> None:
    said = [
        anomaly("Raised", "pre", at(2), 3),
        anomaly("Escalated", "breach", at(3), 3),
        anomaly("Escalated", "serious", at(9), 3),
        anomaly("Cleared", "serious", at(3), 3, outcome="delivered"),
    ]
    assert stalls(*said) == stalls(*reversed(said)) == [Counted("11-04", 1, 1, "11-05")]


def test_a_stall_that_is_over_still_counts_and_one_withdrawn_does_not() -> None:
    breach = anomaly("Raised", "breach", at(1), 3)
    assert stalls(breach, anomaly("Cleared", "breach", at(1), 4, outcome="moved")) == [Counted("11-04", 1)]
    withdrawn = anomaly("Cleared", "breach", at(1), 4, outcome="withdrawn")
    assert stalls(breach, withdrawn) == stalls(withdrawn, breach) == [Counted("11-04", 0)]


def test_a_stall_raised_again_counts_from_its_new_breach() -> None:
    said = [
        anomaly("Raised", "breach", at(1), 3),
        anomaly("Cleared", "breach", at(1), 4, outcome="withdrawn"),
        anomaly("Raised", "pre", at(5), 6),
        anomaly("Escalated", "breach", at(6), 7),
    ]
    assert stalls(*said) == stalls(*reversed(said)) == [Counted("11-04", 1, 1, "11-08")]
    assert stalls(*said[:3]) == [Counted("11-04", 0)]


def test_two_stalls_of_an_order_are_one_case() -> None:
    second = anomaly("Raised", "breach", at(3), 8, anomaly_id="N2")
    assert stalls(anomaly("Raised", "breach", at(4), 3), second) == [Counted("11-04", 1, 1, "11-05")]


# ---------------------------------------------------------------- door_delivery


@pytest.mark.parametrize(
    ("signed_by", "at_the_door"),
    [("recipient", 1), ("household", 1), ("neighbour", 0), ("locker", 0), ("station", 0), ("guard", 0), (None, 0)],
)
def test_the_door_is_where_recipient_or_household_took_it(signed_by: str | None, at_the_door: int) -> None:
    order = paid(at(), door=True)
    assert counted("door_delivery", order, scan("delivered", at(3), signed_by=signed_by)) == [
        Counted("11-05", at_the_door)
    ]


def test_only_orders_owed_door_delivery_count_and_only_once_delivered() -> None:
    assert counted("door_delivery", ORDER, scan("delivered", at(3), signed_by="recipient")) == NOTHING
    assert counted("door_delivery", paid(at(), door=True)) == NOTHING
    owed = due(1, door=True)
    assert counted("door_delivery", ORDER, owed, scan("delivered", at(3), signed_by="recipient")) == [
        Counted("11-05", 1)
    ]


def test_two_parcels_delivered_in_the_same_second_count_alike_in_any_order() -> None:
    one = scan("delivered", at(3), number="P1", order_id="A1", signed_by="recipient")
    other = scan("delivered", at(3), number="P2", order_id="A1", signed_by="locker")
    order = paid(at(), door=True)
    assert counted("door_delivery", order, one, other) == counted("door_delivery", order, other, one)


# ---------------------------------------------------------------- refunds


def test_the_first_decision_is_the_shops_or_its_systems() -> None:
    facts = [
        asked(at(0)),
        decided(at(1), "withdrawn", by="buyer"),
        decided(at(1), "agreed", by="platform"),
        decided(at(1), "closed", by="seller"),
        decided(at(2), "withdrawn", by="seller"),
        decided(at(5), "refunded", by="system"),
        decided(at(4), "refused", by="seller"),
    ]
    assert counted("refund_refusals", *facts) == [Counted("11-06", 1)]
    assert counted("refund_refusals", *facts[:5]) == NOTHING
    assert counted("refund_refusals", *facts[:6]) == [Counted("11-07", 0)]
    assert counted("refund_hours", *facts[:5]) == NOTHING


@pytest.mark.parametrize("outcome", ["agreed", "refunded"])
def test_a_refusal_after_an_agreement_is_not_the_first_decision(outcome: str) -> None:
    facts = [asked(at(0)), decided(at(2), "refused"), decided(at(1), outcome)]
    assert counted("refund_refusals", *facts) == [Counted("11-03", 0)]


def test_justified_refusals_are_counted_apart() -> None:
    refused, held_right = decided(at(1), "refused"), decided(at(1), "refused", justified=True, revision=3)
    assert counted("refund_refusals", asked(at(0)), refused) == [Counted("11-03", 1)]
    assert counted("justified_refusals", asked(at(0)), refused) == [Counted("11-03", 0)]
    for facts in ([refused, held_right], [held_right, refused]):
        assert counted("refund_refusals", asked(at(0)), *facts) == [Counted("11-03", 0)]
        assert counted("justified_refusals", asked(at(0)), *facts) == [Counted("11-03", 1)]


def hours_of(*facts: Fact, zone: str = "UTC", begin: str = "09:00:00", end: str = "18:00:00", days: int = 0) -> float:
    """Of a refund asked for and agreed to at those local times."""
    [one] = counted("refund_hours", asked(at(0, begin, zone)), decided(at(days, end, zone)), *facts, zone=zone)
    return one.numerator / 3600


def test_the_night_is_not_the_sellers_time() -> None:
    assert hours_of(begin="22:00:00", end="09:00:00", days=1) == 2
    assert hours_of(begin="23:30:00", end="07:30:00", days=1) == 0
    assert hours_of(begin="02:00:00", end="08:00:01") * 3600 == 1
    assert hours_of(begin="09:00:00", end="09:00:00", days=3) == 3 * 15
    assert hours_of(begin="22:00:00", end="09:00:00", days=1, zone=SHANGHAI) == 2


def test_a_night_is_as_long_as_it_really_is() -> None:
    # 25 hours from noon to noon over the night in which clocks are set back; the night takes 10 of them
    facts = [asked(at(-2, "12:00:00", NEW_YORK)), decided(at(-1, "12:00:00", NEW_YORK))]
    assert [one.numerator for one in counted("refund_hours", *facts, zone=NEW_YORK)] == [15 * 3600]
    spring = [asked(at(131, "12:00:00", NEW_YORK)), decided(at(132, "12:00:00", NEW_YORK))]
    assert [one.numerator for one in counted("refund_hours", *spring, zone=NEW_YORK)] == [15 * 3600]


def test_the_platforms_pauses_are_not_the_sellers_time() -> None:
    pause = stepped_in(at(0, "10:00:00")), step_closed_at("12:00:00")
    assert hours_of(*pause) == 7
    assert hours_of(pause[0]) == 1, "still open at the decision"
    assert hours_of(stepped_in(at(0, "10:00:00"), refund_id="R2"), step_closed_at("12:00:00")) == 9
    assert hours_of(stepped_in(at(0, "10:00:00"), refund_id="R1"), step_closed_at("12:00:00")) == 7


def step_closed_at(clock: str) -> Fact:
    return step_closed(at(0, clock))


@pytest.mark.parametrize("word", ["Accepted", "Declined", "Expired"])
def test_the_buyers_turn_is_not_the_sellers_time(word: str) -> None:
    turn = opened(at(0, "09:00:00")), presented(at(0, "10:00:00")), answered(word, at(0, "13:00:00"))
    assert hours_of(*turn) == 6
    assert hours_of(*turn[:2]) == 1
    assert hours_of(opened(at(0, "09:00:00"), refund_id="R2"), *turn[1:]) == 9


def test_what_overlaps_is_left_out_once() -> None:
    facts = [
        opened(at(0, "09:00:00")),
        presented(at(0, "10:00:00")),
        answered("Declined", at(0, "12:00:00")),
        presented(at(0, "12:00:00"), 2),
        answered("Accepted", at(0, "14:00:00"), 2),
        stepped_in(at(0, "11:00:00")),
        step_closed_at("13:00:00"),
        stepped_in(at(0, "06:00:00"), step="S2"),
    ]
    assert hours_of(*facts[:-1]) == 5
    assert hours_of(*facts) == 0
    night = presented(at(0, "22:00:00")), answered("Expired", at(1, "09:00:00"))
    assert hours_of(facts[0], *night, begin="21:00:00", end="10:00:00", days=1) == 2


def test_a_decision_before_its_request_took_no_time() -> None:
    assert counted("refund_hours", asked(at(1)), decided(at(0))) == [Counted("11-02", 0)]


def test_every_refund_of_an_order_is_a_case() -> None:
    facts = [
        asked(at(0, "09:00:00")),
        decided(at(0, "10:00:00")),
        asked(at(0, "09:00:00"), refund_id="R2"),
        decided(at(0, "11:00:00"), refund_id="R2"),
    ]
    assert counted("refund_hours", *facts) == [Counted("11-02", 3600), Counted("11-02", 7200)]


# ---------------------------------------------------------------- platform_help


def test_interventions_count_when_opened_and_orders_when_paid() -> None:
    assert counted("platform_help", ORDER, stepped_in(at(8))) == [Counted("11-02", 0, 1), Counted("11-10", 1, 0)]
    assert counted("platform_help", stepped_in(at(8))) == [Counted("11-10", 1, 0)]


def test_of_an_order_and_kind_the_first_intervention_counts() -> None:
    facts = [
        stepped_in(at(8)),
        stepped_in(at(6), step="S2"),
        stepped_in(at(7), "complaint", step="S3"),
        stepped_in(at(7), "contact", step="S4"),
    ]
    found = [Counted("11-08", 1, 0), Counted("11-09", 1, 0), Counted("11-09", 1, 0)]
    assert counted("platform_help", *facts) == counted("platform_help", *reversed(facts)) == found


# ---------------------------------------------------------------- net_keep_rate


def kept(*facts: Fact, arm: str = "offer", zone: str = "UTC") -> list[Counted]:
    return counted(f"net_keep_rate.{arm}", opened(at(0), arm), *facts, zone=zone)


def test_a_request_kept_by_an_offer_counts_on_the_day_its_case_was_opened() -> None:
    assert kept(closed(at(0))) == [Counted("11-02", 1)]
    assert kept(closed(at(3))) == [Counted("11-02", 1, 1, "11-05")]
    assert kept() == [Counted("11-02", 0)]
    assert kept(closed(at(3), "passed_on")) == [Counted("11-02", 0)]


def test_a_case_that_needed_a_human_ends_as_that_human_saw_to_it() -> None:
    ends = [closed(at(1), "needs_human", sequence=4), closed(at(2), "kept", sequence=6)]
    assert kept(*ends) == kept(*reversed(ends)) == [Counted("11-02", 1, 1, "11-04")]


def test_in_the_hold_out_the_buyer_withdrew() -> None:
    at_once = closed(at(0), "passed_on")  # a case without an offer is over as soon as it is opened
    withdrawn = decided(at(4), "withdrawn", by="buyer")
    assert kept(at_once, arm="hold_out") == [Counted("11-02", 0)]
    assert kept(at_once, withdrawn, arm="hold_out") == [Counted("11-02", 1, 1, "11-06")]
    assert kept(at_once, decided(at(4), "withdrawn", by="buyer", refund_id="R2"), arm="hold_out") == [
        Counted("11-02", 0)
    ]


@pytest.mark.parametrize(
    "regret",
    [
        asked(at(15), refund_id="R2"),
        stepped_in(at(15)),
        reviewed(2, at(15)),
        reviewed(1, at(0, "00:00:01")),
    ],
)
def test_who_regrets_within_fifteen_days_was_not_kept(regret: Fact) -> None:
    assert kept(closed(at(3)), regret) == [Counted("11-02", 0)]
    withdrawn = decided(at(4), "withdrawn", by="buyer")
    assert kept(withdrawn, regret, arm="hold_out") == [Counted("11-02", 0)]


@pytest.mark.parametrize(
    "other",
    [
        asked(at(15, "00:00:01"), refund_id="R2"),
        stepped_in(at(15, "00:00:01")),
        reviewed(1, at(15, "00:00:01")),
        reviewed(3, at(5)),
        asked(at(0), refund_id="R2"),
        asked(at(1), revision=2),
    ],
)
def test_who_regrets_later_or_before_or_not_at_all_was_kept(other: Fact) -> None:
    assert kept(closed(at(3)), other) == [Counted("11-02", 1, 1, "11-05")]


def test_a_bad_review_that_was_taken_down_regrets_nothing() -> None:
    gone = reviewed(1, at(5), revision=2, removed=True)
    assert kept(closed(at(3)), reviewed(1, at(5)), gone) == [Counted("11-02", 1, 1, "11-05")]


def test_cases_of_another_trigger_or_in_no_arm_do_not_count() -> None:
    asked_in_chat = opened(at(0), "offer", trigger="support_contacted")
    for metric in ("net_keep_rate.offer", "net_keep_rate.hold_out"):
        assert counted(metric, asked_in_chat, closed(at(0))) == NOTHING
        assert counted(metric, opened(at(0), "none"), closed(at(0))) == NOTHING
    assert counted("net_keep_rate.hold_out", opened(at(0), "offer")) == NOTHING


# ---------------------------------------------------------------- rounds


def replies(*facts: Fact, zone: str = "UTC") -> tuple[int, int, list[int]]:
    """Rounds answered within three minutes, all that count, and the seconds of each."""
    quick = counted("reply_3min", *facts, zone=zone)
    waited = counted("reply_seconds", *facts, zone=zone)
    return sum(one.numerator for one in quick), len(quick), [one.numerator for one in waited]


def test_ten_questions_without_an_answer_are_one_round() -> None:
    asked_twice = [
        wrote("buyer", at(0, "10:10:15")),
        wrote("buyer", at(0, "10:15:20")),
        wrote("human", at(0, "10:18:10")),
    ]
    assert replies(*asked_twice) == (0, 1, [475])
    again = [wrote("buyer", at(0, "10:18:30")), wrote("human", at(0, "10:19:00"))]
    assert replies(*asked_twice, *again) == replies(*again, *reversed(asked_twice)) == (1, 2, [30, 475])


@pytest.mark.parametrize(("answer", "quick", "waited"), [("10:03:00", 1, 180), ("10:03:01", 0, 181)])
def test_three_minutes_exactly_are_within_three_minutes(answer: str, quick: int, waited: int) -> None:
    facts = [wrote("buyer", at(0, "10:00:00")), wrote("human", at(0, answer))]
    assert replies(*facts) == (quick, 1, [waited])
    assert replies(round_closed(at(0, "10:00:00"), at(0, answer), "human")) == (quick, 1, [waited])


@pytest.mark.parametrize(("answer", "waited"), [("10:09:59", 599), ("10:10:00", 600), ("11:00:00", 600), (None, 600)])
def test_no_round_counts_for_more_than_ten_minutes(answer: str | None, waited: int) -> None:
    facts = [wrote("buyer", at(0, "10:00:00")), *([wrote("human", at(0, answer))] if answer else [])]
    assert replies(*facts) == (0, 1, [waited])


@pytest.mark.parametrize(
    ("clock", "counts"), [("07:59:59", 0), ("08:00:00", 1), ("22:59:59", 1), ("23:00:00", 0), ("00:00:00", 0)]
)
def test_rounds_count_that_are_asked_from_eight_to_eleven_in_the_shops_zone(clock: str, counts: int) -> None:
    for zone in ("UTC", SHANGHAI, NEW_YORK):
        asked_at = at(0, clock, zone)
        facts = [wrote("buyer", asked_at), wrote("human", asked_at + timedelta(seconds=90))]
        assert replies(*facts, zone=zone)[:2] == (counts, counts)


def test_a_human_with_a_machines_draft_answers_and_a_machine_alone_does_not() -> None:
    question = wrote("buyer", at(0, "10:00:00"))
    assert replies(question, wrote("assisted", at(0, "10:01:00"))) == (1, 1, [60])
    assert replies(question, wrote("bot", at(0, "10:00:01")), wrote("human", at(0, "10:05:00"))) == (0, 1, [300])
    assert replies(question, wrote("unknown", at(0, "10:00:01"))) == (0, 1, [600])


def test_a_round_that_only_a_machine_answered_leaves_both() -> None:
    question, machine = wrote("buyer", at(0, "10:00:00")), wrote("bot", at(0, "10:00:01"))
    assert replies(question, machine) == (0, 0, [])
    assert replies(round_closed(at(0, "10:00:00"), at(0, "10:00:01"), "bot")) == (0, 0, [])
    answered_before = [wrote("buyer", at(0, "09:00:00")), wrote("human", at(0, "09:01:00"))]
    assert replies(*answered_before, question, machine) == (1, 1, [60])


@pytest.mark.parametrize("sender", ["human", "assisted", "bot"])
def test_an_answer_in_the_second_of_the_question_comes_after_it(sender: str) -> None:
    facts = [wrote("buyer", at(0, "10:00:00")), wrote(sender, at(0, "10:00:00"))]
    assert replies(*facts) == ((0, 0, []) if sender == "bot" else (1, 1, [0]))


def test_words_of_the_shop_that_nobody_asked_for_are_no_round() -> None:
    assert replies(wrote("human", at(0, "09:59:00")), wrote("bot", at(0, "10:00:00"))) == (0, 0, [])


def test_rounds_that_the_marketplace_counted_are_not_counted_again() -> None:
    messages = [wrote("buyer", at(0, "10:00:00")), wrote("human", at(0, "10:05:00"))]
    told = round_closed(at(0, "10:00:00"), at(0, "10:02:00"), "human")
    assert replies(*messages, told) == replies(told, *messages) == (1, 1, [120])


def test_a_round_told_without_and_then_with_its_answer_is_answered() -> None:
    open_, answer = round_closed(at(0, "10:00:00")), round_closed(at(0, "10:00:00"), at(0, "10:01:00"), "human")
    machine = round_closed(at(0, "10:00:00"), at(0, "10:00:01"), "bot")
    assert replies(open_) == (0, 1, [600])
    assert replies(open_, answer, machine) == replies(machine, answer, open_) == (1, 1, [60])


def test_two_rounds_within_a_second_are_two() -> None:
    moments = [f"10:00:00.{number}00000" for number in range(4)]
    facts = [wrote(sender, at(0, clock)) for sender, clock in zip(["buyer", "human"] * 2, moments, strict=True)]
    assert replies(*facts) == (2, 2, [0, 0])


def test_a_round_lies_on_the_local_day_it_was_asked() -> None:
    facts = [wrote("buyer", at(0, "22:59:00", NEW_YORK)), wrote("human", at(0, "23:10:00", NEW_YORK))]
    assert counted("reply_seconds", *facts, zone=NEW_YORK) == [Counted("11-02", 600)]


# ---------------------------------------------------------------- ratings


@pytest.mark.parametrize(
    ("satisfied", "resolved", "counts"), [(True, None, 1), (True, True, 1), (True, False, 0), (False, True, 0)]
)
def test_satisfied_counts_unless_nothing_was_resolved(*, satisfied: bool, resolved: bool | None, counts: int) -> None:
    assert counted("chat_satisfaction", rated(at(0, "23:30:00"), satisfied, resolved=resolved)) == [
        Counted("11-02", counts)
    ]


def test_the_latest_rating_of_a_session_counts() -> None:
    first, second = rated(at(0), True), rated(at(1), False)
    assert counted("chat_satisfaction", first, second) == counted("chat_satisfaction", second, first)
    assert counted("chat_satisfaction", second, first) == [Counted("11-03", 0)]


# ---------------------------------------------------------------- packs and rows


def test_hours_and_cut_off_are_the_packs() -> None:
    douyin = score_pack("douyin-2026-09").counting
    late = paid(at(0, "15:30:00"))
    moved = scan("picked_up", at(1, "12:00:00"))
    early_cut_off = STANDARD._replace(counting=COUNTING.model_copy(update={"today_cutoff_hour": 15}))
    assert counted("pickup_today", late, moved) == [Counted("11-03", 0)]
    assert counted("pickup_today", late, moved, defined=early_cut_off) == [Counted("11-04", 1)]
    no_night = STANDARD._replace(counting=COUNTING.model_copy(update={"refund_night_from_hour": None}))
    night = [asked(at(0, "22:00:00")), decided(at(1, "09:00:00"))]
    assert counted("refund_hours", *night, defined=no_night) == [Counted("11-03", 11 * 3600)]
    assert douyin.reply_to_hour == 23


def test_rows_that_changed_are_told_and_those_that_are_gone_are_emptied() -> None:
    was = order_of(ORDER, scan("picked_up", at(1)), reviewed(5, at(3)))
    record = fold_order(was, due(1, ship_by=at(4), deliver_by=DELIVER_BY))
    record = fold_order(record, reviewed(5, at(3), revision=2, removed=True))
    changed = changed_rows(order_rows(was, STANDARD), order_rows(record, STANDARD))
    told = {(f"{row.day:%m-%d}", row.subject): sorted(row.metrics) for row in changed}
    assert told == {
        ("11-04", "A1"): [],
        ("11-06", "A1"): ["on_time_pickup", "trace_anomalies"],
        ("11-05", "A1/V1"): [],
    }
    assert changed_rows(order_rows(was, STANDARD), order_rows(was, STANDARD)) == []


def test_an_order_and_a_session_with_the_same_number_have_rows_of_their_own() -> None:
    order = {row.subject for row in order_rows(order_of(ORDER), STANDARD).values()}
    session = session_of(rated(at(0), True))._replace(session_id="A1")
    assert not order & {row.subject for row in session_rows(session, STANDARD).values()}


def test_a_trace_told_as_complete_takes_back_a_delivery() -> None:
    wrong = scan("delivered", at(2), number="P1", order_id="A1", told=at(2))
    whole = traced(entry("picked_up", at(1)), told=at(3), order_id="A1")
    assert counted("arrival_hours", ORDER, wrong, whole) == counted("arrival_hours", ORDER, whole, wrong) == NOTHING
    assert counted("ship_hours", ORDER, wrong, whole) == [Counted("11-03", 14 * 3600)]
