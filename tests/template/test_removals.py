"""Nothing in the template is there for nothing: without any one connection, something that it is for does not happen.

Each time the template is copied without one rule, queue or stream mapping, route or schedule, and the same stories are
tried on it.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flows import A_WHILE, PARTIAL, REFUND_STORY, Town, choices, cny, town

from aftercare.kernel.times import to_text
from aftercare.negotiation.model.cases import CaseState
from sandbox.pump import NeverQuiet
from sandbox.template import TEMPLATE

EVENTS_OF_FUNCTIONS = frozenset({"SQS", "DynamoDB", "HttpApi", "ScheduleV2", "Schedule"})


@dataclass(frozen=True)
class Connection:
    """A resource of its own, or one event of a function."""

    logical_id: str
    event: str | None = None

    def __str__(self) -> str:
        return self.logical_id if self.event is None else f"{self.logical_id}.{self.event}"

    def remove_from(self, resources: dict[str, Any]) -> None:
        if self.event is None:
            del resources[self.logical_id]
        else:
            del resources[self.logical_id]["Properties"]["Events"][self.event]


def template() -> dict[str, Any]:
    from samtranslator.yaml_helper import yaml_parse

    parsed: dict[str, Any] = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))
    return parsed


def connections() -> Iterator[Connection]:
    for logical_id, resource in template()["Resources"].items():
        if resource["Type"] == "AWS::Events::Rule":
            yield Connection(logical_id)
        for name, event in resource.get("Properties", {}).get("Events", {}).items():
            assert event["Type"] in EVENTS_OF_FUNCTIONS, f"{logical_id}.{name}"
            yield Connection(logical_id, name)


def without(connection: Connection, folder: Path) -> Path:
    """The template without it, in a folder from which the functions are found as before."""
    document = template()
    connection.remove_from(document["Resources"])
    (folder / "functions").symlink_to(TEMPLATE.parent / "functions")
    path = folder / "template.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")  # JSON is YAML
    return path


# ---------------------------------------------------------------- what the connections are for


def a_refund_is_settled_and_told(lotus: Town) -> bool:
    REFUND_STORY.request(lotus, "A1")
    lotus.wait(A_WHILE)
    if not lotus.offers("A1"):
        return False
    page = lotus.look(lotus.link("A1"))
    if "r1o1" not in choices(page):
        return False
    lotus.choose(lotus.link("A1"), "r1o1")
    lotus.wait(A_WHILE)
    settled = lotus.case("A1").state is CaseState.SETTLED
    return settled and told(lotus, "A1") == 1 and len(lotus.books.payments) == 1


def a_buyer_who_stays_silent_keeps_the_original_request(lotus: Town) -> bool:
    respond_by = lotus.sandbox.clock.now() + timedelta(hours=3)
    lotus.pay("A2")
    lotus.ask("A2", PARTIAL, respond_by=to_text(respond_by))
    lotus.wait(timedelta(hours=3))
    return bool(lotus.order("A2").cases) and lotus.case("A2").state is CaseState.EXPIRED


def a_buyer_is_told_of_a_parcel_that_stands_still(lotus: Town) -> bool:
    lotus.pay("A3")
    lotus.ship("A3")
    lotus.scan("A3", "picked_up")
    lotus.wait(timedelta(hours=24, minutes=5))
    return told(lotus, "A3") == 1


def a_buyer_without_an_offer_is_told_of_a_lost_parcel(lotus: Town) -> bool:
    lotus.pay("A4")
    lotus.ship("A4")
    lotus.scan("A4", "lost")
    lotus.wait(A_WHILE)
    return told(lotus, "A4") == 1


def a_day_is_counted(lotus: Town) -> bool:
    lotus.pay("A5")
    lotus.wait(timedelta(days=1))
    said = [one.detail["data"] for one in lotus.sandbox.published if one.detail_type == "DayMeasured"]
    return any(measure["id"] == "platform_help" for day in said for measure in day["metrics"])


def told(lotus: Town, order_id: str) -> int:
    return sum(message["order_id"] == order_id for message in lotus.books.messages)


def a_merchant_sees_a_case(lotus: Town) -> bool:
    return bool(lotus.merchant("GET", "/v1/policy").get("version"))


def a_merchant_sets_a_budget(lotus: Town) -> bool:
    wanted = {"budgets": {"daily": {"per_day": cny(7)}, "parcels": {"per_day": cny(1)}}, "version": 1}
    return "policy" in lotus.merchant("PUT", "/v1/budgets", wanted)


def a_merchant_decides(lotus: Town) -> bool:
    """A payout that does not exist is refused by the function itself, not by a missing route."""
    answer = lotus.merchant("POST", "/v1/payouts/resolve", {"key": "none", "paid": True, "evidence": "none"})
    return answer.get("title") == "No such case"


def an_operator_keeps_an_order_out_of_the_score(lotus: Town) -> bool:
    lotus.pay("A6")
    lotus.wait(A_WHILE)
    wanted = {"order_id": "A6", "metrics": ["on_time_pickup"], "reason": "a flood"}
    answer = lotus.operator("scores/exclude", wanted)
    return bool(answer.get("changed")) and lotus.merchant("POST", "/v1/operate/scores/exclude", wanted) != answer


def everybody_sees_what_a_shop_promises_and_it_is_owed(lotus: Town) -> bool:
    """Who has taken on freight insurance and is enrolled in it has the tag from the next midnight on."""
    insured = {"service": "freight_insurance", "active": True, "since": to_text(lotus.sandbox.clock.now())}
    lotus.say("service.enrolled", insured)
    lotus.merchant("POST", "/v1/tags/freight_insurance/opt-in", {})
    lotus.wait(timedelta(days=2))
    lotus.pay("A7", paid_at=to_text(lotus.sandbox.clock.now()))
    lotus.wait(A_WHILE)
    shown = [tag["data"]["tag"] for tag in lotus.books.tags if tag["data"]["shown"]]
    promised = [one.detail["data"]["tag"] for one in lotus.sandbox.published if one.detail_type == "OrderPromised"]
    badge = "shops/standard/lotus/freight_insurance.zh.svg"
    is_known = "freight_insurance" in lotus.order("A7").promised
    return [*shown, *promised] == 2 * ["freight_insurance"] and is_known and badge in lotus.public_files()


STORIES = (
    a_refund_is_settled_and_told,
    a_buyer_who_stays_silent_keeps_the_original_request,
    a_buyer_is_told_of_a_parcel_that_stands_still,
    a_buyer_without_an_offer_is_told_of_a_lost_parcel,
    a_day_is_counted,
    a_merchant_sees_a_case,
    a_merchant_sets_a_budget,
    a_merchant_decides,
    an_operator_keeps_an_order_out_of_the_score,
    everybody_sees_what_a_shop_promises_and_it_is_owed,
)


def broken_stories(path: Path) -> Generator[str]:
    """The stories that do not end as they should, of those that can be told at all."""
    with town(template=path, backend="memory") as lotus:
        for story in STORIES:
            try:
                holds = story(lotus)
            except (AssertionError, NeverQuiet):
                holds = False
            if not holds:
                yield story.__name__


def test_with_every_connection_all_stories_hold() -> None:
    assert list(broken_stories(TEMPLATE)) == []


@pytest.mark.parametrize("connection", list(connections()), ids=str)
def test_without_a_connection_a_story_breaks(connection: Connection, tmp_path: Path) -> None:
    with closing(broken_stories(without(connection, tmp_path))) as broken:
        assert next(broken, None), f"no story shows what {connection} is for: tell one"
