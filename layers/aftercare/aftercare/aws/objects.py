"""Files that anybody may read, in a bucket."""

from __future__ import annotations

from typing import Any

from aftercare.aws.faults import transient_faults


class S3Objects:
    """Implements ``Objects``. ``client`` is boto3's for S3, with the time-outs of ``aws.clients``."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, path: str, body: bytes, content_type: str, max_age_seconds: int) -> None:
        with transient_faults():
            self._client.put_object(
                Bucket=self._bucket,
                Key=path,
                Body=body,
                ContentType=content_type,
                CacheControl=f"public, max-age={max_age_seconds}",
            )
