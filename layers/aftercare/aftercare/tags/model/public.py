"""A shop's tags as they go out: what the public may know of them, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from aftercare.events.tags import Evidence
from aftercare.events.vocabulary import Interval, Window
from aftercare.kernel.days import start_of
from aftercare.kernel.statistics import wilson
from aftercare.rulepacks.tags import TagDefinition, TagRules, tag_pack
from aftercare.tags.model.kept import Kept, Shown
from aftercare.tags.model.shop import ONE_DAY
from aftercare.tags.model.shop import Evidence as Counted
from aftercare.tags.model.states import SHOWN, State


class TagView(NamedTuple):
    """A tag that the shop has, or once had. ``shown_since`` is from when on buyers have seen it, by the clock, whatever
    its state was called; ``valid_until`` is exclusive; ``rule`` names the pack that decided."""

    definition: TagDefinition
    state: State
    value: str | None
    since: datetime
    shown_since: datetime | None
    valid_until: datetime | None
    rule: str
    reason: str
    revision: int
    evidence: Evidence | None


class ShopView(NamedTuple):
    """``name`` is what the shop calls itself, empty where it never said. ``checked_at`` is the last look at its tags,
    ``seen_at`` the moment of this view."""

    shop: str
    name: str
    zone: str
    locale: str
    checked_at: datetime
    seen_at: datetime
    tags: tuple[TagView, ...]


class File(Protocol):
    """Something to be published."""

    @property
    def content_type(self) -> str: ...

    @property
    def body(self) -> bytes: ...


class Showcase(Protocol):
    def files(self, view: ShopView) -> Mapping[str, File]:
        """All that is published of a shop, by path."""


def view_of(shop: str, kept: Kept, now: datetime) -> ShopView:
    """The tags that buyers see, or have seen within some weeks, in the order of the rules."""
    zone, rules = kept.tags.zone, kept.rules_of(now)
    tags = []
    for definition in definitions(kept, rules):
        said = kept.said.get(definition.id)
        if said is None or not kept.shown.get(definition.id):
            continue
        history = kept.tags.tag(definition.id)
        is_shown = said.state in SHOWN
        tags.append(
            TagView(
                definition=definition,
                state=said.state,
                value=said.value,
                since=said.since,
                shown_since=_shown_since(kept.shown[definition.id]) if is_shown else None,
                valid_until=start_of(history.valid_until, zone) if is_shown and history.valid_until else None,
                rule=said.pack,
                reason=said.reason.value,
                revision=said.revision,
                evidence=evidence_of(definition, history.evidence, zone),
            )
        )
    checked = kept.tags.decided_to
    checked_at = now if checked is None else start_of(checked + ONE_DAY, zone)
    return ShopView(shop, kept.name, zone, kept.locale, checked_at, now, tuple(tags))


def _shown_since(spans: tuple[Shown, ...]) -> datetime:
    """The beginning of the last stretch without a gap: a new pack begins a new span, not a new stretch."""
    since = spans[-1].since
    for span in reversed(spans):
        if span.until is None or span.until == since:
            since = span.since
    return since


def definitions(kept: Kept, rules: TagRules) -> list[TagDefinition]:
    """The tags of the rules, and those that were said to be there before and have ended."""
    ended = (tag for tag in sorted(kept.said) if rules.tag(tag) is None)
    return [*rules.tags, *(found for tag in ended if (found := _last_definition(kept, tag)) is not None)]


def _last_definition(kept: Kept, tag: str) -> TagDefinition | None:
    return tag_pack(kept.said[tag].pack).tag(tag)


def is_ratio(definition: TagDefinition, metric: str) -> bool:
    """Whether the metric counts cases of cases; otherwise it sums up seconds."""
    units = {condition.unit for condition in definition.conditions if condition.metric == metric}
    return "ratio" in units or (definition.value is not None and definition.value.unit == "percent")


def evidence_of(definition: TagDefinition, found: Counted | None, zone: str) -> Evidence | None:
    """What a tag rests on, as it is told; a ratio with Wilson's interval at 95 %."""
    if found is None:
        return None
    interval = None
    if is_ratio(definition, found.metric) and 0 < found.denominator >= found.numerator:
        low, high = wilson(found.numerator, found.denominator)
        interval = Interval(low=f"{low:.4f}", high=f"{high:.4f}")
    window = {"from": start_of(found.first, zone), "to": start_of(found.last + ONE_DAY, zone)}
    return Evidence(
        metric=found.metric,
        numerator=found.numerator,
        denominator=found.denominator,
        interval=interval,
        window=Window.model_validate(window),
    )
