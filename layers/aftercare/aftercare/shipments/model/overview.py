"""A shipment as its merchant sees it: plain JSON, times in UTC. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from aftercare.events.trace import Place, Scan
from aftercare.events.vocabulary import AnomalyStage, ScanStatus
from aftercare.kernel.times import to_text
from aftercare.rulepacks.shipments import ShipmentRules
from aftercare.shipments.model.lifecycle import Wording, is_muting, open_anomalies
from aftercare.shipments.model.promise import due_of
from aftercare.shipments.model.risk import order_at_risk
from aftercare.shipments.model.shipment import (
    UNNAMED,
    Due,
    Mute,
    Parcel,
    ParcelId,
    Payment,
    Promise,
    Refund,
    Report,
    Said,
    Shipment,
)
from aftercare.shipments.model.trace import picked_up, watched_parcels

MILESTONES = (
    ScanStatus.OUT_FOR_DELIVERY,
    ScanStatus.READY_FOR_PICKUP,
    ScanStatus.DELIVERED,
    ScanStatus.RETURN_STARTED,
    ScanStatus.RETURNED,
)
"""Beside the upload and the pickup: those that every carrier scans."""


class Look(NamedTuple):
    """A shipment looked at by its rules at a moment."""

    shipment: Shipment
    rules: ShipmentRules
    wording: Wording
    now: datetime

    # ------------------------------------------------------------ in a list

    def alert(self) -> dict[str, Any]:
        """What is wrong now and not muted, the dearest first, beside what others reported and did not take back.

        The order's ``at_risk`` counts what is muted or over too: that is owed as well.
        """
        alerting = open_anomalies(self.shipment, self.now)
        dearest = sorted(alerting.items(), key=_urgency)
        return {
            "order_id": self.shipment.order_id,
            "at_risk": self._money(order_at_risk(self.shipment, self.rules)),
            "parcels": [
                {**_parcel_name(parcel_id), "last_scan": _last_scan(parcel)}
                for parcel_id, parcel in watched_parcels(self.shipment).items()
            ],
            "anomalies": [self._anomaly(each_id, said) for each_id, said in dearest],
            "reports": [_report(report) for report in self.shipment.reports if stands(report, self.shipment.reports)],
        }

    # ------------------------------------------------------------ whole

    def whole(self, words: Mapping[str, str]) -> dict[str, Any]:
        """All that is known, without the buyer: who that is, the marketplace knows.

        ``words`` are the carrier's own by their digest, as far as they were kept.
        """
        shipment = self.shipment
        said = sorted(shipment.said.items(), key=lambda each: (each[1].since, each[0]))
        return {
            "order_id": shipment.order_id,
            "rules": self.rules.id,
            "payment": _payment(shipment.payment),
            "promises": [_promise(promise) for promise in sorted(shipment.promises, key=lambda each: each.made_at)],
            "due": _due(due_of(shipment, self.rules)),
            "cancelled_at": _time(shipment.cancelled_at),
            "completed_at": _time(shipment.completed_at),
            "out_of_stock_at": _time(shipment.out_of_stock_at),
            "refunds": [self._refund(refund_id, refund) for refund_id, refund in shipment.refunds.items()],
            "parcels": [_parcel(*each, words) for each in watched_parcels(shipment).items()],
            "at_risk": self._money(order_at_risk(shipment, self.rules)),
            "anomalies": [self.anomaly(each_id, each) for each_id, each in said],
            "reports": [
                {**_report(report), "stands": stands(report, shipment.reports)}
                for report in shipment.reports
                if not report.lifted
            ],
        }

    def anomaly(self, anomaly_id: str, said: Said) -> dict[str, Any]:
        """One anomaly, open, muted or ended, with who muted it last."""
        mute = self.shipment.mutes.get(anomaly_id)
        is_muted = is_muting(mute, self.now)
        return {
            **self._anomaly(anomaly_id, said),
            "state": "ended" if said.outcome else "muted" if is_muted else "open",
            "cleared_at": _time(said.cleared_at),
            "outcome": said.outcome.value if said.outcome else None,
            "mute": _mute(mute),
        }

    def _anomaly(self, anomaly_id: str, said: Said) -> dict[str, Any]:
        words = self.wording.words(said.kind, said.leg)
        return {
            "anomaly_id": anomaly_id,
            "parcel": None if said.parcel == UNNAMED else _parcel_name(said.parcel),
            "kind": said.kind.value,
            "leg": said.leg.value if said.leg else None,
            "stage": said.stage.value,
            "since": _time(said.since),
            "crossed_at": _time(said.crossed_at),
            "at_risk": self._money(said.at_risk),
            "rule": said.rule,
            "text": {"zh": words.zh, "en": words.en},
            "action": self.wording.action(said.kind, said.leg),
        }

    def _refund(self, refund_id: str, refund: Refund) -> dict[str, Any]:
        return {
            "refund_id": refund_id,
            "requested_at": _time(refund.requested_at),
            "not_received": refund.not_received,
            "decided_at": _time(refund.decided_at),
            "refunded": self._money(refund.refunded) if refund.refunded_at else None,
            "refunded_at": _time(refund.refunded_at),
        }

    def _money(self, minor: int | None) -> dict[str, Any] | None:
        payment = self.shipment.payment
        return None if minor is None or payment is None else {"minor": minor, "currency": payment.currency}


def stands(report: Report, reports: Iterable[Report]) -> bool:
    """It was not taken back: a later report that lifts ends those of the same parcel and kind made before it."""
    return not report.lifted and not any(
        other.lifted and (other.parcel, other.kind) == (report.parcel, report.kind) and report.at < other.at
        for other in reports
    )


def _urgency(each: tuple[str, Said]) -> tuple[int, bool, datetime, str]:
    each_id, said = each
    return -(said.at_risk or 0), said.stage is AnomalyStage.PRE, said.crossed_at, each_id


# ---------------------------------------------------------------- parcels


def _parcel(parcel_id: ParcelId, parcel: Parcel, words: Mapping[str, str]) -> dict[str, Any]:
    moved = picked_up(parcel)
    return {
        **_parcel_name(parcel_id),
        "milestones": {
            "uploaded_at": _time(parcel.uploaded_at),
            "picked_up_at": _time(moved.at if moved else None),
            **{f"{status.value}_at": _time(_first(parcel, status)) for status in MILESTONES},
        },
        "scans": [_scan(scan, words) for scan in parcel.scans],
        "corrected_at": _time(parcel.corrected_at),
        "also_on": [peer.order_id for peer in parcel.peers],
    }


def _scan(scan: Scan, words: Mapping[str, str]) -> dict[str, Any]:
    return {
        "at": _time(scan.at),
        "status": scan.status.value,
        "reason": scan.reason.value if scan.reason else None,
        "place": _place(scan.place),
        "hub": scan.hub,
        "signed_by": scan.signed_by.value if scan.signed_by else None,
        "code": scan.code,
        "words": words.get(scan.text_digest),
        "arrived_at": _time(scan.arrived),
    }


def _last_scan(parcel: Parcel) -> dict[str, Any] | None:
    if not parcel.scans:
        return None
    last = parcel.scans[-1]
    return {"at": _time(last.at), "status": last.status.value}


def _first(parcel: Parcel, status: ScanStatus) -> datetime | None:
    return next((scan.at for scan in parcel.scans if scan.status is status), None)


def _parcel_name(parcel_id: ParcelId) -> dict[str, Any]:
    """Scans of an order that name no parcel have neither carrier nor number."""
    return {"carrier": parcel_id.carrier or None, "number": parcel_id.number or None}


# ---------------------------------------------------------------- the order


def _payment(payment: Payment | None) -> dict[str, Any] | None:
    if payment is None:
        return None
    return {
        "paid_at": _time(payment.paid_at),
        "presale_from": _time(payment.presale_from),
        "goods": {"minor": payment.goods, "currency": payment.currency},
        "ship_by": _time(payment.ship_by),
        "deliver_by": _time(payment.deliver_by),
        "door_delivery": payment.door_delivery,
        "origin": _place(payment.origin),
        "destination": _place(payment.destination),
    }


def _promise(promise: Promise) -> dict[str, Any]:
    return {
        "source": promise.source.value,
        "made_at": _time(promise.made_at),
        "tag": promise.tag,
        "terms": promise.terms,
        "ship_by": _time(promise.ship_by),
        "deliver_by": _time(promise.deliver_by),
        "door_delivery": promise.door_delivery,
    }


def _due(due: Due | None) -> dict[str, Any] | None:
    if due is None:
        return None
    return {
        "ship_by": _time(due.ship_by),
        "original_ship_by": _time(due.original_ship_by),
        "deliver_by": _time(due.deliver_by),
        "door_delivery": due.door_delivery,
        "rule": due.rule,
    }


def _report(report: Report) -> dict[str, Any]:
    return {
        "parcel": None if report.parcel == UNNAMED else _parcel_name(report.parcel),
        "kind": report.kind,
        "raw": report.raw,
        "at": _time(report.at),
    }


def _mute(mute: Mute | None) -> dict[str, Any] | None:
    if mute is None:
        return None
    return {
        "author": mute.author,
        "reason": mute.reason,
        "at": _time(mute.at),
        "until": _time(mute.until),
        "ended_by": mute.ended_by,
    }


def _place(place: Place | None) -> dict[str, Any] | None:
    return None if place is None else dict(place._asdict())


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else to_text(moment)
