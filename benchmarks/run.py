"""Calls, write units, CPU time and start-up beside their targets; exit code 1 when a target is missed."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks import document, handlers, simulator, startup
from benchmarks.cases import Played, play_all
from benchmarks.costs import CaseCost, cost_of, read_prices
from benchmarks.gate import Figure, Miss, far_off_twice
from benchmarks.handlers import Effort, HandlerTime
from benchmarks.parcels import ParcelCosts, parcel_costs
from benchmarks.startup import StartTime
from sandbox.resources import Function
from sandbox.template import read_template

CPU_TARGET = 1.25
START_TARGET = 1.15


@dataclass(frozen=True)
class Thoroughness:
    """``rounds`` and ``second_rounds`` count fresh processes for each function; ``orders`` those of the simulator."""

    effort: Effort
    rounds: int
    second_rounds: int
    orders: int


FULL = Thoroughness(Effort(blocks=11, block_seconds=0.02), rounds=11, second_rounds=3, orders=300)
QUICK = Thoroughness(Effort(blocks=5, block_seconds=0.01), rounds=2, second_rounds=2, orders=50)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, for CI")
    parser.add_argument("--write-docs", action="store_true", help=f"write docs/{document.PAGE.name} from this run")
    options = parser.parse_args(arguments)
    thoroughness = QUICK if options.quick else FULL
    functions = read_template().functions
    started = time.monotonic()
    played = play_all()
    costs = show_cases(played, functions)
    parcels = show_parcels(played, functions)
    times, slow = show_handlers(played, functions, thoroughness.effort)
    starts, late = show_starts(functions, thoroughness)
    throughput = simulator.measure(thoroughness.orders)
    print(f"The domain alone: {throughput.a_second:,.0f} deliveries a CPU second.\n")
    if options.write_docs:
        targets = (CPU_TARGET, START_TARGET)
        text = document.page(costs, read_prices(), times, starts, parcels, throughput, machine(), targets)
        document.PAGE.write_text(text, encoding="utf-8")
        print(f"Wrote {document.PAGE}")
    missed = verdict(costs, slow, late)
    for line in missed:
        print(f"MISSED: {line}")
    print(f"{'Some targets are missed' if missed else 'Every target is met'} ({time.monotonic() - started:.0f} s).")
    return 1 if missed else 0


def verdict(costs: Sequence[CaseCost], slow: Sequence[Miss], late: Sequence[Miss]) -> list[str]:
    """What was missed, a line each."""
    return [
        *(
            f"{cost.name} makes {cost.all_calls} calls, {cost.all_calls - cost.all_least} more than it must"
            for cost in costs
            if cost.excesses
        ),
        *(f"CPU time of {miss}" for miss in slow),
        *(f"start of {miss}" for miss in late),
    ]


def show_cases(played: Sequence[Played], functions: Mapping[str, Function]) -> list[CaseCost]:
    prices = read_prices()
    costs = [cost_of(each, prices, memory_of(functions)) for each in played]
    print(f"What a case costs\n\n{document.cases_tables(costs, prices)}")
    return costs


def show_parcels(played: Sequence[Played], functions: Mapping[str, Function]) -> ParcelCosts:
    costs = parcel_costs(played, read_prices(), memory_of(functions))
    print(f"What a parcel costs\n\n{document.parcels_tables(costs)}")
    return costs


def memory_of(functions: Mapping[str, Function]) -> dict[str, int]:
    return {name: function.memory_mb for name, function in functions.items()}


def show_handlers(
    played: Sequence[Played], functions: Mapping[str, Function], effort: Effort
) -> tuple[list[HandlerTime], list[Miss]]:
    def again(names: frozenset[str]) -> list[Figure]:
        return cpu_figures(handlers.measure(played, functions, effort, names))

    times = handlers.measure(played, functions, effort)
    print(f"CPU time of a handler beside its bare calls, target {CPU_TARGET}\n\n{document.handlers_table(times)}")
    for step in (step for each in times for step in each.steps):
        bare, whole = min(step.bare), min(step.handler)
        print(
            f"  {step.function:23} {step.heard:19} {step.calls} calls {bare:6.0f} us + {whole - bare:5.0f} us"
            f"  {whole / bare:.2f}"
        )
    return times, far_off_twice(cpu_figures(times), again)


def cpu_figures(times: Sequence[HandlerTime]) -> list[Figure]:
    gated = [each for each in times if each.function != handlers.PAGE]
    return [Figure(each.function, each.best, each.median, CPU_TARGET) for each in gated]


def show_starts(functions: Mapping[str, Function], thoroughness: Thoroughness) -> tuple[list[StartTime], list[Miss]]:
    def again(names: frozenset[str]) -> list[Figure]:
        return start_figures(startup.measure([functions[name] for name in sorted(names)], thoroughness.second_rounds))

    starts = startup.measure(functions.values(), thoroughness.rounds)
    baseline = min(starts[0].baseline)
    print(f"\nStart beside boto3, one client, one model and one logger ({baseline:.0f} ms), target {START_TARGET}\n")
    print(document.startup_table(starts))
    late = far_off_twice(start_figures(starts), again)
    if late and thoroughness is FULL:
        for miss in late:
            dearest = startup.dearest_imports(functions[miss.first.subject])
            said = ", ".join(f"{name} {milliseconds:.0f}" for name, milliseconds in dearest)
            print(f"  {miss.first.subject} loads beyond the baseline (ms): {said}")
        print()
    return starts, late


def start_figures(starts: Sequence[StartTime]) -> list[Figure]:
    return [Figure(each.function, each.best, each.median, START_TARGET) for each in starts]


def machine() -> str:
    return f"{os.cpu_count()} shared cores ({platform.machine()}), Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
