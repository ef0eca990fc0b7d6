"""The life of an anomaly as it is told: raised, escalated, cleared, withdrawn, muted; and what is due and delivered."""

from __future__ import annotations

from datetime import datetime, timedelta

from shipments import (
    P2,
    WatchedShop,
    asked,
    decided,
    ended,
    entry,
    hour,
    paid,
    promised,
    scan,
    shipped,
    traced,
)

from aftercare.kernel.times import ONE_SECOND, to_text
from aftercare.shipments import store
from aftercare.shipments.model.settings import ShopSettings
from aftercare.shipments.model.shipment import Mute, Shipment

RAISED, SERIOUS = "Raised stalled/transit breach!", "Escalated stalled/transit serious!"


def moving(pack: str | None = None) -> WatchedShop:
    """An order in transit from its first hour on: 72 hours of silence are a breach, 120 are serious."""
    shop = WatchedShop(ShopSettings(pack=pack))
    shop.follow([paid(ship_by=24, lane=("浙江省", "四川省")), shipped(0), scan("in_transit", 0)])
    return shop


# ---------------------------------------------------------------- raised, escalated, cleared


def test_each_stage_is_told_in_the_second_after_its_limit() -> None:
    shop = moving()
    shop.run_until(200)
    assert shop.story() == [RAISED, SERIOUS]
    assert [at for at, _ in shop.said] == [hour(72) + ONE_SECOND, hour(120) + ONE_SECOND]
    raised, escalated = shop.anomalies()
    assert raised.anomaly_id == escalated.anomaly_id
    assert (raised.since, raised.crossed_at, escalated.crossed_at) == (hour(0), hour(72), hour(120))
    assert shop.armed_for() is None


def test_the_next_scan_clears_it_with_the_time_of_the_scan() -> None:
    shop = moving()
    shop.follow([scan("in_transit", 90)])
    assert shop.story() == [RAISED, "Cleared stalled/transit breach!"]
    cleared = shop.anomalies()[-1]
    assert (cleared.cleared_at, cleared.crossed_at, cleared.outcome) == (hour(90), hour(72), "moved")


def test_a_delivery_clears_it_as_delivered() -> None:
    shop = moving()
    shop.follow([scan("delivered", 90)])
    shop.run_until(500)
    assert shop.story() == [RAISED, "Cleared stalled/transit breach!"]
    assert shop.anomalies()[-1].outcome == "delivered"
    assert shop.armed_for() is None


def test_the_clearing_of_a_serious_one_carries_the_time_of_the_breach() -> None:
    shop = moving()
    shop.follow([scan("in_transit", 130)])
    assert shop.story() == [RAISED, SERIOUS, "Cleared stalled/transit serious!"]
    assert shop.anomalies()[-1].crossed_at == hour(72)


def test_an_anomaly_heard_of_late_is_raised_and_escalated_together() -> None:
    shop = WatchedShop()
    shop.run_until(150)
    shop.hear(paid(), scan("in_transit", 0, order_id="A1"))
    assert shop.story() == [RAISED, SERIOUS]


def test_a_gap_that_was_over_when_it_became_known_is_told_and_nobody_is_notified() -> None:
    shop = WatchedShop()
    shop.run_until(150)
    shop.hear(paid(), traced(entry("in_transit", 0), entry("delivered", 125), told=150, order_id="A1"))
    assert shop.story() == [
        "Raised stalled/transit breach",
        "Escalated stalled/transit serious",
        "Cleared stalled/transit serious",
    ]
    assert [one.crossed_at for one in shop.anomalies()] == [hour(72), hour(120), hour(72)]


def test_the_final_stage_is_that_of_all_scans_however_late_the_news() -> None:
    """It was called serious; a scan from before the limit shows that it was a breach only."""
    shop = moving()
    shop.run_until(130)
    shop.hear(scan("in_transit", 100))
    assert shop.story() == [RAISED, SERIOUS, "Cleared stalled/transit breach!"]
    assert shop.anomalies()[-1].cleared_at == hour(100)


def test_a_scan_from_before_the_breach_withdraws_it() -> None:
    shop = moving()
    shop.run_until(130)
    shop.hear(scan("in_transit", 60))
    assert shop.story()[:2] == [RAISED, SERIOUS]
    assert "Cleared stalled/transit serious!" in shop.story()
    withdrawn = [one for one in shop.anomalies() if one.outcome == "withdrawn"]
    assert [(one.since, one.at_risk) for one in withdrawn] == [(hour(0), None)]
    assert shop.finals() == set()


def test_what_was_withdrawn_may_turn_out_to_be_true_after_all() -> None:
    shop = moving()
    shop.run_until(80)
    shop.hear(scan("in_transit", 60))
    shop.hear(traced(entry("in_transit", 0), told=81))
    assert shop.story() == [RAISED, "Cleared stalled/transit breach!", RAISED]
    assert len({one.anomaly_id for one in shop.anomalies()}) == 1
    assert [final.cleared_at for final in shop.finals()] == [None]


def test_what_was_cleared_is_raised_anew_when_the_clearing_scan_is_taken_back() -> None:
    shop = moving()
    shop.follow([scan("in_transit", 90)])
    shop.follow([traced(entry("in_transit", 0), told=95)])
    assert shop.story() == [RAISED, "Cleared stalled/transit breach!", RAISED]


def test_a_later_scan_moves_the_end_of_what_was_cleared() -> None:
    shop = moving()
    shop.follow([scan("in_transit", 100)])
    shop.hear(scan("in_transit", 90))
    cleared = [one.cleared_at for one in shop.anomalies() if one.cleared_at]
    assert cleared == [hour(100), hour(90)]


def test_repeats_say_nothing() -> None:
    shop = moving()
    shop.follow([scan("in_transit", 90)])
    said = shop.story()
    shop.hear(scan("in_transit", 90), scan("in_transit", 0), paid(ship_by=24), shipped(0), scan("in_transit", 90))
    assert shop.story() == said


def test_a_story_of_several_stalls_tells_each_of_them() -> None:
    shop = moving()
    shop.follow([scan("in_transit", 90), scan("in_transit", 170), scan("out_for_delivery", 171)])
    shop.run_until(171 + 49)
    assert shop.story() == [
        *(RAISED, "Cleared stalled/transit breach!") * 2,
        "Raised stalled/delivery breach!",
    ]
    assert len({one.anomaly_id for one in shop.anomalies()}) == 3


def test_an_anomaly_is_told_with_all_that_is_needed_to_act() -> None:
    shop = moving("tmall")
    shop.run_until(73)
    [raised] = shop.anomalies()
    assert raised.rule == "shipments-tmall-1/stalled.transit.other"
    assert raised.at_risk is not None
    assert (raised.at_risk.minor, raised.at_risk.currency, raised.buyer) == (5000, "CNY", "b_1")
    assert raised.text is not None
    assert (raised.text.zh, raised.action) == ("stalled", "see_to_stalled")
    assert raised.parcel is not None
    assert raised.parcel.number == "P1"


# ---------------------------------------------------------------- warnings


def test_where_the_rules_warn_a_warning_comes_first() -> None:
    shop = moving("douyin")
    shop.run_until(200)
    assert shop.story() == ["Raised stalled/transit pre!", "Escalated stalled/transit breach!", SERIOUS]
    assert [at for at, _ in shop.said] == [hour(each) + ONE_SECOND for each in (54, 72, 120)]


def test_a_warning_is_no_alert_yet() -> None:
    shop = moving("douyin")
    shop.run_until(60)
    alerts = store.alerts("standard:lotus", 10, None)
    assert (len(shop.story()), len(shop.table.query(alerts).keys)) == (1, 0)
    shop.run_until(73)
    assert len(shop.table.query(alerts).keys) == 1


def test_a_warning_that_was_heeded_is_cleared() -> None:
    shop = moving("douyin")
    shop.follow([scan("in_transit", 60)])
    assert shop.story() == ["Raised stalled/transit pre!", "Cleared stalled/transit pre!"]


# ---------------------------------------------------------------- muted


def mute(shop: WatchedShop, until: datetime | None = None) -> None:
    [anomaly] = {one.anomaly_id for one in shop.anomalies()}

    def change(shipment: Shipment) -> Shipment:
        muted = Mute(author="li", reason="known", at=shop.clock.time, until=until)
        return shipment._replace(mutes={**shipment.mutes, anomaly: muted})

    shop.watch.edit("standard:lotus", "A1", change)


def test_nobody_is_notified_of_what_is_muted() -> None:
    shop = moving()
    shop.run_until(80)
    mute(shop)
    shop.follow([scan("in_transit", 130)])
    assert shop.story() == [RAISED, "Escalated stalled/transit serious", "Cleared stalled/transit serious"]


def test_a_mute_lasts_as_long_as_it_was_meant_to() -> None:
    shop = moving()
    shop.run_until(80)
    mute(shop, until=hour(100))
    assert shop.armed_for() == hour(100)
    shop.follow([scan("in_transit", 130)])
    assert shop.story() == [RAISED, SERIOUS, "Cleared stalled/transit serious!"]


def test_a_muted_anomaly_is_no_alert_until_the_mute_ends() -> None:
    shop = moving()
    shop.run_until(80)
    alerts = store.alerts("standard:lotus", 10, None)
    assert len(shop.table.query(alerts).keys) == 1
    mute(shop, until=hour(100))
    assert len(shop.table.query(alerts).keys) == 0
    shop.run_until(101)
    assert len(shop.table.query(alerts).keys) == 1
    shop.follow([scan("in_transit", 102)])
    assert len(shop.table.query(alerts).keys) == 0


def test_one_anomaly_is_muted_and_the_next_is_not() -> None:
    shop = moving()
    shop.run_until(80)
    mute(shop)
    shop.follow([scan("in_transit", 90)])
    shop.run_until(170)
    assert shop.story()[-1] == RAISED


# ---------------------------------------------------------------- when it is due


def test_nothing_is_said_of_an_order_that_is_due_as_it_was_paid() -> None:
    shop = WatchedShop()
    shop.hear(paid(ship_by=48, deliver_by=96), promised("title", ship_by=72))
    assert shop.dues() == []


def test_another_due_time_is_said_once_and_again_when_it_changes() -> None:
    shop = WatchedShop()
    shop.hear(paid(ship_by=48, deliver_by=96), promised("title", ship_by=24), promised("title", ship_by=24))
    [first] = shop.dues()
    assert (first.ship_by, first.original_ship_by, first.deliver_by) == (hour(24), hour(24), hour(96))
    shop.hear(promised("listing", ship_by=36))
    assert len(shop.dues()) == 1
    shop.hear(promised("agreement", 5, ship_by=100))
    second = shop.dues()[1]
    assert (second.ship_by, second.original_ship_by) == (hour(100), hour(24))
    assert second.revision > first.revision


def test_a_due_time_that_is_that_of_the_payment_again_is_said_again() -> None:
    shop = WatchedShop()
    shop.hear(paid(ship_by=48), promised("agreement", 5, ship_by=100), promised("agreement", 6, ship_by=48))
    assert [one.ship_by for one in shop.dues()] == [hour(100), hour(48)]


def test_promises_before_the_payment_are_said_with_it() -> None:
    shop = WatchedShop()
    shop.hear(promised("tag", tag="T", ship_by=24))
    assert shop.dues() == []
    shop.hear(paid(ship_by=48))
    assert [one.ship_by for one in shop.dues()] == [hour(24)]


def test_a_default_of_the_marketplace_is_said() -> None:
    shop = WatchedShop(ShopSettings(pack="tmall"))
    shop.hear(paid())
    [due] = shop.dues()
    assert (due.ship_by, due.rule) == (hour(48), "shipments-tmall-1/due.default")


def test_an_agreed_date_withdraws_what_was_late_by_the_old_one() -> None:
    shop = WatchedShop()
    shop.follow([paid(ship_by=48)])
    shop.run_until(50)
    shop.hear(promised("agreement", 47, ship_by=100))
    assert shop.story() == ["Raised late_pickup breach!", "Cleared late_pickup breach!"]
    assert shop.anomalies()[-1].outcome == "withdrawn"


# ---------------------------------------------------------------- delivered


def test_a_delivery_is_told_with_all_that_is_needed_to_judge_it() -> None:
    shop = WatchedShop()
    shop.follow([paid(ship_by=24, deliver_by=96), shipped(0), scan("picked_up", 20), scan("delivered", 60)])
    [one] = shop.deliveries()
    assert (one.paid_at, one.picked_up_at, one.delivered_at) == (hour(0), hour(20), hour(60))
    assert (one.ship_by, one.deliver_by) == (hour(24), hour(96))
    assert one.origin is not None
    assert one.origin.province == "浙江省"
    [mark] = one.anomalies
    assert (mark.kind, mark.leg, mark.stage) == ("stalled", "dispatch", "breach")


def test_a_correction_is_told_under_a_higher_revision() -> None:
    shop = WatchedShop()
    shop.follow([paid(), shipped(0), scan("in_transit", 20), scan("delivered", 60), scan("delivered", 70)])
    assert [one.delivered_at for one in shop.deliveries()] == [hour(60)]
    shop.hear(scan("delivered", 50), scan("picked_up", 10))
    assert [(one.picked_up_at, one.delivered_at) for one in shop.deliveries()] == [
        (hour(20), hour(60)),
        (hour(20), hour(50)),
        (hour(10), hour(50)),
    ]
    revisions = [one.revision for one in shop.deliveries()]
    assert revisions == sorted(set(revisions))


def test_each_parcel_of_an_order_is_told_of_by_itself() -> None:
    shop = WatchedShop()
    shop.follow([paid(), shipped(0), shipped(0, parcel=P2), scan("delivered", 20), scan("delivered", 40, parcel=P2)])
    assert [(one.parcel.number, one.delivered_at) for one in shop.deliveries()] == [("P1", hour(20)), ("P2", hour(40))]


def test_what_was_withdrawn_is_no_mark_on_a_delivery() -> None:
    shop = moving()
    shop.run_until(80)
    shop.hear(scan("in_transit", 60))
    shop.follow([scan("delivered", 90)])
    assert [one.anomalies for one in shop.deliveries()] == [()]


def test_a_delivery_whose_order_is_not_known_to_be_paid_is_told_anew_when_it_is() -> None:
    shop = WatchedShop()
    shop.hear(shipped(0), scan("delivered", 20), paid(deliver_by=96))
    assert [(one.paid_at, one.deliver_by) for one in shop.deliveries()] == [(None, None), (hour(0), hour(96))]


# ---------------------------------------------------------------- the whole order


def test_a_cancelled_order_closes_what_is_open_and_wakes_no_more() -> None:
    shop = moving()
    shop.follow([ended("OrderCancelled", 80)])
    assert shop.story() == [RAISED, "Cleared stalled/transit breach!"]
    assert (shop.anomalies()[-1].outcome, shop.anomalies()[-1].cleared_at) == ("closed", hour(80))
    assert shop.armed_for() is None


def test_an_order_paid_back_in_full_closes_too() -> None:
    shop = moving()
    shop.follow([decided(80, minor=40_000), decided(90, minor=60_000, refund_id="R2")])
    assert [(one.outcome, one.cleared_at) for one in shop.anomalies()][-1] == ("closed", hour(90))


def test_a_buyer_who_has_not_received_it_raises_an_anomaly_of_the_order() -> None:
    shop = WatchedShop()
    shop.follow([paid(), scan("in_transit", 1, order_id="A1"), scan("delivered", 20), asked(30)])
    assert shop.story() == ["Raised not_received breach!"]
    assert shop.anomalies()[0].parcel is None


def test_a_parcel_that_goes_out_for_delivery_early_is_caught_at_its_earlier_deadline() -> None:
    shop = moving()
    shop.follow([scan("out_for_delivery", 2)])
    shop.run_until(55)
    assert shop.story() == ["Raised stalled/delivery breach!"]
    assert [to_text(at) for at, _ in shop.said] == [to_text(hour(50) + ONE_SECOND)]


def test_a_timer_that_is_too_early_says_nothing_and_is_armed_anew() -> None:
    shop = moving()
    shop.follow([scan("in_transit", 60)])
    assert shop.armed_for() == hour(72) + ONE_SECOND, "moving it would cost an index write"
    shop.run_until(hour(72) + timedelta(seconds=2))
    assert shop.story() == []
    assert shop.armed_for() == hour(132) + ONE_SECOND
