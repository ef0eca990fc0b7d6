"""How many requests a shop may make of the merchants' API, whichever of the function's processes answer them."""

from __future__ import annotations

from aftercare.intake import store
from aftercare.kernel.errors import DomainError
from aftercare.kernel.ports import Clock
from aftercare.kernel.table import Table, WriteRefused

A_MINUTE = 60


class TooManyRequests(DomainError):
    """The shop has used up this minute; ``retry_after`` are the seconds until the next one."""

    def __init__(self, shop: str, retry_after: int) -> None:
        super().__init__(f"the shop has made too many requests; the next are answered in {retry_after} seconds")
        self.shop = shop
        self.retry_after = retry_after


class RequestLimit:
    """Cost: one write a request. ``table`` is the intake table."""

    def __init__(self, table: Table, clock: Clock, per_minute: int) -> None:
        self._table = table
        self._clock = clock
        self._per_minute = per_minute

    def count(self, shop: str, *, by_operators: bool = False) -> None:
        """Counts one request within the clock minute, those about a shop by the marketplace's own people for
        themselves; raises ``TooManyRequests``."""
        now = self._clock.now()
        try:
            self._table.write(store.count_request(shop, now, self._per_minute, by_operators=by_operators))
        except WriteRefused as refused:
            raise TooManyRequests(shop, A_MINUTE - now.second) from refused
