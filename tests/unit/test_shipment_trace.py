"""Legs and the silences between scans: the table of limits to the second, and what starts which clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from shipments import DAY0, FAR_AWAY, MUCH_LATER, NEARBY, P1, Fact, findings, hour, kinds, known, paid, scan, shipped

from aftercare.events.vocabulary import AnomalyKind, AnomalyOutcome, AnomalyStage, Leg
from aftercare.kernel.times import ONE_SECOND
from aftercare.rulepacks.shipments import shipment_rules
from aftercare.shipments.model.shipment import Place, Shipment
from aftercare.shipments.model.trace import Lane, delivered, picked_up, short_province, silences
from aftercare.shipments.model.verdicts import Finding, judge


class Row(NamedTuple):
    """A line of the table: the scans up to the silence, the lane, and the limits in hours."""

    name: str
    scans: tuple[tuple[str, float], ...]
    lane: tuple[str | None, str | None]
    leg: str
    breach: int
    serious: int
    pack: str = "standard"


REMOTE = ("浙江省", "西藏自治区")
HONG_KONG = ("广东省", "香港特别行政区")
TABLE = (
    Row("no scan", (), FAR_AWAY, "pickup", 24, 48),
    Row("label created", (("label_created", 5),), FAR_AWAY, "pickup", 24, 48),
    Row("picked up", (("picked_up", 0),), FAR_AWAY, "dispatch", 24, 72),
    Row("in transit within a province", (("in_transit", 0),), NEARBY, "transit", 48, 96),
    Row("in transit between provinces", (("in_transit", 0),), FAR_AWAY, "transit", 72, 120),
    Row("in transit from an unknown end", (("in_transit", 0),), (None, "四川省"), "transit", 72, 120),
    Row("in transit to an unknown end", (("in_transit", 0),), ("四川省", None), "transit", 72, 120),
    Row("in transit from and to nobody knows where", (("in_transit", 0),), (None, None), "transit", 72, 120),
    Row("in transit on a remote lane", (("in_transit", 0),), REMOTE, "transit", 120, 168, "tmall"),
    Row("in transit from a remote end", (("in_transit", 0),), REMOTE[::-1], "transit", 120, 168, "tmall"),
    Row("in transit within a remote province", (("in_transit", 0),), (REMOTE[1], REMOTE[1]), "transit", 120, 168,
        "tmall"),
    Row("in transit to one far end, the other unknown", (("in_transit", 0),), (None, REMOTE[1]), "transit", 120, 168,
        "tmall"),
    Row("in transit between neighbours", (("in_transit", 0),), ("上海市", "安徽省"), "transit", 48, 96, "tmall"),
    Row("in transit between neighbours of two groups", (("in_transit", 0),), ("上海市", "北京市"), "transit", 72, 120,
        "tmall"),
    Row("the standard rules know no far ends", (("in_transit", 0),), REMOTE, "transit", 72, 120),
    Row("out for delivery", (("out_for_delivery", 0),), FAR_AWAY, "delivery", 48, 120),
    Row("delivery failed", (("delivery_failed", 0),), FAR_AWAY, "delivery", 48, 120),
    Row("ready for pickup", (("ready_for_pickup", 0),), FAR_AWAY, "collection", 72, 168),
    Row("nothing at the pickup to an excluded end", (), HONG_KONG, "pickup", 24, 48, "tmall"),
)  # fmt: skip


def story(row: Row) -> tuple[Fact, ...]:
    return paid(lane=row.lane), shipped(0), *(scan(status, at) for status, at in row.scans)


def told_of(row: Row, *more: Fact) -> Shipment:
    return known(*story(row), *more, pack=row.pack)


def stalls(shipment: Shipment, now: Any = MUCH_LATER) -> list[Finding]:
    return [each for each in findings(shipment, now) if each.kind is AnomalyKind.STALLED]


def stage(shipment: Shipment, leg: str, now: Any) -> str | None:
    """The stage that the silence on the leg, which begins with the payment, has reached by now."""
    reached = [each.stages(now)[-1].stage.value for each in stalls(shipment, now) if each.leg == leg]
    return reached[0] if reached else None


def limits(row: Row) -> list[tuple[timedelta, str | None]]:
    breach, serious = timedelta(hours=row.breach), timedelta(hours=row.serious)
    return [
        (breach - ONE_SECOND, None),
        (breach, None),
        (breach + ONE_SECOND, "breach"),
        (serious - ONE_SECOND, "breach"),
        (serious, "serious"),
        (serious + ONE_SECOND, "serious"),
    ]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_silence_that_lasts_is_a_breach_when_longer_and_serious_when_as_long(row: Row) -> None:
    for gap, expected in limits(row):
        assert stage(told_of(row), row.leg, DAY0 + gap) == expected, gap


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_silence_that_is_over_is_judged_by_its_length_alone(row: Row) -> None:
    for gap, expected in limits(row):
        closed = told_of(row, scan("on_hold", DAY0 + gap))
        first = [each for each in stalls(closed) if each.since == DAY0]
        assert [each.stages(MUCH_LATER)[-1].stage.value for each in first] == ([expected] if expected else []), gap
        assert all(each.ended_at == DAY0 + gap and each.outcome is AnomalyOutcome.MOVED for each in first)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_the_next_look_is_one_second_after_the_next_limit(row: Row) -> None:
    shipment, rules = told_of(row), shipment_rules(row.pack, DAY0)
    breach, serious = hour(row.breach), hour(row.serious)
    looks = {
        DAY0: breach + ONE_SECOND,
        breach - ONE_SECOND: breach + ONE_SECOND,
        breach: breach + ONE_SECOND,
        breach + ONE_SECOND: serious + ONE_SECOND,
        serious - ONE_SECOND: serious + ONE_SECOND,
    }
    for now, look in looks.items():
        stalled_only = judge(shipment._replace(payment=shipment.payment._replace(ship_by=hour(999))), rules, now)  # type: ignore[union-attr]
        assert stalled_only.next_look == look, now


@pytest.mark.parametrize("status", ["picked_up", "in_transit", "out_for_delivery", "ready_for_pickup"])
def test_to_an_excluded_end_nothing_is_watched_after_the_pickup(status: str) -> None:
    shipment = known(paid(lane=HONG_KONG, ship_by=48), shipped(0), scan(status, 1), pack="tmall")
    assert stalls(shipment) == []


@pytest.mark.parametrize("country", ["HK", "MO", "TW"])
def test_an_excluded_end_may_be_named_as_a_country(country: str) -> None:
    abroad = paid(destination={"country": country}, ship_by=48)
    assert stalls(known(abroad, shipped(0), scan("in_transit", 1), pack="tmall")) == []


@pytest.mark.parametrize("status", ["delivered", "return_started", "returned", "lost", "cancelled"])
def test_after_the_end_of_the_way_nothing_stalls(status: str) -> None:
    assert stalls(known(paid(), shipped(0), scan("in_transit", 1), scan(status, 2))) == []


# ---------------------------------------------------------------- which scan starts which clock


def legs(*facts: Fact) -> list[tuple[str, float]]:
    """Every silence: its leg and the hour in which it began."""
    parcel = known(*facts).parcel(P1)
    return [(each.leg.value, (each.since - DAY0) / timedelta(hours=1)) for each in silences(parcel)]


def test_every_scan_starts_the_clock_of_its_leg() -> None:
    told = [scan(status, at) for at, status in enumerate(
        ("label_created", "picked_up", "in_transit", "in_transit", "out_for_delivery", "delivery_failed",
         "ready_for_pickup", "delivered"), start=1)]  # fmt: skip
    assert legs(shipped(0), *told) == [
        ("pickup", 0), ("dispatch", 2), ("transit", 3), ("transit", 4), ("delivery", 5), ("delivery", 6),
        ("collection", 7),
    ]  # fmt: skip


@pytest.mark.parametrize("status", ["on_hold", "unknown"])
@pytest.mark.parametrize(
    ("before", "leg"),
    [
        ("picked_up", "dispatch"),
        ("in_transit", "transit"),
        ("out_for_delivery", "delivery"),
        ("ready_for_pickup", "collection"),
    ],
)
def test_a_scan_that_says_little_restarts_the_clock_of_the_leg_it_finds(status: str, before: str, leg: str) -> None:
    assert legs(shipped(0), scan(before, 1), scan(status, 2))[-1] == (leg, 2)


@pytest.mark.parametrize("status", ["on_hold", "unknown"])
def test_before_the_pickup_it_does_not_end_the_wait_for_it(status: str) -> None:
    assert legs(shipped(0), scan(status, 2)) == [("pickup", 0), ("pickup", 2)]
    assert legs(shipped(0), scan(status, 2), scan("picked_up", 3))[-1] == ("dispatch", 3)


@pytest.mark.parametrize("status", ["lost", "return_started", "cancelled"])
def test_a_scan_that_says_little_opens_no_leg_where_there_is_none(status: str) -> None:
    assert legs(shipped(0), scan("in_transit", 1), scan(status, 2), scan("unknown", 3)) == [
        ("pickup", 0),
        ("transit", 1),
    ]


def test_a_label_does_not_restart_the_wait_for_the_pickup() -> None:
    assert legs(shipped(0), scan("label_created", 20)) == [("pickup", 0)]


def test_a_label_after_a_physical_scan_is_as_an_unknown_one() -> None:
    assert legs(shipped(0), scan("in_transit", 2), scan("label_created", 5)) == [
        ("pickup", 0),
        ("transit", 2),
        ("transit", 5),
    ]


def test_a_scan_that_proves_nothing_before_the_upload_does_not_take_the_place_of_the_pickup() -> None:
    assert legs(scan("unknown", 1), shipped(5), scan("label_created", 6)) == [("pickup", 5)]
    assert legs(scan("cancelled", 1), shipped(5)) == [("pickup", 5)]


def test_without_an_upload_a_label_starts_nothing() -> None:
    assert legs(scan("label_created", 1)) == []


def test_an_upload_that_is_late_does_not_begin_the_pickup_anew() -> None:
    assert legs(scan("picked_up", 1), shipped(5)) == [("dispatch", 1)]


def test_the_earliest_upload_counts() -> None:
    assert legs(shipped(9), shipped(3), shipped(6)) == [("pickup", 3)]


def test_the_first_delivery_ends_the_watch() -> None:
    told = scan("in_transit", 1), scan("delivered", 5), scan("in_transit", 9), scan("out_for_delivery", 10)
    assert legs(shipped(0), *told) == [("pickup", 0), ("transit", 1)]
    assert len(known(*told).parcel(P1).scans) == 4


def test_a_lost_parcel_that_moves_on_is_watched_again() -> None:
    assert legs(scan("in_transit", 1), scan("lost", 5), scan("in_transit", 9)) == [("transit", 1), ("transit", 9)]


TIES = (
    ("picked_up", "in_transit", "transit"),
    ("in_transit", "out_for_delivery", "delivery"),
    ("out_for_delivery", "delivery_failed", "delivery"),
    ("delivery_failed", "ready_for_pickup", "collection"),
    ("label_created", "picked_up", "dispatch"),
    ("in_transit", "on_hold", "transit"),
    ("picked_up", "unknown", "dispatch"),
)


@pytest.mark.parametrize(("earlier", "later", "leg"), TIES)
def test_in_one_second_the_status_that_is_later_in_the_list_is_later(earlier: str, later: str, leg: str) -> None:
    both = (scan(earlier, 1), scan(later, 1))
    assert legs(*both)[-1] == legs(*both[::-1])[-1] == (leg, 1)


@pytest.mark.parametrize("later", ["delivered", "return_started", "returned", "lost", "cancelled"])
def test_in_one_second_an_end_comes_after_any_step(later: str) -> None:
    assert stalls(known(paid(), scan(later, 1), scan("in_transit", 1))) == []


def test_an_upload_comes_before_the_scans_of_its_second() -> None:
    assert legs(scan("picked_up", 1), shipped(1)) == [("pickup", 1), ("dispatch", 1)]


# ---------------------------------------------------------------- milestones and lanes


@pytest.mark.parametrize(
    "status",
    ["picked_up", "in_transit", "out_for_delivery", "delivery_failed", "ready_for_pickup", "delivered",
     "return_started", "returned"],
)  # fmt: skip
def test_a_parcel_is_picked_up_with_its_first_scan_that_proves_it(status: str) -> None:
    parcel = known(shipped(0), scan("label_created", 1), scan("on_hold", 2), scan(status, 3)).parcel(P1)
    first = picked_up(parcel)
    assert first is not None
    assert first.at == hour(3)


@pytest.mark.parametrize("status", ["label_created", "on_hold", "unknown", "lost", "cancelled"])
def test_other_scans_prove_no_pickup(status: str) -> None:
    assert picked_up(known(shipped(0), scan(status, 1)).parcel(P1)) is None


def test_a_delivery_that_is_told_with_an_earlier_time_than_the_pickup_is_both() -> None:
    parcel = known(scan("picked_up", 9), scan("delivered", 4)).parcel(P1)
    first, last = picked_up(parcel), delivered(parcel)
    assert first == last
    assert first is not None
    assert first.at == hour(4)


@pytest.mark.parametrize(
    ("name", "short"),
    [("浙江省", "浙江"), ("北京市", "北京"), ("西藏自治区", "西藏"), ("新疆维吾尔自治区", "新疆"),
     ("广西壮族自治区", "广西"), ("宁夏回族自治区", "宁夏"), ("内蒙古自治区", "内蒙古"), ("香港特别行政区", "香港"),
     ("浙江", "浙江"), ("SP", "SP")],
)  # fmt: skip
def test_provinces_are_the_same_in_either_form(name: str, short: str) -> None:
    assert short_province(name) == short


def test_the_same_name_in_two_countries_is_not_one_province() -> None:
    lanes = shipment_rules("standard", DAY0).lanes
    assert Lane(Place("CN", "A"), Place("CN", "A")).transit(lanes) == "same_province"
    assert Lane(Place("CN", "A"), Place("BR", "A")).transit(lanes) == "other"


def test_two_ends_of_which_only_the_country_is_known_are_different() -> None:
    assert Lane(Place("CN"), Place("CN")).transit(shipment_rules("standard", DAY0).lanes) == "other"


def test_an_order_that_is_not_known_to_be_paid_is_watched_as_on_a_far_lane() -> None:
    unpaid = known(shipped(0), scan("in_transit", 1))
    [found] = stalls(unpaid)
    assert (found.leg, found.crossings[0].at) == (Leg.TRANSIT, hour(1 + 72))
    assert kinds(unpaid) == ["stalled"]


# ---------------------------------------------------------------- warnings, seasons, deadlines that come earlier


def test_where_the_rules_warn_a_warning_comes_at_three_quarters_of_the_breach() -> None:
    warned = known(paid(ship_by=999), shipped(0), scan("in_transit", 0), pack="douyin")
    at = hour(54)
    assert stalls(warned, at) == []
    [found] = stalls(warned, at + ONE_SECOND)
    assert [each.stage for each in found.stages(at + ONE_SECOND)] == [AnomalyStage.PRE]
    [found] = stalls(warned, MUCH_LATER)
    assert [(each.stage.value, each.at) for each in found.crossings] == [
        ("pre", hour(54)),
        ("breach", hour(72)),
        ("serious", hour(120)),
    ]


def test_a_parcel_that_goes_out_for_delivery_early_is_due_earlier() -> None:
    rules = shipment_rules("standard", DAY0)
    waiting = known(paid(), shipped(0), scan("in_transit", 0))
    out = known(paid(), shipped(0), scan("in_transit", 0), scan("out_for_delivery", 2))
    assert judge(waiting, rules, hour(2)).next_look == hour(72) + ONE_SECOND
    assert judge(out, rules, hour(2)).next_look == hour(50) + ONE_SECOND
