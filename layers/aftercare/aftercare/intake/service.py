"""Behind the ingress queue: translate a batch of deliveries, and look after what was set aside."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from aftercare.intake import store
from aftercare.intake.model import Delivery, Fact, Listed, SetAside, Shelf, Translate
from aftercare.kernel.errors import DomainError, MalformedInput, NotTranslated, Transient
from aftercare.kernel.ports import Bus, Clock, Queue, Secrets
from aftercare.kernel.table import Table, WriteRefused

# ---------------------------------------------------------------- translating a batch

NOT_THE_ENTRYS_FAULT = frozenset(
    {
        "InternalFailure",
        "InternalException",
        "ThrottlingException",
        "AccessDeniedException",
        "InvalidAccountIdException",
        "NotAuthorizedForSourceException",
        "NotAuthorizedForDetailTypeException",
    }
)
"""Error codes of a bus entry that the same entry may get past later: an outage, a throttle, or rights to be mended."""


class NotPublished(Transient):
    """The bus did not take an event now."""


@dataclass(slots=True)
class BatchOutcome:
    """What became of a batch: ``errors`` by the ids of the messages to deliver again, and what was set aside.

    ``published`` are the facts that went out, each with the id of its delivery.
    """

    published: list[tuple[str, Fact]] = field(default_factory=list)
    errors: dict[str, Exception] = field(default_factory=dict)
    set_aside: list[SetAside] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Understood:
    message_id: str
    message: str
    delivery: Delivery
    fact: Fact


class Translator:
    """Turns queued deliveries into events on the bus.

    ``translation`` gives a door's reading by the door's name, None for a door that does not exist. The key for
    buyers' pseudonyms stands in ``{secret_prefix}/pseudonym`` as ``key``. Cost: one write for an event that carries
    personal data, and one call to the bus for a whole batch of up to ten events.
    """

    def __init__(
        self,
        *,
        bus: Bus,
        table: Table,
        secrets: Secrets,
        clock: Clock,
        secret_prefix: str,
        translation: Callable[[str], Translate | None],
    ) -> None:
        self._bus = bus
        self._table = table
        self._secrets = secrets
        self._clock = clock
        self._secret_prefix = secret_prefix
        self._translation = translation

    def translate(self, messages: Mapping[str, str]) -> BatchOutcome:
        """``messages`` are the queue messages' texts by message id.

        A fact's personal data stands in the table before its event goes out, so that a reference never dangles.
        """
        try:
            key = str(self._secrets.get(f"{self._secret_prefix}/pseudonym")["key"]).encode()
        except Transient as error:
            return BatchOutcome(errors=dict.fromkeys(messages, error))
        outcome = BatchOutcome()
        understood: list[_Understood] = []
        for message_id, message in messages.items():
            try:
                understood += self._understand(message_id, message, key, outcome)
            except Exception as error:  # noqa: BLE001  one message must not take the others with it
                outcome.errors[message_id] = error
        if understood:
            self._publish(understood, outcome)
        return outcome

    def _understand(self, message_id: str, message: str, key: bytes, outcome: BatchOutcome) -> list[_Understood]:
        try:
            delivery = Delivery.from_message(message)
        except MalformedInput as malformed:
            digest = hashlib.sha256(message.encode()).hexdigest()
            self._set_aside(
                SetAside(Shelf.QUARANTINE, "unknown", digest, self._clock.now(), str(malformed), message), outcome
            )
            return []
        try:
            facts = self._facts(delivery, key)
        except MalformedInput as malformed:
            self._keep(Shelf.QUARANTINE, delivery, message, str(malformed), outcome)
            return []
        except NotTranslated as untold:
            self._keep(Shelf.PARKED, delivery, message, str(untold), outcome)
            return []
        if facts is None:
            self._keep(Shelf.PARKED, delivery, message, "a topic that the door does not know", outcome)
            return []
        for fact in facts:
            if fact.private:
                store.keep_private(self._table, delivery.shop, fact)
        return [_Understood(message_id, message, delivery, fact) for fact in facts]

    def _facts(self, delivery: Delivery, key: bytes) -> Sequence[Fact] | None:
        read = self._translation(delivery.door)
        if read is None:
            return None
        return read(
            delivery.body,
            shop=delivery.shop,
            delivery_id=delivery.delivery_id,
            received_at=delivery.received_at,
            pseudonym_key=key,
            ref_of=store.private_ref,
            heading=delivery.heading,
        )

    def _publish(self, understood: Sequence[_Understood], outcome: BatchOutcome) -> None:
        try:
            codes = self._bus.publish([each.fact.event.entry() for each in understood])
        except Transient as error:
            outcome.errors.update((each.message_id, error) for each in understood)
            return
        for each, code in zip(understood, codes, strict=True):
            name = each.fact.event.data.name
            if code is None:
                outcome.published.append((each.delivery.delivery_id, each.fact))
            elif code in NOT_THE_ENTRYS_FAULT:
                outcome.errors[each.message_id] = NotPublished(f"{name}: {code}")
            else:
                self._refused_by_bus(each, f"the bus refused {name}: {code}", outcome)

    def _refused_by_bus(self, each: _Understood, reason: str, outcome: BatchOutcome) -> None:
        try:
            self._keep(Shelf.QUARANTINE, each.delivery, each.message, reason, outcome)
        except Transient as error:
            outcome.errors[each.message_id] = error

    def _keep(self, shelf: Shelf, delivery: Delivery, message: str, reason: str, outcome: BatchOutcome) -> None:
        entry = SetAside(shelf, delivery.shop, delivery.delivery_id, delivery.received_at, reason, message)
        self._set_aside(entry, outcome)

    def _set_aside(self, entry: SetAside, outcome: BatchOutcome) -> None:
        store.set_aside(self._table, entry)
        outcome.set_aside.append(entry)


# ---------------------------------------------------------------- what was set aside


class UnknownEntry(DomainError):
    """Nothing was set aside under that id."""


class NotReplayable(DomainError):
    """It is no delivery: only its own consumer, not the ingress queue, could hear it again."""


class AlreadyReplayed(DomainError):
    """Somebody replayed it since it was listed: look again before replaying it once more."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of what was set aside, newest first; ``next`` goes into ``after``, None at the end."""

    entries: tuple[Listed, ...]
    next: str | None


class Quarantine:
    """Keeps what could not be understood until a person has looked at it; nothing leaves it by itself."""

    def __init__(self, *, table: Table, queue: Queue, clock: Clock) -> None:
        """``queue`` is the ingress queue, where a replay starts again."""
        self._table = table
        self._queue = queue
        self._clock = clock

    def keep(self, entry: SetAside) -> None:
        """Keeping the same message again changes nothing."""
        store.set_aside(self._table, entry)

    def list(self, shop: str, shelf: Shelf, after: str | None = None, limit: int = 50) -> Listing:
        entries, following = store.list_page(self._table, shelf, shop, after, limit)
        return Listing(entries, following)

    def replay(self, shop: str, shelf: Shelf, entry_id: str, seen_version: int) -> Listed:
        """Sends the stored message to the ingress queue again and counts it; answers the entry as it was.

        ``seen_version`` is the version that was listed, so that a double click replays once. It is counted before it
        is sent: after a ``Transient`` from the queue, list again and replay again. Raises ``NotReplayable``,
        ``UnknownEntry`` and ``AlreadyReplayed``.
        """
        if shelf is Shelf.EVENTS:
            raise NotReplayable(entry_id)
        found = store.listed(self._table, shelf, shop, entry_id)
        if found is None:
            raise UnknownEntry(entry_id)
        try:
            store.mark_replayed(self._table, found, seen_version, self._clock.now())
        except WriteRefused as refused:
            raise AlreadyReplayed(entry_id) from refused
        self._queue.send([found.entry.message])
        return found
