"""The OpenID issuer of the offline cloud: mints access tokens that its HTTP gateway takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import jwt

from aftercare.kernel.ports import Clock

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

ALGORITHM = "RS256"
KEY_ID = "offline-1"
SHOP_CLAIM = "aftercare:shop"
"""Names the shops that the token's holder may see, as text with spaces between them."""
KEY_BITS = 2048
PUBLIC_EXPONENT = 65537


@dataclass(frozen=True)
class JwtIssuer:
    """``issuer`` and ``audience`` are what the tokens say."""

    issuer: str
    audience: str
    clock: Clock

    def token(
        self,
        shop: str,
        scopes: Sequence[str] = (),
        expires_in: timedelta = timedelta(hours=1),
        **claims: Any,
    ) -> str:
        """A signed access token, valid from now on the clock. ``claims`` replace or add; None leaves one out."""
        now = self.clock.now()
        payload = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": "merchant",
            "iat": int(now.timestamp()),
            "exp": int((now + expires_in).timestamp()),
            "scope": " ".join(scopes),
            SHOP_CLAIM: shop,
            **claims,
        }
        said = {name: value for name, value in payload.items() if value is not None}
        return jwt.encode(said, _private_key(), algorithm=ALGORITHM, headers={"kid": KEY_ID})

    def public_key(self, key_id: str | None) -> RSAPublicKey | None:
        """The key under that id in the issuer's key set; None where there is none."""
        return _private_key().public_key() if key_id == KEY_ID else None


@cache
def _private_key() -> RSAPrivateKey:
    # one a process: making one takes a tenth of a second
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    return generate_private_key(PUBLIC_EXPONENT, KEY_BITS)
