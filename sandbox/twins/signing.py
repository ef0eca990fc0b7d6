"""Deliveries signed as a marketplace signs them at the standard door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from aftercare.marketplaces.standard.signature import signed_headers


@dataclass(frozen=True, slots=True)
class SignedDelivery:
    """One POST, ready to be sent to our own address; ``path`` begins with ``/webhooks/``."""

    path: str
    headers: Mapping[str, str]
    body: bytes


def sign_delivery(shop_id: str, secret: str, delivery_id: str, at: datetime, body: bytes) -> SignedDelivery:
    """``secret`` is one of the shop's active ``read`` secrets; ``at`` is the time of this attempt."""
    headers = {
        "content-type": "application/json",
        **signed_headers(secret, delivery_id, int(at.timestamp()), body),
    }
    return SignedDelivery(f"/webhooks/standard/{shop_id}", headers, body)
