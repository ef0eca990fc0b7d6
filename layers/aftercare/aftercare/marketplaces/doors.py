"""The doors: which marketplaces there are, what each can do, and its parts, loaded when first asked for.

Every door's folder holds the same modules: ``verify`` (who sent this, and when), ``translate`` (what it says) and,
unless the door only listens, ``act`` (what we ask of the marketplace). A shop has two secrets: ``read`` proves
deliveries and signs what only speaks, ``act`` signs what spends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from aftercare.kernel.errors import AftercareError
from aftercare.kernel.ports import SPENDING_ACTIONS, ActionType, Capabilities, Clock, Genuine, Http, Marketplace

CAPABILITIES: Mapping[str, Capabilities] = {
    "standard": Capabilities(actions=frozenset(ActionType), deduplicates_keys=True),
    "shopify": Capabilities(actions=frozenset(), deduplicates_keys=False),
}
"""Every door by its name: the part of ``shop`` before the colon, and its folder here."""


class CannotAct(AftercareError):
    """The shop's marketplace takes no actions from us: its door only listens, or no address is known for them."""


SPEAKING_ACTIONS = frozenset(ActionType) - SPENDING_ACTIONS


def actions_of(shop: str) -> frozenset[ActionType]:
    """What can be asked of a shop's marketplace; nothing of one that does not exist."""
    door = CAPABILITIES.get(shop.partition(":")[0])
    return frozenset() if door is None else door.actions


def verifier(door: str) -> Callable[..., Genuine] | None:
    """The door's check ``verify(headers, body, credentials, now)``; None for a door that does not exist."""
    if door not in CAPABILITIES:
        return None
    check: Callable[..., Genuine] = _part(door, "verify").verify
    return check


def translation(door: str) -> Callable[..., Any] | None:
    """The door's reading of a genuine delivery; None for a door that does not exist."""
    if door not in CAPABILITIES:
        return None
    reading: Callable[..., Any] = _part(door, "translate").translate
    return reading


def spender(door: str, http: Http, clock: Clock, credentials: Mapping[str, Any]) -> Marketplace:
    """The shop's marketplace for what spends; ``credentials`` is the shop's ``act`` secret. Raises ``CannotAct``."""
    return _connected(door, http, clock, credentials, SPENDING_ACTIONS)


def speaker(door: str, http: Http, clock: Clock, credentials: Mapping[str, Any]) -> Marketplace:
    """The shop's marketplace for messages, offers and tags; ``credentials`` is the shop's ``read`` secret.

    Raises ``CannotAct``.
    """
    return _connected(door, http, clock, credentials, SPEAKING_ACTIONS)


def _connected(
    door: str, http: Http, clock: Clock, credentials: Mapping[str, Any], allowed: frozenset[ActionType]
) -> Marketplace:
    if not CAPABILITIES[door].actions:
        raise CannotAct(f"the door {door} only listens")
    connected: Marketplace = _part(door, "act").connect(http, clock, credentials, allowed)
    return connected


def _part(door: str, name: str) -> ModuleType:
    return import_module(f"aftercare.marketplaces.{door}.{name}")
