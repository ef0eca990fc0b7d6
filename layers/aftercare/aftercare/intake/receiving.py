"""In front of the ingress queue: who may come in.

A sender waits for the answer, so this loads and does as little as it can: no model, no table, one send.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aftercare.intake.model import Delivery, Verify
from aftercare.kernel.errors import DomainError, Transient
from aftercare.kernel.ports import Clock, Queue, Secrets, UnknownSecret

LARGEST_BODY = 262_144
"""Bytes of the body itself, 256 KB: far above any notification, small enough for one queue message."""
LARGEST_BASE64 = 4 * -(-LARGEST_BODY // 3)
SHOP_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""The only characters that come from a stranger's path into the name of a secret."""


@dataclass(frozen=True, slots=True)
class Request:
    """One POST to ``/webhooks/{door}/{shop_id}``, as API Gateway hands it over."""

    door: str
    shop_id: str
    headers: Mapping[str, str]
    body: str
    is_base64: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer. For our logs alone: ``outcome`` in words of ours, and the shop where it is a registered one."""

    status: int
    body: str
    outcome: str
    shop: str | None = None


UNAUTHORIZED = (401, '{"error":"unauthorized"}')
"""One answer for every delivery that is not proven genuine and fresh, whatever the reason: it teaches nothing."""


class WebhookIntake:
    """Takes genuine deliveries: one durable send to the ingress queue each, and nothing else.

    ``verifier`` gives a door's check by the door's name, None for a door that does not exist. The shop's ``read``
    secret stands under ``{secret_prefix}/read/{door}/{shop_id}``.
    """

    def __init__(
        self,
        *,
        secrets: Secrets,
        queue: Queue,
        clock: Clock,
        secret_prefix: str,
        verifier: Callable[[str], Verify | None],
    ) -> None:
        self._secrets = secrets
        self._queue = queue
        self._clock = clock
        self._secret_prefix = secret_prefix
        self._verifier = verifier

    def receive(self, request: Request) -> Answer:
        """Size, then base64, then signature, then time; parsing comes after the queue.

        Never raises for what a stranger sends. A queue or secret store that cannot answer now gives 503, so that
        the sender tries again.
        """
        if _is_too_large(request):
            return Answer(413, '{"error":"too large"}', "too large")
        body = _raw_body(request)
        if body is None:
            return Answer(*UNAUTHORIZED, "not base64")
        if len(body) > LARGEST_BODY:
            return Answer(413, '{"error":"too large"}', "too large")
        try:
            return self._take(request, body)
        except Transient as error:
            return Answer(503, '{"error":"try again"}', str(error))

    def _take(self, request: Request, body: bytes) -> Answer:
        verify = self._verifier(request.door)
        if verify is None:
            return Answer(*UNAUTHORIZED, "unknown door")
        credentials = self._credentials(request.door, request.shop_id)
        now = self._clock.now()
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            genuine = verify(headers, body, credentials, now)
        except DomainError as refusal:
            if credentials is None:
                return Answer(*UNAUTHORIZED, "unknown shop")
            return Answer(*UNAUTHORIZED, str(refusal), f"{request.door}:{request.shop_id}")
        if genuine.shop_id not in (None, request.shop_id):
            return Answer(*UNAUTHORIZED, "the delivery names another shop", f"{request.door}:{request.shop_id}")
        delivery = Delivery(request.door, request.shop_id, genuine.delivery_id, now, body, genuine.heading)
        self._queue.send([delivery.to_message()])
        return Answer(202, '{"status":"accepted"}', "accepted", delivery.shop)

    def _credentials(self, door: str, shop_id: str) -> Mapping[str, object] | None:
        if SHOP_ID.fullmatch(shop_id) is None:
            return None
        try:
            return self._secrets.get(f"{self._secret_prefix}/read/{door}/{shop_id}")
        except UnknownSecret:
            return None


def _is_too_large(request: Request) -> bool:
    # every character is at least one byte, so this refuses without decoding anything
    return len(request.body) > (LARGEST_BASE64 if request.is_base64 else LARGEST_BODY)


def _raw_body(request: Request) -> bytes | None:
    if not request.is_base64:
        # a lone surrogate cannot come from the wire; encoded in any way it spoils the signature, as it should
        return request.body.encode(errors="surrogatepass")
    try:
        return base64.b64decode(request.body, validate=True)
    except (binascii.Error, ValueError):
        return None
