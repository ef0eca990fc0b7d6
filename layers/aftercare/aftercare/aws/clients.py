"""SDK clients: one a service and process, made at the first call, since making one costs tens of milliseconds."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.session import Session

CONNECT_TIMEOUT_SECONDS = 1
READ_TIMEOUT_SECONDS = 2
# The SDK's own 60 s time-outs would let one silent endpoint hold a function until it is killed.
TOTAL_MAX_ATTEMPTS = 3


@cache
def _session() -> Session:
    # what boto3 puts on top is never used here, and takes a sixth of its import
    from botocore.session import get_session

    return get_session()


@cache
def client(service: str) -> Any:
    """The process's client of an AWS service (``dynamodb``, ``events``, ``sqs``, ``secretsmanager``).

    Region and credentials come from the environment, as Lambda sets them.
    """
    from botocore.config import Config

    return _session().create_client(
        service,
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries={"mode": "standard", "total_max_attempts": TOTAL_MAX_ATTEMPTS},
        ),
    )
