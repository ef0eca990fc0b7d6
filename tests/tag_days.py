"""Things that tests of tags need: rules of a few lines, and a shop told day by day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from aftercare.events.scores import Measure
from aftercare.rulepacks.tags import TagRules, tag_rules
from aftercare.tags.model.facts import opted_in, with_day
from aftercare.tags.model.history import RulesAt, decided, tag_on
from aftercare.tags.model.shop import ShopTags
from aftercare.tags.model.states import State

START = date(2026, 9, 1)
WORDS = {"zh": "文", "en": "text"}
STANDARD = tag_rules("standard", datetime(2026, 9, 1, tzinfo=UTC))
TAOBAO = tag_rules("taobao", datetime(2026, 9, 1, tzinfo=UTC))

Counts = tuple[int, int]


def day(number: int) -> date:
    """Day 0 is Tuesday, 1 September 2026."""
    return START + timedelta(days=number)


def condition(**changes: Any) -> dict[str, Any]:
    """95 % of the last ten days' cases get the tag, less than 90 % lose it, less than 93 % warn."""
    return {
        "metric": "pickup_24h", "enter": "0.95", "enter_days": 10, "warn": "0.93", "exit": "0.9", "exit_days": 10,
        "source": "a test", **changes,
    }  # fmt: skip


def promise(id_: str = "kept", *conditions: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "id": id_, "kind": "promise", "name": WORDS, "rule": WORDS, "places": ["shop_home"], "validity_days": 3,
        "dwell_days": 2, "conditions": conditions, **changes,
    }  # fmt: skip


def number(id_: str = "shown", **changes: Any) -> dict[str, Any]:
    """The mean hours to ship over ten days, from 10 cases on and down to 5."""
    value = {
        "metric": "ship_hours", "better": "lower", "unit": "hours", "step": "1", "days": 10, "enter_sample": 10,
        "exit_sample": 5, "source": "a test", **changes,
    }  # fmt: skip
    return {**promise(id_), "kind": "value", "value": value}


def rules(*tags: dict[str, Any], **changes: Any) -> TagRules:
    return TagRules.model_validate(
        {
            "id": "test", "marketplace": "test", "effective_from": "1970-01-01T00:00:00Z", "horizon_days": 45,
            "tags": tags, **changes,
        }
    )  # fmt: skip


def always(pack: TagRules) -> RulesAt:
    return lambda _: pack


def measures(counts: Mapping[str, Counts]) -> list[Measure]:
    return [Measure(id=metric, numerator=one, denominator=of) for metric, (one, of) in counts.items()]


def told(
    pack: TagRules, metric: str, counts: Sequence[Counts | None], shop: ShopTags | None = None, first: int = 0
) -> ShopTags:
    """A day after the other from ``first`` on; None is a day without orders."""
    shop = shop or ShopTags()
    for place, each in enumerate(counts):
        if each is not None:
            at = day(first + place)
            known = shop.days.get(at)
            before = {} if known is None else dict(known.measures)
            revision = 0 if known is None else known.revision + 1
            shop = with_day(shop, pack, at, revision, measures({**before, metric: each}))
    return shop


def opted(shop: ShopTags, pack: TagRules, tag: str, at: int = 0) -> ShopTags:
    definition = pack.tag(tag)
    assert definition is not None
    return opted_in(shop, definition, day(at))


def states(shop: ShopTags, tag: str, days: Iterable[int]) -> list[State]:
    return [tag_on(shop, tag, day(each)) for each in days]


def story(
    pack: TagRules, tag: str, metric: str, counts: Sequence[Counts | None], *, opts_in: bool = True
) -> list[State]:
    """The states of a tag at the close of every day, opted in from the first."""
    shop = told(pack, metric, counts)
    if opts_in:
        shop = opted(shop, pack, tag)
    return states(decided(shop, always(pack), day(len(counts) - 1)), tag, range(len(counts)))
