"""The ledger: facts to records, scans to the orders that bear their parcel, and rows to days."""

from __future__ import annotations

import random
from datetime import date
from itertools import count, permutations

import pytest
from builders import SHOP
from hypothesis import given, settings
from hypothesis import strategies as st
from scores import (
    CountedShop,
    Fact,
    Killed,
    at,
    cancelled,
    die,
    enrolled,
    entry,
    paid,
    rated,
    reviewed,
    scan,
    shipped,
    traced,
    violated,
    write_out,
    wrote,
)
from shipments import Interrupted

from aftercare.events.vocabulary import ScanStatus
from aftercare.kernel.errors import MalformedInput
from aftercare.scores import keys, store
from aftercare.scores.model.formulas.logistics import delivered, picked_up
from aftercare.scores.model.records import OrderRecord

MONDAY, WEDNESDAY = date(2026, 11, 2), date(2026, 11, 4)
ORDER = paid(at(0, "10:00:00"), ship_by=at(2, "10:00:00"))


@pytest.fixture
def shop() -> CountedShop:
    return CountedShop(at(0, "12:00:00"))


def known(shop: CountedShop, order_id: str = "A1") -> OrderRecord:
    found = shop.order(order_id)
    assert found is not None
    return found


# ---------------------------------------------------------------- shops


@pytest.mark.parametrize("first", [ORDER, wrote("buyer", at(0)), enrolled("insurance", at(0)), scan("lost", at(0))])
def test_a_shop_is_entered_with_its_first_fact_under_its_marketplace_in_utc(shop: CountedShop, first: Fact) -> None:
    shop.hear(first)
    state = shop.state()
    assert (state.shop, state.zone, state.pack, state.counted_to) == (SHOP, "UTC", "standard", date(2026, 11, 1))
    assert shop.armed_for() == at(1, "03:00:00")


def test_a_shop_that_is_entered_already_is_counted_in_its_own_zone() -> None:
    shop = CountedShop(at(0, "20:00:00"), zone="Asia/Shanghai")
    shop.hear(paid(at(0, "20:00:00")))
    assert known(shop).zone == "Asia/Shanghai"
    assert shop.rows(date(2026, 11, 3))["A1"].metrics["platform_help"] == (0, 1, None)


def test_a_marketplace_without_a_pack_of_its_own_counts_by_the_standard_one(shop: CountedShop) -> None:
    shop.hear(paid(at(0), shop="kuaishou:7"))
    item = shop.table.get(keys.order_key("kuaishou:7", "A1"))
    assert store.stored_order(keys.order_key("kuaishou:7", "A1"), item).record.pack == "kuaishou"  # type: ignore[union-attr]


def test_services_and_violations_of_a_shop_are_kept_with_it(shop: CountedShop) -> None:
    shop.hear(enrolled("insurance", at(0)), violated(at(0)), violated(at(0)))
    assert list(shop.state().services) == ["insurance"]
    assert len(shop.state().violations) == 1
    assert shop.armed_for() == at(1, "03:00:00")


def test_a_service_told_while_a_count_is_due_does_not_put_it_off(shop: CountedShop) -> None:
    shop.hear(ORDER)
    shop.sleep_until(at(1, "03:00:30"))
    shop.hear(enrolled("insurance", at(1, "03:00:00")))
    assert shop.armed_for() == at(1, "03:00:00")


# ---------------------------------------------------------------- parcels


def test_a_scan_finds_its_order_whichever_comes_first() -> None:
    facts = [ORDER, shipped(at(0)), scan("picked_up", at(1), number="P1"), scan("delivered", at(3), number="P1")]
    for told in permutations(facts):
        shop = CountedShop()
        shop.hear(*told)
        assert (picked_up(known(shop)), delivered(known(shop))) == (at(1), at(3))


def test_scans_of_a_number_that_no_order_bears_wait(shop: CountedShop) -> None:
    shop.hear(scan("picked_up", at(1), number="P1"), scan("delivered", at(3), number="P2"))
    assert shop.order() is None
    shop.hear(shipped(at(4)))
    assert [each.status for each in known(shop).parcels["sto/P1"].scans] == [ScanStatus.PICKED_UP]


def test_what_is_told_of_a_number_is_told_to_every_order_that_bears_it() -> None:
    facts = [
        shipped(at(0), "A1"),
        shipped(at(0), "A2"),
        scan("picked_up", at(1), number="P1"),
        scan("delivered", at(3), number="P1", order_id="A2"),
        traced(entry("in_transit", at(2)), told=at(4), complete=False),
    ]
    for told in permutations(facts):
        shop = CountedShop()
        shop.hear(*told)
        for order_id in ("A1", "A2"):
            statuses = [each.status.value for each in known(shop, order_id).parcels["sto/P1"].scans]
            assert statuses == ["picked_up", "in_transit", "delivered"], (order_id, told)


def test_the_same_number_of_another_carrier_or_shop_is_another_parcel(shop: CountedShop) -> None:
    shop.hear(shipped(at(0), "A1", "P1"), scan("picked_up", at(1), number="P11"))
    assert known(shop).parcels["sto/P1"].scans == ()


@pytest.mark.parametrize("linked", ["before", "after"])
def test_a_complete_trace_replaces_what_its_carrier_said_before(linked: str) -> None:
    facts = [
        scan("picked_up", at(1), number="P1", told=at(1)),
        scan("delivered", at(2), number="P1", told=at(2)),
        traced(entry("picked_up", at(1)), entry("in_transit", at(2)), told=at(3)),
        scan("out_for_delivery", at(2), number="P1", told=at(4)),
    ]
    others = [scan("picked_up", at(0), number="P2", order_id="A1", told=at(1)), scan("on_hold", at(1), told=at(1))]
    for told in permutations(facts):
        shop = CountedShop()
        shop.hear(*others, *([shipped(at(0)), *told] if linked == "before" else [*told, shipped(at(0))]))
        parcels = {name: [one.status.value for one in trace.scans] for name, trace in known(shop).parcels.items()}
        assert parcels == {
            "sto/P1": ["picked_up", "in_transit", "out_for_delivery"],
            "sto/P2": ["picked_up"],
            "": ["on_hold"],
        }


def test_a_scan_under_way_while_another_order_gets_the_number_reaches_both() -> None:
    """Either may be interrupted by the other at every call to the table, or killed there and delivered again."""
    link, told = shipped(at(1), "A2"), scan("delivered", at(3), number="P1")
    for first, second in ((told, link), (link, told)):
        for kill in (False, True):
            for moment in count():
                shop = CountedShop(at(5))
                shop.hear(shipped(at(0), "A1"))
                reached = interrupted(shop, first, second, moment, kill=kill)
                assert delivered(known(shop)) == delivered(known(shop, "A2")) == at(3), (first, moment, kill)
                if not reached:
                    break


def interrupted(shop: CountedShop, first: Fact, second: Fact, moment: int, *, kill: bool) -> bool:
    """Whether there was such a moment in the first."""
    table = Interrupted(shop.table, {moment: die if kill else lambda: shop.ledger().take_in(second)})
    try:
        shop.ledger(table).take_in(first)  # type: ignore[arg-type]
    except Killed:
        shop.hear(second, first)
        return True
    if kill or table.moment < moment:
        shop.hear(second)
        return False
    return True


# ---------------------------------------------------------------- rows


def test_what_an_order_adds_stands_under_its_days(shop: CountedShop) -> None:
    shop.hear(ORDER, scan("picked_up", at(1)))
    assert shop.rows(WEDNESDAY)["A1"].metrics["on_time_pickup"] == (1, 1, None)
    assert shop.rows(date(2026, 11, 3))["A1"].metrics["ship_hours"] == (14 * 3600, 1, None)
    assert set(shop.rows(MONDAY)) == {"A1"}


def test_a_fact_that_changes_nothing_is_not_written(shop: CountedShop) -> None:
    shop.hear(ORDER, ORDER)
    item = shop.table.get(keys.order_key(SHOP, "A1"))
    assert item is not None
    assert item["version"] == 1


def test_rows_that_are_withdrawn_vanish(shop: CountedShop) -> None:
    shop.hear(ORDER, reviewed(5, at(1)), cancelled(at(1)), reviewed(5, at(1), revision=2, removed=True))
    assert shop.rows(WEDNESDAY) == {}
    assert set(shop.rows(date(2026, 11, 3))) == set(), "neither the review nor the day on which 24 hours were over"


def test_an_order_and_a_session_of_one_number_count_both(shop: CountedShop) -> None:
    shop.hear(paid(at(0), "7"), rated(at(0), True, session="7"), reviewed(5, at(0), order_id="7"))
    found = {metric for row in shop.rows(MONDAY).values() for metric in row.metrics}
    assert found == {"platform_help", "valid_orders", "item.I1", "chat_satisfaction", "positive_rating"}


VERSIONS = (
    ORDER,
    reviewed(5, at(1)),
    scan("picked_up", at(1)),
    reviewed(1, at(1), revision=2),
    scan("delivered", at(1, "20:00:00")),
    reviewed(1, at(1), revision=3, removed=True),
)


def test_versions_of_a_record_may_be_written_out_in_any_order_and_again() -> None:
    shop = CountedShop(at(9))
    for told in VERSIONS:
        shop.ledger().take_in(told)
    versions, expected = shop.stream, None
    assert len(versions) == len(VERSIONS)
    for order in random.Random(4).sample(list(permutations(range(len(versions)))), 60):
        other = CountedShop(at(9))
        for number in (*order, *order[::2]):
            write_out(other.table, other.clock, versions[number])
        found = {number: other.rows(at(number).date()) for number in range(5)}
        expected = expected or found
        assert found == expected, order
    assert expected is not None
    assert {metric for row in expected[1].values() for metric in row.metrics} >= {"ship_hours", "negative_feedback"}


def test_days_that_are_over_are_marked_and_others_are_not(shop: CountedShop) -> None:
    shop.hear(reviewed(5, at(0, "13:00:00")), paid(at(0), ship_by=at(5)))
    assert shop.late() == []
    shop.hear(reviewed(5, at(-1), review_id="V2"), reviewed(5, at(-9), review_id="V3"))
    assert shop.late() == [date(2026, 10, 24), date(2026, 11, 1)]


def test_which_days_are_over_is_told_by_the_records_own_zone() -> None:
    shop = CountedShop(at(0, "15:30:00"), zone="Asia/Shanghai")
    shop.hear(reviewed(5, at(0, "15:00:00")))
    assert shop.late() == []
    shop.sleep_until(at(0, "16:00:00"))
    shop.hear(reviewed(5, at(0, "15:00:00"), review_id="V2"))
    assert shop.late() == [MONDAY]


def test_a_writer_killed_at_any_call_and_called_again_leaves_nothing_out() -> None:
    for moment in count():
        shop = CountedShop(at(9))
        for told in VERSIONS:
            shop.ledger().take_in(told)
        table = Interrupted(shop.table, {moment: die})
        try:
            shop.write_rows(table)  # type: ignore[arg-type]
            reached = False
        except Killed:
            shop.write_rows()
            reached = True
        assert len(shop.late()) == 3
        assert shop.rows(date(2026, 11, 3))["A1"].metrics["negative_feedback"] == (0, 1, None)
        if not reached:
            break


def test_a_mark_set_anew_is_not_taken_for_the_one_before(shop: CountedShop) -> None:
    shop.hear(reviewed(5, at(-1)))
    [mark] = shop.table.query(store.late_days(SHOP)).items
    day = date(2026, 11, 1)
    shop.table.write(store.forget_late(SHOP, day, int(mark["version"])))
    shop.sleep_until(at(0, "12:00:01"))
    shop.hear(reviewed(1, at(-1), revision=2))
    with pytest.raises(Exception, match="condition"):
        shop.table.write(store.forget_late(SHOP, day, int(mark["version"])))


# ---------------------------------------------------------------- limits


def test_a_record_beyond_an_items_size_is_refused_whatever_it_is_written_in() -> None:
    long = OrderRecord(SHOP, "单" * 110_000, "UTC", "standard")
    with pytest.raises(MalformedInput):
        store.write_record(keys.order_key(SHOP, "A1"), None, SHOP, long, [], at(0))


# ---------------------------------------------------------------- at the same time


class Meddled:
    """A table on which somebody else takes a fact in before each of the first writes."""

    def __init__(self, shop: CountedShop, others: list[Fact]) -> None:
        self._shop = shop
        self._others = others

    def __getattr__(self, name: str) -> object:
        def call(*arguments: object) -> object:
            if name == "write" and self._others:
                self._shop.ledger().take_in(self._others.pop(0))
            return getattr(self._shop.table, name)(*arguments)

        return call


@settings(max_examples=30)
@given(st.permutations(VERSIONS), st.integers(0, 5))
def test_facts_taken_in_at_the_same_time_are_all_on_record(told: list[Fact], number: int) -> None:
    shop = CountedShop(at(9))
    one, *others = told
    meanwhile = others[:number]
    shop.ledger(Meddled(shop, meanwhile)).take_in(one)  # type: ignore[arg-type]
    shop.write_rows()
    shop.hear(*meanwhile, *others[number:])
    whole = CountedShop(at(9))
    whole.hear(*VERSIONS)
    assert shop.order() == whole.order()
    assert [shop.rows(at(number).date()) for number in range(5)] == [
        whole.rows(at(number).date()) for number in range(5)
    ]
