"""Which failures of an AWS call may pass by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004  the SDK's name for it

from aftercare.kernel.errors import Transient

TOO_MANY_REQUESTS = 429
FIRST_SERVER_FAULT = 500
# These come with status 400. The SDK knows them too, but keeps its list to itself.
TRANSIENT_CODES = frozenset(
    {
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)


def error_code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def http_status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def is_transient(error: ClientError) -> bool:
    status = http_status(error)
    return error_code(error) in TRANSIENT_CODES or status == TOO_MANY_REQUESTS or status >= FIRST_SERVER_FAULT


@contextmanager
def transient_faults() -> Iterator[None]:
    """Raises ``Transient`` for throttling, a server's fault, a time-out or no connection; lets the rest through.

    By then the SDK has used up its own retries.
    """
    try:
        yield
    except ClientError as error:
        if is_transient(error):
            raise Transient(f"{error.operation_name}: {error_code(error)}") from error
        raise
    except (ConnectionError, HTTPClientError) as error:
        raise Transient(type(error).__name__) from error
