"""/v1/...: a merchant looks, plans and decides.

In: an API Gateway request (payload format 2.0) whose token the gateway has checked, scopes included; the shop is the
token's claim ``aftercare:shop`` and nothing else. Out: JSON; a refusal is ``application/problem+json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from aftercare import bootstrap
from aftercare.intake.model import Listed
from aftercare.kernel.fields import read
from aftercare.kernel.times import to_text
from aftercare.serving import PROBLEM_JSON, Caller, NoSuchRoute, ReplayAsked, ShelfAsked, json_body, problem


class Call:
    """One request of a merchant's; raises ``NoShop``."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        caller = Caller.of(event)
        parts = bootstrap.merchant_api()
        self.shop, self.author = caller.shop, caller.author
        self.merchant, self.quarantine = parts.merchant, parts.quarantine
        self.shipments = parts.shipments
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
ANOMALY = "/v1/orders/<order_id>/anomalies/<anomaly_id>"
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
    ("GET", "/v1/shipments/alerts", lambda call: call.shipments().alerts(call.shop, call.query)),
    ("GET", "/v1/shipments/exposure", lambda call: call.shipments().exposure(call.shop, call.query)),
    ("GET", "/v1/shipments/settings", lambda call: call.shipments().settings(call.shop)),
    (
        "PUT",
        "/v1/shipments/settings",
        lambda call: call.shipments().replace_settings(call.shop, call.author, call.body()),
    ),
    ("GET", "/v1/orders/<order_id>/shipment", lambda call, **ids: call.shipments().shipment(call.shop, **ids)),
    (
        "POST",
        f"{ANOMALY}/mute",
        lambda call, **ids: call.shipments().mute(call.shop, call.author, body=call.body(), **ids),
    ),
    ("POST", f"{ANOMALY}/unmute", lambda call, **ids: call.shipments().unmute(call.shop, call.author, **ids)),
    ("GET", "/v1/quarantine", quarantine),
    ("POST", "/v1/quarantine/replay", replay),
)


def answer_to(event: Mapping[str, Any]) -> dict[str, Any]:
    """Own code: a quarter of a cold start would go into the import of Powertools' resolver."""
    for method, path, answer in ROUTES:
        ids = ids_in(event["rawPath"], path)
        if ids is not None and method == event["requestContext"]["http"]["method"]:
            return answer(Call(event), **ids)
    raise NoSuchRoute("nothing answers this method and path")


def ids_in(path: str, pattern: str) -> dict[str, str] | None:
    """What stands in the path where the pattern has ``<name>``; None where the path is another one."""
    given, wanted = path.split("/"), pattern.split("/")
    if len(given) != len(wanted):
        return None
    ids = {}
    for part, name in zip(given, wanted, strict=True):
        if name.startswith("<") and part:
            ids[name.strip("<>")] = part
        elif part != name:
            return None
    return ids


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    try:
        status, content_type, body = 200, "application/json", answer_to(event)
    except Exception as error:  # noqa: BLE001  whatever it is, the caller gets an answer
        status, body = problem(error)
        content_type = PROBLEM_JSON
    return {
        "statusCode": status,
        "headers": {"content-type": content_type, "cache-control": "no-store"},
        "body": json.dumps(body, ensure_ascii=False, separators=(",", ":")),
    }
