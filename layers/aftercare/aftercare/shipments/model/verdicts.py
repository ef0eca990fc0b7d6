"""What is wrong with a shipment: a pure function of what is known and of the time.

A finding says when each limit was passed and when, if ever, it was over. Nothing here remembers what was said before:
a scan that comes late gives other findings, and what was said too early is withdrawn by comparing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from aftercare.events.trace import Scan
from aftercare.events.vocabulary import (
    PICKED_UP_STATUSES,
    AnomalyKind,
    AnomalyOutcome,
    AnomalyStage,
    Leg,
    ScanReason,
    ScanStatus,
    SignedBy,
)
from aftercare.kernel.times import ONE_SECOND
from aftercare.rulepacks.shipments import ShipmentRules, Threshold
from aftercare.shipments.model.promise import due_of
from aftercare.shipments.model.shipment import UNNAMED, Due, Parcel, ParcelId, Shipment
from aftercare.shipments.model.trace import (
    Lane,
    Silence,
    delivered,
    first_of,
    judged_at,
    picked_up,
    short_province,
    silences,
    watched_parcels,
)

SUPPRESSING = frozenset(
    {
        AnomalyKind.LOST,
        AnomalyKind.DAMAGED,
        AnomalyKind.REFUSED,
        AnomalyKind.RETURNED_WITHOUT_CONSENT,
        AnomalyKind.RETURN_LOOP,
    }
)
"""While one of these is open, nobody need be told that the parcel stands still or is late as well."""
LATE = frozenset({AnomalyKind.LATE_PICKUP, AnomalyKind.LATE_DELIVERY})
ON_THE_BUYERS_SIDE = frozenset(
    {
        ScanReason.CONSIGNEE_ABSENT,
        ScanReason.CONSIGNEE_REFUSED,
        ScanReason.CONSIGNEE_ADDRESS,
        ScanReason.CONSIGNEE_REQUESTED_LATER,
        ScanReason.CONSIGNEE_UNPAID,
        ScanReason.CONSIGNEE_CLOSED,
    }
)
NOT_THE_DOOR = frozenset({SignedBy.LOCKER, SignedBy.STATION, SignedBy.NEIGHBOUR})
RETURNING = frozenset({ScanStatus.RETURN_STARTED, ScanStatus.RETURNED})
ON_THE_WAY = PICKED_UP_STATUSES - RETURNING - {ScanStatus.DELIVERED}


class Crossing(NamedTuple):
    """A stage and when its limit is passed; ``inclusive`` when the limit itself belongs to it."""

    stage: AnomalyStage
    at: datetime
    inclusive: bool = False

    def passed(self, moment: datetime) -> bool:
        return moment > self.at or (self.inclusive and moment == self.at)


class Finding(NamedTuple):
    """Something that is, or will be, wrong from its first crossing on; ``ended_at`` and ``outcome`` once it is over."""

    kind: AnomalyKind
    parcel: ParcelId
    leg: Leg | None
    since: datetime
    crossings: tuple[Crossing, ...]
    ended_at: datetime | None
    outcome: AnomalyOutcome | None
    rule: str

    def stages(self, now: datetime) -> tuple[Crossing, ...]:
        """The stages reached by now, or before it ended: whatever ended it is over, though clocks may differ."""
        moment = now if self.ended_at is None else self.ended_at
        return tuple(crossing for crossing in self.crossings if crossing.passed(moment))

    def next_crossing(self, now: datetime) -> datetime | None:
        """The next limit that it will pass; a scan whose clock is ahead may end it later than now."""
        ahead = (crossing for crossing in self.crossings if not crossing.passed(now))
        return next((each.at for each in ahead if self.ended_at is None or each.passed(self.ended_at)), None)


class Verdict(NamedTuple):
    """``findings`` have reached a stage by now; ``next_look`` is when the next one will, if nothing is heard."""

    findings: tuple[Finding, ...]
    due: Due | None
    next_look: datetime | None


def judge(shipment: Shipment, rules: ShipmentRules, now: datetime) -> Verdict:
    """``rules`` are those in force when the order was paid."""
    due = due_of(shipment, rules)
    watched = Watch(shipment, rules, due, watched_parcels(shipment))
    candidates = [found for found in watched.candidates() if found is not None]
    findings = list(_not_suppressed(candidates, now))
    reached = tuple(found for found in findings if found.stages(now))
    looks = [look for found in findings if (look := found.next_crossing(now)) is not None]
    # a limit is passed only after its own second
    return Verdict(reached, due, min(looks) + ONE_SECOND if looks else None)


class Watch(NamedTuple):
    """One look at a shipment, from which each kind of finding is drawn."""

    shipment: Shipment
    rules: ShipmentRules
    due: Due | None
    parcels: Mapping[ParcelId, Parcel]

    def candidates(self) -> Iterator[Finding | None]:
        for parcel_id, parcel in self.parcels.items():
            yield from self._marked(parcel_id, parcel)
            yield self._sent_back_unasked(parcel_id, parcel)
            yield from self._going_round(parcel_id, parcel)
            yield from self._fake(parcel_id, parcel)
            yield from self._misdelivered(parcel_id, parcel)
            yield from self._stalled(parcel_id, parcel)
        yield from self._not_received()
        yield self._out_of_stock()
        yield self._late(AnomalyKind.LATE_PICKUP, self.due and self.due.ship_by, self._first(picked_up))
        yield self._late(AnomalyKind.LATE_DELIVERY, self.due and self.due.deliver_by, self._first(delivered))

    # ------------------------------------------------------------ what a carrier says itself

    def _marked(self, parcel_id: ParcelId, parcel: Parcel) -> Iterator[Finding]:
        """Lost, damaged, refused: from the first scan that says so to the one that ends it."""
        over = delivered(parcel)
        scans = [scan for scan in parcel.scans if over is None or scan.in_time <= over.in_time]
        for kind, marks, ends in (
            (AnomalyKind.LOST, _says_lost, _says_found),
            (AnomalyKind.DAMAGED, _says_damaged, _says_delivered),
            (AnomalyKind.REFUSED, _says_refused, _says_arrived_or_back),
        ):
            mark: Scan | None = None
            for scan in scans:
                if mark is not None and ends(scan):
                    yield self._at_once(kind, parcel_id, mark.at, scan)
                    mark = None
                elif mark is None and marks(scan):
                    mark = scan
            if mark is not None:
                yield self._at_once(kind, parcel_id, mark.at, None)

    def _sent_back_unasked(self, parcel_id: ParcelId, parcel: Parcel) -> Finding | None:
        back = next((scan for scan in parcel.scans if scan.status in RETURNING), None)
        if back is None or any(
            scan.reason in ON_THE_BUYERS_SIDE for scan in parcel.scans if scan.in_time <= back.in_time
        ):
            return None
        asked = (refund.requested_at for refund in self.shipment.refunds.values())
        if any(moment is not None and moment <= back.at for moment in (*asked, self.shipment.cancelled_at)):
            return None
        later = [scan for scan in parcel.scans if scan.in_time > back.in_time]
        arrived = next((scan for scan in later if scan.status is ScanStatus.DELIVERED), None)
        return self._at_once(AnomalyKind.RETURNED_WITHOUT_CONSENT, parcel_id, back.at, arrived)

    def _going_round(self, parcel_id: ParcelId, parcel: Parcel) -> Iterator[Finding]:
        """Not back in time, moving again after it was back, or through the same hub again and again."""
        back_in = timedelta(days=self.rules.return_back_within)
        started: Scan | None = None
        returned = False
        for scan in parcel.scans:
            if scan.status is ScanStatus.RETURN_STARTED and started is None:
                started = scan
            elif started is not None and scan.status in {ScanStatus.RETURNED, ScanStatus.DELIVERED}:
                yield self._finding(AnomalyKind.RETURN_LOOP, parcel_id, started.at, started.at + back_in, scan)
                started = None
            if returned and scan.status in ON_THE_WAY:
                end = _first_after(parcel, scan, {ScanStatus.DELIVERED, ScanStatus.RETURNED})
                yield self._at_once(AnomalyKind.RETURN_LOOP, parcel_id, scan.at, end)
                returned = False
            returned = returned or scan.status is ScanStatus.RETURNED
        if started is not None:
            yield self._finding(AnomalyKind.RETURN_LOOP, parcel_id, started.at, started.at + back_in, None)
        over = delivered(parcel)
        on_the_way = [scan for scan in parcel.scans if over is None or scan.in_time <= over.in_time]
        again = _visit(on_the_way, self.rules.hub_visits)
        if again is not None:
            end = _first_after(parcel, again, {ScanStatus.DELIVERED, ScanStatus.RETURNED})
            yield self._at_once(AnomalyKind.RETURN_LOOP, parcel_id, again.at, end)

    # ------------------------------------------------------------ what does not fit together

    def _fake(self, parcel_id: ParcelId, parcel: Parcel) -> Iterator[Finding]:
        bought_at, moved = self._bought_at(), picked_up(parcel)
        if bought_at is not None and moved is not None and moved.at < bought_at:
            # what was delivered before it was bought is another order's parcel
            arrivals = (scan for scan in parcel.scans if scan.status is ScanStatus.DELIVERED and scan.at >= bought_at)
            yield self._at_once(AnomalyKind.FAKE_SHIPMENT, parcel_id, moved.at, next(arrivals, None))
        elif self._number_reused(parcel) and parcel.uploaded_at is not None:
            yield self._at_once(AnomalyKind.FAKE_SHIPMENT, parcel_id, parcel.uploaded_at, None)

    def _bought_at(self) -> datetime | None:
        """The first moment at which a parcel of the order can be on its way, as far as it is known."""
        payment = self.shipment.payment
        if payment is None or (payment.presale and payment.presale_from is None):
            return None
        return payment.presale_from or payment.paid_at

    def _number_reused(self, parcel: Parcel) -> bool:
        """The number was another order's first, and that order goes to another address."""
        here = self.shipment.payment.destination_key if self.shipment.payment else None
        own = (parcel.uploaded_at, self.shipment.order_id)
        return here is not None and any(
            peer.destination_key not in (None, here) and None not in own and (peer.uploaded_at, peer.order_id) < own
            for peer in parcel.peers
            if peer.uploaded_at is not None
        )

    def _misdelivered(self, parcel_id: ParcelId, parcel: Parcel) -> Iterator[Finding]:
        arrived = delivered(parcel)
        destination = self.shipment.payment.destination if self.shipment.payment else None
        if arrived is None:
            return
        meant, reached = destination and destination.city, arrived.place and arrived.place.city
        if meant and reached and short_province(meant) != short_province(reached):
            yield self._at_once(AnomalyKind.WRONG_DESTINATION, parcel_id, arrived.at, None)
        if self.due is not None and self.due.door_delivery and arrived.signed_by in NOT_THE_DOOR:
            yield self._at_once(AnomalyKind.NOT_AT_DOOR, parcel_id, arrived.at, None)

    def _not_received(self) -> Iterator[Finding]:
        arrived = self._first(delivered)
        if arrived is None:
            return
        last = arrived.at + timedelta(days=self.rules.not_received_within)
        asked: dict[datetime, list[datetime | None]] = {}
        for refund in self.shipment.refunds.values():
            if refund.not_received and refund.requested_at is not None and arrived.at < refund.requested_at <= last:
                asked.setdefault(refund.requested_at, []).append(refund.decided_at)
        for moment, decisions in asked.items():
            found = self._at_once(AnomalyKind.NOT_RECEIVED, UNNAMED, moment, None)
            decided = [decision for decision in decisions if decision is not None]
            if len(decided) == len(decisions) and (found.ended_at is None or max(decided) < found.ended_at):
                found = found._replace(ended_at=max(moment, *decided), outcome=AnomalyOutcome.CLOSED)
            yield found

    # ------------------------------------------------------------ what does not happen in time

    def _stalled(self, parcel_id: ParcelId, parcel: Parcel) -> Iterator[Finding]:
        payment, moment = self.shipment.payment, judged_at(self.shipment)
        lane = Lane(payment and payment.origin, payment and payment.destination)
        stalls = None if moment is None else self.rules.thresholds(moment, lane.names)
        if stalls is None or moment is None:
            return
        adjustment = self.rules.adjustment(moment, lane.names)
        thresholds = lane.thresholds(stalls, self.rules.lanes)
        for silence in silences(parcel):
            threshold = thresholds.get(silence.leg)
            if threshold is None:
                continue
            leg = f"transit.{lane.transit(self.rules.lanes)}" if silence.leg is Leg.TRANSIT else silence.leg.value
            adjusted = f"+{adjustment.id}" if adjustment else ""
            yield self._ended(
                Finding(
                    AnomalyKind.STALLED,
                    parcel_id,
                    silence.leg,
                    silence.since,
                    self._crossings(silence, threshold),
                    silence.until,
                    _outcome_of(silence.ended_by),
                    f"{self.rules.id}/stalled.{leg}{adjusted}",
                )
            )

    def _crossings(self, silence: Silence, threshold: Threshold) -> tuple[Crossing, ...]:
        breach = timedelta(hours=threshold.breach)
        pre = Crossing(AnomalyStage.PRE, silence.since + breach * self.rules.pre_percent / 100)
        return (
            *((pre,) if self.rules.pre_warning else ()),
            Crossing(AnomalyStage.BREACH, silence.since + breach),
            Crossing(AnomalyStage.SERIOUS, silence.since + timedelta(hours=threshold.serious), inclusive=True),
        )

    def _out_of_stock(self) -> Finding | None:
        moved, declared = self._first(picked_up), self.shipment.out_of_stock_at
        original = self.due.original_ship_by if self.due else None
        given_up = None if original is None else original + timedelta(hours=self.rules.out_of_stock_after)
        if declared is not None and (given_up is None or declared <= given_up):
            if moved is not None and moved.at <= declared:
                return None
            return self._at_once(AnomalyKind.OUT_OF_STOCK, UNNAMED, declared, moved)
        if original is None or given_up is None:
            return None
        return self._finding(AnomalyKind.OUT_OF_STOCK, UNNAMED, original, given_up, moved)

    def _late(self, kind: AnomalyKind, limit: datetime | None, done: Scan | None) -> Finding | None:
        return None if limit is None else self._finding(kind, UNNAMED, limit, limit, done)

    # ------------------------------------------------------------ findings

    def _first(self, milestone: Callable[[Parcel], Scan | None]) -> Scan | None:
        return first_of(milestone(parcel) for parcel in self.parcels.values())

    def _at_once(self, kind: AnomalyKind, parcel_id: ParcelId, since: datetime, end: Scan | None) -> Finding:
        """A fact that is wrong as soon as it is there; scans out of order may end it before it began."""
        found = self._new(kind, parcel_id, since, Crossing(AnomalyStage.BREACH, since, inclusive=True), end)
        if found.ended_at is None or found.outcome is AnomalyOutcome.CLOSED:
            return found
        return found._replace(ended_at=max(found.ended_at, since))

    def _finding(
        self, kind: AnomalyKind, parcel_id: ParcelId, since: datetime, limit: datetime, end: Scan | None
    ) -> Finding:
        """Something that had to happen up to the limit, the limit included."""
        return self._new(kind, parcel_id, since, Crossing(AnomalyStage.BREACH, limit), end)

    def _new(
        self, kind: AnomalyKind, parcel_id: ParcelId, since: datetime, crossing: Crossing, end: Scan | None
    ) -> Finding:
        ended_at, outcome = (None, None) if end is None else (end.at, _outcome_of(end.status))
        rule = f"{self.rules.id}/{kind.value}"
        return self._ended(Finding(kind, parcel_id, None, since, (crossing,), ended_at, outcome, rule))

    def _ended(self, found: Finding) -> Finding:
        """What is over for good with its order is over for the finding too, unless it came after."""
        may_follow = found.kind in _AFTER_THE_END
        closed_at = min((end for end in self._ends() if not may_follow or end >= found.since), default=None)
        if closed_at is None or (found.ended_at is not None and found.ended_at <= closed_at):
            return found
        return found._replace(ended_at=closed_at, outcome=AnomalyOutcome.CLOSED)

    def _ends(self) -> Iterator[datetime]:
        """When the order was called off, confirmed by its buyer, or paid back in full."""
        ends = (self.shipment.cancelled_at, self.shipment.completed_at, self._paid_back_at())
        return (moment for moment in ends if moment is not None)

    def _paid_back_at(self) -> datetime | None:
        goods = self.shipment.payment.goods if self.shipment.payment else 0
        refunds = [(each.refunded_at, each.refunded) for each in self.shipment.refunds.values() if each.refunded_at]
        total = 0
        for moment, refunded in sorted(refunds):
            total += refunded
            if 0 < goods <= total:
                return moment
        return None


# ---------------------------------------------------------------- one finding stands for another


def _not_suppressed(candidates: Sequence[Finding], now: datetime) -> Iterator[Finding]:
    """One thing wrong is told once: what a graver finding covers begins not at all, or ends where that begins."""
    graver = [found for found in candidates if found.kind in _COVERING and found.stages(now)]
    # what lasts longest comes first: once it has cut a finding short, one that is over by now may cover the rest
    graver.sort(key=lambda found: (found.ended_at is None, found.ended_at or now), reverse=True)
    for found in candidates:
        kept: Finding | None = found
        for other in graver:
            if kept is not None and _covers(other, kept):
                kept = _before(kept, other.crossings[0].at)
        if kept is not None:
            yield kept


def _covers(graver: Finding, found: Finding) -> bool:
    """What was over before ``found`` is over covers nothing: a lost parcel that moves on may still be late."""
    if found.kind is AnomalyKind.STALLED:
        concerns = graver.kind in SUPPRESSING and graver.parcel == found.parcel
    elif found.kind in LATE:
        concerns = graver.kind in SUPPRESSING or found.kind is AnomalyKind.LATE_PICKUP
    else:
        concerns = False
    lasts = graver.ended_at is None or (found.ended_at is not None and graver.ended_at >= found.ended_at)
    return concerns and lasts


def _before(found: Finding, moment: datetime) -> Finding | None:
    if moment <= found.crossings[0].at:
        return None
    if found.ended_at is not None and found.ended_at <= moment:
        return found
    return found._replace(ended_at=moment, outcome=AnomalyOutcome.CLOSED)


# ---------------------------------------------------------------- what scans say


_COVERING = SUPPRESSING | {AnomalyKind.OUT_OF_STOCK}
_AFTER_THE_END = frozenset({AnomalyKind.NOT_RECEIVED, AnomalyKind.WRONG_DESTINATION, AnomalyKind.NOT_AT_DOOR})


def _says_lost(scan: Scan) -> bool:
    return scan.status is ScanStatus.LOST or scan.reason is ScanReason.CARRIER_LOST


def _says_found(scan: Scan) -> bool:
    return scan.status in PICKED_UP_STATUSES and not _says_lost(scan)


def _says_damaged(scan: Scan) -> bool:
    return scan.reason is ScanReason.CARRIER_DAMAGED


def _says_refused(scan: Scan) -> bool:
    return scan.reason is ScanReason.CONSIGNEE_REFUSED


def _says_delivered(scan: Scan) -> bool:
    return scan.status is ScanStatus.DELIVERED


def _says_arrived_or_back(scan: Scan) -> bool:
    return scan.status in {ScanStatus.DELIVERED, ScanStatus.RETURNED}


def _outcome_of(status: ScanStatus | None) -> AnomalyOutcome | None:
    if status is None:
        return None
    return AnomalyOutcome.DELIVERED if status is ScanStatus.DELIVERED else AnomalyOutcome.MOVED


def _first_after(parcel: Parcel, scan: Scan, statuses: set[ScanStatus]) -> Scan | None:
    return next((each for each in parcel.scans if each.in_time > scan.in_time and each.status in statuses), None)


def _visit(scans: Iterable[Scan], number: int) -> Scan | None:
    """The scan with which some hub is visited for that time; scans in a row at one hub are one visit."""
    visits: dict[str, int] = {}
    last: str | None = None
    for scan in scans:
        if scan.hub is None or scan.hub == last:
            continue
        last = scan.hub
        visits[scan.hub] = visits.get(scan.hub, 0) + 1
        if visits[scan.hub] == number:
            return scan
    return None
