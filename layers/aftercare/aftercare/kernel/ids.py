"""Ids that can be computed again: a hash of what the thing is."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

ID_BYTES = 16
BUYER_PREFIX = "b_"


def stable_id(*parts: str | int) -> str:
    """32 hex digits that depend on every part and on where one part ends and the next begins."""
    encoded = json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()
    return hashlib.sha256(encoded).hexdigest()[: 2 * ID_BYTES]


def stable_fraction(*parts: str | int) -> float:
    """A number in [0, 1) that the parts alone decide, evenly spread: for shares of cases, never for money."""
    return int(stable_id(*parts)[:13], 16) / 16**13


def pseudonym(key: bytes, shop: str, raw_buyer: str) -> str:
    """The opaque form of a buyer's id: a keyed hash, so that nobody without the key can try ids."""
    digest = hmac.new(key, f"{shop}\n{raw_buyer}".encode(), hashlib.sha256).hexdigest()
    return BUYER_PREFIX + digest[: 2 * ID_BYTES]


def _integer_to_text(value: Any) -> Any:
    # 64-bit ids come as JSON integers too; Python keeps every digit of them
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


Id = Annotated[str, BeforeValidator(_integer_to_text), Field(min_length=1, max_length=256)]
"""An outside or own id as text; an integer of any size is taken digit by digit."""

PayoutKey = Annotated[str, Field(min_length=1, max_length=600)]
"""``{shop}/{order}/{negotiation}/{step}``: longer than any of the ids it is made of."""

ShopId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*:[^\s#/]+$", max_length=160)]
"""``marketplace:shop_id``."""
