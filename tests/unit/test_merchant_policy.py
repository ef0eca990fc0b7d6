"""What a merchant saves: one write, seen by whoever saves next."""

from __future__ import annotations

from typing import Any

import pytest
from builders import SHARDS, SHOP, START, PlainWording, StandingClock, cny, plan

from aftercare.kernel.fields import InvalidFields
from aftercare.kernel.ports import ActionType
from aftercare.kernel.records import RecordWriter
from aftercare.kernel.table import Write, WriteRefused
from aftercare.negotiation import keys, store
from aftercare.negotiation.merchant import Merchant, PolicyChanged
from aftercare.negotiation.service import Negotiation
from sandbox.memory_table import MemoryTable

OTHER_SHOP = "standard:peony"


class Desk(Merchant):
    def __init__(self, can_do: frozenset[ActionType] = frozenset(ActionType), table: MemoryTable | None = None) -> None:
        self.table = table or MemoryTable()
        clock, writer = StandingClock(), RecordWriter(SHARDS)
        negotiation = Negotiation(self.table, clock, writer, PlainWording())
        super().__init__(self.table, clock, writer, negotiation, lambda shop: can_do)

    def save(self, *plans: dict[str, Any], version: int = 0, shop: str = SHOP) -> dict[str, Any]:
        return self.replace_plans(shop, "ann", {"plans": list(plans), "version": version})


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_shop_that_has_saved_nothing_has_no_plans(desk: Desk) -> None:
    assert desk.plans(SHOP) == {"version": 0, "plans": []}


def test_what_was_saved_is_read_back_with_who_and_when(desk: Desk) -> None:
    saved = desk.save(plan("a"))
    assert saved["version"] == 1
    assert saved["warnings"] == []
    assert desk.plans(SHOP) == {"version": 1, "plans": saved["plans"]}
    whole = desk.policy(SHOP)["policy"]
    assert (whole["changed_by"], whole["changed_at"]) == ("ann", "2026-11-02T08:00:00Z")


def test_warnings_come_with_the_answer_and_the_plan_is_saved(desk: Desk) -> None:
    saved = desk.save(plan(options=[{"kind": "partial_refund", "percent": 50}]))
    assert [warning["field"] for warning in saved["warnings"]] == ["plans.0.rounds.0.options.0.percent"]
    assert len(desk.plans(SHOP)["plans"]) == 1


def test_saving_raises_the_version_of_the_changed_plans_alone(desk: Desk) -> None:
    desk.save(plan("a"), plan("b"))
    after = desk.save(plan("a"), plan("b", priority=7), version=1)
    assert [(one["plan_id"], one["version"]) for one in after["plans"]] == [("a", 1), ("b", 2)]


def test_a_plan_that_was_deleted_and_comes_back_never_has_an_old_version(desk: Desk) -> None:
    desk.save(plan("a"))
    desk.save(version=1)
    assert desk.save(plan("a", priority=7), version=2)["plans"][0]["version"] == 3


def test_a_refused_save_changes_nothing(desk: Desk) -> None:
    desk.save(plan("a"))
    with pytest.raises(InvalidFields):
        desk.save(plan("a"), plan("a"), version=1)
    assert desk.plans(SHOP)["version"] == 1


@pytest.mark.parametrize(
    "body", [{}, {"plans": []}, {"plans": [], "version": "0"}, {"plans": {}, "version": 0}, [], None]
)
def test_a_save_without_plans_or_version_is_refused(desk: Desk, body: Any) -> None:
    with pytest.raises(InvalidFields):
        desk.replace_plans(SHOP, "ann", body)


def test_a_version_that_somebody_saved_over_is_refused(desk: Desk) -> None:
    desk.save(plan("a"))
    with pytest.raises(PolicyChanged):
        desk.save(plan("b"))
    with pytest.raises(PolicyChanged):
        desk.save(plan("b"), version=2)


def test_of_two_saves_at_once_one_is_refused() -> None:
    class Meanwhile(MemoryTable):
        def write(self, write: Write) -> None:
            if not saved:
                saved.append(True)
                Desk(table=self).save(plan("other"))
            super().write(write)

    saved: list[bool] = []
    desk = Desk(table=Meanwhile())
    with pytest.raises(PolicyChanged):
        desk.save(plan("mine"))
    assert [one["plan_id"] for one in desk.plans(SHOP)["plans"]] == ["other"]


def test_a_save_whose_answer_was_lost_and_that_the_sdk_repeated_is_no_conflict() -> None:
    class Repeating(MemoryTable):
        def write(self, write: Write) -> None:
            super().write(write)
            raise WriteRefused(write.key, self.get(write.key))

    assert Desk(table=Repeating()).save(plan("a"))["version"] == 1


def test_a_kind_that_the_shops_door_cannot_carry_out_is_refused_when_saved() -> None:
    with pytest.raises(InvalidFields) as caught:
        Desk(frozenset({ActionType.COUPON_ISSUE})).save(plan("a"))
    assert [error.field for error in caught.value.errors] == ["plans.0.rounds.0.options.0.kind"]


def test_budgets_and_brake_are_saved_beside_the_plans(desk: Desk) -> None:
    desk.save(plan("a"))
    wanted = {"budgets": {"daily": {"per_day": cny(900)}}, "payout_brake_per_hour": cny(500), "version": 1}
    saved = desk.replace_budgets(SHOP, "ann", wanted)
    assert saved["version"] == 2
    assert saved["policy"]["budgets"] == {"daily": {"per_day": cny(900)}}
    assert saved["policy"]["payout_brake_per_hour"] == cny(500)
    assert len(saved["policy"]["plans"]) == 1


def test_a_budget_that_a_plan_names_must_stand_first_and_cannot_go(desk: Desk) -> None:
    drawing = plan("a", limits={"budgets": ["daily"]})
    with pytest.raises(InvalidFields):
        desk.save(drawing)
    desk.replace_budgets(SHOP, "ann", {"budgets": {"daily": {"per_day": cny(9000)}}, "version": 0})
    desk.save(drawing, version=1)
    with pytest.raises(InvalidFields):
        desk.replace_budgets(SHOP, "ann", {"budgets": {}, "version": 2})
    assert list(desk.policy(SHOP)["policy"]["budgets"]) == ["daily"]


def test_the_kill_switch_goes_on_and_off(desk: Desk) -> None:
    assert desk.switch(SHOP, "ann", {"on": True, "version": 0}) == {"version": 1, "on": True}
    assert store.read_policy(SHOP, desk.table.get(keys.policy_key(SHOP))).policy.kill_switch
    assert desk.switch(SHOP, "ann", {"on": False, "version": 1}) == {"version": 2, "on": False}
    with pytest.raises(InvalidFields):
        desk.switch(SHOP, "ann", {"on": "yes", "version": 2})


def test_another_shop_sees_nothing_of_it(desk: Desk) -> None:
    desk.save(plan("a"))
    assert desk.plans(OTHER_SHOP) == {"version": 0, "plans": []}
    desk.save(plan("b"), shop=OTHER_SHOP)
    assert [one["plan_id"] for one in desk.plans(SHOP)["plans"]] == ["a"]
    assert desk.policy(SHOP)["policy"]["changed_at"] == START.isoformat().replace("+00:00", "Z")
