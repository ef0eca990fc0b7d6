"""When an order is due: everything that was promised, resolved into one time."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from shipments import DAY0, Fact, hour, kinds, known, paid, promised, rules_for, scan, shipped

from aftercare.kernel.times import to_text
from aftercare.shipments.model.promise import due_of
from aftercare.shipments.model.shipment import Due

CHINA = ZoneInfo("Asia/Shanghai")
DAYS = 24


def due(*facts: Fact, pack: str = "standard") -> Due:
    shipment = known(*facts, pack=pack)
    found = due_of(shipment, rules_for(shipment))
    assert found is not None
    assert found == due_of(known(*reversed(facts), pack=pack), rules_for(shipment)), "the order of telling matters"
    return found


def test_nothing_is_due_before_the_payment_is_known() -> None:
    shipment = known(promised("title", ship_by=24))
    assert due_of(shipment, rules_for(shipment)) is None


def test_an_order_is_due_as_it_was_promised_when_it_was_paid() -> None:
    assert due(paid(ship_by=48, deliver_by=96, door=True))[:4] == (hour(48), hour(48), hour(96), True)


def test_an_order_without_a_promise_is_never_due_by_the_standard_rules() -> None:
    assert due(paid())[:4] == (None, None, None, False)


@pytest.mark.parametrize("pack", ["taobao", "tmall", "douyin"])
def test_an_order_without_a_promise_is_due_after_48_hours_on_a_marketplace_that_says_so(pack: str) -> None:
    assert due(paid(), pack=pack).ship_by == hour(48)


@pytest.mark.parametrize("deposit", [None, to_text(hour(-100))])
def test_a_presale_without_a_promise_is_not_due_by_that(deposit: str | None) -> None:
    assert due(paid(presale=True, deposit_paid_at=deposit), pack="tmall").ship_by is None


# ---------------------------------------------------------------- contradictory promises


@pytest.mark.parametrize("source", ["title", "listing", "tag"])
def test_seven_days_and_in_stock_make_48_hours(source: str) -> None:
    """Worked example: 7 days were set, the title says that the goods are in stock (现货)."""
    assert due(paid(ship_by=7 * DAYS), promised(source, tag="in_stock"), pack="tmall").ship_by == hour(48)


def test_three_days_set_and_five_in_the_text_make_three() -> None:
    """Worked example."""
    assert due(paid(), promised("listing", ship_by=3 * DAYS), promised("title", ship_by=5 * DAYS)).ship_by == hour(72)
    assert due(paid(ship_by=3 * DAYS), promised("listing", ship_by=5 * DAYS)).ship_by == hour(72)


def test_two_promises_of_one_listing_are_two_promises() -> None:
    first, second = promised("listing", ship_by=5 * DAYS), promised("listing", ship_by=3 * DAYS)
    assert due(paid(), first, second).ship_by == hour(72)
    assert due(paid(), promised("listing", 1, ship_by=72), promised("listing", 2, ship_by=120)).ship_by == hour(72)


def test_words_for_fast_shipping_make_24_hours() -> None:
    assert due(paid(ship_by=48), promised("title", terms="fast"), pack="taobao").ship_by == hour(24)


def test_each_part_of_a_promise_is_the_best_for_the_buyer() -> None:
    found = due(
        paid(ship_by=48, deliver_by=200), promised("tag", tag="T", ship_by=72, deliver_by=96, door_delivery=True)
    )
    assert found[:4] == (hour(48), hour(48), hour(96), True)


def test_no_promise_takes_the_door_back() -> None:
    assert due(paid(door=True), promised("tag", door_delivery=False)).door_delivery


@pytest.mark.parametrize(
    ("tag", "paid_at", "ship_by"),
    [
        ("same_day", (2, 15, 59), (3, 0, 0)),
        ("same_day", (2, 16, 0), (4, 0, 0)),
        ("next_day", (2, 23, 59), (4, 0, 0)),
        ("within_48_hours", (2, 16, 0), (4, 16, 0)),
    ],
)
def test_a_named_class_is_counted_in_the_marketplaces_own_days(
    tag: str, paid_at: tuple[int, int, int], ship_by: tuple[int, int, int]
) -> None:
    at, limit = (datetime(2026, 11, *each, tzinfo=CHINA).astimezone(UTC) for each in (paid_at, ship_by))
    assert due(paid(at=at), promised("tag", tag=tag), pack="douyin").ship_by == limit


def test_a_name_that_the_rules_do_not_know_promises_nothing() -> None:
    assert due(paid(), promised("tag", tag="same_day")).ship_by is None


def test_a_time_that_is_named_counts_before_the_class() -> None:
    assert due(paid(), promised("title", tag="fast", ship_by=30), pack="tmall").ship_by == hour(30)


# ---------------------------------------------------------------- agreements


def test_an_agreed_date_replaces_the_promise_and_the_original_stays() -> None:
    found = due(paid(ship_by=48, deliver_by=96), promised("agreement", 10, ship_by=300))
    assert found[:3] == (hour(300), hour(48), hour(96))


def test_an_agreed_date_may_be_earlier_too() -> None:
    assert due(paid(ship_by=48), promised("agreement", 1, ship_by=24))[:2] == (hour(24), hour(48))


def test_the_latest_agreement_counts() -> None:
    found = due(paid(ship_by=48), promised("agreement", 20, ship_by=100), promised("agreement", 10, ship_by=300))
    assert found[:2] == (hour(100), hour(48))


def test_what_an_agreement_does_not_speak_of_stays() -> None:
    found = due(paid(ship_by=48, deliver_by=96, door=True), promised("agreement", 1, deliver_by=200))
    assert found[:4] == (hour(48), hour(48), hour(200), True)
    assert not due(paid(door=True), promised("agreement", 1, door_delivery=False)).door_delivery


def test_a_promise_that_is_heard_of_after_the_agreement_changes_the_original_alone() -> None:
    found = due(paid(ship_by=48), promised("agreement", 1, ship_by=300), promised("title", 2, ship_by=24))
    assert found[:2] == (hour(300), hour(24))


def test_the_rule_names_what_decided() -> None:
    assert due(paid(ship_by=48)).rule == "shipments-standard-1/due.payment"
    assert due(paid(ship_by=48), promised("tag", tag="T24", ship_by=24)).rule == "shipments-standard-1/due.tag:T24"
    assert due(paid(), pack="tmall").rule == "shipments-tmall-1/due.default"
    assert due(paid(), promised("agreement", ship_by=90)).rule == "shipments-standard-1/due.agreement"


# ---------------------------------------------------------------- seasons


def festive(day: int, hour_: int = 12) -> datetime:
    return datetime(2026, 2, day, hour_, tzinfo=CHINA).astimezone(UTC)


def test_in_the_spring_festival_nothing_is_due_before_its_end() -> None:
    end = datetime(2026, 2, 27, tzinfo=CHINA)
    found = due(paid(at=festive(12)), pack="tmall")
    assert found[:2] == (end, end)
    assert found.rule == "shipments-tmall-1/due.spring-festival-2026"
    assert due(paid(at=festive(12), ship_by=datetime(2026, 3, 5, tzinfo=UTC)), pack="tmall").ship_by == datetime(
        2026, 3, 5, tzinfo=UTC
    )
    assert due(paid(at=festive(24)), pack="tmall").ship_by == festive(26)


# ---------------------------------------------------------------- what follows from it, to the second


@pytest.mark.parametrize(("second", "late"), [(-1, []), (0, []), (1, ["late_pickup"])])
def test_a_pickup_in_the_very_second_that_was_promised_is_in_time(second: int, late: list[str]) -> None:
    promised_and_done = paid(ship_by=48), scan("picked_up", hour(48 + second / 3600)), scan("delivered", 60)
    assert kinds(known(*promised_and_done)) == late


@pytest.mark.parametrize(("second", "late"), [(-1, []), (0, []), (1, ["late_delivery"])])
def test_so_is_a_delivery(second: int, late: list[str]) -> None:
    promised_and_done = paid(deliver_by=48), scan("out_for_delivery", 20), scan("delivered", hour(48 + second / 3600))
    assert kinds(known(*promised_and_done)) == late


def test_the_upload_of_a_number_is_no_pickup() -> None:
    assert "late_pickup" in kinds(known(paid(ship_by=12), shipped(1)), DAY0.replace(hour=21))
