"""How a chat session's record makes the cases of a metric: one function a formula."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from aftercare.events.vocabulary import ChatAnswerer, ChatSender
from aftercare.kernel.times import to_text
from aftercare.rulepacks.scores import Counting, Metric
from aftercare.scores.model.formulas.parts import Part, SessionFormula
from aftercare.scores.model.records import BY_A_PERSON, Message, Round, SessionRecord

OF_CHATS = "chat:"
"""Begins the subjects of sessions: their numbers and those of orders may be the same."""


def rounds(record: SessionRecord) -> list[Round]:
    """A round is the first unanswered message of a buyer up to the first effective reply.

    A bot's automatic reply is no effective one; a round that only a bot answered belongs to nobody.
    """
    if record.rounds:
        return list(record.rounds.values())
    found: list[Round] = []
    asked_at: datetime | None = None
    by_bot = False
    for message in sorted(record.messages.values(), key=_in_turn):
        if message.sender is ChatSender.BUYER:
            asked_at = asked_at or message.at
        elif asked_at is not None and message.sender in {ChatSender.HUMAN, ChatSender.ASSISTED}:
            found.append(Round(asked_at, message.at, ChatAnswerer(message.sender.value)))
            asked_at, by_bot = None, False
        elif asked_at is not None and message.sender is ChatSender.BOT:
            by_bot = True
    if asked_at is not None:
        found.append(Round(asked_at, None, ChatAnswerer.BOT if by_bot else ChatAnswerer.NONE))
    return found


def _in_turn(message: Message) -> tuple[datetime, bool, ChatSender]:
    # clocks that tell whole seconds show a machine's answer in the second of the question
    return message.at, message.sender is not ChatSender.BUYER, message.sender


def _counted_rounds(record: SessionRecord, counting: Counting) -> Iterator[Round]:
    for each in rounds(record):
        hour = each.asked_at.astimezone(ZoneInfo(record.zone)).hour
        in_hours = counting.reply_from_hour <= hour < counting.reply_to_hour
        if each.answered_by is not ChatAnswerer.BOT and in_hours:
            yield each


def _reply_3min(record: SessionRecord, _metric: Metric, counting: Counting) -> Iterator[Part]:
    for each in _counted_rounds(record, counting):
        answered = each.answered_at is not None and each.answered_by in BY_A_PERSON
        limit = each.asked_at + timedelta(seconds=counting.reply_within_seconds)
        quick = answered and each.answered_at is not None and each.answered_at <= limit
        yield Part(each.asked_at, int(quick), 1, _round_id(record, each))


def _reply_seconds(record: SessionRecord, _metric: Metric, counting: Counting) -> Iterator[Part]:
    for each in _counted_rounds(record, counting):
        longest = counting.longest_reply_seconds
        waited = longest if each.answered_at is None else int((each.answered_at - each.asked_at).total_seconds())
        yield Part(each.asked_at, min(max(0, waited), longest), 1, _round_id(record, each))


def _round_id(record: SessionRecord, each: Round) -> str:
    return f"{_session(record)}/{to_text(each.asked_at)}"


def _session(record: SessionRecord) -> str:
    return OF_CHATS + record.session_id


def _chat_satisfaction(record: SessionRecord, _metric: Metric, _counting: Counting) -> Iterator[Part]:
    rating = record.rating
    if rating is not None:
        satisfied = rating.satisfied and rating.resolved is not False
        yield Part(rating.rated_at, int(satisfied), 1, _session(record))


def _chat_dissatisfaction(record: SessionRecord, metric: Metric, _counting: Counting) -> Iterator[Part]:
    """Of the sessions that a person answered, as far as it was said who did."""
    rating = record.rating
    if rating is not None and rating.stars is not None and rating.answered_by is not ChatAnswerer.BOT:
        yield Part(rating.rated_at, int(rating.stars <= (metric.bad_stars or 0)), 1, _session(record))


CHAT: Mapping[str, SessionFormula] = {
    "reply_3min": _reply_3min,
    "reply_seconds": _reply_seconds,
    "chat_satisfaction": _chat_satisfaction,
    "chat_dissatisfaction": _chat_dissatisfaction,
}
