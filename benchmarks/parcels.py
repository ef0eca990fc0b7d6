"""What watching parcels costs: a scan, a due timer, and a hundred million parcels, beside other ways to keep time."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from benchmarks.cases import MOVING, SWEEP, Played
from benchmarks.costs import Bill, Prices, bill_of, bills_of, own_calls
from benchmarks.recording import Heard

WATCH, TIMER, SCAN = "shipment_watch", "timer", "ParcelScanned"
SMOOTH, STALLING = "parcel with ten scans", "parcel that stalls"
PARCELS = 100_000_000
MILLION = 1_000_000
STALL_SHARE = Decimal("0.03")
"""So many of a hundred parcels are assumed to stand still once."""
FULL_BATCH = 10
HOPS_AN_HOUR = 4
"""A message of SQS waits for a quarter of an hour at most."""
TRANSITIONS_A_LOOK = 3
"""Of Step Functions: wait, look, choose."""


@dataclass(frozen=True)
class Hearing:
    """What one thing that the watch hears costs there, on average."""

    case: str
    heard: str
    times: int
    calls: float
    write_units: float
    timer_units: float
    read_units: float


@dataclass(frozen=True)
class FunctionBill:
    """Of a hundred million parcels: millions of calls and units, and dollars."""

    function: str
    calls: Decimal
    write_units: Decimal
    read_units: Decimal
    bill: Bill
    in_batches: Decimal
    """Dollars, with every batch full."""


@dataclass(frozen=True)
class Timekeeping:
    """One way to be woken for a hundred million parcels: dollars for the timers, and for waking beside them."""

    way: str
    timers: Decimal
    waking: Decimal
    remark: str


@dataclass(frozen=True)
class ParcelCosts:
    hearings: tuple[Hearing, ...]
    bills: tuple[FunctionBill, ...]
    timekeeping: tuple[Timekeeping, ...]
    timer: Bill
    """A timer that fires and finds nothing, by itself: the sweep's calls, the message, the order read and written."""
    timer_units: int


def parcel_costs(played: Sequence[Played], prices: Prices, memory_mb: Mapping[str, int]) -> ParcelCosts:
    cases = {each.name: each for each in played}
    smooth, stalling = cases[SMOOTH], cases[STALLING]
    woken = [heard for heard in smooth.heard if _is_timer(heard)]
    parts = [heard for heard in smooth.heard if _is_timer(heard) or heard.function == SWEEP]
    return ParcelCosts(
        hearings=tuple(hearing for case in (smooth, stalling) for hearing in _hearings(case)),
        bills=tuple(_function_bills(smooth, stalling, prices, memory_mb)),
        timekeeping=tuple(_timekeeping(smooth, stalling, prices, memory_mb)),
        timer=sum((bill_of(heard, prices, memory_mb[heard.function], 1) for heard in parts), Bill())
        * (Decimal(1) / len(woken)),
        timer_units=_write_units(woken) // len(woken),
    )


def _hearings(case: Played) -> list[Hearing]:
    found: dict[str, list[Heard]] = {}
    for heard in case.heard:
        if heard.function == WATCH:
            [name] = heard.names
            found.setdefault(name, []).append(heard)
    return [
        Hearing(
            case.name,
            name,
            len(each),
            statistics.mean(len(own_calls(heard)) for heard in each),
            _write_units(each) / len(each),
            _timer_units(each) / len(each),
            sum(exchange.read_units for heard in each for exchange in heard.calls) / len(each),
        )
        for name, each in found.items()
    ]


def mixed(smooth: Decimal, stalling: Decimal) -> Decimal:
    """Of parcels of which some stand still once."""
    return smooth * (1 - STALL_SHARE) + stalling * STALL_SHARE


def _function_bills(
    smooth: Played, stalling: Played, prices: Prices, memory_mb: Mapping[str, int]
) -> list[FunctionBill]:
    alone = [bills_of(case, prices, memory_mb) for case in (smooth, stalling)]
    full = [bills_of(case, prices, memory_mb, FULL_BATCH) for case in (smooth, stalling)]
    times = Decimal(PARCELS) / MILLION

    def counted(function: str, count: Callable[[list[Heard]], float]) -> Decimal:
        each = ([heard for heard in case.heard if heard.function == function] for case in (smooth, stalling))
        return mixed(*(Decimal(str(count(heard))) for heard in each)) * times

    return [
        FunctionBill(
            function,
            counted(function, lambda heard: sum(len(own_calls(each)) for each in heard)),
            counted(function, _write_units),
            counted(function, lambda heard: sum(call.read_units for each in heard for call in own_calls(each))),
            (alone[0].get(function, Bill()) * (1 - STALL_SHARE) + alone[1].get(function, Bill()) * STALL_SHARE) * times,
            mixed(*(bills.get(function, Bill()).total for bills in full)) * times,
        )
        for function in dict.fromkeys([*alone[0], *alone[1]])
    ]


def _timekeeping(smooth: Played, stalling: Played, prices: Prices, memory_mb: Mapping[str, int]) -> list[Timekeeping]:
    price, times = prices.per_million, Decimal(PARCELS) / MILLION
    both = (smooth, stalling)
    fires = mixed(*(Decimal(_fires(case)) for case in both))
    # the upload gives another deadline, and every scan but the last
    moves = len(MOVING)

    def waking(fired: Decimal) -> Decimal:
        """The message, the function, the order read and written, in full batches; the index is no part of it."""
        [timer] = [heard for heard in smooth.heard if _is_timer(heard)]
        bill = bill_of(timer, prices, memory_mb[WATCH], FULL_BATCH).total
        return fired * (bill - price.dynamodb_write_units * _timer_units([timer])) * times

    lazily = mixed(*(Decimal(_timer_units(_watching(case))) for case in both))
    # a place in the index is taken once, changed for two units, and left once
    armings = lazily / 2
    units = price.dynamodb_write_units
    hours = mixed(*(Decimal((case.heard[-1].at - case.heard[0].at).total_seconds()) / 3600 for case in both))
    return [
        Timekeeping(
            "**due index, moved to an earlier time only**",
            lazily * units * times,
            waking(fires),
            "as it is built: written with the order, in the same write",
        ),
        Timekeeping(
            "due index, moved with every scan",
            (2 * moves + 2) * units * times,
            waking(STALL_SHARE),
            "two index writes a scan save a timer that fires for nothing",
        ),
        Timekeeping(
            "items in buckets of an hour, moved to an earlier time only",
            # two units for the item, and one more for the order's
            armings * 3 * units * times,
            waking(fires),
            "an item a time, in a transaction with the order at twice the units of both; a third of that where a lost "
            "timer does not matter",
        ),
        Timekeeping(
            "EventBridge Scheduler, moved to an earlier time only",
            fires * price.schedules * times,
            waking(fires),
            f"{armings:.0f} calls a parcel to an API with a quota by the second; not atomic with the order",
        ),
        Timekeeping(
            "EventBridge Scheduler, moved with every scan",
            STALL_SHARE * price.schedules * times,
            waking(STALL_SHARE),
            f"{moves + 2} calls a parcel to that API",
        ),
        Timekeeping(
            "Step Functions, an execution a parcel",
            TRANSITIONS_A_LOOK * fires * price.state_transitions * times,
            waking(fires),
            "three transitions a look",
        ),
        Timekeeping(
            "messages sent again every quarter of an hour",
            hours * HOPS_AN_HOUR * 3 * price.sqs_requests * times,
            waking(fires),
            f"{hours * HOPS_AN_HOUR:.0f} hops of three requests from payment to delivery",
        ),
    ]


def _watching(case: Played) -> list[Heard]:
    return [heard for heard in case.heard if heard.function == WATCH]


def _is_timer(heard: Heard) -> bool:
    return heard.function == WATCH and heard.names == [TIMER]


def _fires(case: Played) -> int:
    return sum(map(_is_timer, case.heard))


def _write_units(heard: Sequence[Heard]) -> int:
    return sum(exchange.write_units for each in heard for exchange in own_calls(each))


def _timer_units(heard: Sequence[Heard]) -> int:
    return sum(exchange.timer_units for each in heard for exchange in own_calls(each))
