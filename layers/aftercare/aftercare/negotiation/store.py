"""The negotiation table's items and every access to them as plain data; the keys are in ``keys.py``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from aftercare.kernel.money import Money
from aftercare.kernel.records import Change, RecordWriter, Stored
from aftercare.kernel.table import (
    VERSION,
    Absent,
    AtLeast,
    Check,
    Condition,
    Increment,
    Index,
    Item,
    Key,
    Put,
    Query,
    Scalar,
    VersionIs,
)
from aftercare.kernel.times import from_text, to_sortable_text, to_text
from aftercare.negotiation.keys import buyer_key, counter_key, order_key, payout_key, policy_key
from aftercare.negotiation.model.choosing import BUYER_WINDOW, BuyerRecord
from aftercare.negotiation.model.drafts import BuyerPromise, HoldChange
from aftercare.negotiation.model.orders import Order
from aftercare.negotiation.model.payouts import Payout
from aftercare.negotiation.model.plans import ShopPolicy

CASES_INDEX = Index(name="cases", partition="case_shop", sort="case_opened_at")
BUYER_ORDERS_INDEX = Index(name="buyer_orders", partition="buyer_key", sort="paid_at")
REMAINING = "remaining"
POLICY = "policy"
PROMISES = "promises"
EXPIRES_AT = "expires_at"
COUNTERS_KEPT = timedelta(days=40)


# ---------------------------------------------------------------- orders


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order and the item that it was read from; ``stored`` is None for one that has no item yet."""

    order: Order
    stored: Stored | None


def read_order(shop: str, order_id: str, item: Item | None) -> OrderRecord:
    if item is None:
        return OrderRecord(Order(shop=shop, order_id=order_id), None)
    stored = Stored.of(order_key(shop, order_id), item)
    return OrderRecord(Order.model_validate_json(stored.state), stored)


def read_order_at(key: Key, item: Item) -> OrderRecord:
    stored = Stored.of(key, item)
    return OrderRecord(Order.model_validate_json(stored.state), stored)


def write_order(
    writer: RecordWriter, was: OrderRecord, change: Change, order: Order, *, taking: int | None = None
) -> Put:
    """``taking`` is the sum in minor units that this write sets aside: refused unless that much was left."""
    key = order_key(order.shop, order.order_id)
    attributes: dict[str, Scalar] = {}
    if order.balance is not None:
        attributes[REMAINING] = order.balance.minor
    if order.purchase is not None and order.purchase.buyer:
        attributes[BUYER_ORDERS_INDEX.partition] = f"{order.shop}#{order.purchase.buyer}"
        attributes[BUYER_ORDERS_INDEX.sort] = to_sortable_text(order.purchase.paid_at)
    if order.cases:
        attributes[CASES_INDEX.partition] = order.shop
        attributes[CASES_INDEX.sort] = to_sortable_text(order.cases[-1].opened_at)
    conditions: tuple[Condition, ...] = () if taking is None else (AtLeast(REMAINING, taking),)
    return writer.put(key, was.stored, change, attributes, conditions)


def covered(shop: str, order_id: str) -> Check:
    """No more has gone out of the order than was paid, all that is set aside included."""
    return Check(order_key(shop, order_id), (AtLeast(REMAINING, 0),))


def cases_opened(shop: str, since: datetime, until: datetime, after: Mapping[str, Scalar] | None) -> Query:
    """The orders whose latest case was opened in [since, until], newest first."""
    return Query(
        partition=shop,
        lowest=to_sortable_text(since),
        highest=to_sortable_text(until),
        index=CASES_INDEX,
        descending=True,
        after=after,
    )


def earlier_orders(shop: str, buyer: str, before: datetime) -> Query:
    """Whether a buyer had paid an order of the shop before."""
    just_before = to_sortable_text(before - timedelta(seconds=1))
    return Query(partition=f"{shop}#{buyer}", highest=just_before, index=BUYER_ORDERS_INDEX, limit=1)


# ---------------------------------------------------------------- payouts


@dataclass(frozen=True, slots=True)
class PayoutRecord:
    payout: Payout
    stored: Stored


def read_payout(key: Key, item: Item) -> PayoutRecord:
    stored = Stored.of(key, item)
    return PayoutRecord(Payout.model_validate_json(stored.state), stored)


def write_payout(writer: RecordWriter, was: PayoutRecord | None, payout: Payout, now: datetime) -> Put:
    """The payout's item; it says SettlementRecorded in exactly the write in which its result becomes known."""
    said = payout.recorded(now) if was is None or was.payout.state is not payout.state else None
    change = Change(
        shop=payout.shop,
        state=payout.model_dump_json(exclude_defaults=True),
        said=() if said is None else (said,),
        deadline=payout.deadline(),
        now=now,
    )
    return writer.put(payout_key(payout.key), was.stored if was else None, change)


# ---------------------------------------------------------------- policies


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    policy: ShopPolicy
    version: int


def read_policy(shop: str, item: Item | None) -> PolicyRecord:
    """A shop that has saved nothing has an empty policy: no plans, so no offers."""
    if item is None:
        return PolicyRecord(ShopPolicy(shop=shop), 0)
    return PolicyRecord(ShopPolicy.model_validate_json(str(item[POLICY])), int(item[VERSION]))


def write_policy(was: PolicyRecord, policy: ShopPolicy) -> Put:
    guard: Condition = VersionIs(was.version) if was.version else Absent()
    attributes: Item = {VERSION: was.version + 1, POLICY: policy.model_dump_json(exclude_defaults=True)}
    return Put(policy_key(policy.shop), attributes, (guard,))


# ---------------------------------------------------------------- counters and buyers


def change_counter(shop: str, change: HoldChange, now: datetime) -> Increment:
    """Raises a counter below its ceiling, or gives back what it held."""
    ceilings: dict[str, int] = {}
    if change.ceiling.cases is not None and change.cases > 0:
        ceilings["cases"] = change.ceiling.cases - (change.cases if change.probe else 0)
    if change.ceiling.amount is not None and change.minor > 0:
        ceilings["minor"] = change.ceiling.amount.minor - (change.minor if change.probe else 0)
    counted = 0 if change.probe else 1
    return Increment(
        key=counter_key(shop, change.counter),
        by={"cases": change.cases * counted, "minor": change.minor * counted},
        ceilings=ceilings,
        attributes={EXPIRES_AT: int((now + COUNTERS_KEPT).timestamp())},
    )


def raise_brake(shop: str, now: datetime, amount: Money, ceiling: int | None) -> Increment:
    """Counts what leaves the shop within the clock hour, each currency for itself."""
    hour = now.strftime("%Y-%m-%dT%H")
    return Increment(
        key=counter_key(shop, f"brake/{amount.currency}/{hour}"),
        by={"minor": amount.minor},
        ceilings={} if ceiling is None else {"minor": ceiling},
        attributes={EXPIRES_AT: int((now + COUNTERS_KEPT).timestamp())},
    )


@dataclass(frozen=True, slots=True)
class BuyerPromises:
    """What a buyer was promised lately, one entry a case: its time and its cost in minor units."""

    entries: Mapping[str, tuple[datetime, int]]
    version: int

    def record(self, *, has_earlier_order: bool) -> BuyerRecord:
        return BuyerRecord(self.entries, has_earlier_order)


def read_promises(item: Item | None) -> BuyerPromises:
    if item is None:
        return BuyerPromises({}, 0)
    raw = json.loads(str(item[PROMISES]))
    entries = {case: (from_text(at), minor) for case, (at, minor) in raw.items()}
    return BuyerPromises(entries, int(item[VERSION]))


def write_promise(shop: str, was: BuyerPromises, promise: BuyerPromise, now: datetime) -> Put:
    entries = {case: entry for case, entry in was.entries.items() if entry[0] > now - BUYER_WINDOW}
    if promise.minor is None:
        entries.pop(promise.negotiation_id, None)
    else:
        first_promised_at = entries.get(promise.negotiation_id, (promise.at, 0))[0]
        entries[promise.negotiation_id] = (first_promised_at, promise.minor)
    text = json.dumps({case: (to_text(at), minor) for case, (at, minor) in sorted(entries.items())})
    guard: Condition = VersionIs(was.version) if was.version else Absent()
    attributes: Item = {
        VERSION: was.version + 1,
        PROMISES: text,
        EXPIRES_AT: int((now + COUNTERS_KEPT).timestamp()),
    }
    return Put(buyer_key(shop, promise.buyer), attributes, (guard,))


# ---------------------------------------------------------------- notices


def write_notice(key: Key, sent_at: datetime, status: str, reference: str | None, text_sha256: str) -> Put:
    attributes: Item = {
        "sent_at": to_text(sent_at),
        "status": status,
        "reference": reference or "",
        "text_sha256": text_sha256,
    }
    return Put(key, attributes, (Absent(),))
