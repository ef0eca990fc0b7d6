"""CloudFormation's intrinsic functions and conditions, resolved to plain values without a cloud.

Ids and ARNs of resources are those that the offline cloud gives, which are stable from run to run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

REGION = "eu-central-1"
ACCOUNT = "123456789012"
PARTITION = "aws"
URL_SUFFIX = "amazonaws.com"
STACK = "aftercare"
API_ID = "sandboxapi"
STREAM_LABEL = "2000-01-01T00:00:00.000"

PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": PARTITION,
    "AWS::Region": REGION,
    "AWS::StackName": STACK,
    "AWS::StackId": f"arn:{PARTITION}:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/0",
    "AWS::URLSuffix": URL_SUFFIX,
}
NO_VALUE = "AWS::NoValue"
NAME_PROPERTIES = {
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Events::EventBus": "Name",
    "AWS::Events::Rule": "Name",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::SecretsManager::Secret": "Name",
}

Resource = Mapping[str, Any]
_NOTHING = object()


class TemplateError(Exception):
    """The template says something that the offline cloud does not play, or that CloudFormation would refuse."""


class Resolver:
    """Resolves values of one translated template under given parameters."""

    def __init__(self, document: Mapping[str, Any], overrides: Mapping[str, str], region: str = REGION) -> None:
        """``region`` is what the template's conditions and rules see; names and ARNs are those of the offline cloud."""
        self._region = region
        self.parameters = _parameters(document.get("Parameters", {}), overrides)
        self._conditions: Mapping[str, Any] = document.get("Conditions", {})
        self._rules: Mapping[str, Any] = document.get("Rules", {})
        self._declared: Mapping[str, Resource] = document["Resources"]
        self.resources: dict[str, Resource] = {
            logical_id: resource
            for logical_id, resource in self._declared.items()
            if "Condition" not in resource or self.holds({"Condition": resource["Condition"]})
        }

    def properties(self, logical_id: str) -> dict[str, Any]:
        """A resource's properties with everything in them resolved."""
        resolved = self.resolve(self.resources[logical_id].get("Properties", {}))
        return dict(resolved)

    def resolve(self, value: Any) -> Any:
        """The plain value; raises ``TemplateError`` for an intrinsic function or a name that is not known."""
        resolved = self._resolve(value)
        return None if resolved is _NOTHING else resolved

    def holds(self, condition: Any) -> bool:
        """Whether a condition (``Fn::Equals``, ``Fn::Not``, ``Fn::And``, ``Fn::Or``, ``Condition``) is true."""
        match condition:
            case {"Condition": str(name)}:
                if name not in self._conditions:
                    raise TemplateError(f"the condition {name} is not declared")
                return self.holds(self._conditions[name])
            case {"Fn::Equals": [left, right]}:
                return _text(self.resolve(left)) == _text(self.resolve(right))
            case {"Fn::Not": [inner]}:
                return not self.holds(inner)
            case {"Fn::And": list(parts)}:
                return all(self.holds(part) for part in parts)
            case {"Fn::Or": list(parts)}:
                return any(self.holds(part) for part in parts)
            case {"Fn::Contains": [list(values), value]}:
                return _text(self.resolve(value)) in map(_text, self.resolve(values))
            case _:
                raise TemplateError(f"not a condition that the offline cloud understands: {condition!r}")

    def refused(self) -> list[str]:
        """What the template's rules have against the parameters: the descriptions of the assertions that fail."""
        rules = [rule for rule in self._rules.values() if self.holds(rule.get("RuleCondition", {"Fn::And": []}))]
        return [
            str(assertion["AssertDescription"])
            for rule in rules
            for assertion in rule["Assertions"]
            if not self.holds(assertion["Assert"])
        ]

    def name(self, logical_id: str) -> str:
        """The name that the offline cloud gives to a resource: its own if it has one, else stack and logical id."""
        resource = self._resource(logical_id)
        given = resource.get("Properties", {}).get(NAME_PROPERTIES.get(resource["Type"], ""))
        return f"{STACK}-{logical_id}" if given is None else str(self.resolve(given))

    def arn(self, logical_id: str) -> str:
        resource_type, name = self._resource(logical_id)["Type"], self.name(logical_id)
        match resource_type:
            case "AWS::SQS::Queue":
                return _arn("sqs", name)
            case "AWS::DynamoDB::Table":
                return _arn("dynamodb", f"table/{name}")
            case "AWS::Events::EventBus":
                return _arn("events", f"event-bus/{name}")
            case "AWS::Events::Rule":
                return _arn("events", f"rule/{name}")
            case "AWS::Scheduler::Schedule":
                return _arn("scheduler", f"schedule/default/{name}")
            case "AWS::Lambda::Function":
                return _arn("lambda", f"function:{name}")
            case "AWS::SecretsManager::Secret":
                # without the six random characters at the end, which AWS takes as well
                return _arn("secretsmanager", f"secret:{name}")
            case "AWS::S3::Bucket":
                return f"arn:{PARTITION}:s3:::{name}"
            case "AWS::IAM::Role":
                return f"arn:{PARTITION}:iam::{ACCOUNT}:role/{name}"
        raise TemplateError(f"{logical_id}: the offline cloud knows no ARN of an {resource_type}")

    def _resource(self, logical_id: str) -> Resource:
        if logical_id not in self.resources:
            why = "its condition is false" if logical_id in self._declared else "the template has no such resource"
            raise TemplateError(f"{logical_id} is referred to, but {why}")
        return self.resources[logical_id]

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [item for item in map(self._resolve, value) if item is not _NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            function, argument = next(iter(value.items()))
            if function == "Ref" or function.startswith("Fn::"):
                return self._intrinsic(function, argument)
        resolved = {key: self._resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not _NOTHING}

    def _intrinsic(self, function: str, argument: Any) -> Any:
        intrinsics: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::Join": self._join,
            "Fn::If": self._if,
        }
        if function not in intrinsics:
            raise TemplateError(f"the offline cloud does not understand {function} ({argument!r})")
        return intrinsics[function](argument)

    def _ref(self, name: str) -> Any:
        if name == NO_VALUE:
            return _NOTHING
        if name == "AWS::Region":
            return self._region
        if name in PSEUDO_PARAMETERS:
            return PSEUDO_PARAMETERS[name]
        if name in self.parameters:
            return self.parameters[name]
        match self._resource(name)["Type"]:
            case "AWS::SQS::Queue":
                return queue_url(self.name(name))
            case "AWS::SecretsManager::Secret":
                return self.arn(name)
            case "AWS::ApiGatewayV2::Api":
                return API_ID
            case "AWS::Lambda::Alias":
                # the offline cloud has one version of each function
                return self._resolve(self.resources[name]["Properties"]["FunctionName"])
            case _:
                return self.name(name)

    def _get_att(self, argument: Any) -> str:
        logical_id, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        resource_type = self._resource(logical_id)["Type"]
        match resource_type, attribute:
            case _, "Arn":
                return self.arn(logical_id)
            case "AWS::DynamoDB::Table", "StreamArn":
                if "StreamSpecification" not in self.resources[logical_id]["Properties"]:
                    raise TemplateError(f"{logical_id} has no StreamSpecification, and so no StreamArn")
                return f"{self.arn(logical_id)}/stream/{STREAM_LABEL}"
            case ("AWS::SQS::Queue", "QueueName") | ("AWS::Events::EventBus", "Name"):
                return self.name(logical_id)
            case "AWS::Lambda::Version", "Version":
                return "1"
            case "AWS::SQS::Queue", "QueueUrl":
                return queue_url(self.name(logical_id))
            case "AWS::S3::Bucket", "RegionalDomainName":
                return f"{self.name(logical_id)}.s3.{REGION}.{URL_SUFFIX}"
            case "AWS::ApiGatewayV2::Api", "ApiEndpoint":
                return f"https://{API_ID}.execute-api.{REGION}.{URL_SUFFIX}"
        raise TemplateError(f"the offline cloud knows no {attribute} of {logical_id} ({resource_type})")

    def _sub(self, argument: Any) -> str:
        text, given = (argument, {}) if isinstance(argument, str) else argument

        def replace(match: re.Match[str]) -> str:
            name = match.group(1)
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in given:
                return _text(self.resolve(given[name]))
            return _text(self._get_att(name) if "." in name else self._ref(name))

        return re.sub(r"\$\{([^}]+)\}", replace, text)

    def _join(self, argument: Any) -> str:
        separator, parts = argument
        return str(separator).join(_text(part) for part in self.resolve(parts))

    def _if(self, argument: Any) -> Any:
        condition, when_true, when_false = argument
        return self._resolve(when_true if self.holds({"Condition": condition}) else when_false)


def queue_url(name: str) -> str:
    return f"https://sqs.{REGION}.{URL_SUFFIX}/{ACCOUNT}/{name}"


def _arn(service: str, rest: str) -> str:
    return f"arn:{PARTITION}:{service}:{REGION}:{ACCOUNT}:{rest}"


def _text(value: Any) -> str:
    """As CloudFormation writes a scalar into text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parameters(declared: Mapping[str, Mapping[str, Any]], overrides: Mapping[str, str]) -> dict[str, str]:
    unknown = sorted(overrides.keys() - declared.keys())
    if unknown:
        raise TemplateError(f"the template has no parameters {unknown}")
    values = {}
    for name, parameter in declared.items():
        if name not in overrides and "Default" not in parameter:
            raise TemplateError(f"the parameter {name} has no default and no value was given")
        value = _text(overrides.get(name, parameter.get("Default")))
        if "AllowedValues" in parameter and value not in map(_text, parameter["AllowedValues"]):
            raise TemplateError(f"the parameter {name} must be one of {parameter['AllowedValues']}, not {value!r}")
        if "AllowedPattern" in parameter and not re.fullmatch(parameter["AllowedPattern"], value):
            raise TemplateError(f"the parameter {name} must match {parameter['AllowedPattern']}, not {value!r}")
        values[name] = value
    return values
