"""The words that events share: closed lists, and the small shapes that several events are made of.

A closed list is closed when we write and open when we read: a value that is not in it becomes ``unknown``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt

from aftercare.kernel.ids import Id
from aftercare.kernel.money import NonNegativeMoney
from aftercare.kernel.times import UtcTime

MARKETPLACES = "aftercare.marketplaces"
CARRIERS = "aftercare.carriers"
NEGOTIATION = "aftercare.negotiation"
SHIPMENTS = "aftercare.shipments"
SCORES = "aftercare.scores"
TAGS = "aftercare.tags"


# ---------------------------------------------------------------- plain values


def _integer_to_text(value: Any) -> Any:
    # ids and status codes may come as JSON integers
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Name = Annotated[str, Field(min_length=1, max_length=256)]
"""A word of somebody's vocabulary: a category, a flag, a rule, a metric."""

Buyer = Annotated[
    str,
    BeforeValidator(_integer_to_text),
    Field(max_length=256, description="opaque; the marketplace's own id is kept elsewhere and can be erased"),
]
"""Whose order it is. Nobody looks at its form: an order without a known buyer has an empty one."""

Flag = StrictBool

Count = Annotated[StrictInt, Field(ge=0)]

Revision = Annotated[StrictInt, Field(ge=0)]
"""Grows with every change of the thing it counts; the highest one seen is the truth."""

Stars = Annotated[StrictInt, Field(ge=1, le=5)]

DecimalText = Annotated[str, Field(pattern=r"^-?[0-9]{1,20}(\.[0-9]{1,20})?$")]
"""An exact ratio or number of points: ``0.9731``, never a float."""

RawText = Annotated[str, BeforeValidator(_integer_to_text), Field(max_length=4096)]
"""An outside party's own words, kept as they came."""


# ---------------------------------------------------------------- closed lists


class OpenEnum(StrEnum):
    """A closed list with a member ``UNKNOWN`` that stands for every text it does not know."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls["UNKNOWN"] if isinstance(value, str) else None


def has_unknown_code(shape: BaseModel) -> bool:
    """Whether anything in it is a text that its list does not know. What a contact is about, and who signed, many
    marketplaces and carriers do not know themselves: that is their answer, and no code of theirs."""
    for value in vars(shape).values():
        parts = value if isinstance(value, tuple) else (value,)
        for part in parts:
            if isinstance(part, OpenEnum):
                if part.name == "UNKNOWN" and not isinstance(part, (ContactTopic, SignedBy)):
                    return True
            elif isinstance(part, BaseModel) and has_unknown_code(part):
                return True
    return False


class Party(OpenEnum):
    """Who did it."""

    BUYER = "buyer"
    SELLER = "seller"
    PLATFORM = "platform"
    SYSTEM = "system"
    UNKNOWN = "unknown"


class PromiseSource(OpenEnum):
    """Where a shop promised it; an agreement is one made with the buyer after payment."""

    LISTING = "listing"
    TITLE = "title"
    TAG = "tag"
    AGREEMENT = "agreement"
    UNKNOWN = "unknown"


class ScanStatus(OpenEnum):
    """What a carrier's scan says of a parcel."""

    LABEL_CREATED = "label_created"
    PICKED_UP = "picked_up"
    IN_TRANSIT = "in_transit"
    OUT_FOR_DELIVERY = "out_for_delivery"
    DELIVERY_FAILED = "delivery_failed"
    READY_FOR_PICKUP = "ready_for_pickup"
    DELIVERED = "delivered"
    ON_HOLD = "on_hold"
    RETURN_STARTED = "return_started"
    RETURNED = "returned"
    LOST = "lost"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


PICKED_UP_STATUSES = frozenset(
    {
        ScanStatus.PICKED_UP,
        ScanStatus.IN_TRANSIT,
        ScanStatus.OUT_FOR_DELIVERY,
        ScanStatus.DELIVERY_FAILED,
        ScanStatus.READY_FOR_PICKUP,
        ScanStatus.DELIVERED,
        ScanStatus.RETURN_STARTED,
        ScanStatus.RETURNED,
    }
)
"""A parcel is picked up at its earliest scan with one of these: a carrier that skips the first scan still has it."""


class ScanReason(OpenEnum):
    """Why a parcel does not move, or not as it should."""

    CARRIER_DELAY = "carrier_delay"
    CARRIER_MISSORT = "carrier_missort"
    CARRIER_DAMAGED = "carrier_damaged"
    CARRIER_LOST = "carrier_lost"
    CARRIER_CAPACITY = "carrier_capacity"
    CONSIGNEE_ABSENT = "consignee_absent"
    CONSIGNEE_REFUSED = "consignee_refused"
    CONSIGNEE_ADDRESS = "consignee_address"
    CONSIGNEE_REQUESTED_LATER = "consignee_requested_later"
    CONSIGNEE_UNPAID = "consignee_unpaid"
    CONSIGNEE_CLOSED = "consignee_closed"
    CUSTOMS_HOLD = "customs_hold"
    CUSTOMS_DOCUMENTS = "customs_documents"
    CUSTOMS_DUTIES = "customs_duties"
    WEATHER = "weather"
    DISASTER = "disaster"
    SELLER_INTERCEPT = "seller_intercept"
    RESTRICTED_AREA = "restricted_area"
    UNKNOWN = "unknown"


class SignedBy(OpenEnum):
    """Who or what took the parcel in."""

    RECIPIENT = "recipient"
    HOUSEHOLD = "household"
    NEIGHBOUR = "neighbour"
    LOCKER = "locker"
    STATION = "station"
    GUARD = "guard"
    OTHER = "other"
    UNKNOWN = "unknown"


class RefundKind(OpenEnum):
    """What a buyer asks for."""

    REFUND_ONLY = "refund_only"
    RETURN_AND_REFUND = "return_and_refund"
    EXCHANGE = "exchange"
    REISSUE = "reissue"
    REPAIR = "repair"
    PRICE_PROTECTION = "price_protection"
    UNKNOWN = "unknown"


class RefundStage(OpenEnum):
    """Where the goods are when a refund is asked for."""

    UNSHIPPED = "unshipped"
    IN_TRANSIT = "in_transit"
    DELIVERED = "delivered"
    UNKNOWN = "unknown"


class RefundReason(OpenEnum):
    """Why a buyer asks."""

    NOT_WANTED = "not_wanted"
    WRONG_SIZE = "wrong_size"
    NOT_AS_DESCRIBED = "not_as_described"
    QUALITY = "quality"
    DAMAGED = "damaged"
    MISSING = "missing"
    WRONG_ITEM = "wrong_item"
    NOT_RECEIVED = "not_received"
    LATE = "late"
    OUT_OF_STOCK = "out_of_stock"
    PRICE_DROP = "price_drop"
    FAKE = "fake"
    OTHER = "other"
    UNKNOWN = "unknown"


class RefundOutcome(OpenEnum):
    """What became of a refund request; ``refunded`` alone means that money has moved."""

    AGREED = "agreed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    REFUNDED = "refunded"
    CLOSED = "closed"
    UNKNOWN = "unknown"


class InterventionKind(OpenEnum):
    """How a platform was brought in."""

    DISPUTE = "dispute"
    COMPLAINT = "complaint"
    CONTACT = "contact"
    UNKNOWN = "unknown"


class InterventionOutcome(OpenEnum):
    """How a platform ended its part."""

    FOR_BUYER = "for_buyer"
    FOR_SELLER = "for_seller"
    SETTLED = "settled"
    WITHDRAWN = "withdrawn"
    UNKNOWN = "unknown"


class OfferChoice(OpenEnum):
    """A buyer's answer to an offer."""

    ACCEPTED = "accepted"
    DECLINED = "declined"
    UNKNOWN = "unknown"


class ContactTopic(OpenEnum):
    """What a buyer turned to customer service for."""

    AFTER_SALE = "after_sale"
    SHIPPING = "shipping"
    PRE_SALE = "pre_sale"
    OTHER = "other"
    UNKNOWN = "unknown"


class ChatSender(OpenEnum):
    """Who wrote a message; ``assisted`` is a human who sent a machine's draft."""

    BUYER = "buyer"
    HUMAN = "human"
    ASSISTED = "assisted"
    BOT = "bot"
    UNKNOWN = "unknown"


class ChatAnswerer(OpenEnum):
    """Who answered a buyer's question."""

    HUMAN = "human"
    ASSISTED = "assisted"
    BOT = "bot"
    NONE = "none"
    UNKNOWN = "unknown"


class Trigger(OpenEnum):
    """What a negotiation started from."""

    REFUND_REQUESTED = "refund_requested"
    SUPPORT_CONTACTED = "support_contacted"
    PARCEL_ANOMALY = "parcel_anomaly"
    UNKNOWN = "unknown"


class Arm(OpenEnum):
    """The part of the experiment a case is in: offered something, held out for comparison, or in none."""

    OFFER = "offer"
    HOLD_OUT = "hold_out"
    NONE = "none"
    UNKNOWN = "unknown"


class OptionKind(OpenEnum):
    """What an option of an offer gives the buyer; a coupon of an earlier offer is revoked, never offered."""

    PARTIAL_REFUND = "partial_refund"
    COUPON = "coupon"
    EXCHANGE = "exchange"
    REISSUE = "reissue"
    RETURN_AND_REFUND = "return_and_refund"
    FULL_REFUND = "full_refund"
    COUPON_REVOCATION = "coupon_revocation"
    UNKNOWN = "unknown"


class AcceptedVia(OpenEnum):
    """Where a buyer accepted: on our page or on the marketplace itself."""

    PAGE = "page"
    MARKETPLACE = "marketplace"
    UNKNOWN = "unknown"


class SettlementResult(OpenEnum):
    """How a payout ended."""

    PAID = "paid"
    REFUSED = "refused"
    NEEDS_HUMAN = "needs_human"
    UNKNOWN = "unknown"


class NegotiationOutcome(OpenEnum):
    """How a case ended; ``passed_on`` leaves the request to the shop and the marketplace."""

    KEPT = "kept"
    PASSED_ON = "passed_on"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"
    NEEDS_HUMAN = "needs_human"
    UNKNOWN = "unknown"


class AnomalyKind(OpenEnum):
    """What is wrong with a shipment."""

    LOST = "lost"
    DAMAGED = "damaged"
    REFUSED = "refused"
    RETURNED_WITHOUT_CONSENT = "returned_without_consent"
    RETURN_LOOP = "return_loop"
    FAKE_SHIPMENT = "fake_shipment"
    WRONG_DESTINATION = "wrong_destination"
    NOT_AT_DOOR = "not_at_door"
    NOT_RECEIVED = "not_received"
    OUT_OF_STOCK = "out_of_stock"
    LATE_PICKUP = "late_pickup"
    LATE_DELIVERY = "late_delivery"
    STALLED = "stalled"
    UNKNOWN = "unknown"


class Leg(OpenEnum):
    """The part of the way: to the first scan, out of the first hub, between hubs, to the door, at the pickup point."""

    PICKUP = "pickup"
    DISPATCH = "dispatch"
    TRANSIT = "transit"
    DELIVERY = "delivery"
    COLLECTION = "collection"
    UNKNOWN = "unknown"


class AnomalyStage(OpenEnum):
    """How far it has gone: a warning before the limit, past the limit, past the limit for serious cases."""

    PRE = "pre"
    BREACH = "breach"
    SERIOUS = "serious"
    UNKNOWN = "unknown"


class AnomalyOutcome(OpenEnum):
    """What ended it."""

    MOVED = "moved"
    DELIVERED = "delivered"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"
    UNKNOWN = "unknown"


# ---------------------------------------------------------------- shapes


class Shape(BaseModel):
    """A part of an event. Unknown fields are ignored; errors never repeat what was read."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, defer_build=True)


class Region(Shape):
    """A place as coarse as a province or a city."""

    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2")]
    province: Name | None = None
    city: Name | None = None


class Parcel(Shape):
    """A parcel, named by its carrier and the carrier's number."""

    carrier: Annotated[Name, Field(description="a name of the carriers' table, or `other:` and the name as it came")]
    number: Id


class Raw(Shape):
    """A foreign code and its text, as they came."""

    code: RawText
    text: RawText


Foreign = RawText | Raw
"""What an outside party said where its form is not agreed: a text, or a code with its text."""


class TextRef(Shape):
    """Where an erasable item holds a buyer's free text; the text itself never travels on the bus."""

    ref: Id
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="of the text in UTF-8")]


class Words(Shape):
    """The same text in Chinese and in English."""

    zh: str
    en: str


class Line(Shape):
    """One line of an order: the quantity bought and what was paid for all of it, postage excluded."""

    line_id: Id
    item_id: Id
    category: Name
    quantity: Annotated[StrictInt, Field(ge=1)]
    amount: NonNegativeMoney


class Promise(Shape):
    """What was promised to the buyer when the order was paid."""

    ship_by: Annotated[UtcTime | None, Field(description="the parcel is picked up by then")] = None
    deliver_by: UtcTime | None = None
    door_delivery: Annotated[Flag, Field(description="delivery to the door, not to a locker or station")]


class Hub(Shape):
    """A carrier's site."""

    code: Id | None = None
    name: Name | None = None


class Interval(Shape):
    """Both bounds of a confidence interval."""

    low: DecimalText
    high: DecimalText


class Window(Shape):
    """A stretch of time: from the first moment, to the first moment after it."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    from_: Annotated[UtcTime, Field(alias="from")]
    to: Annotated[UtcTime, Field(description="exclusive")]
