"""What the rooms need from the world, as protocols. ``aws/`` and the marketplaces implement them, tests fake them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from aftercare.kernel.errors import AftercareError, Transient


class Clock(Protocol):
    def now(self) -> datetime:
        """The present moment, aware, in UTC."""


class Bus(Protocol):
    def publish(self, entries: Sequence[Mapping[str, Any]]) -> Sequence[str | None]:
        """Puts events (``source``, ``detail-type``, ``detail``) on the bus, at most ten a call to it.

        Answers one item an entry: None where it was taken, else the bus's error code. Raises ``Transient`` when
        the bus cannot be reached at all.
        """


class Queue(Protocol):
    def send(self, bodies: Sequence[str]) -> None:
        """Durably queues every text; raises ``Transient`` if one was not taken."""

    def depth(self) -> int:
        """About how many messages wait."""


class UnknownSecret(AftercareError):
    """No secret stands under that name."""


class SecretForbidden(AftercareError):
    """The function's role does not grant that secret: for whoever deploys it to mend."""


class Secrets(Protocol):
    def get(self, name: str) -> Mapping[str, Any]:
        """The secret's JSON object, at most five minutes old.

        Raises ``UnknownSecret``, ``SecretForbidden`` or ``Transient``.
        """


class Objects(Protocol):
    """Files that anybody may read, by path."""

    def put(self, path: str, body: bytes, content_type: str, max_age_seconds: int) -> None:
        """Replaces the whole file; whoever fetched it may keep it that long. Raises ``Transient``."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    status: int
    body: bytes


class NoReply(Transient):
    """No whole answer came: the other side may or may not have done the work."""


class Http(Protocol):
    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpReply:
        """One attempt, no retry, no redirect; raises ``NoReply``."""


class Heading(NamedTuple):
    """What a delivery says outside its body. Few marketplaces sign it, so no fact may rest on it alone."""

    topic: str | None = None
    triggered_at: datetime | None = None


NO_HEADING = Heading()


class Genuine(NamedTuple):
    """What a door's check answers: the dedupe key, and what stands in the headers beside it.

    ``shop_id`` is the shop that the delivery itself names, None at a door whose deliveries name none.
    """

    delivery_id: str
    shop_id: str | None = None
    heading: Heading = NO_HEADING


class ActionType(StrEnum):
    """What a marketplace can be asked to do for a shop."""

    REFUND_PARTIAL = "refund.partial"
    REFUND_AGREE = "refund.agree"
    COUPON_ISSUE = "coupon.issue"
    COUPON_REVOKE = "coupon.revoke"
    RETURN_AGREE = "return.agree"
    EXCHANGE = "exchange"
    REISSUE = "reissue"
    MESSAGE_SEND = "message.send"
    OFFERS_PRESENT = "offers.present"
    TAG_CHANGED = "tag.changed"


SPENDING_ACTIONS = frozenset(
    {
        ActionType.REFUND_PARTIAL,
        ActionType.REFUND_AGREE,
        ActionType.COUPON_ISSUE,
        ActionType.COUPON_REVOKE,
        ActionType.RETURN_AGREE,
        ActionType.EXCHANGE,
        ActionType.REISSUE,
    }
)


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to be done once, however often it is sent: the same ``key`` always with the same content."""

    type: ActionType
    key: str
    shop: str
    data: Mapping[str, Any]
    order_id: str | None = None
    refund_id: str | None = None


class ActionStatus(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    KEY_REUSED = "key_reused"
    """The marketplace knows the key with other content: a defect on our side that a person must look at."""
    AMBIGUOUS = "ambiguous"
    """Nobody can say from here whether it was done."""
    ABSENT = "absent"
    """Only as the answer to a look-up: the marketplace has never seen the key."""


@dataclass(frozen=True, slots=True)
class ActionOutcome:
    status: ActionStatus
    reference: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a marketplace can do for us."""

    actions: frozenset[ActionType]
    deduplicates_keys: bool
    """The same key and content sent twice is done once."""


class Marketplace(Protocol):
    """One shop's marketplace, with the secret that decides which actions it may carry out."""

    @property
    def capabilities(self) -> Capabilities: ...

    def act(self, action: Action) -> ActionOutcome:
        """One attempt. Never raises for an answer or the lack of one: the outcome says it."""

    def look_up(self, key: str) -> ActionOutcome:
        """What became of a key that was sent before: DONE, REFUSED, ABSENT or AMBIGUOUS."""
