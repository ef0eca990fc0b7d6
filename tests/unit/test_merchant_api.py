"""The merchants' API: from the request that API Gateway sends to the answer that it expects."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from builders import SHARDS, SHOP, START, World, hours, order_paid, plan, refund_requested
from merchant_requests import Answer, ask, request

from aftercare import bootstrap
from aftercare.intake.limits import RequestLimit
from aftercare.intake.model import SetAside, Shelf
from aftercare.intake.service import Quarantine
from aftercare.intake.store import erase_buyer, keep_private
from aftercare.kernel.envelope import Event, EventData
from aftercare.kernel.errors import Transient
from aftercare.kernel.ports import ActionOutcome, ActionStatus, ActionType
from aftercare.kernel.records import RecordWriter
from aftercare.kernel.table import Query
from aftercare.negotiation.merchant import Merchant
from sandbox.memory_table import MemoryTable

OTHER_SHOP = "standard:peony"
PER_MINUTE = 40
SAID_INSIDE = "the words of a buyer"


@dataclass
class MessageList:
    sent: list[str] = field(default_factory=list)

    def send(self, bodies: list[str]) -> None:
        self.sent += bodies

    def depth(self) -> int:
        return len(self.sent)


@dataclass
class Api:
    world: World
    quarantine: Quarantine
    queue: MessageList
    intake_table: MemoryTable
    claims: dict[str, str] = field(default_factory=lambda: {"aftercare:shop": SHOP, "sub": "ann"})

    def __call__(self, method: str, path: str, body: Any = None, **query: str) -> Answer:
        return ask(request(method, path, body, query, self.claims))

    def case_path(self, order_id: str = "A1") -> str:
        return f"/v1/orders/{order_id}/cases/{self.world.case(order_id).negotiation_id}"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    world, queue, intake_table = World(), MessageList(), MemoryTable()
    quarantine = Quarantine(table=intake_table, queue=queue, clock=world.clock)
    everything = frozenset(ActionType)
    merchant = Merchant(world.table, world.clock, RecordWriter(SHARDS), world.negotiation, lambda shop: everything)
    parts = SimpleNamespace(
        merchant=merchant,
        quarantine=quarantine,
        limit=RequestLimit(intake_table, world.clock, PER_MINUTE),
        erase_buyer=functools.partial(erase_buyer, intake_table),
    )
    monkeypatch.setattr(bootstrap, "merchant_api", lambda: parts, raising=False)
    return Api(world, quarantine, queue, intake_table)


def assert_problem(answer: Answer, status: int, kind: str) -> None:
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert (
        {"type", "title", "status", "detail"} <= answer.json.keys() <= {"type", "title", "status", "detail", "errors"}
    )
    assert (answer.json["status"], answer.json["type"]) == (status, f"urn:aftercare:problem:{kind}")


# ---------------------------------------------------------------- every route


def test_policy_plans_budgets_and_kill_switch_are_read_and_saved(api: Api) -> None:
    assert api("GET", "/v1/plans").json["version"] == 1
    saved = api("PUT", "/v1/plans", {"plans": [plan("a")], "version": 1})
    assert (saved.status, saved.headers["content-type"]) == (200, "application/json")
    assert saved.headers["cache-control"] == "no-store"
    budgets = {"daily": {"per_day": {"minor": 900, "currency": "CNY"}}}
    assert api("PUT", "/v1/budgets", {"budgets": budgets, "version": 2}).status == 200
    assert api("PUT", "/v1/kill-switch", {"on": True, "version": 3}).json == {"version": 4, "on": True}
    whole = api("GET", "/v1/policy").json
    assert (whole["version"], whole["policy"]["changed_by"], whole["policy"]["kill_switch"]) == (4, "ann", True)


def test_cases_are_listed_looked_at_and_exported(api: Api) -> None:
    api.world.hear(order_paid(), refund_requested())
    listed = api("GET", "/v1/cases", limit="5", state="offered").json
    assert [case["order_id"] for case in listed["cases"]] == ["A1"]
    assert api("GET", api.case_path()).json["history_intact"] is True
    assert len(api("GET", f"{api.case_path()}/evidence").json["sha256"]) == 64


def test_an_order_id_may_hold_what_a_path_can_hold(api: Api) -> None:
    api.world.hear(order_paid("订单 7:8@x"), refund_requested("R1", "订单 7:8@x"))
    assert api("GET", api.case_path("订单 7:8@x")).json["order_id"] == "订单 7:8@x"


def test_an_offer_is_approved_and_a_case_taken_over_in_the_name_of_the_token(api: Api) -> None:
    api("PUT", "/v1/plans", {"plans": [plan(needs_approval=True)], "version": 1})
    api.world.hear(order_paid(), refund_requested())
    assert api("POST", f"{api.case_path()}/approve").json["approved_by"] == "ann"
    taken = api("POST", f"{api.case_path()}/take-over", {"reason": "我来处理"}).json
    assert taken["state"] == "superseded"
    assert taken["history"][-2]["facts"] == {"by": "ann", "reason": "我来处理"}


def test_a_payout_in_doubt_is_resolved(api: Api) -> None:
    api.world.marketplace.answers = [ActionOutcome(ActionStatus.KEY_REUSED)]
    api.world.hear(order_paid(), refund_requested())
    api.world.negotiation.accept(api.world.link(), "r1o1")
    api.world.run()
    [key] = api.world.order().commitments
    found = {"key": key, "paid": True, "evidence": "line 7"}
    assert api("POST", "/v1/payouts/resolve", found).json == {"key": key, "state": "paid"}
    assert_problem(api("POST", "/v1/payouts/resolve", found), 409, "move-refused")


def test_the_keep_rate_is_told(api: Api) -> None:
    api.world.hear(order_paid(), refund_requested())
    shown = api("GET", "/v1/keep-rate", **{"from": "2026-11-01T00:00:00Z", "to": "2026-11-03T00:00:00Z"}).json
    assert (shown["offer"]["cases"], shown["enough"]) == (1, False)


def set_aside(api: Api, delivery_id: str, shelf: Shelf = Shelf.QUARANTINE, shop: str = SHOP) -> None:
    api.quarantine.keep(SetAside(shelf, shop, delivery_id, START, "not JSON", f"message {delivery_id}"))


def test_what_was_set_aside_is_listed_and_replayed_once_a_click(api: Api) -> None:
    set_aside(api, "m1")
    set_aside(api, "m2", shop=OTHER_SHOP)
    set_aside(api, "m3", shelf=Shelf.PARKED)
    [entry] = api("GET", "/v1/quarantine").json["entries"]
    assert (entry["delivery_id"], entry["reason"], entry["message"]) == ("m1", "not JSON", "message m1")
    click = {"id": entry["id"], "version": entry["version"]}
    assert api("POST", "/v1/quarantine/replay", click).json == {"id": entry["id"], "version": 2, "replays": 1}
    assert api.queue.sent == ["message m1"]
    assert_problem(api("POST", "/v1/quarantine/replay", click), 409, "replayed-already")
    [parked] = api("GET", "/v1/quarantine", shelf="PARKED").json["entries"]
    assert parked["delivery_id"] == "m3"


def test_the_quarantine_comes_in_pages(api: Api) -> None:
    for number in range(60):
        set_aside(api, f"m{number:02}")
    first = api("GET", "/v1/quarantine").json
    second = api("GET", "/v1/quarantine", cursor=first["cursor"]).json
    found = [entry["delivery_id"] for page in (first, second) for entry in page["entries"]]
    assert sorted(found) == [f"m{number:02}" for number in range(60)]


def test_another_shops_quarantine_does_not_exist(api: Api) -> None:
    set_aside(api, "m2", shop=OTHER_SHOP)
    assert api("GET", "/v1/quarantine").json == {"entries": [], "cursor": None}
    click = {"id": "2026-11-02T08:00:00Z#m2", "version": 1}
    assert_problem(api("POST", "/v1/quarantine/replay", click), 404, "no-such-entry")


def test_an_event_of_our_own_is_shown_and_not_replayed_as_a_delivery(api: Api) -> None:
    set_aside(api, "e1", shelf=Shelf.EVENTS)
    [entry] = api("GET", "/v1/quarantine", shelf="EVENTS").json["entries"]
    click = {"id": entry["id"], "version": 1, "shelf": "EVENTS"}
    assert_problem(api("POST", "/v1/quarantine/replay", click), 409, "not-replayable")


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/nothing"),
        ("GET", "/v1"),
        ("POST", "/v1/plans"),
        ("GET", "/v1/plans/"),
        ("GET", "/v1/orders//cases/x"),
    ],
)
def test_what_no_route_answers_is_a_problem_too(api: Api, method: str, path: str) -> None:
    assert_problem(api(method, path), 404, "no-such-route")


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"sub": "ann"},
        {"aftercare:shop": SHOP},
        {"aftercare:shop": "", "sub": "ann"},
        {"aftercare:shop": "standard:lotus#1", "sub": "ann"},
        {"aftercare:shop": "[standard:a standard:b]", "sub": "ann"},
    ],
)
def test_a_token_that_names_no_shop_or_nobody_is_refused(api: Api, claims: dict[str, str]) -> None:
    api.claims = claims
    assert_problem(api("GET", "/v1/plans"), 403, "no-shop")


def test_a_request_that_no_authorizer_has_seen_is_refused(api: Api) -> None:
    event = {
        "rawPath": "/v1/plans",
        "requestContext": {"http": {"method": "GET", "path": "/v1/plans"}, "stage": "$default"},
    }
    assert_problem(ask(event), 403, "no-shop")


def test_the_shop_is_the_tokens_whatever_the_request_says(api: Api) -> None:
    api("PUT", "/v1/plans", {"plans": [plan("mine")], "version": 1})
    api.claims = {"aftercare:shop": OTHER_SHOP, "sub": "eve"}
    assert api("GET", "/v1/plans", shop=SHOP).json == {"version": 0, "plans": []}


def test_another_shops_case_is_not_found(api: Api) -> None:
    api.world.hear(order_paid(), refund_requested())
    api.claims = {"aftercare:shop": OTHER_SHOP, "sub": "eve"}
    for method, path in (("GET", ""), ("GET", "/evidence"), ("POST", "/approve"), ("POST", "/take-over")):
        assert_problem(api(method, api.case_path() + path, {"reason": "x"}), 404, "no-such-case")


@pytest.mark.parametrize("body", ["", "{", '{"plans": "\\ud800"}', "[" * 100_000, "NaN1"])
def test_a_body_that_is_not_json_is_a_bad_request(api: Api, body: str) -> None:
    assert_problem(api("PUT", "/v1/plans", body), 400, "malformed-body")


def test_a_body_may_come_in_base64(api: Api) -> None:
    event: dict[str, Any] = {
        "rawPath": "/v1/kill-switch",
        "requestContext": {
            "http": {"method": "PUT", "path": "/v1/kill-switch"},
            "stage": "$default",
            "authorizer": {"jwt": {"claims": api.claims}},
        },
        "body": base64.b64encode(b'{"on": true, "version": 1}').decode(),
        "isBase64Encoded": True,
    }
    assert ask(event).status == 200
    assert_problem(ask({**event, "body": "?"}), 400, "malformed-body")


def test_every_wrong_field_is_named_in_the_answer(api: Api) -> None:
    wrong = plan(plan_id="Bad Id", options=[{"kind": "partial_refund", "percent": 100}])
    answer = api("PUT", "/v1/plans", {"plans": [wrong], "version": 1})
    assert_problem(answer, 422, "invalid-fields")
    assert [error["field"] for error in answer.json["errors"]] == [
        "plans.0.plan_id",
        "plans.0.rounds.0.options.0.percent",
    ]
    assert all(error["message"] for error in answer.json["errors"])


def test_saving_over_somebody_elses_save_is_a_conflict(api: Api) -> None:
    assert_problem(api("PUT", "/v1/plans", {"plans": [], "version": 0}), 409, "policy-changed")


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [("approve", None, "answered-already"), ("take-over", {"reason": "x"}, "move-refused")],
)
def test_what_comes_too_late_for_a_person_is_a_conflict(api: Api, path: str, body: Any, kind: str) -> None:
    api.world.hear(order_paid(), refund_requested())
    api.world.negotiation.accept(api.world.link(), "r1o1")
    assert_problem(api("POST", f"{api.case_path()}/{path}", body), 409, kind)


def test_an_offer_that_nobody_approved_in_time_is_a_conflict(api: Api) -> None:
    api("PUT", "/v1/plans", {"plans": [plan(needs_approval=True)], "version": 1})
    api.world.hear(order_paid(), refund_requested())
    api.world.clock.advance(hours(47))
    assert_problem(api("POST", f"{api.case_path()}/approve"), 409, "too-late")


def test_a_table_that_cannot_answer_now_is_to_be_tried_again(
    api: Api, monkeypatch: pytest.MonkeyPatch, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    def fail(key: object) -> None:
        raise Transient("the table of account 1234 throttles")

    monkeypatch.setattr(api.world.table, "get", fail)
    answer = api("GET", "/v1/plans")
    assert_problem(answer, 503, "try-again")
    assert "1234" not in json.dumps(answer.json)
    assert log_lines()[-1]["level"] == "WARNING"


def test_what_went_wrong_inside_stays_inside(
    api: Api, monkeypatch: pytest.MonkeyPatch, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    def fail(key: object) -> None:
        raise RuntimeError(SAID_INSIDE)

    monkeypatch.setattr(api.world.table, "get", fail)
    answer = api("GET", "/v1/plans")
    assert_problem(answer, 500, "internal-error")
    line = log_lines()[-1]
    assert (line["level"], line["error"]) == ("ERROR", "RuntimeError")
    assert "in fail" in line["trace"]
    assert SAID_INSIDE not in json.dumps([answer.json, line])


# ---------------------------------------------------------------- limits and erasure


def test_a_shop_that_asks_too_often_is_told_when_to_ask_again(api: Api) -> None:
    api.world.clock.advance(timedelta(seconds=20))
    for _ in range(PER_MINUTE):
        assert api("GET", "/v1/plans").status == 200
    refused = api("GET", "/v1/plans")
    assert refused.problem == (429, "too-many-requests")
    assert refused.headers["retry-after"] == "40"
    api.world.clock.advance(timedelta(seconds=40))
    assert api("GET", "/v1/plans").status == 200


def test_one_shops_requests_do_not_use_up_anothers(api: Api) -> None:
    for _ in range(PER_MINUTE + 1):
        api("GET", "/v1/plans")
    api.claims["aftercare:shop"] = "standard:other"
    assert api("GET", "/v1/plans").status == 200


@dataclass(frozen=True)
class PrivateFact:
    buyer: str
    key: str
    event: Event[EventData] = field(default_factory=order_paid)
    private: Mapping[str, str] = field(default_factory=lambda: {"buyer": "Li Lei"})


def facts_of(api: Api, buyer: str, *facts: str) -> None:
    for fact in facts:
        keep_private(api.intake_table, SHOP, PrivateFact(buyer, fact))


def facts_left(api: Api, buyer: str) -> int:
    return len(api.intake_table.query(Query(f"BUYER#{SHOP}#{buyer}")).keys)


def test_a_buyers_data_is_erased_and_nobody_elses(api: Api) -> None:
    facts_of(api, "b_1", "OrderPaid#A1", "RefundRequested#R1")
    facts_of(api, "b_2", "OrderPaid#A2")
    api.world.hear(order_paid(buyer="b_1"))
    before = api.world.order()
    assert api("POST", "/v1/orders/A1/buyer/erase", {}).json == {"erased": 2}
    assert (facts_left(api, "b_1"), facts_left(api, "b_2")) == (0, 1)
    assert api.world.order() == before
    assert api("POST", "/v1/orders/A1/buyer/erase", {}).json == {"erased": 0}


def test_the_buyer_of_an_order_that_is_not_the_shops_is_not_erased(api: Api) -> None:
    assert api("POST", "/v1/orders/A9/buyer/erase", {}).problem == (404, "no-such-order")


def test_a_buyer_who_asked_for_money_back_is_erased_though_the_payment_was_never_heard_of(api: Api) -> None:
    facts_of(api, "b_7", "RefundRequested#R1")
    api.world.hear(refund_requested(buyer="b_7"))
    assert api("POST", "/v1/orders/A1/buyer/erase", {}).json == {"erased": 1}


def test_the_kill_switch_and_the_operators_are_not_kept_out_by_a_shop_that_asks_too_often(api: Api) -> None:
    for _ in range(PER_MINUTE + 1):
        api("GET", "/v1/plans")
    assert api("PUT", "/v1/kill-switch", {"on": "x", "version": 1}).status == 422
    assert api("POST", "/v1/operate/nothing", {}).status == 404


def test_an_order_whose_marketplace_names_no_buyer_has_nothing_to_erase(api: Api) -> None:
    api.world.hear(order_paid(buyer=""))
    assert api("POST", "/v1/orders/A1/buyer/erase", {}).json == {"erased": 0}
