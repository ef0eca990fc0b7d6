"""A decision in the making: the order as it will be, what it says, and what it holds; and how it can be refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from aftercare.kernel.envelope import EventData
from aftercare.kernel.errors import DomainError
from aftercare.kernel.money import Money
from aftercare.negotiation.model.cases import Case, Hold
from aftercare.negotiation.model.choosing import Surroundings, asked_of, ceilings_of
from aftercare.negotiation.model.orders import Order
from aftercare.negotiation.model.plans import Allowance, Terms


class NoSuchCase(DomainError):
    """The order has no such case, or the case no such round."""


class NoSuchOption(DomainError):
    """The round offers no such option."""


class AnsweredAlready(DomainError):
    """The round has its answer, and it is not this one."""


class TooLate(DomainError):
    """The offer has ended; the original request goes on."""


class NotNow(DomainError):
    """The platform has stepped in; the offer waits."""


class HoldChange(NamedTuple):
    """What a counter gains (or gives back, below zero), and the ceiling it must keep when it gains."""

    counter: str
    cases: int
    minor: int
    ceiling: Allowance
    probe: bool = False
    """Nothing is counted: the write is only refused where there would be no room."""


class BuyerPromise(NamedTuple):
    """What the buyer's record of promises shall say of one case: ``at`` is when it was first made, ``minor`` what it
    may cost; None withdraws it."""

    buyer: str
    negotiation_id: str
    at: datetime
    minor: int | None


class Decision(NamedTuple):
    order: Order
    said: tuple[EventData, ...] = ()
    holds: tuple[HoldChange, ...] = ()
    promise: BuyerPromise | None = None


@dataclass
class Draft:
    """A decision in the making."""

    order: Order
    around: Surroundings
    said: list[EventData] = field(default_factory=list)
    holds: dict[str, HoldChange] = field(default_factory=dict)
    promise: BuyerPromise | None = None

    @property
    def now(self) -> datetime:
        return self.around.now

    def decision(self) -> Decision:
        changes = tuple(change for change in self.holds.values() if change.cases or change.minor)
        return Decision(self.order, tuple(self.said), changes, self.promise)

    def probe(self, holds: Sequence[Hold], plan: Terms) -> None:
        for one in holds:
            ceiling = ceilings_of(one, plan, self.around.policy)
            self.holds[one.counter] = HoldChange(one.counter, one.cases, one.minor, ceiling, probe=True)

    def hold(self, holds: Sequence[Hold], sign: int, plan: Terms) -> None:
        for one in holds:
            known = self.holds.get(one.counter)
            self.holds[one.counter] = HoldChange(
                counter=one.counter,
                cases=sign * one.cases + (known.cases if known else 0),
                minor=sign * one.minor + (known.minor if known else 0),
                ceiling=ceilings_of(one, plan, self.around.policy),
            )


def find_case(order: Order, case_id: str) -> Case:
    case = order.case(case_id)
    if case is None:
        raise NoSuchCase("no such case")
    return case


def requested(order: Order, case: Case) -> Money | None:
    asked = asked_of(order, case)
    return asked.amount if asked else None
