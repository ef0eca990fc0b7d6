"""Negotiation's use cases: read the order, decide, write once; read again where somebody else was faster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from aftercare.events.orders import OrderPaid
from aftercare.events.refunds import OfferAnswered
from aftercare.events.vocabulary import AcceptedVia
from aftercare.kernel.envelope import Event, EventData
from aftercare.kernel.errors import MalformedInput, Transient
from aftercare.kernel.ports import Clock
from aftercare.kernel.records import Change, RecordWriter
from aftercare.kernel.table import Item, Key, Table, TransactionRefused, Write, WriteRefused
from aftercare.negotiation import keys, store
from aftercare.negotiation.model.answering import accept, approve, decline, take_over
from aftercare.negotiation.model.cases import Case
from aftercare.negotiation.model.choosing import BuyerRecord, EarlierOrderNeeded, PromisesNeeded, Surroundings, Wording
from aftercare.negotiation.model.deadlines import deadline
from aftercare.negotiation.model.drafts import Decision, Draft, HoldChange, NoSuchCase
from aftercare.negotiation.model.facts import pass_time, take_in
from aftercare.negotiation.model.links import OfferLink
from aftercare.negotiation.model.orders import Order, Purchase
from aftercare.negotiation.model.plans import ShopPolicy
from aftercare.negotiation.model.references import OfferReference
from aftercare.negotiation.model.views import OfferView, view
from aftercare.negotiation.store import BuyerPromises, OrderRecord
from aftercare.rulepacks.negotiation import NegotiationRules, negotiation_rules

ATTEMPTS = 6
"""How often a decision is made anew because somebody else wrote first, before the message is returned."""

Decide = Callable[[Order, Surroundings], Decision]


class Contended(Transient):
    """Others kept writing the same order; the message goes back to its queue."""


class Reading(NamedTuple):
    """What was read for a decision about an order; ``promises`` are of its buyer, None where they were not read."""

    record: OrderRecord
    policy: ShopPolicy
    promises: BuyerPromises | None


class Negotiation:
    """The cases of orders: what events, timers, buyers and merchants do to them."""

    def __init__(self, table: Table, clock: Clock, writer: RecordWriter, wording: Wording) -> None:
        self._table = table
        self._clock = clock
        self._writer = writer
        self._wording = wording

    # ------------------------------------------------------------ events and timers

    def take_in(self, event: Event[EventData]) -> None:
        """Folds one event of the bus; right under repeats and in any order. Raises ``Transient`` to be called again."""
        shop = event.metadata.shop
        order_id = _order_of(event.data)
        if order_id is None:
            return
        if isinstance(event.data, OrderPaid) and self._put_first(shop, order_id, event):
            return
        # a marketplace may name no buyer at all: then there is nobody to keep promises of
        buyer = getattr(event.data, "buyer", None) or None
        self._decide(
            shop,
            order_id,
            lambda order, around: take_in(order, event, around),
            buyer=buyer,
            paid=Purchase.of(event.data) if isinstance(event.data, OrderPaid) else None,
            caused_by=event.metadata.event_id,
        )

    def wake(self, key: Key) -> None:
        """A timer fired for an order's item; whether anything is due is looked at anew."""
        shop, order_id = keys.order_of(key)
        self._decide(shop, order_id, pass_time, rearm=True)

    # ------------------------------------------------------------ the buyer

    def look(self, link: OfferLink) -> OfferView:
        """What a link opens; nothing is changed. Raises ``NoSuchCase``."""
        item = self._table.get(keys.order_key(link.shop, link.order_id))
        order = store.read_order(link.shop, link.order_id, item).order
        now = self._clock.now()
        return view(order, link, now, rules_of(order, now))

    def accept(self, link: OfferLink, option_id: str) -> Case:
        """Raises ``NoSuchCase``, ``NoSuchOption``, ``AnsweredAlready``, ``TooLate`` or ``NotNow``."""

        def decide(order: Order, around: Surroundings) -> Decision:
            draft = Draft(order, around)
            accept(draft, link.negotiation_id, link.round, option_id, AcceptedVia.PAGE, around.now)
            return draft.decision()

        return self._decide_case(link.shop, link.order_id, link.negotiation_id, decide)

    def decline(self, link: OfferLink, *, ask_for_another: bool) -> Case:
        """Raises as ``accept`` does."""

        def decide(order: Order, around: Surroundings) -> Decision:
            draft = Draft(order, around)
            decline(draft, link.negotiation_id, link.round, around.now, ask_for_another=ask_for_another)
            return draft.decision()

        return self._decide_case(link.shop, link.order_id, link.negotiation_id, decide)

    # ------------------------------------------------------------ the merchant

    def approve(self, shop: str, order_id: str, negotiation_id: str, author: str) -> Case:
        """Raises ``NoSuchCase``, ``AnsweredAlready`` or ``TooLate``."""

        def decide(order: Order, around: Surroundings) -> Decision:
            draft = Draft(order, around)
            approve(draft, negotiation_id, author)
            return draft.decision()

        return self._decide_case(shop, order_id, negotiation_id, decide)

    def take_over(self, shop: str, order_id: str, negotiation_id: str, author: str, reason: str) -> Case:
        """Raises ``NoSuchCase`` or ``MoveRefused``: what a buyer accepted is carried out."""

        def decide(order: Order, around: Surroundings) -> Decision:
            draft = Draft(order, around)
            take_over(draft, negotiation_id, author, reason)
            return draft.decision()

        return self._decide_case(shop, order_id, negotiation_id, decide)

    # ------------------------------------------------------------ how a decision becomes a write

    def _put_first(self, shop: str, order_id: str, event: Event[EventData]) -> bool:
        """A paid order is nearly always the first that is heard of it: written without being read."""
        now = self._clock.now()
        unread = OrderRecord(Order(shop=shop, order_id=order_id), None)
        around = self._around(now, Reading(unread, ShopPolicy(shop=shop), None), None, frozenset())
        decision = take_in(unread.order, event, around)
        try:
            self._table.write(self._write_order(unread, decision, around, None))
        except WriteRefused:
            return False
        return True

    def _decide_case(self, shop: str, order_id: str, negotiation_id: str, decide: Decide) -> Case:
        order = self._decide(shop, order_id, decide)
        case = order.case(negotiation_id)
        if case is None:
            raise NoSuchCase("no such case")
        return case

    def _decide(
        self,
        shop: str,
        order_id: str,
        decide: Decide,
        *,
        buyer: str | None = None,
        paid: Purchase | None = None,
        caused_by: str | None = None,
        rearm: bool = False,
    ) -> Order:
        """``buyer`` is whom the event names, ``paid`` a purchase that it brings, None where it does not."""
        spent: frozenset[str] = frozenset()
        conflicts = 0
        while conflicts < ATTEMPTS:
            now = self._clock.now()
            reading = self._read(shop, order_id, buyer, paid)
            around = self._around(now, reading, reading.record.order.purchase or paid, spent)
            try:
                decision = self._decide_knowing_the_buyer(reading.record.order, around, decide)
            except PromisesNeeded as needed:
                buyer = needed.buyer
                continue
            if decision.order == reading.record.order and not decision.said and not _must_rearm(rearm, reading, now):
                return decision.order
            try:
                self._write(reading, decision, around, caused_by)
            except TransactionRefused as refused:
                full = _spent(decision.holds, refused.refused)
                if full <= spent:
                    # others' writes alone are a reason to give up: a counter that is full changes the decision
                    conflicts += 1
                spent |= full
                continue
            return decision.order
        raise Contended(f"order {order_id} kept changing")

    def _read(self, shop: str, order_id: str, buyer: str | None, paid: Purchase | None) -> Reading:
        wanted = [keys.order_key(shop, order_id), keys.policy_key(shop)]
        if buyer is not None:
            wanted.append(keys.buyer_key(shop, buyer))
        found = self._table.get_many(wanted)
        record = store.read_order(shop, order_id, found.get(wanted[0]))
        purchase = record.order.purchase or paid
        is_theirs = purchase is not None and buyer is not None and purchase.buyer == buyer
        return Reading(
            record,
            store.read_policy(shop, found.get(wanted[1])).policy,
            store.read_promises(found.get(wanted[2])) if is_theirs else None,
        )

    def _around(
        self, now: datetime, reading: Reading, purchase: Purchase | None, spent: frozenset[str]
    ) -> Surroundings:
        return Surroundings(
            now=now,
            policy=reading.policy,
            rules=rules_for(reading.record.order.shop, purchase.paid_at if purchase else now),
            wording=self._wording,
            buyer=BuyerRecord(promises=reading.promises.entries if reading.promises else None),
            spent=spent,
        )

    def _decide_knowing_the_buyer(self, order: Order, around: Surroundings, decide: Decide) -> Decision:
        """Whether the buyer is new is asked only where a plan turns on it: it takes a call of its own."""
        try:
            return decide(order, around)
        except EarlierOrderNeeded as needed:
            earlier = store.earlier_orders(order.shop, needed.purchase.buyer, needed.purchase.paid_at)
            asked = around.buyer._replace(has_earlier_order=bool(self._table.query(earlier).keys))
            return decide(order, around._replace(buyer=asked))

    def _write(self, reading: Reading, decision: Decision, around: Surroundings, caused_by: str | None) -> None:
        shop = decision.order.shop
        writes: list[Write] = [self._write_order(reading.record, decision, around, caused_by)]
        writes += [store.change_counter(shop, change, around.now) for change in decision.holds]
        if decision.promise is not None:
            writes.append(store.write_promise(shop, reading.promises, decision.promise, around.now))
        self._table.transact(writes)

    def _write_order(self, was: OrderRecord, decision: Decision, around: Surroundings, caused_by: str | None) -> Write:
        change = Change(
            shop=decision.order.shop,
            state=decision.order.model_dump_json(exclude_defaults=True),
            said=decision.said,
            deadline=deadline(decision.order, around),
            now=around.now,
            caused_by=caused_by,
        )
        return store.write_order(self._writer, was, change, decision.order)


def rules_for(shop: str, moment: datetime) -> NegotiationRules:
    """The guardrails of the shop's marketplace at a moment: for an order, the one at which it was paid."""
    return negotiation_rules(shop.partition(":")[0], moment)


def rules_of(order: Order, now: datetime) -> NegotiationRules:
    return rules_for(order.shop, order.purchase.paid_at if order.purchase else now)


def _order_of(data: EventData) -> str | None:
    if isinstance(data, OfferAnswered):
        try:
            return OfferReference.parse(data.external_offer_id).order_id
        except MalformedInput:
            # the merchant's own offers on the marketplace are answered there too
            return None
    order_id: str | None = getattr(data, "order_id", None)
    return order_id


def _must_rearm(rearm: bool, reading: Reading, now: datetime) -> bool:
    # a timer that fired for nothing must be armed anew, or the sweep would send it every minute
    stored = reading.record.stored
    return rearm and stored is not None and stored.due_at is not None and stored.due_at <= now


def _spent(holds: tuple[HoldChange, ...], refused: Mapping[int, Item | None]) -> frozenset[str]:
    # the order's own write comes first, then one write a counter
    return frozenset(hold.counter for index, hold in enumerate(holds, start=1) if index in refused)
