"""All that the score of one week rests on: from it the score can be computed again, to the last digit."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

from aftercare.kernel import compact
from aftercare.kernel.days import start_of
from aftercare.rulepacks.scores import ScoreRules, score_rules
from aftercare.scores.model.benchmarks import CategoryBar, Measure
from aftercare.scores.model.card import Card, ServiceUse, card
from aftercare.scores.model.contributions import MARK
from aftercare.scores.model.shops import OTHER_SHOPS, ShopState, active_days

VALID_ORDERS = "valid_orders"


class Basis(NamedTuple):
    """``pack``, ``category``, ``shop_class`` and ``bar`` are those of the first revision: whatever the shop becomes, a
    week that is over is corrected by facts alone. ``bar`` is the Monday after the week whose shops make the bar.
    ``revision`` is that of the last ``ScorePublished``: not all that is told of a week changes what is published."""

    measures: tuple[Measure, ...]
    pack: str
    category: str | None = None
    shop_class: str = OTHER_SHOPS
    bar: date | None = None
    services: tuple[ServiceUse, ...] = ()
    violations: Mapping[str, int] = {}
    revision: int = 1

    @property
    def valid_orders(self) -> int:
        return next((each.numerator for each in self.measures if each.id == VALID_ORDERS), 0)


def basis(state: ShopState, end: date, measures: tuple[Measure, ...], was: Basis | None, bar: date | None) -> Basis:
    """What the week that ends with ``end`` rests on; ``was``: what it rested on when it was last published."""
    fixed = was or Basis((), state.pack, state.category, state.shop_class, bar)
    rules = rules_of(fixed.pack, start_of(end, state.zone), fixed.category)
    window = start_of(end - timedelta(days=rules.counting.window_days), state.zone), start_of(end, state.zone)
    return fixed._replace(
        measures=measures,
        services=_services(state, rules, measures, window[1]),
        violations=_violations(state, window),
    )


def card_of(found: Basis, end: date, zone: str, bar: CategoryBar | None) -> Card:
    """The score that it makes; ``bar`` is the one that it names."""
    return card(
        rules_of(found.pack, start_of(end, zone), found.category),
        found.measures,
        bar,
        found.services,
        found.violations,
        valid_orders=found.valid_orders,
        shop_class=found.shop_class,
    )


@functools.cache
def rules_of(pack: str, moment: datetime, category: str | None) -> ScoreRules:
    """The rules in force at a moment, with the tables of the shop's category."""
    return score_rules(pack, moment).for_category(category)


def _services(
    state: ShopState, rules: ScoreRules, measures: tuple[Measure, ...], end: datetime
) -> tuple[ServiceUse, ...]:
    counted = {measure.id: measure for measure in measures}
    valid = counted.get(VALID_ORDERS)
    uses = []
    for bonus in rules.bonus:
        use = counted.get(bonus.metric or MARK + bonus.id)
        if use is not None:
            of = use.denominator if bonus.metric else valid.numerator if valid else 0
            enrolled = active_days(state.services.get(bonus.id, ()), end)
            uses.append(ServiceUse(bonus.id, use.numerator, of, enrolled))
    return tuple(uses)


def _violations(state: ShopState, window: tuple[datetime, datetime]) -> dict[str, int]:
    kinds = Counter(each.kind for each in state.violations if window[0] <= each.at < window[1])
    return dict(sorted(kinds.items()))


read_basis = compact.row(
    Basis,
    compact.many(compact.row(Measure, None, None, None, None)),
    None,
    None,
    None,
    compact.day,
    compact.many(compact.row(ServiceUse, None, None, None, None)),
    compact.mapping(str, int),
    None,
)
