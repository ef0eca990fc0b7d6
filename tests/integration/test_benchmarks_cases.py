"""Every kind of case of the benchmark goes as its written minimum says, and the domain alone can be driven."""

from __future__ import annotations

import pytest

from benchmarks import costpage, simulator
from benchmarks.cases import Played, play_all
from benchmarks.costs import cost_of, read_prices
from benchmarks.minimum import NEEDED
from benchmarks.parcels import SMOOTH, STALLING, mixed, parcel_costs
from sandbox.template import read_template


@pytest.fixture(scope="module")
def played() -> list[Played]:
    return play_all()


@pytest.fixture(scope="module")
def memory_mb() -> dict[str, int]:
    return {name: function.memory_mb for name, function in read_template().functions.items()}


def test_every_kind_of_case_is_played_to_its_end(played: list[Played], memory_mb: dict[str, int]) -> None:
    costs = [cost_of(each, read_prices(), memory_mb) for each in played]
    assert [cost.name for cost in costs] == list(NEEDED)
    assert not [excess for cost in costs for excess in cost.excesses]
    assert all(cost.write_units >= 1 and cost.dollars_a_million > 0 for cost in costs)


def test_a_scan_is_one_write_and_leaves_the_timers_index_alone(played: list[Played], memory_mb: dict[str, int]) -> None:
    costs = parcel_costs(played, read_prices(), memory_mb)
    scans = [each for each in costs.hearings if each.heard == "ParcelScanned"]
    # the last one takes the timer away; the item passes a KB on the way, and carries what is said when it moves again
    assert all(each.timer_units <= 0.1 and 1 <= each.write_units < 2.5 for each in scans)
    [smooth] = [each for each in played if each.name == "parcel with ten scans"]
    calls = [heard.operations() for heard in smooth.heard if heard.names == ["ParcelScanned"]]
    assert {each for each in calls if "BatchGetItem" not in each} == {"2 GetItem, PutItem"}


def test_the_bill_of_many_parcels_is_the_sum_of_its_functions(played: list[Played], memory_mb: dict[str, int]) -> None:
    prices = read_prices()
    whole = parcel_costs(played, prices, memory_mb)
    cases = {each.name: cost_of(each, prices, memory_mb).dollars_a_million for each in played}
    each_million = mixed(cases[SMOOTH], cases[STALLING])
    assert sum(bill.bill.total for bill in whole.bills) == pytest.approx(each_million * 100)
    assert all(bill.in_batches <= bill.bill.total for bill in whole.bills)


def test_the_page_of_costs_says_what_the_calls_of_today_cost(played: list[Played], memory_mb: dict[str, int]) -> None:
    written = costpage.page(played, read_prices(), memory_mb)
    assert costpage.PAGE.read_text(encoding="utf-8") == written, "python benchmarks/costpage.py --write-docs"


def test_every_order_of_the_simulator_is_settled() -> None:
    # paid, requested, chosen, accepted, recorded
    assert simulator.measure(3).deliveries == 3 * 5
