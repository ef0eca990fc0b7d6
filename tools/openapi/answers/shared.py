"""The plain values that answers are made of, and refusals."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from aftercare.kernel.fields import FieldError

Time = Annotated[str, Field(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}T.*Z$", json_schema_extra={"format": "date-time"})]
"""RFC 3339 in UTC."""
Day = Annotated[str, Field(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$", json_schema_extra={"format": "date"})]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Version = Annotated[int, Field(ge=0)]
Week = Annotated[str, Field(pattern="^[0-9]{4}-W[0-9]{2}$")]
Cursor = Annotated[str | None, Field(description="for the next page; null at the end")]


class Problem(TypedDict):
    """A refusal (RFC 9457). `type` tells one kind from another; `detail` is written for people."""

    type: str
    title: str
    status: int
    detail: str


class InvalidFieldsProblem(Problem):
    """What was sent cannot be taken as it is; `errors` are all that is wrong with it."""

    errors: list[FieldError]


class GatewayMessage(TypedDict):
    """What the gateway itself answers, before anything of ours has seen the request."""

    message: str
