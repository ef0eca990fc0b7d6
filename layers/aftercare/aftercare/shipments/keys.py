"""The keys of the shipments table: every one is built here, and nowhere else.

| what | partition | sort |
|---|---|---|
| an order's shipment | ``ORDER#{shop}#{order_id}`` | ``SHIPMENT`` |
| which orders a parcel number belongs to | ``PARCEL#{shop}#{carrier}#{number}`` | ``ORDERS`` |
| a carrier's words of a scan that our table does not explain | ``ORDER#{shop}#{order_id}`` | ``WORDS#{digest}`` |
| a shop's settings | ``SHOP#{shop}`` | ``SETTINGS`` |
| a delay message to a buyer, sent or waiting | ``NOTICE#{shop}#{order_id}`` | ``{anomaly_id}`` |
| messages to a buyer on a local day | ``COUNTER#{shop}#{buyer}#{day}`` | ``COUNTER`` |
"""

from __future__ import annotations

from datetime import date

from aftercare.kernel.table import Key
from aftercare.shipments.model.shipment import ParcelId


def shipment_key(shop: str, order_id: str) -> Key:
    return Key(f"ORDER#{shop}#{order_id}", "SHIPMENT")


def parcel_key(shop: str, parcel: ParcelId) -> Key:
    return Key(f"PARCEL#{shop}#{parcel.carrier}#{parcel.number}", "ORDERS")


def words_key(shop: str, order_id: str, digest: str) -> Key:
    return Key(f"ORDER#{shop}#{order_id}", f"WORDS#{digest}")


def settings_key(shop: str) -> Key:
    return Key(f"SHOP#{shop}", "SETTINGS")


def notice_key(shop: str, order_id: str, anomaly_id: str) -> Key:
    return Key(f"NOTICE#{shop}#{order_id}", anomaly_id)


def counter_key(shop: str, buyer: str, day: date) -> Key:
    return Key(f"COUNTER#{shop}#{buyer}#{day.isoformat()}", "COUNTER")


def is_shipment(key: Key) -> bool:
    return key.partition.startswith("ORDER#")


def is_notice(key: Key) -> bool:
    return key.partition.startswith("NOTICE#")


def order_of(key: Key) -> tuple[str, str]:
    """The shop and the order id of a key that names an order; a shop has no ``#`` in it, an order id may."""
    _, shop, order_id = key.partition.split("#", 2)
    return shop, order_id
