"""Carries out what a buyer accepted: intent first, one claim a call, and the marketplace's own books when in doubt.

A payout that is not at its end when a delivery is done with stands in the due index: its timer brings it back, so a
message is acknowledged as soon as the intent is on record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

from aftercare.events.negotiation import OfferAccepted
from aftercare.events.vocabulary import OptionKind
from aftercare.kernel.envelope import Event, EventData
from aftercare.kernel.errors import AftercareError, DomainError, Transient
from aftercare.kernel.ports import ActionOutcome, ActionStatus, Clock, Marketplace
from aftercare.kernel.records import Change, RecordWriter, Stored
from aftercare.kernel.table import Key, Put, Table, TransactionRefused, Write, WriteRefused
from aftercare.negotiation import keys, store
from aftercare.negotiation.model.cases import CaseState
from aftercare.negotiation.model.choosing import Surroundings
from aftercare.negotiation.model.deadlines import deadline
from aftercare.negotiation.model.drafts import Draft, NoSuchCase
from aftercare.negotiation.model.orders import Commitment, Order
from aftercare.negotiation.model.payouts import (
    MONEY_LEAVES,
    NOT_IN_TIME,
    CapExceeded,
    Claimed,
    Payout,
    PayoutState,
    intents,
)
from aftercare.negotiation.model.plans import ShopPolicy
from aftercare.negotiation.model.settling import commit, hand_to_human
from aftercare.negotiation.service import ATTEMPTS, Contended, rules_for
from aftercare.negotiation.store import OrderRecord, PayoutRecord
from aftercare.rulepacks.negotiation import SettlementRules

KILL_SWITCH = "kill_switch"
BRAKE = "brake"
CAP = "cap"


class Stuck(NamedTuple):
    """A payout that was held, refused, is in doubt or needs a person; or a case that cannot be paid at all."""

    shop: str
    order_id: str
    key: str
    state: str
    reason: str
    seconds: int
    """Since it stands so; of one in doubt, since it was set out to be paid."""


class Settlement:
    """The payouts of accepted offers.

    ``marketplace`` gives, for a shop, the one that may spend; ``report_stuck`` hears of whatever does not reach its
    end by itself. ``default_brake``: minor units by currency that leave a shop within an hour at most, where it has set
    no brake of its own; what is not named is as the rule pack says.
    """

    def __init__(
        self,
        table: Table,
        clock: Clock,
        writer: RecordWriter,
        marketplace: Callable[[str], Marketplace],
        report_stuck: Callable[[Stuck], None],
        default_brake: Mapping[str, int] | None = None,
    ) -> None:
        self._default_brake = default_brake or {}
        self._table = table
        self._clock = clock
        self._writer = writer
        self._marketplace = marketplace
        self._report_stuck = report_stuck

    def take_in(self, event: Event[EventData]) -> None:
        """Everything that an acceptance owes, in order; right under any number of deliveries."""
        shop, data = event.metadata.shop, event.data
        if not isinstance(data, OfferAccepted):
            return
        for _ in range(ATTEMPTS):
            wanted = [keys.order_key(shop, data.order_id), keys.policy_key(shop)]
            found = self._table.get_many(wanted)
            was = store.read_order(shop, data.order_id, found.get(wanted[0]))
            policy = store.read_policy(shop, found.get(wanted[1])).policy
            case = was.order.case(data.negotiation_id)
            if case is None:
                raise NoSuchCase(f"order {data.order_id} has no case {data.negotiation_id}")
            try:
                if case.state is CaseState.ACCEPTED:
                    payouts = self._intend(was, data.negotiation_id, policy, event.metadata.event_id)
                    self._carry_out(payouts, policy, claimed=payouts[0].payout.key if payouts else None)
                else:
                    self._carry_out(self._payouts_of(was.order, data.negotiation_id), policy, claimed=None)
            except TransactionRefused:
                continue
            return
        raise Contended(f"order {data.order_id} kept changing")

    def wake(self, key: Key) -> None:
        """A payout's timer fired: a lease ended, a wait is over, or a hold is looked at again."""
        item = self._table.get(key)
        if item is None:
            return
        payout = store.read_payout(key, item).payout
        wanted = [keys.order_key(payout.shop, payout.order_id), keys.policy_key(payout.shop)]
        found = self._table.get_many(wanted)
        order = store.read_order(payout.shop, payout.order_id, found.get(wanted[0])).order
        policy = store.read_policy(payout.shop, found.get(wanted[1])).policy
        self._carry_out(self._payouts_of(order, payout.negotiation_id), policy, claimed=None)

    # ------------------------------------------------------------ intent

    def _intend(
        self, was: OrderRecord, negotiation_id: str, policy: ShopPolicy, caused_by: str
    ) -> Sequence[PayoutRecord]:
        """Puts the payouts on record, takes their money from the order's cap and claims the first call, all at once.

        Raises ``TransactionRefused`` when somebody else wrote the order or the payouts first.
        """
        now = self._clock.now()
        order, case = was.order, was.order.case(negotiation_id)
        # a shop whose marketplace cannot be reached at all must not hold a claim that nobody uses
        unreachable = self._unreachable(order.shop)
        around = self._around(order, policy, now)
        rules = around.rules.settlement
        draft = Draft(order, around)
        if case is None:
            raise NoSuchCase("no such case")
        try:
            made = intents(order, case, now, rules)
        except CapExceeded as exceeded:
            hand_to_human(draft, negotiation_id, f"cap: {exceeded}")
            self._table.transact([self._order_write(was, draft, None, caused_by)])
            self._report_stuck(Stuck(order.shop, order.order_id, negotiation_id, "needs_human", str(exceeded), 0))
            return ()
        commitments: dict[str, Commitment] = {payout.key: commitment for payout, commitment in made}
        commit(draft, negotiation_id, commitments)
        taking = sum(commitment.cash.minor for commitment in commitments.values())
        order_write = self._order_write(was, draft, taking or None, caused_by)
        first, *others = [payout for payout, _ in made]
        held = KILL_SWITCH if policy.kill_switch else unreachable
        if held:
            return self._put_intents(order_write, [first.hold(now, held, rules), *others], [], now)
        brake = self._brake(first, policy, rules, now)
        try:
            return self._put_intents(order_write, [first.claim(now, rules), *others], brake, now)
        except TransactionRefused as refused:
            if not (brake and set(refused.refused) == {1 + len(made)}):
                raise
        return self._put_intents(order_write, [first.hold(now, BRAKE, rules), *others], [], now)

    def _put_intents(
        self, order_write: Put, payouts: Sequence[Payout], brake: Sequence[Write], now: datetime
    ) -> Sequence[PayoutRecord]:
        puts = [store.write_payout(self._writer, None, payout, now) for payout in payouts]
        self._table.transact([order_write, *puts, *brake])
        for payout in payouts:
            self._report(payout)
        return [PayoutRecord(one, Stored.of(put.key, put.attributes)) for one, put in zip(payouts, puts, strict=True)]

    def _order_write(self, was: OrderRecord, draft: Draft, taking: int | None, caused_by: str) -> Put:
        change = Change(
            shop=draft.order.shop,
            state=draft.order.model_dump_json(exclude_defaults=True),
            said=tuple(draft.said),
            deadline=deadline(draft.order, draft.around),
            now=draft.now,
            caused_by=caused_by,
        )
        return store.write_order(self._writer, was, change, draft.order, taking=taking)

    def _brake(self, payout: Payout, policy: ShopPolicy, rules: SettlementRules, now: datetime) -> list[Write]:
        """The hourly counter that a payout's first claim must pass; nothing for what costs no money."""
        if payout.kind not in MONEY_LEAVES or payout.amount is None or payout.attempts > 0:
            return []
        currency = payout.amount.currency
        ceiling = self._default_brake.get(currency, rules.default_brake.get(currency))
        own = policy.payout_brake_per_hour
        if own is not None and own.currency == currency:
            ceiling = own.minor
        return [store.raise_brake(payout.shop, now, payout.amount, ceiling)]

    # ------------------------------------------------------------ carrying out

    def _carry_out(self, records: Sequence[PayoutRecord], policy: ShopPolicy, claimed: str | None) -> None:
        """One payout after the other; those behind one that is in doubt wait for it."""
        # a refused write: another delivery moved the payout meanwhile and goes on with it
        with suppress(WriteRefused):
            for index, record in enumerate(records):
                try:
                    moved = self._advance(record, policy, claimed=record.payout.key == claimed)
                except Claimed:
                    self._rearm(record)
                    return
                if not moved.payout.final and moved.payout.state is not PayoutState.NEEDS_HUMAN:
                    self._wait_behind(moved, records[index + 1 :])
                    return

    def _advance(self, record: PayoutRecord, policy: ShopPolicy, *, claimed: bool) -> PayoutRecord:
        payout = record.payout
        rules = rules_for(payout.shop, payout.created_at).settlement
        if payout.state in (PayoutState.INTENT, PayoutState.HELD):
            record = self._claim_or_hold(record, policy, rules)
            claimed = record.payout.state is PayoutState.CALLING
        elif payout.state in (PayoutState.CALLING, PayoutState.UNKNOWN) and not claimed:
            record, claimed = self._find_out(record, rules)
        elif payout.state is PayoutState.NEEDS_HUMAN:
            record = self._say_again(record, rules)
        if not claimed:
            return record
        outcome = self._marketplace(payout.shop).act(record.payout.action)
        now = self._clock.now()
        return self._save(record, record.payout.answered(outcome, now, rules), now)

    def _say_again(self, record: PayoutRecord, rules: SettlementRules) -> PayoutRecord:
        now, payout = self._clock.now(), record.payout
        if payout.retry_at is not None and now < payout.retry_at:
            self._rearm(record)
            return record
        said = self._save(record, payout.needs_human(now, payout.reason or "", rules), now)
        self._report(said.payout)
        return said

    def _claim_or_hold(self, record: PayoutRecord, policy: ShopPolicy, rules: SettlementRules) -> PayoutRecord:
        held = KILL_SWITCH if policy.kill_switch else self._unreachable(record.payout.shop)
        if held:
            return self._hold(record, held, rules)
        now = self._clock.now()
        brake = self._brake(record.payout, policy, rules, now)
        return self._claim(record, rules, now, brake) or self._hold(record, BRAKE, rules)

    def _claim(
        self, record: PayoutRecord, rules: SettlementRules, now: datetime, brake: Sequence[Write] = ()
    ) -> PayoutRecord | None:
        """The claim, or a person's case where the order has not the money any more; None where the brake holds it.

        What was set aside at the intent may be gone since: the marketplace or the platform may have refunded it too.
        """
        payout = record.payout
        claiming = payout.claim(now, rules)
        put = store.write_payout(self._writer, record, claiming, now)
        covered = [store.covered(payout.shop, payout.order_id)] if payout.kind in MONEY_LEAVES else []
        try:
            self._table.transact([put, *covered, *brake])
        except TransactionRefused as refused:
            if 0 in refused.refused or not refused.refused:
                raise WriteRefused(put.key, refused.refused.get(0)) from refused
            if covered and 1 in refused.refused:
                return self._save(record, payout.needs_human(now, CAP, rules), now)
            return None
        return PayoutRecord(claiming, Stored.of(put.key, put.attributes))

    def _hold(self, record: PayoutRecord, reason: str, rules: SettlementRules) -> PayoutRecord:
        now = self._clock.now()
        if now >= record.payout.settle_by:
            # held for longer than the platforms allow: from now on a person sees to it
            return self._save(record, record.payout.needs_human(now, reason, rules), now)
        return self._save(record, record.payout.hold(now, reason, rules), now)

    def _unreachable(self, shop: str) -> str | None:
        """Why no marketplace can be asked for the shop: no secret, or one that leads nowhere."""
        try:
            self._marketplace(shop)
        except Transient:
            raise
        except AftercareError as error:
            return type(error).__name__
        return None

    def _find_out(self, record: PayoutRecord, rules: SettlementRules) -> tuple[PayoutRecord, bool]:
        """Asks the marketplace's books about a call that nobody knows the end of; True: it may be sent again now."""
        now = self._clock.now()
        payout = record.payout
        if payout.state is PayoutState.CALLING:
            payout = payout.abandoned(now)
        elif payout.retry_at is not None and now < payout.retry_at:
            self._rearm(record)
            return record, False
        unreachable = self._unreachable(payout.shop)
        if unreachable:
            unknown = ActionOutcome(ActionStatus.AMBIGUOUS, reason=unreachable)
            return self._save(record, payout.answered(unknown, now, rules), now), False
        marketplace = self._marketplace(payout.shop)
        outcome = marketplace.look_up(payout.key)
        if outcome.status is not ActionStatus.ABSENT:
            return self._save(record, payout.answered(outcome, now, rules), now), False
        if now >= payout.settle_by:
            return self._save(record, payout.needs_human(now, NOT_IN_TIME, rules), now), False
        if not marketplace.capabilities.deduplicates_keys:
            return self._save(record, payout.needs_human(now, "absent_and_not_repeatable", rules), now), False
        claimed = self._claim(PayoutRecord(payout, record.stored), rules, now)
        if claimed is None:
            raise Contended(f"payout {payout.key} kept changing")
        return claimed, claimed.payout.state is PayoutState.CALLING

    def _wait_behind(self, first: PayoutRecord, others: Sequence[PayoutRecord]) -> None:
        until = first.payout.deadline()
        for record in others:
            if record.payout.state is PayoutState.INTENT and until is not None:
                self._save(record, record.payout.model_copy(update={"retry_at": until}), self._clock.now())

    def _rearm(self, record: PayoutRecord) -> None:
        """A timer that fired too early is armed anew, or the sweep would send it every minute."""
        now = self._clock.now()
        if record.stored.due_at is not None and record.stored.due_at <= now:
            self._save(record, record.payout, now)

    def _save(self, was: PayoutRecord, payout: Payout, now: datetime) -> PayoutRecord:
        """One conditional write; raises ``WriteRefused`` when somebody else moved the payout."""
        put = store.write_payout(self._writer, was, payout, now)
        self._table.write(put)
        if payout.state is not was.payout.state or payout.state is PayoutState.UNKNOWN:
            self._report(payout)
        return PayoutRecord(payout, Stored.of(put.key, put.attributes))

    def _report(self, payout: Payout) -> None:
        refused = payout.state is PayoutState.REFUSED and payout.kind is not OptionKind.COUPON_REVOCATION
        if refused or payout.state in (PayoutState.HELD, PayoutState.UNKNOWN, PayoutState.NEEDS_HUMAN):
            reason = payout.reason or ""
            since = payout.created_at if payout.state is PayoutState.UNKNOWN else payout.moved_at
            waited = int((self._clock.now() - since).total_seconds())
            self._report_stuck(Stuck(payout.shop, payout.order_id, payout.key, payout.state.value, reason, waited))

    # ------------------------------------------------------------ reading

    def _payouts_of(self, order: Order, negotiation_id: str) -> Sequence[PayoutRecord]:
        wanted = store.payout_keys(order, negotiation_id)
        return store.read_payouts(wanted, self._table.get_many(wanted))

    def _around(self, order: Order, policy: ShopPolicy, now: datetime) -> Surroundings:
        if order.purchase is None:
            raise DomainError("nothing can be settled on an order that is not known")
        rules = rules_for(order.shop, order.purchase.paid_at)
        return Surroundings(now=now, policy=policy, rules=rules)
