"""Tags through the real template: whichever call a function dies in, buyers see what holds and orders are owed it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import count
from typing import Any, NamedTuple

import pytest
from flows import SHOP, Town
from flows import town as a_town

from aftercare.kernel.times import from_text, to_text
from sandbox.cloud import Sandbox
from sandbox.faults import Killed, Moment
from sandbox.twins.standard import Fault

FUNCTIONS = ("service_tags", "tag_publication")
TAG = "freight_insurance"
ORDERS = count(1)
A_DAY = timedelta(days=1)
SOME_HOURS = timedelta(hours=2)
"""Longer than a marketplace that is down waits for its next try."""


# ---------------------------------------------------------------- a promise reaches the parcel
# These come first: the shop below stays open until the last test of this file.


def test_an_order_that_saw_ships_within_24_hours_is_due_by_then_though_the_shop_left() -> None:
    """From good days through the badge to the parcel's deadline, and to the anomaly when it is missed."""
    with a_town(backend="memory", tags=["ships_24h"]) as town:
        for number in range(3):
            for order_id in (f"G{number}a", f"G{number}b"):
                town.pay(order_id, paid_at=to_text(town.sandbox.clock.now()))
                town.ship(order_id)
                town.wait(timedelta(hours=1))
                town.scan(order_id, "picked_up")
            town.wait(A_DAY - timedelta(hours=2))
        # a day's orders are judged when their 24 hours are over
        town.wait(timedelta(days=2))
        assert looks(town, "ships_24h") == (True, True)
        paid_at = town.sandbox.clock.now()
        late = to_text(paid_at + timedelta(days=5))
        for order_id in ("seen", "unseen"):
            promise = {"ship_by": late, "door_delivery": False}
            town.pay(order_id, paid_at=to_text(town.sandbox.clock.now()), promise=promise)
            town.wait(timedelta(minutes=1))
            if order_id == "seen":
                town.merchant("POST", "/v1/tags/ships_24h/leave", {})
                town.wait(timedelta(minutes=1))
        town.wait(timedelta(days=2))
        dues = {one.detail["data"]["order_id"]: one.detail["data"] for one in town.sandbox.published
                if one.detail_type == "OrderDue"}  # fmt: skip
        assert from_text(dues["seen"]["ship_by"]) == paid_at + A_DAY
        assert "tag:ships_24h" in str(dues["seen"])
        assert "unseen" not in dues
        raised = {one.detail["data"]["order_id"] for one in town.sandbox.published
                  if one.detail_type == "ShipmentAnomalyRaised"}  # fmt: skip
        assert "seen" in raised
        assert "unseen" not in raised
        assert {one.detail["data"]["tag"] for one in town.said("seen") if one.detail_type == "OrderPromised"} == {
            "ships_24h"
        }
        assert town.waiting() == {}


def test_a_shop_with_markup_in_its_name_ends_no_element_in_what_the_public_reads() -> None:
    with a_town(backend="memory", name="</script><script>alert(1)</script>", tags=[TAG]) as town:
        town.say("service.enrolled", {"service": TAG, "active": True, "since": to_text(town.sandbox.clock.now())})
        town.wait(A_DAY)
        assert held(town) == {TAG: True}
        bucket = town.sandbox.environment("tag_publication")["PUBLIC_FILES"]
        for path in town.public_files():
            body = town.sandbox.client("s3").get_object(Bucket=bucket, Key=path)["Body"].read()
            assert b"<script>alert" not in body, path
        assert all("alert" not in json.dumps(dict(one)) for one in town.books.tags)
        assert SHOP in json.dumps([dict(one) for one in town.books.tags])


# ---------------------------------------------------------------- killed


@pytest.fixture(scope="module")
def insured() -> Iterator[Town]:
    """A shop that is enrolled in freight insurance."""
    with a_town(backend="memory") as town:
        enrolled = {"service": TAG, "active": True, "since": to_text(town.sandbox.clock.now())}
        town.say("service.enrolled", enrolled)
        town.wait(A_DAY)
        yield town


class Ending(NamedTuple):
    """All that must be the same however the story went."""

    changes: tuple[tuple[str, str], ...]
    promises: tuple[tuple[str, str], ...]
    shown_at: tuple[tuple[bool | None, bool | None], ...]
    """In the files and at the marketplace, while the tag was live and in the end."""


def play(town: Town) -> Ending:
    """The shop takes the promise on, an order is paid under it, and the shop leaves it."""
    begin, order_id, seen = len(town.sandbox.published), f"T{next(ORDERS)}", []
    town.wait_for_the_morning()
    town.merchant("POST", f"/v1/tags/{TAG}/opt-in", {})
    town.wait(A_DAY)
    seen.append(looks(town))
    town.pay(order_id, paid_at=to_text(town.sandbox.clock.now()))
    town.wait(SOME_HOURS)
    town.merchant("POST", f"/v1/tags/{TAG}/leave", {})
    town.wait(SOME_HOURS)
    seen.append(looks(town))
    # what the close of the day makes of it is no longer part of the story
    said = town.sandbox.published[begin:]
    changes, promises = facts(said, "TagChanged", "revision"), facts(said, "OrderPromised", "order_id")
    town.wait(A_DAY)
    assert town.waiting() == {}
    return Ending(
        tuple((one["state"], one["reason"]) for one in changes[-2:]),
        tuple((one["tag"], one["terms"]) for one in promises),
        tuple(seen),
    )


def facts(said: Any, name: str, key: str) -> list[Mapping[str, Any]]:
    """Each once by its natural key; every fact has one event id however often it is relayed."""
    found: dict[Any, Mapping[str, Any]] = {}
    ids: dict[Any, set[str]] = {}
    for one in said:
        if one.detail_type == name:
            found[one.detail["data"][key]] = one.detail["data"]
            ids.setdefault(one.detail["data"][key], set()).add(one.detail["metadata"]["event_id"])
    assert all(len(each) == 1 for each in ids.values())
    return [found[key] for key in sorted(found)]


def looks(town: Town, tag: str = TAG) -> tuple[bool | None, bool | None]:
    latest = max((one["data"]["revision"] for one in town.books.tags if one["data"]["tag"] == tag), default=0)
    [at_market] = [
        one["data"]["shown"]
        for one in town.books.tags
        if one["data"]["tag"] == tag and one["data"]["revision"] == latest
    ] or [None]
    return held(town).get(tag), at_market


def held(town: Town) -> dict[str, bool | None]:
    path = "shops/standard/lotus/tags.json"
    if path not in town.public_files():
        return {}
    bucket = town.sandbox.environment("tag_publication")["PUBLIC_FILES"]
    body = town.sandbox.client("s3").get_object(Bucket=bucket, Key=path)["Body"].read()
    return {one["code"]: one["held"] for one in json.loads(body)["tags"]}


@pytest.fixture(scope="module")
def undisturbed(insured: Town) -> Ending:
    play(insured)
    return play(insured)


def test_the_story_ends_as_told(undisturbed: Ending) -> None:
    assert undisturbed == Ending(
        changes=(("live", "earned"), ("none", "left")),
        promises=((TAG, f"{TAG}@tags-standard-1"),),
        shown_at=((True, True), (False, False)),
    )


@contextmanager
def killed_at(sandbox: Sandbox, function: str, number: int, moment: Moment) -> Iterator[list[int]]:
    """Kills the function once, at its ``number``-th call of all in the block; the list holds that number then."""
    usual, calls, struck = sandbox.faults.reached, count(1), list[int]()

    def reached(name: str, call: int, at: Moment, event: Mapping[str, Any]) -> None:
        usual(name, call, at, event)
        if name == function and at == moment and not struck and next(calls) == number:
            struck.append(number)
            raise Killed(f"{function} was killed {moment} its call {number}")

    with ExitStack() as stack:
        stack.callback(lambda: vars(sandbox.faults).pop("reached"))
        vars(sandbox.faults)["reached"] = reached
        yield struck


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_kill_at_any_call_changes_nothing_in_the_end(
    insured: Town, undisturbed: Ending, function: str, moment: Moment
) -> None:
    # a file more or less that was put there before a kill is all the same: every fifth of them is enough
    step = 1 if function == "service_tags" else 5
    for number in count(1, step):
        with killed_at(insured.sandbox, function, number, moment) as struck:
            assert play(insured) == undisturbed, number
        if not struck:
            break
    assert number > 5


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.REFUSE])
def test_a_marketplace_that_fails_shows_what_holds_in_the_end(insured: Town, undisturbed: Ending, fault: Fault) -> None:
    insured.twin.fail(fault, times=2)
    assert play(insured) == undisturbed


def test_a_merchant_cannot_do_what_is_for_an_operator(insured: Town) -> None:
    path = f"/v1/operate/tags/{TAG}/ban"
    answers = [insured.merchant("POST", path, {"reason": "x"}, scope=f"aftercare/{each}") for each in ("read", "write")]
    assert ["tags" in answer for answer in answers] == [False, False]
    assert insured.merchant("GET", f"/v1/tags/{TAG}")["bans"] == []
    assert "tags" in insured.operator(f"tags/{TAG}/ban", {"reason": "brushing"})
    refused = insured.merchant("POST", f"/v1/operate/tags/{TAG}/lift", {})
    assert "tags" not in refused
    insured.wait(A_DAY)
    assert insured.merchant("GET", f"/v1/tags/{TAG}")["state"] == "banned"
    assert "tags" in insured.operator(f"tags/{TAG}/lift", {})
