"""Assembles the real objects, once per cold start.

A handler asks for its service here. Every part that touches the world can be replaced as a whole with ``install``:
the offline cloud hands in its clock, its clients and its HTTP.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from aftercare.kernel.ports import Bus, Clock, Http, Marketplace, Queue, Secrets
from aftercare.kernel.table import Table

if TYPE_CHECKING:
    # imported where they are assembled: a function pays only for what it uses
    from aftercare.consuming import Consumer
    from aftercare.intake.limits import RequestLimit
    from aftercare.intake.receiving import WebhookIntake
    from aftercare.intake.relay import Relay
    from aftercare.intake.service import Quarantine, Translator
    from aftercare.kernel.due import DueSweep
    from aftercare.kernel.envelope import Event, EventData
    from aftercare.kernel.records import RecordWriter
    from aftercare.kernel.shops import ShopDefaults
    from aftercare.negotiation.merchant import Merchant
    from aftercare.negotiation.model.links import LinkKeys
    from aftercare.negotiation.service import Negotiation
    from aftercare.negotiation.settlement import Stuck
    from aftercare.scores.ledger import RowWriter
    from aftercare.scores.merchant import ScoreDesk
    from aftercare.shipments.merchant import ShipmentDesk
    from aftercare.shipments.notices import DelayNotice
    from aftercare.shipments.service import ShipmentWatch
    from aftercare.tags.merchant import TagDesk
    from aftercare.tags.publication import Publisher
    from aftercare.tags.service import TagKeeper


@dataclass(frozen=True)
class Parts:
    """What all services share: the clock, SDK clients by service name, and HTTP to marketplaces.

    ``table``, ``queue`` and ``bus`` give the one of a name (of a URL, for a queue) in place of AWS's through a client.
    """

    clock: Clock
    clients: Callable[[str], Any]
    http: Callable[[], Http]
    table: Callable[[str], Table] | None = None
    queue: Callable[[str], Queue] | None = None
    bus: Callable[[str], Bus] | None = None


_installed: Parts | None = None
_assembled: list[functools._lru_cache_wrapper[Any]] = []
T = TypeVar("T")


def install(parts: Parts | None) -> None:
    """Replaces all parts of this process, or goes back to the real ones; what was assembled so far is forgotten."""
    global _installed  # noqa: PLW0603  a process has one set of parts
    _installed = parts
    for assembler in _assembled:
        assembler.cache_clear()


def _parts() -> Parts:
    if _installed is not None:
        return _installed
    from aftercare.aws.clients import client
    from aftercare.aws.clock import SystemClock
    from aftercare.aws.http import Urllib3Http

    return Parts(clock=SystemClock(), clients=client, http=Urllib3Http)


def _once(assemble: Callable[[], T]) -> Callable[[], T]:
    assembler = functools.cache(assemble)
    _assembled.append(assembler)
    return assembler


def _setting(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f"the environment variable {name} is not set: see the function in template.yaml")
    return value


def _table(setting: str) -> Table:
    parts, name = _parts(), _setting(setting)
    if parts.table is not None:
        return parts.table(name)
    from aftercare.aws.table import DynamoTable

    return DynamoTable(parts.clients("dynamodb"), name)


def _bus() -> Bus:
    parts, name = _parts(), _setting("BUS_NAME")
    if parts.bus is not None:
        return parts.bus(name)
    from aftercare.aws.bus import EventBridgeBus

    return EventBridgeBus(parts.clients("events"), name)


def _queue(setting: str) -> Queue:
    parts, url = _parts(), _setting(setting)
    if parts.queue is not None:
        return parts.queue(url)
    from aftercare.aws.queue import SqsQueue

    return SqsQueue(parts.clients("sqs"), url)


def _secrets() -> Secrets:
    from aftercare.aws.secrets import SecretsManagerSecrets

    return SecretsManagerSecrets(_parts().clients("secretsmanager"), _parts().clock)


def _pairs(name: str) -> dict[str, str]:
    """A setting such as ``CNY=500000,EUR=60000``, whose form the template checks; it may be empty."""
    pairs = (pair.partition("=") for pair in os.environ.get(name, "").split(",") if "=" in pair)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _defaults() -> ShopDefaults:
    from aftercare.kernel.shops import ShopDefaults

    return ShopDefaults(zone=_setting("DEFAULT_ZONE"), packs=_pairs("MARKETPLACE_PACKS"))


def _writer() -> RecordWriter:
    from aftercare.kernel.records import RecordWriter

    return RecordWriter(due_shards=int(_setting("DUE_SHARDS")))


def _marketplaces(purpose: str) -> Callable[[str], Marketplace]:
    """Gives a shop's marketplace with the secret of one purpose, ``read`` or ``act``; no function has both."""
    from aftercare.marketplaces import doors

    secrets, prefix = _secrets(), _setting("SECRET_PREFIX")
    connect = doors.spender if purpose == "act" else doors.speaker
    parts = _parts()
    http = parts.http()

    def marketplace(shop: str) -> Marketplace:
        door, _, shop_id = shop.partition(":")
        credentials = secrets.get(f"{prefix}/{purpose}/{door}/{shop_id}")
        return connect(door, http, parts.clock, credentials)

    return marketplace


def _link_keys() -> Callable[[], LinkKeys]:
    from aftercare.negotiation.model.links import LinkKeys

    secrets, name = _secrets(), f"{_setting('SECRET_PREFIX')}/links"

    def keys() -> LinkKeys:
        secret = secrets.get(name)
        return LinkKeys(
            current=str(secret["current"]),
            keys={key_id: str(key).encode() for key_id, key in secret.items() if key_id != "current"},
        )

    return keys


def _report_stuck(stuck: Stuck) -> None:
    from aftercare.aws.logs import log
    from aftercare.aws.metrics import measure

    measure("PayoutsStuck", by=stuck.state, shop=stuck.shop)
    measure("PayoutStuckSeconds", stuck.seconds, by=stuck.state)
    log(
        "payout does not move by itself",
        level="ERROR",
        shop=stuck.shop,
        order_id=stuck.order_id,
        payout_key=stuck.key,
        state=stuck.state,
        reason=stuck.reason,
    )


# ---------------------------------------------------------------- one assembler a function


@_once
def webhook_intake() -> WebhookIntake:
    from aftercare.intake.receiving import WebhookIntake
    from aftercare.marketplaces import doors

    return WebhookIntake(
        secrets=_secrets(),
        queue=_queue("INGRESS_QUEUE_URL"),
        clock=_parts().clock,
        secret_prefix=_setting("SECRET_PREFIX"),
        verifier=doors.verifier,
    )


@_once
def notification_translator() -> Translator:
    from aftercare.intake.service import Translator
    from aftercare.marketplaces import doors

    return Translator(
        bus=_bus(),
        table=_table("INTAKE_TABLE"),
        secrets=_secrets(),
        clock=_parts().clock,
        secret_prefix=_setting("SECRET_PREFIX"),
        translation=doors.translation,
    )


def _negotiation() -> Negotiation:
    from aftercare.negotiation.service import Negotiation
    from aftercare.pages.wording import OfferWording

    return Negotiation(_table("NEGOTIATION_TABLE"), _parts().clock, _writer(), OfferWording())


@_once
def negotiation_consumer() -> Consumer:
    from aftercare.consuming import Consumer

    negotiation = _negotiation()
    return Consumer(
        clock=_parts().clock,
        intake_table=_table("INTAKE_TABLE"),
        on_event=negotiation.take_in,
        on_due=negotiation.wake,
    )


@_once
def settlement_consumer() -> Consumer:
    from aftercare.consuming import Consumer
    from aftercare.negotiation.settlement import Settlement

    clock = _parts().clock
    brake = {currency: int(minor) for currency, minor in _pairs("PAYOUT_BRAKE_PER_HOUR").items()}
    settlement = Settlement(_table("NEGOTIATION_TABLE"), clock, _writer(), _marketplaces("act"), _report_stuck, brake)
    return Consumer(
        clock=clock,
        intake_table=_table("INTAKE_TABLE"),
        on_event=settlement.take_in,
        on_due=settlement.wake,
    )


@_once
def shipment_consumer() -> Consumer:
    from aftercare.consuming import Consumer

    watch = _shipment_watch()
    return Consumer(
        clock=_parts().clock, intake_table=_table("INTAKE_TABLE"), on_event=watch.take_in, on_due=watch.wake
    )


def _shipment_watch() -> ShipmentWatch:
    from aftercare.pages.anomalies import AnomalyWording
    from aftercare.shipments.service import ShipmentWatch

    return ShipmentWatch(_table("SHIPMENTS_TABLE"), _parts().clock, _writer(), AnomalyWording(), _defaults())


@_once
def ledger_consumer() -> Consumer:
    from aftercare.consuming import Consumer
    from aftercare.scores.ledger import FactLedger

    ledger = FactLedger(_table("SCORES_TABLE"), _parts().clock, _writer(), _defaults())
    return Consumer(clock=_parts().clock, intake_table=_table("INTAKE_TABLE"), on_event=ledger.take_in)


@_once
def row_writer() -> RowWriter:
    from aftercare.scores.ledger import RowWriter

    return RowWriter(_table("SCORES_TABLE"), _parts().clock)


@_once
def rollup_consumer() -> Consumer:
    from aftercare.consuming import Consumer
    from aftercare.scores.rollup import ScoreRollup

    rollup = ScoreRollup(_table("SCORES_TABLE"), _parts().clock, _writer())
    return Consumer(clock=_parts().clock, intake_table=_table("INTAKE_TABLE"), on_event=ignore, on_due=rollup.wake)


@_once
def tags_consumer() -> Consumer:
    from aftercare.consuming import Consumer

    keeper = _tag_keeper()
    return Consumer(
        clock=_parts().clock, intake_table=_table("INTAKE_TABLE"), on_event=keeper.take_in, on_due=keeper.wake
    )


def _tag_keeper() -> TagKeeper:
    from aftercare.showcase import TagWords
    from aftercare.tags.service import TagKeeper

    return TagKeeper(_table("TAGS_TABLE"), _parts().clock, _writer(), TagWords(), _defaults())


@_once
def publication_consumer() -> Consumer:
    from aftercare.aws.objects import S3Objects
    from aftercare.consuming import Consumer
    from aftercare.showcase import TagPages, TagWords
    from aftercare.tags.publication import FILES, MARKETPLACE, MarketplaceTags, PublicFiles, TagPublication

    clock, objects = _parts().clock, S3Objects(_parts().clients("s3"), _setting("PUBLIC_FILES"))
    pages = TagPages(_setting("PUBLIC_FILES_URL"), _setting("TAG_METHOD_URL"), _setting("TAG_REPORT_URL"))
    channels: dict[str, Publisher] = {
        FILES: PublicFiles(objects, pages),
        MARKETPLACE: MarketplaceTags(_marketplaces_at_hand(), TagWords()),
    }
    publication = TagPublication(_table("TAGS_TABLE"), clock, _writer(), channels)
    return Consumer(
        clock=clock,
        intake_table=_table("INTAKE_TABLE"),
        on_event=publication.take_in,
        on_due=publication.wake,
    )


def _marketplaces_at_hand() -> Callable[[str], Marketplace | None]:
    """As ``_marketplaces`` gives them to speak to, and None where there is no way to one."""
    from aftercare.kernel.ports import UnknownSecret
    from aftercare.marketplaces.doors import CannotAct

    marketplaces = _marketplaces("read")

    def marketplace(shop: str) -> Marketplace | None:
        try:
            return marketplaces(shop)
        except (UnknownSecret, CannotAct):
            return None

    return marketplace


def ignore(event: Event[EventData]) -> None:
    """The queue of a function that hears timers alone."""


@_once
def notice_consumer() -> Consumer:
    from aftercare.consuming import Consumer
    from aftercare.negotiation.notices import BuyerNotice
    from aftercare.pages.wording import OfferWording

    notice = BuyerNotice(
        _table("NEGOTIATION_TABLE"),
        _parts().clock,
        OfferWording(),
        _marketplaces("read"),
        _link_keys(),
        _setting("PUBLIC_BASE_URL"),
    )

    def hear(event: Event[EventData]) -> None:
        # most messages are about offers: what delays need is loaded with the first of them
        (_delay_notice().take_in if event.data.name in ABOUT_DELAYS else notice.take_in)(event)

    return Consumer(
        clock=_parts().clock,
        intake_table=_table("INTAKE_TABLE"),
        on_event=hear,
        on_due=lambda key: _delay_notice().wake(key),
    )


ABOUT_DELAYS = frozenset({"ShipmentAnomalyRaised", "ShipmentAnomalyEscalated", "NegotiationOpened"})


@_once
def _delay_notice() -> DelayNotice:
    from aftercare.negotiation.proactive import AnomalyPlans
    from aftercare.pages.anomalies import AnomalyWording
    from aftercare.shipments.notices import DelayNotice

    plans = AnomalyPlans(_table("NEGOTIATION_TABLE"))
    return DelayNotice(
        _table("SHIPMENTS_TABLE"),
        _parts().clock,
        _writer(),
        AnomalyWording(),
        _marketplaces("read"),
        plans.speak_of,
        _defaults(),
    )


@dataclass(frozen=True)
class OfferPageParts:
    """What the buyer's page needs: the cases, and the keys that open its links."""

    negotiation: Negotiation
    keys: Callable[[], LinkKeys]


@_once
def offer_page() -> OfferPageParts:
    return OfferPageParts(_negotiation(), _link_keys())


@dataclass(frozen=True)
class MerchantApiParts:
    """What the merchant's API needs: their cases and plans, what was set aside at their door, shipments, scores
    and tags. The last three are loaded with the first question about them.
    """

    merchant: Merchant
    quarantine: Quarantine
    limit: RequestLimit
    erase_buyer: Callable[[str, str], int]
    shipments: Callable[[], ShipmentDesk]
    scores: Callable[[], ScoreDesk]
    tags: Callable[[], TagDesk]


@_once
def merchant_api() -> MerchantApiParts:
    from aftercare.intake.limits import RequestLimit
    from aftercare.intake.service import Quarantine
    from aftercare.intake.store import erase_buyer
    from aftercare.marketplaces import doors
    from aftercare.negotiation.merchant import Merchant

    clock, intake_table = _parts().clock, _table("INTAKE_TABLE")
    merchant = Merchant(_table("NEGOTIATION_TABLE"), clock, _writer(), _negotiation(), doors.actions_of, _defaults())
    return MerchantApiParts(
        merchant=merchant,
        quarantine=Quarantine(table=intake_table, queue=_queue("INGRESS_QUEUE_URL"), clock=clock),
        limit=RequestLimit(intake_table, clock, int(_setting("REQUESTS_PER_MINUTE"))),
        erase_buyer=functools.partial(erase_buyer, intake_table),
        shipments=_shipment_desk,
        scores=_score_desk,
        tags=_tag_desk,
    )


@_once
def _shipment_desk() -> ShipmentDesk:
    from aftercare.kernel.ports import ActionType
    from aftercare.marketplaces import doors
    from aftercare.pages.anomalies import AnomalyWording
    from aftercare.shipments.merchant import ShipmentDesk

    table, clock = _table("SHIPMENTS_TABLE"), _parts().clock
    return ShipmentDesk(
        table,
        clock,
        _shipment_watch(),
        AnomalyWording(),
        _defaults(),
        lambda shop: ActionType.MESSAGE_SEND in doors.actions_of(shop),
    )


@_once
def _score_desk() -> ScoreDesk:
    from aftercare.scores.ledger import FactLedger
    from aftercare.scores.merchant import ScoreDesk

    table, clock, writer = _table("SCORES_TABLE"), _parts().clock, _writer()
    defaults = _defaults()
    return ScoreDesk(table, clock, writer, FactLedger(table, clock, writer, defaults), defaults)


@_once
def _tag_desk() -> TagDesk:
    from aftercare.tags.merchant import TagDesk

    return TagDesk(_table("TAGS_TABLE"), _parts().clock, _tag_keeper(), _defaults())


@_once
def event_relay() -> Relay:
    from aftercare.intake.relay import Relay

    return Relay(bus=_bus(), table=_table("INTAKE_TABLE"))


@_once
def deadline_sweep() -> tuple[DueSweep, ...]:
    """One sweep a table, money first."""
    from aftercare.kernel.due import DueSweep, Owner
    from aftercare.negotiation import keys as negotiation
    from aftercare.scores import keys as scores
    from aftercare.shipments import keys as shipments
    from aftercare.tags import keys as tags

    clock, shards, notices = _parts().clock, int(_setting("DUE_SHARDS")), _queue("NOTICE_QUEUE_URL")
    cases = (
        Owner("negotiation", negotiation.is_order, _queue("NEGOTIATION_QUEUE_URL")),
        Owner("settlement", negotiation.is_payout, _queue("SETTLEMENT_QUEUE_URL")),
    )
    parcels = (
        Owner("shipments", shipments.is_shipment, _queue("SHIPMENTS_QUEUE_URL")),
        Owner("notices", shipments.is_notice, notices),
    )
    service_tags = (
        Owner("tags", tags.is_shop, _queue("TAGS_QUEUE_URL")),
        Owner("publication", tags.is_channel, _queue("PUBLICATION_QUEUE_URL")),
    )
    return (
        DueSweep(_table("NEGOTIATION_TABLE"), clock, shards, cases),
        DueSweep(_table("SHIPMENTS_TABLE"), clock, shards, parcels),
        DueSweep(_table("SCORES_TABLE"), clock, shards, (Owner("scores", scores.is_shop, _queue("ROLLUP_QUEUE_URL")),)),
        DueSweep(_table("TAGS_TABLE"), clock, shards, service_tags),
    )
