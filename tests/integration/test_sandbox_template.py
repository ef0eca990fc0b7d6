"""The offline cloud's reading of a SAM template."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fixtures.sandbox.small_system import TEMPLATE, altered

from sandbox.intrinsics import Resolver, TemplateError
from sandbox.resources import Authorizer, Template
from sandbox.template import read_template

DOCUMENT: dict[str, Any] = {
    "Parameters": {"Stage": {"Default": "dev"}, "Count": {"Type": "Number", "Default": 4}},
    "Conditions": {
        "IsProduction": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]},
        "IsDevelopment": {"Fn::Not": [{"Condition": "IsProduction"}]},
        "Both": {"Fn::And": [{"Condition": "IsProduction"}, {"Condition": "IsDevelopment"}]},
        "Either": {"Fn::Or": [{"Condition": "IsProduction"}, {"Condition": "IsDevelopment"}]},
    },
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Table": {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": {"Fn::Sub": "t-${Stage}"}}},
        "Gone": {"Type": "AWS::SQS::Queue", "Condition": "IsProduction"},
    },
}
RESOLVER = Resolver(DOCUMENT, {})


@pytest.fixture(scope="module")
def template() -> Template:
    return read_template(TEMPLATE)


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ({"Ref": "Stage"}, "dev"),
        ({"Ref": "Count"}, "4"),
        ({"Ref": "AWS::Region"}, "eu-central-1"),
        ({"Ref": "Queue"}, "https://sqs.eu-central-1.amazonaws.com/123456789012/aftercare-Queue"),
        ({"Ref": "Table"}, "t-dev"),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, "arn:aws:sqs:eu-central-1:123456789012:aftercare-Queue"),
        ({"Fn::GetAtt": "Table.Arn"}, "arn:aws:dynamodb:eu-central-1:123456789012:table/t-dev"),
        ({"Fn::Sub": "${Queue.QueueName}/${!Literal}/${AWS::Partition}"}, "aftercare-Queue/${Literal}/aws"),
        ({"Fn::Sub": ["${Name}-${Stage}", {"Name": {"Ref": "Count"}}]}, "4-dev"),
        ({"Fn::Join": ["/", ["a", {"Ref": "Stage"}, 1, True]]}, "a/dev/1/true"),
        ({"Fn::If": ["IsProduction", "yes", {"Ref": "Stage"}]}, "dev"),
        ({"Fn::If": ["Either", "yes", "no"]}, "yes"),
        ({"Fn::If": ["Both", "yes", "no"]}, "no"),
        ({"kept": 1, "dropped": {"Ref": "AWS::NoValue"}}, {"kept": 1}),
        ([1, {"Fn::If": ["IsProduction", 2, {"Ref": "AWS::NoValue"}]}, 3], [1, 3]),
    ],
)
def test_intrinsic_functions_resolve(value: Any, resolved: Any) -> None:
    assert RESOLVER.resolve(value) == resolved


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"Fn::Select": [0, ["a"]]}, "Fn::Select"),
        ({"Ref": "Nobody"}, "Nobody"),
        ({"Ref": "Gone"}, "its condition is false"),
        ({"Fn::GetAtt": ["Queue", "Colour"]}, "Colour"),
        ({"Fn::GetAtt": ["Table", "StreamArn"]}, "StreamSpecification"),
        ({"Fn::If": ["Unheard", 1, 2]}, "Unheard"),
    ],
)
def test_what_cannot_be_resolved_is_named(value: Any, named: str) -> None:
    with pytest.raises(TemplateError, match=named):
        RESOLVER.resolve(value)


def test_an_unknown_condition_function_is_refused() -> None:
    with pytest.raises(TemplateError, match="Fn::EachMemberIn"):
        RESOLVER.holds({"Fn::EachMemberIn": [["a"], "a"]})


def test_a_parameter_overrides_its_default() -> None:
    assert Resolver(DOCUMENT, {"Stage": "prod"}).resolve({"Fn::If": ["IsProduction", "yes", "no"]}) == "yes"


@pytest.mark.parametrize(
    ("parameter", "override"),
    [
        ({"Default": "a", "AllowedValues": ["a", "b"]}, "c"),
        ({"Default": "a", "AllowedPattern": "[a-z]+"}, "A1"),
    ],
)
def test_a_parameter_keeps_within_what_the_template_allows(parameter: dict[str, Any], override: str) -> None:
    with pytest.raises(TemplateError, match="Size"):
        Resolver({"Parameters": {"Size": parameter}, "Resources": {}}, {"Size": override})


def test_a_parameter_that_the_template_lacks_is_refused() -> None:
    with pytest.raises(TemplateError, match="Colour"):
        Resolver(DOCUMENT, {"Colour": "red"})


def test_a_parameter_without_any_value_is_refused() -> None:
    with pytest.raises(TemplateError, match="Size"):
        Resolver({"Parameters": {"Size": {}}, "Resources": {}}, {})


def test_functions_have_their_folder_and_their_resolved_environment(template: Template) -> None:
    door = template.functions["door"]
    assert (door.folder, door.handler, door.timeout) == (
        TEMPLATE.parent / "functions/door",
        "app.handler",
        timedelta(seconds=10),
    )
    assert door.environment == {
        "BUS_NAME": "parcels-test",
        "BASE_URL": "https://sandboxapi.execute-api.eu-central-1.amazonaws.com",
    }


def test_an_address_given_as_a_parameter_reaches_the_environment() -> None:
    there = read_template(TEMPLATE, {"PublicBaseUrl": "http://127.0.0.1:8000"})
    assert there.functions["door"].environment["BASE_URL"] == "http://127.0.0.1:8000"


def test_mappings_say_what_feeds_which_function(template: Template) -> None:
    (queue_mapping,) = template.queue_mappings
    assert (queue_mapping.queue.logical_id, queue_mapping.function) == ("Facts", "ledger")
    assert (queue_mapping.batch_size, queue_mapping.partial_failures) == (5, True)
    (stream_mapping,) = template.stream_mappings
    assert (stream_mapping.table.logical_id, stream_mapping.function) == ("Parcels", "relay")
    assert (stream_mapping.bisect, stream_mapping.maximum_age) == (True, timedelta(hours=1))
    assert stream_mapping.on_failure_arn == template.queues["RelayDeadLetters"].arn


def test_routes_carry_their_authorizer_and_scopes(template: Template) -> None:
    routes = {f"{route.method} {route.path}": route for route in template.routes}
    assert routes["POST /parcels/{shop}"].authorizer is None
    assert routes["ANY /parcels/{shop}/echo"].function == "door"
    read = routes["GET /v1/{proxy+}"]
    assert read.authorizer == Authorizer("https://issuer.example", ("parcels",), "authorization")
    assert read.scopes == ("parcels/read", "parcels/write")


def test_the_function_that_may_query_a_due_index_is_known_as_its_sweep(template: Template) -> None:
    assert template.functions["sweep"].due_tables == {template.tables["Parcels"].name}
    assert not template.functions["ledger"].due_tables


def test_a_resource_whose_condition_is_false_is_not_there(template: Template) -> None:
    assert "OnlyInProduction" not in template.queues
    assert "OnlyInProduction" in read_template(TEMPLATE, {"Stage": "prod"}).queues


def test_a_generated_secret_follows_from_the_seed(template: Template) -> None:
    keys = template.secrets["Keys"]
    value = json.loads(keys.value(1))
    assert keys.name == "parcels/test/keys"
    assert value["key_id"] == "1"
    assert len(value["key"]) == 40
    assert value["key"].isalnum()
    assert keys.value(1) == keys.value(1) != keys.value(2)


@pytest.mark.parametrize(
    ("resource", "complaint"),
    [
        ({"Type": "AWS::Kinesis::Stream"}, "AWS::Kinesis::Stream"),
        ({"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": True}}, "FIFO"),
        (
            {
                "Type": "AWS::Events::Rule",
                "Properties": {"EventPattern": {"source": ["a"]}, "Targets": [{"Id": "1", "Arn": "arn:aws:sns:::a"}]},
            },
            "arn:aws:sns:::a",
        ),
        (
            {
                "Type": "AWS::Scheduler::Schedule",
                "Properties": {
                    "ScheduleExpression": "cron(0 1 * * ? *)",
                    "Target": {"Arn": {"Fn::GetAtt": ["SweepFunction", "Arn"]}},
                },
            },
            "cron",
        ),
    ],
)
def test_what_cannot_be_played_is_refused_rather_than_left_out(
    tmp_path: Path, resource: dict[str, Any], complaint: str
) -> None:
    path = altered(tmp_path, lambda resources: resources.update(Strange=resource))
    with pytest.raises(TemplateError, match=complaint):
        read_template(path)


def test_the_project_s_own_template_can_be_played() -> None:
    template = read_template()
    assert template.routes
    assert template.queue_mappings
    assert template.stream_mappings
    assert template.schedules
