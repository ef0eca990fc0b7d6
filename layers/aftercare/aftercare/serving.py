"""How a function is asked over HTTP: whose shop it is, the JSON that was sent, and a refusal as the answer."""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError

from aftercare.aws.logs import Level, log
from aftercare.intake.limits import TooManyRequests
from aftercare.intake.model import Shelf
from aftercare.intake.service import AlreadyReplayed, NotReplayable, UnknownEntry
from aftercare.kernel.errors import DomainError, MalformedInput, Transient
from aftercare.kernel.fields import InvalidFields
from aftercare.kernel.ids import Id, ShopId
from aftercare.negotiation.merchant import NoSuchOrder, PolicyChanged
from aftercare.negotiation.model.cases import MoveRefused
from aftercare.negotiation.model.drafts import AnsweredAlready, NoSuchCase, NotNow, TooLate
from aftercare.negotiation.model.payouts import PayoutMoveRefused
from aftercare.scores.model.refusals import NoSuchWeek, NothingOnRecord, RegistrationChanged, TooManyExclusions
from aftercare.shipments.model.refusals import AnomalyEnded, NoSuchAnomaly, NoSuchShipment, SettingsChanged
from aftercare.tags.model.refusals import (
    AlreadyBanned,
    AlreadyOptedIn,
    NoSuchTag,
    NotAPromise,
    NotBanned,
    NotOptedIn,
    TagIsBanned,
)

PROBLEM_JSON = "application/problem+json"
SERVER_ERROR = 500
IN_KEYS = "^[ -~]+$"
"""What the ids of deliveries and events are made of; the table refuses a key of more than 1,024 bytes."""


class NoShop(DomainError):
    """The token does not say whose shop it is for."""


class NoSuchRoute(DomainError):
    """Nothing answers this method and path."""


class Caller(BaseModel):
    """Who asks, by the claims of a token that the gateway has checked."""

    model_config = ConfigDict(frozen=True)

    shop: ShopId = Field(alias="aftercare:shop")
    author: Id = Field(alias="sub")

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Self:
        """``event`` is an API Gateway request, payload format 2.0. Raises ``NoShop``."""
        try:
            return cls.model_validate(event["requestContext"]["authorizer"]["jwt"]["claims"])
        except (KeyError, TypeError, ValidationError):
            raise NoShop("the token has no claim aftercare:shop, or no sub") from None


class ShelfAsked(BaseModel):
    """A page of what was set aside on one shelf."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    shelf: Shelf = Shelf.QUARANTINE
    cursor: str | None = Field(default=None, min_length=1, max_length=500, pattern=IN_KEYS)


class ReplayAsked(BaseModel):
    """``version`` is the one that was listed, so that one click replays once."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    shelf: Shelf = Shelf.QUARANTINE
    id: str = Field(min_length=1, max_length=500, pattern=IN_KEYS)
    version: StrictInt = Field(ge=1, lt=10**15)


def json_body(event: Mapping[str, Any]) -> Any:
    """Raises ``MalformedInput``."""
    text = event.get("body") or ""
    try:
        parsed = json.loads(base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text)
        # half of a surrogate pair can be written in JSON, but neither stored nor answered
        json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise MalformedInput("the body is not JSON") from None
    return parsed


PROBLEMS: Mapping[type[BaseException], tuple[int, str]] = {
    MalformedInput: (400, "Malformed body"),
    NoShop: (403, "No shop"),
    NoSuchRoute: (404, "No such route"),
    NoSuchCase: (404, "No such case"),
    NoSuchOrder: (404, "No such order"),
    NoSuchShipment: (404, "No such order"),
    NoSuchAnomaly: (404, "No such anomaly"),
    UnknownEntry: (404, "No such entry"),
    NoSuchWeek: (404, "No such week"),
    NoSuchTag: (404, "No such tag"),
    NothingOnRecord: (404, "Nothing on record"),
    MoveRefused: (409, "Move refused"),
    PayoutMoveRefused: (409, "Move refused"),
    AnsweredAlready: (409, "Answered already"),
    TooLate: (409, "Too late"),
    NotNow: (409, "Not now"),
    NotReplayable: (409, "Not replayable"),
    AlreadyReplayed: (409, "Replayed already"),
    PolicyChanged: (409, "Policy changed"),
    AnomalyEnded: (409, "Anomaly ended"),
    SettingsChanged: (409, "Settings changed"),
    NotAPromise: (409, "Not a promise"),
    TagIsBanned: (409, "Tag is banned"),
    AlreadyOptedIn: (409, "Opted in already"),
    NotOptedIn: (409, "Not opted in"),
    AlreadyBanned: (409, "Banned already"),
    NotBanned: (409, "Not banned"),
    RegistrationChanged: (409, "Registration changed"),
    TooManyExclusions: (409, "Too many exclusions"),
    InvalidFields: (422, "Invalid fields"),
    TooManyRequests: (429, "Too many requests"),
    Transient: (503, "Try again"),
    BaseException: (500, "Internal error"),
}


def problem(error: Exception) -> tuple[int, dict[str, Any]]:
    """The status and the body of ``application/problem+json`` (RFC 9457).

    What a refusal says was written for the caller. Of any other error nothing goes out; the log gets its type and
    the lines of code that led to it, neither messages nor values.
    """
    status, title = next(PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS)
    body: dict[str, Any] = {
        "type": f"urn:aftercare:problem:{title.lower().replace(' ', '-')}",
        "title": title,
        "status": status,
        "detail": str(error) if status < SERVER_ERROR else title,
    }
    if isinstance(error, InvalidFields):
        body["errors"] = [asdict(one) for one in error.errors]
    if status >= SERVER_ERROR:
        trace = "".join(traceback.format_tb(error.__traceback__))
        level: Level = "WARNING" if isinstance(error, Transient) else "ERROR"
        log("request failed", level=level, error=type(error).__name__, http_status=status, trace=trace)
    return status, body
