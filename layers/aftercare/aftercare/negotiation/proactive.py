"""Whether a merchant's plans speak to buyers of their own accord."""

from __future__ import annotations

from aftercare.events.vocabulary import AnomalyKind, Trigger
from aftercare.kernel.table import Table
from aftercare.negotiation import keys, store


class AnomalyPlans:
    def __init__(self, table: Table) -> None:
        self._table = table

    def speak_of(self, shop: str, kind: AnomalyKind) -> bool:
        """Whether some plan of the shop begins a case when an anomaly of that kind is raised."""
        policy = store.read_policy(shop, self._table.get(keys.policy_key(shop))).policy
        return policy.answers(Trigger.PARCEL_ANOMALY, kind)
