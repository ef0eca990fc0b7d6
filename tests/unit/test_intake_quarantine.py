"""What was set aside can be listed page by page, and replayed once per click."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from aftercare.intake.model import SetAside, Shelf
from aftercare.intake.service import AlreadyReplayed, NotReplayable, Quarantine, UnknownEntry
from aftercare.kernel.errors import Transient
from sandbox.memory_table import MemoryTable

SHOP = "standard:tea-house"
NOW = datetime(2026, 11, 5, 12, 0, 0, tzinfo=UTC)


class StoppedClock:
    def now(self) -> datetime:
        return NOW


@dataclass
class Line:
    sent: list[str] = field(default_factory=list)
    down: bool = False

    def send(self, bodies: Sequence[str]) -> None:
        if self.down:
            raise Transient("no connection")
        self.sent += bodies

    def depth(self) -> int:
        return len(self.sent)


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def quarantine(line: Line) -> Quarantine:
    return Quarantine(table=MemoryTable(), queue=line, clock=StoppedClock())


def entry(number: int, shelf: Shelf = Shelf.QUARANTINE, shop: str = SHOP) -> SetAside:
    at = NOW + timedelta(minutes=number)
    return SetAside(shelf, shop, f"msg_{number}", at, "the body is not JSON", f"message {number}")


def test_the_newest_comes_first_page_by_page_each_once(quarantine: Quarantine) -> None:
    for number in range(7):
        quarantine.keep(entry(number))
    seen: list[str] = []
    after = None
    while True:
        page = quarantine.list(SHOP, Shelf.QUARANTINE, after, limit=3)
        seen += [listed.entry.delivery_id for listed in page.entries]
        if page.next is None:
            break
        after = page.next
    assert seen == [f"msg_{number}" for number in reversed(range(7))]


def test_shops_and_shelves_do_not_see_each_other(quarantine: Quarantine) -> None:
    quarantine.keep(entry(1))
    quarantine.keep(entry(2, Shelf.PARKED))
    quarantine.keep(entry(3, shop="standard:other"))
    [listed] = quarantine.list(SHOP, Shelf.QUARANTINE).entries
    assert listed.entry == entry(1)
    assert (listed.replays, listed.replayed_at) == (0, None)
    assert [parked.entry for parked in quarantine.list(SHOP, Shelf.PARKED).entries] == [entry(2, Shelf.PARKED)]


def test_a_replay_sends_the_message_again_and_is_counted(quarantine: Quarantine, line: Line) -> None:
    quarantine.keep(entry(1))
    for count in (1, 2):
        [listed] = quarantine.list(SHOP, Shelf.QUARANTINE).entries
        quarantine.replay(SHOP, Shelf.QUARANTINE, listed.id, listed.version)
        [after] = quarantine.list(SHOP, Shelf.QUARANTINE).entries
        assert (after.replays, after.replayed_at, after.entry) == (count, NOW, entry(1))
        assert line.sent == ["message 1"] * count


def test_a_double_click_replays_once(quarantine: Quarantine, line: Line) -> None:
    quarantine.keep(entry(1))
    [listed] = quarantine.list(SHOP, Shelf.QUARANTINE).entries
    quarantine.replay(SHOP, Shelf.QUARANTINE, listed.id, listed.version)
    with pytest.raises(AlreadyReplayed):
        quarantine.replay(SHOP, Shelf.QUARANTINE, listed.id, listed.version)
    assert line.sent == ["message 1"]


def test_what_was_never_set_aside_cannot_be_replayed(quarantine: Quarantine, line: Line) -> None:
    quarantine.keep(entry(1))
    [listed] = quarantine.list(SHOP, Shelf.QUARANTINE).entries
    for shop, shelf, id_ in (
        ("standard:other", Shelf.QUARANTINE, listed.id),
        (SHOP, Shelf.PARKED, listed.id),
        (SHOP, Shelf.QUARANTINE, "nothing"),
    ):
        with pytest.raises(UnknownEntry):
            quarantine.replay(shop, shelf, id_, 1)
    assert line.sent == []


def test_after_a_queue_that_was_down_it_can_be_replayed_anew(quarantine: Quarantine, line: Line) -> None:
    quarantine.keep(entry(1))
    [listed] = quarantine.list(SHOP, Shelf.QUARANTINE).entries
    line.down = True
    with pytest.raises(Transient):
        quarantine.replay(SHOP, Shelf.QUARANTINE, listed.id, listed.version)
    line.down = False
    [listed] = quarantine.list(SHOP, Shelf.QUARANTINE).entries
    quarantine.replay(SHOP, Shelf.QUARANTINE, listed.id, listed.version)
    assert line.sent == ["message 1"]


def test_a_redelivery_after_a_replay_keeps_the_count(quarantine: Quarantine) -> None:
    quarantine.keep(entry(1))
    [listed] = quarantine.list(SHOP, Shelf.QUARANTINE).entries
    quarantine.replay(SHOP, Shelf.QUARANTINE, listed.id, listed.version)
    quarantine.keep(entry(1))
    [after] = quarantine.list(SHOP, Shelf.QUARANTINE).entries
    assert after.replays == 1


def test_an_event_of_ours_is_kept_too_but_is_no_delivery_to_replay(quarantine: Quarantine, line: Line) -> None:
    quarantine.keep(entry(1, Shelf.EVENTS))
    [listed] = quarantine.list(SHOP, Shelf.EVENTS).entries
    with pytest.raises(NotReplayable):
        quarantine.replay(SHOP, Shelf.EVENTS, listed.id, listed.version)
    assert line.sent == []
