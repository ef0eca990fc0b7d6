"""Why a merchant's wish about scores cannot be met."""

from __future__ import annotations

from aftercare.kernel.errors import DomainError


class NoSuchWeek(DomainError):
    """The shop has no score of that week."""


class NothingOnRecord(DomainError):
    """Nothing was ever told of that order, of that chat session, or of the shop."""


class TooManyExclusions(DomainError):
    """A record has been kept out of metrics and brought back so often that somebody has to look at it first."""


class RegistrationChanged(DomainError):
    """Somebody else changed the shop's registration meanwhile."""
