"""What a buyer may see of a case through a link: the offer as it was made, and how it stands now."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from aftercare.kernel.money import Money
from aftercare.negotiation.model.cases import Case, CaseState, Option
from aftercare.negotiation.model.deadlines import answer_by
from aftercare.negotiation.model.drafts import NoSuchCase
from aftercare.negotiation.model.links import OfferLink
from aftercare.negotiation.model.orders import Order
from aftercare.rulepacks.negotiation import NegotiationRules


class OfferStanding(StrEnum):
    """How the offer behind a link stands."""

    OPEN = "open"
    PAUSED = "paused"
    """The platform has stepped in; the remaining time is kept."""
    ACCEPTED = "accepted"
    """An option was chosen and is being carried out."""
    SETTLED = "settled"
    """What was chosen has been carried out."""
    IN_HANDS = "in_hands"
    """A person of the shop sees to what was chosen."""
    DECLINED = "declined"
    EXPIRED = "expired"
    REPLACED = "replaced"
    """A later round has taken its place."""
    SUPERSEDED = "superseded"
    """The request was changed, withdrawn or decided elsewhere."""


_STANDINGS = {
    CaseState.PAUSED: OfferStanding.PAUSED,
    CaseState.ACCEPTED: OfferStanding.ACCEPTED,
    CaseState.SETTLING: OfferStanding.ACCEPTED,
    CaseState.SETTLED: OfferStanding.SETTLED,
    CaseState.NEEDS_HUMAN: OfferStanding.IN_HANDS,
    CaseState.DECLINED: OfferStanding.DECLINED,
    CaseState.EXPIRED: OfferStanding.EXPIRED,
    CaseState.PASSED_ON: OfferStanding.SUPERSEDED,
    CaseState.SUPERSEDED: OfferStanding.SUPERSEDED,
}


class OfferView(NamedTuple):
    """Times are UTC; ``zone`` and ``locale`` are those of the offer's message. ``answer_by`` is exclusive."""

    standing: OfferStanding
    shop: str
    order_id: str
    negotiation_id: str
    round: int
    opening: str
    options: tuple[Option, ...]
    answer_by: datetime
    requested: Money | None
    chosen: Option | None
    chosen_at: datetime | None
    closed_at: datetime | None
    may_ask_for_another: bool
    locale: str
    zone: str


def view(order: Order, link: OfferLink, now: datetime, rules: NegotiationRules) -> OfferView:
    """Raises ``NoSuchCase`` for a link to something that was never offered."""
    case = order.case(link.negotiation_id)
    shown = case.round_numbered(link.round) if case is not None else None
    if case is None or case.plan is None or shown is None:
        raise NoSuchCase("nothing was offered under this link")
    chosen = case.chosen
    return OfferView(
        standing=_standing(order, case, link.round, now, rules),
        shop=order.shop,
        order_id=order.order_id,
        negotiation_id=case.negotiation_id,
        round=shown.number,
        opening=case.plan.opening.in_language(shown.locale),
        options=shown.options,
        answer_by=answer_by(order, case, rules) if shown is case.round else shown.answer_by,
        requested=case.requested,
        chosen=chosen.option if chosen else None,
        chosen_at=chosen.accepted_at if chosen else None,
        closed_at=case.closed_at,
        may_ask_for_another=shown.number < len(case.plan.rounds),
        locale=shown.locale,
        zone=shown.zone,
    )


def _standing(order: Order, case: Case, round_number: int, now: datetime, rules: NegotiationRules) -> OfferStanding:
    if case.round is not None and round_number < case.round.number:
        return OfferStanding.REPLACED
    if case.state is CaseState.OFFERED:
        return OfferStanding.OPEN if now < answer_by(order, case, rules) else OfferStanding.EXPIRED
    return _STANDINGS[case.state]
