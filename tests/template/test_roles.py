"""Whatever a function calls while the stories run, its role in the template allows: the offline cloud does not ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import pytest
from flows import COUPON_STORY, FULL, FULL_STORY, PARTIAL, REFUND_STORY, SHOP_ID, Town, cny, lotus, plan, town
from template.checks import Stack, listed

from aftercare.kernel.times import to_text
from sandbox.intrinsics import ACCOUNT, PARTITION, REGION
from sandbox.template import TEMPLATE
from sandbox.twins.signing import sign_delivery
from sandbox.twins.standard import Fault

IN_TRANSACTION = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
OF_AWS_ITSELF = {"DeadlineSweepFunctionEveryMinuteRole"}
NOT_SHOWN_HERE = {
    # what the bus refuses for good goes to the quarantine; the offline bus refuses nothing
    ("event_relay", "dynamodb:PutItem"),
    # Lambda itself writes what a stream gave up, in the function's name
    ("event_relay", "s3:PutObject"),
    ("event_relay", "s3:ListBucket"),
    ("score_rows", "s3:PutObject"),
    ("score_rows", "s3:ListBucket"),
}
SECRET_SUFFIX = "-AbCdEf"
"""Secrets Manager ends every ARN with six characters of its own."""


@dataclass(frozen=True)
class Needed:
    """A right that a function made use of; ``source`` is that of an event it put on the bus."""

    function: str
    action: str
    resource: str
    source: str | None = None


def arn(service: str, rest: str) -> str:
    return f"arn:{PARTITION}:{service}:{REGION}:{ACCOUNT}:{rest}"


def rights(service: str, operation: str, request: Mapping[str, Any]) -> Iterator[tuple[str, str, str | None]]:
    """The action and the resource that AWS asks for, and the source of an event."""
    match service, operation:
        case "dynamodb", _:
            for action, table in _on_tables(operation, request):
                yield f"dynamodb:{action}", arn("dynamodb", f"table/{table}"), None
        case "sqs", _:
            action = operation.removesuffix("Batch")
            yield f"sqs:{action}", arn("sqs", request["QueueUrl"].rsplit("/", 1)[1]), None
        case "events", "PutEvents":
            for entry in request["Entries"]:
                yield "events:PutEvents", arn("events", f"event-bus/{entry['EventBusName']}"), entry["Source"]
        case "secretsmanager", _:
            yield f"secretsmanager:{operation}", arn("secretsmanager", f"secret:{request['SecretId']}"), None
        case "s3", _:
            yield f"s3:{operation}", f"arn:{PARTITION}:s3:::{request['Bucket']}/{request['Key']}", None
        case _:
            raise AssertionError(f"what does {service}:{operation} need?")


def _on_tables(operation: str, request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if operation == "TransactWriteItems":
        for item in request["TransactItems"]:
            for kind, content in item.items():
                yield IN_TRANSACTION[kind], content["TableName"]
    elif operation == "BatchGetItem":
        for name in request["RequestItems"]:
            yield operation, name
    else:
        index = f"/index/{request['IndexName']}" if "IndexName" in request else ""
        yield operation, request["TableName"] + index


def is_allowed(needed: Needed, statements: Sequence[Mapping[str, Any]]) -> bool:
    return any(
        needed.action in listed(statement["Action"])
        and any(fnmatchcase(found, pattern) for pattern in listed(statement["Resource"]) for found in _forms(needed))
        and (needed.source is None or needed.source in statement["Condition"]["StringEquals"]["events:source"])
        for statement in statements
    )


def _forms(needed: Needed) -> tuple[str, ...]:
    # a template's Ref to a secret stands for the whole ARN, which the offline cloud gives without its suffix
    return (needed.resource, needed.resource + SECRET_SUFFIX) if ":secret:" in needed.resource else (needed.resource,)


@pytest.fixture(scope="module")
def used() -> set[Needed]:
    """Every right that was used while a shop's buyers, merchants and marketplace did what they do."""
    needed: set[Needed] = set()

    def note(service: str, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        at_work = at_the_lotus.sandbox._functions.current
        if at_work is not None:
            needed.update(Needed(at_work.function, *right) for right in rights(service, model.name, params))

    with town() as at_the_lotus:
        for service in ("dynamodb", "sqs", "events", "secretsmanager", "s3"):
            events = at_the_lotus.sandbox.client(service).meta.events
            events.register(f"provide-client-params.{service}", partial(note, service))
        live(at_the_lotus)
    return needed


def live(at_the_lotus: Town) -> None:
    for number, story in enumerate((REFUND_STORY, COUPON_STORY, FULL_STORY)):
        story.before(at_the_lotus, f"A{number}")
        story.play(at_the_lotus, f"A{number}")
    _stays_silent(at_the_lotus)
    _is_answered_too_late(at_the_lotus)
    _needs_approval(at_the_lotus)
    _is_merchant(at_the_lotus)
    _has_a_parcel_that_stands_still(at_the_lotus)
    _has_a_score(at_the_lotus)
    _has_a_tag(at_the_lotus)
    _sends_rubbish(at_the_lotus)


def _has_a_parcel_that_stands_still(at_the_lotus: Town) -> None:
    """From one night to the next: the message about it has to wait for the morning."""
    now = at_the_lotus.sandbox.clock.now()
    night = now.replace(hour=15, minute=0)
    at_the_lotus.wait((night if night > now else night + timedelta(days=1)) - now)
    at_the_lotus.pay("B4")
    at_the_lotus.ship("B4")
    at_the_lotus.scan("B4", "picked_up")
    at_the_lotus.scan("B4", "unknown")
    at_the_lotus.wait(timedelta(days=2))
    [alert] = at_the_lotus.merchant("GET", "/v1/shipments/alerts")["alerts"]
    at_the_lotus.merchant("GET", "/v1/orders/B4/shipment")
    at_the_lotus.merchant("GET", "/v1/shipments/exposure")
    [anomaly] = alert["anomalies"]
    mute = f"/v1/orders/B4/anomalies/{anomaly['anomaly_id']}/mute"
    at_the_lotus.merchant("POST", mute, {"reason": "the carrier called"})
    settings = at_the_lotus.merchant("GET", "/v1/shipments/settings")
    changed = {"settings": {**settings["settings"], "locale": "en"}, "version": settings["version"]}
    assert "version" in at_the_lotus.merchant("PUT", "/v1/shipments/settings", changed)


def _has_a_score(at_the_lotus: Town) -> None:
    for what in ("weeks", "provisional", "items", "exclusions", "registration"):
        assert "title" not in at_the_lotus.merchant("GET", f"/v1/scores/{what}")
    excluded = {"order_id": "B4", "metrics": ["on_time_pickup"], "reason": "a flood"}
    answer = at_the_lotus.operator("scores/exclude", excluded)
    assert answer.get("changed"), answer


def _has_a_tag(at_the_lotus: Town) -> None:
    insured = {"service": "freight_insurance", "active": True, "since": to_text(at_the_lotus.sandbox.clock.now())}
    at_the_lotus.say("service.enrolled", insured)
    assert "tags" in at_the_lotus.merchant("GET", "/v1/tags")
    assert "tags" in at_the_lotus.merchant("POST", "/v1/tags/freight_insurance/opt-in", {})
    # until what is published has to be renewed
    at_the_lotus.wait(timedelta(days=4))
    at_the_lotus.pay("B6", paid_at=to_text(at_the_lotus.sandbox.clock.now()))


def _stays_silent(at_the_lotus: Town) -> None:
    at_the_lotus.pay("B1")
    at_the_lotus.ask("B1", PARTIAL)
    at_the_lotus.wait(timedelta(days=3))
    assert at_the_lotus.merchant("POST", "/v1/orders/B1/buyer/erase", {})["erased"]


def _is_answered_too_late(at_the_lotus: Town) -> None:
    def fail() -> None:
        at_the_lotus.twin.fail(Fault.TIMEOUT_AFTER, key=at_the_lotus.payout_key("B2", "r1o1"))

    at_the_lotus.pay("B2")
    REFUND_STORY.play(at_the_lotus, "B2", after_choice=fail)


def _needs_approval(at_the_lotus: Town) -> None:
    situation = {"triggers": ["refund_requested"], "reasons": [FULL], "buyers": ["new"]}
    waiting = plan(FULL, [{"kind": "full_refund"}], needs_approval=True, situation=situation)
    at_the_lotus.save(lotus(plans=[waiting]).policy())
    at_the_lotus.pay("B3")
    at_the_lotus.ask("B3", FULL)
    at_the_lotus.sandbox.run_until_quiet()
    case = at_the_lotus.case("B3").negotiation_id
    at_the_lotus.merchant("POST", f"/v1/orders/B3/cases/{case}/approve", {})
    at_the_lotus.sandbox.run_until_quiet()
    at_the_lotus.choose(at_the_lotus.link("B3"), "original")
    at_the_lotus.sandbox.run_until_quiet()


def _is_merchant(at_the_lotus: Town) -> None:
    at_the_lotus.merchant("GET", "/v1/cases")
    at_the_lotus.merchant("GET", "/v1/keep-rate")
    version = at_the_lotus.merchant("GET", "/v1/policy")["version"]
    at_the_lotus.merchant(
        "PUT",
        "/v1/budgets",
        {"budgets": {"daily": {"per_day": cny(7)}, "parcels": {"per_day": cny(1)}}, "version": version},
    )


def _sends_rubbish(at_the_lotus: Town) -> None:
    shop = lotus()
    assert shop.credentials is not None
    now = at_the_lotus.sandbox.clock.now()
    at_the_lotus.deliver(sign_delivery(SHOP_ID, shop.credentials.secrets[0], "rubbish", now, b"{"))
    at_the_lotus.sandbox.run_until_quiet()
    [entry] = at_the_lotus.merchant("GET", "/v1/quarantine")["entries"]
    at_the_lotus.merchant("POST", "/v1/quarantine/replay", {"id": entry["id"], "version": entry["version"]})
    queues = ("Negotiation", "Settlement", "Shipments", "Facts", "Rollup", "Notice", "Tags", "Publication")
    for queue in queues:
        url = at_the_lotus.sandbox.queue_url(f"{queue}Queue")
        at_the_lotus.sandbox.client("sqs").send_message(QueueUrl=url, MessageBody="rubbish")
    at_the_lotus.sandbox.run_until_quiet()
    assert at_the_lotus.waiting() == {}


@pytest.fixture(scope="module")
def statements() -> Mapping[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for function, statement in Stack.of(TEMPLATE.read_text(encoding="utf-8")).statements():
        found.setdefault(function, []).append(statement)
    return found


def test_every_call_of_every_function_is_allowed(
    used: set[Needed], statements: Mapping[str, list[Mapping[str, Any]]]
) -> None:
    assert {needed.function for needed in used} == set(statements) - OF_AWS_ITSELF
    assert [needed for needed in used if not is_allowed(needed, statements[needed.function])] == []


def test_no_role_allows_what_nothing_needs(
    used: set[Needed], statements: Mapping[str, list[Mapping[str, Any]]]
) -> None:
    idle = {
        (function, action)
        for function in set(statements) - OF_AWS_ITSELF
        for statement in statements[function]
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
        if not any(
            (needed.function, needed.action) == (function, action)
            and is_allowed(needed, [{**statement, "Resource": resource}])
            for needed in used
        )
    }
    assert idle == NOT_SHOWN_HERE


@pytest.mark.parametrize(
    "needed",
    [
        Needed("offer_page", "dynamodb:DeleteItem", arn("dynamodb", "table/aftercare-NegotiationTable")),
        Needed("offer_page", "dynamodb:GetItem", arn("dynamodb", "table/aftercare-IntakeTable")),
        Needed("buyer_notice", "secretsmanager:GetSecretValue", arn("secretsmanager", "secret:aftercare/dev/act/s/1")),
        Needed("event_relay", "events:PutEvents", arn("events", "event-bus/aftercare-dev"), "aftercare.marketplaces"),
        Needed("deadline_sweep", "dynamodb:Query", arn("dynamodb", "table/aftercare-NegotiationTable/index/cases")),
    ],
)
def test_what_a_role_does_not_name_is_not_allowed(
    needed: Needed, statements: Mapping[str, list[Mapping[str, Any]]]
) -> None:
    assert not is_allowed(needed, statements[needed.function])
