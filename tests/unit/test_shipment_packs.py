"""The rule packs of shipments: which one holds, what it says, and which adjustment counts."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aftercare.events.vocabulary import AnomalyKind, Leg
from aftercare.kernel.errors import DomainError
from aftercare.rulepacks.calendars import calendar
from aftercare.rulepacks.loader import BrokenRulePack, RulePack, parse_pack, read_packs, refuse_overlaps
from aftercare.rulepacks.negotiation import NegotiationRules
from aftercare.rulepacks.shipments import Charge, ShipmentRules, shipment_rules

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "layers" / "aftercare" / "aftercare" / "rulepacks"
CHINA = ZoneInfo("Asia/Shanghai")
HERE = frozenset({"浙江", "CN"})
PACKS: tuple[ShipmentRules, ...] = read_packs("shipments", ShipmentRules)
TAOBAO = ("taobao", "tmall")
PAGE = (ROOT / "docs" / "rule-packs.md").read_text(encoding="utf-8")


def china(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=CHINA).astimezone(UTC)


def pack_text(name: str) -> str:
    return (FOLDER / "shipments" / f"{name}.toml").read_text(encoding="utf-8")


def tmall(**changes: Any) -> ShipmentRules:
    return ShipmentRules.model_validate({**tomllib.loads(pack_text("tmall-1")), **changes})


ORDINARY = {"same_province": (48, 96), "other": (72, 120), "remote": (120, 168)}
FESTIVE = {"same_province": (96, 120), "other": (96, 120), "remote": (120, 168)}


def gaps(rules: ShipmentRules, paid_at: datetime) -> dict[str, tuple[int, int]]:
    stalls = rules.thresholds(paid_at, HERE)
    assert stalls is not None
    return {lane: (gap.breach, gap.serious) for lane, gap in stalls.transit}


# ---------------------------------------------------------------- which pack


@pytest.mark.parametrize(
    ("marketplace", "pack"),
    [
        ("taobao", "shipments-taobao-1"),
        ("tmall", "shipments-tmall-1"),
        ("douyin", "shipments-douyin-1"),
        ("doudian", "shipments-douyin-1"),
        ("shopify", "shipments-standard-1"),
        ("standard", "shipments-standard-1"),
    ],
)
def test_a_marketplace_is_judged_by_its_own_pack_else_by_the_standard_one(marketplace: str, pack: str) -> None:
    assert shipment_rules(marketplace, china(2026, 11, 2)).id == pack


def test_before_its_first_pack_a_marketplace_is_judged_by_the_standard_one() -> None:
    begin = china(2025, 1, 1)
    assert shipment_rules("tmall", begin).id == "shipments-tmall-1"
    assert shipment_rules("tmall", begin - timedelta(seconds=1)).id == "shipments-standard-1"
    with pytest.raises(DomainError, match="no rule pack of tmall or standard is in force"):
        shipment_rules("tmall", datetime(1969, 1, 1, tzinfo=UTC))


def test_a_pack_ends_where_the_next_begins() -> None:
    first = RulePack(id="a-1", marketplace="a", effective_from=china(2026, 1, 1), effective_to=china(2026, 7, 1))
    second = RulePack(id="a-2", marketplace="b", aliases=("a",), effective_from=china(2026, 7, 1))
    refuse_overlaps([second, first])
    with pytest.raises(BrokenRulePack, match="a-1 is still in force when a-2 begins"):
        refuse_overlaps([second, first.model_copy(update={"effective_to": None})])


def test_every_pack_of_china_counts_its_days_there() -> None:
    assert {pack.marketplace: pack.zone for pack in PACKS} == {
        "standard": "UTC",
        "taobao": "Asia/Shanghai",
        "tmall": "Asia/Shanghai",
        "douyin": "Asia/Shanghai",
    }


# ---------------------------------------------------------------- what the packs say


@pytest.mark.parametrize("marketplace", [*TAOBAO, "douyin"])
def test_gaps_and_lanes_are_those_of_the_rules(marketplace: str) -> None:
    rules = shipment_rules(marketplace, china(2026, 6, 1))
    assert gaps(rules, china(2026, 6, 1)) == ORDINARY
    assert {"江苏", "浙江", "上海", "安徽"} in map(set, rules.lanes.near)
    assert {"北京", "天津", "河北"} in map(set, rules.lanes.near)
    assert {"香港", "澳门", "台湾", "HK", "MO", "TW"} == set(rules.lanes.excluded)
    assert rules.ship_within == 48


def test_douyin_knows_two_more_remote_provinces_and_is_stricter_after_the_pickup() -> None:
    at = china(2026, 6, 1)
    douyin, of_tmall = shipment_rules("douyin", at), shipment_rules("tmall", at)
    assert set(douyin.lanes.remote) - set(of_tmall.lanes.remote) == {"云南", "海南"}
    assert (douyin.stalls.dispatch.serious, of_tmall.stalls.dispatch.serious) == (48, 72)
    assert (douyin.out_of_stock_after, of_tmall.out_of_stock_after) == (48, 72)
    assert (douyin.pre_warning, of_tmall.pre_warning) == (True, False)
    assert douyin.violation is not None
    assert (douyin.violation.share_above, douyin.violation.orders) == (10, 20)


def test_douyins_promises_are_by_day_and_by_hour() -> None:
    classes = {each.id: each for each in shipment_rules("douyin", china(2026, 6, 1)).promise_classes}
    assert (classes["same_day"].days, classes["same_day"].cutoff_hour) == (0, 16)
    assert (classes["next_day"].days, classes["next_day"].cutoff_hour) == (1, 24)
    assert classes["within_48_hours"].hours == 48


def first_charge(marketplace: str, kind: str, **conditions: str) -> tuple[int, int, int] | None:
    """Percent, floor and cap of the first charge whose conditions are met."""
    table = shipment_rules(marketplace, china(2026, 6, 1)).compensation
    assert table is not None

    def fits(charge: Charge) -> bool:
        given = {name: getattr(charge, name) for name in ("leg", "stage", "promise", "declared")}
        return charge.kind == kind and all(conditions.get(name) == value for name, value in given.items() if value)

    found = next((charge for charge in table.charges if fits(charge)), None)
    return None if found is None else (found.percent, found.floor, found.cap)


SOON, LATER = {"promise": "regular"}, {"promise": "longer"}


@pytest.mark.parametrize(
    ("kind", "conditions", "of_tmall", "of_taobao", "of_douyin"),
    [
        ("late_pickup", SOON, (5, 500, 5000), (1, 300, 3000), None),
        ("late_pickup", LATER, (10, 500, 5000), (5, 500, 3000), (1, 200, 5000)),
        ("out_of_stock", SOON, (10, 500, 50000), (10, 500, 10000), (1, 200, 5000)),
        ("out_of_stock", LATER | {"declared": "in_time"}, (10, 500, 50000), (10, 500, 50000), (3, 300, 5000)),
        ("out_of_stock", LATER | {"declared": "late"}, (15, 500, 50000), (15, 500, 50000), (3, 300, 5000)),
        ("fake_shipment", SOON, (30, 500, 50000), (30, 500, 10000), (25, 500, 10000)),
        ("stalled", SOON | {"leg": "pickup", "stage": "breach"}, (5, 500, 10000), (5, 500, 10000), (1, 300, 3000)),
        ("stalled", LATER | {"leg": "transit", "stage": "breach"}, (5, 500, 5000), (5, 500, 5000), (5, 500, 5000)),
        ("stalled", SOON | {"leg": "transit", "stage": "serious"}, (20, 500, 10000), (20, 500, 10000), (1, 300, 3000)),
        (
            "stalled",
            SOON | {"leg": "dispatch", "stage": "serious"},
            (20, 500, 10000),
            (20, 500, 10000),
            (25, 500, 10000),
        ),
        ("stalled", SOON | {"leg": "delivery", "stage": "serious"}, None, None, None),
        ("late_delivery", SOON, None, None, None),
    ],
)
def test_an_anomaly_costs_what_the_platform_asks(
    kind: str,
    conditions: dict[str, str],
    of_tmall: tuple[int, int, int] | None,
    of_taobao: tuple[int, int, int] | None,
    of_douyin: tuple[int, int, int] | None,
) -> None:
    assert first_charge("tmall", kind, **conditions) == of_tmall
    assert first_charge("taobao", kind, **conditions) == of_taobao
    assert first_charge("douyin", kind, **conditions) == of_douyin


def test_stalls_are_capped_together_and_a_buyers_day_as_well() -> None:
    tables = {name: shipment_rules(name, china(2026, 6, 1)).compensation for name in TAOBAO}
    caps = {name: (table.trace_percent, table.trace_cap, table.buyer_day) for name, table in tables.items() if table}
    assert {name: cap[:2] for name, cap in caps.items()} == {"taobao": (20, 10000), "tmall": (20, 10000)}
    by_day = {name: (cap[2].regular, cap[2].exceptional) for name, cap in caps.items() if cap[2]}
    assert by_day == {"taobao": (10000, 50000), "tmall": (50000, 50000)}


def test_every_charge_is_for_an_anomaly_and_a_leg_that_exist() -> None:
    charges = [charge for pack in PACKS if pack.compensation for charge in pack.compensation.charges]
    assert {charge.kind for charge in charges} <= set(AnomalyKind)
    assert {charge.leg for charge in charges if charge.leg} <= set(Leg)


# ---------------------------------------------------------------- the Spring Festival


@pytest.mark.parametrize("marketplace", TAOBAO)
@pytest.mark.parametrize(
    ("paid_at", "expected"),
    [
        (china(2026, 2, 9, 23, 59, 59), ORDINARY),
        (china(2026, 2, 10), FESTIVE),
        (china(2026, 2, 12), FESTIVE),  # 90 h without a scan within a province: nothing
        (china(2026, 2, 23, 23, 59, 59), FESTIVE),
        (china(2026, 2, 24), ORDINARY),  # the same 90 h: overdue
    ],
)
def test_orders_paid_around_the_spring_festival_of_2026_have_more_time(
    marketplace: str, paid_at: datetime, expected: dict[str, tuple[int, int]]
) -> None:
    assert gaps(shipment_rules(marketplace, paid_at), paid_at) == expected


def test_the_announced_adjustment_says_until_when_to_ship() -> None:
    adjustment = tmall().adjustment(china(2026, 2, 12), HERE)
    assert adjustment is not None
    assert (adjustment.id, adjustment.provisional) == ("spring-festival-2026", False)
    assert adjustment.ship_by == china(2026, 2, 27)


def test_a_year_without_its_notice_is_judged_provisionally_around_the_calendars_holiday() -> None:
    rules = tmall()
    holiday = calendar("CN").holiday("spring_festival", 2027)
    first = china(2027, holiday.first.month, holiday.first.day) - timedelta(days=5)
    after = china(2027, holiday.last.month, holiday.last.day) + timedelta(days=1)
    inside = rules.adjustment(first, HERE)
    assert inside is not None
    assert (inside.id, inside.provisional) == ("spring-festival-2027-provisional", True)
    assert inside.ship_by == after + timedelta(days=3)
    assert gaps(rules, after - timedelta(seconds=1)) == FESTIVE
    assert rules.adjustment(first - timedelta(seconds=1), HERE) is None
    assert rules.adjustment(after, HERE) is None


def test_what_is_expected_agrees_with_what_was_announced_for_2026() -> None:
    rules = tmall(adjustments=[])
    announced = tmall().adjustment(china(2026, 2, 12), HERE)
    expected = rules.adjustment(china(2026, 2, 12), HERE)
    assert announced is not None
    assert expected is not None
    differing = {name for name, value in announced if getattr(expected, name) != value}
    assert differing == {"id", "provisional", "source"}


def test_an_announced_adjustment_replaces_the_expected_one_of_its_year() -> None:
    announced = {
        "id": "spring-festival-2027",
        "paid_from": "2027-02-03T00:00:00+08:00",
        "paid_to": "2027-02-05T00:00:00+08:00",
        "source": "a notice",
    }
    rules = tmall(adjustments=[announced])
    assert rules.thresholds(china(2027, 2, 4), HERE) is None
    assert rules.adjustment(china(2027, 2, 6), HERE) is None
    in_2026 = rules.adjustment(china(2026, 2, 12), HERE)
    assert in_2026 is not None
    assert in_2026.id == "spring-festival-2026-provisional"


def test_years_beyond_the_calendar_are_judged_as_always() -> None:
    beyond = date(calendar("CN").years[-1] + 1, 2, 10)
    assert tmall().adjustment(china(beyond.year, beyond.month, beyond.day), HERE) is None


# ---------------------------------------------------------------- disasters


def flood(**changes: Any) -> dict[str, Any]:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (entry,) = tomllib.loads(example)["adjustments"]
    return {**entry, **changes}


def test_the_documents_disaster_entry_takes_its_provinces_out_and_nothing_else() -> None:
    rules = tmall(adjustments=[flood()])
    during = china(2026, 7, 6)
    assert rules.thresholds(during, frozenset({"广西", "浙江", "CN"})) is None
    assert rules.thresholds(during, HERE) == rules.stalls
    assert rules.thresholds(china(2026, 7, 12), frozenset({"广西"})) == rules.stalls


def test_an_adjustment_of_some_provinces_goes_before_one_of_all() -> None:
    festival = tomllib.loads(pack_text("tmall-1"))["adjustments"][0]
    snow = flood(id="snow", paid_from="2026-02-11T00:00:00+08:00", paid_to="2026-02-13T00:00:00+08:00")
    rules = tmall(adjustments=[festival, snow])
    assert rules.thresholds(china(2026, 2, 12), frozenset({"广西"})) is None
    assert gaps(rules, china(2026, 2, 12)) == FESTIVE


# ---------------------------------------------------------------- packs with an error


@pytest.mark.parametrize(
    ("was", "now", "complaint"),
    [
        ("ship_within = 48", "ship_in = 48", "ship_in: Extra inputs are not permitted"),
        ("hub_visits = 3", "", "hub_visits: Field required"),
        ('zone = "Asia/Shanghai"', 'zone = "Asia/Hangzhou"', "zone: .*'Asia/Hangzhou' is not an IANA zone"),
        ('"甘肃"', '"甘肃省"', "lanes.remote.3: .*'甘肃省' is not the short form"),
        ("pickup = { breach = 24, serious = 48 }", "pickup = { breach = 24, serious = 24 }", "serious must be longer"),
        ('paid_to = "2026-02-24', 'paid_to = "2026-02-04', "adjustments.0: .*paid_to must be later"),
        ('paid_to = "2026-02-24T00:00:00+08:00"', 'paid_to = "2026-02-24"', "adjustments.0.paid_to: "),
        ("cap = 5000", "cap = 50", "compensation.charges.0: .*floor must not be above cap"),
        ('holiday = "spring_festival"', 'holiday = "carnival"', "seasons.0: .*no carnival in 2024"),
        ('calendar = "CN"', 'calendar = "XX"', "seasons.0: .*no calendar of XX"),
        ('id = "fast"', 'id = "in_stock"', "more than one entry has the id in_stock"),
        ("ship_within = 48", "ship_within = ", "Invalid value"),
    ],
)
def test_a_pack_with_an_error_is_refused_with_its_name_and_the_field(was: str, now: str, complaint: str) -> None:
    text = pack_text("tmall-1")
    assert was in text
    with pytest.raises(BrokenRulePack, match=f"^shipments/tmall-1.toml: .*{complaint}"):
        parse_pack("shipments/tmall-1.toml", text.replace(was, now, 1), ShipmentRules)


# ---------------------------------------------------------------- the page


def test_the_page_lists_every_pack_with_its_names_and_its_beginning() -> None:
    listed = set(re.findall(r"^\| `(\S+)` \| `(\w+)` \|(?: `(\w+)`)? \| (\S+) \|", PAGE, re.MULTILINE))
    subjects: dict[str, type[RulePack]] = {"negotiation": NegotiationRules, "shipments": ShipmentRules}
    known = set()
    for subject, model in subjects.items():
        for file in (FOLDER / subject).glob("*.toml"):
            pack = parse_pack(file.name, file.read_text(encoding="utf-8"), model)
            begin = pack.effective_from.astimezone(ZoneInfo(getattr(pack, "zone", "UTC"))).date()
            known.add((f"{subject}/{file.name}", pack.marketplace, "".join(pack.aliases), begin.isoformat()))
    assert listed == known
