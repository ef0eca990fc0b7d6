"""The negotiation table's items and every access to them as plain data; the keys are in ``keys.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

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
from aftercare.negotiation.model.choosing import BUYER_WINDOW
from aftercare.negotiation.model.drafts import BuyerPromise, HoldChange
from aftercare.negotiation.model.orders import Order
from aftercare.negotiation.model.payouts import Payout
from aftercare.negotiation.model.plans import ShopPolicy

CASES_INDEX = Index(name="cases", partition="case_shop", sort="case_opened_at")
BUYER_ORDERS_INDEX = Index(name="buyer_orders", partition="buyer_key", sort="paid_at")
REMAINING = "remaining"
POLICY = "policy"
PROMISE = "promise/"
"""Begins the name of an attribute that holds the promise of one case."""
WITHDRAWN = ""
EXPIRES_AT = "expires_at"
COUNTERS_KEPT = timedelta(days=40)
POLICIES_KEPT = 50
"""Policies that a process remembers as objects, by their text."""


# ---------------------------------------------------------------- orders


class OrderRecord(NamedTuple):
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


class PayoutRecord(NamedTuple):
    payout: Payout
    stored: Stored


def read_payout(key: Key, item: Item) -> PayoutRecord:
    stored = Stored.of(key, item)
    return PayoutRecord(Payout.model_validate_json(stored.state), stored)


def payout_keys(order: Order, negotiation_id: str) -> list[Key]:
    """The payouts of a case, in the order in which they are made."""
    return [payout_key(key) for key, one in order.commitments.items() if one.negotiation_id == negotiation_id]


def read_payouts(wanted: Sequence[Key], found: Mapping[Key, Item]) -> list[PayoutRecord]:
    return [read_payout(key, found[key]) for key in wanted if key in found]


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


class PolicyRecord(NamedTuple):
    policy: ShopPolicy
    version: int


def read_policy(shop: str, item: Item | None, zone: str = "UTC") -> PolicyRecord:
    """A shop that has saved nothing has an empty policy: no plans, so no offers. ``zone`` is then its zone."""
    if item is None:
        return PolicyRecord(ShopPolicy(shop=shop, zone=zone), 0)
    return PolicyRecord(_policy(str(item[POLICY])), int(item[VERSION]))


@lru_cache(maxsize=POLICIES_KEPT)
def _policy(text: str) -> ShopPolicy:
    # every event of a shop is decided under it, and it hardly ever changes
    return ShopPolicy.model_validate_json(text)


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


class BuyerPromises(NamedTuple):
    """What a buyer was promised lately, one entry a case: its time and its cost in minor units."""

    entries: Mapping[str, tuple[datetime, int]]
    version: int


def read_promises(item: Item | None) -> BuyerPromises:
    if item is None:
        return BuyerPromises({}, 0)
    entries = {}
    for name, value in item.items():
        if name.startswith(PROMISE) and value != WITHDRAWN:
            at, _, minor = str(value).partition(" ")
            entries[name.removeprefix(PROMISE)] = (from_text(at), int(minor))
    return BuyerPromises(entries, int(item[VERSION]))


def write_promise(shop: str, was: BuyerPromises | None, promise: BuyerPromise, now: datetime) -> Put | Increment:
    """One promise made, lowered or withdrawn.

    Where the limit was looked at, the write holds only while nothing else was promised, and leaves out what is too old
    to count. One that only gives back needs no look (``was`` is None): it changes its own entry, whatever else stands.
    """
    key = buyer_key(shop, promise.buyer)
    value = WITHDRAWN if promise.minor is None else f"{to_text(promise.at)} {promise.minor}"
    changed: dict[str, Scalar] = {
        PROMISE + promise.negotiation_id: value,
        EXPIRES_AT: int((now + COUNTERS_KEPT).timestamp()),
    }
    if was is None:
        return Increment(key, {VERSION: 1}, attributes=changed)
    kept = {
        PROMISE + case: f"{to_text(at)} {minor}" for case, (at, minor) in was.entries.items() if at > now - BUYER_WINDOW
    }
    guard: Condition = VersionIs(was.version) if was.version else Absent()
    return Put(key, {**kept, **changed, VERSION: was.version + 1}, (guard,))


# ---------------------------------------------------------------- notices


def write_notice(key: Key, sent_at: datetime, status: str, reference: str | None, text_sha256: str) -> Put:
    attributes: Item = {
        "sent_at": to_text(sent_at),
        "status": status,
        "reference": reference or "",
        "text_sha256": text_sha256,
    }
    return Put(key, attributes, (Absent(),))
