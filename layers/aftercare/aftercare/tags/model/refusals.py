"""What a person asks about tags and does not get."""

from __future__ import annotations

from aftercare.kernel.errors import DomainError


class NoSuchTag(DomainError):
    """The rules of the shop's marketplace have no such tag."""


class NotAPromise(DomainError):
    """The tag shows a number: it comes by itself, and nobody takes it on."""


class TagIsBanned(DomainError):
    """An operator took the tag away: it cannot be taken on before the ban is lifted."""


class AlreadyOptedIn(DomainError):
    """The shop has taken on this promise."""


class NotOptedIn(DomainError):
    """The shop has not taken on this promise."""


class AlreadyBanned(DomainError):
    """The tag is banned."""


class NotBanned(DomainError):
    """The tag is not banned."""
