"""Customer service: contacts, chat messages, rounds of question and answer, ratings."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from aftercare.events.vocabulary import (
    MARKETPLACES,
    Buyer,
    ChatAnswerer,
    ChatSender,
    ContactTopic,
    Flag,
    Stars,
)
from aftercare.kernel.envelope import EventData
from aftercare.kernel.ids import Id
from aftercare.kernel.times import UtcTime


class SupportContacted(EventData):
    """A buyer turned to the shop's customer service. Recognise it by ``session_id``; one session, one contact."""

    name = "SupportContacted"
    sources = (MARKETPLACES,)

    session_id: Id
    order_id: Id | None = None
    buyer: Buyer
    topic: ContactTopic
    contacted_at: UtcTime


class ChatMessagePosted(EventData):
    """Somebody wrote a message in a session; its text stays at the marketplace. Recognise it by ``message_id``.

    Rounds are counted from these messages: a buyer's question and the first answer to it.
    """

    name = "ChatMessagePosted"
    sources = (MARKETPLACES,)

    session_id: Id
    message_id: Id
    order_id: Id | None = None
    sender: ChatSender
    at: UtcTime


class ChatRoundClosed(EventData):
    """One question of a buyer and its answer, from a marketplace that counts rounds itself.

    Recognise it by ``session_id`` and ``asked_at``. Without ``answered_at`` nobody answered.
    """

    name = "ChatRoundClosed"
    sources = (MARKETPLACES,)

    session_id: Id
    asked_at: UtcTime
    answered_at: UtcTime | None = None
    answered_by: ChatAnswerer


class ChatRated(EventData):
    """A buyer rated a session. Recognise it by ``session_id``; the latest rating counts."""

    name = "ChatRated"
    sources = (MARKETPLACES,)

    session_id: Id
    rated_at: UtcTime
    satisfied: Flag
    resolved: Annotated[Flag | None, Field(description="the buyer says that the matter is settled")] = None
    answered_by: ChatAnswerer | None = None
    stars: Stars | None = None
