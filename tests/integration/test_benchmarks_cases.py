"""Every kind of case of the benchmark goes as its written minimum says, and the domain alone can be driven."""

from __future__ import annotations

from benchmarks import simulator
from benchmarks.cases import play_all
from benchmarks.costs import cost_of, read_prices
from benchmarks.minimum import NEEDED, STEPS
from sandbox.template import read_template


def test_every_kind_of_case_is_played_to_its_end() -> None:
    memory_mb = {name: function.memory_mb for name, function in read_template().functions.items()}
    costs = [cost_of(played, read_prices(), memory_mb) for played in play_all()]
    assert [cost.name for cost in costs] == list(NEEDED)
    # the batches of the relay and the sweep are shared with what other subjects say and wait for
    own = {(step.function, step.heard) for step in STEPS if step.function not in {"event_relay", "deadline_sweep"}}
    assert not [found for cost in costs for found in cost.excesses if (found.function, found.heard) in own]
    assert all(cost.write_units >= 1 and cost.dollars_a_million > 0 for cost in costs)


def test_every_order_of_the_simulator_is_settled() -> None:
    # paid, requested, chosen, accepted, recorded
    assert simulator.measure(3).deliveries == 3 * 5
