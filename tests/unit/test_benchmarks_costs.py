"""What a case cost, and where it made more calls than the written minimum."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from aftercare.kernel.ports import HttpReply
from benchmarks.cases import NotAsPlayed, Played
from benchmarks.costs import Excess, cost_of, excesses, read_prices
from benchmarks.recording import Exchange, Heard
from sandbox.cloud import Published

NOW = datetime(2026, 11, 5, 8, 0, tzinfo=UTC)
PRICES = """
as_of = 2026-01-01
region = "nowhere"
[per_million]
dynamodb_write_units = 1
dynamodb_read_units = 10
bus_events = 100
sqs_requests = 1000
http_api_requests = 10000
lambda_requests = 100000
lambda_gb_seconds = 1000000
[assumed_milliseconds]
invocation = 10
aws_call = 20
marketplace_call = 300
"""


def call(operation: str, write_units: int = 0, read_units: float = 0, service: str = "dynamodb") -> Exchange:
    return Exchange(service, operation, {}, 200, {}, b"{}", write_units, read_units)


def delivered(*calls: Exchange) -> Heard:
    event = {"requestContext": {"http": {"method": "POST"}}, "pathParameters": {"door": "standard"}}
    return Heard("webhook_intake", event, NOW, list(calls))


def queued(function: str, *bodies: dict[str, Any], calls: list[Exchange]) -> Heard:
    return Heard(function, {"Records": [{"body": json.dumps(body)} for body in bodies]}, NOW, calls)


def translated(*calls: Exchange) -> Heard:
    message = {"door": "standard", "body": json.dumps({"type": "order.paid"})}
    return queued("notification_translate", message, calls=list(calls))


def order_paid(*more: Heard, written: int = 1) -> Played:
    """The shortest case, with ``written`` calls where one is needed."""
    put = [call("PutItem", write_units=2)] * written
    return Played(
        "order paid only",
        (
            delivered(call("SendMessage", service="sqs")),
            translated(call("PutItem", write_units=1), call("PutEvents", service="events")),
            queued("refund_negotiation", {"detail-type": "OrderPaid"}, calls=put),
            *more,
        ),
        (Published("aftercare.marketplaces", "OrderPaid", {}, NOW, "notification_translate"),),
    )


def test_a_case_at_its_minimum_has_no_excess() -> None:
    assert excesses(order_paid()) == ()


def test_one_call_more_than_a_step_needs_is_found_with_all_that_was_called() -> None:
    assert excesses(order_paid(written=2)) == (Excess("refund_negotiation", "OrderPaid", 1, "2 PutItem"),)


def test_a_function_that_the_case_does_not_need_may_call_nothing() -> None:
    needless = queued("buyer_notice", {"detail-type": "NegotiationClosed"}, calls=[call("BatchGetItem")])
    assert excesses(order_paid(needless)) == (Excess("buyer_notice", "NegotiationClosed", 1, "BatchGetItem"),)


def test_a_step_that_happens_twice_is_needed_once() -> None:
    again = queued("refund_negotiation", {"detail-type": "OrderPaid"}, calls=[call("PutItem")])
    assert [excess.calls for excess in excesses(order_paid(again))] == [1]


def test_a_case_in_which_a_needed_step_never_happened_says_nothing_about_costs() -> None:
    played = order_paid()
    with pytest.raises(NotAsPlayed, match="refund_negotiation never heard OrderPaid"):
        excesses(Played(played.name, played.heard[:-1], played.published))


def test_secrets_and_the_minutely_look_at_the_due_index_are_nobodys_calls() -> None:
    swept = Heard("deadline_sweep", {}, NOW, [call("Query", read_units=0.5)] * 4)
    warm = order_paid(swept)
    warm.heard[0].exchanges.append(call("GetSecretValue", service="secretsmanager"))
    cost = cost_of(warm, read_prices(), dict.fromkeys({heard.function for heard in warm.heard}, 512))
    assert (cost.excesses, cost.all_calls, cost.read_units) == ((), 4, 0)


def test_a_batch_is_named_by_all_its_messages_and_the_relays_by_none() -> None:
    both = queued("refund_negotiation", {"detail-type": "RefundDecided"}, {"due": {}}, calls=[])
    assert both.names == ["RefundDecided", "timer"]
    assert Heard("event_relay", {"Records": [{"dynamodb": {}}] * 3}, NOW).names == ["outboxes"]


def test_dollars_add_up_by_the_prices_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(PRICES, encoding="utf-8")
    told = Heard("buyer_notice", {}, NOW, [call("BatchGetItem", read_units=1.5)], [HttpReply(200, b"")])
    memory_mb = {"webhook_intake": 1024, "notification_translate": 1024, "refund_negotiation": 512, "buyer_notice": 512}
    cost = cost_of(order_paid(told), read_prices(file), memory_mb)
    units = 3 * 1 + Decimal("1.5") * 10
    seconds = Decimal("0.030") + Decimal("0.050") + Decimal("0.030") / 2 + Decimal("0.330") / 2
    assert cost.dollars_a_million == units + 100 + 6 * 1000 + 10000 + 4 * 100000 + seconds * 1000000
    assert (cost.write_units, cost.read_units, cost.events, cost.messages) == (3, 1.5, 1, 2)


def test_a_price_that_is_missing_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(PRICES.replace("sqs_requests = 1000\n", ""), encoding="utf-8")
    with pytest.raises(ValidationError, match="sqs_requests"):
        read_prices(file)
