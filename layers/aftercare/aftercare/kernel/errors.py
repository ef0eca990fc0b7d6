"""The errors that rooms share. A kind of refusal is a class, never a text to be searched."""

from __future__ import annotations


class AftercareError(Exception):
    """Root of every error that this system raises on purpose."""


class DomainError(AftercareError):
    """A rule of the domain refuses what was asked."""


class MalformedInput(AftercareError):
    """The input can never be understood, however often it is delivered: quarantine it."""


class NotTranslated(AftercareError):
    """The input is understood, and no fact of ours follows from it alone: park it with this reason."""


class Transient(AftercareError):
    """The same call may succeed later: return the message to its queue."""


class Conflict(AftercareError):
    """Somebody else changed the item first: read it again and decide again."""
