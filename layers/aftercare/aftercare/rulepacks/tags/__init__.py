"""The rules of service tags: their form. The numbers stand in the TOML files beside, each with its source.

Ratios, hours and points are decimal text in the files and decimals here: no float decides what a buyer is shown.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aftercare.kernel.errors import DomainError
from aftercare.rulepacks.loader import BrokenRulePack, Exact, RulePack, pack_in_force, read_packs

Positive = Annotated[int, Field(strict=True, ge=1)]
DayOfMonth = Annotated[int, Field(strict=True, ge=1, le=28)]
Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Better = Literal["higher", "lower"]
Reading = Literal["pooled", "each_day", "wilson", "latest"]
Place = Literal["shop_home", "impression", "item"]

SCORE = "score"
"""The metric that is a shop's published score; ``score.{dimension}`` is the points of one of its dimensions."""

LONGEST_MONTH = 31


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Words(_Part):
    """The same text in Chinese and in English."""

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)


class Condition(_Part):
    """What has to be reached to get a tag, and to keep it.

    ``metric`` is one of a day's metrics, ``score`` or ``score.{dimension}``. ``better`` says which way is good; of a
    ratio whose lower is better the numerator counts bad cases. A mean in ``hours`` has seconds as its numerator.

    The windows end with the latest day: ``days`` of the calendar, or ``order_days``, of which those without a case are
    left out and looked for no more than ``look_back_days`` back. They end with the latest of the ``check_on`` days of a
    month where a marketplace looks on those only.

    How a window is read: ``pooled``: the sum of its days; ``each_day``: every single day of it; ``wilson``: surely,
    that is by the bound of Wilson's interval that is less favourable to the change; ``latest``: the last score alone.
    To get the tag, the ``enter`` bound itself suffices; it is lost beyond ``exit``, or at it where ``lost_at_bound``,
    with at least ``guard`` bad cases; a shop is warned beyond ``warn``, read as the exit is. Fewer cases than a sample
    are no evidence.
    """

    metric: str
    better: Better = "higher"
    unit: Literal["ratio", "hours", "points"] = "ratio"
    window: Literal["days", "order_days"] = "days"
    look_back_days: Positive | None = None
    check_on: tuple[DayOfMonth, ...] = ()
    enter: Exact
    enter_days: Positive
    enter_reads: Reading = "pooled"
    enter_sample: Positive = 1
    warn: Exact
    exit: Exact
    exit_days: Positive
    exit_reads: Reading = "pooled"
    exit_sample: Positive = 1
    guard: Positive = 1
    lost_at_bound: bool = False
    source: str

    @property
    def reach_days(self) -> int:
        """How many days the evidence of one day may lie back."""
        longest = self.look_back_days or max(self.enter_days, self.exit_days)
        return longest + (LONGEST_MONTH if self.check_on else 0)

    @property
    def is_of_score(self) -> bool:
        return is_of_score(self.metric)

    def is_stricter(self, one: Decimal, other: Decimal) -> bool:
        return one > other if self.better == "higher" else one < other

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.window == "order_days") != (self.look_back_days is not None):
            raise ValueError("look_back_days comes with the window order_days")
        if self.look_back_days is not None and self.look_back_days < max(self.enter_days, self.exit_days):
            raise ValueError("look_back_days must hold the window")
        if self.is_of_score != (self.unit == "points"):
            raise ValueError("a score is in points, and nothing else is")
        if self.unit != "ratio" and ("wilson" in (self.enter_reads, self.exit_reads) or self.guard > 1):
            raise ValueError("only a ratio has bad cases")
        if self.unit != "points" and "latest" in (self.enter_reads, self.exit_reads):
            raise ValueError("only a score is read by its latest")
        if self.enter_sample < self.exit_sample:
            raise ValueError("enter_sample must not be smaller than exit_sample")
        self._check_gap()
        return self

    def _check_gap(self) -> None:
        """What gets the tag must lie beyond what loses it: otherwise it would flap."""
        if self.enter_reads == "each_day" and self.exit_days <= self.enter_days:
            # every day at the bound is more than all of them together
            if self.is_stricter(self.exit, self.enter):
                raise ValueError("enter must not be laxer than exit")
        elif self.exit_reads == "each_day" or not self.is_stricter(self.enter, self.exit):
            raise ValueError("enter must be stricter than exit")
        if not self.is_stricter(self.warn, self.exit):
            raise ValueError("warn must be stricter than exit")
        if self.enter_reads == self.exit_reads != "each_day" and self.is_stricter(self.warn, self.enter):
            raise ValueError("warn must lie between enter and exit")


class Value(_Part):
    """The number that a tag shows: a ratio in percent, a mean in hours or seconds, or the score as buyers see it.

    It is that of the last ``days``, rounded to ``step`` against the shop. The tag comes with ``enter_sample`` cases and
    goes below ``exit_sample``; a score has its own least number of orders.
    """

    metric: str
    better: Better
    unit: Literal["percent", "hours", "seconds", "points"]
    step: Exact
    days: Positive
    enter_sample: Positive = 2
    exit_sample: Positive = 1
    source: str

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.exit_sample >= self.enter_sample:
            raise ValueError("enter_sample must be greater than exit_sample")
        if (self.metric == SCORE) != (self.unit == "points"):
            raise ValueError("a score is in points, and nothing else is")
        if self.step <= 0:
            raise ValueError("step must be more than 0")
        return self


class Terms(_Part):
    """What an order paid while the tag is live is owed: picked up within so many hours; or on the day of payment when
    paid before that local hour, else on the next; or delivered to the door."""

    ship_within_hours: Positive | None = None
    ship_today_before_hour: Annotated[int, Field(strict=True, ge=1, le=24)] | None = None
    door_delivery: bool = False


class TagDefinition(_Part):
    """One tag. ``value`` tags show a number and come by themselves; ``promise`` tags are a duty that a shop takes on.

    ``rule`` is one sentence for buyers. A tag is valid for ``validity_days`` after its last check, and once suspended
    stays so for ``dwell_days`` at least. ``service`` is the marketplace's service that the shop has to be enrolled in.
    """

    id: Slug
    kind: Literal["value", "promise"]
    name: Words
    rule: Words
    places: tuple[Place, ...] = Field(min_length=1)
    validity_days: Positive
    dwell_days: Positive
    value: Value | None = None
    conditions: tuple[Condition, ...] = ()
    service: str | None = None
    terms: Terms | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.kind == "value") != (self.value is not None):
            raise ValueError("a value tag shows a value, a promise tag does not")
        if self.kind == "value" and (self.service or self.terms):
            raise ValueError("a value tag promises nothing and asks for no service")
        return self

    @property
    def metrics(self) -> frozenset[str]:
        own = () if self.value is None else (self.value.metric,)
        return frozenset((*own, *(condition.metric for condition in self.conditions)))

    @property
    def reach_days(self) -> int:
        own = () if self.value is None else (self.value.days,)
        return max((*own, *(condition.reach_days for condition in self.conditions)), default=1)


class TagRules(RulePack):
    """What was said of the last ``horizon_days`` may still be restated; older states of a tag stand.

    A pack ``based_on`` another holds that one's tags as well, its own in the place of those of the same id.
    """

    horizon_days: Annotated[int, Field(strict=True, ge=31)]
    based_on: str | None = None
    tags: tuple[TagDefinition, ...]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        seen = [tag.id for tag in self.tags]
        if twice := sorted({each for each in seen if seen.count(each) > 1}):
            raise ValueError(f"more than one tag has the id {', '.join(twice)}")
        return self

    def tag(self, id_: str) -> TagDefinition | None:
        return next((tag for tag in self.tags if tag.id == id_), None)

    @property
    def metrics(self) -> frozenset[str]:
        """Everything that the tags rest on."""
        return frozenset().union(*(tag.metrics for tag in self.tags))

    @property
    def reach_days(self) -> int:
        """How many days the evidence of one day may lie back."""
        return max((tag.reach_days for tag in self.tags), default=1)


def is_of_score(metric: str) -> bool:
    return metric == SCORE or metric.startswith(f"{SCORE}.")


def tag_rules(marketplace: str, moment: datetime) -> TagRules:
    """The rules of a marketplace in force at an aware time; raises ``DomainError`` where no pack covers it."""
    return pack_in_force(_packs(), marketplace, moment)


def tag_pack(id_: str) -> TagRules:
    """The pack of that id, in force or not: what a tag promised is told by the rules that it was live under.

    Raises ``DomainError`` when there is none.
    """
    for pack in _packs():
        if pack.id == id_:
            return pack
    raise DomainError(f"there is no tag pack {id_}")


def tag_packs() -> frozenset[str]:
    """The names by which packs are found."""
    return frozenset().union(*(pack.names for pack in _packs()))


def promise_tags() -> frozenset[str]:
    """The tags of all packs that promise something to orders."""
    return frozenset(tag.id for pack in _packs() for tag in pack.tags if tag.kind == "promise")


@functools.cache
def _packs() -> tuple[TagRules, ...]:
    return with_bases(read_packs("tags", TagRules))


def with_bases(packs: Iterable[TagRules]) -> tuple[TagRules, ...]:
    """Every pack with the tags of the one that it is based on; raises ``BrokenRulePack`` where there is no such."""
    written = {pack.id: pack for pack in packs}
    return tuple(_with_base(pack, written) for pack in written.values())


def _with_base(pack: TagRules, written: dict[str, TagRules]) -> TagRules:
    if pack.based_on is None:
        return pack
    base = written.get(pack.based_on)
    if base is None or base.based_on is not None:
        raise BrokenRulePack(f"{pack.id} is based on {pack.based_on}, which is no pack that stands alone")
    tags = {tag.id: tag for tag in (*base.tags, *pack.tags)}
    return pack.model_copy(update={"tags": tuple(tags.values())})
