"""A merchant does not want to hear of an anomaly for some time, or for good. Pure."""

from __future__ import annotations

from datetime import datetime

from aftercare.shipments.model.lifecycle import is_muting
from aftercare.shipments.model.refusals import AnomalyEnded, NoSuchAnomaly
from aftercare.shipments.model.shipment import Mute, Said, Shipment


def muted(shipment: Shipment, anomaly_id: str, mute: Mute) -> Shipment:
    """The shipment with the mute, unchanged where the same was said before; raises as ``open_anomaly`` does."""
    open_anomaly(shipment, anomaly_id)
    known = shipment.mutes.get(anomaly_id)
    if known is not None and known._replace(at=mute.at) == mute:
        return shipment
    return shipment._replace(mutes={**shipment.mutes, anomaly_id: mute})


def unmuted(shipment: Shipment, anomaly_id: str, author: str, now: datetime) -> Shipment:
    """The shipment with the mute ended, unchanged where none holds; raises as ``open_anomaly`` does."""
    open_anomaly(shipment, anomaly_id)
    mute = shipment.mutes.get(anomaly_id)
    if mute is None or not is_muting(mute, now):
        return shipment
    return shipment._replace(mutes={**shipment.mutes, anomaly_id: mute._replace(until=now, ended_by=author)})


def open_anomaly(shipment: Shipment, anomaly_id: str) -> Said:
    """What was said of it, muted or not. Raises ``NoSuchAnomaly`` or ``AnomalyEnded``."""
    said = shipment.said.get(anomaly_id)
    if said is None:
        raise NoSuchAnomaly("no such anomaly")
    if said.outcome is not None:
        raise AnomalyEnded(f"it ended by itself: {said.outcome.value}")
    return said
