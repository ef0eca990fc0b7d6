"""The way out of the standard door: signed actions to the marketplace's own address."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from aftercare.kernel.errors import AftercareError
from aftercare.kernel.ids import stable_id
from aftercare.kernel.ports import (
    Action,
    ActionOutcome,
    ActionStatus,
    ActionType,
    Capabilities,
    Clock,
    Http,
    HttpReply,
    NoReply,
)
from aftercare.marketplaces.doors import CAPABILITIES, CannotAct
from aftercare.marketplaces.standard.signature import signed_headers

KEY_HEADER = "Idempotency-Key"
HTTP_OK = 200
HTTP_NOT_FOUND = 404
HTTP_CONFLICT = 409
ANSWERED = {"done": ActionStatus.DONE, "refused": ActionStatus.REFUSED}
LONGEST_TEXT = 500
PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")


class ActionNotAllowed(AftercareError):
    """The caller holds a secret that may not sign this action: a defect of the program."""


class StandardMarketplace:
    """Implements ``Marketplace`` for one shop with one secret.

    ``allowed`` are the actions that this secret signs: what spends is signed with the shop's ``act`` secret, what
    only speaks (messages, offers, tags) with its ``read`` secret.
    """

    def __init__(self, http: Http, clock: Clock, action_url: str, secret: str, allowed: frozenset[ActionType]) -> None:
        self._http = http
        self._clock = clock
        self._action_url = action_url.rstrip("/")
        self._secret = secret
        self._allowed = allowed

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES["standard"]

    def act(self, action: Action) -> ActionOutcome:
        """POSTs the action once, with ``Idempotency-Key``. Raises only ``ActionNotAllowed``."""
        if action.type not in self._allowed:
            raise ActionNotAllowed(f"{action.type} may not be signed with this secret")
        headers = {"Content-Type": "application/json", KEY_HEADER: header_form(action.key)}
        reply = self._send("POST", self._action_url, _message_id("act", action.key), headers, action_body(action))
        if reply is None:
            return ActionOutcome(ActionStatus.AMBIGUOUS, reason="no answer")
        if reply.status == HTTP_CONFLICT:
            return ActionOutcome(ActionStatus.KEY_REUSED)
        return _outcome(reply)

    def look_up(self, key: str) -> ActionOutcome:
        """GETs what became of ``key``; a 404 says that the marketplace has never seen it."""
        url = f"{self._action_url}/{quote(key, safe='')}"
        reply = self._send("GET", url, _message_id("look_up", key), {}, None)
        if reply is None:
            return ActionOutcome(ActionStatus.AMBIGUOUS, reason="no answer")
        if reply.status == HTTP_NOT_FOUND:
            return ActionOutcome(ActionStatus.ABSENT)
        return _outcome(reply)

    def _send(
        self, method: str, url: str, message_id: str, headers: Mapping[str, str], body: bytes | None
    ) -> HttpReply | None:
        now = int(self._clock.now().timestamp())
        signed = {**headers, **signed_headers(self._secret, message_id, now, body or b"")}
        try:
            return self._http.request(method, url, signed, body)
        except NoReply:
            return None


def connect(
    http: Http, clock: Clock, credentials: Mapping[str, Any], allowed: frozenset[ActionType]
) -> StandardMarketplace:
    """The marketplace behind a shop's secret: ``{"secret", "action_url"}`` to spend, ``{"secrets", "action_url"}`` to
    speak, signed with the newest of them. Raises ``CannotAct``."""
    action_url = credentials.get("action_url")
    if not action_url:
        raise CannotAct("the shop's secret has no action_url")
    secret = credentials["secret"] if "secret" in credentials else credentials["secrets"][0]
    return StandardMarketplace(http, clock, action_url, secret, allowed)


def action_body(action: Action) -> bytes:
    """The same bytes for the same action, always: the marketplace compares them when a key comes again."""
    content: dict[str, Any] = {
        "type": action.type.value,
        "key": action.key,
        "shop": action.shop,
        "order_id": action.order_id,
        "refund_id": action.refund_id,
        "data": action.data,
    }
    stated = {name: value for name, value in content.items() if value is not None}
    return json.dumps(stated, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def header_form(key: str) -> str:
    """The key as a header may carry it: printable ASCII stays, all else (and ``%``) is percent-encoded UTF-8."""
    return quote(key, safe=PRINTABLE)


def key_of_header(value: str) -> str:
    """The key that ``header_form`` wrote."""
    return unquote(value)


def _message_id(purpose: str, key: str) -> str:
    return f"msg_{stable_id(purpose, key)}"


def _outcome(reply: HttpReply) -> ActionOutcome:
    if reply.status != HTTP_OK:
        return ActionOutcome(ActionStatus.AMBIGUOUS, reason=f"status {reply.status}")
    try:
        answer = json.loads(reply.body)
    except (ValueError, RecursionError):
        answer = None
    said = answer.get("status") if isinstance(answer, dict) else None
    status = ANSWERED.get(said) if isinstance(said, str) else None
    if status is None:
        return ActionOutcome(ActionStatus.AMBIGUOUS, reason="unreadable answer")
    return ActionOutcome(status, reference=_text(answer.get("reference")), reason=_text(answer.get("reason")))


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value[:LONGEST_TEXT] or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None
