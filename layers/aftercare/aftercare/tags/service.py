"""What is told of a shop decides its tags, and what these promise reaches its orders: what ``service_tags`` does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from aftercare.events.orders import OrderPaid, OrderPromised
from aftercare.events.scores import DayMeasured, ScorePublished
from aftercare.events.shop import ServiceEnrolled, ShopAuthorizationRevoked
from aftercare.events.tags import TagChanged
from aftercare.events.vocabulary import PromiseSource, Words
from aftercare.kernel.days import start_of
from aftercare.kernel.envelope import Event, EventData
from aftercare.kernel.errors import Transient
from aftercare.kernel.ports import Clock
from aftercare.kernel.records import RecordWriter
from aftercare.kernel.shops import PLAIN, ShopDefaults
from aftercare.kernel.table import Key, Table, WriteRefused
from aftercare.kernel.times import local_day
from aftercare.rulepacks.tags import SCORE, TagDefinition, tag_pack
from aftercare.tags import keys, store
from aftercare.tags.model import facts
from aftercare.tags.model.history import decided
from aftercare.tags.model.kept import Kept, Said, Shown, shown_at, standing, with_shown
from aftercare.tags.model.public import definitions, evidence_of
from aftercare.tags.model.shop import ONE_DAY, ShopTags, TagState
from aftercare.tags.model.states import SHOWN, State
from aftercare.tags.store import ShopItem

ATTEMPTS = 6
"""How often a change is made anew because somebody else wrote first, before the message is returned."""
LOOKED_AT = time(5)
"""By then a day's measures have come in the shop's zone: what has none had no orders."""
Edit = Callable[[Kept, datetime], Kept]


class Contended(Transient):
    """Others kept writing the same shop; the message goes back to its queue."""


class TagWording(Protocol):
    """Puts a tag into a buyer's words, in Chinese and English."""

    def words(self, tag: TagDefinition, value: str | None) -> Words: ...


class TagKeeper:
    def __init__(
        self, table: Table, clock: Clock, writer: RecordWriter, wording: TagWording, defaults: ShopDefaults = PLAIN
    ) -> None:
        self._table = table
        self._defaults = defaults
        self._clock = clock
        self._writer = writer
        self._wording = wording

    def take_in(self, event: Event[EventData]) -> None:
        """Right under repeats and in any order. Raises ``Transient`` to be called again."""
        shop = event.metadata.shop
        if isinstance(event.data, OrderPaid):
            self._promise(shop, event.data)
        else:
            self.edit(shop, lambda kept, now: told(kept, event, now))

    def wake(self, key: Key) -> None:
        """The daily look at a shop's tags."""
        self.edit(keys.shop_of(key), lambda kept, _: kept, is_look=True)

    def edit(self, shop: str, edit: Edit, *, is_look: bool = False) -> ShopItem:
        """Changes what is known of a shop and decides its tags anew; answers how it stands.

        Nothing is written where nothing changed. Raises what ``edit`` raises, and ``Transient``.
        """
        for _ in range(ATTEMPTS):
            now = self._clock.now()
            was = store.read_shop(shop, self._table.get(keys.shop_key(shop)), self._defaults)
            edited = edit(was.kept, now)
            if edited is was.kept and not is_look:
                return was
            kept = edited._replace(tags=decided(edited.tags, edited.rules_at(), decidable_day(edited, now)))
            kept, said = self._say(kept, now)
            put = store.write_shop(self._writer, shop, was, kept, said, next_look(kept, now), now)
            try:
                self._table.write(put)
            except WriteRefused:
                continue
            return store.read_shop(shop, put.attributes)
        raise Contended(f"the tags of {shop} kept changing")

    # ------------------------------------------------------------ what is said

    def _say(self, kept: Kept, now: datetime) -> tuple[Kept, list[EventData]]:
        """The tags that do not stand as they were last said to stand."""
        said: list[EventData] = []
        rules = kept.rules_of(now)
        for definition in definitions(kept, rules):
            state, since = standing(kept, definition, now)
            was = kept.said.get(definition.id)
            pack = was.pack if was and rules.tag(definition.id) is None else rules.id
            is_same = (
                was is not None
                and (was.state, was.since, was.reason, was.value) == (state.state, since, state.reason, state.value)
                # what buyers see binds by the rules that are in force
                and (was.pack == pack or state.state not in SHOWN)
            )
            if is_same or (was is None and state.state is State.NONE):
                continue
            now_said = Said((was.revision if was else 0) + 1, state.state, since, state.reason, pack, state.value)
            said.append(self._changed(kept, definition, state, now_said, was))
            kept = kept._replace(said={**kept.said, definition.id: now_said})
            kept = with_shown(kept, definition.id, pack, now, is_shown=state.state in SHOWN)
        return kept, said

    def _changed(
        self, kept: Kept, definition: TagDefinition, state: TagState, said: Said, was: Said | None
    ) -> TagChanged:
        zone = kept.tags.zone
        return TagChanged(
            tag=definition.id,
            kind=definition.kind,
            state=state.state.value,
            previous=was.state.value if was else State.NONE.value,
            value=state.value,
            text=self._wording.words(definition, state.value),
            evidence=evidence_of(definition, state.evidence, zone),
            since=said.since,
            valid_until=start_of(state.valid_until, zone) if state.valid_until else None,
            rule=said.pack,
            reason=state.reason.value,
            revision=said.revision,
        )

    # ------------------------------------------------------------ what is promised

    def _promise(self, shop: str, paid: OrderPaid) -> None:
        """An order that was paid while buyers saw a promise is owed it, whatever becomes of the tag."""
        item = self._table.get(keys.shop_key(shop))
        if item is None:
            return
        kept = store.read_shop(shop, item).kept
        promised = [
            _promised(kept, paid, definition, span)
            for tag, span in shown_at(kept, paid.paid_at)
            if (definition := tag_pack(span.pack).tag(tag)) is not None and definition.kind == "promise"
        ]
        if not promised:
            return
        put = store.write_promised(self._writer, shop, paid.order_id, promised, self._clock.now())
        try:
            self._table.write(put)
        except WriteRefused:
            # it was said when the order was first heard of
            return


def told(kept: Kept, event: Event[EventData], now: datetime) -> Kept:
    """The shop with the event in it; the same object where it says nothing new."""
    rules, was = kept.rules_of(now), kept.tags
    match event.data:
        case DayMeasured() as day:
            tags = facts.with_day(was, rules, day.day, day.revision, day.metrics, day.time_zone or "UTC")
        case ScorePublished() as score:
            points = {f"{SCORE}.{line.id}": line.points for line in score.dimensions}
            tags = facts.with_score(was, rules, score.week, score.revision, score.shown, {SCORE: score.score, **points})
        case ServiceEnrolled() as enrolled:
            tags = facts.with_enrolment(was, enrolled.service, enrolled.since, active=enrolled.active)
        case ShopAuthorizationRevoked(at=at):
            tags = facts.closed(was, at)
        case _:
            return kept
    return kept if tags is was else kept._replace(tags=tags)


def decidable_day(kept: Kept, now: datetime) -> date:
    """The latest day whose close can be decided: one whose measures have come, or for which none will."""
    local = now.astimezone(ZoneInfo(kept.tags.zone))
    yesterday = local.date() - ONE_DAY
    # a week is scored once its days are counted
    is_known = yesterday in kept.tags.days or yesterday in kept.tags.scores or local.time() >= LOOKED_AT
    day = yesterday if is_known else yesterday - ONE_DAY
    return max(day, kept.tags.decided_to or day)


def next_look(kept: Kept, now: datetime) -> datetime | None:
    """When the tags are to be looked at though nothing was told; None for a shop that has none and wants none, and of
    which nothing waits to be decided."""
    has_none = all(said.state is State.NONE for said in kept.said.values())
    if has_none and not kept.tags.opt_ins and not _has_undecided(kept.tags):
        return None
    zone = kept.tags.zone
    day = (kept.tags.decided_to or local_day(now, zone)) + 2 * ONE_DAY
    look = start_of(day, zone) + timedelta(hours=LOOKED_AT.hour)
    return look if look > now else now + timedelta(hours=1)


def _has_undecided(tags: ShopTags) -> bool:
    joined = (local_day(each.since, tags.zone) for known in tags.enrolments.values() for each in known)
    return any(tags.decided_to is None or day > tags.decided_to for day in (*tags.days, *tags.scores, *joined))


def _promised(kept: Kept, paid: OrderPaid, definition: TagDefinition, span: Shown) -> OrderPromised:
    tag, terms = definition.id, definition.terms
    ship_by: datetime | None = None
    if terms is not None and terms.ship_within_hours is not None:
        ship_by = paid.paid_at + timedelta(hours=terms.ship_within_hours)
    elif terms is not None and terms.ship_today_before_hour is not None:
        local = paid.paid_at.astimezone(ZoneInfo(kept.tags.zone))
        days = 1 if local.hour < terms.ship_today_before_hour else 2
        ship_by = start_of(local.date() + timedelta(days=days), kept.tags.zone)
    return OrderPromised(
        order_id=paid.order_id,
        source=PromiseSource.TAG,
        tag=tag,
        terms=f"{tag}@{span.pack}",
        ship_by=ship_by,
        door_delivery=True if terms is not None and terms.door_delivery else None,
        made_at=paid.paid_at,
    )
