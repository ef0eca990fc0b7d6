"""The buyer's link: derived when it is sent, checked when it is opened, stored nowhere.

A token is ``key id . order . negotiation . round . tag``, the tag being the first 16 bytes of an HMAC-SHA256 over the
rest. Whoever holds it may look at one round of one case and answer it; that it works only once is the case's state.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import NamedTuple

from aftercare.kernel.errors import DomainError

TAG_BYTES = 16
TOKEN_LIMIT = 1800
_TOKEN = re.compile(r"([A-Za-z0-9]{1,8})\.([A-Za-z0-9_-]+)\.([0-9a-f]{32})\.([1-9])\.([A-Za-z0-9_-]+)")


class UnknownLink(DomainError):
    """The token is not one of ours, whatever the reason: the page never says which."""


class OfferLink(NamedTuple):
    """What a link opens."""

    shop: str
    order_id: str
    negotiation_id: str
    round: int


class LinkKeys(NamedTuple):
    """``current`` is the id of the key that signs; ``keys`` holds every key that still opens links."""

    current: str
    keys: Mapping[str, bytes]


def to_token(link: OfferLink, keys: LinkKeys) -> str:
    order = _encode(f"{link.shop}\n{link.order_id}".encode())
    signed = f"{keys.current}.{order}.{link.negotiation_id}.{link.round}"
    return f"{signed}.{_encode(_tag(keys.keys[keys.current], signed))}"


def from_token(token: str, keys: LinkKeys) -> OfferLink:
    """Raises ``UnknownLink`` for anything that this system did not sign with a key that is still held."""
    match = _TOKEN.fullmatch(token) if len(token) <= TOKEN_LIMIT else None
    if match is None:
        raise UnknownLink("not a token")
    key_id, order, negotiation_id, round_number, tag = match.groups()
    key = keys.keys.get(key_id)
    signed = token.rpartition(".")[0]
    expected = _encode(_tag(key if key is not None else b"no such key", signed))
    if not hmac.compare_digest(expected.encode(), tag.encode()) or key is None:
        raise UnknownLink("bad tag")
    shop, _, order_id = _decode(order).partition("\n")
    return OfferLink(shop, order_id, negotiation_id, int(round_number))


def _tag(key: bytes, signed: str) -> bytes:
    return hmac.new(key, signed.encode(), hashlib.sha256).digest()[:TAG_BYTES]


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(text: str) -> str:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
