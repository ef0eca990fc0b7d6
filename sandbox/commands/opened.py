"""The offline cloud with its shops open, and behind them the twin of their marketplace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from aftercare.aws.http import Urllib3Http
from aftercare.events.catalogue import parse
from aftercare.events.vocabulary import MARKETPLACES
from aftercare.kernel.errors import MalformedInput
from aftercare.kernel.ports import Http, HttpReply
from sandbox.cloud import Sandbox
from sandbox.commands import CannotRun
from sandbox.services import Backend
from sandbox.shops import SHOPS, BadShops, Shop, read_shops, register
from sandbox.twins.books import Refusal
from sandbox.twins.standard import ACTIONS_PATH, StandardTwin, serving

STANDARD = "standard"
NO_ADDRESS = "http://twin.invalid"
"""The twin's in a process that needs no sockets to reach it."""
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
        return read_shops(path or SHOPS)
    except BadShops as bad:
        raise CannotRun(f"the shops cannot be read: {bad}") from bad


class Marketplace:
    """The twin, for all shops that do not say themselves where they are acted on.

    Facts reach us as webhooks or on the bus, not through the twin: it is told of them, or it would refuse every payout
    for an order that it does not know.
    """

    def __init__(self, twin: StandardTwin, shops: Sequence[Shop]) -> None:
        self.twin = twin
        self.shop_ids = {shop.shop: shop.shop_id for shop in shops if _acts_on_twin(shop)}
        for shop in shops:
            if shop.credentials is not None and shop.shop in self.shop_ids:
                twin.open_shop(shop.shop_id, read=shop.credentials.secrets, act=shop.credentials.act)

    def hear(self, entry: Mapping[str, Any]) -> None:
        """``entry`` is an event of the bus."""
        name = entry["detail-type"]
        shop_id = self.shop_ids.get(str(entry["detail"]["metadata"].get("shop")))
        if name not in NOTED or entry["source"] != MARKETPLACES or shop_id is None:
            return
        try:
            data = parse(MARKETPLACES, name, entry["detail"]).data.model_dump(mode="json")
        except MalformedInput:
            return
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
        yield _registered(sandbox, twin, shops, address)


@contextmanager
def opened_for_replay(
    start: datetime, shops: Sequence[Shop], backend: Backend
) -> Iterator[tuple[Sandbox, Marketplace]]:
    """Likewise, but the functions reach the twin without sockets, which thousands of cases would wait for."""
    sandbox = Sandbox(start, http=lambda: TwinOrNetwork(twin, Urllib3Http()), backend=backend)
    twin = StandardTwin(sandbox.clock)
    with sandbox:
        yield sandbox, _registered(sandbox, twin, shops, NO_ADDRESS)


@dataclass(frozen=True)
class TwinOrNetwork:
    """Implements ``Http``: the twin answers in this process, all others over the network."""

    twin: StandardTwin
    network: Http

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpReply:
        reached: Http = self.twin if url.startswith(f"{NO_ADDRESS}/") else self.network
        return reached.request(method, url, headers, body)


def _registered(sandbox: Sandbox, twin: StandardTwin, shops: Sequence[Shop], address: str) -> Marketplace:
    marketplace = Marketplace(twin, shops)
    register(sandbox, shops, lambda shop: f"{address}/{ACTIONS_PATH}/{shop.shop_id}")
    return marketplace


def _acts_on_twin(shop: Shop) -> bool:
    return shop.door == STANDARD and shop.credentials is not None and shop.action_url is None
