"""Structured logs by allow-list: only the fields named here can be written, so personal data cannot slip in.

The message is a fixed text; what varies is a field.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
LOGGER_NAME = "aftercare"
ALLOWED_FIELDS = frozenset(
    {
        "attempt",
        "caused_by",
        "code",
        "count",
        "delivery_id",
        "door",
        "duration_ms",
        "error",
        "error_message",
        "event_id",
        "event_name",
        "function_request_id",
        "http_status",
        "item",
        "message_id",
        "negotiation_id",
        "order_id",
        "outcome",
        "payout_key",
        "queue",
        "reason",
        "receive_count",
        "refund_id",
        "sequence",
        "shop",
        "source",
        "state",
        "table",
        "trace",
        "version",
    }
)


@cache
def _logger() -> Logger:
    # the import costs some 20 ms of a cold start, and in most functions an invocation that goes well says nothing
    from aws_lambda_powertools import Logger

    return Logger(service=LOGGER_NAME, name=LOGGER_NAME, utc=True)


def log(message: str, *, level: Level = "INFO", **fields: str | int | None) -> None:
    """Writes one line of JSON; raises ``TypeError`` for a field that is not allowed, as for a wrong argument."""
    _require_allowed(fields)
    write = getattr(_logger(), level.lower())
    write(message, extra=fields, stacklevel=3)


@contextmanager
def correlated(**fields: str | int | None) -> Iterator[None]:
    """Every line written inside carries these fields: what it is about. Not to be nested with the same field."""
    _require_allowed(fields)
    with _logger().append_context_keys(**fields):
        yield


def _require_allowed(fields: dict[str, str | int | None]) -> None:
    forbidden = fields.keys() - ALLOWED_FIELDS
    if forbidden:
        raise TypeError(f"log fields that are not on the allow-list: {sorted(forbidden)}")
