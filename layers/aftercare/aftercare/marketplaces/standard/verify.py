"""Is a delivery genuine and fresh? Pure: the bytes, the headers, the secrets and the time come in."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from aftercare.kernel.errors import DomainError
from aftercare.kernel.ports import Genuine
from aftercare.marketplaces.standard.signature import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, signature

REPLAY_WINDOW = timedelta(seconds=300)
"""How far the signed time may lie from ours, both ways (the specification's reference libraries)."""

# An unknown shop costs the same work as a known one, so that the time taken does not tell them apart.
DECOY_SECRETS = ("whsec_dGhlcmUgaXMgbm8gc2hvcCBiZWhpbmQgdGhpcyBkb29y",)
MESSAGE_ID = re.compile(r"[\x21-\x7e]{1,256}")
UNIX_SECONDS = re.compile(r"[0-9]{1,11}")


class BadSignature(DomainError):
    """No active secret of the shop signed these bytes, or a header is missing or broken."""


class OutsideWindow(DomainError):
    """Genuine, but too old or from the future: a replay, or a clock that is wrong."""


def verify(headers: Mapping[str, str], body: bytes, credentials: Mapping[str, Any] | None, now: datetime) -> Genuine:
    """Answers the delivery's id, the same over its retries; raises ``BadSignature`` or ``OutsideWindow``.

    ``headers`` have lower-case names; ``credentials`` is the shop's ``read`` secret, or None for a shop that nobody
    registered, which is always refused. Raises ``BrokenSecret`` when a stored secret cannot be read.
    """
    message_id = headers.get(ID_HEADER, "")
    timestamp = headers.get(TIMESTAMP_HEADER, "")
    presented = headers.get(SIGNATURE_HEADER, "")
    secrets = DECOY_SECRETS if credentials is None else credentials["secrets"]
    readable = (
        presented.isascii()
        and MESSAGE_ID.fullmatch(message_id) is not None
        and UNIX_SECONDS.fullmatch(timestamp) is not None
    )
    if not readable:
        message_id, timestamp, presented = "", "", ""
    genuine = _is_signed_by_any(secrets, message_id, timestamp, body, presented)
    if not (genuine and readable and credentials is not None):
        raise BadSignature("no active secret of the shop signed this delivery")
    if abs(now - datetime.fromtimestamp(int(timestamp), UTC)) > REPLAY_WINDOW:
        raise OutsideWindow("the delivery's time is too far from ours")
    return Genuine(message_id)


def _is_signed_by_any(secrets: Sequence[str], message_id: str, timestamp: str, body: bytes, presented: str) -> bool:
    # Every secret is held against every signature, without an early exit: the time taken tells nobody which matched.
    # A version that is not ours never equals a text that begins with "v1,", so it needs no case of its own.
    candidates = [candidate.encode() for candidate in presented.split(" ")]
    genuine = False
    for secret in secrets:
        expected = signature(secret, message_id, timestamp, body).encode()
        for candidate in candidates:
            genuine |= hmac.compare_digest(expected, candidate)
    return genuine
