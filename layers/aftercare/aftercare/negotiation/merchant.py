"""What a merchant does with one shop: looks at its cases, plans its offers, decides where a person must.

The shop is always the caller's own; what belongs to another one does not exist here. Answers are plain JSON.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from aftercare.kernel.errors import Conflict, DomainError
from aftercare.kernel.fields import FieldError, InvalidFields, read
from aftercare.kernel.ports import ActionType, Clock
from aftercare.kernel.records import RecordWriter
from aftercare.kernel.shops import PLAIN, ShopDefaults
from aftercare.kernel.table import PARTITION, SORT, Put, Scalar, Table, WriteRefused
from aftercare.kernel.times import ONE_SECOND, UtcTime, from_text, to_sortable_text, to_text
from aftercare.negotiation import keys, store
from aftercare.negotiation.model import casefile, keeping, planning
from aftercare.negotiation.model.cases import Case, CaseState
from aftercare.negotiation.model.drafts import NoSuchCase
from aftercare.negotiation.model.orders import Order
from aftercare.negotiation.model.payouts import Payout
from aftercare.negotiation.model.plans import Plan, ShopPolicy
from aftercare.negotiation.service import ATTEMPTS, Contended, Negotiation, rules_for, rules_of
from aftercare.negotiation.store import PolicyRecord

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FAR_FUTURE = datetime(2970, 1, 1, tzinfo=UTC)
Moment = Annotated[UtcTime, Field(ge=EPOCH, le=FAR_FUTURE)]
LONGEST_ID = 256
PAGE = 100
ORDERS_A_LIST = 1_000
"""Orders that one call of the list looks at, at most, to find what was asked for."""
ORDERS_A_KEEP_RATE = 5_000
DEFAULT_WINDOW = timedelta(days=45)


class PolicyChanged(Conflict):
    """Somebody saved since the policy was read: look at it again before saving over it."""


class NoSuchOrder(DomainError):
    """Nothing was ever heard of an order of that id in the shop."""


class _Asked(BaseModel):
    # a cold function reads one of these
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class CasesAsked(_Asked):
    """Cases opened in [since, until)."""

    since: Moment = EPOCH
    until: Moment | None = None
    state: CaseState | None = None
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE)] = 50


class KeepRateAsked(_Asked):
    """Cases opened in [from, to); without them, the 45 days that ended when a new request last counted."""

    since: Annotated[Moment | None, Field(alias="from")] = None
    until: Annotated[Moment | None, Field(alias="to")] = None


class TakeOver(_Asked):
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class Resolution(_Asked):
    """What a person found in the marketplace's books about a payout."""

    key: Annotated[str, Field(min_length=1, max_length=500)]
    paid: StrictBool
    evidence: Annotated[str, Field(min_length=1, max_length=2000)]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an order stands in the index of cases: its latest case's opening, as the index has it."""

    order_id: str
    opened_at: str

    def cursor(self) -> str:
        return base64.urlsafe_b64encode(json.dumps([self.order_id, self.opened_at]).encode()).decode()

    @classmethod
    def of(cls, cursor: str, since: datetime, now: datetime) -> Self:
        """Raises ``InvalidFields`` for one that was not given out for this list."""
        try:
            order_id, opened_at = json.loads(base64.b64decode(cursor.encode(), altchars=b"-_", validate=True))
            # the table refuses a place that lies outside what is asked for, and an id that is no key
            is_inside = to_sortable_text(since) <= opened_at <= to_sortable_text(now)
            is_moment = is_inside and opened_at == to_sortable_text(from_text(opened_at))
            if is_moment and 0 < len(order_id.encode()) <= 4 * LONGEST_ID:
                return cls(order_id, opened_at)
        except (ValueError, TypeError, AttributeError, RecursionError):
            pass
        raise InvalidFields([FieldError("cursor", "is not one that was given out for this list")])

    def in_index(self, shop: str) -> Mapping[str, Scalar]:
        key = keys.order_key(shop, self.order_id)
        index = store.CASES_INDEX
        return {PARTITION: key.partition, SORT: key.sort, index.partition: shop, index.sort: self.opened_at}


class Merchant:
    """``can_do`` gives what the door of a shop can carry out. Nothing in here can reach a marketplace."""

    def __init__(
        self,
        table: Table,
        clock: Clock,
        writer: RecordWriter,
        negotiation: Negotiation,
        can_do: Callable[[str], frozenset[ActionType]],
        defaults: ShopDefaults = PLAIN,
    ) -> None:
        self._table = table
        self._defaults = defaults
        self._clock = clock
        self._writer = writer
        self._negotiation = negotiation
        self._can_do = can_do

    # ------------------------------------------------------------ policy

    def policy(self, shop: str) -> dict[str, Any]:
        was = self._policy(shop)
        return {"version": was.version, "policy": was.policy.model_dump(mode="json", exclude_none=True)}

    def plans(self, shop: str) -> dict[str, Any]:
        was = self._policy(shop)
        return {"version": was.version, "plans": _plans(was.policy.plans)}

    def replace_plans(self, shop: str, author: str, body: Any) -> dict[str, Any]:
        """Raises ``InvalidFields`` with every error, or ``PolicyChanged``."""
        wanted = read(planning.PlansToSave, body)
        was = self._policy(shop, wanted.version)
        now = self._clock.now()
        rules = rules_for(shop, now)
        planned = planning.with_plans(was.policy, wanted.plans, was.version + 1, self._can_do(shop), rules, now)
        version = self._save(was, planned.policy, author)
        warnings = [asdict(warning) for warning in planned.warnings]
        return {"version": version, "plans": _plans(planned.policy.plans), "warnings": warnings}

    def replace_budgets(self, shop: str, author: str, body: Any) -> dict[str, Any]:
        """Raises ``InvalidFields`` or ``PolicyChanged``."""
        wanted = read(planning.BudgetsToSave, body)
        was = self._policy(shop, wanted.version)
        self._save(was, planning.with_budgets(was.policy, wanted).policy, author)
        return self.policy(shop)

    def switch(self, shop: str, author: str, body: Any) -> dict[str, Any]:
        """The kill switch: while it is on, payouts are held. Raises ``InvalidFields`` or ``PolicyChanged``."""
        wanted = read(planning.KillSwitchToSave, body)
        was = self._policy(shop, wanted.version)
        version = self._save(was, was.policy.model_copy(update={"kill_switch": wanted.on}), author)
        return {"version": version, "on": wanted.on}

    def _policy(self, shop: str, seen_version: int | None = None) -> PolicyRecord:
        was = store.read_policy(shop, self._table.get(keys.policy_key(shop)), self._defaults.zone)
        if seen_version is not None and seen_version != was.version:
            raise PolicyChanged(f"the policy has version {was.version} by now")
        return was

    def _save(self, was: PolicyRecord, policy: ShopPolicy, author: str) -> int:
        stamped = policy.model_copy(update={"changed_at": self._clock.now(), "changed_by": author})
        try:
            _write(self._table, store.write_policy(was, stamped))
        except WriteRefused as refused:
            raise PolicyChanged("somebody else saved the policy meanwhile") from refused
        return was.version + 1

    # ------------------------------------------------------------ cases

    def cases(self, shop: str, query: Mapping[str, str]) -> dict[str, Any]:
        """A page of cases, their orders by the latest case, newest first; all cases of an order stand together.

        A page may hold a few more than ``limit`` for that, and fewer, even none, where it looked at many orders to
        find them: there is more as long as there is a cursor. Raises ``InvalidFields``.
        """
        asked = read(CasesAsked, query)
        now = self._clock.now()
        until = asked.until or now + ONE_SECOND
        after = _Place.of(asked.cursor, asked.since, now) if asked.cursor else None
        found: list[dict[str, Any]] = []
        cursor = None
        for looked_at, (place, order) in enumerate(self._orders(shop, asked.since, after, asked.limit), start=1):
            found += [
                casefile.summary(order, case, rules_of(order, now))
                for case in reversed(order.cases)
                if asked.since <= case.opened_at < until and asked.state in (None, case.state)
            ]
            if len(found) >= asked.limit or looked_at == ORDERS_A_LIST:
                cursor = place.cursor()
                break
        return {"cases": found, "cursor": cursor}

    def case(self, shop: str, order_id: str, negotiation_id: str) -> dict[str, Any]:
        """Raises ``NoSuchCase``."""
        order, case = self._case(shop, order_id, negotiation_id)
        return casefile.whole(order, case, self._payouts(order, case), rules_of(order, self._clock.now()))

    def buyers_of(self, shop: str, order_id: str) -> frozenset[str]:
        """The pseudonyms of an order's buyers, none where the marketplace names nobody; raises ``NoSuchOrder``."""
        if not 0 < len(order_id) <= LONGEST_ID:
            raise NoSuchOrder("no such order")
        item = self._table.get(keys.order_key(shop, order_id))
        if item is None:
            raise NoSuchOrder("no such order")
        return store.read_order(shop, order_id, item).order.buyers

    def evidence(self, shop: str, order_id: str, negotiation_id: str) -> dict[str, Any]:
        """Raises ``NoSuchCase``."""
        order, case = self._case(shop, order_id, negotiation_id)
        now = self._clock.now()
        return casefile.evidence(order, case, self._payouts(order, case), rules_of(order, now), now)

    def approve(self, shop: str, author: str, order_id: str, negotiation_id: str) -> dict[str, Any]:
        """Presents an offer that waits for it; raises as ``Negotiation.approve`` does."""
        self._negotiation.approve(shop, _possible(order_id), negotiation_id, author)
        return self.case(shop, order_id, negotiation_id)

    def take_over(self, shop: str, author: str, body: Any, order_id: str, negotiation_id: str) -> dict[str, Any]:
        """Raises ``InvalidFields``, or as ``Negotiation.take_over`` does."""
        wanted = read(TakeOver, body)
        self._negotiation.take_over(shop, _possible(order_id), negotiation_id, author, wanted.reason)
        return self.case(shop, order_id, negotiation_id)

    def _case(self, shop: str, order_id: str, negotiation_id: str) -> tuple[Order, Case]:
        item = self._table.get(keys.order_key(shop, _possible(order_id)))
        order = store.read_order(shop, order_id, item).order
        case = order.case(negotiation_id)
        if case is None:
            raise NoSuchCase("no such case")
        return order, case

    def _payouts(self, order: Order, case: Case) -> list[Payout]:
        wanted = store.payout_keys(order, case.negotiation_id)
        return [record.payout for record in store.read_payouts(wanted, self._table.get_many(wanted))]

    def _orders(
        self, shop: str, since: datetime, after: _Place | None, page_size: int
    ) -> Iterator[tuple[_Place, Order]]:
        """The orders with a case opened since then, by their latest case, newest first; read page by page.

        The end of a span of time is no bound here: an order whose earlier case lies in the span stands in the index
        where its latest one was opened.
        """
        newest = self._clock.now()
        start = after.in_index(shop) if after else None
        while True:
            query = replace(store.cases_opened(shop, since, newest, start), limit=page_size)
            page = self._table.query(query)
            items = self._table.get_many(page.keys)
            for key, entry in zip(page.keys, page.items, strict=True):
                if key in items:
                    order = store.read_order_at(key, items[key]).order
                    yield _Place(order.order_id, str(entry[store.CASES_INDEX.sort])), order
            if page.next is None:
                return
            start = page.next

    # ------------------------------------------------------------ payouts in doubt

    def resolve(self, shop: str, author: str, body: Any) -> dict[str, Any]:
        """A person has read the marketplace's books: the payout was made, or it was not.

        Raises ``InvalidFields``, ``NoSuchCase`` for a key that is not the shop's, ``PayoutMoveRefused`` for a payout
        that does not wait for a person, and ``Contended``.
        """
        wanted = read(Resolution, body)
        key = keys.payout_key(wanted.key)
        for _ in range(ATTEMPTS):
            item = self._table.get(key)
            was = store.read_payout(key, item) if item is not None else None
            if was is None or was.payout.shop != shop:
                raise NoSuchCase("no such payout")
            now = self._clock.now()
            resolved = was.payout.resolved(now, paid=wanted.paid, author=author, evidence=wanted.evidence)
            try:
                _write(self._table, store.write_payout(self._writer, was, resolved, now))
            except WriteRefused:
                continue
            return {"key": resolved.key, "state": resolved.state.value}
        raise Contended("the payout kept changing")

    # ------------------------------------------------------------ keep rate

    def keep_rate(self, shop: str, query: Mapping[str, str]) -> dict[str, Any]:
        """What the offers kept, beside the cases held out; raises ``InvalidFields``.

        Looks at a bounded number of orders, newest first. Where there are more, it says so and counts only cases so
        young that every one of them was seen.
        """
        asked = read(KeepRateAsked, query)
        now = self._clock.now()
        until = asked.until or now - keeping.APPLIES_AGAIN_WITHIN
        since = asked.since or until - DEFAULT_WINDOW
        if since >= until:
            raise InvalidFields([FieldError("from", f"must be before to, which is {to_text(until)}")])
        counted_from = since
        cases: list[keeping.CountedCase] = []
        last_seen = to_sortable_text(now)
        for number, (place, order) in enumerate(self._orders(shop, since, None, PAGE)):
            if number == ORDERS_A_KEEP_RATE:
                counted_from = from_text(last_seen) + ONE_SECOND
                break
            cases += keeping.counted(order, since, until)
            last_seen = place.opened_at
        counted = [case for case in cases if case.opened_at >= counted_from]
        return {
            "from": to_text(since),
            "to": to_text(until),
            "counted_from": to_text(counted_from),
            "cut": counted_from > since,
            "unripe": sum(case.opened_at + keeping.APPLIES_AGAIN_WITHIN > now for case in counted),
            **keeping.figures(counted),
        }


def _possible(order_id: str) -> str:
    """Raises ``NoSuchCase`` for what no order's id can be, nor a key of the table."""
    if not 0 < len(order_id) <= LONGEST_ID:
        raise NoSuchCase("no such case")
    return order_id


def _plans(plans: tuple[Plan, ...]) -> list[dict[str, Any]]:
    return [plan.model_dump(mode="json", exclude_none=True) for plan in plans]


def _write(table: Table, put: Put) -> None:
    """Raises ``WriteRefused``; a refusal by our own write, whose answer the SDK had lost, is none."""
    try:
        table.write(put)
    except WriteRefused as refused:
        if refused.existing != put.attributes:
            raise
