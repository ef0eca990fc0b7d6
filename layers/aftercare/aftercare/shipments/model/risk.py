"""Money at risk: what a marketplace's rules would charge the shop for what is wrong with an order.

Amounts are minor units of the order's currency. The base is what was paid for the goods, postage left out
(Tmall 11000266, rev. 2026-04-09).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

from aftercare.events.vocabulary import AnomalyKind, AnomalyOutcome, AnomalyStage, Leg
from aftercare.kernel.times import local_day
from aftercare.rulepacks.shipments import Charge, CompensationTable, ShipmentRules
from aftercare.shipments.model.shipment import Due, Said, Shipment


class Wrong(NamedTuple):
    """The part of an anomaly that its price depends on."""

    kind: AnomalyKind
    leg: Leg | None
    stage: AnomalyStage


def at_risk(shipment: Shipment, rules: ShipmentRules, due: Due | None, wrong: Wrong) -> int | None:
    """What this anomaly alone would cost; None where the rules have no charge for it in the order's currency."""
    payment, table = shipment.payment, _table(shipment, rules)
    if payment is None or table is None:
        return None
    charge = next((each for each in table.charges if _fits(each, table, wrong, shipment, due)), None)
    if charge is None:
        return None
    amount = payment.goods * charge.percent // 100
    return 0 if payment.goods == 0 else min(max(amount, charge.floor), charge.cap)


def order_at_risk(shipment: Shipment, rules: ShipmentRules) -> int | None:
    """What everything that went wrong with an order would cost: what is over is owed too, unless it never was.

    Stalls are capped together, other breaches add up.
    """
    payment, table = shipment.payment, _table(shipment, rules)
    priced = [
        said
        for said in shipment.said.values()
        if said.at_risk is not None
        and said.stage is not AnomalyStage.PRE
        and said.outcome is not AnomalyOutcome.WITHDRAWN
    ]
    if payment is None or table is None or not priced:
        return None
    trace = sum(said.at_risk or 0 for said in priced if is_trace(said, table))
    others = sum(said.at_risk or 0 for said in priced if not is_trace(said, table))
    return others + min(trace, payment.goods * table.trace_percent // 100, table.trace_cap)


class OrderRisk(NamedTuple):
    """An order's part in a report. ``exceptional`` where goods promised for more than 48 hours are out of stock."""

    buyer: str
    day: date
    amount: int
    exceptional: bool


def order_risk(shipment: Shipment, rules: ShipmentRules, due: Due | None) -> OrderRisk | None:
    amount, table = order_at_risk(shipment, rules), _table(shipment, rules)
    if shipment.payment is None or table is None or amount is None:
        return None
    out_of_stock = any(
        said.kind is AnomalyKind.OUT_OF_STOCK and said.outcome is not AnomalyOutcome.WITHDRAWN
        for said in shipment.said.values()
    )
    return OrderRisk(
        buyer=shipment.payment.buyer,
        day=local_day(shipment.payment.paid_at, rules.zone),
        amount=amount,
        exceptional=out_of_stock and _is_longer(shipment, table, due),
    )


def capped_by_buyer_day(orders: Iterable[OrderRisk], table: CompensationTable) -> int:
    """The sum over orders, each buyer's orders paid on one local day together capped; no buyer named: not capped."""
    groups: dict[tuple[str, date], list[OrderRisk]] = {}
    total = 0
    for order in orders:
        if order.buyer:
            groups.setdefault((order.buyer, order.day), []).append(order)
        else:
            total += order.amount
    for group in groups.values():
        amount = sum(order.amount for order in group)
        if table.buyer_day is not None:
            exceptional = any(order.exceptional for order in group)
            amount = min(amount, table.buyer_day.exceptional if exceptional else table.buyer_day.regular)
        total += amount
    return total


def is_trace(said: Said, table: CompensationTable) -> bool:
    """A trace that stands still or leads elsewhere (物流轨迹超时, 物流轨迹异常): Tmall 11000266, articles 11 to 13.

    A parcel that was never picked up was never sent: that is charged by itself.
    """
    return said.kind.value in table.trace_kinds and said.leg is not Leg.PICKUP


def _table(shipment: Shipment, rules: ShipmentRules) -> CompensationTable | None:
    table, payment = rules.compensation, shipment.payment
    return table if table is not None and payment is not None and table.currency == payment.currency else None


def _fits(charge: Charge, table: CompensationTable, wrong: Wrong, shipment: Shipment, due: Due | None) -> bool:
    named: Mapping[str, tuple[str | None, str | None]] = {
        "kind": (charge.kind, wrong.kind.value),
        "leg": (charge.leg, wrong.leg.value if wrong.leg else None),
        "stage": (charge.stage, wrong.stage.value),
        "promise": (charge.promise, "longer" if _is_longer(shipment, table, due) else "regular"),
        "declared": (charge.declared, _declared(shipment.out_of_stock_at, due)),
    }
    return all(wanted is None or wanted == found for wanted, found in named.values())


def _is_longer(shipment: Shipment, table: CompensationTable, due: Due | None) -> bool:
    if shipment.payment is None or due is None or due.ship_by is None:
        return False
    return due.ship_by - shipment.payment.paid_at > timedelta(hours=table.regular_promise)


def _declared(declared_at: datetime | None, due: Due | None) -> str:
    original = due.original_ship_by if due else None
    in_time = declared_at is not None and original is not None and declared_at <= original
    return "in_time" if in_time else "late"
