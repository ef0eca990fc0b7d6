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
TRANSLATED_UPLOAD = Step(
    "notification_translate", "order.shipped", 1, "nothing about a buyer stands in it: one PutEvents"
)
TRANSLATED_SCAN = Step(
    "notification_translate", "parcel.scanned", 1, "nothing about a buyer stands in it: one PutEvents"
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
ANOMALY_HEARD = Step(
    "refund_negotiation", "ShipmentAnomalyRaised", 1, "order and policy in one batch read; no plan answers"
)
TIMER = Step("refund_negotiation", "timer", 2, "order and policy in one batch read; what was held is given back unread")
RELAYED = Step("event_relay", "outboxes", 1, "one PutEvents for up to ten events of a batch")
OFFER_TOLD = Step("buyer_notice", "OffersPresented", 2, "order and notice in one batch read; the notice put once sent")
RESULT_TOLD = Step(
    "buyer_notice", "SettlementRecorded", 2, "order and notice in one batch read; the notice put once sent"
)
EXPIRY_TOLD = Step("buyer_notice", "OffersExpired", 2, "order and notice in one batch read; the notice put once sent")
DELAY_TOLD = Step(
    "buyer_notice",
    "ShipmentAnomalyRaised",
    4,
    "order, notice and settings in one batch read; the plans, which stand in another table; notice and the buyer's day "
    "in one transaction; the notice put once sent",
)
LOOKED = Step("offer_page", "GET", 1, "the order read")
CHOSEN = Step("offer_page", "POST", 2, "order and policy in one batch read; what was held is given back unread")
SETTLED = Step(
    "refund_settlement",
    "OfferAccepted",
    3,
    "order and policy in one batch read; intent, cap, claim and brake in one transaction; the result written",
)
SWEPT = Step("deadline_sweep", "schedule", 2, "the depth of the owner's queue, one send for up to ten keys")
WATCHED_PAID = Step(
    "shipment_watch", "OrderPaid", 2, "order and the shop's choice of rules in one batch read; the order put"
)
WATCHED_UPLOAD = Step(
    "shipment_watch",
    "OrderShipped",
    3,
    "the number put unread, since nearly all are new; the order read and put (number and order in one transaction "
    "would be a call less and cost two units more)",
)
WATCHED_SCAN = Step(
    "shipment_watch",
    "ParcelScanned",
    3,
    "the number read for its order, which is not known before; the order read and put (2 where a scan names its order)",
)
WATCHED_REQUEST = Step("shipment_watch", "RefundRequested", 2, "the order read, the order put")
WATCHED_DECISION = Step("shipment_watch", "RefundDecided", 2, "the order read, the order put")
WATCH_WOKEN = Step("shipment_watch", "timer", 2, "the order read, the order put: it must leave its place in the index")


def _on_record(heard: str) -> Step:
    """A fact about an order that names it."""
    return Step("fact_ledger", heard, 2, "record and shop in one batch read; the record put")


RECORDED_UPLOAD = Step(
    "fact_ledger", "OrderShipped", 3, "the number put unread; record and shop in one batch read; the record put"
)
RECORDED_SCAN = Step(
    "fact_ledger",
    "ParcelScanned",
    3,
    "the number read for its order; record and shop in one batch read; the record put",
)
RECORDED_PAID = _on_record("OrderPaid")
RECORDED_REQUEST = _on_record("RefundRequested")
RECORDED_DECISION = _on_record("RefundDecided")
RECORDED_OPENING = _on_record("NegotiationOpened")
RECORDED_OFFERS = _on_record("OffersPresented")
RECORDED_CHOICE = _on_record("OfferAccepted")
RECORDED_REFUSAL = _on_record("OffersDeclined")
RECORDED_SILENCE = _on_record("OffersExpired")
RECORDED_CLOSING = _on_record("NegotiationClosed")
RECORDED_ANOMALY = _on_record("ShipmentAnomalyRaised")
RECORDED_CLEARING = _on_record("ShipmentAnomalyCleared")
TAGS_OF_ORDER = Step(
    "service_tags", "OrderPaid", 1, "the shop read: nearly always no promise was shown when the order was paid"
)
TAGS_OF_DAY = Step("service_tags", "DayMeasured", 2, "the shop read, the shop put")
ROW = Step("score_rows", "row", 1, "one conditional put: a batch of writes takes no conditions")
LATE_DAY = Step("score_rows", "late day", 1, "a day that is over is marked, to be counted anew")
NIGHT = Step(
    "score_rollup",
    "timer",
    5,
    "the shop with its marks of late days in one query, since both stand together; the counted days, once it is known "
    "how far back; the day's rows; the day put; the shop put",
)

STEPS = (
    DELIVERED,
    TRANSLATED_PAID,
    TRANSLATED_REQUEST,
    TRANSLATED_DECISION,
    TRANSLATED_UPLOAD,
    TRANSLATED_SCAN,
    ORDER_PAID,
    REFUND_REQUESTED,
    SETTLEMENT_RECORDED,
    REFUND_DECIDED,
    ANOMALY_HEARD,
    TIMER,
    RELAYED,
    OFFER_TOLD,
    RESULT_TOLD,
    EXPIRY_TOLD,
    DELAY_TOLD,
    LOOKED,
    CHOSEN,
    SETTLED,
    SWEPT,
    WATCHED_PAID,
    WATCHED_UPLOAD,
    WATCHED_SCAN,
    WATCHED_REQUEST,
    WATCHED_DECISION,
    WATCH_WOKEN,
    RECORDED_PAID,
    RECORDED_UPLOAD,
    RECORDED_SCAN,
    RECORDED_REQUEST,
    RECORDED_DECISION,
    RECORDED_OPENING,
    RECORDED_OFFERS,
    RECORDED_CHOICE,
    RECORDED_REFUSAL,
    RECORDED_SILENCE,
    RECORDED_CLOSING,
    RECORDED_ANOMALY,
    RECORDED_CLEARING,
    ROW,
    LATE_DAY,
    NIGHT,
    TAGS_OF_ORDER,
    TAGS_OF_DAY,
)

_PAID: Mapping[Step, int] = {
    DELIVERED: 1,
    TRANSLATED_PAID: 1,
    ORDER_PAID: 1,
    WATCHED_PAID: 1,
    RECORDED_PAID: 1,
    TAGS_OF_ORDER: 1,
    # what an order is counted in lies on the days of its payment, the two that follow, and those it is promised for
    ROW: 5,
}
_ASKED: Mapping[Step, int] = {
    **_PAID,
    DELIVERED: 2,
    TRANSLATED_REQUEST: 1,
    REFUND_REQUESTED: 1,
    WATCHED_REQUEST: 1,
    RECORDED_REQUEST: 1,
    RELAYED: 1,
    RECORDED_OPENING: 1,
}
_OFFERED: Mapping[Step, int] = {
    **_ASKED,
    OFFER_TOLD: 1,
    RECORDED_OFFERS: 1,
    ROW: 5 + 1,  # whether the money was kept is a case of its own
    LOOKED: 1,
}
_COUPON: Mapping[Step, int] = {
    **_OFFERED,
    CHOSEN: 1,
    LOOKED: 2,  # the browser follows the redirect
    RECORDED_CHOICE: 1,
    SETTLED: 1,
    SETTLEMENT_RECORDED: 1,
    RELAYED: 4,
    RESULT_TOLD: 1,
    RECORDED_CLOSING: 1,
    ROW: 5 + 2,
}
_ON_ITS_WAY: Mapping[Step, int] = {
    **_PAID,
    DELIVERED: 12,
    TRANSLATED_UPLOAD: 1,
    WATCHED_UPLOAD: 1,
    RECORDED_UPLOAD: 1,
    TRANSLATED_SCAN: 10,
    WATCHED_SCAN: 10,
    RECORDED_SCAN: 10,
    # no pickup a day after the upload: nearly always there was one, and the timer is set for what comes next
    SWEPT: 1,
    WATCH_WOKEN: 1,
    RELAYED: 1,
    # to be shipped on the second day after the payment; two days change with the pickup, two with the delivery
    ROW: 4 + 2 + 2,
}
_WRONG_WITH_THE_GOODS = 1
"""What was wrong with an order is counted by item, on the day of its payment."""
NEEDED: Mapping[str, Mapping[Step, int]] = {
    "order paid only": _PAID,
    # the marketplace tells of a refund that we asked it for; of a coupon it does not
    "accepted partial refund": {
        **_COUPON,
        DELIVERED: 3,
        TRANSLATED_DECISION: 1,
        REFUND_DECIDED: 1,
        WATCHED_DECISION: 1,
        RECORDED_DECISION: 1,
        ROW: 5 + 3 + _WRONG_WITH_THE_GOODS,
    },
    "accepted coupon": _COUPON,
    "declined": {
        **_OFFERED,
        CHOSEN: 1,
        LOOKED: 2,
        RELAYED: 2,
        RECORDED_REFUSAL: 1,
        RECORDED_CLOSING: 1,
        ROW: 5 + 1 + _WRONG_WITH_THE_GOODS,
    },
    "silent": {
        **_OFFERED,
        SWEPT: 1,
        TIMER: 1,
        RELAYED: 2,
        EXPIRY_TOLD: 1,
        RECORDED_SILENCE: 1,
        RECORDED_CLOSING: 1,
        ROW: 5 + 1 + _WRONG_WITH_THE_GOODS,
    },
    # that shop lies in another zone: one of the days is the same as another
    "no plan": {**_ASKED, RECORDED_CLOSING: 1, ROW: 4 + _WRONG_WITH_THE_GOODS},
    "parcel with ten scans": _ON_ITS_WAY,
    "parcel that stalls": {
        **_ON_ITS_WAY,
        SWEPT: 2,
        WATCH_WOKEN: 2,
        RELAYED: 3,
        ANOMALY_HEARD: 1,
        DELAY_TOLD: 1,
        RECORDED_ANOMALY: 1,
        RECORDED_CLEARING: 1,
        ROW: 4 + 2 + 1 + 2,
        LATE_DAY: 1,
    },
    "a shop's day": {SWEPT: 1, NIGHT: 1, RELAYED: 1, TAGS_OF_DAY: 1},
}
"""How often each step is needed in a case. Who declines, or gets no offer, is told nothing."""


def least_calls(case: str) -> dict[str, int]:
    """The fewest calls of a case by function."""
    least: dict[str, int] = {}
    for step, times in NEEDED[case].items():
        least[step.function] = least.get(step.function, 0) + times * step.calls
    return least
