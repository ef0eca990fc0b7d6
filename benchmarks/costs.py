"""What a kind of case cost: calls beside the minimum, units, events, messages, and dollars at list prices."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from benchmarks.cases import SWEEP, NotAsPlayed, Played
from benchmarks.minimum import NEEDED, Step, least_calls
from benchmarks.recording import Exchange, Heard

PRICES = Path(__file__).with_name("prices.toml")
MEGABYTES_A_GIGABYTE = 1024
MILLISECONDS = 1000
OUTSIDE = "outside"
"""Who put an event on the bus that no function put there."""


class _Prices(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PerMillion(_Prices):
    dynamodb_write_units: Decimal
    dynamodb_read_units: Decimal
    bus_events: Decimal
    sqs_requests: Decimal
    http_api_requests: Decimal
    lambda_requests: Decimal
    lambda_gb_seconds: Decimal
    schedules: Decimal
    state_transitions: Decimal


class Milliseconds(_Prices):
    invocation: int
    aws_call: int
    marketplace_call: int


class AMonth(_Prices):
    alarm: Decimal
    dashboard: Decimal
    secret: Decimal
    metric: Decimal


class AGigabyte(_Prices):
    logs: Decimal
    archive: Decimal
    table: Decimal
    recovery: Decimal


class Prices(_Prices):
    """US dollars for a million of each, and how long a warm function is assumed to be billed."""

    as_of: date
    region: str
    per_million: PerMillion
    a_month: AMonth
    a_gigabyte: AGigabyte
    assumed_milliseconds: Milliseconds


def read_prices(path: Path = PRICES) -> Prices:
    return Prices.model_validate(tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal))


@dataclass(frozen=True)
class Excess:
    """Calls beyond the minimum: who made them on what, and which calls that invocation made in all."""

    function: str
    heard: str
    calls: int
    made: str


@dataclass(frozen=True)
class CaseCost:
    name: str
    calls: Mapping[str, int]
    """By function."""
    least: Mapping[str, int]
    excesses: tuple[Excess, ...]
    write_units: int
    read_units: float
    events: int
    messages: int
    dollars_a_million: Decimal

    @property
    def all_calls(self) -> int:
        return sum(self.calls.values())

    @property
    def all_least(self) -> int:
        return sum(self.least.values())


def cost_of(played: Played, prices: Prices, memory_mb: Mapping[str, int]) -> CaseCost:
    """Raises ``NotAsPlayed`` when a step that the case needs did not happen."""
    calls: Counter[str] = Counter()
    for heard in played.heard:
        calls[heard.function] += len(own_calls(heard))
    exchanges = [exchange for heard in played.heard for exchange in own_calls(heard)]
    return CaseCost(
        name=played.name,
        calls=dict(calls),
        least=least_calls(played.name),
        excesses=excesses(played),
        write_units=sum(exchange.write_units for exchange in exchanges),
        read_units=sum(exchange.read_units for exchange in exchanges),
        events=len(played.published),
        messages=sum(heard.messages for heard in played.heard),
        dollars_a_million=sum(bills_of(played, prices, memory_mb).values(), Bill()).total,
    )


def own_calls(heard: Heard) -> list[Exchange]:
    """What the case itself costs: the sweep asks its index every minute, whether there are cases or not."""
    return [exchange for exchange in heard.calls if not (heard.function == SWEEP and exchange.operation == "Query")]


def excesses(played: Played) -> tuple[Excess, ...]:
    """Every invocation that made more calls than what it heard needs; what the case does not need, needs none."""
    left: Counter[Step] = Counter(NEEDED[played.name])
    known = {(step.function, step.heard): step for step in NEEDED[played.name]}
    found = []
    for heard in played.heard:
        least = 0
        names = heard.names
        for name in names:
            step = known.get((heard.function, name))
            if step is not None and left[step] > 0:
                left[step] -= 1
                least += step.calls
        beyond = len(own_calls(heard)) - least
        if beyond > 0:
            found.append(Excess(heard.function, " + ".join(names), beyond, heard.operations()))
    missing = [f"{step.function} never heard {step.heard}" for step, times in left.items() if times > 0]
    if missing:
        raise NotAsPlayed(f"{played.name}: {', '.join(missing)}")
    return tuple(found)


@dataclass(frozen=True)
class Bill:
    """US dollars for a million times."""

    tables: Decimal = Decimal(0)
    functions: Decimal = Decimal(0)
    queues: Decimal = Decimal(0)
    bus: Decimal = Decimal(0)
    http: Decimal = Decimal(0)

    @property
    def total(self) -> Decimal:
        return sum(astuple(self), Decimal(0))

    def __add__(self, other: Bill) -> Bill:
        return Bill(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))

    def __mul__(self, times: Decimal) -> Bill:
        return Bill(*(dollars * times for dollars in astuple(self)))


def bills_of(played: Played, prices: Prices, memory_mb: Mapping[str, int], batch: int = 1) -> dict[str, Bill]:
    """By function, with so many messages in a batch. An event is paid for by who puts it on the bus."""
    bills: dict[str, Bill] = {}
    for heard in played.heard:
        bill = bill_of(heard, prices, memory_mb[heard.function], batch)
        bills[heard.function] = bills.get(heard.function, Bill()) + bill
    for published in played.published:
        by = published.by or OUTSIDE
        bills[by] = bills.get(by, Bill()) + Bill(bus=prices.per_million.bus_events)
    return bills


def bill_of(heard: Heard, prices: Prices, memory_mb: int, batch: int) -> Bill:
    """A message is sent by itself, and received and deleted with its batch; so is what a stream brings."""
    price, assumed = prices.per_million, prices.assumed_milliseconds
    calls, by_http = own_calls(heard), "requestContext" in heard.event
    share = Decimal(1) if by_http else Decimal(1) / batch
    depths = sum(exchange.operation == "GetQueueAttributes" for exchange in calls)
    billed = assumed.invocation * share + assumed.aws_call * len(calls) + assumed.marketplace_call * len(heard.replies)
    gigabyte_seconds = memory_mb * billed / (MEGABYTES_A_GIGABYTE * MILLISECONDS)
    return Bill(
        tables=price.dynamodb_write_units * sum(exchange.write_units for exchange in calls)
        + price.dynamodb_read_units * Decimal(str(sum(exchange.read_units for exchange in calls))),
        functions=price.lambda_requests * share + price.lambda_gb_seconds * gigabyte_seconds,
        queues=price.sqs_requests * ((1 + 2 * share) * heard.messages + depths * share),
        http=price.http_api_requests * by_http,
    )
