"""The offline cloud with its shops open, and behind them the twin of their marketplace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from aftercare.events.catalogue import parse
from aftercare.events.vocabulary import MARKETPLACES
from aftercare.kernel.errors import MalformedInput
from sandbox.cloud import Sandbox
from sandbox.commands import CannotRun
from sandbox.shops import SHOPS, BadShops, Shop, read_shops, register
from sandbox.twins.books import Refusal
from sandbox.twins.standard import ACTIONS_PATH, StandardTwin, serving

STANDARD = "standard"
NOTED = {
    "OrderPaid": "order.paid",
    "RefundRequested": "refund.requested",
    "RefundUpdated": "refund.updated",
    "RefundDecided": "refund.decided",
}
"""The events that a marketplace's books must know, and what the twin calls them."""


def shops_of(path: Path | None) -> tuple[Shop, ...]:
    """The shops of a file, or the sandbox's own for None; raises ``CannotRun``."""
    try:
        shops = read_shops(path or SHOPS)
    except BadShops as bad:
        raise CannotRun(f"the shops cannot be read: {bad}") from bad
    twice = [name for name, times in Counter(shop.shop for shop in shops).items() if times > 1]
    if twice:
        raise CannotRun(f"{path}: {', '.join(twice)} stands there more than once; give every shop one entry")
    return shops


class Marketplace:
    """The twin, for all shops that do not say themselves where they are acted on.

    Facts reach us as webhooks or on the bus, not through the twin: it is told of them, or it would refuse every payout
    for an order that it does not know.
    """

    def __init__(self, twin: StandardTwin, shops: Sequence[Shop]) -> None:
        self.twin = twin
        self.shop_ids = {shop.shop: shop.shop_id for shop in shops if _acts_on_twin(shop)}
        self._told: set[tuple[str, ...]] = set()
        for shop in shops:
            if shop.credentials is not None and shop.shop in self.shop_ids:
                twin.open_shop(shop.shop_id, read=shop.credentials.secrets, act=shop.credentials.act)

    def hear(self, entry: Mapping[str, Any]) -> None:
        """``entry`` is an event of the bus; each fact is entered once, however often it comes."""
        name = entry["detail-type"]
        shop_id = self.shop_ids.get(str(entry["detail"]["metadata"].get("shop")))
        if name not in NOTED or entry["source"] != MARKETPLACES or shop_id is None:
            return
        try:
            data = parse(MARKETPLACES, name, entry["detail"]).data.model_dump(mode="json")
        except MalformedInput:
            return
        fact = (shop_id, name, *(str(data.get(part)) for part in ("order_id", "refund_id", "revision")))
        if fact in self._told:
            return
        self._told.add(fact)
        with suppress(Refusal):  # refunded beyond what was paid, or of an order from before our time
            self.twin.books(shop_id).note(NOTED[name], data)

    def links(self) -> list[str]:
        """Where buyers were told to look, in the order in which each shop told them."""
        books = [self.twin.books(shop_id) for shop_id in self.shop_ids.values()]
        said = [action["data"] for each in books for action in (*each.offers, *each.messages)]
        return [data["link"] for data in said if "link" in data]


@contextmanager
def opened(sandbox: Sandbox, shops: Sequence[Shop]) -> Iterator[Marketplace]:
    """Starts the offline cloud and the twin, on a loopback port of its own, and registers the shops."""
    twin = StandardTwin(sandbox.clock)
    with sandbox, serving(twin) as address:
        marketplace = Marketplace(twin, shops)
        register(sandbox, shops, lambda shop: f"{address}/{ACTIONS_PATH}/{shop.shop_id}")
        yield marketplace


def _acts_on_twin(shop: Shop) -> bool:
    return shop.door == STANDARD and shop.credentials is not None and shop.action_url is None
