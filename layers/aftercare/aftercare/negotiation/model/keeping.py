"""The keep rate: how many refund requests a shop kept with its offers, beside those that got none for comparison.

What would have been kept anyway shows in the cases that were held out: there a request counts as kept when the buyer
withdrew it. Buyers withdraw in both arms, so a withdrawn request counts as kept in both, or the comparison would be
unfair to the offers. Every case that was given to an arm counts in it, also where no offer went out in the end
because nobody approved it: which cases those are is no accident.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt
from typing import Any

from aftercare.events.vocabulary import Arm, NegotiationOutcome, OptionKind, RefundOutcome, SettlementResult, Trigger
from aftercare.kernel.money import Money
from aftercare.kernel.statistics import wilson
from aftercare.negotiation.model.cases import Case
from aftercare.negotiation.model.orders import Order

APPLIES_AGAIN_WITHIN = timedelta(days=15)
ENOUGH_CASES = 30
CONFIDENCE_PERCENT = 95
DIGITS = 4
ARMS = (Arm.OFFER, Arm.HOLD_OUT)


@dataclass(frozen=True, slots=True)
class CountedCase:
    """What one case counts. ``cost`` is what was given to keep it: money and coupons, not goods sent again.

    ``rounds`` are those that the buyer was shown, ``chosen_round`` the one of the option taken.
    """

    opened_at: datetime
    plan_id: str
    arm: Arm
    kept_by_offer: bool
    withdrawn: bool
    applied_again: bool
    cost: Money
    rounds: tuple[int, ...] = ()
    chosen_round: int | None = None

    @property
    def kept(self) -> bool:
        return self.kept_by_offer or self.withdrawn


def counted(order: Order, since: datetime, until: datetime) -> Iterator[CountedCase]:
    """The order's cases in [since, until) that a refund request opened and that stand in one of the two arms."""
    if order.purchase is None:
        return
    for case in order.cases:
        if (
            case.trigger.kind is Trigger.REFUND_REQUESTED
            and case.arm in ARMS
            and case.plan is not None
            and since <= case.opened_at < until
        ):
            kept_by_offer = case.outcome is NegotiationOutcome.KEPT
            yield CountedCase(
                opened_at=case.opened_at,
                plan_id=case.plan.plan_id,
                arm=case.arm,
                kept_by_offer=kept_by_offer,
                withdrawn=not kept_by_offer and _withdrawn(order, case),
                applied_again=_applied_again(order, case),
                cost=_given(order, case, order.purchase.amount.currency),
                rounds=tuple(shown.number for shown in case.rounds),
                chosen_round=case.chosen.round if case.chosen else None,
            )


def _withdrawn(order: Order, case: Case) -> bool:
    request = order.requests.get(case.refund_id) if case.refund_id else None
    return request is not None and request.decided is not None and request.decided.outcome is RefundOutcome.WITHDRAWN


def _applied_again(order: Order, case: Case) -> bool:
    """Another refund request, or the platform stepping in, after this request and within the days after its case."""
    end = case.opened_at + APPLIES_AGAIN_WITHIN
    start, later = case.opened_at, [one.opened_at for one in order.interventions.values() if one.opened_at is not None]
    for refund_id, request in order.requests.items():
        asked = request.first or request.latest
        if asked is None:
            continue
        if refund_id == case.refund_id:
            start = min(start, asked.requested_at)
        else:
            later.append(asked.requested_at)
    return any(start < moment < end for moment in later)


def _given(order: Order, case: Case, currency: str) -> Money:
    paid = [
        one
        for one in order.commitments.values()
        if one.negotiation_id == case.negotiation_id and one.result is SettlementResult.PAID
    ]
    coupons = [one.coupon for one in paid if one.kind is OptionKind.COUPON and not one.coupon_revoked]
    amounts = [*(one.cash for one in paid), *(coupon for coupon in coupons if coupon is not None)]
    return Money(minor=sum(amount.minor for amount in amounts), currency=currency)


# ---------------------------------------------------------------- the figures


@dataclass(frozen=True, slots=True)
class Tally:
    """One arm, counted. ``applied_again`` are those of the kept that did not stay kept."""

    cases: int
    kept_by_offer: int
    withdrawn: int
    applied_again: int

    @property
    def kept(self) -> int:
        return self.kept_by_offer + self.withdrawn

    @property
    def net_kept(self) -> int:
        return self.kept - self.applied_again

    def figures(self) -> dict[str, Any]:
        return {
            "cases": self.cases,
            "kept": self.kept,
            "kept_by_offer": self.kept_by_offer,
            "withdrawn": self.withdrawn,
            "applied_again": self.applied_again,
            "net_kept": self.net_kept,
            "gross": decimal_text(self.kept, self.cases) if self.cases else None,
            "net": decimal_text(self.net_kept, self.cases) if self.cases else None,
        }


def figures(cases: Sequence[CountedCase]) -> dict[str, Any]:
    """The keep rate of all cases and of every plan's, as plain JSON; ratios are decimal text."""
    plans = sorted({case.plan_id for case in cases})
    return {
        **_comparison(cases),
        "plans": [_of_plan(plan, [case for case in cases if case.plan_id == plan]) for plan in plans],
    }


def _of_plan(plan: str, cases: Sequence[CountedCase]) -> dict[str, Any]:
    """A plan's comparison, and what each round of its ladder kept. Rounds have no hold-out: who sees a later one has
    turned the earlier down."""
    rounds = sorted({number for case in cases for number in case.rounds})
    return {"plan": plan, **_comparison(cases), "rounds": [_of_round(number, cases) for number in rounds]}


def _of_round(number: int, cases: Sequence[CountedCase]) -> dict[str, Any]:
    kept = [case for case in cases if case.kept_by_offer and case.chosen_round == number]
    return {
        "round": number,
        "presented": sum(number in case.rounds for case in cases),
        "kept_by_offer": len(kept),
        "net_kept": sum(not case.applied_again for case in kept),
        "cost_per_kept": [cost.model_dump() for cost in costs_per_kept(kept)],
    }


def _comparison(cases: Sequence[CountedCase]) -> dict[str, Any]:
    offer, hold_out = (tally([case for case in cases if case.arm is arm]) for arm in ARMS)
    enough = min(offer.cases, hold_out.cases) >= ENOUGH_CASES
    return {
        "offer": offer.figures(),
        "hold_out": hold_out.figures(),
        "difference": _difference(offer, hold_out),
        "cost_per_kept": [cost.model_dump() for cost in costs_per_kept(cases)],
        "enough": enough,
        "note": None if enough else _too_few(offer, hold_out),
    }


def tally(cases: Sequence[CountedCase]) -> Tally:
    return Tally(
        cases=len(cases),
        kept_by_offer=sum(case.kept_by_offer for case in cases),
        withdrawn=sum(case.withdrawn for case in cases),
        applied_again=sum(case.kept and case.applied_again for case in cases),
    )


def _difference(offer: Tally, hold_out: Tally) -> dict[str, Any] | None:
    """What the offers brought: the net rate of one arm less that of the other, None where an arm is empty."""
    if not offer.cases or not hold_out.cases:
        return None
    low, high = difference_interval(offer.net_kept, offer.cases, hold_out.net_kept, hold_out.cases)
    numerator = offer.net_kept * hold_out.cases - hold_out.net_kept * offer.cases
    return {
        "net": decimal_text(numerator, offer.cases * hold_out.cases),
        "low": decimal_text(*low.as_integer_ratio()),
        "high": decimal_text(*high.as_integer_ratio()),
        "confidence_percent": CONFIDENCE_PERCENT,
    }


def costs_per_kept(cases: Sequence[CountedCase]) -> tuple[Money, ...]:
    """What one request cost that an offer kept for good, by currency; minor units, half a unit rounded up.

    What was given for requests that came back all the same was spent too, so it counts; where nothing was kept for
    good there is no such price.
    """
    kept = [case for case in cases if case.kept_by_offer]
    prices = []
    for currency in sorted({case.cost.currency for case in kept}):
        ours = [case for case in kept if case.cost.currency == currency]
        for_good = sum(not case.applied_again for case in ours)
        if for_good:
            spent = sum(case.cost.minor for case in ours)
            prices.append(Money(minor=_rounded_half_up(spent, for_good), currency=currency))
    return tuple(prices)


def _too_few(offer: Tally, hold_out: Tally) -> dict[str, str]:
    return {
        "zh": f"样本太少，尚不能下结论：有报价的{offer.cases}单，留作对照的{hold_out.cases}单，"
        f"每组至少需要{ENOUGH_CASES}单。",
        "en": f"Too few cases to tell: {offer.cases} with an offer and {hold_out.cases} held out for comparison, "
        f"where {ENOUGH_CASES} of each are needed.",
    }


# ---------------------------------------------------------------- numbers


def difference_interval(successes: int, cases: int, other_successes: int, other_cases: int) -> tuple[float, float]:
    """The interval of the difference of two proportions: Newcombe's hybrid score method, without correction.

    Source: R. G. Newcombe, Statistics in Medicine 17 (1998) 873-890, method 10. It never leaves [-1, 1], and holds
    for small samples and for rates near 0 and 1, where the textbook interval does not.
    """
    rate, other_rate = successes / cases, other_successes / other_cases
    low, high = wilson(successes, cases)
    other_low, other_high = wilson(other_successes, other_cases)
    difference = rate - other_rate
    below = sqrt((rate - low) ** 2 + (other_high - other_rate) ** 2)
    above = sqrt((high - rate) ** 2 + (other_rate - other_low) ** 2)
    return max(-1.0, difference - below), min(1.0, difference + above)


def decimal_text(numerator: int, denominator: int) -> str:
    """The ratio with four digits behind the point, exact but for the last, which is rounded half up."""
    scaled = _rounded_half_up(numerator * 10**DIGITS, denominator)
    sign = "-" if scaled < 0 else ""
    whole, fraction = divmod(abs(scaled), 10**DIGITS)
    return f"{sign}{whole}.{fraction:0{DIGITS}d}"


def _rounded_half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
