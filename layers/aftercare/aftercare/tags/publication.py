"""A shop's tags are published: as files for everybody, and on its marketplace.

Each channel has its own note of what stands there, and its own timer. Whatever woke it, a channel publishes what holds
now, and one at a time: repeats and old messages publish nothing older. One that is down keeps no other waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from aftercare.events.tags import TagChanged
from aftercare.kernel.envelope import Event, EventData
from aftercare.kernel.errors import Transient
from aftercare.kernel.ports import Action, ActionStatus, ActionType, Clock, Marketplace, Objects
from aftercare.kernel.records import RecordWriter
from aftercare.kernel.table import Key, Table, WriteRefused
from aftercare.kernel.times import from_text, to_text
from aftercare.tags import keys, store
from aftercare.tags.model.public import ShopView, Showcase, TagView, view_of
from aftercare.tags.model.states import SHOWN
from aftercare.tags.service import TagWording
from aftercare.tags.store import Channel, ChannelItem

FILES, MARKETPLACE = "files", "marketplace"
FRESH_FOR = timedelta(minutes=5)
"""So long a browser or a cache may show a file without asking again."""
RENEWED_BEFORE = timedelta(hours=18)
"""So long before it runs out what is published is renewed: after that day's look at the tags, in the morning."""
LOOKED_AGAIN = timedelta(days=1)
"""Nothing is said when a tag that ran out is looked at again: its channels ask for it."""
KEPT_ALIVE = timedelta(days=5)
"""The bucket forgets files after a week; a badge that is hidden is embedded all the same."""
CLAIMED_FOR = timedelta(minutes=3)
"""Longer than the function may run: who has not come back by then was killed."""
FIRST_RETRY, LAST_RETRY = timedelta(minutes=1), timedelta(hours=1)
Sent = Mapping[str, str]
"""By tag a mark of what went out, on channels where tags go one by one."""


class BeingPublished(Transient):
    """Somebody else is publishing there; the message goes back to its queue."""


class Published(NamedTuple):
    """``sent`` marks, by tag, what went out; ``expires`` is when what stands there now runs out."""

    sent: Sent
    expires: datetime | None


class Publisher(Protocol):
    """A channel."""

    def has_news(self, view: ShopView, sent: Sent) -> bool:
        """Whether there may be anything to publish; ``sent`` marks, by tag, what went out before."""

    def publish(self, view: ShopView, sent: Sent) -> Published:
        """Publishes the view. Raises ``Transient`` when the channel cannot be reached."""


class TagPublication:
    def __init__(self, table: Table, clock: Clock, writer: RecordWriter, channels: Mapping[str, Publisher]) -> None:
        self._table = table
        self._clock = clock
        self._writer = writer
        self._channels = channels

    def take_in(self, event: Event[EventData]) -> None:
        """Right under repeats and in any order. Raises ``Transient`` to be called again."""
        data = event.data
        if isinstance(data, TagChanged) and {data.state, data.previous} & SHOWN:
            self._bring_up_to_date(event.metadata.shop, list(self._channels))

    def wake(self, key: Key) -> None:
        """What is published runs out soon, or a channel is to be tried again."""
        self._bring_up_to_date(keys.shop_of(key), [keys.channel_of(key)])

    def _bring_up_to_date(self, shop: str, channels: Sequence[str]) -> None:
        of, known = keys.shop_key(shop), [each for each in channels if each in self._channels]
        found = self._table.get_many([of, *(keys.channel_key(shop, each) for each in known)])
        item, now = store.read_shop(shop, found.get(of)), self._clock.now()
        if item.stored is None:
            return
        view = view_of(shop, item.kept, now)
        busy: list[str] = []
        failed: list[Exception] = []
        for each in known:
            was = store.read_channel(shop, each, found.get(keys.channel_key(shop, each)))
            if not _is_due(was.channel, item.version, now):
                continue
            try:
                if self._channels[each].has_news(view, was.channel.sent):
                    self._publish(view, item.version, each, was)
                elif was.stored is not None and was.stored.due_at is not None and was.stored.due_at <= now:
                    # nobody has looked at the tags since: it is woken once more when they run out
                    ends = was.channel.expires is not None and was.channel.expires > now
                    after = was.channel if ends else was.channel._replace(expires=None)
                    self._write(shop, each, was, after, next_time(after, now))
            except BeingPublished:
                # the others need not wait for it
                busy.append(each)
            except Exception as error:  # noqa: BLE001  nor for a fault that nobody foresaw: it is raised after them
                failed.append(error)
        if failed:
            raise failed[0]
        if busy:
            raise BeingPublished(f"the tags of {shop} are being published: {', '.join(busy)}")

    def _publish(self, view: ShopView, version: int, channel: str, was: ChannelItem) -> None:
        claimed, before = self._claim(view, channel, was), was.channel
        try:
            published = self._channels[channel].publish(view, before.sent)
        except Transient:
            after = before._replace(failures=before.failures + 1, claimed_until=None)
        else:
            after = Channel(version, published.sent, 0, published.expires)
        self._write(view.shop, channel, claimed, after, next_time(after, view.seen_at))

    def _claim(self, view: ShopView, channel: str, was: ChannelItem) -> ChannelItem:
        claimed_until = was.channel.claimed_until
        if claimed_until is not None and view.seen_at < claimed_until:
            raise BeingPublished(channel)
        free_at = view.seen_at + CLAIMED_FOR
        return self._write(view.shop, channel, was, was.channel._replace(claimed_until=free_at), free_at)

    def _write(
        self, shop: str, name: str, was: ChannelItem, channel: Channel, deadline: datetime | None
    ) -> ChannelItem:
        put = store.write_channel(self._writer, shop, name, was, channel, deadline, self._clock.now())
        try:
            self._table.write(put)
        except WriteRefused as refused:
            raise BeingPublished(name) from refused
        return store.read_channel(shop, name, put.attributes)


def _is_due(channel: Channel, version: int, now: datetime) -> bool:
    runs_out = channel.expires is not None and channel.expires - RENEWED_BEFORE <= now
    return channel.version < version or channel.claimed_until is not None or bool(channel.failures) or runs_out


def next_time(channel: Channel, now: datetime) -> datetime | None:
    """When a channel is looked at though nothing was told: to try again, to renew, and to show that a tag ran out."""
    if channel.failures:
        return now + min(LAST_RETRY, FIRST_RETRY * (1 << min(channel.failures - 1, 10)))
    if channel.expires is None:
        return None
    renewal = channel.expires - RENEWED_BEFORE
    return renewal if renewal > now else channel.expires


class PublicFiles:
    """Files in a bucket, so that looking at a page of a shop calls no function."""

    def __init__(self, objects: Objects, showcase: Showcase) -> None:
        self._objects = objects
        self._showcase = showcase

    def has_news(self, view: ShopView, sent: Sent) -> bool:  # noqa: ARG002  every file says when it was checked
        return bool(view.tags)

    def publish(self, view: ShopView, sent: Sent) -> Published:
        for path, file in self._showcase.files(view).items():
            self._objects.put(path, file.body, file.content_type, int(FRESH_FOR.total_seconds()))
        ends = [tag.valid_until for tag in view.tags if tag.valid_until is not None]
        again = view.seen_at + (LOOKED_AGAIN if ends else KEPT_ALIVE)
        return Published(sent, min((end for end in ends if end > view.seen_at), default=again))


OVER = "/over"
"""Ends the mark of a tag that ran out."""


class MarketplaceTags:
    """The shop's own marketplace, where there is a way to it and it takes tags from us.

    What it was told runs out as what is public does: it is told anew before, and that the tag is gone if nobody looked.
    """

    def __init__(self, marketplace: Callable[[str], Marketplace | None], wording: TagWording) -> None:
        self._marketplace = marketplace
        self._wording = wording

    def has_news(self, view: ShopView, sent: Sent) -> bool:
        # of a tag that ran out nothing is said when it is looked at again: it is asked for every day
        return any(_is_news(view, tag, sent) for tag in view.tags) or any(mark.endswith(OVER) for mark in sent.values())

    def publish(self, view: ShopView, sent: Sent) -> Published:
        """What nobody takes counts as sent."""
        marketplace = self._marketplace(view.shop)
        takes_tags = marketplace is not None and ActionType.TAG_CHANGED in marketplace.capabilities.actions
        marks = dict(sent)
        for tag in view.tags:
            if not _is_news(view, tag, sent):
                continue
            if marketplace is not None and takes_tags:
                outcome = marketplace.act(self._action(view, tag))
                if outcome.status is ActionStatus.AMBIGUOUS:
                    raise Transient(f"the marketplace of {view.shop} does not answer")
            marks[tag.definition.id] = _mark(view, tag)
        ends = [end for mark in marks.values() if (end := _end_of(mark)) is not None]
        if any(mark.endswith(OVER) for mark in marks.values()):
            ends.append(view.seen_at + LOOKED_AGAIN)
        return Published(marks, min(ends, default=None) if takes_tags else None)

    def _action(self, view: ShopView, tag: TagView) -> Action:
        words = self._wording.words(tag.definition, tag.value)
        return Action(
            type=ActionType.TAG_CHANGED,
            key=f"{view.shop}/tag/{tag.definition.id}/{_mark(view, tag)}",
            shop=view.shop,
            data={
                "tag": tag.definition.id,
                "kind": tag.definition.kind,
                "shown": _is_shown(view, tag),
                "state": tag.state.value,
                "value": tag.value,
                "text": {"zh": words.zh, "en": words.en},
                "places": list(tag.definition.places),
                "since": to_text(tag.since),
                "valid_until": None if tag.valid_until is None else to_text(tag.valid_until),
                "rule": tag.rule,
                "reason": tag.reason,
                "revision": tag.revision,
            },
        )


def _is_shown(view: ShopView, tag: TagView) -> bool:
    return tag.state in SHOWN and (tag.valid_until is None or view.seen_at < tag.valid_until)


def _mark(view: ShopView, tag: TagView) -> str:
    """What a marketplace is told of a tag: its revision, and until when it is shown; ``-`` where it is not."""
    if tag.state not in SHOWN or tag.valid_until is None:
        return f"{tag.revision}/-"
    return f"{tag.revision}/{to_text(tag.valid_until)}{'' if _is_shown(view, tag) else OVER}"


def _end_of(mark: str) -> datetime | None:
    """Until when the tag is shown by what was told."""
    end = mark.partition("/")[2]
    return None if end == "-" or end.endswith(OVER) else from_text(end)


def _is_news(view: ShopView, tag: TagView, sent: Sent) -> bool:
    known, now = sent.get(tag.definition.id), _mark(view, tag)
    if known is None or known == now:
        return known is None
    end = _end_of(known)
    is_same = known.partition("/")[0] == now.partition("/")[0] and _is_shown(view, tag)
    # a longer validity alone is told when the one that was told runs out
    return not (is_same and end is not None and view.seen_at < end - RENEWED_BEFORE)
