"""What to say: the findings of now compared with what was said before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple, Protocol

from aftercare.events.shipments import (
    AnomalyMark,
    OrderDelivered,
    OrderDue,
    ShipmentAnomaly,
    ShipmentAnomalyCleared,
    ShipmentAnomalyEscalated,
    ShipmentAnomalyRaised,
)
from aftercare.events.trace import Place
from aftercare.events.vocabulary import AnomalyKind, AnomalyOutcome, AnomalyStage, Leg, Parcel, Region, Words
from aftercare.kernel.envelope import EventData
from aftercare.kernel.ids import stable_id
from aftercare.kernel.money import Money
from aftercare.kernel.times import to_text
from aftercare.rulepacks.shipments import ShipmentRules
from aftercare.shipments.model.promise import as_paid
from aftercare.shipments.model.risk import Wrong, at_risk
from aftercare.shipments.model.shipment import UNNAMED, Due, Mute, ParcelId, Said, Shipment
from aftercare.shipments.model.trace import delivered, picked_up, watched_parcels
from aftercare.shipments.model.verdicts import Crossing, Finding, judge

DIGEST_LENGTH = 8


class Wording(Protocol):
    """Puts an anomaly into words."""

    def words(self, kind: AnomalyKind, leg: Leg | None) -> Words:
        """What its buyer can be told, in Chinese and English."""

    def action(self, kind: AnomalyKind, leg: Leg | None) -> str:
        """What the shop is advised to do, as a code."""


class Outcome(NamedTuple):
    """The shipment after everything is said, what is said, and when to look again."""

    shipment: Shipment
    said: tuple[EventData, ...]
    next_look: datetime | None


def bring_up_to_date(
    shipment: Shipment, rules: ShipmentRules, wording: Wording, now: datetime, revision: int
) -> Outcome:
    """Says what has changed. ``revision`` is the version that the shipment will be written under."""
    verdict = judge(shipment, rules, now)
    speaker = Speaker(shipment, rules, wording, verdict.due, now)
    anomalies = tuple(speaker.compare(verdict.findings))
    after = shipment._replace(said=speaker.register)
    due, after = _say_due(after, verdict.due, revision)
    deliveries, after = _say_delivered(after, verdict.due, revision)
    looks = (verdict.next_look, *(mute.until for mute in shipment.mutes.values() if is_muting(mute, now)))
    next_look = min((look for look in looks if look is not None), default=None)
    return Outcome(after, (*due, *anomalies, *deliveries), next_look)


# ---------------------------------------------------------------- anomalies


def anomaly_id(shipment: Shipment, found: Finding) -> str:
    """The same for the same thing wrong, whenever and however often it is found."""
    leg = found.leg.value if found.leg else ""
    return stable_id(shipment.shop, shipment.order_id, *found.parcel, found.kind.value, leg, to_text(found.since))


def is_muting(mute: Mute | None, now: datetime) -> bool:
    return mute is not None and (mute.until is None or now < mute.until)


def open_anomalies(shipment: Shipment, now: datetime) -> dict[str, Said]:
    """What is wrong and not muted, by anomaly id."""
    return {
        each_id: said
        for each_id, said in shipment.said.items()
        if said.outcome is None and not is_muting(shipment.mutes.get(each_id), now)
    }


class Speaker:
    """Compares findings with what was said before; ``register`` is what is said of them afterwards."""

    def __init__(
        self, shipment: Shipment, rules: ShipmentRules, wording: Wording, due: Due | None, now: datetime
    ) -> None:
        self._shipment = shipment
        self._rules = rules
        self._wording = wording
        self._due = due
        self._now = now
        self.register: dict[str, Said] = dict(shipment.said)

    def compare(self, findings: tuple[Finding, ...]) -> Iterator[ShipmentAnomaly]:
        found = {anomaly_id(self._shipment, each): each for each in findings}
        for each_id, finding in found.items():
            was = self._shipment.said.get(each_id)
            yield from self._say(each_id, finding, None if was and was.outcome is AnomalyOutcome.WITHDRAWN else was)
        for each_id, said in self._shipment.said.items():
            if each_id not in found and said.outcome is not AnomalyOutcome.WITHDRAWN:
                yield self._withdraw(each_id, said)

    def _say(self, each_id: str, found: Finding, was: Said | None) -> Iterator[ShipmentAnomaly]:
        stages = found.stages(self._now)
        is_over, muted = found.ended_at is not None, is_muting(self._shipment.mutes.get(each_id), self._now)
        if was is not None and _contradicts(was, found, stages):
            was = None
        said_rank = -1 if was is None else _RANKS[was.stage]
        news = [crossing for crossing in stages if _RANKS[crossing.stage] > said_rank]
        notify = not is_over and not muted
        notified = (was is not None and was.notified) or (bool(news) and notify)
        for crossing in news:
            said = self._said(found, crossing, stages, notified=notified)
            model = ShipmentAnomalyRaised if was is None and crossing is stages[0] else ShipmentAnomalyEscalated
            yield self._event(model, each_id, said, crossing.at, notify=notify)
        final = self._said(found, stages[-1], stages, notified=notified)
        if is_over:
            final = final._replace(cleared_at=found.ended_at, outcome=found.outcome)
            if was is None or _ending(was) != _ending(final):
                yield self._event(
                    ShipmentAnomalyCleared, each_id, final, final.crossed_at, notify=notified and not muted
                )
        self.register[each_id] = final

    def _withdraw(self, each_id: str, said: Said) -> ShipmentAnomaly:
        """It was said too early or by mistake: a scan that came late shows that it never was."""
        withdrawn = said._replace(
            cleared_at=max(self._now, said.crossed_at), outcome=AnomalyOutcome.WITHDRAWN, at_risk=None
        )
        self.register[each_id] = withdrawn
        notify = said.notified and not is_muting(self._shipment.mutes.get(each_id), self._now)
        return self._event(ShipmentAnomalyCleared, each_id, withdrawn, withdrawn.crossed_at, notify=notify)

    def _said(self, found: Finding, reached: Crossing, stages: tuple[Crossing, ...], *, notified: bool) -> Said:
        breach = next((each.at for each in stages if each.stage is AnomalyStage.BREACH), stages[0].at)
        wrong = Wrong(found.kind, found.leg, reached.stage)
        return Said(
            kind=found.kind,
            parcel=found.parcel,
            leg=found.leg,
            since=found.since,
            stage=reached.stage,
            crossed_at=breach,
            cleared_at=None,
            outcome=None,
            notified=notified,
            at_risk=at_risk(self._shipment, self._rules, self._due, wrong),
            rule=found.rule,
        )

    def _event(
        self, model: type[ShipmentAnomaly], each_id: str, said: Said, crossed_at: datetime, *, notify: bool
    ) -> ShipmentAnomaly:
        payment = self._shipment.payment
        risk = None if payment is None or said.at_risk is None else Money(minor=said.at_risk, currency=payment.currency)
        return model(
            anomaly_id=each_id,
            parcel=_parcel_of(said.parcel),
            order_id=self._shipment.order_id,
            kind=said.kind,
            leg=said.leg,
            stage=said.stage,
            since=said.since,
            crossed_at=crossed_at,
            cleared_at=said.cleared_at,
            outcome=said.outcome,
            rule=said.rule,
            at_risk=risk,
            buyer=payment.buyer if payment and payment.buyer else None,
            text=self._wording.words(said.kind, said.leg),
            action=self._wording.action(said.kind, said.leg),
            notify=notify,
        )


_RANKS = {stage: rank for rank, stage in enumerate((AnomalyStage.PRE, AnomalyStage.BREACH, AnomalyStage.SERIOUS))}


def _contradicts(was: Said, found: Finding, stages: tuple[Crossing, ...]) -> bool:
    """What was said does not hold and has no end that would correct it: it is open again, or at another stage."""
    if found.ended_at is not None:
        return False
    breach = next((each.at for each in stages if each.stage is AnomalyStage.BREACH), None)
    other_limits = was.stage is not AnomalyStage.PRE and was.crossed_at != breach
    return was.outcome is not None or other_limits or _RANKS[stages[-1].stage] < _RANKS[was.stage]


def _ending(said: Said) -> tuple[object, ...]:
    return said.stage, said.crossed_at, said.cleared_at, said.outcome


# ---------------------------------------------------------------- promises and deliveries


def _say_due(shipment: Shipment, due: Due | None, revision: int) -> tuple[tuple[OrderDue, ...], Shipment]:
    known = shipment.due_said or as_paid(shipment)
    if due is None or known is None or due._replace(rule="") == known._replace(rule=""):
        return (), shipment
    said = OrderDue(
        order_id=shipment.order_id,
        ship_by=due.ship_by,
        original_ship_by=due.original_ship_by,
        deliver_by=due.deliver_by,
        door_delivery=due.door_delivery,
        rule=due.rule,
        revision=revision,
    )
    return (said,), shipment._replace(due_said=due)


def _say_delivered(shipment: Shipment, due: Due | None, revision: int) -> tuple[tuple[OrderDelivered, ...], Shipment]:
    said: list[OrderDelivered] = []
    digests = dict(shipment.delivered_said)
    payment = shipment.payment
    for parcel_id, parcel in watched_parcels(shipment).items():
        arrived, moved, named = delivered(parcel), picked_up(parcel), _parcel_of(parcel_id)
        if arrived is None or named is None:
            continue
        delivery = OrderDelivered(
            order_id=shipment.order_id,
            parcel=named,
            paid_at=payment and payment.paid_at,
            picked_up_at=moved and moved.at,
            delivered_at=arrived.at,
            ship_by=due and due.ship_by,
            deliver_by=due and due.deliver_by,
            origin=_region_of(payment and payment.origin),
            destination=_region_of(payment and payment.destination),
            anomalies=_marks(shipment, parcel_id),
            revision=revision,
        )
        digest = stable_id(delivery.model_dump_json(exclude={"revision"}))[:DIGEST_LENGTH]
        if digests.get(parcel_id) != digest:
            digests[parcel_id] = digest
            said.append(delivery)
    return tuple(said), shipment._replace(delivered_said=digests) if said else shipment


def _marks(shipment: Shipment, parcel_id: ParcelId) -> tuple[AnomalyMark, ...]:
    """What was wrong with the parcel, or with its order as a whole, on the way."""
    marks = [
        AnomalyMark(anomaly_id=each_id, kind=said.kind, leg=said.leg, stage=said.stage)
        for each_id, said in shipment.said.items()
        if said.outcome is not AnomalyOutcome.WITHDRAWN and said.parcel in {parcel_id, UNNAMED}
    ]
    return tuple(sorted(marks, key=lambda mark: mark.anomaly_id))


def _parcel_of(parcel_id: ParcelId) -> Parcel | None:
    return None if parcel_id == UNNAMED else Parcel(carrier=parcel_id.carrier, number=parcel_id.number)


def _region_of(place: Place | None) -> Region | None:
    return None if place is None else Region(country=place.country, province=place.province, city=place.city)
