"""The same thing delivered twice at the same time: the second runs whole in the midst of the first, on one thread.

Wherever the first is interrupted, money moves once. Through the template there is one interruption a run; on the table
in memory also two in one, and deaths beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from builders import BookKeeper, World, cny, hours, order_paid, plan, policy, refund_requested
from flows import A_WHILE, REFUND_STORY, Ending, Point, Town, ending, points_of, struck_at, town

from aftercare.kernel.ports import Action, ActionOutcome
from aftercare.negotiation import keys
from aftercare.negotiation.model.cases import CaseState
from sandbox.functions import Invocation

ORDERS = count(1)

# ---------------------------------------------------------------- through the template

FUNCTIONS = ("webhook_intake", "notification_translate", "refund_negotiation", "refund_settlement", "event_relay",
             "buyer_notice", "offer_page", "shipment_watch", "fact_ledger", "score_rows")  # fmt: skip


@pytest.fixture(scope="module")
def lotus() -> Iterator[Town]:
    with town() as lotus:
        play(lotus)  # a cold start makes more calls than what comes after it
        yield lotus


def play(lotus: Town) -> tuple[Ending, list[Point]]:
    lotus.wait_for_the_morning()
    order_id, start = f"A{next(ORDERS)}", len(lotus.sandbox.invocations)
    REFUND_STORY.play(lotus, order_id)
    return ending(lotus, order_id), points_of(lotus.sandbox.invocations[start:])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_second_delivery_in_the_midst_of_the_first_changes_nothing_in_the_end(lotus: Town, function: str) -> None:
    def deliver_again(invocation: Invocation) -> None:
        lotus.sandbox.invoke(invocation.function, invocation.event)

    expected, points = play(lotus)
    assert function in {point.function for point in points}
    for point in points:
        if point.function != function:
            continue
        order_id = f"A{next(ORDERS)}"
        lotus.wait_for_the_morning()
        with struck_at(lotus.sandbox, point, deliver_again) as struck:
            REFUND_STORY.play(lotus, order_id)
        assert struck.by == function, point
        assert ending(lotus, order_id) == expected, point
        assert lotus.books.double_payments() == []
        assert lotus.waiting() == {}


def test_of_two_choices_at_once_one_counts(lotus: Town) -> None:
    def offered() -> str:
        order_id = f"A{next(ORDERS)}"
        REFUND_STORY.request(lotus, order_id)
        lotus.wait(A_WHILE)
        return order_id

    def choose_the_other(invocation: Invocation) -> None:
        lotus.choose(invocation.event["rawPath"], "r1o2")

    path, start = lotus.link(offered()), len(lotus.sandbox.invocations)
    lotus.choose(path, "r1o1")
    given = []
    for point in points_of(lotus.sandbox.invocations[start:]):
        order_id = offered()
        with struck_at(lotus.sandbox, point, choose_the_other) as struck:
            lotus.choose(lotus.link(order_id), "r1o1")
        assert struck.by == "offer_page", point
        lotus.wait(A_WHILE)
        refunds = [one.type for one in lotus.books.payments if one.order_id == order_id]
        agreed = [one["type"] for one in lotus.books.agreed if one["order_id"] == order_id]
        assert len(refunds + agreed) == 1, point
        assert lotus.case(order_id).state is CaseState.SETTLED
        given += refunds + agreed
    assert set(given) == {"refund.partial", "reissue"}


# ---------------------------------------------------------------- in memory


class Killed(BaseException):
    """The function ends here."""


class Steps:
    """Counts the moments at which something can come between: before the first call, from 1, and after each."""

    def __init__(self, at: dict[int, Callable[[], object]]) -> None:
        self.taken = 0
        self._at = at

    def through(self, target: object, methods: Sequence[str]) -> Any:
        """``target`` with those methods counted, the rest as it is."""
        return _Through(self, target, frozenset(methods))

    def step(self) -> None:
        self.taken += 1
        self._at.pop(self.taken, lambda: None)()


class _Through:
    def __init__(self, steps: Steps, target: object, methods: frozenset[str]) -> None:
        self._steps, self._target, self._methods = steps, target, methods

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if name not in self._methods:
            return value

        def counted(*arguments: Any) -> Any:
            if self._steps.taken == 0:
                self._steps.step()
            answer = value(*arguments)
            self._steps.step()
            return answer

        return counted


class Forgetful(BookKeeper):
    """Does again whatever it is sent again, and says so beforehand."""

    def __init__(self) -> None:
        super().__init__()
        self.capabilities = replace(self.capabilities, deduplicates_keys=False)
        self.acted: list[str] = []

    def act(self, action: Action) -> ActionOutcome:
        self.acted.append(action.key)
        return super().act(action)


class Desk:
    """An order whose buyer has accepted all the money back after a coupon: two payouts, one after the other."""

    def __init__(self, marketplace: BookKeeper | None = None) -> None:
        self.world = world = World()
        world.marketplace = marketplace or world.marketplace
        world.save(policy(plan(options=[{"kind": "coupon", "face_value": cny(2000), "valid_days": 30}])))
        world.hear(order_paid(), refund_requested())
        world.negotiation.accept(world.link(), "r1o1")
        world.run()
        world.save(policy(plan(options=[{"kind": "full_refund"}])))
        world.hear(refund_requested("R2"))
        world.negotiation.accept(world.link(), "r1o1")
        self.accepted = world.pending.pop()
        self.steps = Steps({})

    def interrupt(self, at: dict[int, Callable[[], object]]) -> None:
        """From here on, settlement's calls are counted and struck."""
        world, self.steps = self.world, Steps(at)
        world.settlement._table = self.steps.through(world.table, ["get", "get_many", "write", "transact"])
        world.marketplace = self.steps.through(world.marketplace, ["act", "look_up"])

    def deliver(self) -> None:
        self.world.settlement.take_in(self.accepted)

    def deliver_after_the_lease(self) -> None:
        """As if the first delivery had slept so long that nobody believes it alive any more."""
        self.world.clock.advance(timedelta(minutes=3))
        self.deliver()

    def wake_everything(self) -> None:
        self.world.clock.advance(timedelta(minutes=3))
        for key in self.world.order().commitments:
            self.world.settlement.wake(keys.payout_key(key))

    def let_time_pass(self) -> None:
        """Timers go on where a kill stopped them; the message itself comes back too."""
        while True:
            try:
                self.world.run()
                self.world.pass_time(hours(30))
            except Killed:
                continue
            return


def steps_of_one_delivery() -> int:
    desk = Desk()
    desk.interrupt({})
    desk.deliver()
    return desk.steps.taken


def assert_settled_once(desk: Desk, schedule: object) -> None:
    desk.let_time_pass()
    assert desk.world.marketplace.types() == ["coupon.issue", "coupon.revoke", "refund.agree"], schedule
    assert desk.world.marketplace.paid_out() == 10000, schedule
    assert desk.world.case().state is CaseState.SETTLED, schedule


SECONDS = (Desk.deliver, Desk.deliver_after_the_lease, Desk.wake_everything)


@pytest.mark.parametrize("second", SECONDS, ids=lambda second: second.__name__)
def test_an_acceptance_delivered_twice_at_once_is_paid_once(second: Callable[[Desk], None]) -> None:
    for step in range(1, steps_of_one_delivery() + 1):
        desk = Desk()
        desk.interrupt({step: lambda desk=desk: second(desk)})
        desk.deliver()
        assert_settled_once(desk, step)


@pytest.mark.parametrize("second", SECONDS, ids=lambda second: second.__name__)
def test_three_deliveries_at_once_are_paid_once(second: Callable[[Desk], None]) -> None:
    """The third, a timer, comes in the midst of the second, or of what is left of the first."""
    for step in range(1, steps_of_one_delivery() + 1):
        for later in count(step + 1):
            desk = Desk()
            strikes = {step: lambda desk=desk: second(desk), later: desk.wake_everything}
            desk.interrupt(strikes)
            desk.deliver()
            if strikes:
                break  # by then all three were done
            assert_settled_once(desk, (step, later))


@pytest.mark.parametrize("second", SECONDS, ids=lambda second: second.__name__)
def test_a_marketplace_that_forgets_keys_is_called_once_a_key(second: Callable[[Desk], None]) -> None:
    """A second delivery waits for the first as long as its lease lasts; after that, a person may be asked."""
    ends = {CaseState.SETTLED} if second is Desk.deliver else {CaseState.SETTLED, CaseState.NEEDS_HUMAN}
    for step in range(1, steps_of_one_delivery() + 1):
        marketplace = Forgetful()
        desk = Desk(marketplace)
        desk.interrupt({step: lambda desk=desk: second(desk)})
        desk.deliver()
        desk.let_time_pass()
        assert len(set(marketplace.acted)) == len(marketplace.acted), step
        assert desk.world.case().state in ends, step


def die() -> None:
    raise Killed


def test_a_settlement_that_dies_twice_is_paid_once() -> None:
    for step in range(1, steps_of_one_delivery() + 1):
        for later in count(step + 1):
            desk = Desk()
            strikes: dict[int, Callable[[], object]] = {step: die, later: die}
            desk.interrupt(strikes)
            for _ in range(3):
                try:
                    desk.deliver()
                    break
                except Killed:
                    desk.world.clock.advance(timedelta(minutes=3))
            assert_settled_once(desk, (step, later))
            if strikes:
                break  # there were not that many steps
