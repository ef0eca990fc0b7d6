"""What is on record of an order, of a chat session, and of a shop: facts folded in any order and any number of times.

Everything that names an order stands in the order's record, its refunds, reviews, cases and steps of the platform too:
most metrics join two of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from aftercare.events.trace import Trace, read_trace
from aftercare.events.vocabulary import Arm, ChatAnswerer, ChatSender, RefundOutcome, RefundReason
from aftercare.kernel import compact


class Promised(NamedTuple):
    """When an order is due; of the promise at payment ``revision`` is -1."""

    revision: int
    ship_by: datetime | None
    deliver_by: datetime | None
    door_delivery: bool


class Review(NamedTuple):
    """By its latest revision; ``stars`` are the item's, absent where none were given."""

    revision: int
    posted_at: datetime
    stars: int | None
    removed: bool
    delivery_stars: int | None = None


class Decision(NamedTuple):
    """A decision about a refund. ``justified`` says that the marketplace found a refusal right."""

    at: datetime
    outcome: RefundOutcome
    by_shop: bool
    justified: bool


class Refund(NamedTuple):
    """``reason`` is the first one given, that of the lowest revision; decisions in order of time."""

    requested_at: datetime | None = None
    revision: int | None = None
    reason: RefundReason | None = None
    decisions: tuple[Decision, ...] = ()


class Step(NamedTuple):
    """The platform stepped in, over an order or over one of its refunds."""

    kind: str = "unknown"
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    refund_id: str | None = None


class Word(NamedTuple):
    """What was said of an anomaly in one version of its item: these sort in the order in which they were said."""

    sequence: int
    step: int
    crossed_at: datetime
    stage: str
    withdrawn: bool


RAISED, ESCALATED, CLEARED = range(3)
"""The steps of an anomaly; several may be said in one version."""


class Anomaly(NamedTuple):
    """A shipment anomaly by all that was said of it, in that order."""

    kind: str
    words: tuple[Word, ...] = ()


class Case(NamedTuple):
    """A negotiation; ``turns`` are the buyer's turns by round, from the offer to its answer or end.

    One that needs a human ends once more when that human has seen to it: ``sequence`` is that of the last end.
    """

    refund_id: str | None = None
    trigger: str | None = None
    arm: Arm | None = None
    opened_at: datetime | None = None
    sequence: int = -1
    closed_at: datetime | None = None
    outcome: str | None = None
    turns: Mapping[int, tuple[datetime | None, datetime | None]] = {}


EVERY_METRIC = "*"


class Exclusion(NamedTuple):
    """Somebody kept a record out of a metric, for a reason; it stays on record when it is lifted."""

    metric: str
    reason: str
    by: str
    at: datetime
    lifted_by: str | None = None
    lifted_at: datetime | None = None


class OrderRecord(NamedTuple):
    """``zone`` and ``pack`` are the shop's when the record began: its days and definitions do not move afterwards.
    ``marks`` are the marketplace's on the order, ``items`` those that were bought; ``bearers`` are by parcel
    the orders that bear its number: this one is among them once it knows all that was told of the number before."""

    shop: str
    order_id: str
    zone: str
    pack: str
    paid_at: datetime | None = None
    promised: Promised | None = None
    cancelled_at: datetime | None = None
    parcels: Mapping[str, Trace] = {}
    refunds: Mapping[str, Refund] = {}
    reviews: Mapping[str, Review] = {}
    steps: Mapping[str, Step] = {}
    anomalies: Mapping[str, Anomaly] = {}
    cases: Mapping[str, Case] = {}
    completed_at: datetime | None = None
    marks: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    bearers: Mapping[str, tuple[str, ...]] = {}


class Message(NamedTuple):
    at: datetime
    sender: ChatSender


BY_A_PERSON = frozenset({ChatAnswerer.HUMAN, ChatAnswerer.ASSISTED})


class Round(NamedTuple):
    """A buyer's question and the first effective answer, if there was one."""

    asked_at: datetime
    answered_at: datetime | None
    answered_by: ChatAnswerer


class Rating(NamedTuple):
    rated_at: datetime
    satisfied: bool
    resolved: bool | None
    stars: int | None = None
    answered_by: ChatAnswerer | None = None


class SessionRecord(NamedTuple):
    """``rounds`` are those that a marketplace counted itself: where it did, messages are not counted again."""

    shop: str
    session_id: str
    zone: str
    pack: str
    messages: Mapping[str, Message] = {}
    rounds: Mapping[str, Round] = {}
    rating: Rating | None = None
    exclusions: tuple[Exclusion, ...] = ()

    @property
    def begun_at(self) -> datetime | None:
        times = [*(each.at for each in self.messages.values()), *(each.asked_at for each in self.rounds.values())]
        return min(times, default=self.rating.rated_at if self.rating else None)


# ---------------------------------------------------------------- as JSON


_promised = compact.row(Promised, None, compact.moment, compact.moment, None)
_review = compact.row(Review, None, compact.moment, None, None, None)
_decision = compact.row(Decision, compact.moment, RefundOutcome, None, None)
_refund = compact.row(Refund, compact.moment, None, RefundReason, compact.many(_decision))
_step = compact.row(Step, None, compact.moment, compact.moment, None)
_word = compact.row(Word, None, None, compact.moment, None, None)
_anomaly = compact.row(Anomaly, None, compact.many(_word))


def _turn(pair: list[str | None]) -> tuple[datetime | None, datetime | None]:
    shown_at, ended_at = (None if text is None else compact.moment(text) for text in pair)
    return shown_at, ended_at


_case = compact.row(Case, None, None, Arm, compact.moment, None, compact.moment, None, compact.mapping(int, _turn))
_exclusion = compact.row(Exclusion, None, None, None, compact.moment, None, compact.moment)
read_order = compact.row(
    OrderRecord,
    None,
    None,
    None,
    None,
    compact.moment,
    _promised,
    compact.moment,
    compact.mapping(str, read_trace),
    compact.mapping(str, _refund),
    compact.mapping(str, _review),
    compact.mapping(str, _step),
    compact.mapping(str, _anomaly),
    compact.mapping(str, _case),
    compact.moment,
    tuple,
    tuple,
    compact.many(_exclusion),
    compact.mapping(str, tuple),
)
read_session = compact.row(
    SessionRecord,
    None,
    None,
    None,
    None,
    compact.mapping(str, compact.row(Message, compact.moment, ChatSender)),
    compact.mapping(str, compact.row(Round, compact.moment, compact.moment, ChatAnswerer)),
    compact.row(Rating, compact.moment, None, None, None, ChatAnswerer),
    compact.many(_exclusion),
)
