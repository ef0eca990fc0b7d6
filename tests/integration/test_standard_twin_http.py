"""The standard twin over real HTTP on the loopback address, called with the client that runs in production."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from aftercare.aws.http import Urllib3Http
from aftercare.kernel.ports import Action, ActionStatus, ActionType, Marketplace
from aftercare.marketplaces import doors
from sandbox.twins.books import Order
from sandbox.twins.standard import Fault, StandardTwin, serving

ACT = "whsec_YWN0IGFjdCBhY3QgYWN0IGFjdA=="
AMOUNT = {"minor": 500, "currency": "CNY"}
REFUND = Action(ActionType.REFUND_PARTIAL, "茶/k 1", "standard:tea-house", {"amount": AMOUNT}, order_id="1")


class StoppedClock:
    def now(self) -> datetime:
        return datetime(2026, 11, 5, tzinfo=UTC)


@pytest.fixture
def twin() -> StandardTwin:
    twin = StandardTwin(StoppedClock())
    books = twin.open_shop("tea-house", read=[], act=ACT)
    books.note("order.paid", {"order_id": "1", "amount": {"minor": 1000, "currency": "CNY"}})
    assert isinstance(books.orders["1"], Order)
    return twin


@pytest.fixture
def marketplace(twin: StandardTwin) -> Iterator[Marketplace]:
    with serving(twin) as base:
        credentials = {"secret": ACT, "action_url": f"{base}/actions/tea-house"}
        yield doors.spender("standard", Urllib3Http(), StoppedClock(), credentials)


def test_an_action_is_done_and_found_again(marketplace: Marketplace) -> None:
    assert marketplace.look_up(REFUND.key).status is ActionStatus.ABSENT
    done = marketplace.act(REFUND)
    assert done.status is ActionStatus.DONE
    assert marketplace.look_up(REFUND.key) == done


def test_a_connection_that_ends_without_an_answer_is_ambiguous(twin: StandardTwin, marketplace: Marketplace) -> None:
    twin.fail(Fault.TIMEOUT_AFTER)
    assert marketplace.act(REFUND).status is ActionStatus.AMBIGUOUS
    assert marketplace.look_up(REFUND.key).status is ActionStatus.DONE


def test_a_server_error_is_ambiguous(twin: StandardTwin, marketplace: Marketplace) -> None:
    twin.fail(Fault.ERROR_BEFORE)
    assert marketplace.act(REFUND).status is ActionStatus.AMBIGUOUS
    assert marketplace.look_up(REFUND.key).status is ActionStatus.ABSENT
