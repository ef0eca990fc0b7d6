"""What holds for a shop until somebody says something else of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_NONE: Mapping[str, str] = {}


def marketplace_of(shop: str) -> str:
    """``standard:lotus`` is a shop of ``standard``."""
    return shop.partition(":")[0]


class ShopDefaults(NamedTuple):
    """``zone`` is an IANA name; ``packs`` names, by marketplace, another one whose rules its shops are held to."""

    zone: str = "UTC"
    packs: Mapping[str, str] = _NONE

    def pack_of(self, shop: str) -> str:
        marketplace = marketplace_of(shop)
        return self.packs.get(marketplace, marketplace)


PLAIN = ShopDefaults()
