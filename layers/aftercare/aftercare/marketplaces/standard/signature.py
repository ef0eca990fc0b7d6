"""The signature of the Standard Webhooks specification, version ``v1``: both directions of this door use it.

HMAC-SHA256 over ``id.timestamp.body`` with the base64-decoded secret, written as ``v1,<base64>``.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from aftercare.kernel.errors import AftercareError

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"
SECRET_PREFIX = "whsec_"  # noqa: S105  a prefix, not a secret


class BrokenSecret(AftercareError):
    """A stored secret is not ``whsec_`` and base64: a defect of the deployment, not of the delivery."""


def signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """``v1,<base64>`` for one message; ``timestamp`` is the header's text, Unix seconds. Raises ``BrokenSecret``."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def signed_headers(secret: str, message_id: str, unix_seconds: int, body: bytes) -> dict[str, str]:
    """The three headers that prove who sent ``body`` and when."""
    timestamp = str(unix_seconds)
    return {
        ID_HEADER: message_id,
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: signature(secret, message_id, timestamp, body),
    }


def _key(secret: str) -> bytes:
    encoded = secret.removeprefix(SECRET_PREFIX).rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        # the cause would quote the secret into a log
        raise BrokenSecret("a webhook secret is not base64") from None
    if not key:
        raise BrokenSecret("a webhook secret is empty")
    return key
