"""What a merchant asks about shipments and does not get."""

from __future__ import annotations

from aftercare.kernel.errors import Conflict, DomainError


class NoSuchShipment(DomainError):
    """Nothing is known of an order of that id in this shop."""


class NoSuchAnomaly(DomainError):
    """Nothing of that id was ever wrong with the order."""


class AnomalyEnded(DomainError):
    """What is over can be neither muted nor unmuted."""


class SettingsChanged(Conflict):
    """Somebody saved since the settings were read: look at them again before saving over them."""
