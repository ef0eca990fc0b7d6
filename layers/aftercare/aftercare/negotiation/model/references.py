"""How an option of an offer is named to a marketplace that shows offers itself, and found again by its answer."""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple, Self

from aftercare.kernel.errors import MalformedInput


class OfferReference(NamedTuple):
    """One option of one round: ``order . negotiation . round . option`` as text."""

    order_id: str
    negotiation_id: str
    round: int
    option_id: str

    def __str__(self) -> str:
        order = base64.urlsafe_b64encode(self.order_id.encode()).decode().rstrip("=")
        return f"{order}.{self.negotiation_id}.{self.round}.{self.option_id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ``MalformedInput`` for a reference that is not of our making."""
        parts = text.split(".")
        try:
            order, negotiation_id, round_number, option_id = parts
            padded = order + "=" * (-len(order) % 4)
            order_id = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
            return cls(order_id, negotiation_id, int(round_number), option_id)
        except (ValueError, binascii.Error):
            raise MalformedInput("external_offer_id is not one of ours") from None
