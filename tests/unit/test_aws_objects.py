"""Public files in S3: as they are put there, and as the bucket's faults are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from aftercare.aws.objects import S3Objects
from aftercare.kernel.errors import Transient

Answered = Callable[..., Any]
BUCKET, PATH = "public", "shops/standard/茶叶店/tags.json"


@pytest.fixture
def bucket() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield client


def test_a_file_is_read_as_it_was_put_with_its_type_and_for_how_long_it_may_be_kept(bucket: Any) -> None:
    S3Objects(bucket, BUCKET).put(PATH, '{"名":1}'.encode(), "application/json", 300)
    found = bucket.get_object(Bucket=BUCKET, Key=PATH)
    assert found["Body"].read().decode() == '{"名":1}'
    assert (found["ContentType"], found["CacheControl"]) == ("application/json", "public, max-age=300")
    assert found["ETag"]


def test_a_file_replaces_the_one_before_it_and_has_another_etag(bucket: Any) -> None:
    objects, etags = S3Objects(bucket, BUCKET), []
    for body in (b"one", b"two", b"two"):
        objects.put(PATH, body, "text/html; charset=utf-8", 300)
        etags.append(bucket.head_object(Bucket=BUCKET, Key=PATH)["ETag"])
    assert bucket.get_object(Bucket=BUCKET, Key=PATH)["Body"].read() == b"two"
    assert etags[0] != etags[1] == etags[2]


@pytest.mark.parametrize(
    "fault",
    [
        (503, {"Error": {"Code": "SlowDown"}}),
        (500, {"Error": {"Code": "InternalError"}}),
        EndpointConnectionError(endpoint_url="https://public.example"),
    ],
)
def test_a_fault_that_may_pass_is_transient(answered: Answered, fault: Any) -> None:
    with pytest.raises(Transient):
        S3Objects(answered("s3", fault), BUCKET).put(PATH, b"x", "text/plain", 300)


def test_a_bucket_that_is_not_there_is_no_passing_fault(bucket: Any) -> None:
    with pytest.raises(ClientError):
        S3Objects(bucket, "elsewhere").put(PATH, b"x", "text/plain", 300)
