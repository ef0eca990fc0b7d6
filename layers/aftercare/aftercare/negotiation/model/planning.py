"""Whether what a merchant wants to save makes sense: every error at its field, all of them at once. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, TypeAdapter, ValidationError

from aftercare.events.vocabulary import OpenEnum, OptionKind, Trigger
from aftercare.kernel.fields import FieldError, InvalidFields, ModelT, errors_of
from aftercare.kernel.money import Money
from aftercare.kernel.ports import ActionType
from aftercare.negotiation.model.payouts import ACTIONS
from aftercare.negotiation.model.plans import (
    PLAN_LIMIT,
    Budget,
    Coupon,
    Limits,
    OptionPlan,
    PartialRefund,
    Plan,
    PositiveMoney,
    ShopPolicy,
    Situation,
    Words,
)
from aftercare.negotiation.model.scripts import lint
from aftercare.rulepacks.negotiation import NegotiationRules
from aftercare.rulepacks.tags import promise_tags

LARGEST_PLAN = 32_000
"""Bytes of one plan as JSON: what it names is looked at for every case of the shop."""
LARGEST_POLICY = 300_000
"""Bytes of a whole policy as JSON: it is one item, and an item holds 400 KB."""
LARGEST_AMOUNT = 10**12
MOST_BUDGETS = 10
"""Budgets that one plan may draw on: an offer reserves in all of them in one transaction."""
OPTION_KINDS = frozenset(kind.value for kind in OptionKind)
OPTION: TypeAdapter[OptionPlan] = TypeAdapter(OptionPlan, config=ConfigDict(defer_build=True))
CLOSED_LISTS = ("triggers", "kinds", "stages", "reasons", "anomalies")
ABOUT_THE_REQUEST = ("kinds", "stages", "reasons")


class _ToSave(BaseModel):
    """``version`` is the version of the policy that the merchant saw."""

    # a cold function reads one of these at most
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    version: Annotated[StrictInt, Field(ge=0)]


class PlansToSave(_ToSave):
    plans: Annotated[tuple[Any, ...], Field(max_length=PLAN_LIMIT)]


class BudgetsToSave(_ToSave):
    """A brake that is not named stays as it is; None goes back to the rule pack's."""

    budgets: dict[Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")], Budget]
    payout_brake_per_hour: PositiveMoney | None = None


class KillSwitchToSave(_ToSave):
    on: StrictBool


@dataclass(frozen=True, slots=True)
class Planned:
    """The policy to save. ``warnings`` name what is allowed but will not do what it says."""

    policy: ShopPolicy
    warnings: tuple[FieldError, ...] = ()


# ---------------------------------------------------------------- plans


def with_plans(
    policy: ShopPolicy,
    raw_plans: Sequence[Any],
    next_version: int,
    can_do: frozenset[ActionType],
    rules: NegotiationRules,
    now: datetime,
) -> Planned:
    """The policy with these plans in the place of its own; raises ``InvalidFields``.

    A plan whose content is new takes ``next_version`` as its own version, so that a plan's id and version never stand
    for two contents, even where a plan was deleted in between; the others keep theirs. What the client says of a
    version is not looked at. ``can_do`` is what the shop's door can carry out.
    """
    checked = _Checked(policy, can_do, rules, now)
    known = {plan.plan_id: plan for plan in policy.plans}
    plans: list[Plan] = []
    places: dict[str, str] = {}
    for index, raw in enumerate(raw_plans):
        at = f"plans.{index}"
        content = {name: value for name, value in raw.items() if name != "version"} if isinstance(raw, dict) else raw
        plan = _plan(content, at, known, next_version, checked.errors)
        _check_parts(content if isinstance(content, dict) else {}, at, plan in policy.plans, checked)
        if plan is None:
            continue
        plans.append(plan)
        first = places.setdefault(plan.plan_id, at)
        if first != at:
            checked.errors.append(FieldError(f"{at}.plan_id", f"{first} has this id too"))
        shortest = rules.answering.shortest_answer
        if plan.answer_minutes < shortest:
            message = f"no offer is made that leaves a buyer less than {shortest} minutes"
            checked.errors.append(FieldError(f"{at}.answer_minutes", message))
        size = len(plan.model_dump_json(exclude_defaults=True).encode())
        if size > LARGEST_PLAN:
            checked.errors.append(FieldError(at, f"the plan takes {size} bytes; {LARGEST_PLAN} are possible"))
    planned = policy.model_copy(update={"plans": tuple(plans)})
    size = len(planned.model_dump_json(exclude_defaults=True).encode())
    if size > LARGEST_POLICY:
        checked.errors.append(FieldError("plans", f"all plans take {size} bytes; {LARGEST_POLICY} are possible"))
    if checked.errors:
        raise InvalidFields(checked.errors)
    return Planned(planned, tuple(checked.warnings))


class _Checked:
    """What the plans are checked against, and what has been found so far."""

    def __init__(
        self, policy: ShopPolicy, can_do: frozenset[ActionType], rules: NegotiationRules, now: datetime
    ) -> None:
        self.policy = policy
        self.can_do = can_do
        self.rules = rules
        self.now = now
        self.errors: list[FieldError] = []
        self.warnings: list[FieldError] = []


def _plan(content: Any, at: str, known: Mapping[str, Plan], next_version: int, errors: list[FieldError]) -> Plan | None:
    try:
        plan = Plan.model_validate(content)
    except ValidationError as invalid:
        errors += errors_of(invalid, at, OPTION_KINDS)
        return None
    stored = known.get(plan.plan_id)
    if stored is not None and stored == plan.model_copy(update={"version": stored.version}):
        return stored
    return plan.model_copy(update={"version": max(next_version, stored.version + 1 if stored else 1)})


def _check_parts(raw: Mapping[str, Any], at: str, is_unchanged: bool, checked: _Checked) -> None:
    """Checks every part that can be read by itself, so that an error elsewhere in the plan does not hide its own."""
    situation = _part(Situation, raw.get("situation"))
    opening = _part(Words, raw.get("opening"))
    limits = _part(Limits, raw.get("limits", {}))
    options = list(_options(raw.get("rounds"), f"{at}.rounds"))
    if opening is not None:
        checked.errors += [
            FieldError(f"{at}.opening.{found.language}", f"{found.message} ({found.rule})")
            for found in lint(opening, checked.rules)
        ]
    if situation is not None:
        _check_words(raw["situation"], situation, f"{at}.situation", checked)
        _check_reach(situation, f"{at}.situation", is_unchanged, checked)
    if limits is not None:
        _check_budgets(limits, f"{at}.limits.budgets", checked)
    _check_options(options, limits, checked)
    parts: list[tuple[str, BaseModel | None]] = [(f"{at}.situation", situation), *options, (f"{at}.limits", limits)]
    amounts = [one for field, part in parts if part is not None for one in _amounts(part, field)]
    _check_amounts(amounts, limits, at, checked)


def _part(model: type[ModelT], raw: Any) -> ModelT | None:
    try:
        return model.model_validate(raw)
    except ValidationError:
        return None


def _options(raw_rounds: Any, at: str) -> Iterator[tuple[str, OptionPlan]]:
    """The options that can be read, each with its place."""
    for number, raw_round in enumerate(raw_rounds if isinstance(raw_rounds, list) else ()):
        raw_options = raw_round.get("options") if isinstance(raw_round, dict) else None
        for index, raw_option in enumerate(raw_options if isinstance(raw_options, list) else ()):
            try:
                yield f"{at}.{number}.options.{index}", OPTION.validate_python(raw_option)
            except ValidationError:
                continue


def _check_words(raw: Mapping[str, Any], situation: Situation, at: str, checked: _Checked) -> None:
    # these lists are open when we read events; a merchant's slip of the pen must not pass for ``unknown``
    for name in CLOSED_LISTS:
        members: tuple[OpenEnum, ...] = getattr(situation, name) if name in raw else ()
        for index, (word, member) in enumerate(zip(raw.get(name, ()), members, strict=True)):
            if word != member.value or (member.value == Trigger.UNKNOWN and name == "triggers"):
                known = ", ".join(one.value for one in type(member) if one.value != Trigger.UNKNOWN)
                checked.errors.append(FieldError(f"{at}.{name}.{index}", f"must be one of {known}"))


def _check_reach(situation: Situation, at: str, is_unchanged: bool, checked: _Checked) -> None:
    """Whether any case can ever be in the situation."""
    if situation.valid_until is not None and situation.valid_until <= checked.now:
        # a plan that ran out after it was saved must not keep the others from being saved
        found = checked.warnings if is_unchanged else checked.errors
        found.append(FieldError(f"{at}.valid_until", "the plan has run out"))
    if situation.anomalies and Trigger.PARCEL_ANOMALY not in situation.triggers:
        message = "only a case that a parcel's anomaly opened has one: parcel_anomaly must be among the triggers"
        checked.errors.append(FieldError(f"{at}.anomalies", message))
    for name in ABOUT_THE_REQUEST:
        if getattr(situation, name) and Trigger.REFUND_REQUESTED not in situation.triggers:
            message = "only a refund request has these: without refund_requested among the triggers hardly a case fits"
            checked.warnings.append(FieldError(f"{at}.{name}", message))
    known_tags = promise_tags()
    for index, tag in enumerate(situation.promised_tags):
        if tag not in known_tags:
            message = f"no rule pack has a tag of this name that promises anything ({', '.join(sorted(known_tags))})"
            checked.warnings.append(FieldError(f"{at}.promised_tags.{index}", message))
    suppressed = checked.rules.suppressed.reasons
    for index, reason in enumerate(situation.reasons):
        if reason.value in suppressed:
            checked.warnings.append(FieldError(f"{at}.reasons.{index}", "no offer is made for this reason"))


def _check_budgets(limits: Limits, at: str, checked: _Checked) -> None:
    if len(limits.budgets) > MOST_BUDGETS:
        checked.errors.append(FieldError(at, f"a plan draws on at most {MOST_BUDGETS} budgets"))
    for index, name in enumerate(limits.budgets):
        if name not in checked.policy.budgets:
            checked.errors.append(FieldError(f"{at}.{index}", "the shop has no budget of this name"))
        elif name in limits.budgets[:index]:
            checked.errors.append(FieldError(f"{at}.{index}", "the plan names this budget already"))


def _check_options(options: Sequence[tuple[str, OptionPlan]], limits: Limits | None, checked: _Checked) -> None:
    compensation = checked.rules.compensation
    budgets = [checked.policy.budgets.get(name) for name in (limits.budgets if limits else ())]
    seen: dict[tuple[str, OptionPlan], str] = {}
    for at, option in options:
        twin = seen.setdefault((at.rpartition(".")[0], option), at)
        if twin != at:
            checked.errors.append(FieldError(at, f"is the same as {twin}"))
        if ACTIONS[OptionKind(option.kind)] not in checked.can_do:
            checked.errors.append(FieldError(f"{at}.kind", "the shop's marketplace cannot carry this out for us"))
        if isinstance(option, PartialRefund) and (option.percent or 0) > compensation.percent_of_paid:
            message = f"a buyer gets at most {compensation.percent_of_paid} % of what was paid, whatever the plan says"
            checked.warnings.append(FieldError(f"{at}.percent", message))
        for name, least in _least_sums(option):
            cap = compensation.caps.get(least.currency)
            if cap is not None and least.minor > cap:
                most = Money(minor=cap, currency=least.currency)
                checked.warnings.append(FieldError(f"{at}.{name}", f"no order gets more than {most}"))
            if any(budget and _is_below(budget.per_day, least) for budget in budgets):
                checked.warnings.append(FieldError(f"{at}.{name}", "a day's budget is smaller than this"))


def _least_sums(option: OptionPlan) -> Iterator[tuple[str, Money]]:
    """The sums that the option names and does not mean to go below, each by its field."""
    if isinstance(option, Coupon):
        yield "face_value", option.face_value
    elif isinstance(option, PartialRefund):
        if option.fixed is not None:
            yield "fixed", option.fixed
        if option.minimum is not None:
            yield "minimum", option.minimum


def _is_below(one: Money, other: Money) -> bool:
    return one.currency == other.currency and one < other


def _check_amounts(amounts: Sequence[tuple[str, Money]], limits: Limits | None, at: str, checked: _Checked) -> None:
    """One plan, one currency: an amount in another one would never fit a case that the rest of the plan fits."""
    for field, amount in amounts:
        if amount.minor > LARGEST_AMOUNT:
            checked.errors.append(FieldError(f"{field}.minor", f"{LARGEST_AMOUNT} is the most that can be written"))
    named = list(amounts)
    for index, name in enumerate(limits.budgets if limits else ()):
        budget = checked.policy.budgets.get(name)
        if budget is not None:
            named.append((f"{at}.limits.budgets.{index}", budget.per_day))
    for field, amount in named[1:]:
        first_field, first = named[0]
        if amount.currency != first.currency:
            place = field if ".budgets." in field else f"{field}.currency"
            message = f"is in {amount.currency}, but {first_field} is in {first.currency}: a plan has one currency"
            checked.errors.append(FieldError(place, message))


def _amounts(part: BaseModel, at: str) -> Iterator[tuple[str, Money]]:
    """Every amount of money in a part of a plan, with its place."""
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, Money):
            yield f"{at}.{name}", value
        elif isinstance(value, BaseModel):
            yield from _amounts(value, f"{at}.{name}")


# ---------------------------------------------------------------- budgets and brake


def with_budgets(policy: ShopPolicy, wanted: BudgetsToSave) -> Planned:
    """The policy with these budgets in the place of its own; raises ``InvalidFields``.

    A budget that a plan draws on can neither go nor change its currency under it.
    """
    errors: list[FieldError] = []
    for name in sorted(policy.budgets.keys() - wanted.budgets.keys()):
        users = [plan.plan_id for plan in policy.plans if name in plan.limits.budgets]
        if users:
            errors.append(FieldError(f"budgets.{name}", f"cannot go: plans draw on it ({', '.join(users)})"))
    amounts = [(f"budgets.{name}.per_day", budget.per_day) for name, budget in wanted.budgets.items()]
    if wanted.payout_brake_per_hour is not None:
        amounts.append(("payout_brake_per_hour", wanted.payout_brake_per_hour))
    errors += [
        FieldError(f"{field}.minor", f"{LARGEST_AMOUNT} is the most that can be written")
        for field, amount in amounts
        if amount.minor > LARGEST_AMOUNT
    ]
    for name, budget in wanted.budgets.items():
        for plan in policy.plans:
            used = currency_of(plan) if name in plan.limits.budgets else None
            if used is not None and used != budget.per_day.currency:
                message = f"plan {plan.plan_id} draws on it and is in {used}"
                errors.append(FieldError(f"budgets.{name}.per_day.currency", message))
    if errors:
        raise InvalidFields(errors)
    changed: dict[str, Any] = {"budgets": wanted.budgets}
    if "payout_brake_per_hour" in wanted.model_fields_set:
        changed["payout_brake_per_hour"] = wanted.payout_brake_per_hour
    return Planned(policy.model_copy(update=changed))


def currency_of(plan: Plan) -> str | None:
    """The currency that a plan's own amounts are in; None where it names no amount."""
    options = [option for ladder_round in plan.rounds for option in ladder_round.options]
    for part in (plan.situation, *options, plan.limits):
        for _, amount in _amounts(part, ""):
            return amount.currency
    return None
