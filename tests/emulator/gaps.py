"""Where the emulator is other than AWS: what is done about it, and how to see that it still is so.

A gap whose ``stands`` is no longer true has been mended by a newer emulator: take its way around out, and then its row.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any, NamedTuple

from botocore.exceptions import ClientError
from emulator.machine import Emulator, eventually

from sandbox.intrinsics import ACCOUNT, PARTITION, REGION, Resolver
from sandbox.resources import Authorizer, Template

ARCHIVE, ALARM = "AWS::Events::Archive", "AWS::CloudWatch::Alarm"
Resources = dict[str, Any]
"""A template's, by their logical ids."""


class Gap(NamedTuple):
    """``emulator`` is what it does where AWS does otherwise.

    ``instead`` is the way around, or where AWS's way is tested. ``stands`` tries it; None where nothing can be tried.
    """

    emulator: str
    instead: str
    stands: Callable[[Emulator], bool] | None


# ---------------------------------------------------------------- the ways around


def mend(resources: Resources) -> None:
    """Changes a SAM template so that the emulator deploys what AWS would make of it."""
    for name in [name for name, each in resources.items() if each["Type"] == ARCHIVE or is_metric_math(each)]:
        del resources[name]
    secrets = {name for name, each in resources.items() if each["Type"] == "AWS::SecretsManager::Secret"}
    for name, resource in resources.items():
        resources[name] = _with_arns_of(secrets, resource)
    for resource in resources.values():
        resource["Properties"].pop("DeploymentPreference", None)
    for statement in _statements(resources):
        if "events:source" in statement.get("Condition", {}).get("StringEquals", {}):
            del statement["Condition"]


def is_metric_math(resource: Mapping[str, Any]) -> bool:
    return resource["Type"] == ALARM and "Metrics" in resource["Properties"]


def _statements(resources: Resources) -> Iterator[dict[str, Any]]:
    for resource in resources.values():
        if resource["Type"] == "AWS::Serverless::Function":
            for policy in resource["Properties"]["Policies"]:
                yield from policy["Statement"]


def _with_arns_of(secrets: set[str], value: Any) -> Any:
    match value:
        case {"Ref": str(name)} if name in secrets:
            return {"Fn::GetAtt": [name, "Id"]}
        case dict():
            return {key: _with_arns_of(secrets, each) for key, each in value.items()}
        case list():
            return [_with_arns_of(secrets, each) for each in value]
    return value


def add_archives(emulator: Emulator, resolver: Resolver) -> None:
    """Makes the archives that the template has."""
    for name, resource in resolver.resources.items():
        if resource["Type"] == ARCHIVE:
            properties = resolver.properties(name)
            emulator.client("events").create_archive(
                ArchiveName=f"{resolver.parameters['Stage']}-{name}",
                EventSourceArn=properties["SourceArn"],
                RetentionDays=int(properties["RetentionDays"]),
            )


def add_routes(emulator: Emulator, api_id: str, template: Template, arns: Mapping[str, str]) -> None:
    """Makes the API's routes as the template has them; ``arns`` are the functions' by their folders."""
    api = emulator.client("apigatewayv2")
    authorizers: dict[Authorizer, str] = {}
    for route in template.routes:
        integration = api.create_integration(
            ApiId=api_id,
            IntegrationType="AWS_PROXY",
            IntegrationUri=arns[route.function],
            PayloadFormatVersion="2.0",
        )
        secured: dict[str, Any] = {}
        if route.authorizer is not None:
            if route.authorizer not in authorizers:
                authorizers[route.authorizer] = _authorizer(api, api_id, route.authorizer)
            secured = {
                "AuthorizationType": "JWT",
                "AuthorizerId": authorizers[route.authorizer],
                "AuthorizationScopes": list(route.scopes),
            }
        target = f"integrations/{integration['IntegrationId']}"
        api.create_route(ApiId=api_id, RouteKey=f"{route.method} {route.path}", Target=target, **secured)


def _authorizer(api: Any, api_id: str, authorizer: Authorizer) -> str:
    made = api.create_authorizer(
        ApiId=api_id,
        Name=f"merchant-{authorizer.header}",
        AuthorizerType="JWT",
        IdentitySource=[f"$request.header.{authorizer.header}"],
        JwtConfiguration={"Issuer": authorizer.issuer, "Audience": list(authorizer.audience)},
    )
    return str(made["AuthorizerId"])


# ---------------------------------------------------------------- how to see that a gap still stands

NUMBERS = count(1)
POLICY = {"Version": "2012-10-17"}
HANDLER = """
def handler(event, context):
    records = event.get("Records", [])
    for record in records:
        print("GOT", record.get("body") or record["dynamodb"]["Keys"]["id"]["S"])
    failed = [record["dynamodb"]["SequenceNumber"] for record in records if "dynamodb" in record]
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed[:1]]}
"""
"""Of a queue's records it takes all, of a stream's it says that the first one failed."""


def _name(what: str) -> str:
    return f"gap-{what}-{next(NUMBERS)}"


def _stack(emulator: Emulator, **resources: Any) -> dict[str, str]:
    """Deploys the resources; answers their physical ids."""
    cloudformation, name = emulator.client("cloudformation"), _name("stack")

    def ended() -> str | None:
        status: str = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        return None if status.endswith("IN_PROGRESS") else status

    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))
    status = eventually(ended, name)
    listed = cloudformation.list_stack_resources(StackName=name)["StackResourceSummaries"]
    return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in listed} | {"": status}


def role(emulator: Emulator, *statements: Mapping[str, Any]) -> str:
    """Answers its ARN; everybody may take it on."""
    iam, name = emulator.client("iam"), _name("role")
    trusted = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({**POLICY, "Statement": [trusted]})
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    if statements:
        document = json.dumps({**POLICY, "Statement": statements})
        iam.put_role_policy(RoleName=name, PolicyName="policy", PolicyDocument=document)
    return arn


def as_role(emulator: Emulator, arn: str, service: str) -> Any:
    """A client with the role's rights alone."""
    session = emulator.client("sts").assume_role(RoleArn=arn, RoleSessionName="tried")["Credentials"]
    return emulator.client_of(
        service,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )


def _function(emulator: Emulator) -> tuple[str, str]:
    """Name and ARN of a function whose role allows nothing."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as archived:
        archived.writestr("app.py", HANDLER)
    made = emulator.client("lambda").create_function(
        FunctionName=_name("function"),
        Runtime="python3.13",
        Handler="app.handler",
        Role=role(emulator),
        Code={"ZipFile": archive.getvalue()},
    )
    return made["FunctionName"], made["FunctionArn"]


def _got(emulator: Emulator, function: str) -> list[str]:
    """What the function was given, in its order."""
    group = f"/aws/lambda/{function}"
    if not emulator.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        return []
    lines = emulator.client("logs").filter_log_events(logGroupName=group)["events"]
    return [line["message"].split()[1] for line in lines if line["message"].startswith("GOT ")]


def _queue(emulator: Emulator) -> tuple[str, str]:
    sqs = emulator.client("sqs")
    url: str = sqs.create_queue(QueueName=_name("queue"))["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def _is_received(emulator: Emulator, url: str) -> bool:
    return "Messages" in emulator.client("sqs").receive_message(QueueUrl=url)


def _send_by_bus(emulator: Emulator, target: Mapping[str, Any]) -> None:
    """The bus hands an event to the target before it answers."""
    events, source = emulator.client("events"), _name("source")
    events.put_rule(Name=source, EventPattern=json.dumps({"source": [source]}))
    events.put_targets(Rule=source, Targets=[{"Id": "target", **target}])
    events.put_events(Entries=[{"Source": source, "DetailType": "Tried", "Detail": "{}"}])


def an_openapi_body_makes_no_route(emulator: Emulator) -> bool:
    body = {"openapi": "3.0.1", "info": {"title": "t", "version": "1"}, "paths": {"/there": {"get": {}}}}
    made = _stack(emulator, Api={"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Body": body}})
    return not emulator.client("apigatewayv2").get_routes(ApiId=made["Api"])["Items"]


def an_archive_is_no_resource(emulator: Emulator) -> bool:
    bus = f"arn:{PARTITION}:events:{REGION}:{ACCOUNT}:event-bus/default"
    try:
        _stack(emulator, Archive={"Type": ARCHIVE, "Properties": {"SourceArn": bus}})
    except ClientError as error:
        return "Unrecognized resource types" in str(error)
    return False


def a_gradual_deployment_is_no_resource(emulator: Emulator) -> bool:
    try:
        _stack(emulator, Gradual={"Type": "AWS::CodeDeploy::Application", "Properties": {"ComputePlatform": "Lambda"}})
    except ClientError as error:
        return "Unrecognized resource types" in str(error)
    return False


def an_alarm_cannot_calculate(emulator: Emulator) -> bool:
    properties = {
        "ComparisonOperator": "GreaterThanThreshold",
        "EvaluationPeriods": 1,
        "Threshold": 0,
        "Metrics": [{"Id": "one", "Expression": "1", "ReturnData": True}],
    }
    return _stack(emulator, Alarm={"Type": ALARM, "Properties": properties})[""] == "ROLLBACK_COMPLETE"


def a_secrets_ref_is_its_name(emulator: Emulator) -> bool:
    made = _stack(emulator, Secret={"Type": "AWS::SecretsManager::Secret", "Properties": {"SecretString": "{}"}})
    return not made["Secret"].startswith("arn:")


def an_events_source_is_not_known(emulator: Emulator) -> bool:
    condition = {"StringEquals": {"events:source": "allowed"}}
    limited = role(emulator, {"Effect": "Allow", "Action": "events:PutEvents", "Resource": "*", "Condition": condition})
    events = as_role(emulator, limited, "events")
    try:
        events.put_events(Entries=[{"Source": "allowed", "DetailType": "Tried", "Detail": "{}"}])
    except ClientError as error:
        return error.response["Error"]["Code"] == "AccessDeniedException"
    finally:
        events.close()
    return False


def a_failed_record_of_a_stream_is_passed_over(emulator: Emulator) -> bool:
    dynamodb, (function, _) = emulator.client("dynamodb"), _function(emulator)
    table = dynamodb.create_table(
        TableName=_name("table"),
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )["TableDescription"]
    emulator.client("lambda").create_event_source_mapping(
        EventSourceArn=table["LatestStreamArn"],
        FunctionName=function,
        StartingPosition="TRIM_HORIZON",
        BatchSize=1,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    for item in ("first", "second"):
        dynamodb.put_item(TableName=table["TableName"], Item={"id": {"S": item}})
    eventually(lambda: len(_got(emulator, function)) > 1, "the stream goes on")
    return _got(emulator, function)[:2] == ["first", "second"]


def a_rules_dead_letters_are_dropped(emulator: Emulator) -> bool:
    url, arn = _queue(emulator)
    _send_by_bus(emulator, {"Arn": f"{arn}-that-is-not-there", "DeadLetterConfig": {"Arn": arn}})
    return not _is_received(emulator, url)


def the_bus_may_send_to_every_queue(emulator: Emulator) -> bool:
    url, arn = _queue(emulator)
    _send_by_bus(emulator, {"Arn": arn})
    return _is_received(emulator, url)


def a_function_without_any_right_is_given_its_queue(emulator: Emulator) -> bool:
    (url, arn), (function, _) = _queue(emulator), _function(emulator)
    emulator.client("lambda").create_event_source_mapping(EventSourceArn=arn, FunctionName=function)
    emulator.client("sqs").send_message(QueueUrl=url, MessageBody="something")
    return bool(eventually(lambda: _got(emulator, function), "the function hears its queue"))


def every_api_may_call_every_function(emulator: Emulator) -> bool:
    api, (_, arn) = emulator.client("apigatewayv2"), _function(emulator)
    api_id = api.create_api(Name=_name("api"), ProtocolType="HTTP")["ApiId"]
    integration = api.create_integration(
        ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0"
    )
    target = f"integrations/{integration['IntegrationId']}"
    api.create_route(ApiId=api_id, RouteKey="GET /there", Target=target)
    api.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    return emulator.request(f"{api_id}.execute-api.localhost", "GET", "/there").status == 200


def a_log_line_counts_nothing(emulator: Emulator) -> bool:
    logs, group = emulator.client("logs"), _name("group")
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="stream")
    now = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["creationTime"]
    metric = {"Namespace": group, "Dimensions": [[]], "Metrics": [{"Name": "Counted", "Unit": "Count"}]}
    line = json.dumps({"_aws": {"Timestamp": now, "CloudWatchMetrics": [metric]}, "Counted": 1})
    logs.put_log_events(logGroupName=group, logStreamName="stream", logEvents=[{"timestamp": now, "message": line}])
    return not emulator.client("cloudwatch").list_metrics(Namespace=group)["Metrics"]


def two_schedules_may_have_one_name(emulator: Emulator) -> bool:
    properties = {
        "Name": _name("schedule"),
        "ScheduleExpression": "rate(1 hour)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": _queue(emulator)[1], "RoleArn": role(emulator)},
    }
    made = [
        _stack(emulator, Schedule={"Type": "AWS::Scheduler::Schedule", "Properties": properties})[""] for _ in range(2)
    ]
    return made == ["CREATE_COMPLETE", "CREATE_COMPLETE"]


def sam_knows_the_parameters_defaults_alone(emulator: Emulator) -> bool:
    layers = emulator.client("lambda").list_layers()["Layers"]
    return {layer["LayerName"] for layer in layers} == {"aftercare-dev", "aftercare-dependencies-dev"}


# ---------------------------------------------------------------- the table

GAPS: Mapping[str, Gap] = {
    "routes": Gap(
        "An HTTP API gets neither routes nor authorizers from the OpenAPI body that SAM makes.",
        "They are made through the API, out of the same body.",
        an_openapi_body_makes_no_route,
    ),
    "archives": Gap(
        "CloudFormation does not know archives of a bus.",
        "They are taken out of the packaged template and made through the API, out of the same properties.",
        an_archive_is_no_resource,
    ),
    "gradual": Gap(
        "CloudFormation does not know CodeDeploy.",
        "Packaged, a function with an alias goes over to a new version at once. tests/template looks after it.",
        a_gradual_deployment_is_no_resource,
    ),
    "metric-math": Gap(
        "A stack with an alarm that calculates with metrics fails.",
        "Such alarms are taken out of the packaged template.",
        an_alarm_cannot_calculate,
    ),
    "secret-ref": Gap(
        "A Ref to a secret is its name; on AWS it is the ARN, which roles name as their resource.",
        "Packaged, each Ref becomes the attribute Id, which is the ARN in both.",
        a_secrets_ref_is_its_name,
    ),
    "events-source": Gap(
        "The condition key events:source has no value, so that whoever is limited by it may send nothing.",
        "Packaged, the condition is left out. tests/template/test_roles.py tests who may say what.",
        an_events_source_is_not_known,
    ),
    "stream-failures": Gap(
        "What a function answers about a stream's records is not read: one that failed is passed over.",
        "tests/integration plays AWS's rules and tests the answers. A call that fails as a whole is repeated here.",
        a_failed_record_of_a_stream_is_passed_over,
    ),
    "dead-letters": Gap(
        "What the bus cannot deliver is dropped, whatever dead-letter queue the rule's target has.",
        "tests/template/test_template.py tests that every target has one.",
        a_rules_dead_letters_are_dropped,
    ),
    "queue-policies": Gap(
        "The bus delivers to every queue, whatever the queue's policy says.",
        "tests/template/test_template.py tests that every rule may send to its queue.",
        the_bus_may_send_to_every_queue,
    ),
    "reading-rights": Gap(
        "A function is given what its queue or stream holds, whether its role may read it or not.",
        "Those rights are SAM's own, and not written in the template.",
        a_function_without_any_right_is_given_its_queue,
    ),
    "invoke-rights": Gap(
        "An API calls every function, whether that function lets it or not.",
        "Those rights are SAM's own, and not written in the template.",
        every_api_may_call_every_function,
    ),
    "metrics": Gap(
        "Nothing that functions log becomes a metric, and so no alarm can go off.",
        "Not tested here: tests/unit reads the metrics from the log.",
        a_log_line_counts_nothing,
    ),
    "schedule-names": Gap(
        "A second schedule of the same name is dropped in silence; on AWS its stack fails.",
        "The timers' test finds a stack's schedule under the name that bears its stage.",
        two_schedules_may_have_one_name,
    ),
    "parameters": Gap(
        "SAM is told the defaults of a template's parameters alone: every stack's layers have the names of one stage.",
        "Nothing: they are versions of one layer, and each function has its own.",
        sam_knows_the_parameters_defaults_alone,
    ),
    "runtime": Gap(
        "Functions run on the emulator's own Python, whatever runtime and architecture they ask for.",
        "Both layers are made for that Python. tests/artifact starts what is built for Lambda.",
        None,
    ),
}
