"""A function that reaches for what its role does not grant fails here: seen on copies of the template, one right less.

Nothing is read from policies. What should follow does not happen, what the function was given is kept, and the fault
shows where somebody looks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from botocore.exceptions import ClientError
from emulator import gaps
from emulator.deployment import Deployed, deployed, without
from emulator.gaps import Resources
from emulator.machine import Emulator, eventually
from emulator.marketplace import opened
from flows import PARTIAL, Town, lotus

from sandbox.jwt_issuer import JwtIssuer

pytestmark = pytest.mark.emulator

NOT_OF_A_REFUND = ("ShipmentsRule", "FactsRule", "TagsRule")
"""Rules to functions that would only be started."""
Copy = Callable[[str, str, str], tuple[Deployed, Town]]


@pytest.fixture
def copy(running: Emulator, issuer: JwtIssuer, tell: Callable[[str], None]) -> Iterator[Copy]:
    """Deploys the template without the statement that allows a function the action; opens a shop there."""
    with ExitStack() as open_ones:

        def make(stage: str, function: str, action: str) -> tuple[Deployed, Town]:
            def change(resources: Resources) -> None:
                without(*NOT_OF_A_REFUND)(resources)
                [policy] = resources[function]["Properties"]["Policies"]
                [meant] = [each for each in policy["Statement"] if action in actions_of(each)]
                policy["Statement"].remove(meant)

            stack = open_ones.enter_context(deployed(running, stage, issuer, change))
            open_ones.callback(lambda: tell(f"{function} without its right to {action}: denied {told(stack)}"))
            return stack, open_ones.enter_context(opened(stack, lotus()))

        yield make


def told(stack: Deployed) -> str:
    return ", ".join(f"{action} to {function}" for function, action in sorted(stack.denied()))


def actions_of(statement: dict[str, object]) -> list[object]:
    actions = statement["Action"]
    return actions if isinstance(actions, list) else [actions]


def asked_for(stack: Deployed, town: Town, order_id: str) -> None:
    town.pay(order_id)
    eventually(lambda: stack.heard("OrderPaid", order_id), "the order is heard of")
    town.ask(order_id, PARTIAL)


def errors(stack: Deployed, message: str) -> list[dict[str, Any]]:
    """The lines that were logged as errors under that message."""
    return [line for line in stack.log_lines() if line.get("level") == "ERROR" and line["message"] == message]


@pytest.mark.parametrize(
    ("service", "operation", "request_"),
    [
        ("dynamodb", "get_item", {"TableName": "NegotiationTable", "Key": {"pk": {"S": "1"}, "sk": {"S": "1"}}}),
        ("events", "put_events", {"Entries": [{"Source": "s", "DetailType": "d", "Detail": "{}"}]}),
        ("s3", "put_object", {"Bucket": "PublicFiles", "Key": "shops/file", "Body": b"something"}),
        ("secretsmanager", "get_secret_value", {"SecretId": "LinksSecret"}),
        ("sqs", "send_message", {"QueueUrl": "SettlementQueue", "MessageBody": "something"}),
    ],
    ids=["dynamodb", "events", "s3", "secretsmanager", "sqs"],
)
def test_the_emulator_asks_for_every_kind_of_right_that_functions_have(
    whole: Deployed, running: Emulator, service: str, operation: str, request_: dict[str, Any]
) -> None:
    asked = {name: whole.resources.get(str(value), value) for name, value in request_.items()}
    nobody = gaps.role(running)
    with closing(gaps.as_role(running, nobody, service)) as client, pytest.raises(ClientError) as refused:
        getattr(client, operation)(**asked)
    assert refused.value.response["Error"]["Code"].startswith("AccessDenied")


def test_settlement_without_the_secret_that_spends_pays_nothing(copy: Copy) -> None:
    stack, town = copy("unpaid", "RefundSettlementFunction", "secretsmanager:GetSecretValue")
    asked_for(stack, town, "E1")
    eventually(lambda: town.offers("E1"), "the offer")
    assert town.choose(town.link("E1"), "r1o1").status == 303
    eventually(stack.denied, "settlement asks for its secret")
    [said] = eventually(lambda: errors(stack, "payout does not move by itself"), "the fault is logged")
    assert (said["state"], said["reason"]) == ("held", "SecretForbidden")
    assert stack.denied() == {("refund_settlement", "secretsmanager:GetSecretValue")}
    assert town.books.payments == []
    assert stack.heard("SettlementRecorded") == []


def test_negotiation_without_its_table_opens_no_case(copy: Copy) -> None:
    stack, town = copy("unheard", "RefundNegotiationFunction", "dynamodb:BatchGetItem")
    asked_for(stack, town, "E2")
    eventually(lambda: len(errors(stack, "record failed")) == 2, "the faults are logged")
    assert stack.denied() == {("refund_negotiation", f"dynamodb:{action}") for action in ("BatchGetItem", "PutItem")}
    assert stack.waiting("NegotiationQueue") == 2
    assert stack.heard("NegotiationOpened") == []
    assert town.offers("E2") == []


def test_a_relay_that_may_not_publish_keeps_what_tables_say_until_it_may(copy: Copy) -> None:
    stack, town = copy("unsaid", "EventRelayFunction", "events:PutEvents")
    asked_for(stack, town, "E3")
    eventually(stack.denied, "the relay reaches for the bus")
    eventually(lambda: "FAILED" in mappings_of(stack, "event_relay"), "the mapping tells the fault")
    assert stack.denied() == {("event_relay", "events:PutEvents")}
    assert len(town.order("E3").cases) == 1
    assert {one.detail_type for one in stack.published} == {"OrderPaid", "RefundRequested"}

    grant(stack, "event_relay", "events:PutEvents")
    eventually(lambda: town.offers("E3"), "what was kept is said, and the buyer gets the offer")
    assert len(stack.heard("NegotiationOpened")) == 1


def mappings_of(stack: Deployed, function: str) -> list[str]:
    """What came of the last batches that the function was given."""
    mappings = stack.client("lambda").list_event_source_mappings(FunctionName=stack.functions[function])
    return [mapping["LastProcessingResult"] for mapping in mappings["EventSourceMappings"]]


def grant(stack: Deployed, function: str, action: str) -> None:
    role = stack.configuration(function)["Role"].rsplit("/", 1)[1]
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    stack.client("iam").put_role_policy(RoleName=role, PolicyName="given-back", PolicyDocument=document)
