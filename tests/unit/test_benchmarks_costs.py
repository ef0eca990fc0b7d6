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
from benchmarks.costs import Excess, bill_of, cost_of, excesses, read_prices
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
schedules = 1
state_transitions = 1
[a_month]
alarm = 1
dashboard = 1
secret = 1
metric = 1
[a_gigabyte]
logs = 1
archive = 1
table = 1
recovery = 1
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


def counted(*days: str) -> Heard:
    """The rows of a record, by default those of an order that was just paid, on days to come."""
    rows = json.dumps([[day, "A1", []] for day in days or [f"2026-12-0{number}" for number in range(1, 6)]])
    image = {"rows": {"S": rows}, "zone": {"S": "Asia/Shanghai"}}
    return Heard("score_rows", {"Records": [{"dynamodb": {"NewImage": image}}]}, NOW)


def order_paid(*more: Heard, written: int = 1) -> Played:
    """The shortest case, with ``written`` calls where one is needed."""
    put = [call("PutItem", write_units=2)] * written
    return Played(
        "order paid only",
        (
            delivered(call("SendMessage", service="sqs")),
            translated(call("PutItem", write_units=1), call("PutEvents", service="events")),
            queued("shipment_watch", {"detail-type": "OrderPaid"}, calls=[]),
            queued("fact_ledger", {"detail-type": "OrderPaid"}, calls=[]),
            queued("service_tags", {"detail-type": "OrderPaid"}, calls=[]),
            counted(),
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
    assert Heard("event_relay", {"Records": [{"dynamodb": {"NewImage": {}}}] * 3}, NOW).names == ["outboxes"]


def test_what_records_add_to_days_is_named_by_rows_and_by_days_that_are_over() -> None:
    assert counted("2026-11-05", "2026-11-04", "2026-11-03").names == ["row", "row", "row", "late day", "late day"]


def test_full_batches_share_an_invocation_and_the_requests_that_fetch_them(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(PRICES, encoding="utf-8")
    heard = queued("fact_ledger", {"detail-type": "OrderPaid"}, calls=[call("PutItem", write_units=2)])
    alone, shared = (bill_of(heard, read_prices(file), 1024, batch) for batch in (1, 10))
    assert (alone.tables, alone.queues, alone.functions) == (2, 3 * 1000, 100_000 + 30_000)
    assert (shared.tables, shared.queues, shared.functions) == (2, Decimal("1.2") * 1000, 10_000 + 21_000)
    assert (alone + shared).total == alone.total + shared.total


def test_dollars_add_up_by_the_prices_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(PRICES, encoding="utf-8")
    told = Heard("buyer_notice", {}, NOW, [call("BatchGetItem", read_units=1.5)], [HttpReply(200, b"")])
    played = order_paid(told)
    memory_mb = dict.fromkeys({heard.function for heard in played.heard}, 512)
    cost = cost_of(played, read_prices(file), memory_mb | {"webhook_intake": 1024, "notification_translate": 1024})
    units = 3 * 1 + Decimal("1.5") * 10
    # half a gigabyte: a negotiation with one call, a notice with a call and a reply, and four that call nobody
    small = (Decimal("0.030") + Decimal("0.330") + 4 * Decimal("0.010")) / 2
    seconds = Decimal("0.030") + Decimal("0.050") + small
    assert cost.dollars_a_million == units + 100 + 5 * 3 * 1000 + 10000 + 8 * 100000 + seconds * 1000000
    assert (cost.write_units, cost.read_units, cost.events, cost.messages) == (3, 1.5, 1, 5)


def test_a_price_that_is_missing_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(PRICES.replace("sqs_requests = 1000\n", ""), encoding="utf-8")
    with pytest.raises(ValidationError, match="sqs_requests"):
        read_prices(file)
