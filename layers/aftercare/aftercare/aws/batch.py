"""Partial batch answers of an SQS consumer.

Own code: Powertools' processor raises when every record of a batch fails, and adds half of ``import boto3`` to a cold
start.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from typing import Any

from aftercare.aws.logs import log
from aftercare.kernel.errors import AftercareError, Conflict, Transient


def process_batch(
    event: Mapping[str, Any],
    each: Callable[[Mapping[str, Any]], None],
    about: Callable[[Mapping[str, Any]], Mapping[str, str | None]] = lambda _: {},
) -> dict[str, Any]:
    """Runs ``each`` on every record of an SQS event; answers the ids of those that raised, to be delivered again.

    ``about`` gives the log fields that say what a failed record was about.
    """
    failures = []
    for record in event["Records"]:
        try:
            each(record)
        except Exception as error:  # noqa: BLE001  one record must not take the others with it
            _log_failure(record, error, about(record))
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def _log_failure(record: Mapping[str, Any], error: Exception, about: Mapping[str, str | None]) -> None:
    fields = {
        **about,
        "message_id": record["messageId"],
        "receive_count": record.get("attributes", {}).get("ApproximateReceiveCount"),
        "error": type(error).__name__,
        "code": _code(error),
        # a library's message may quote the input, and with it a buyer's words
        "error_message": str(error) if isinstance(error, AftercareError) else None,
    }
    if isinstance(error, Transient | Conflict):
        log("record goes back to its queue", level="WARNING", **fields)
    else:
        log("record failed", level="ERROR", trace=_trace(error), **fields)


def _code(error: Exception) -> str | None:
    """AWS's own word for what it refused, such as AccessDeniedException."""
    from botocore.exceptions import ClientError

    from aftercare.aws.faults import error_code

    return error_code(error) if isinstance(error, ClientError) else None


def _trace(error: BaseException) -> str:
    """The lines of code that led here, the first cause first: neither messages nor values of variables."""
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    own = "".join(traceback.format_tb(error.__traceback__)) + type(error).__name__
    return own if earlier is None else f"{_trace(earlier)}\n{own}"
