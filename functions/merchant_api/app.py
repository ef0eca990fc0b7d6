"""/v1/...: a merchant looks, plans and decides.

In: an API Gateway request (payload format 2.0) whose token the gateway has checked, scopes included; the shop is the
token's claim ``aftercare:shop`` and nothing else. Out: JSON; a refusal is ``application/problem+json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from aftercare import bootstrap
from aftercare.aws.metrics import measure
from aftercare.intake.limits import TooManyRequests
from aftercare.intake.model import Listed
from aftercare.kernel.fields import read
from aftercare.kernel.times import to_text
from aftercare.serving import PROBLEM_JSON, Caller, NoSuchRoute, ReplayAsked, ShelfAsked, json_body, problem


class Call:
    """One request of a merchant's; raises ``NoShop`` or ``TooManyRequests``."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        caller = Caller.of(event)
        self.parts = bootstrap.merchant_api()
        path = event["rawPath"]
        if path != KILL_SWITCH:
            # a shop must not be able to use up what those have who decide about it
            self.parts.limit.count(caller.shop, by_operators=path.startswith(f"{OPERATE}/"))
        self.shop, self.author = caller.shop, caller.author
        self.query: Mapping[str, str] = event.get("queryStringParameters") or {}
        self.body: Callable[[], Any] = lambda: json_body(event)


def quarantine(call: Call) -> dict[str, Any]:
    asked = read(ShelfAsked, call.query)
    listing = call.parts.quarantine.list(call.shop, asked.shelf, asked.cursor)
    return {"entries": [as_entry(listed) for listed in listing.entries], "cursor": listing.next}


def replay(call: Call) -> dict[str, Any]:
    asked = read(ReplayAsked, call.body())
    found = call.parts.quarantine.replay(call.shop, asked.shelf, asked.id, asked.version)
    return {"id": found.id, "version": asked.version + 1, "replays": found.replays + 1}


def erase_buyer(call: Call, order_id: str) -> dict[str, Any]:
    """Deletes all that the buyer of an order has said or is called; the money's books know only the pseudonym."""
    buyers = call.parts.merchant.buyers_of(call.shop, order_id)
    return {"erased": sum(call.parts.erase_buyer(call.shop, buyer) for buyer in buyers)}


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


KILL_SWITCH = "/v1/kill-switch"
"""Answered however often a shop has asked for something else."""
OPERATE = "/v1/operate"
"""What a marketplace's own people decide about a shop; its merchant's token does not have the scope."""
CASE = "/v1/orders/<order_id>/cases/<negotiation_id>"
ANOMALY = "/v1/orders/<order_id>/anomalies/<anomaly_id>"
ROUTES: tuple[tuple[str, str, Callable[..., dict[str, Any]]], ...] = (
    ("GET", "/v1/policy", lambda call: call.parts.merchant.policy(call.shop)),
    ("GET", "/v1/plans", lambda call: call.parts.merchant.plans(call.shop)),
    ("PUT", "/v1/plans", lambda call: call.parts.merchant.replace_plans(call.shop, call.author, call.body())),
    ("PUT", "/v1/budgets", lambda call: call.parts.merchant.replace_budgets(call.shop, call.author, call.body())),
    ("PUT", KILL_SWITCH, lambda call: call.parts.merchant.switch(call.shop, call.author, call.body())),
    ("GET", "/v1/cases", lambda call: call.parts.merchant.cases(call.shop, call.query)),
    ("GET", CASE, lambda call, **ids: call.parts.merchant.case(call.shop, **ids)),
    ("GET", f"{CASE}/evidence", lambda call, **ids: call.parts.merchant.evidence(call.shop, **ids)),
    ("POST", f"{CASE}/approve", lambda call, **ids: call.parts.merchant.approve(call.shop, call.author, **ids)),
    (
        "POST",
        f"{CASE}/take-over",
        lambda call, **ids: call.parts.merchant.take_over(call.shop, call.author, call.body(), **ids),
    ),
    ("POST", "/v1/payouts/resolve", lambda call: call.parts.merchant.resolve(call.shop, call.author, call.body())),
    ("GET", "/v1/keep-rate", lambda call: call.parts.merchant.keep_rate(call.shop, call.query)),
    ("GET", "/v1/shipments/alerts", lambda call: call.parts.shipments().alerts(call.shop, call.query)),
    ("GET", "/v1/shipments/exposure", lambda call: call.parts.shipments().exposure(call.shop, call.query)),
    ("GET", "/v1/shipments/settings", lambda call: call.parts.shipments().settings(call.shop)),
    (
        "PUT",
        "/v1/shipments/settings",
        lambda call: call.parts.shipments().replace_settings(call.shop, call.author, call.body()),
    ),
    ("GET", "/v1/orders/<order_id>/shipment", lambda call, **ids: call.parts.shipments().shipment(call.shop, **ids)),
    (
        "POST",
        f"{ANOMALY}/mute",
        lambda call, **ids: call.parts.shipments().mute(call.shop, call.author, body=call.body(), **ids),
    ),
    ("POST", f"{ANOMALY}/unmute", lambda call, **ids: call.parts.shipments().unmute(call.shop, call.author, **ids)),
    ("GET", "/v1/scores/weeks", lambda call: call.parts.scores().weeks(call.shop)),
    ("GET", "/v1/scores/weeks/<week>", lambda call, **ids: call.parts.scores().week(call.shop, **ids)),
    ("GET", "/v1/scores/provisional", lambda call: call.parts.scores().provisional(call.shop)),
    ("GET", "/v1/scores/items", lambda call: call.parts.scores().items(call.shop)),
    ("GET", "/v1/scores/cases", lambda call: call.parts.scores().cases(call.shop, call.query)),
    ("GET", "/v1/scores/exclusions", lambda call: call.parts.scores().exclusions(call.shop, call.query)),
    ("GET", "/v1/scores/registration", lambda call: call.parts.scores().registration(call.shop)),
    (
        "POST",
        f"{OPERATE}/scores/exclude",
        lambda call: call.parts.scores().exclude(call.shop, call.author, call.body()),
    ),
    (
        "POST",
        f"{OPERATE}/scores/bring-back",
        lambda call: call.parts.scores().bring_back(call.shop, call.author, call.body()),
    ),
    ("POST", f"{OPERATE}/scores/register", lambda call: call.parts.scores().register(call.shop, call.body())),
    ("GET", "/v1/tags", lambda call: call.parts.tags().tags(call.shop)),
    ("GET", "/v1/tags/<tag>", lambda call, **ids: call.parts.tags().tag(call.shop, **ids)),
    ("PUT", "/v1/tags/profile", lambda call: call.parts.tags().set_profile(call.shop, call.body())),
    ("POST", "/v1/tags/<tag>/opt-in", lambda call, **ids: call.parts.tags().opt_in(call.shop, **ids)),
    ("POST", "/v1/tags/<tag>/leave", lambda call, **ids: call.parts.tags().leave(call.shop, **ids)),
    (
        "POST",
        f"{OPERATE}/tags/<tag>/ban",
        lambda call, **ids: call.parts.tags().ban(call.shop, call.author, body=call.body(), **ids),
    ),
    (
        "POST",
        f"{OPERATE}/tags/<tag>/lift",
        lambda call, **ids: call.parts.tags().lift(call.shop, call.author, **ids),
    ),
    ("POST", "/v1/orders/<order_id>/buyer/erase", erase_buyer),
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
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    try:
        status, body = 200, answer_to(event)
    except Exception as error:  # noqa: BLE001  whatever it is, the caller gets an answer
        status, body = problem(error)
        headers["content-type"] = PROBLEM_JSON
        if isinstance(error, TooManyRequests):
            headers["retry-after"] = str(error.retry_after)
            measure("RequestsOverLimit", shop=error.shop)
    return {
        "statusCode": status,
        "headers": headers,
        "body": json.dumps(body, ensure_ascii=False, separators=(",", ":")),
    }
