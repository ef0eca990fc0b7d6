"""Things that tests of tags need: what is told of a shop, and its keeper and publication on a table in memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from builders import SHARDS, SHOP, StandingClock, cny

from aftercare.events import catalogue
from aftercare.events.orders import OrderPromised
from aftercare.events.tags import TagChanged
from aftercare.kernel.envelope import Event, EventData, Metadata
from aftercare.kernel.errors import Transient
from aftercare.kernel.ids import stable_id
from aftercare.kernel.ports import Action, ActionOutcome, ActionStatus, ActionType, Capabilities
from aftercare.kernel.records import DUE_AT, DUE_INDEX, OUTBOX, RecordWriter
from aftercare.kernel.table import Item, Key, Query
from aftercare.kernel.times import from_text, to_text
from aftercare.showcase import TagPages, TagWords, folder_of
from aftercare.tags import keys, store
from aftercare.tags.merchant import TagDesk
from aftercare.tags.model.kept import Kept
from aftercare.tags.model.shop import ShopTags
from aftercare.tags.publication import FILES, MARKETPLACE, MarketplaceTags, PublicFiles, Publisher, TagPublication
from aftercare.tags.service import TagKeeper, next_look
from sandbox.memory_table import MemoryTable

Fact = Event[EventData]
ZONE = "Asia/Shanghai"
MONDAY = date(2026, 11, 2)
"""Day 0 of these tests, in the shop's zone."""
FILES_URL = "https://files.example"
VISIBLE_AGAIN = timedelta(minutes=6)
"""So long a message that was returned to its queue waits there."""
GOOD, BAD = (100, 100), (50, 100)


def day(number: int) -> date:
    return MONDAY + timedelta(days=number)


def at(number: int, clock: str = "00:00:00", zone: str = ZONE) -> datetime:
    """That time of day ``number`` in the zone, in UTC."""
    local = datetime.combine(day(number), time.fromisoformat(clock), ZoneInfo(zone))
    return local.astimezone(ZoneInfo("UTC"))


def close_of(number: int, zone: str = ZONE) -> datetime:
    """When the measures of that day are told: at three in the morning after it."""
    return at(number + 1, "03:00:00", zone)


# ---------------------------------------------------------------- what is told


def fact(name: str, when: datetime, data: Mapping[str, Any], shop: str = SHOP) -> Fact:
    """The same fact has the same event id."""
    model = catalogue.model_of(name, 1)
    plain = json.loads(json.dumps(data, default=to_text))
    event_id = stable_id(name, shop, json.dumps(plain, sort_keys=True))
    metadata = Metadata(event_id=event_id, version=1, occurred_at=when, shop=shop)
    return Event(model.sources[0], metadata, model.model_validate(plain))


def measured(
    number: int, revision: int = 1, *, zone: str | None = ZONE, shop: str = SHOP, **counts: tuple[int, int]
) -> Fact:
    """A day's numerators and denominators by metric."""
    metrics = [{"id": metric, "numerator": one, "denominator": of} for metric, (one, of) in counts.items()]
    data = {"day": day(number).isoformat(), "time_zone": zone, "metrics": metrics, "revision": revision}
    return fact("DayMeasured", close_of(number, zone or "UTC"), data, shop)


def scored(week: str, shown: str | None, revision: int = 1, told: str = "06:00:00", **dimensions: str) -> Fact:
    """``week`` such as ``2026-W45``, told on the Monday after it; ``dimensions`` with their points."""
    monday = date.fromisoformat(f"{week}-7") + timedelta(days=1)
    end = at((monday - MONDAY).days, told)
    data = {
        "week": week, "window": {"from": end - timedelta(days=30), "to": end}, "pack": "standard-1", "metrics": [],
        "dimensions": [{"id": each, "points": points, "weight": "1"} for each, points in dimensions.items()],
        "bonus": [], "deductions": [], "score": shown, "shown": shown, "service_weight": "1", "revision": revision,
    }  # fmt: skip
    return fact("ScorePublished", end, data)


def enrolled(service: str, when: datetime, *, active: bool = True) -> Fact:
    return fact("ServiceEnrolled", when, {"service": service, "active": active, "since": when})


def revoked(when: datetime) -> Fact:
    return fact("ShopAuthorizationRevoked", when, {"at": when})


def paid(order_id: str, when: datetime, shop: str = SHOP) -> Fact:
    data = {
        "order_id": order_id, "buyer": "b_1", "paid_at": when, "amount": cny(10_000),
        "lines": [{"line_id": "1", "item_id": "I1", "category": "tea", "quantity": 1, "amount": cny(10_000)}],
        "promise": {"door_delivery": False},
    }  # fmt: skip
    return fact("OrderPaid", when, data, shop)


# ---------------------------------------------------------------- the world outside


class Bucket:
    """Files by path; ``fault`` is raised instead of keeping one."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.headers: dict[str, tuple[str, int]] = {}
        self.puts = 0
        self.fault: BaseException | None = None

    def put(self, path: str, body: bytes, content_type: str, max_age_seconds: int) -> None:
        if self.fault is not None:
            raise self.fault
        self.puts += 1
        self.files[path], self.headers[path] = body, (content_type, max_age_seconds)


class Stall:
    """A marketplace that does every key once, and takes the same key with the same content only."""

    def __init__(self, *actions: ActionType) -> None:
        self.capabilities = Capabilities(actions=frozenset(actions or ActionType), deduplicates_keys=True)
        self.done: dict[str, Action] = {}
        self.calls = 0
        self.fails = self.is_down = False
        """``fails``: it does what it is asked, and its answer is lost."""

    def act(self, action: Action) -> ActionOutcome:
        self.calls += 1
        if self.is_down:
            return ActionOutcome(ActionStatus.AMBIGUOUS)
        known = self.done.setdefault(action.key, action)
        assert known == action, "the same key with other content"
        return ActionOutcome(ActionStatus.AMBIGUOUS if self.fails else ActionStatus.DONE)

    def look_up(self, key: str) -> ActionOutcome:
        return ActionOutcome(ActionStatus.DONE if key in self.done else ActionStatus.ABSENT)

    def shown(self) -> dict[str, bool]:
        """By tag what the highest revision says, whatever came last; of one that came again, what was said last."""
        latest: dict[str, Mapping[str, Any]] = {}
        for action in self.done.values():
            known = latest.get(action.data["tag"])
            if known is None or known["revision"] <= action.data["revision"]:
                latest[action.data["tag"]] = action.data
        return {tag: bool(data["shown"]) for tag, data in latest.items()}


class Killed(BaseException):
    """The function ends here."""


def die() -> None:
    raise Killed


class Struck:
    """Calls through several ports counted together: before the first, which is moment 0, or after one of them
    something happens."""

    def __init__(self, at: int = -1, happening: Callable[[], object] = die) -> None:
        self._at, self._happening = at, happening
        self.calls: Counter[str] = Counter()
        self._is_begun = False

    @property
    def moment(self) -> int:
        return sum(self.calls.values())

    def around(self, port: Any) -> Any:
        return _Struck(self, port)

    def call(self, name: str, method: Callable[..., Any], *arguments: Any) -> Any:
        if not self._is_begun:
            self._is_begun = True
            self._pass()
        answer = method(*arguments)
        self.calls[name] += 1
        self._pass()
        return answer

    def _pass(self) -> None:
        if self.moment == self._at:
            self._at = -1
            self._happening()


class _Struck:
    def __init__(self, struck: Struck, port: Any) -> None:
        self._struck, self._port = struck, port

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        return (lambda *arguments: self._struck.call(name, found, *arguments)) if callable(found) else found


# ---------------------------------------------------------------- the services


class TaggedShop:
    """A shop's tags, decided and published, with a clock that wakes what falls due on its way."""

    def __init__(
        self,
        start: datetime | None = None,
        *,
        shop: str = SHOP,
        zone: str = ZONE,
        name: str = "Lotus",
        market: str | None = None,
        tags: Iterable[str] = (),
    ) -> None:
        """``tags`` are promises that it has taken on at the start; ``market`` names its packs."""
        self.shop = shop
        self.clock = StandingClock(start or at(0))
        self.said: list[tuple[datetime, Fact]] = []
        """Every event with the moment at which it was said."""
        self.pending: list[Fact] = []
        self.returned: list[tuple[datetime, Fact | Key]] = []
        """What went back to the publication's queue, and when it comes again."""
        self.table = MemoryTable(on_write=self._heard)
        self.bucket, self.stall = Bucket(), Stall()
        self.marketplace: Stall | None = self.stall
        self.asleep = False
        """Nobody wakes the keeper; the publication's timers go on."""
        kept = Kept(market or shop.partition(":")[0], ShopTags(zone=zone), name)
        self.writer = RecordWriter(SHARDS)
        now = self.clock.time
        put = store.write_shop(self.writer, shop, store.read_shop(shop, None), kept, (), next_look(kept, now), now)
        self.table.write(put)
        for tag in tags:
            self.desk().opt_in(shop, tag)

    def _heard(self, key: Key, item: Item | None) -> None:
        for one in json.loads(str((item or {}).get(OUTBOX, "[]"))):
            event = catalogue.parse(one["source"], one["detail-type"], one["detail"])
            self.said.append((self.clock.time, event))
            self.pending.append(event)

    # ------------------------------------------------------------ the functions

    def keeper(self, struck: Struck | None = None) -> TagKeeper:
        table = self.table if struck is None else struck.around(self.table)
        return TagKeeper(table, self.clock, self.writer, TagWords())

    def desk(self) -> TagDesk:
        return TagDesk(self.table, self.clock, self.keeper())

    def publication(self, struck: Struck | None = None) -> TagPublication:
        around: Callable[[Any], Any] = (lambda port: port) if struck is None else struck.around
        channels: dict[str, Publisher] = {
            FILES: PublicFiles(
                around(self.bucket), TagPages(FILES_URL, "https://rules.example", "https://say.example")
            ),
            MARKETPLACE: MarketplaceTags(lambda _: self.marketplace and around(self.marketplace), TagWords()),
        }
        return TagPublication(around(self.table), self.clock, self.writer, channels)

    # ------------------------------------------------------------ what happens

    def hear(self, *facts: Fact) -> None:
        """Takes them in now, as late as that may be, and publishes what follows from them."""
        for each in facts:
            self.keeper().take_in(each)
            self.run()

    def follow(self, facts: Iterable[Fact]) -> None:
        """Each when it happened, or now if that is past; what falls due before it comes first."""
        for each in facts:
            self.run_until(each.metadata.occurred_at)
            self.hear(each)

    def days(self, first: int, last: int, **counts: Any) -> None:
        """Every day from the first to the last is measured, when it is over."""
        self.follow(measured(number, shop=self.shop, **counts) for number in range(first, last + 1))

    def run(self) -> None:
        """Delivers what was said to the publication."""
        while self.pending:
            self._publish(self.pending.pop(0))

    def run_until(self, end: datetime) -> None:
        """Lets time pass, wakes what falls due on its way and brings back what was returned."""
        while (moment := self._next()) is not None and moment <= max(end, self.clock.time):
            self.clock.time = max(self.clock.time, moment)
            back = [each for each in self.returned if each[0] <= self.clock.time]
            self.returned = [each for each in self.returned if each[0] > self.clock.time]
            for _, message in back:
                self._publish(message)
            for key in self._due():
                self._wake(key)
                assert key not in self._due(), "it is woken for nothing, and will be for ever"
        self.clock.time = max(self.clock.time, end)

    def sleep_until(self, end: datetime) -> None:
        """Lets time pass while nobody wakes anything."""
        self.clock.time = max(self.clock.time, end)

    def _wake(self, key: Key) -> None:
        if keys.is_channel(key):
            self._publish(key)
        elif not self.asleep:
            self.keeper().wake(key)
            self.run()

    def _publish(self, message: Fact | Key) -> None:
        try:
            if isinstance(message, Key):
                self.publication().wake(message)
            else:
                self.publication().take_in(message)
        except Transient:
            self.returned.append((self.clock.time + VISIBLE_AGAIN, message))

    def _next(self) -> datetime | None:
        return min([*(moment for moment, _ in self._armed()), *(moment for moment, _ in self.returned)], default=None)

    def _due(self) -> list[Key]:
        return [key for moment, key in sorted(self._armed()) if moment <= self.clock.time]

    def _armed(self) -> list[tuple[datetime, Key]]:
        """Where the keeper sleeps its timers stay in the index, as those of a function that fails do."""
        armed = []
        waiting = {message for _, message in self.returned if isinstance(message, Key)}
        for shard in range(SHARDS):
            page = self.table.query(Query(partition=str(shard), index=DUE_INDEX))
            for key, item in zip(page.keys, page.items, strict=True):
                if not (self.asleep and keys.is_shop(key)) and key not in waiting:
                    armed.append((from_text(str(item[DUE_AT])), key))
        return armed

    # ------------------------------------------------------------ what can be seen

    def kept(self) -> Kept:
        return store.read_shop(self.shop, self.table.get(keys.shop_key(self.shop))).kept

    def state(self, tag: str) -> str:
        """As it was last said to stand."""
        said = self.kept().said.get(tag)
        return "none" if said is None else said.state.value

    def changes(self, tag: str) -> list[TagChanged]:
        found = [event.data for _, event in self.said if isinstance(event.data, TagChanged) and event.data.tag == tag]
        assert [one.revision for one in found] == list(range(1, len(found) + 1)), "revisions count up"
        for one, following in pairwise(found):
            assert following.previous == one.state
            unchanged = replace_revision(one, following)
            assert unchanged != following, "it says something new"
        return found

    def story(self, tag: str) -> list[tuple[str, str, datetime]]:
        """State, reason and since of every change."""
        return [(one.state, one.reason, one.since) for one in self.changes(tag)]

    def promises(self, order_id: str | None = None) -> list[OrderPromised]:
        found = [event.data for _, event in self.said if isinstance(event.data, OrderPromised)]
        return [one for one in found if order_id in (None, one.order_id)]

    def armed_for(self, key: Key | None = None) -> datetime | None:
        item = self.table.get(key or keys.shop_key(self.shop)) or {}
        return from_text(str(item[DUE_AT])) if DUE_AT in item else None

    def runs(self) -> dict[str, list[tuple[date, str]]]:
        """By tag, the day whose close began each stretch of one state."""
        return {
            tag: [(run.since, run.state.value) for run in history.runs]
            for tag, history in self.kept().tags.tags.items()
        }

    def public(self) -> dict[str, dict[str, Any]]:
        """By tag, what ``tags.json`` says of it."""
        body = self.bucket.files.get(f"{folder_of(self.shop)}tags.json")
        return {} if body is None else {tag["code"]: tag for tag in json.loads(body)["tags"]}

    def held(self) -> dict[str, bool | None]:
        return {tag: one["held"] for tag, one in self.public().items()}


def replace_revision(one: TagChanged, following: TagChanged) -> TagChanged:
    """The earlier change as it would be said again."""
    return one.model_copy(update={"revision": following.revision, "previous": following.previous})
