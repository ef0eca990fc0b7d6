"""What a merchant asks about one shop's score, and what an operator decides about it.

The shop is always the caller's own; what belongs to another one does not exist here. Answers are plain JSON. Nobody
can write a number: a score changes by a fact, by an exclusion with a reason, or by a new pack.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StringConstraints, field_validator, model_validator

from aftercare.kernel.days import next_closing, start_of
from aftercare.kernel.fields import FieldError, InvalidFields, read
from aftercare.kernel.ids import Id
from aftercare.kernel.ports import Clock
from aftercare.kernel.records import RecordWriter
from aftercare.kernel.shops import PLAIN, ShopDefaults
from aftercare.kernel.table import PARTITION, SORT, VERSION, Query, Table, WriteRefused, every
from aftercare.kernel.times import local_day, to_text
from aftercare.rulepacks.loader import FALLBACK_MARKETPLACE
from aftercare.rulepacks.scores import definitions, score_packs, score_rules
from aftercare.scores import keys, store
from aftercare.scores.bars import CategoryBars
from aftercare.scores.ledger import FactLedger
from aftercare.scores.model.basis import Basis, basis, card_of, read_basis, rules_of
from aftercare.scores.model.card import Card
from aftercare.scores.model.contributions import Row
from aftercare.scores.model.days import Summary, Tally, item_counts, last_week_end, summary, week_measures
from aftercare.scores.model.exclusions import RecordT, brought_back, excluded
from aftercare.scores.model.formulas.chat import OF_CHATS
from aftercare.scores.model.overview import Scored, headline, item_indices, whole
from aftercare.scores.model.records import EVERY_METRIC
from aftercare.scores.model.refusals import NoSuchWeek, NothingOnRecord, RegistrationChanged
from aftercare.scores.model.shops import ShopState
from aftercare.scores.store import Note, ShopItem

A_DAY, A_WEEK = timedelta(days=1), timedelta(days=7)
WEEKS_LISTED = 26
DAYS_READ = 62
"""Two windows of the longest kind, and a week between them."""
PAGE = 100
LONGEST_KEY = 1_024
"""Bytes that DynamoDB takes in a sort key."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=300, strip_whitespace=True)]


class _Asked(BaseModel):
    # a cold function reads one of these
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class CasesAsked(_Asked):
    """The cases of one metric on one local day."""

    metric: Text
    day: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE)] = 50

    @field_validator("day")
    @classmethod
    def _is_a_day(cls, text: str) -> str:
        date.fromisoformat(text)
        return text


class NotesAsked(_Asked):
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE)] = 50


class ExclusionAsked(_Asked):
    """Of an order or of a chat session; ``*`` stands for every metric."""

    order_id: Id | None = None
    session_id: Id | None = None
    metrics: Annotated[tuple[Text, ...], Field(min_length=1, max_length=50)]
    reason: Text

    @model_validator(mode="after")
    def _of_one(self) -> ExclusionAsked:
        if (self.order_id is None) is (self.session_id is None):
            raise ValueError("name either an order_id or a session_id")
        return self


class RegistrationAsked(_Asked):
    """``version`` is the one that was seen, 0 for a shop of which nothing was told yet."""

    version: Annotated[StrictInt, Field(ge=0)]
    zone: Text
    pack: Text
    category: Text | None
    shop_class: Text

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, OSError, KeyError) as unknown:
            raise ValueError("is not an IANA time zone") from unknown
        return name

    @field_validator("pack")
    @classmethod
    def _is_a_pack(cls, name: str) -> str:
        if name not in score_packs():
            raise ValueError(f"is none of {', '.join(sorted(score_packs()))}")
        return name


class ScoreDesk:
    """``ledger`` makes every change to a record, so that its rows follow with the same write."""

    def __init__(
        self, table: Table, clock: Clock, writer: RecordWriter, ledger: FactLedger, defaults: ShopDefaults = PLAIN
    ) -> None:
        self._table = table
        self._defaults = defaults
        self._clock = clock
        self._writer = writer
        self._ledger = ledger
        self._bars = CategoryBars(table, clock)

    # ------------------------------------------------------------ scores

    def weeks(self, shop: str) -> dict[str, Any]:
        """The last half year, the latest week first."""
        item = self._shop(shop)
        if item is None or item.state.published_to is None:
            return {"weeks": []}
        found = self._weeks(item.state, item.state.published_to, WEEKS_LISTED)
        return {"weeks": [headline(each) for each in found]}

    def week(self, shop: str, week: str) -> dict[str, Any]:
        """One week's card, with what changed since the one before. Raises ``NoSuchWeek``."""
        item, end = self._shop(shop), _end_of(week)
        found = [] if item is None else self._weeks(item.state, end, 2)
        if item is None or not found or found[0].end != end:
            raise NoSuchWeek(f"the shop has no score of {week}")
        before = found[1] if len(found) > 1 and found[1].end == end - A_WEEK else None
        return whole(found[0], item.state.zone, before, self._days(shop, end - DAYS_READ * A_DAY, end))

    def provisional(self, shop: str) -> dict[str, Any]:
        """The card if the week had ended with the last midnight, by the bar of the week that has; nothing is published.

        Raises ``NothingOnRecord`` for a shop of which nothing was ever told.
        """
        item = self._shop(shop)
        if item is None:
            raise NothingOnRecord("nothing was ever told of the shop")
        now = self._clock.now()
        end = local_day(now, item.state.zone)
        days = self._days_now(item.state, end)
        last = last_week_end(now, item.state.zone)
        rules = rules_of(item.state.pack, start_of(end, item.state.zone), item.state.category)
        bar = last - A_WEEK if item.state.category is not None and rules.peers is not None else None
        found = basis(item.state, end, week_measures(days, end, rules.counting), None, bar)
        scored = Scored(end, found, self._card(found, end, item.state.zone), None)
        before = next(iter(self._weeks(item.state, last, 1)), None)
        return whole(scored, item.state.zone, before, days)

    def items(self, shop: str) -> dict[str, Any]:
        """The problem index of every item that was sold in the 30 days before today, the worst first.

        Read from the rows of those days: for a look at one shop, not for all of them.
        """
        item = self._shop(shop)
        if item is None:
            return {"items": []}
        end = local_day(self._clock.now(), item.state.zone)
        rules = score_rules(item.state.pack, start_of(end, item.state.zone))
        index = rules.item_index or score_rules(FALLBACK_MARKETPLACE, start_of(end, item.state.zone)).item_index
        counts: dict[str, Tally] = {}
        for number in range(1, rules.counting.window_days + 1):
            for each, tally in item_counts(self._rows(shop, end - number * A_DAY)).items():
                counts[each] = counts.get(each, Tally()) + tally
        return {"items": [] if index is None else item_indices(counts, index)}

    def _weeks(self, state: ShopState, end: date, number: int) -> list[Scored]:
        page = self._table.query(store.last_weeks(state.shop, end, number))
        return [
            Scored(each, found, self._card(found, each, state.zone), found.revision)
            for each, stored in store.items_of(zip(page.keys, page.items, strict=True))
            for found in [read_basis(json.loads(stored.state))]
        ]

    def _card(self, found: Basis, end: date, zone: str) -> Card:
        rules = rules_of(found.pack, start_of(end, zone), found.category)
        return card_of(found, end, zone, self._bars.of(rules, found.category, found.bar))

    # ------------------------------------------------------------ what is behind a number

    def cases(self, shop: str, query: Mapping[str, str]) -> dict[str, Any]:
        """A page of the orders, reviews, refunds, rounds or ratings behind a metric on a day.

        A page may hold fewer than ``limit``, even none: there may be more as long as there is a cursor. The lists are
        kept for 180 days. Raises ``InvalidFields``.
        """
        asked = read(CasesAsked, query)
        day = date.fromisoformat(asked.day)
        wanted = store.rows_of(shop, day, None, PAGE * 5)
        if asked.cursor is not None:
            wanted = replace(wanted, after={PARTITION: wanted.partition, SORT: _sort_of(asked.cursor, wanted)})
        page = self._table.query(wanted)
        found: list[dict[str, Any]] = []
        for key, item in zip(page.keys, page.items, strict=True):
            row = store.read_row(key, item, day)
            if asked.metric in row.metrics:
                found.append(_case(row, asked.metric))
            if len(found) == asked.limit:
                return {"cases": found, "cursor": _cursor_of(key.sort)}
        return {"cases": found, "cursor": None if page.next is None else _cursor_of(page.keys[-1].sort)}

    def _days(self, shop: str, first: date, last: date) -> dict[date, Summary]:
        items = every(self._table, store.days_between(shop, first, last))
        return {day: store.read_day({"state": stored.state}) for day, stored in store.items_of(items)}

    def _days_now(self, state: ShopState, end: date) -> dict[date, Summary]:
        """The days before ``end``; those that are not counted yet, or were added to, are counted here."""
        first = end - DAYS_READ * A_DAY
        days = self._days(state.shop, first, end)
        late = {keys.day_of(key) for key, _ in every(self._table, store.late_days(state.shop))}
        open_days = {end - number * A_DAY for number in range(1, (end - max(state.counted_to, first)).days)}
        for day in sorted(late | open_days):
            if first <= day < end and store.are_rows_kept(day, self._clock.now()):
                caps = definitions(state.pack, start_of(day, state.zone)).caps
                days[day] = summary(self._rows(state.shop, day), caps)
        return days

    def _rows(self, shop: str, day: date) -> list[Row]:
        return store.read_rows_of(every(self._table, store.rows_of(shop, day)), day)

    # ------------------------------------------------------------ exclusions

    def exclude(self, shop: str, author: str, body: Any) -> dict[str, Any]:
        """Keeps an order or a chat session out of metrics; the same again changes nothing.

        What was published of it gets a new revision with the next count. Raises ``InvalidFields``,
        ``NothingOnRecord``, ``TooManyExclusions`` or ``Transient``.
        """
        return self._edit(shop, author, read(ExclusionAsked, body), lifted=False)

    def bring_back(self, shop: str, author: str, body: Any) -> dict[str, Any]:
        """Counts an order or a chat session again that was kept out; raises as ``exclude`` does."""
        return self._edit(shop, author, read(ExclusionAsked, body), lifted=True)

    def exclusions(self, shop: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Who kept what out of the score and why, and who brought it back; the latest first."""
        asked = read(NotesAsked, query)
        wanted = store.notes(shop, asked.limit, None)
        if asked.cursor is not None:
            wanted = replace(wanted, after={PARTITION: wanted.partition, SORT: _sort_of(asked.cursor, wanted)})
        page = self._table.query(wanted)
        notes = [store.read_note(item) for item in page.items]
        cursor = None if page.next is None else _cursor_of(page.keys[-1].sort)
        return {"exclusions": [_note(each) for each in notes], "cursor": cursor}

    def _edit(self, shop: str, author: str, asked: ExclusionAsked, *, lifted: bool) -> dict[str, Any]:
        self._check_metrics(shop, asked.metrics)
        now = self._clock.now()
        kind: Literal["order", "session"] = "session" if asked.order_id is None else "order"
        id_ = str(asked.session_id if asked.order_id is None else asked.order_id)
        key = keys.order_key(shop, id_) if kind == "order" else keys.session_key(shop, id_)
        if self._table.get(key) is None:
            raise NothingOnRecord(f"nothing is on record of that {kind}")
        note = Note(kind, id_, asked.metrics, asked.reason, author, now, lifted)
        put = store.write_note(shop, note)
        if kind == "order":
            changed = self._ledger.edit_order(shop, id_, partial(_edited, note=note), put)
        else:
            changed = self._ledger.edit_session(shop, id_, partial(_edited, note=note), put)
        return {**_note(note), "changed": changed}

    def _check_metrics(self, shop: str, metrics: tuple[str, ...]) -> None:
        item = self._shop(shop)
        pack = self._defaults.pack_of(shop) if item is None else item.state.pack
        defined = definitions(pack, self._clock.now()).by_formula
        known = {metric.id for metrics_of in defined.values() for metric in metrics_of} | {EVERY_METRIC}
        errors = [
            FieldError(f"metrics.{index}", "is not a metric of the shop")
            for index, metric in enumerate(metrics)
            if metric not in known
        ]
        if errors:
            raise InvalidFields(errors)

    # ------------------------------------------------------------ registration

    def registration(self, shop: str) -> dict[str, Any]:
        """Raises ``NothingOnRecord`` for a shop of which nothing was ever told."""
        item = self._shop(shop)
        if item is None:
            raise NothingOnRecord("nothing was ever told of the shop")
        return _registration(item.state, item.stored.version)

    def register(self, shop: str, body: Any) -> dict[str, Any]:
        """Sets how a shop's days are counted and whom it is measured against, from now on.

        Records that have begun keep their zone and pack; weeks that were published keep their category. Raises
        ``InvalidFields`` or ``RegistrationChanged``.
        """
        asked = read(RegistrationAsked, body)
        now, item = self._clock.now(), self._shop(shop)
        if asked.version != (0 if item is None else item.stored.version):
            raise RegistrationChanged("the registration has another version by now")
        was = ShopState.entered(shop, now) if item is None else item.state
        state = was._replace(zone=asked.zone, pack=asked.pack, category=asked.category, shop_class=asked.shop_class)
        stored = None if item is None else item.stored
        closing = next_closing(now, state.zone)
        if stored is not None and stored.due_at is not None:
            # a count that is due stays due
            closing = min(stored.due_at, closing)
        put = store.write_shop(self._writer, stored, state, closing, now)
        try:
            self._table.write(put)
        except WriteRefused as refused:
            raise RegistrationChanged("somebody else wrote the registration meanwhile") from refused
        return _registration(state, int(put.attributes[VERSION]))

    # ------------------------------------------------------------ the table

    def _shop(self, shop: str) -> ShopItem | None:
        key = keys.shop_key(shop)
        item = self._table.get(key)
        return None if item is None else store.read_shop(key, item)


def _edited(record: RecordT, note: Note) -> RecordT:
    if note.lifted:
        return brought_back(record, note.metrics, note.by, note.at)
    return excluded(record, note.metrics, note.reason, note.by, note.at)


def _note(note: Note) -> dict[str, Any]:
    return {
        f"{note.kind}_id": note.id,
        "metrics": list(note.metrics),
        "reason": note.reason,
        "by": note.by,
        "at": to_text(note.at),
        "lifted": note.lifted,
    }


def _registration(state: ShopState, version: int) -> dict[str, Any]:
    return {
        "version": version,
        "zone": state.zone,
        "pack": state.pack,
        "category": state.category,
        "shop_class": state.shop_class,
        "packs": sorted(score_packs()),
    }


def _case(row: Row, metric: str) -> dict[str, Any]:
    numerator, denominator, evidence = row.metrics[metric]
    return {
        **_opened(row.subject),
        "numerator": numerator,
        "denominator": denominator,
        "evidence_day": None if evidence is None else evidence.isoformat(),
    }


def _opened(subject: str) -> dict[str, str]:
    """What a row's subject opens: an order and one of its parts, or a chat session and one of its rounds."""
    if subject.startswith(OF_CHATS):
        session_id, _, round_at = subject.removeprefix(OF_CHATS).partition("/")
        return {"session_id": session_id} | ({"asked_at": round_at} if round_at else {})
    order_id, _, part = subject.partition("/")
    return {"order_id": order_id} | ({"part": part} if part else {})


def _end_of(week: str) -> date:
    """The Monday after an ISO week such as ``2026-W45``. Raises ``NoSuchWeek``."""
    if re.fullmatch(r"[0-9]{4}-W[0-9]{2}", week):
        try:
            return date.fromisocalendar(int(week[:4]), int(week[6:]), 1) + A_WEEK
        except (ValueError, OverflowError):
            pass
    raise NoSuchWeek(f"{week!r} is no ISO week such as 2026-W45")


def _cursor_of(sort: str) -> str:
    return base64.urlsafe_b64encode(sort.encode()).decode()


def _sort_of(cursor: str, wanted: Query) -> str:
    """Raises ``InvalidFields`` for a cursor that was not given out for this list."""
    try:
        sort = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
        # the table refuses a place that lies outside what is asked for
        if wanted.lowest <= sort <= wanted.highest and 0 < len(sort.encode()) <= LONGEST_KEY:
            return sort
    except ValueError:
        pass
    raise InvalidFields([FieldError("cursor", "is not one that was given out for this list")])
