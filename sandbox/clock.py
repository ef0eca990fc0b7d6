"""The clock of the offline cloud: it stands still until it is told to go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class VirtualClock:
    """Implements ``Clock``. It never goes back."""

    def __init__(self, start: datetime) -> None:
        """``start`` must be aware; raises ``ValueError`` for a naive time."""
        self._now = _in_utc(start)

    def now(self) -> datetime:
        return self._now

    def advance_to(self, moment: datetime) -> None:
        """Raises ``ValueError`` for a moment that is already past, or naive."""
        moment = _in_utc(moment)
        if moment < self._now:
            raise ValueError(f"the clock stands at {self._now.isoformat()} and cannot go back to {moment.isoformat()}")
        self._now = moment

    def advance(self, by: timedelta) -> None:
        self.advance_to(self._now + by)


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"a time without an offset: {moment.isoformat()}")
    return moment.astimezone(UTC)
