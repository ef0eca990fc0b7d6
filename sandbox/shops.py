"""The shops of a run: read from a file, registered in the offline cloud as an operator would register them."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aftercare.kernel.days import next_closing
from aftercare.kernel.errors import AftercareError
from aftercare.kernel.ids import ShopId
from aftercare.kernel.records import RecordWriter
from aftercare.kernel.times import local_day
from aftercare.negotiation import store
from aftercare.negotiation.model.plans import Budget, Plan, PositiveMoney, ShopPolicy
from aftercare.scores import store as scores
from aftercare.scores.model.shops import ShopState
from aftercare.shipments import store as shipments
from aftercare.shipments.model.settings import DelayMessages, ShopSettings
from aftercare.tags import store as service_tags
from aftercare.tags.model.facts import opted_in
from aftercare.tags.model.kept import Kept
from aftercare.tags.model.shop import ShopTags
from aftercare.tags.service import next_look
from sandbox.cloud import Sandbox

SHOPS = Path(__file__).with_name("shops.toml")


class BadShops(AftercareError):
    """The file of shops cannot be used; the message names every field that is wrong."""


class Credentials(BaseModel):
    """``secrets`` verify deliveries and sign what speaks, newest first; ``act`` signs what spends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    secrets: tuple[str, ...] = Field(min_length=1)
    act: str


class Shop(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    shop: ShopId
    name: str = ""
    zone: str = "UTC"
    locale: str = "zh"
    category: str | None = None
    packs: dict[str, str] = Field(default_factory=dict)
    tags: tuple[str, ...] = ()
    action_url: str | None = None
    plans: tuple[Plan, ...] = ()
    budgets: dict[str, Budget] = Field(default_factory=dict)
    payout_brake_per_hour: PositiveMoney | None = None
    delay_messages: DelayMessages | None = None
    credentials: Credentials | None = None

    @property
    def door(self) -> str:
        return self.shop.partition(":")[0]

    @property
    def shop_id(self) -> str:
        return self.shop.partition(":")[2]

    def policy(self) -> ShopPolicy:
        return ShopPolicy(
            shop=self.shop,
            zone=self.zone,
            locale=self.locale,
            plans=self.plans,
            budgets=self.budgets,
            payout_brake_per_hour=self.payout_brake_per_hour,
        )

    def settings(self) -> ShopSettings:
        return ShopSettings(
            pack=self.packs.get("shipments"), zone=self.zone, locale=self.locale, delay_messages=self.delay_messages
        )

    def tagged(self, now: datetime) -> Kept:
        """Raises ``BadShops`` for a promise that the shop's rules do not have."""
        kept = Kept(self.packs.get("tags", self.door), ShopTags(zone=self.zone), self.name, self.locale)
        rules, day = kept.rules_of(now), local_day(now, self.zone)
        for tag in self.tags:
            definition = rules.tag(tag)
            if definition is None or definition.kind != "promise":
                raise BadShops(f"{self.shop}: {rules.id} has no promise {tag}")
            kept = kept._replace(tags=opted_in(kept.tags, definition, day))
        return kept

    def registration(self, now: datetime) -> ShopState:
        pack = self.packs.get("scores", "")
        return ShopState.entered(self.shop, now, zone=self.zone, pack=pack, category=self.category)


def read_shops(path: Path = SHOPS) -> tuple[Shop, ...]:
    """The shops of a TOML file, each once; raises ``BadShops``."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        shops = tuple(Shop.model_validate(entry) for entry in content.get("shop", []))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadShops(f"{path}: {error}") from error
    except ValidationError as invalid:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in invalid.errors())
        raise BadShops(f"{path}: {faults}") from invalid
    twice = [name for name, times in Counter(shop.shop for shop in shops).items() if times > 1]
    if twice:
        raise BadShops(f"{path}: {', '.join(twice)} stands there more than once; give every shop one entry")
    return shops


def register(sandbox: Sandbox, shops: Sequence[Shop], action_url: Callable[[Shop], str]) -> None:
    """Stores each shop's secrets, policy and settings; ``action_url`` says where one without its own is acted on."""
    secrets = sandbox.client("secretsmanager")
    prefix = sandbox.environment("webhook_intake")["SECRET_PREFIX"]
    policies, settings = sandbox.table("NegotiationTable"), sandbox.table("ShipmentsTable")
    registry, now = sandbox.table("ScoresTable"), sandbox.clock.now()
    tags = sandbox.table("TagsTable")
    writer = RecordWriter(due_shards=int(sandbox.environment("fact_ledger")["DUE_SHARDS"]))
    for shop in shops:
        policies.write(store.write_policy(store.read_policy(shop.shop, None), shop.policy()))
        settings.write(shipments.write_settings(shop.shop, shipments.read_settings(shop.shop, None), shop.settings()))
        closing = next_closing(now, shop.zone)
        registry.write(scores.write_shop(writer, None, shop.registration(now), closing, now))
        kept = shop.tagged(now)
        tags.write(
            service_tags.write_shop(
                writer, shop.shop, service_tags.read_shop(shop.shop, None), kept, (), next_look(kept, now), now
            )
        )
        if shop.credentials is None:
            continue
        url = shop.action_url or action_url(shop)
        contents: dict[str, dict[str, Any]] = {
            "read": {"secrets": list(shop.credentials.secrets), "action_url": url},
            "act": {"secret": shop.credentials.act, "action_url": url},
        }
        for purpose, content in contents.items():
            name = f"{prefix}/{purpose}/{shop.door}/{shop.shop_id}"
            secrets.create_secret(Name=name, SecretString=json.dumps(content))


def as_listing(shops: Sequence[Shop]) -> list[dict[str, Any]]:
    """What a program needs to deliver webhooks to these shops."""
    return [
        {
            "shop": shop.shop,
            "zone": shop.zone,
            "door": shop.door,
            "credentials": shop.credentials.model_dump(mode="json") if shop.credentials else None,
        }
        for shop in shops
    ]
