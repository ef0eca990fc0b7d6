"""Buyers are told that a parcel is late: once for each thing wrong, not at night, and not too often on one day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from aftercare.events.negotiation import NegotiationOpened
from aftercare.events.shipments import ShipmentAnomaly
from aftercare.events.vocabulary import AnomalyKind, AnomalyStage, Arm, Leg, Trigger, Words
from aftercare.kernel.envelope import Event, EventData
from aftercare.kernel.errors import Transient
from aftercare.kernel.ports import Action, ActionStatus, ActionType, Clock, Marketplace
from aftercare.kernel.records import Change, RecordWriter, Stored
from aftercare.kernel.shops import PLAIN, ShopDefaults
from aftercare.kernel.table import Item, Key, Put, Table, TransactionRefused, WriteRefused
from aftercare.shipments import keys, store
from aftercare.shipments.model.lifecycle import is_muting
from aftercare.shipments.model.settings import DelayMessages, ShopSettings
from aftercare.shipments.model.shipment import Said, Shipment

WAITING, SENDING, SENT, NEEDLESS = "waiting", "sending", "sent", "needless"
RETRY_AFTER = timedelta(minutes=10)
"""A message of which nobody knows whether it went out is sent again then."""


class BeingSent(Transient):
    """Somebody else is at the same message; it is looked at again."""


class DelayWording(Protocol):
    """Puts an anomaly into a buyer's words, in Chinese and English."""

    def words(self, kind: AnomalyKind, leg: Leg | None) -> Words: ...


class Reading(NamedTuple):
    """What is known of one message: its item, and the anomaly as it stands now."""

    notice: Stored | None
    shipment: Shipment
    said: Said
    settings: ShopSettings

    @property
    def zone(self) -> str:
        """The buyer's zone where it is known and is one, else the shop's."""
        named = self.shipment.payment.time_zone if self.shipment.payment else None
        try:
            return ZoneInfo(named).key if named else self.settings.zone
        except (ValueError, OSError, KeyError):
            return self.settings.zone


class DelayNotice:
    """``has_plan`` says whether a merchant's plan speaks to buyers about a kind of anomaly: then it does, not this."""

    def __init__(
        self,
        table: Table,
        clock: Clock,
        writer: RecordWriter,
        wording: DelayWording,
        marketplace: Callable[[str], Marketplace],
        has_plan: Callable[[str, AnomalyKind], bool],
        defaults: ShopDefaults = PLAIN,
    ) -> None:
        self._table = table
        self._defaults = defaults
        self._clock = clock
        self._writer = writer
        self._wording = wording
        self._marketplace = marketplace
        self._has_plan = has_plan

    def take_in(self, event: Event[EventData]) -> None:
        """Tells the buyer, or makes a note to do so later. Raises ``Transient`` to be called again."""
        shop = event.metadata.shop
        match event.data:
            case ShipmentAnomaly(notify=True, stage=stage) as anomaly if stage is not AnomalyStage.PRE:
                self._tell(shop, anomaly.order_id, anomaly.anomaly_id, unless_planned=True)
            case NegotiationOpened(trigger=Trigger.PARCEL_ANOMALY, anomaly_id=str(anomaly_id), arm=arm) as opened:
                if arm is not Arm.OFFER:
                    self._tell(shop, opened.order_id, anomaly_id)
            case _:
                pass

    def wake(self, key: Key) -> None:
        """The time for a message has come."""
        shop, order_id = keys.order_of(key)
        self._tell(shop, order_id, key.sort)

    def _tell(self, shop: str, order_id: str, anomaly_id: str, *, unless_planned: bool = False) -> None:
        now, key = self._clock.now(), keys.notice_key(shop, order_id, anomaly_id)
        reading = self._read(shop, order_id, anomaly_id, key)
        if reading is None or (reading.notice is not None and reading.notice.state in {SENT, NEEDLESS}):
            return
        rules = reading.settings.delay_messages
        over = reading.said.outcome is not None or is_muting(reading.shipment.mutes.get(anomaly_id), now)
        if over or rules is None or reading.said.kind not in rules.kinds:
            if reading.notice is not None:
                self._note(key, reading, NEEDLESS)
            return
        if unless_planned and self._has_plan(shop, reading.said.kind):
            return
        if reading.notice is not None and reading.notice.state == SENDING:
            self._send(key, reading, reading.notice)
        elif (later := rules.not_before(now, reading.zone)) > now:
            self._note(key, reading, WAITING, later)
        else:
            self._take_turn(key, reading, rules)

    def _take_turn(self, key: Key, reading: Reading, rules: DelayMessages) -> None:
        """The message counts for the buyer's day before it is sent; when the day is full, the next one is tried."""
        now = self._clock.now()
        local = now.astimezone(ZoneInfo(reading.zone))
        payment = reading.shipment.payment
        buyer = payment.buyer if payment and payment.buyer else f"order/{reading.shipment.order_id}"
        claim = self._put(key, reading, SENDING, now + RETRY_AFTER)
        counted = store.count_message(reading.shipment.shop, buyer, local.date(), rules.per_buyer_a_day, now)
        try:
            self._table.transact([claim, counted])
        except TransactionRefused as refused:
            if 0 in refused.refused or not refused.refused:
                raise BeingSent("somebody else is sending this message") from refused
            self._note(key, reading, WAITING, rules.first_of_day(local.date() + timedelta(days=1), reading.zone))
            return
        self._send(key, reading, Stored.of(key, claim.attributes))

    def _send(self, key: Key, reading: Reading, claimed: Stored) -> None:
        shipment, said = reading.shipment, reading.said
        words = self._wording.words(said.kind, said.leg)
        locale = (shipment.payment.locale if shipment.payment else None) or reading.settings.locale
        action = Action(
            type=ActionType.MESSAGE_SEND,
            key=f"{key.partition}/{key.sort}",
            shop=shipment.shop,
            order_id=shipment.order_id,
            data={"text": words.zh if locale.lower().startswith("zh") else words.en},
        )
        outcome = self._marketplace(shipment.shop).act(action)
        reading = reading._replace(notice=claimed)
        if outcome.status is ActionStatus.AMBIGUOUS:
            # nobody knows whether the buyer got it: under the same key it goes out again until somebody does
            self._note(key, reading, SENDING, self._clock.now() + RETRY_AFTER)
        else:
            self._note(key, reading, SENT)

    # ------------------------------------------------------------ the note

    def _read(self, shop: str, order_id: str, anomaly_id: str, key: Key) -> Reading | None:
        at, settings_at = keys.shipment_key(shop, order_id), keys.settings_key(shop)
        found = self._table.get_many([key, at, settings_at])
        shipment = store.read_shipment(shop, order_id, found.get(at)).shipment
        said = shipment.said.get(anomaly_id)
        if said is None:
            return None
        notice: Item | None = found.get(key)
        settings = store.read_settings(shop, found.get(settings_at), self._defaults).settings
        return Reading(None if notice is None else Stored.of(key, notice), shipment, said, settings)

    def _note(self, key: Key, reading: Reading, state: str, wake_at: datetime | None = None) -> None:
        try:
            self._table.write(self._put(key, reading, state, wake_at))
        except WriteRefused as refused:
            raise BeingSent("somebody else is sending this message") from refused

    def _put(self, key: Key, reading: Reading, state: str, wake_at: datetime | None) -> Put:
        now = self._clock.now()
        change = Change(shop=reading.shipment.shop, state=state, said=(), deadline=wake_at, now=now)
        return self._writer.put(key, reading.notice, change, store.expiring(now))
