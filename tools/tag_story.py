# ruff: noqa: INP001  a script, not a package
"""Writes docs/tag-story.md: five weeks of a small shop and its promise, day by day, as the rules decide them.

    python tools/tag_story.py            write the page anew
    python tools/tag_story.py --check    change nothing; exit 1 when the page is not what would be written

The shop is invented; what becomes of its tag is decided by the code that runs, on a table in memory.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from aftercare.events import catalogue
from aftercare.events.orders import OrderPaid, OrderPromised
from aftercare.events.scores import DayMeasured, Measure
from aftercare.events.tags import TagChanged
from aftercare.kernel.envelope import Event, EventData, Metadata
from aftercare.kernel.ids import stable_id
from aftercare.kernel.records import OUTBOX, RecordWriter
from aftercare.kernel.table import Item, Key
from aftercare.rulepacks.tags import TagDefinition, tag_rules
from aftercare.showcase import TagWords
from aftercare.tags import keys, store
from aftercare.tags.model.evidence import Cell, window
from aftercare.tags.model.facts import left, opted_in
from aftercare.tags.model.forecast import DayState, Forecast, Margin, forecast, simulated
from aftercare.tags.model.history import tag_on
from aftercare.tags.model.kept import Kept
from aftercare.tags.model.shop import ShopTags, TagState
from aftercare.tags.model.states import SHOWN, Reason, State
from aftercare.tags.service import TagKeeper
from sandbox.memory_table import MemoryTable

PAGE = Path(__file__).parents[1] / "docs" / "tag-story.md"
SHOP, ZONE, TAG, METRIC = "standard:lotus", "Asia/Shanghai", "ships_24h", "pickup_24h"
ONE_DAY, WIDTH = timedelta(days=1), 120
COUNTED_AT, LOOKED_AT = time(3), time(5)
"""When a day's count comes, and when a day without one is looked at, on the next morning."""

# ---------------------------------------------------------------- what happens

FIRST = date(2026, 11, 2)
ORDERS: tuple[tuple[int, int] | None, ...] = (
    # in time, of all; None where no order's 24 hours ended on the day
    *((11, 11), (9, 9), (10, 10), (12, 12), (11, 11), None, None),
    *((14, 14), (20, 20), (58, 60), (24, 25), (19, 21), (13, 15), (6, 10)),
    *(None, None, (16, 16), (15, 16), (18, 18), None, (12, 12)),
    *((17, 17), (21, 21), (22, 22), (24, 24), (18, 21), None, (15, 15)),
    *((26, 26), (25, 25), (23, 23), (19, 19), (16, 16), (12, 14), (10, 10)),
)
OPTED_IN, LEFT = (date(2026, 11, 6), time(10)), (date(2026, 12, 3), time(15))
RESTATED, RESTATED_ON, RESTATED_TO = date(2026, 11, 19), date(2026, 11, 26), (16, 16)
"""A day, the morning on which it is told anew, and what it was after all."""
LOOKED_EARLY = date(2026, 11, 14)
"""The morning on which the merchant looks ahead."""
BUYERS = (
    ("A-1", (date(2026, 11, 14), time(10)), "the shop has been warned, buyers see the tag"),
    ("A-2", (date(2026, 11, 15), time(12)), "the tag was hidden that morning"),
    ("A-3", (date(2026, 11, 22), time(11)), "by the later count the tag was live, and nobody saw it"),
    ("A-4", (date(2026, 12, 3), time(14, 59)), "a minute before the shop leaves"),
    ("A-5", (date(2026, 12, 3), time(15, 1)), "a minute after"),
)


class Row(NamedTuple):
    """A day as it was decided on the next morning."""

    day: date
    measured: str
    reading: str
    tag: TagState
    why: str


class Clock:
    def __init__(self) -> None:
        self.time = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


class Shop:
    """Lotus, with its tags on a table in memory."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.said: list[tuple[datetime, EventData]] = []
        table = MemoryTable(on_write=self._heard)
        self._table = table
        self.keeper = TagKeeper(table, self.clock, RecordWriter(due_shards=1), TagWords())

    def _heard(self, _: Key, item: Item | None) -> None:
        for one in json.loads(str((item or {}).get(OUTBOX, "[]"))):
            self.said.append((self.clock.time, catalogue.parse(one["source"], one["detail-type"], one["detail"]).data))

    @property
    def kept(self) -> Kept:
        return store.read_shop(SHOP, self._table.get(keys.shop_key(SHOP))).kept

    def at(self, day: date, hour: time) -> None:
        self.clock.time = moment(day, hour)

    def measured(self, day: date, counts: tuple[int, int], revision: int = 1) -> None:
        metrics = (Measure(id=METRIC, numerator=counts[0], denominator=counts[1]),)
        self._hear(DayMeasured(day=day, time_zone=ZONE, metrics=metrics, revision=revision))

    def is_paid(self, order_id: str) -> None:
        data: dict[str, Any] = {
            "order_id": order_id, "buyer": "b_1", "paid_at": self.clock.time, "promise": {"door_delivery": False},
            "amount": {"minor": 8_900, "currency": "CNY"}, "lines": [],
        }  # fmt: skip
        self._hear(OrderPaid.model_validate(data))

    def opts_in(self, day: date) -> None:
        self.keeper.edit(SHOP, lambda kept, _: kept._replace(tags=opted_in(kept.tags, rule(), day)))

    def leaves(self, day: date) -> None:
        self.keeper.edit(SHOP, lambda kept, _: kept._replace(tags=left(kept.tags, TAG, day)))

    def margin(self) -> Margin:
        [margin] = self.coming().margins
        return margin

    def coming(self) -> Forecast:
        return forecast(self.kept.tags, self.kept.rules_at(), TAG)

    def look(self) -> None:
        self.keeper.wake(keys.shop_key(SHOP))

    def _hear(self, data: EventData) -> None:
        event_id = stable_id(data.name, SHOP, data.model_dump_json())
        metadata = Metadata(event_id=event_id, version=1, occurred_at=self.clock.time, shop=SHOP)
        self.keeper.take_in(Event(data.sources[0], metadata, data))


class Story(NamedTuple):
    shop: Shop
    rows: Sequence[Row]
    if_opted_in: Sequence[DayState]
    coming: Forecast


def played() -> Story:
    """Plays the five weeks."""
    shop, rows = Shop(), list[Row]()
    if_opted_in, coming = tuple[DayState, ...](), Forecast((), ())
    for number, counts in enumerate(ORDERS):
        day = FIRST + number * ONE_DAY
        _live(shop, day)
        morning = day + ONE_DAY
        was = rows[-1].tag if rows else None
        shop.at(morning, COUNTED_AT)
        if counts is not None:
            shop.measured(day, counts)
        else:
            shop.at(morning, LOOKED_AT)
            shop.look()
        rows.append(_row(shop, day, counts, was))
        if morning == RESTATED_ON:
            shop.measured(RESTATED, RESTATED_TO, revision=2)
        if morning == LOOKED_EARLY:
            coming = shop.coming()
        if morning == OPTED_IN[0]:
            if_opted_in = simulated(shop.kept.tags, shop.kept.rules_at(), TAG)
    return Story(shop, rows, if_opted_in, coming)


def _live(shop: Shop, day: date) -> None:
    """What people do on the day, in its order."""
    deeds = [(when, order_id) for order_id, when, _ in BUYERS if when[0] == day]
    deeds += [(when, deed) for when, deed in ((OPTED_IN, "opt in"), (LEFT, "leave")) if when[0] == day]
    for when, deed in sorted(deeds):
        shop.at(*when)
        match deed:
            case "opt in":
                shop.opts_in(day)
            case "leave":
                shop.leaves(day)
            case order_id:
                shop.is_paid(order_id)


# ---------------------------------------------------------------- how a day reads


def _row(shop: Shop, day: date, counts: tuple[int, int] | None, was: TagState | None) -> Row:
    tags = shop.kept.tags
    tag, definition = tags.tag(TAG), rule()
    is_shown = was is not None and was.state in SHOWN and tag.reason is not Reason.LEFT
    measured = "no orders" if counts is None else f"{counts[0]} of {counts[1]}"
    cells = _cells(tags, definition, day)
    reading = _together(cells) if is_shown else _one_by_one(cells)
    happened = [
        f"The shop takes the promise on at {OPTED_IN[1]:%H:%M}." if day == OPTED_IN[0] else "",
        _why(shop, tag, cells, is_new=tag.since == day, has_orders=counts is not None),
    ]
    return Row(day, measured, reading, tag, " ".join(filter(None, happened)))


CHANGED: Mapping[tuple[State, Reason], str] = {
    (State.ELIGIBLE, Reason.EARNED): "Three days with orders, each at 95 % or more: earned, but the shop has not taken "
    "the promise on.",
    (
        State.ELIGIBLE,
        Reason.LEFT,
    ): f"The shop left at {LEFT[1]:%H:%M}: since then no buyer sees it. It is still earned.",
    (State.LIVE, Reason.EARNED): "Earned and taken on: buyers see it.",
    (State.LIVE, Reason.REGAINED): "Three days with orders in a row, each at 95 % or more: buyers see it again.",
    (State.LIVE, Reason.SAFE_AGAIN): "97 % or more together: the warning is over.",
    (State.SUSPENDED, Reason.BEYOND_THE_BOUND): "Below 95 % together: hidden.",
}
KEPT: Mapping[State, str] = {
    State.ELIGIBLE: "Still earned, and not taken on.",
    State.LIVE: "97 % or more together: kept.",
}


def _why(shop: Shop, tag: TagState, cells: Sequence[Cell], *, is_new: bool, has_orders: bool) -> str:
    """The sentence of a day's close."""
    short = _days(cell.day for cell in cells if cell.numerator * 100 < 95 * cell.denominator)
    if is_new and (said := CHANGED.get((tag.state, tag.reason))) is not None:
        return said
    if not has_orders:
        return "A day without orders does not count: as before."
    match tag.state:
        case State.NONE if short:
            return f"Below 95 % on {short}: not earned any more."
        case State.NONE:
            return f"Three days with orders are asked for, there {'is one' if len(cells) == 1 else 'are two'}."
        case State.SUSPENDED:
            return f"To be back, three such days in a row need 95 % or more each; {short} had less."
        case State.AT_RISK:
            begun = "the shop is warned, buyers see no change" if is_new else "still warned"
            at_bound = sum(cell.numerator for cell in cells) * 100 == 95 * sum(cell.denominator for cell in cells)
            exactly = ", and exactly 95 % is not below 95 %" if at_bound else ""
            return f"Below 97 % together: {begun}{exactly}. Lost with {_bad_orders(shop.margin())} on the next day."
    return KEPT[tag.state]


def _cells(tags: ShopTags, definition: TagDefinition, day: date) -> tuple[Cell, ...]:
    """The last three days with orders, the earliest first."""
    [condition] = definition.conditions
    return window(condition, tags, day, condition.exit_days).cells[::-1]


def _together(cells: Sequence[Cell]) -> str:
    good, of = sum(int(cell.numerator) for cell in cells), sum(cell.denominator for cell in cells)
    return f"together {good} of {of}: {_percent(good, of)}"


def _one_by_one(cells: Sequence[Cell]) -> str:
    return "each day: " + ", ".join(_percent(int(cell.numerator), cell.denominator) for cell in cells)


def _percent(good: int, of: int) -> str:
    """Rounded down, so that none looks better than it was."""
    share = (Decimal(100 * good) / of).quantize(Decimal("0.1"), ROUND_FLOOR)
    return f"{share.normalize():f} %"


def _bad_orders(margin: Margin) -> str:
    count = margin.bad_until_lost
    return f"{count} bad order{'' if count == 1 else 's'}"


def _days(days: Iterable[date]) -> str:
    *others, last = ["", *map(_date, days)]
    return f"{', '.join(filter(None, others))} and {last}" if any(others) else last


# ---------------------------------------------------------------- the page


def page() -> str:
    """The whole page."""
    story, definition = played(), rule()
    [margin] = story.coming.margins
    parts = (
        HEAD.format(
            name=definition.name.en,
            tag=TAG,
            pack=story.shop.kept.said[TAG].pack,
            rule=definition.rule.en,
            source=definition.conditions[0].source,
        ),
        _table(("day", "measured", "how the rule reads it", "tag", "reason", "why"), map(_line, story.rows)),
        EARLY.format(
            early=_long_date(LOOKED_EARLY),
            bad=_bad_orders(margin),
            good=margin.good_until_safe,
            next_days=_states(story.coming.days),
            day=_long_date(OPTED_IN[0]),
            simulated=_states(day for day in story.if_opted_in if day.day >= FIRST),
        ),
        LATE.format(day=_long_date(RESTATED), on=_long_date(RESTATED_ON)),
        _table(("close of", "decided first", "as it stands since"), _restated(story)),
        SAID,
        _table(("revision", "said at", "from", "to", "reason", "since"), _changes(story.shop)),
        SEEN,
        _table(("buyers saw it from", "until"), _seen(story.shop.kept)),
        OWED,
        _table(("order", "paid at", "", "promised"), _owed(story.shop)),
    )
    return "\n\n".join(map(_wrapped, parts)) + "\n"


HEAD = """\
# A shop's tag, day by day

Written by `python tools/tag_story.py`, which plays an invented shop through the code that decides. What the words mean
stands in [tags.md](tags.md).

Lotus sells tea in Shanghai. The tag is *{name}*, `{tag}` of the pack `{pack}`: {rule} Source: {source}. That a shop is
warned below 97 % together is ours.

*Measured* are the orders whose 24 hours ended on the day, and how many of them a carrier had picked up in time. A
row is the close of its day, decided on the next morning: at 03:00 with the day's count, at 05:00 where none came. A tag
that is not shown is read day by day, one that is shown by its three days together. Percentages are rounded down.
"""
EARLY = """\
## Told early

On the morning of {early}, a Saturday, the merchant API says of the warned tag: {bad} on that day and no good one lose
it, {good} good ones and no bad one end the warning. If every coming day is like the mean of the last seven with orders,
rounded against the shop, their closes will find it: {next_days}.

On the morning of {day}, before Lotus takes the promise on, the same answer says what the closes of the days before
would have found had it done so from the first of them: {simulated}.
"""
LATE = """\
## A late fact

In the night before {on} the carrier sends a scan that it had kept back: of the orders of {day} all 16 were in time. The
count of that day comes again as revision 2, and every day from it on is decided anew:
"""
SAID = """\
The three good days in a row had been complete two days with orders earlier. By the time of that news buyers see the tag
again already, so nothing changes for them. That it is live *since* an earlier midnight is said under a revision of its
own.

## What was said

Every `TagChanged` of the tag, in the time of Shanghai. *Since* is the midnight after the day that decided, whenever it
was known; of what people decide it is the moment.
"""
SEEN = """\
## What buyers saw, and are owed

What buyers saw does not change with what becomes known later. It stands by the clock:
"""
OWED = """\
An order that was paid while buyers saw the promise is owed it, whatever becomes of the tag: it is said once, as
`OrderPromised`, and is a deadline of the order's parcel.
"""


def _line(row: Row) -> tuple[str, ...]:
    day = f"{row.day:%a} {_date(row.day)}"
    return day, row.measured, row.reading, f"`{row.tag.state}`", f"`{row.tag.reason}`", row.why


def _restated(story: Story) -> Iterable[tuple[str, ...]]:
    tags = story.shop.kept.tags
    for row in story.rows:
        now = tag_on(tags, TAG, row.day)
        if now is not row.tag.state:
            yield f"{row.day:%a} {_date(row.day)}", f"`{row.tag.state}`", f"`{now}`"


def _changes(shop: Shop) -> Iterable[tuple[str, ...]]:
    for said_at, said in shop.said:
        if isinstance(said, TagChanged):
            words = (said.previous, said.state, said.reason)
            yield str(said.revision), _moment(said_at), *(f"`{word}`" for word in words), _moment(said.since)


def _seen(kept: Kept) -> Iterable[tuple[str, ...]]:
    for span in kept.shown[TAG]:
        yield _moment(span.since), "" if span.until is None else _moment(span.until)


def _owed(shop: Shop) -> Iterable[tuple[str, ...]]:
    promised = {said.order_id: said for _, said in shop.said if isinstance(said, OrderPromised)}
    for order_id, when, what in BUYERS:
        found = promised.get(order_id)
        by = "nothing" if found is None or found.ship_by is None else f"picked up by {_moment(found.ship_by)}"
        yield order_id, _moment(moment(*when)), what, by


def _states(days: Iterable[DayState]) -> str:
    return ", ".join(f"{_date(each.day)} `{each.state}`" for each in days)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _wrapped(part: str) -> str:
    """Paragraphs in lines of the documents' width; tables and headings as they are."""
    paragraphs = part.strip().split("\n\n")
    return "\n\n".join(
        each if each.startswith(("|", "#")) else textwrap.fill(each, WIDTH, break_on_hyphens=False)
        for each in paragraphs
    )


def rule() -> TagDefinition:
    [found] = [tag for tag in tag_rules(SHOP.partition(":")[0], moment(FIRST, time())).tags if tag.id == TAG]
    return found


def moment(day: date, hour: time) -> datetime:
    """That time of day where the shop is, in UTC."""
    return datetime.combine(day, hour, ZoneInfo(ZONE)).astimezone(UTC)


def _moment(when: datetime) -> str:
    local = when.astimezone(ZoneInfo(ZONE))
    return f"{_date(local.date())} {local:%H:%M}"


def _date(day: date) -> str:
    return f"{day.day} {day:%b}"


def _long_date(day: date) -> str:
    return f"{day.day} {day:%B}"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Writes docs/tag-story.md anew.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when the page is another")
    is_check: bool = parser.parse_args(argv).check
    written = page()
    if not is_check:
        PAGE.write_text(written, encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == written:
        return 0
    sys.stderr.write(f"{PAGE.name} is not what would be written: run python tools/tag_story.py\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
