"""Anything that buyers, merchants, marketplaces and time do to a few orders keeps the promises about money."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache
from typing import Any

from builders import (
    SHOP,
    World,
    cny,
    event,
    hours,
    order_paid,
    plan,
    policy,
    refund_decided,
    refund_requested,
    refund_updated,
    step_closed,
    stepped_in,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from simulation.fickle_marketplace import TROUBLES, FickleMarketplace, Trouble

from aftercare.kernel.errors import DomainError
from aftercare.kernel.ports import ActionType
from aftercare.kernel.records import STATE
from aftercare.kernel.times import to_text
from aftercare.negotiation import keys
from aftercare.negotiation.model import history
from aftercare.negotiation.model.cases import CaseState
from aftercare.negotiation.model.orders import Order
from aftercare.negotiation.model.payouts import FINAL, Payout, PayoutState
from aftercare.negotiation.model.references import OfferReference

ORDERS = ("A1", "A2", "A3")
REASONS = ("damaged", "damaged", "late", "late", "quality")
AMOUNTS = (1, 99, 9_999, 10_000, 40_000)
MINUTES = (0, 3, 61)
BRAKE = 60_000
DAILY = 9_000
CASES_AN_ITEM = 3
COMPENSATION_PERCENT, COMPENSATION_CAP = 30, 20_000
"""The pack's guardrails, written again: of what was paid, rounded down, and in fen."""

PLANS = (
    plan(
        "damaged",
        rounds=[
            {"options": [{"kind": "partial_refund", "percent": 20}, {"kind": "reissue"}]},
            {"options": [{"kind": "coupon", "face_value": cny(700), "valid_days": 9}]},
        ],
        situation={"triggers": ["refund_requested"], "reasons": ["damaged"]},
        limits={
            "budgets": ["daily"],
            "per_item_day": {"cases": CASES_AN_ITEM},
            "per_buyer_30_days": {"cases": 4, "amount": cny(20_000)},
        },
    ),
    plan(
        "late",
        options=[{"kind": "full_refund"}, {"kind": "return_and_refund"}],
        situation={"triggers": ["refund_requested"], "reasons": ["late"]},
    ),
    plan(
        "contact",
        options=[{"kind": "partial_refund", "percent": 90}, {"kind": "exchange"}],
        situation={"triggers": ["support_contacted"]},
        limits={"budgets": ["daily"]},
    ),
    plan(
        "quality",
        needs_approval=True,
        situation={"triggers": ["refund_requested"], "reasons": ["quality"]},
    ),
)


class Histories(RuleBasedStateMachine):
    @initialize(
        knows_keys=st.booleans(),
        paid=st.sampled_from(AMOUNTS),
        reasons=st.tuples(*[st.sampled_from(REASONS)] * len(ORDERS)),
        troubles=st.tuples(*[st.lists(st.sampled_from(TROUBLES), max_size=2)] * 2),
        minutes=st.sampled_from(MINUTES),
        meanwhile=st.sampled_from([0, 95]),
    )
    def open_the_shop(
        self,
        knows_keys: bool,
        paid: int,
        reasons: tuple[str, ...],
        troubles: tuple[list[Trouble], ...],
        minutes: int,
        meanwhile: int,
    ) -> None:
        """Two buyers have taken an offer, perhaps in bad moments of the marketplace, and one of them comes back.

        A third has an offer open.
        """
        self.world = World()
        self.marketplace = self.world.marketplace = FickleMarketplace(knows_keys=knows_keys)
        self.numbers = Counter[str]()
        self.paid: dict[str, int] = {}
        self.elsewhere: Counter[str] = Counter()
        self.kill_switch, self.plans = False, True
        self._save()
        for order_id, reason, trouble in zip(ORDERS, reasons, troubles, strict=False):
            self.pays(order_id, paid)
            self.asks_and_takes_what_is_offered(order_id, reason, 0, trouble, minutes, meanwhile)
        self.asks_and_takes_what_is_offered(ORDERS[0], reasons[0], 0, [], minutes)
        self.asks(ORDERS[-1], paid, 10_000, reasons[-1], hours_left=47)

    def _save(self) -> None:
        self.world.save(
            policy(
                *(PLANS if self.plans else [plan("none", situation={"triggers": ["parcel_anomaly"]})]),
                budgets={"daily": {"per_day": cny(DAILY)}},
                payout_brake_per_hour=cny(BRAKE),
                kill_switch=self.kill_switch,
            )
        )

    def _next(self, name: str) -> int:
        self.numbers[name] += 1
        return self.numbers[name]

    # ------------------------------------------------------------ what the marketplace says

    @rule(order_id=st.sampled_from(ORDERS), amount=st.sampled_from(AMOUNTS))
    def pays(self, order_id: str, amount: int) -> None:
        amount = self.paid.setdefault(order_id, amount)
        self.world.hear(order_paid(order_id, amount=amount))

    @rule(
        order_id=st.sampled_from(ORDERS),
        paid=st.sampled_from(AMOUNTS),
        asked=st.sampled_from(AMOUNTS),
        reason=st.sampled_from(REASONS),
        hours_left=st.integers(2, 72),
    )
    def asks(self, order_id: str, paid: int, asked: int, reason: str, hours_left: int) -> None:
        """The order may be heard of only now: in half of the cases it is."""
        if hours_left % 2:
            self.pays(order_id, paid)
        now = self.world.clock.now()
        self.world.hear(
            refund_requested(
                f"{order_id}-R{self._next(order_id)}",
                order_id,
                amount=cny(asked),
                reason={"code": reason, "raw": reason},
                requested_at=to_text(now),
                respond_by=to_text(now + hours(hours_left)),
            )
        )

    @rule(order_id=st.sampled_from(ORDERS), topic=st.sampled_from(["after_sale", "pre_sale"]))
    def contacts(self, order_id: str, topic: str) -> None:
        session = {"session_id": f"S{self._next('session')}", "order_id": order_id, "buyer": "b_1", "topic": topic}
        self.world.hear(event("SupportContacted", {**session, "contacted_at": to_text(self.world.clock.now())}))

    @rule(
        order_id=st.sampled_from(ORDERS),
        amount=st.sampled_from(AMOUNTS),
        happens=st.sampled_from(["updated", "withdrawn", "refused", "agreed", "closed"]),
    )
    def something_else_comes_of_the_request(self, order_id: str, amount: int, happens: str) -> None:
        refund_id, revision = f"{order_id}-R{self.numbers[order_id]}", 1 + self._next("revision")
        if happens == "updated":
            self.world.hear(refund_updated(refund_id, order_id, amount=cny(amount), revision=revision))
        else:
            self.world.hear(refund_decided(happens, refund_id, order_id, revision=revision))

    @rule(order_id=st.sampled_from(ORDERS), percent=st.integers(1, 100))
    def is_refunded_elsewhere(self, order_id: str, percent: int) -> None:
        """Never more than is left by our own account, which counts what is on its way."""
        remaining = self.world.order(order_id).remaining
        amount = remaining.minor * percent // 100 if remaining else 0
        if amount:
            self.elsewhere[order_id] += amount
            refund_id = f"{order_id}-E{self._next('elsewhere')}"
            self.world.hear(refund_decided("refunded", refund_id, order_id, amount=cny(amount), revision=1))

    @rule(order_id=st.sampled_from(ORDERS))
    def platform_steps_in_or_out(self, order_id: str) -> None:
        now = self.world.clock.now()
        still_in = [key for key, one in self.world.order(order_id).interventions.items() if one.is_open]
        for intervention_id in still_in:
            self.world.hear(step_closed(now, intervention_id, order_id))
        if not still_in:
            self.world.hear(stepped_in(now, f"P{self._next('intervention')}", order_id))

    # ------------------------------------------------------------ the buyer

    @precondition(lambda self: self._with(CaseState.OFFERED))
    @rule(data=st.data(), option=st.integers(0, 1), on_marketplace=st.booleans(), at_once=st.booleans())
    def accepts(self, data: st.DataObject, option: int, on_marketplace: bool, at_once: bool) -> None:
        order_id = data.draw(st.sampled_from(self._with(CaseState.OFFERED)))
        self._accept(order_id, option, on_marketplace=on_marketplace)
        if at_once:
            self.world.run()

    def _accept(self, order_id: str, option: int, *, on_marketplace: bool = False) -> None:
        case = self.world.case(order_id)
        assert case.round is not None
        option_id = case.round.options[min(option, len(case.round.options) - 1)].option_id
        if on_marketplace:
            reference = OfferReference(order_id, case.negotiation_id, case.round.number, option_id)
            answer = {"refund_id": "R", "external_offer_id": str(reference), "choice": "accepted"}
            self.world.hear(event("OfferAnswered", {**answer, "answered_at": to_text(self.world.clock.now())}))
        else:
            self.world.negotiation.accept(self.world.link(order_id), option_id)

    @rule(
        order_id=st.sampled_from(ORDERS),
        reason=st.sampled_from(REASONS),
        option=st.integers(0, 1),
        troubles=st.lists(st.sampled_from(TROUBLES), max_size=2),
        minutes=st.sampled_from(MINUTES),
        meanwhile=st.sampled_from([0, 0, 95]),
    )
    def asks_and_takes_what_is_offered(
        self, order_id: str, reason: str, option: int, troubles: list[Trouble], minutes: int, meanwhile: int = 0
    ) -> None:
        """``meanwhile`` percent of what is left are refunded elsewhere between the choice and its settlement."""
        self.asks(order_id, 10_000, 10_000, reason, hours_left=47)
        order = self.world.order(order_id)
        if order.open_case is not None and order.open_case.state is CaseState.OFFERED:
            self.marketplace.troubles = troubles
            self._accept(order_id, option)
            self.is_refunded_elsewhere(order_id, meanwhile)
            self.world.run()
            self.time_passes(minutes)

    @rule(order_id=st.sampled_from(ORDERS), choice=st.sampled_from(["r1o1", "r1o2", "another", "none"]))
    def chooses_with_an_old_page(self, order_id: str, choice: str) -> None:
        """Whatever became of the case since the page was shown."""
        if not any(case.rounds for case in self.world.order(order_id).cases[-1:]):
            return
        link = self.world.link(order_id, round_number=1)
        with suppress(DomainError):
            if choice in ("another", "none"):
                self.world.negotiation.decline(link, ask_for_another=choice == "another")
            else:
                self.world.negotiation.accept(link, choice)

    # ------------------------------------------------------------ the merchant

    @precondition(lambda self: self._with(CaseState.OPENED))
    @rule(data=st.data())
    def approves(self, data: st.DataObject) -> None:
        order_id = data.draw(st.sampled_from(self._with(CaseState.OPENED)))
        with suppress(DomainError):
            self.world.negotiation.approve(SHOP, order_id, self.world.case(order_id).negotiation_id, "li")

    @precondition(lambda self: self._with(CaseState.NEEDS_HUMAN))
    @rule(data=st.data(), by_the_books=st.booleans())
    def a_person_sees_to_it(self, data: st.DataObject, by_the_books: bool) -> None:
        """Reads the marketplace's books right, once they are complete, or takes the whole case over."""
        self.marketplace.do_what_is_late()
        order_id = data.draw(st.sampled_from(self._with(CaseState.NEEDS_HUMAN)))
        if not by_the_books:
            with suppress(DomainError):
                self.world.negotiation.take_over(SHOP, order_id, self.world.case(order_id).negotiation_id, "li", "mine")
        for payout in self._payouts():
            if payout.order_id == order_id and payout.state is PayoutState.NEEDS_HUMAN and by_the_books:
                found = {"key": payout.key, "paid": payout.key in self.marketplace.done, "evidence": "the books"}
                self.world.merchant.resolve(SHOP, "li", found)

    @rule(kill_switch=st.booleans(), plans=st.booleans())
    def changes_the_policy(self, kill_switch: bool, plans: bool) -> None:
        self.kill_switch, self.plans = kill_switch, plans
        self._save()

    def _with(self, state: CaseState) -> list[str]:
        """The orders whose latest case is in that state."""
        return [order.order_id for order in self._orders() if any(case.state is state for case in order.cases[-1:])]

    # ------------------------------------------------------------ faults, deliveries and time

    @rule(troubles=st.lists(st.sampled_from(TROUBLES), max_size=3), look_ups=st.integers(0, 3))
    def goes_wrong(self, troubles: list[Trouble], look_ups: int) -> None:
        self.marketplace.troubles, self.marketplace.books_out_of_reach = troubles, look_ups

    @rule()
    def bus_delivers(self) -> None:
        self.world.run()

    @precondition(lambda self: bool(self.world.said))
    @rule(data=st.data())
    def bus_delivers_again(self, data: st.DataObject) -> None:
        said = data.draw(st.integers(0, len(self.world.said) - 1))
        self.world.pending.append(self.world.said[said])

    @rule(minutes=st.sampled_from([1, 3, 16, 61, 24 * 60]))
    def time_passes(self, minutes: int) -> None:
        self.world.pass_time(timedelta(minutes=minutes))
        self.marketplace.do_what_is_late()

    # ------------------------------------------------------------ what always holds

    @invariant()
    def an_order_never_gives_back_more_than_was_paid(self) -> None:
        for order_id in ORDERS:
            refunds = self.marketplace.given(order_id, ActionType.REFUND_PARTIAL, ActionType.REFUND_AGREE)
            ours = sum(action.data["amount"]["minor"] for action in refunds)
            assert ours + self.elsewhere[order_id] <= self.paid.get(order_id, 0), order_id

    @invariant()
    def compensation_stays_within_the_guardrails(self) -> None:
        for order_id in ORDERS:
            partial = self.marketplace.given(order_id, ActionType.REFUND_PARTIAL)
            coupons = self.marketplace.given(order_id, ActionType.COUPON_ISSUE)
            revoked = {one.data["coupon_key"] for one in self.marketplace.given(order_id, ActionType.COUPON_REVOKE)}
            given = sum(action.data["amount"]["minor"] for action in partial)
            given += sum(action.data["face_value"]["minor"] for action in coupons if action.key not in revoked)
            most = self.paid.get(order_id, 0) * COMPENSATION_PERCENT // 100
            assert given <= min(most, COMPENSATION_CAP), order_id

    @invariant()
    def nothing_is_done_twice_or_under_another_content(self) -> None:
        assert set(self.marketplace.times.values()) <= {1}
        assert self.marketplace.changed == []

    @invariant()
    def an_order_has_at_most_one_open_case(self) -> None:
        for order in self._orders():
            assert sum(not case.ended for case in order.cases) <= 1
            assert all(case.ended for case in order.cases[:-1])

    @invariant()
    def counters_hold_exactly_what_the_cases_hold(self) -> None:
        held: Counter[tuple[str, str]] = Counter()
        for order in self._orders():
            for case in order.cases:
                assert case.state is CaseState.SETTLED or not (case.ended and case.holds)
                for hold in case.holds:
                    held[hold.counter, "cases"] += hold.cases
                    held[hold.counter, "minor"] += hold.minor
        for counter, item in self._counters().items():
            assert min(item["cases"], item["minor"]) >= 0
            if counter.startswith("brake/"):
                assert item["minor"] <= BRAKE
                continue
            assert (item["cases"], item["minor"]) == (held[counter, "cases"], held[counter, "minor"]), counter
            if counter.startswith("budget/"):
                assert item["minor"] <= DAILY
            else:
                assert item["cases"] <= CASES_AN_ITEM

    def teardown(self) -> None:
        """The faults are over, the switch is released, and a day passes: everything accepted is at an end."""
        if not hasattr(self, "world"):
            return
        self.goes_wrong([], 0)
        self.marketplace.do_what_is_late()
        self.changes_the_policy(kill_switch=False, plans=True)
        self.world.run()
        self.world.pass_time(timedelta(hours=26))
        for payout in self._payouts():
            history.verify(payout.history)
            assert payout.state in {*FINAL, PayoutState.NEEDS_HUMAN}, payout
            if payout.state in FINAL:
                assert (payout.key in self.marketplace.done) is (payout.state is PayoutState.PAID)
        for order in self._orders():
            for case in order.cases:
                history.verify(case.history)
                if case.chosen is not None:
                    assert case.ended or case.state is CaseState.NEEDS_HUMAN
        self.an_order_never_gives_back_more_than_was_paid()
        self.compensation_stays_within_the_guardrails()
        self.nothing_is_done_twice_or_under_another_content()

    # ------------------------------------------------------------ a look at what stands

    def _orders(self) -> Iterator[Order]:
        """Those of which anything is known."""
        for item in self.world.table.get_many([keys.order_key(SHOP, order_id) for order_id in ORDERS]).values():
            yield read_order(str(item[STATE]))

    def _payouts(self) -> list[Payout]:
        wanted = [keys.payout_key(key) for order in self._orders() for key in order.commitments]
        return [read_payout(str(item[STATE])) for item in self.world.table.get_many(wanted).values()]

    def _counters(self) -> dict[str, dict[str, Any]]:
        prefix = f"COUNTER#{SHOP}#"
        return {
            partition.removeprefix(prefix): {"cases": 0, "minor": 0, **items["COUNTER"]}
            for partition, items in self.world.table._items.items()
            if partition.startswith(prefix)
        }


# the invariants look at everything after every step, and most of it has not changed
read_order = lru_cache(Order.model_validate_json)
read_payout = lru_cache(Payout.model_validate_json)

TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=100, stateful_step_count=25, deadline=None, derandomize=True)
