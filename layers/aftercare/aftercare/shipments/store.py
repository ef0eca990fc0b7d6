"""The shipments table's items and every access to them as plain data; the keys are in ``keys.py``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from aftercare.events.trace import Scan
from aftercare.events.vocabulary import AnomalyStage
from aftercare.kernel.errors import MalformedInput
from aftercare.kernel.records import Change, RecordWriter, Stored
from aftercare.kernel.shops import PLAIN, ShopDefaults, marketplace_of
from aftercare.kernel.table import (
    VERSION,
    Absent,
    Condition,
    Increment,
    Index,
    Item,
    Page,
    Put,
    Query,
    Scalar,
    VersionIs,
)
from aftercare.shipments import codec
from aftercare.shipments.keys import counter_key, parcel_key, settings_key, shipment_key, words_key
from aftercare.shipments.model.lifecycle import open_anomalies
from aftercare.shipments.model.settings import ShopSettings
from aftercare.shipments.model.shipment import Parcel, ParcelId, Report, Shipment

ALERTS_INDEX = Index(name="alerts", partition="alert_shop", sort="alert_rank")
EXPIRES_AT = "expires_at"
ORDERS = "orders"
SCANS = "scans"
REPORTS = "reports"
SETTINGS = "settings"
WORDS = "words"
NUMBERS_KEPT = timedelta(days=400)
"""Carriers give a number again after some years; until then it means the same parcel."""
NOTES_KEPT = timedelta(days=180)
LARGEST_STATE = 300_000
"""Characters; DynamoDB takes 400 KB an item. A trace that long is a fault of whoever sends it."""
MOST_ORDERS_A_NUMBER = 50
MOST_WAITING = 500
RANK_DIGITS = 15
LAST_DIGEST = "~"
"""Sorts after every digest, which is hexadecimal."""
LAST_SECOND = 10**10


# ---------------------------------------------------------------- shipments


@dataclass(frozen=True, slots=True)
class ShipmentRecord:
    """A shipment and the item it was read from; ``stored`` is None for one that has no item yet."""

    shipment: Shipment
    stored: Stored | None

    @property
    def next_version(self) -> int:
        return 1 if self.stored is None else self.stored.version + 1


def read_shipment(shop: str, order_id: str, item: Item | None) -> ShipmentRecord:
    """A shipment that nothing is known of begins with the rules of its marketplace."""
    if item is None:
        return ShipmentRecord(Shipment(shop, order_id, shop.partition(":")[0]), None)
    stored = Stored.of(shipment_key(shop, order_id), item)
    return ShipmentRecord(codec.from_json(stored.state), stored)


def write_shipment(
    writer: RecordWriter, was: ShipmentRecord, change: Change, shipment: Shipment, at_risk: int | None
) -> Put:
    """``at_risk`` ranks it among the shop's alerts. Raises ``MalformedInput`` for one that grew beyond an item."""
    if len(change.state) > LARGEST_STATE:
        raise MalformedInput(f"order {shipment.order_id} has more facts than fit into its item")
    attributes: dict[str, Scalar] = {}
    alerting = [said for said in open_anomalies(shipment, change.now).values() if said.stage is not AnomalyStage.PRE]
    if alerting:
        oldest = min(said.crossed_at for said in alerting)
        attributes[ALERTS_INDEX.partition] = shipment.shop
        attributes[ALERTS_INDEX.sort] = alert_rank(at_risk or 0, oldest)
    return writer.put(shipment_key(shipment.shop, shipment.order_id), was.stored, change, attributes)


def alert_rank(at_risk: int, crossed_at: datetime) -> str:
    """Sorts alerts: the more money at risk in minor units, then the longer it lasts, the later in the index."""
    return f"{at_risk:0{RANK_DIGITS}d}#{LAST_SECOND - int(crossed_at.timestamp()):0{RANK_DIGITS}d}"


def alerts(shop: str, limit: int, after: Mapping[str, Scalar] | None) -> Query:
    """The orders of a shop with something wrong, the most money at risk first."""
    return Query(partition=shop, index=ALERTS_INDEX, descending=True, limit=limit, after=after)


def keep_words(shop: str, order_id: str, scan: Scan, text: str, now: datetime) -> Put:
    """The carrier's own words of a scan that does not explain itself, for whoever has to understand it."""
    attributes: Item = {
        WORDS: text,
        "scanned_at": scan.at.isoformat(),
        EXPIRES_AT: int((now + NOTES_KEPT).timestamp()),
    }
    return Put(words_key(shop, order_id, scan.text_digest), attributes, (Absent(),))


def words(shop: str, order_id: str, limit: int) -> Query:
    """The words that were kept of an order's scans."""
    lowest, highest = words_key(shop, order_id, ""), words_key(shop, order_id, LAST_DIGEST)
    return Query(partition=lowest.partition, lowest=lowest.sort, highest=highest.sort, limit=limit)


def read_words(shop: str, order_id: str, page: Page) -> dict[str, str]:
    """By the digest that the scan has in place of them."""
    before = len(words_key(shop, order_id, "").sort)
    return {key.sort[before:]: str(item[WORDS]) for key, item in zip(page.keys, page.items, strict=True)}


# ---------------------------------------------------------------- parcel numbers


@dataclass(frozen=True, slots=True)
class NumberRecord:
    """The orders that a parcel number belongs to, and what was told of it before the first of them was known."""

    orders: tuple[str, ...]
    scans: tuple[Scan, ...]
    corrected_at: datetime | None
    reports: tuple[Report, ...]
    version: int

    @property
    def parcel(self) -> Parcel:
        return Parcel(scans=self.scans, corrected_at=self.corrected_at)


def read_number(item: Item | None) -> NumberRecord:
    if item is None:
        return NumberRecord((), (), None, (), 0)
    orders = tuple(each for each in str(item[ORDERS]).split("\n") if each)
    corrected_at = item.get("corrected_at")
    return NumberRecord(
        orders,
        codec.scans_from_json(str(item[SCANS])),
        None if corrected_at is None else datetime.fromisoformat(str(corrected_at)),
        codec.reports_from_json(str(item.get(REPORTS, "[]"))),
        int(item[VERSION]),
    )


def write_number(shop: str, parcel: ParcelId, was: NumberRecord, number: NumberRecord, now: datetime) -> Put:
    """Raises ``MalformedInput`` for a number that cannot be one parcel's any more."""
    if len(number.orders) > MOST_ORDERS_A_NUMBER or len(number.scans) + len(number.reports) > MOST_WAITING:
        raise MalformedInput(f"parcel {parcel.number} has more orders or news than a parcel can have")
    attributes: dict[str, Scalar] = {
        VERSION: was.version + 1,
        ORDERS: "\n".join(number.orders),
        SCANS: codec.scans_to_json(number.scans),
        EXPIRES_AT: int((now + NUMBERS_KEPT).timestamp()),
    }
    if number.corrected_at is not None:
        attributes["corrected_at"] = number.corrected_at.isoformat()
    if number.reports:
        attributes[REPORTS] = codec.reports_to_json(number.reports)
    guard: Condition = VersionIs(was.version) if was.version else Absent()
    return Put(parcel_key(shop, parcel), attributes, (guard,))


# ---------------------------------------------------------------- messages to buyers


def expiring(now: datetime) -> dict[str, Scalar]:
    """What a note of a message carries so that it is forgotten in time."""
    return {EXPIRES_AT: int((now + NOTES_KEPT).timestamp())}


def count_message(shop: str, buyer: str, day: date, most: int, now: datetime) -> Increment:
    """One more message to the buyer on that local day; refused beyond ``most``."""
    return Increment(counter_key(shop, buyer, day), {"messages": 1}, {"messages": most}, expiring(now))


# ---------------------------------------------------------------- settings


@dataclass(frozen=True, slots=True)
class SettingsRecord:
    settings: ShopSettings
    version: int


def read_settings(shop: str, item: Item | None, defaults: ShopDefaults = PLAIN) -> SettingsRecord:
    """A shop that has saved nothing is watched by the default rules, and its buyers are told nothing."""
    if item is None:
        return SettingsRecord(ShopSettings(pack=defaults.packs.get(marketplace_of(shop)), zone=defaults.zone), 0)
    return SettingsRecord(ShopSettings.model_validate_json(str(item[SETTINGS])), int(item[VERSION]))


def write_settings(shop: str, was: SettingsRecord, settings: ShopSettings) -> Put:
    guard: Condition = VersionIs(was.version) if was.version else Absent()
    attributes: Item = {VERSION: was.version + 1, SETTINGS: settings.model_dump_json(exclude_defaults=True)}
    return Put(settings_key(shop), attributes, (guard,))
