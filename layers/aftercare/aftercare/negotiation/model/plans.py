"""A merchant's plans: in which situation which offers are made, and how much they may cost."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from aftercare.events.vocabulary import AnomalyKind, RefundKind, RefundReason, RefundStage, Trigger
from aftercare.kernel.ids import Id
from aftercare.kernel.money import Money
from aftercare.kernel.times import UtcTime

PLAN_LIMIT = 100
TERMS_KEPT = 500
"""Terms that a process remembers as objects, by their text."""
Script = Annotated[str, StringConstraints(min_length=1, max_length=600, strip_whitespace=True)]
BuyerSegment = Literal["new", "returning", "flagged"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class PositiveMoney(Money):
    """An amount above zero."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    minor: Annotated[int, Field(strict=True, gt=0)]


class Words(_Part):
    """The same text in both languages of the buyer's page."""

    zh: Script
    en: Script

    def in_language(self, locale: str | None) -> str:
        return self.zh if (locale or "zh").lower().startswith("zh") else self.en


class Situation(_Part):
    """When a plan applies. An empty list asks nothing; every list that is not empty must contain the case's value."""

    triggers: tuple[Trigger, ...] = Field(default=(Trigger.REFUND_REQUESTED,), min_length=1)
    kinds: tuple[RefundKind, ...] = ()
    stages: tuple[RefundStage, ...] = ()
    reasons: tuple[RefundReason, ...] = ()
    amount_from: PositiveMoney | None = None
    amount_to: PositiveMoney | None = None
    categories: tuple[str, ...] = ()
    items: tuple[Id, ...] = ()
    promised_tags: tuple[Id, ...] = ()
    """Service tags of which one at least has promised something to the order."""
    buyers: tuple[BuyerSegment, ...] = ()
    anomalies: tuple[AnomalyKind, ...] = ()
    valid_from: UtcTime | None = None
    valid_until: UtcTime | None = None

    @model_validator(mode="after")
    def _ranges_run_forward(self) -> Situation:
        if self.amount_from and self.amount_to:
            if self.amount_from.currency != self.amount_to.currency:
                raise ValueError("amount_from and amount_to must be of one currency")
            if self.amount_to < self.amount_from:
                raise ValueError("amount_to must not be below amount_from")
        if self.valid_from and self.valid_until and self.valid_until <= self.valid_from:
            raise ValueError("valid_until must be after valid_from")
        return self


class PartialRefund(_Part):
    """Part of the money back, the goods stay: a percentage of what was asked for, or a fixed amount."""

    kind: Literal["partial_refund"]
    percent: Annotated[int, Field(strict=True, ge=1, le=99)] | None = None
    fixed: PositiveMoney | None = None
    minimum: PositiveMoney | None = None
    maximum: PositiveMoney | None = None

    @model_validator(mode="after")
    def _one_way_to_say_how_much(self) -> PartialRefund:
        if (self.percent is None) == (self.fixed is None):
            raise ValueError("give either percent or fixed")
        named = [money for money in (self.fixed, self.minimum, self.maximum) if money is not None]
        if len({money.currency for money in named}) > 1:
            raise ValueError("fixed, minimum and maximum must be of one currency")
        if self.minimum and self.maximum and self.maximum < self.minimum:
            raise ValueError("maximum must not be below minimum")
        return self


class Coupon(_Part):
    """A coupon for a later purchase; the request is closed, the goods stay."""

    kind: Literal["coupon"]
    face_value: PositiveMoney
    valid_days: Annotated[int, Field(strict=True, ge=1, le=365)]


class Exchange(_Part):
    kind: Literal["exchange"]


class Reissue(_Part):
    """The same goods are sent again (补寄)."""

    kind: Literal["reissue"]


class ReturnAndRefund(_Part):
    kind: Literal["return_and_refund"]


class FullRefund(_Part):
    """All that was asked for, and the goods stay."""

    kind: Literal["full_refund"]


OptionPlan = Annotated[
    PartialRefund | Coupon | Exchange | Reissue | ReturnAndRefund | FullRefund, Field(discriminator="kind")
]


class RoundPlan(_Part):
    options: tuple[OptionPlan, ...] = Field(min_length=1, max_length=4)


class Allowance(_Part):
    """The most cases, and the most money promised or paid in them; None for no limit."""

    cases: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = None
    amount: PositiveMoney | None = None


class Limits(_Part):
    """Ceilings of one plan's cost; ``budgets`` names the shop's daily budgets that it draws on."""

    per_order: PositiveMoney | None = None
    per_buyer_30_days: Allowance | None = None
    per_item_day: Allowance | None = None
    budgets: tuple[str, ...] = ()


class Terms(_Part):
    """What of a plan goes on to matter once it was chosen: a case keeps it as text, since the plan may change."""

    plan_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    version: Annotated[int, Field(ge=1)] = 1
    opening: Words
    rounds: tuple[RoundPlan, ...] = Field(min_length=1, max_length=3)
    answer_minutes: Annotated[int, Field(strict=True, ge=30, le=7 * 24 * 60)] = 24 * 60
    limits: Limits = Field(default_factory=Limits)


class Plan(Terms):
    """One plan. The matching plan with the highest ``priority`` is used; ``version`` is raised by every save."""

    priority: Annotated[int, Field(strict=True, ge=0, le=1000)] = 100
    situation: Situation
    needs_approval: bool = False
    hold_out_percent: Annotated[int, Field(strict=True, ge=0, le=50)] = 0

    @property
    def terms(self) -> str:
        return self.model_dump_json(include=set(Terms.model_fields), exclude_defaults=True)


@lru_cache(maxsize=TERMS_KEPT)
def terms_of(text: str) -> Terms:
    """The terms that a case has kept: the same text in all cases of one version of a plan."""
    return Terms.model_validate_json(text)


class Budget(_Part):
    """What a shop lets its plans promise on one of its local days."""

    per_day: PositiveMoney


class ShopPolicy(_Part):
    """All that a merchant decides about negotiation in one shop."""

    shop: str
    zone: str = "UTC"
    locale: str = "zh"
    plans: tuple[Plan, ...] = Field(default=(), max_length=PLAN_LIMIT)
    budgets: dict[Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")], Budget] = Field(default_factory=dict)
    payout_brake_per_hour: PositiveMoney | None = None
    kill_switch: bool = False
    changed_at: UtcTime | None = None
    changed_by: str | None = None

    def turns_on_promises(self, trigger: Trigger) -> bool:
        return any(plan.situation.promised_tags and trigger in plan.situation.triggers for plan in self.plans)

    def answers(self, trigger: Trigger, anomaly: AnomalyKind | None = None) -> bool:
        """Whether some plan may begin with that trigger, and with that kind of anomaly where it is one."""
        return any(
            trigger in plan.situation.triggers
            and (anomaly is None or not plan.situation.anomalies or anomaly in plan.situation.anomalies)
            for plan in self.plans
        )
