"""A buyer is told of a late parcel once, by day, and not too often."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from builders import SHARDS, SHOP, BookKeeper
from shipments import DAY0, P2, WatchedShop, fact, hour, paid, scan, shipped

from aftercare.events.vocabulary import AnomalyKind
from aftercare.kernel.ports import ActionOutcome, ActionStatus
from aftercare.kernel.records import RecordWriter
from aftercare.kernel.table import Key
from aftercare.kernel.times import to_text
from aftercare.pages.anomalies import AnomalyWording
from aftercare.shipments import keys
from aftercare.shipments.model.muting import muted
from aftercare.shipments.model.settings import DelayMessages, ShopSettings
from aftercare.shipments.model.shipment import Mute
from aftercare.shipments.notices import DelayNotice

ZONE = "Asia/Shanghai"
SETTINGS = ShopSettings(zone=ZONE, locale="en", delay_messages=DelayMessages())


class TellingShop(WatchedShop):
    """A watched shop whose anomalies reach the notices as soon as they are said."""

    def __init__(self, settings: ShopSettings = SETTINGS, start: datetime = DAY0) -> None:
        super().__init__(settings, start)
        self.marketplace = BookKeeper()
        self.planned: set[AnomalyKind] = set()
        self.notice = DelayNotice(
            self.table,
            self.clock,
            RecordWriter(SHARDS),
            AnomalyWording(),
            lambda _: self.marketplace,
            lambda _, kind: kind in self.planned,
        )
        self.sent: list[tuple[datetime, str, str]] = []
        self.marketplace.on_act = lambda action: self.sent.append(
            (self.clock.time, action.key, str(action.data["text"]))
        )
        self._watched, self.watch_wake = 0, self.watch.wake
        self.watch.wake = self._wake  # type: ignore[method-assign]

    def _wake(self, key: Key) -> None:
        (self.notice.wake if keys.is_notice(key) else self.watch_wake)(key)
        self.tell()

    def tell(self) -> None:
        news, self._watched = self.said[self._watched :], len(self.said)
        for _, event in news:
            self.notice.take_in(event)

    def stalls(self, order_id: str = "A1", parcel: object = None, **changed: object) -> None:
        """A parcel is picked up an hour after the payment, and then nothing: a breach after 24 h more."""
        named = {} if parcel is None else {"parcel": parcel}
        self.follow([paid(order_id, **changed), shipped(0, order_id, **named), scan("picked_up", 1, **named)])


def at_local(hours: int) -> datetime:
    """That hour of DAY0 in the shop's zone, which is eight hours ahead."""
    return datetime(DAY0.year, DAY0.month, DAY0.day, tzinfo=UTC) + timedelta(hours=hours - 8)


def test_a_buyer_is_told_when_the_parcel_is_late() -> None:
    shop = TellingShop()
    shop.stalls()
    shop.run_until(30)
    [(at, _, text)] = shop.sent
    assert at == hour(25) + timedelta(seconds=1)
    assert "no news of your parcel" in text


def test_the_same_anomaly_is_told_once_however_often_it_is_heard_and_however_grave_it_becomes() -> None:
    shop = TellingShop()
    shop.stalls()
    shop.run_until(24 * 10)
    for _, event in list(shop.said):
        shop.notice.take_in(event)
    assert len(shop.sent) == 1


def test_a_message_of_the_night_waits_for_the_morning() -> None:
    shop = TellingShop(start=hour(0))
    # picked up at 22:30 local, silent for 24 h: 22:30 local of the next day
    shop.follow([paid(), shipped(), scan("picked_up", 6.5)])
    shop.run_until(48)
    [(at, _, _)] = shop.sent
    assert at == at_local(24 + 24 + 9)


def test_nobody_is_told_in_the_morning_of_what_was_over_by_then() -> None:
    shop = TellingShop()
    shop.follow([paid(), shipped(), scan("picked_up", 6.5), scan("delivered", 33)])
    shop.run_until(100)
    assert shop.sent == []


def test_the_hours_are_those_of_the_buyer_where_they_are_known() -> None:
    shop = TellingShop()
    # 16:30 in the shop's zone is deep in the night at Los Angeles
    shop.stalls(time_zone="America/Los_Angeles")
    shop.run_until(60)
    [(at, _, _)] = shop.sent
    assert to_text(at) == "2026-11-03T17:00:00Z"


def test_a_second_message_to_a_buyer_on_one_day_waits_for_the_next() -> None:
    shop = TellingShop()
    for order_id, parcel in (("A1", None), ("A2", P2)):
        named = {} if parcel is None else {"parcel": parcel}
        shop.hear(paid(order_id), shipped(0, order_id, **named), scan("picked_up", 0, **named))
    shop.run_until(80)
    first, second = shop.sent
    assert first[0] == hour(24) + timedelta(seconds=1)
    assert second[0] == at_local(24 + 24 + 9)


def test_a_message_without_an_answer_is_sent_again_under_its_key_until_there_is_one() -> None:
    shop = TellingShop()
    shop.marketplace.answers = [ActionOutcome(ActionStatus.AMBIGUOUS)] * 2
    shop.stalls()
    shop.run_until(40)
    assert [at - shop.sent[0][0] for at, _, _ in shop.sent] == [timedelta(minutes=10 * each) for each in range(3)]
    assert len({key for _, key, _ in shop.sent}) == 1


def test_where_a_plan_speaks_of_such_anomalies_there_is_no_plain_message() -> None:
    shop = TellingShop()
    shop.planned = {AnomalyKind.STALLED}
    shop.stalls()
    shop.run_until(60)
    assert shop.sent == []


@pytest.mark.parametrize(("arm", "messages"), [("none", 1), ("hold_out", 1), ("offer", 0)])
def test_a_plan_that_offers_nothing_after_all_leaves_the_plain_message(arm: str, messages: int) -> None:
    shop = TellingShop()
    shop.planned = {AnomalyKind.STALLED}
    shop.stalls()
    shop.run_until(26)
    [anomaly] = shop.anomalies()
    opened = {
        "negotiation_id": "n1",
        "order_id": "A1",
        "anomaly_id": anomaly.anomaly_id,
        "trigger": "parcel_anomaly",
        "eligible": arm != "none",
        "arm": arm,
        "opened_at": to_text(shop.clock.time),
    }
    shop.notice.take_in(fact("NegotiationOpened", opened, shop.clock.time))
    assert len(shop.sent) == messages


@pytest.mark.parametrize("settings", [ShopSettings(zone=ZONE), ShopSettings(delay_messages=DelayMessages(kinds=()))])
def test_a_shop_that_did_not_turn_it_on_tells_nobody(settings: ShopSettings) -> None:
    shop = TellingShop(settings)
    shop.stalls()
    shop.run_until(60)
    assert shop.sent == []


def test_a_muted_anomaly_that_waits_for_the_morning_is_not_told() -> None:
    shop = TellingShop()
    shop.follow([paid(), shipped(), scan("picked_up", 6.5)])
    shop.run_until(31)
    [anomaly] = shop.anomalies()
    mute = Mute("m", "the carrier called", hour(31), None)
    shop.watch.edit(SHOP, "A1", lambda order: muted(order, anomaly.anomaly_id, mute))
    shop.run_until(60)
    assert shop.sent == []
