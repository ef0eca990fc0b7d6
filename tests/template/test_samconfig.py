"""Every environment of samconfig.toml is one that the template takes, once what only its owner knows is filled in."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.intrinsics import TemplateError
from sandbox.template import TEMPLATE, read_template
from tools.doctor import overrides

ENVIRONMENTS: Mapping[str, Any] = {
    name: found["deploy"]["parameters"]
    for name, found in tomllib.loads((TEMPLATE.parent / "samconfig.toml").read_text(encoding="utf-8")).items()
    if isinstance(found, dict) and "deploy" in found
}
PRODUCTION = sorted(name for name in ENVIRONMENTS if name.startswith("prod-"))
OWNERS = {"AlarmTopicArn": "arn:topic", "JwtIssuer": "https://sign-in.test", "PublicBaseUrl": "https://buyers.test"}


READ_BY_SAM = re.compile(r'[A-Za-z0-9]+=("[^"]*"|[^ "]+)')


def parameters(environment: str) -> dict[str, str]:
    return overrides(ENVIRONMENTS[environment]["parameter_overrides"])


@pytest.mark.parametrize("environment", sorted(ENVIRONMENTS))
def test_every_parameter_is_written_as_sam_reads_it(environment: str) -> None:
    odd = [each for each in ENVIRONMENTS[environment]["parameter_overrides"] if not READ_BY_SAM.fullmatch(each)]
    assert odd == []


def test_there_is_an_environment_to_try_and_one_a_region_of_production() -> None:
    assert "dev" in ENVIRONMENTS
    regions = {f"prod-{region}" for region in ("eu-central-1", "us-east-1", "ap-southeast-1", "cn-north-1")}
    assert set(PRODUCTION) == regions
    assert all(ENVIRONMENTS[name]["region"] == name.removeprefix("prod-") for name in PRODUCTION)


def test_the_environment_to_try_is_complete() -> None:
    assert read_template(parameters=parameters("dev")).functions


@pytest.mark.parametrize("environment", PRODUCTION)
def test_production_is_refused_until_its_owner_has_filled_it_in(environment: str) -> None:
    with pytest.raises(TemplateError, match=r"AlarmTopicArn is empty.*JwtIssuer is not set"):
        read_template(parameters=parameters(environment))
    given = {**parameters(environment), **OWNERS}
    assert read_template(parameters=given).functions


def test_in_china_buyers_need_an_address_of_their_own() -> None:
    given = {**parameters("prod-cn-north-1"), **OWNERS, "PublicBaseUrl": ""}
    with pytest.raises(TemplateError, match="ICP licence"):
        read_template(parameters=given, region="cn-north-1")
    assert read_template(parameters=given, region="eu-central-1").functions


def test_merchants_could_not_sign_in_with_the_issuer_of_the_examples() -> None:
    example = {**OWNERS, "JwtIssuer": "https://issuer.example", "Stage": "prod"}
    with pytest.raises(TemplateError, match="JwtIssuer"):
        read_template(parameters=example)
