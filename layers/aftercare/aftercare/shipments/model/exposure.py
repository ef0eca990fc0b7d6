"""The money at risk in the orders of a shop that alert, together. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from aftercare.events.vocabulary import AnomalyOutcome
from aftercare.rulepacks.shipments import CompensationTable, ShipmentRules
from aftercare.shipments.model.lifecycle import open_anomalies
from aftercare.shipments.model.promise import due_of
from aftercare.shipments.model.risk import OrderRisk, capped_by_buyer_day, order_risk
from aftercare.shipments.model.shipment import Shipment


def exposure(alerting: Iterable[tuple[Shipment, ShipmentRules]], now: datetime) -> dict[str, Any]:
    """Shipments, each with the rules that judge it, as sums by currency and by kind.

    ``at_risk`` caps an order's stalls together, ``capped`` all orders of one buyer paid on one local day as well; both
    count all that was wrong with these orders, since what is over is owed too. ``kinds`` take every anomaly alone,
    before anything is capped together; ``open`` are those that are neither over nor muted.
    """
    orders = without_amount = 0
    anomalies: Counter[str] = Counter()
    still_open: Counter[str] = Counter()
    amounts: dict[str, Counter[str]] = defaultdict(Counter)
    # by the pack: a buyer's day is capped by one table
    risks: dict[str, tuple[CompensationTable, list[OrderRisk]]] = {}
    for shipment, rules in alerting:
        orders += 1
        still_open.update(said.kind.value for said in open_anomalies(shipment, now).values())
        for said in shipment.said.values():
            if said.outcome is not AnomalyOutcome.WITHDRAWN:
                anomalies[said.kind.value] += 1
                if said.at_risk is not None and shipment.payment is not None:
                    amounts[said.kind.value][shipment.payment.currency] += said.at_risk
        risk = order_risk(shipment, rules, due_of(shipment, rules))
        if risk is None or rules.compensation is None:
            without_amount += 1
        else:
            risks.setdefault(rules.id, (rules.compensation, []))[1].append(risk)
    return {
        "orders": orders,
        "orders_without_amount": without_amount,
        "currencies": _by_currency(risks.values()),
        "kinds": [
            {
                "kind": kind,
                "anomalies": anomalies[kind],
                "open": still_open[kind],
                "at_risk": [_money(*each) for each in sorted(amounts[kind].items())],
            }
            for kind in sorted(anomalies)
        ],
    }


def _by_currency(risks: Iterable[tuple[CompensationTable, list[OrderRisk]]]) -> list[dict[str, Any]]:
    orders: Counter[str] = Counter()
    at_risk: Counter[str] = Counter()
    capped: Counter[str] = Counter()
    for table, of_table in risks:
        orders[table.currency] += len(of_table)
        at_risk[table.currency] += sum(risk.amount for risk in of_table)
        capped[table.currency] += capped_by_buyer_day(of_table, table)
    return [
        {
            "currency": currency,
            "orders": orders[currency],
            "at_risk": _money(currency, at_risk[currency]),
            "capped": _money(currency, capped[currency]),
        }
        for currency in sorted(orders)
    ]


def _money(currency: str, minor: int) -> dict[str, Any]:
    return {"minor": minor, "currency": currency}
