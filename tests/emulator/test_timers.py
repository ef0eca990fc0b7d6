"""The scheduler's own minute, and one for every stack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from emulator.deployment import Deployed
from emulator.machine import eventually
from emulator.marketplace import Late

from aftercare.kernel.times import from_text

pytestmark = pytest.mark.emulator

THREE_MINUTES = 180.0


def test_the_scheduler_wakes_what_is_due(unswept: Late, tell: Callable[[str], None]) -> None:
    stack, due = unswept
    told, *_ = eventually(lambda: woken(stack), "an order on record is late", THREE_MINUTES)
    assert told["data"]["kind"] == "late_pickup"
    took = from_text(told["metadata"]["occurred_at"]) - due[told["data"]["order_id"]]
    assert took > timedelta()
    assert stack.denied() == set()
    tell(f"a deadline, from its moment to the scheduler's sweep: {took.total_seconds():.0f} s")


def woken(stack: Deployed) -> list[Mapping[str, Any]]:
    """What was told of orders by another write than their first, which an order that comes late would be late with."""
    raised = [one.detail for one in stack.published if one.detail_type == "ShipmentAnomalyRaised"]
    return [detail for detail in raised if detail["metadata"]["sequence"] > 1]


def test_every_stack_has_a_schedule_of_its_own(unswept: Late, whole: Deployed) -> None:
    names = {schedule["Name"] for schedule in whole.client("scheduler").list_schedules()["Schedules"]}
    assert {f"aftercare-{stack.stage}-deadline-sweep" for stack in (unswept.stack, whole)} <= names
