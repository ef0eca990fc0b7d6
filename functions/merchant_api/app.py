"""/v1/...: a merchant looks, plans and decides.

In: an API Gateway request (payload format 2.0) whose token the gateway has checked, scopes included; the shop is the
token's claim ``aftercare:shop`` and nothing else. Out: JSON; a refusal is ``application/problem+json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError

from aftercare import bootstrap
from aftercare.intake.model import Listed
from aftercare.kernel.times import to_text
from aftercare.negotiation.model.fields import read
from aftercare.serving import PROBLEM_JSON, Caller, NoSuchRoute, ReplayAsked, ShelfAsked, json_body, problem


class Call:
    """One request of a merchant's; raises ``NoShop``."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        caller = Caller.of(event)
        parts = bootstrap.merchant_api()
        self.shop, self.author = caller.shop, caller.author
        self.merchant, self.quarantine = parts.merchant, parts.quarantine
        self.query: Mapping[str, str] = event.get("queryStringParameters") or {}
        self.body: Callable[[], Any] = lambda: json_body(event)


def quarantine(call: Call) -> dict[str, Any]:
    asked = read(ShelfAsked, call.query)
    listing = call.quarantine.list(call.shop, asked.shelf, asked.cursor)
    return {"entries": [as_entry(listed) for listed in listing.entries], "cursor": listing.next}


def replay(call: Call) -> dict[str, Any]:
    asked = read(ReplayAsked, call.body())
    found = call.quarantine.replay(call.shop, asked.shelf, asked.id, asked.version)
    return {"id": found.id, "version": asked.version + 1, "replays": found.replays + 1}


def as_entry(listed: Listed) -> dict[str, Any]:
    entry = listed.entry
    return {
        "id": listed.id,
        "version": listed.version,
        "delivery_id": entry.delivery_id,
        "received_at": to_text(entry.received_at),
        "reason": entry.reason,
        "message": entry.message,
        "replays": listed.replays,
        "replayed_at": None if listed.replayed_at is None else to_text(listed.replayed_at),
    }


CASE = "/v1/orders/<order_id>/cases/<negotiation_id>"
ROUTES: tuple[tuple[str, str, Callable[..., dict[str, Any]]], ...] = (
    ("GET", "/v1/policy", lambda call: call.merchant.policy(call.shop)),
    ("GET", "/v1/plans", lambda call: call.merchant.plans(call.shop)),
    ("PUT", "/v1/plans", lambda call: call.merchant.replace_plans(call.shop, call.author, call.body())),
    ("PUT", "/v1/budgets", lambda call: call.merchant.replace_budgets(call.shop, call.author, call.body())),
    ("PUT", "/v1/kill-switch", lambda call: call.merchant.switch(call.shop, call.author, call.body())),
    ("GET", "/v1/cases", lambda call: call.merchant.cases(call.shop, call.query)),
    ("GET", CASE, lambda call, **ids: call.merchant.case(call.shop, **ids)),
    ("GET", f"{CASE}/evidence", lambda call, **ids: call.merchant.evidence(call.shop, **ids)),
    ("POST", f"{CASE}/approve", lambda call, **ids: call.merchant.approve(call.shop, call.author, **ids)),
    (
        "POST",
        f"{CASE}/take-over",
        lambda call, **ids: call.merchant.take_over(call.shop, call.author, call.body(), **ids),
    ),
    ("POST", "/v1/payouts/resolve", lambda call: call.merchant.resolve(call.shop, call.author, call.body())),
    ("GET", "/v1/keep-rate", lambda call: call.merchant.keep_rate(call.shop, call.query)),
    ("GET", "/v1/quarantine", quarantine),
    ("POST", "/v1/quarantine/replay", replay),
)
app = APIGatewayHttpResolver()


def answering(answer: Callable[..., dict[str, Any]]) -> Callable[..., Response[str]]:
    return lambda **ids: as_json(200, "application/json", answer(Call(app.current_event.raw_event), **ids))


for method, path, answer in ROUTES:
    app.route(path, method)(answering(answer))


@app.exception_handler(Exception)
def refuse(error: Exception) -> Response[str]:
    unrouted = isinstance(error, NotFoundError)
    status, body = problem(NoSuchRoute("nothing answers this method and path") if unrouted else error)
    return as_json(status, PROBLEM_JSON, body)


def as_json(status: int, content_type: str, body: Mapping[str, Any]) -> Response[str]:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(status, content_type, text, headers={"cache-control": "no-store"})


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return app.resolve(event, context)
