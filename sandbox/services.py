"""What tables, streams, queues and buses are to the rest of the offline cloud, whoever plays them.

``moto_services`` plays them by moto, behind the SDK; ``memory_services`` plays them in plain memory, behind the ports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from aftercare.kernel.ports import Bus
from aftercare.kernel.table import Table
from sandbox import resources
from sandbox.functions import reads_only

Backend = Literal["moto", "memory"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Record = dict[str, Any]
"""A record of a queue or stream, as Lambda hands it to a function."""


class Witness(Protocol):
    """Is told of every call to a service at the moment it leaves and comes back, and of what the bus took."""

    def call_begins(self, service: str, operation: str, *, writes: bool) -> None: ...

    def call_ends(self) -> None: ...

    def taken_by_bus(self, source: str, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Before the end of the call that brought it."""


@contextmanager
def call(witness: Witness, service: str, operation: str) -> Iterator[None]:
    """The call itself is what the block does."""
    witness.call_begins(service, operation, writes=not reads_only(operation))
    try:
        yield
    finally:
        # a refusal is an answer too
        witness.call_ends()


class PolledQueue(Protocol):
    """A queue as those see it who take messages out of it."""

    def has_visible(self) -> bool:
        """Whether a receive would find something now. Drops what is past the queue's retention, as SQS does."""

    def next_visible(self) -> datetime | None:
        """When the first message is or becomes visible; None for an empty queue."""

    def receive(self, limit: int) -> list[Record]:
        """Up to ``limit`` visible messages in the order of arrival; what was received too often is moved away."""

    def delete(self, receipt_handles: Sequence[str]) -> None: ...

    def bodies(self) -> list[str]:
        """Of all messages in the queue, visible or not, in the order of their arrival."""


class PolledStream(Protocol):
    """One reader's view of a table's stream."""

    def take(self) -> list[Record]:
        """The records since the last call, or since there is this reader."""


class Services(Protocol):
    def running(self) -> AbstractContextManager[None]:
        """Inside, all that the template declares is there, as long as the block lasts."""

    def parts(self) -> Mapping[str, Any]:
        """What the functions' bootstrap needs to reach these services."""

    def client(self, service: str) -> Any:
        """An SDK client of an AWS service; one a service."""

    def table(self, name: str) -> Table: ...

    def bus(self, name: str) -> Bus: ...

    def send(self, queue_name: str, body: str) -> None:
        """As a service itself does, not a function."""

    def queue(self, name: str) -> PolledQueue: ...

    def stream(self, table: resources.Table) -> PolledStream: ...

    def due_times(self, tables: Iterable[str]) -> Callable[[], datetime | None] | None:
        """Tells when the first item of these tables is due, past times included; None where nobody can tell."""
