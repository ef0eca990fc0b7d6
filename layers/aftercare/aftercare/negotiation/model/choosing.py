"""Which plan answers a case, with which offers, and why the others do not. Pure and explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

from aftercare.events.vocabulary import Arm, OptionKind, RefundKind, RefundReason, RefundStage, Trigger
from aftercare.kernel.ids import stable_fraction
from aftercare.kernel.money import Money
from aftercare.kernel.times import local_day
from aftercare.negotiation.model.cases import Case, Hold, Option
from aftercare.negotiation.model.orders import Asked, Order, Purchase
from aftercare.negotiation.model.plans import (
    Allowance,
    BuyerSegment,
    Coupon,
    FullRefund,
    OptionPlan,
    PartialRefund,
    Plan,
    RoundPlan,
    ShopPolicy,
    Situation,
    Terms,
)
from aftercare.rulepacks.negotiation import NegotiationRules

ASK_FOR_MONEY = frozenset({RefundKind.REFUND_ONLY, RefundKind.RETURN_AND_REFUND})
BUYER_WINDOW = timedelta(days=30)
MOST_CASES = 5
"""Plans are looked at for so many cases of an order: it is one item of at most 400 KB (DynamoDB), and such a case, at
its very largest, takes 55 of them."""
MOST_COUNTERS = 90
"""An offer and its counters are one transaction, of at most 100 writes (DynamoDB)."""


class WhyNot(StrEnum):
    """Why a case got no offer."""

    NO_PLAN = "no_plan"
    NO_MATCH = "no_match"
    BUDGET_SPENT = "budget_spent"
    BUYER_OVER_LIMIT = "buyer_over_limit"
    ORDER_OVER_LIMIT = "order_over_limit"
    GUARDRAIL = "guardrail"
    DEADLINE_TOO_NEAR = "deadline_too_near"
    HOLD_OUT = "hold_out"
    SUPPRESSED = "suppressed"
    ORDER_UNKNOWN = "order_unknown"
    CURRENCY_MISMATCH = "currency_mismatch"
    NOTHING_ASKED = "nothing_asked"
    NOTHING_LEFT = "nothing_left"
    ALREADY_DECIDED = "already_decided"
    CHANGED = "changed"
    ORDER_CANCELLED = "order_cancelled"


class BuyerRecord(NamedTuple):
    """What is known of the buyer beyond this order: promises of late, by case, and whether orders came before.

    None is what nobody has looked up: most decisions need neither.
    """

    promises: Mapping[str, tuple[datetime, int]] | None = None
    has_earlier_order: bool | None = None


class PromisesNeeded(Exception):
    """The decision depends on the buyer's promises: read them, and decide again."""

    def __init__(self, buyer: str) -> None:
        super().__init__("the buyer's promises were not read")
        self.buyer = buyer


class EarlierOrderNeeded(Exception):
    """The decision depends on whether the buyer had ordered before this purchase: ask, and decide again."""

    def __init__(self, purchase: Purchase) -> None:
        super().__init__("nobody has asked whether the buyer is new")
        self.purchase = purchase


class Wording(Protocol):
    """Puts an offer into the buyer's words."""

    def offer_text(self, locale: str, zone: str, opening: str, options: Sequence[Option], answer_by: datetime) -> str:
        """The message that presents an offer, with the words that the buyer may apply again at any time."""


class Surroundings(NamedTuple):
    """Everything a decision needs that the order itself does not hold.

    ``spent`` names counters that are full; ``wording`` is None where no offer can come of the decision.
    """

    now: datetime
    policy: ShopPolicy
    rules: NegotiationRules
    wording: Wording | None = None
    buyer: BuyerRecord = BuyerRecord()
    spent: frozenset[str] = frozenset()


class Verdict(NamedTuple):
    """Why one plan was taken (``reason`` None) or passed over."""

    plan_id: str
    version: int
    reason: str | None


class OfferedRound(NamedTuple):
    """The options of a ladder's round, worked out, and the counters that must hold their dearest cost."""

    number: int
    options: tuple[Option, ...]
    holds: tuple[Hold, ...]


class Choice(NamedTuple):
    """``plan`` and ``round`` are set for an offer, and for a hold-out, which would get it; an ``answer_by`` has only
    the offer."""

    arm: Arm
    why_not: str | None
    plan: Plan | None = None
    round: OfferedRound | None = None
    answer_by: datetime | None = None
    verdicts: tuple[Verdict, ...] = ()


def choose(order: Order, case: Case, around: Surroundings) -> Choice:
    """The first plan by priority that matches, is affordable and leaves time to answer; else why there is none.

    Raises ``EarlierOrderNeeded`` or ``PromisesNeeded`` where a plan turns on what was not looked up.
    """
    asked = asked_of(order, case)
    refusal = _refused_outright(order, asked, around)
    if refusal is not None:
        return Choice(Arm.NONE, refusal)
    if not around.policy.plans:
        return Choice(Arm.NONE, WhyNot.NO_PLAN)
    verdicts: list[Verdict] = []
    for plan in sorted(around.policy.plans, key=lambda plan: (-plan.priority, plan.plan_id)):
        reason: str | None
        if mismatch := _mismatch(plan.situation, order, case, asked, around):
            reason = f"{WhyNot.NO_MATCH}:{mismatch}"
        else:
            offered, reason = next_round(order, case, plan, 1, around)
            if offered is not None:
                answer_by = answer_deadline(asked, plan, around)
                if answer_by is None:
                    reason = WhyNot.DEADLINE_TOO_NEAR
                else:
                    verdicts.append(Verdict(plan.plan_id, plan.version, None))
                    if _held_out(order, case, plan):
                        # drawn among those who would get an offer, and only among them: else the arms do not compare
                        return Choice(Arm.HOLD_OUT, WhyNot.HOLD_OUT, plan, offered, verdicts=tuple(verdicts))
                    return Choice(Arm.OFFER, None, plan, offered, answer_by, tuple(verdicts))
        verdicts.append(Verdict(plan.plan_id, plan.version, reason))
    return Choice(Arm.NONE, _overall(verdicts), verdicts=tuple(verdicts))


def _held_out(order: Order, case: Case, plan: Plan) -> bool:
    """An order stays in the arm it was drawn into; its first case is drawn by its id."""
    earlier = {one.arm for one in order.cases if one.negotiation_id != case.negotiation_id} - {Arm.NONE}
    if earlier:
        return Arm.HOLD_OUT in earlier
    return stable_fraction("hold-out", case.negotiation_id, plan.plan_id) * 100 < plan.hold_out_percent


def next_round(
    order: Order, case: Case, plan: Terms, number: int, around: Surroundings
) -> tuple[OfferedRound | None, str | None]:
    """The first round of the ladder from ``number`` on that still has an option to show, or why there is none."""
    base = asked_amount(order, case)
    reason: str | None = None
    for index, ladder_round in enumerate(plan.rounds[number - 1 :], start=number):
        options, why = _options(order, case, plan, ladder_round, index, base, around)
        if not options:
            reason = reason or why
            continue
        holds = _holds(order, case, plan, options, around)
        blocked = _blocked(holds, order, case, plan, options, around)
        if blocked is None:
            return OfferedRound(index, options, holds), None
        reason = blocked
    return None, reason or WhyNot.GUARDRAIL


def is_suppressed(asked: Asked | None, rules: NegotiationRules) -> bool:
    """For some reasons no offer is made, whatever a plan says."""
    return asked is not None and asked.reason.value in rules.suppressed.reasons


def same_currency(order: Order, asked: Asked | None) -> bool:
    return asked is None or order.purchase is None or asked.amount.currency == order.purchase.amount.currency


def asked_amount(order: Order, case: Case) -> Money:
    """What the percentages are of: the amount asked for, or all that was paid, never more than is left to refund."""
    remaining = order.remaining
    if remaining is None:
        raise ValueError("an order that is not known yet has nothing to offer on")
    asked = asked_of(order, case)
    return remaining if asked is None else min(asked.amount, remaining)


def answer_deadline(asked: Asked | None, plan: Terms, around: Surroundings) -> datetime | None:
    """When the offer ends: safely before the marketplace's own deadline; None where that leaves too little time."""
    answering = around.rules.answering
    answer_by = around.now + timedelta(minutes=plan.answer_minutes)
    if asked is not None:
        answer_by = min(answer_by, last_moment(asked, around.rules))
    if answer_by - around.now < timedelta(minutes=answering.shortest_answer):
        return None
    return answer_by


def last_moment(asked: Asked, rules: NegotiationRules) -> datetime:
    """The latest an offer on this request may stand: the marketplace's deadline, or the pack's, less the margin."""
    answering = rules.answering
    default = timedelta(minutes=answering.default_deadline[asked.stage.value])
    respond_by = asked.respond_by or asked.requested_at + default
    return respond_by - timedelta(minutes=answering.margin)


def asked_of(order: Order, case: Case) -> Asked | None:
    """The case's request as it stands now; None for a contact or an anomaly."""
    request = order.requests.get(case.refund_id) if case.refund_id else None
    return request.latest if request else None


def _refused_outright(order: Order, asked: Asked | None, around: Surroundings) -> WhyNot | None:
    purchase, remaining = order.purchase, order.remaining
    if purchase is None or remaining is None:
        return WhyNot.ORDER_UNKNOWN
    if order.cancelled_at is not None:
        return WhyNot.ORDER_CANCELLED
    if is_suppressed(asked, around.rules) or set(purchase.flags) & set(around.rules.suppressed.order_flags):
        return WhyNot.SUPPRESSED
    if not same_currency(order, asked):
        return WhyNot.CURRENCY_MISMATCH
    if asked is not None and asked.kind in ASK_FOR_MONEY and asked.amount.minor == 0:
        return WhyNot.NOTHING_ASKED
    if remaining.minor == 0:
        return WhyNot.NOTHING_LEFT
    if len(order.cases) > MOST_CASES:
        return WhyNot.ORDER_OVER_LIMIT
    return None


def _mismatch(situation: Situation, order: Order, case: Case, asked: Asked | None, around: Surroundings) -> str | None:
    """The name of the first condition that does not hold."""
    purchase = order.purchase
    if purchase is None:
        return "order"
    amount = asked_amount(order, case)
    lines = order.lines_of(case.refund_id)
    held: Sequence[tuple[str, bool]] = (
        ("triggers", case.trigger.kind in situation.triggers),
        ("kinds", _within(situation.kinds, asked.kind if asked else None)),
        ("stages", _within(situation.stages, asked.stage if asked else None)),
        ("reasons", _within(situation.reasons, asked.reason if asked else None)),
        ("amount_from", situation.amount_from is None or _same_currency_ge(amount, situation.amount_from)),
        ("amount_to", situation.amount_to is None or _same_currency_ge(situation.amount_to, amount)),
        ("categories", not situation.categories or bool(set(situation.categories) & {one.category for one in lines})),
        ("items", not situation.items or bool(set(situation.items) & {one.item for one in lines})),
        ("promised_tags", not situation.promised_tags or not order.promised.keys().isdisjoint(situation.promised_tags)),
        ("anomalies", _within(tuple(kind.value for kind in situation.anomalies), case.trigger.anomaly)),
        ("valid_from", situation.valid_from is None or situation.valid_from <= around.now),
        ("valid_until", situation.valid_until is None or around.now < situation.valid_until),
    )
    mismatch = next((name for name, holds in held if not holds), None)
    if mismatch is None and not _is_wanted(situation.buyers, purchase, around.buyer):
        # looked at last: it may have to be asked for
        return "buyers"
    return mismatch


def _within(
    wanted: Sequence[RefundKind | RefundStage | RefundReason | Trigger | str],
    value: RefundKind | RefundStage | RefundReason | str | None,
) -> bool:
    return not wanted or value in wanted


def _same_currency_ge(one: Money, other: Money) -> bool:
    return one.currency == other.currency and one >= other


def _is_wanted(segments: Sequence[BuyerSegment], purchase: Purchase, buyer: BuyerRecord) -> bool:
    """Whether the buyer is in one of the segments; of a buyer that nobody names no earlier order is known."""
    if not segments or ("flagged" in segments and "buyer_flagged" in purchase.flags):
        return True
    asked_for = {"new", "returning"}.intersection(segments)
    if len(asked_for) != 1:
        return bool(asked_for)
    if buyer.has_earlier_order is None and purchase.buyer:
        raise EarlierOrderNeeded(purchase)
    return ("returning" if buyer.has_earlier_order else "new") in asked_for


def _options(
    order: Order, case: Case, plan: Terms, ladder_round: RoundPlan, number: int, base: Money, around: Surroundings
) -> tuple[tuple[Option, ...], str | None]:
    options: list[Option] = []
    reason: str | None = None
    allowance = _allowance(order, plan, around)
    asked = asked_of(order, case)
    money_was_asked = asked is not None and asked.kind in ASK_FOR_MONEY
    for index, wanted in enumerate(ladder_round.options, start=1):
        option = _option(wanted, f"r{number}o{index}", base, allowance)
        if isinstance(wanted, FullRefund) and not money_was_asked:
            # agreeing to what was asked is no compensation; giving all the money to who did not ask for it would be
            option = None
        if option is None:
            reason = WhyNot.GUARDRAIL
        else:
            options.append(option)
    return tuple(options), reason


def _allowance(order: Order, plan: Terms, around: Surroundings) -> Money:
    """How much compensation this order may still get, by the guardrails and the plan's own limit."""
    purchase, given = order.purchase, order.compensation_given
    if purchase is None or given is None:
        raise ValueError("an order that is not known yet has no allowance")
    rules = around.rules.compensation
    most = purchase.amount.percent(rules.percent_of_paid).minor
    cap = rules.caps.get(purchase.amount.currency)
    most = most if cap is None else min(most, cap)
    limit = plan.limits.per_order
    if limit is not None:
        most = min(most, limit.minor) if limit.currency == purchase.amount.currency else 0
    return Money(minor=max(0, most - given.minor), currency=purchase.amount.currency)


def _option(wanted: OptionPlan, option_id: str, base: Money, allowance: Money) -> Option | None:
    """The option with its sum, or None where guardrails leave less of it than the plan wants to give."""
    nothing = Money.zero(base.currency)
    if isinstance(wanted, PartialRefund):
        amount = _partial_amount(wanted, base, allowance)
        if amount is None:
            return None
        return Option(option_id=option_id, kind=OptionKind.PARTIAL_REFUND, amount=amount, cost=amount)
    if isinstance(wanted, Coupon):
        value = Money(minor=wanted.face_value.minor, currency=wanted.face_value.currency)
        if value.currency != base.currency or value > allowance:
            return None
        return Option(
            option_id=option_id,
            kind=OptionKind.COUPON,
            coupon_value=value,
            coupon_days=wanted.valid_days,
            cost=value,
        )
    kind = OptionKind(wanted.kind)
    if base.minor == 0 and kind in (OptionKind.FULL_REFUND, OptionKind.RETURN_AND_REFUND):
        return None
    amount = base if kind in (OptionKind.FULL_REFUND, OptionKind.RETURN_AND_REFUND) else None
    cost = base if kind is OptionKind.FULL_REFUND else nothing
    return Option(option_id=option_id, kind=kind, amount=amount, cost=cost)


def _partial_amount(wanted: PartialRefund, base: Money, allowance: Money) -> Money | None:
    named = [money for money in (wanted.fixed, wanted.minimum, wanted.maximum) if money is not None]
    if any(money.currency != base.currency for money in named):
        return None
    minor = wanted.fixed.minor if wanted.fixed else base.percent(wanted.percent or 0).minor
    minimum = wanted.minimum.minor if wanted.minimum else 1
    maximum = wanted.maximum.minor if wanted.maximum else base.minor
    minor = min(max(minor, minimum), maximum, base.minor, allowance.minor)
    return Money(minor=minor, currency=base.currency) if minor >= minimum else None


def _holds(
    order: Order, case: Case, plan: Terms, options: tuple[Option, ...], around: Surroundings
) -> tuple[Hold, ...]:
    """The counters that the plan names, each holding the round's dearest cost."""
    dearest = max(option.cost.minor for option in options)
    day = local_day(around.now, around.policy.zone).isoformat()
    holds = [Hold(counter=f"budget/{name}/{day}", cases=1, minor=dearest) for name in plan.limits.budgets]
    if plan.limits.per_item_day is not None:
        items = sorted({line.item for line in order.lines_of(case.refund_id)})
        holds += [Hold(counter=f"item/{plan.plan_id}/{item}/{day}", cases=1, minor=dearest) for item in items]
    return tuple(holds)


def ceilings_of(hold: Hold, plan: Terms, policy: ShopPolicy) -> Allowance:
    """The ceiling that the counter of a hold must keep."""
    family, name, *_ = hold.counter.split("/")
    if family == "budget":
        budget = policy.budgets.get(name)
        return Allowance(amount=budget.per_day if budget else None)
    return plan.limits.per_item_day or Allowance()


def _blocked(
    holds: tuple[Hold, ...], order: Order, case: Case, plan: Terms, options: tuple[Option, ...], around: Surroundings
) -> str | None:
    currency = options[0].cost.currency
    if len(holds) > MOST_COUNTERS:
        return f"{WhyNot.BUDGET_SPENT}:more items than can be counted at once"
    for hold in holds:
        ceiling = ceilings_of(hold, plan, around.policy).amount
        named = hold.counter.split("/")[1]
        if hold.counter.startswith("budget/") and named not in around.policy.budgets:
            return f"{WhyNot.BUDGET_SPENT}:no budget {named}"
        if hold.counter in around.spent or (
            ceiling is not None and (ceiling.currency != currency or hold.minor > ceiling.minor)
        ):
            return f"{WhyNot.BUDGET_SPENT}:{hold.counter}"
    dearest = max((option.cost for option in options), key=lambda cost: cost.minor)
    over_limit = _is_buyer_over_limit(plan.limits.per_buyer_30_days, order, case, dearest, around)
    return WhyNot.BUYER_OVER_LIMIT if over_limit else None


def _is_buyer_over_limit(
    limit: Allowance | None, order: Order, case: Case, dearest: Money, around: Surroundings
) -> bool:
    if limit is None:
        return False
    promises = around.buyer.promises
    if promises is None:
        buyer = order.purchase.buyer if order.purchase else ""
        if buyer:
            raise PromisesNeeded(buyer)
        promises = {}
    since = around.now - BUYER_WINDOW
    others = {of: promise for of, promise in promises.items() if of != case.negotiation_id}
    recent = [minor for at, minor in others.values() if at > since]
    too_many = limit.cases is not None and len(recent) + 1 > limit.cases
    too_much = limit.amount is not None and (
        limit.amount.currency != dearest.currency or sum(recent) + dearest.minor > limit.amount.minor
    )
    return too_many or too_much


def _overall(verdicts: Sequence[Verdict]) -> str:
    """One reason for the case: what stopped the plan that came nearest, a mismatch only if nothing came nearer."""
    reasons = [verdict.reason for verdict in verdicts if verdict.reason is not None]
    nearer = [reason for reason in reasons if not reason.startswith(WhyNot.NO_MATCH)]
    return (nearer[0] if nearer else WhyNot.NO_MATCH.value).partition(":")[0]
