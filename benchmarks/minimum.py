"""The fewest AWS calls that each kind of case can be carried out with, step by step, and why not fewer.

It is written by hand and not derived from what is measured: an adapter that gets chatty must show. Calls to Secrets
Manager stand nowhere: a secret is read once in five minutes by each process, whatever the number of cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """What a function hears, and the calls that the answer needs."""

    function: str
    heard: str
    calls: int
    why: str


DELIVERED = Step("webhook_intake", "delivery", 1, "one durable send; nothing is read or parsed before it")
TRANSLATED_PAID = Step(
    "notification_translate", "order.paid", 2, "the buyer's own id into an erasable item, then one PutEvents"
)
TRANSLATED_REQUEST = Step(
    "notification_translate",
    "refund.requested",
    2,
    "the buyer's id and words into an erasable item, then one PutEvents",
)
TRANSLATED_DECISION = Step(
    "notification_translate", "refund.decided", 1, "nothing about a buyer stands in it: one PutEvents"
)
ORDER_PAID = Step("refund_negotiation", "OrderPaid", 1, "nearly always the first word on an order: put if absent")
REFUND_REQUESTED = Step(
    "refund_negotiation",
    "RefundRequested",
    2,
    "order, policy and the buyer's promises in one batch read; order, outbox, budgets and promise in one transaction "
    "(a plan that turns on whether the buyer is new asks the index too)",
)
SETTLEMENT_RECORDED = Step("refund_negotiation", "SettlementRecorded", 2, "the order read, the order written")
REFUND_DECIDED = Step("refund_negotiation", "RefundDecided", 2, "the order read, the order written")
TIMER = Step("refund_negotiation", "timer", 2, "order and policy in one batch read; what was held is given back unread")
RELAYED = Step("event_relay", "outboxes", 1, "one PutEvents for up to ten events of a batch")
OFFER_TOLD = Step("buyer_notice", "OffersPresented", 2, "order and notice in one batch read; the notice put once sent")
RESULT_TOLD = Step(
    "buyer_notice", "SettlementRecorded", 2, "order and notice in one batch read; the notice put once sent"
)
EXPIRY_TOLD = Step("buyer_notice", "OffersExpired", 2, "order and notice in one batch read; the notice put once sent")
LOOKED = Step("offer_page", "GET", 1, "the order read")
CHOSEN = Step("offer_page", "POST", 2, "order and policy in one batch read; what was held is given back unread")
SETTLED = Step(
    "refund_settlement",
    "OfferAccepted",
    3,
    "order and policy in one batch read; intent, cap, claim and brake in one transaction; the result written",
)
SWEPT = Step("deadline_sweep", "schedule", 2, "the depth of the owner's queue, one send for up to ten keys")

STEPS = (
    DELIVERED,
    TRANSLATED_PAID,
    TRANSLATED_REQUEST,
    TRANSLATED_DECISION,
    ORDER_PAID,
    REFUND_REQUESTED,
    SETTLEMENT_RECORDED,
    REFUND_DECIDED,
    TIMER,
    RELAYED,
    OFFER_TOLD,
    RESULT_TOLD,
    EXPIRY_TOLD,
    LOOKED,
    CHOSEN,
    SETTLED,
    SWEPT,
)

_PAID: Mapping[Step, int] = {DELIVERED: 1, TRANSLATED_PAID: 1, ORDER_PAID: 1}
_OFFERED: Mapping[Step, int] = {
    **_PAID,
    DELIVERED: 2,
    TRANSLATED_REQUEST: 1,
    REFUND_REQUESTED: 1,
    RELAYED: 1,
    OFFER_TOLD: 1,
    LOOKED: 1,
}
_COUPON: Mapping[Step, int] = {
    **_OFFERED,
    CHOSEN: 1,
    LOOKED: 2,  # the browser follows the redirect
    SETTLED: 1,
    SETTLEMENT_RECORDED: 1,
    RELAYED: 4,
    RESULT_TOLD: 1,
}
NEEDED: Mapping[str, Mapping[Step, int]] = {
    "order paid only": _PAID,
    # the marketplace tells of a refund that we asked it for; of a coupon it does not
    "accepted partial refund": {**_COUPON, DELIVERED: 3, TRANSLATED_DECISION: 1, REFUND_DECIDED: 1},
    "accepted coupon": _COUPON,
    "declined": {**_OFFERED, CHOSEN: 1, LOOKED: 2, RELAYED: 2},
    "silent": {**_OFFERED, SWEPT: 1, TIMER: 1, RELAYED: 2, EXPIRY_TOLD: 1},
    "no plan": {**_PAID, DELIVERED: 2, TRANSLATED_REQUEST: 1, REFUND_REQUESTED: 1, RELAYED: 1},
}
"""How often each step is needed in a case. Who declines, or gets no offer, is told nothing."""


def least_calls(case: str) -> dict[str, int]:
    """The fewest calls of a case by function."""
    least: dict[str, int] = {}
    for step, times in NEEDED[case].items():
        least[step.function] = least.get(step.function, 0) + times * step.calls
    return least
