"""The rules of service scores: their form. The numbers stand in the TOML files beside, each with its source.

Ratios, points and hours are decimal text in the files and decimals here: no float decides what a shop is shown.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aftercare.kernel.errors import DomainError
from aftercare.rulepacks.loader import FALLBACK_MARKETPLACE, Exact, RulePack, pack_in_force, parse_pack, read_packs

Curve = tuple[tuple[Exact, Exact], ...]
"""Piecewise linear: pairs of a place and the height there, places rising; level before the first and after the last."""

Percent = Annotated[int, Field(strict=True, ge=0, le=100)]
Number = Annotated[int, Field(strict=True, ge=0)]
Positive = Annotated[int, Field(strict=True, ge=1)]
Hour = Annotated[int, Field(strict=True, ge=0, le=24)]
StarCount = Annotated[int, Field(strict=True, ge=1, le=5)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def _check_curve(name: str, curve: Curve, *, rising: bool) -> None:
    places = [place for place, _ in curve]
    heights = [height for _, height in curve]
    if len(curve) < 2 or any(one >= other for one, other in itertools.pairwise(places)):
        raise ValueError(f"{name} needs two places or more, each greater than the one before")
    if heights != sorted(heights, reverse=not rising):
        raise ValueError(f"{name} must {'rise' if rising else 'fall'} all the way")


class SmallSample(_Part):
    """Points that are fixed while too little was seen: with ``cases_at_most`` cases or fewer, or in a shop with fewer
    valid orders than its class's number in ``orders_below`` while no more than ``bad_at_most`` cases were bad."""

    points: Exact
    orders_below: dict[str, Positive] = {}
    bad_at_most: Number = 0
    cases_at_most: Number = 0


class Metric(_Part):
    """One definition: what is counted, of what, and what it is worth.

    ``rate``: bad or good cases of all cases; ``count``: occurrences, of which a case may have several; ``mean``: a sum
    over the cases. ``weight`` is its share beside the other metrics of its dimension; 0: counted and published, not
    scored. ``prior`` and ``strength``: what a shop is believed to be before anything was seen of it, and how many cases
    that belief weighs. ``guard``: fewer bad cases do not count in the points. ``cap_seconds``: no case counts for more
    in the points. ``by_peers``: measured against its category where that has enough shops.

    ``formula`` names how it is counted where it does not go by its own id. ``reasons``: the first reasons of refunds
    that make an order a bad case; ``good_stars`` and ``bad_stars``: from and up to how many a rating is good or bad.
    """

    id: str
    formula: str = ""
    title: str
    counted: str
    of: str
    cases: Literal["orders", "reviews", "rounds", "ratings", "refunds", "requests"]
    dimension: str | None = None
    weight: Percent = 0
    kind: Literal["rate", "count", "mean"] = "rate"
    better: Literal["higher", "lower"]
    unit: Literal["ratio", "hours", "seconds", "stars"] = "ratio"
    tiers: Curve = ()
    target: Exact | None = None
    alarm: Exact | None = None
    prior: Exact | None = None
    strength: Exact = Decimal(0)
    guard: Positive = 1
    cap_seconds: Positive | None = None
    by_peers: bool = False
    small_sample: SmallSample | None = None
    reasons: tuple[str, ...] = ()
    good_stars: StarCount | None = None
    bad_stars: StarCount | None = None

    @property
    def counted_by(self) -> str:
        return self.formula or self.id

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.tiers:
            _check_curve("tiers", self.tiers, rising=self.better == "higher")
        if self.weight and not (self.tiers and self.dimension):
            raise ValueError("a metric with a weight needs a dimension and tiers")
        if (self.prior is None) == (self.strength > 0):
            raise ValueError("prior and strength come together")
        if self.by_peers and self.prior is None:
            raise ValueError("what is measured against peers needs a prior for as long as they are too few")
        if self.kind == "count" and self.better == "higher":
            raise ValueError("a count of occurrences is better when it is lower")
        if self.kind == "mean" and self.guard > 1:
            raise ValueError("a mean has no bad cases to guard")
        if self.cap_seconds is not None and self.unit not in ("hours", "seconds"):
            raise ValueError("cap_seconds is for metrics of time")
        return self


class Dimension(_Part):
    """``weight`` in percent of the score."""

    id: str
    weight: Percent


class Bonus(_Part):
    """Points for a service: at least ``least`` cases, at least ``share`` of all, and enrolled for ``active_days`` up to
    the end of the window where that is asked. Cases are those of ``metric``; without one, the valid orders that bear
    the bonus's id as a mark."""

    id: str
    points: Exact
    least: Positive = 1
    share: Exact = Decimal(0)
    active_days: Positive | None = None
    metric: str | None = None
    source: str


class Deduction(_Part):
    """Points taken for each violation of one of the ``kinds``, no more than ``cap`` together."""

    id: str
    kinds: tuple[str, ...] = Field(min_length=1)
    points: Exact
    cap: Exact
    source: str


class ServiceWeight(_Part):
    """What a marketplace may multiply a shop's rank by: ``curve`` from the score, ``unscored`` without one."""

    curve: Curve
    unscored: Exact

    @model_validator(mode="after")
    def _rises(self) -> Self:
        _check_curve("service_weight", self.curve, rising=True)
        return self


class Peers(_Part):
    """How a category's quantiles make points: ``points`` from worst to best for its P10, P25, P50, P75 and P90.

    Fewer shops than ``minimum`` make no bar. The strength estimated from them stays within ``strength_from`` and
    ``strength_to``.
    """

    minimum: Positive
    points: tuple[Exact, Exact, Exact, Exact, Exact]
    strength_from: Exact
    strength_to: Exact

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if list(self.points) != sorted(self.points):
            raise ValueError("the points of peers must rise")
        return self

    @property
    def usual(self) -> Decimal:
        """The points of the category's median."""
        return self.points[2]


class Counting(_Part):
    """How facts become cases: days before the end of the week, local hours, and seconds of an answer.

    Rounds asked from ``reply_from_hour`` to ``reply_to_hour`` count; ``refund_night_*`` is left out of a seller's time.
    An order paid in the ``pickup_night_*`` waits for a carrier from its end on where a metric counts so.
    Orders paid at ``today_cutoff_hour`` or later are picked up "today" on the next day. A refund stays withdrawn for
    ``kept_days`` before it counts as kept, and such cases are looked for ``keep_window_days`` back.
    """

    window_days: Positive
    reply_from_hour: Hour
    reply_to_hour: Hour
    reply_within_seconds: Positive
    longest_reply_seconds: Positive
    pickup_night_from_hour: Hour
    pickup_night_to_hour: Hour
    refund_night_from_hour: Hour | None = None
    refund_night_to_hour: Hour | None = None
    today_cutoff_hour: Hour
    kept_days: Positive
    keep_window_days: Positive


class DailyStandard(_Part):
    """What a shop has to reach on every single day. With ``least`` cases or more of ``metric`` by ``warn_at_hour`` of
    the shop's zone, a shop below the ``standard`` is told while the day can still be mended."""

    metric: str
    standard: Exact
    least: Positive
    warn_at_hour: Annotated[int, Field(strict=True, ge=0, le=23)]


class ItemIndex(_Part):
    """0 to 100 for one item of a shop: ``curve`` from its share of orders with a problem. ``least`` orders make one."""

    curve: Curve
    least: Positive

    @model_validator(mode="after")
    def _falls(self) -> Self:
        _check_curve("item_index", self.curve, rising=False)
        return self


class MetricTable(_Part):
    """What a category says of one metric."""

    weight: Percent | None = None
    tiers: Curve | None = None


class CategoryTable(_Part):
    """A main category's own weights and tier tables; what it leaves out stays as the pack says."""

    category: str
    source: str
    dimensions: dict[str, Percent] = {}
    metrics: dict[str, MetricTable] = {}


class CategoryTables(_Part):
    """A file of tables that a marketplace shows to its merchants only: entered by whoever may see them."""

    pack: str
    categories: tuple[CategoryTable, ...]


class ScoreRules(RulePack):
    """``display`` maps the score to what buyers see, which is then rounded down to 0.1; a score stays from ``lowest``
    to ``highest``. A shop with fewer valid orders in the window than ``minimum_orders`` is scored, not shown. ``high``
    and ``medium`` are the scores from which a shop has that grade."""

    minimum_orders: Positive
    lowest: Exact
    highest: Exact
    high: Exact
    medium: Exact
    display: Curve
    service_weight: ServiceWeight
    peers: Peers | None = None
    counting: Counting
    dimensions: tuple[Dimension, ...]
    metrics: tuple[Metric, ...]
    bonus: tuple[Bonus, ...] = ()
    deductions: tuple[Deduction, ...] = ()
    daily: tuple[DailyStandard, ...] = ()
    item_index: ItemIndex | None = None
    categories: tuple[CategoryTable, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check_curve("display", self.display, rising=True)
        named: tuple[Iterable[Metric | Dimension | Bonus | Deduction], ...] = (
            self.metrics,
            self.dimensions,
            self.bonus,
            self.deductions,
        )
        for parts in named:
            _refuse_twice(part.id for part in parts)
        _refuse_twice(kind for deduction in self.deductions for kind in deduction.kinds)
        _refuse_twice(table.category for table in self.categories)
        if sum(dimension.weight for dimension in self.dimensions) != 100:
            raise ValueError("the weights of the dimensions must make 100")
        known = {dimension.id for dimension in self.dimensions}
        if unknown := sorted({metric.dimension for metric in self.metrics if metric.dimension} - known):
            raise ValueError(f"no dimension is named {', '.join(unknown)}")
        if len({standard.warn_at_hour for standard in self.daily}) > 1:
            raise ValueError("a shop is looked at once a day: the daily standards must have one warn_at_hour")
        if any(metric.by_peers for metric in self.metrics) and self.peers is None:
            raise ValueError("metrics by_peers need [peers]")
        for table in self.categories:
            _refuse_unknown(table, self)
        return self

    def for_category(self, category: str | None, tables: CategoryTables | None = None) -> ScoreRules:
        """These rules with a category's own tables: the pack's, then those of a file for this pack.

        A metric with a table of its own is no longer measured against peers. Raises ``DomainError`` for a file that is
        meant for another pack or names what this one does not have, and ``ValueError`` for weights that do not add up.
        """
        entered = () if tables is None else tables.categories
        if tables is not None and tables.pack != self.id:
            raise DomainError(f"the category tables are for {tables.pack}, not for {self.id}")
        rules = self
        for table in (*self.categories, *entered):
            if table.category == category:
                rules = rules._with_table(table)
        return rules

    def _with_table(self, table: CategoryTable) -> ScoreRules:
        try:
            _refuse_unknown(table, self)
        except ValueError as error:
            raise DomainError(str(error)) from error
        metrics = []
        for metric in self.metrics:
            own = table.metrics.get(metric.id, MetricTable())
            changed: dict[str, Any] = {} if own.weight is None else {"weight": own.weight}
            if own.tiers is not None:
                changed |= {"tiers": own.tiers, "by_peers": False}
            metrics.append(Metric.model_validate({**dict(metric), **changed}))
        dimensions = [
            Dimension(id=dimension.id, weight=table.dimensions.get(dimension.id, dimension.weight))
            for dimension in self.dimensions
        ]
        return ScoreRules.model_validate({**dict(self), "metrics": tuple(metrics), "dimensions": tuple(dimensions)})


def _refuse_twice(ids: Iterable[str]) -> None:
    seen = list(ids)
    if twice := sorted({each for each in seen if seen.count(each) > 1}):
        raise ValueError(f"more than one entry has the id {', '.join(twice)}")


def _refuse_unknown(table: CategoryTable, rules: ScoreRules) -> None:
    unknown = {*table.metrics} - {metric.id for metric in rules.metrics}
    unknown |= {*table.dimensions} - {dimension.id for dimension in rules.dimensions}
    if unknown:
        raise ValueError(f"{rules.id} has no {', '.join(sorted(unknown))}, named by category {table.category}")


def score_rules(marketplace: str, moment: datetime) -> ScoreRules:
    """The rules of a marketplace in force at an aware time; raises ``DomainError`` where no pack covers it."""
    return pack_in_force(_packs(), marketplace, moment)


def score_pack(id_: str) -> ScoreRules:
    """The pack of that id, in force or not: what was published by it can be computed again.

    Raises ``DomainError`` when there is none.
    """
    for pack in _packs():
        if pack.id == id_:
            return pack
    raise DomainError(f"there is no score pack {id_}")


class Definitions(NamedTuple):
    """What is counted of a shop's facts: by every formula, its metrics; ``caps`` in seconds a case, ``marks`` the
    services whose orders are counted."""

    by_formula: Mapping[str, tuple[Metric, ...]]
    counting: Counting
    caps: Mapping[str, int]
    marks: frozenset[str]


def definitions(marketplace: str, moment: datetime) -> Definitions:
    """What is counted under a marketplace's pack: the standard pack's metrics for every shop, tags and reports rest on
    them, and the pack's own, which stand in for those of the same id. Raises ``DomainError`` where no pack holds."""
    return _definitions(score_rules(marketplace, moment).id, score_rules(FALLBACK_MARKETPLACE, moment).id)


@functools.cache
def _definitions(own: str, standard: str) -> Definitions:
    rules = score_pack(own)
    metrics = {metric.id: metric for metric in (*score_pack(standard).metrics, *rules.metrics)}
    by_formula: dict[str, tuple[Metric, ...]] = {}
    for metric in metrics.values():
        by_formula[metric.counted_by] = (*by_formula.get(metric.counted_by, ()), metric)
    caps = {metric.id: metric.cap_seconds for metric in metrics.values() if metric.cap_seconds is not None}
    marks = frozenset(bonus.id for bonus in rules.bonus if bonus.metric is None)
    return Definitions(by_formula, rules.counting, caps, marks)


def score_packs() -> frozenset[str]:
    """The names by which packs are found."""
    return frozenset().union(*(pack.names for pack in _packs()))


def _packs() -> tuple[ScoreRules, ...]:
    packs: tuple[ScoreRules, ...] = read_packs("scores", ScoreRules)
    return packs


def category_tables(name: str, text: str) -> CategoryTables:
    """What a TOML file of category tables says; raises ``BrokenRulePack`` with ``name`` and every fault in it."""
    return parse_pack(name, text, CategoryTables)
