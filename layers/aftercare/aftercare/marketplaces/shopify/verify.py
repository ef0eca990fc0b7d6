"""Did Shopify send this, and for which shop? Pure: the bytes, the headers and the secrets come in.

The signature is the base64 of HMAC-SHA256 over the raw body with the app's client secret, as UTF-8. It covers no
header: topic, shop, id and time are believed of a sender that could sign the body, and no fact may rest on them alone.
https://shopify.dev/docs/apps/build/webhooks/subscribe/https
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from aftercare.kernel.errors import AftercareError, DomainError
from aftercare.kernel.ports import Genuine, Heading

FAMILIES = ("x-shopify-", "shopify-")
"""The same headers of classic webhooks and of the newer events."""

SIGNATURE = "hmac-sha256"
TOPIC = "topic"
SHOP_DOMAIN = "shop-domain"
DELIVERY_ID = "webhook-id"
TRIGGERED_AT = "triggered-at"

# An unknown shop costs the same work as a known one, so that the time taken does not tell them apart.
DECOY_SECRETS = ("there is no shop behind this door",)
VISIBLE = re.compile(r"[\x21-\x7e]{1,256}")
TOPIC_NAME = re.compile(r"[A-Za-z0-9_./-]{1,64}")
OWN_DOMAIN = re.compile(r"([a-z0-9][a-z0-9-]{0,62})\.myshopify\.com")


class BrokenSecret(AftercareError):
    """A stored secret is empty, so that anybody could sign: a defect of the deployment."""


class BadSignature(DomainError):
    """No active secret of the shop signed these bytes."""


class BadHeaders(DomainError):
    """Signed, but a header is missing or broken, or the two families of headers contradict each other."""


def verify(headers: Mapping[str, str], body: bytes, credentials: Mapping[str, Any] | None, now: datetime) -> Genuine:
    """Answers the webhook's id, the same over its retries, and the shop, topic and time that the headers state.

    ``headers`` have lower-case names; ``credentials`` is the shop's ``read`` secret with the client ``secrets``, or
    None for a shop that nobody registered, which is always refused. A header that both families hold must be the same
    in both: Shopify's library prefers the newer one, so of two that differ one was signed by nobody. Raises
    ``BadSignature``, ``BadHeaders`` and ``BrokenSecret``.

    No age is checked, as no time is signed and a retry, up to four hours later, states the first attempt's: whoever
    hears the facts knows them by their natural keys. A stated time after ``now`` is none.
    """
    secrets = DECOY_SECRETS if credentials is None else credentials["secrets"]
    presented = _stated(headers, SIGNATURE)
    genuine = _is_signed_by_any(secrets, body, presented or "")
    if not (genuine and credentials is not None):
        raise BadSignature("no active secret of the shop signed this delivery")
    delivery_id = _required(headers, DELIVERY_ID, VISIBLE)
    topic = _required(headers, TOPIC, TOPIC_NAME)
    domain = _required(headers, SHOP_DOMAIN, OWN_DOMAIN)
    heading = Heading(topic.group(), _time(_stated(headers, TRIGGERED_AT), now))
    return Genuine(delivery_id.group(), domain.group(1), heading)


def _is_signed_by_any(secrets: Sequence[str], body: bytes, presented: str) -> bool:
    # Every secret is tried, without an early exit: the time taken tells nobody which matched.
    candidate = presented.encode(errors="surrogatepass")
    genuine = False
    for secret in secrets:
        if not secret:
            raise BrokenSecret("a client secret is empty")
        digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
        genuine |= hmac.compare_digest(base64.b64encode(digest), candidate)
    return genuine


def _stated(headers: Mapping[str, str], name: str) -> str | None:
    """What a header says, None where neither family has it or the two differ.

    White space around it goes: some base64 writers end with a line feed.
    """
    values = {headers[family + name].strip() for family in FAMILIES if family + name in headers}
    return values.pop() if len(values) == 1 else None


def _required(headers: Mapping[str, str], name: str, form: re.Pattern[str]) -> re.Match[str]:
    found = form.fullmatch(_stated(headers, name) or "")
    if found is None:
        raise BadHeaders(f"the header {name} is missing or broken, or stated in two ways")
    return found


def _time(text: str | None, now: datetime) -> datetime | None:
    # unsigned and of use for one topic alone: a broken one must not cost the delivery
    try:
        stated = datetime.fromisoformat(text or "")
        return stated.astimezone(UTC) if stated.tzinfo is not None and stated <= now else None
    except (ValueError, OverflowError):
        return None
