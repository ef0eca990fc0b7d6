"""A marketplace in memory that goes wrong as it is told to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from builders import BookKeeper

from aftercare.kernel.ports import Action, ActionOutcome, ActionStatus, ActionType

Trouble = Literal["silent before the work", "silent after the work", "does the work later", "refuses"]
TROUBLES: tuple[Trouble, ...] = ("silent before the work", "silent after the work", "does the work later", "refuses")


class FickleMarketplace(BookKeeper):
    """Goes wrong as it was told to, once a trouble. It keeps no order's cap: that is for us to keep."""

    def __init__(self, *, knows_keys: bool) -> None:
        super().__init__()
        self.capabilities = replace(self.capabilities, deduplicates_keys=knows_keys)
        self.troubles: list[Trouble] = []
        self.books_out_of_reach = 0
        self.times: Counter[str] = Counter()
        self.refused: set[str] = set()
        self.changed: list[Action] = []
        self.late: list[Action] = []

    def act(self, action: Action) -> ActionOutcome:
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble == "silent before the work":
            return ActionOutcome(ActionStatus.AMBIGUOUS)
        if trouble == "refuses" and action.key not in self.done:
            self.refused.add(action.key)
        if action.key in self.refused:
            return ActionOutcome(ActionStatus.REFUSED)
        if trouble == "does the work later":
            self.late.append(action)
            return ActionOutcome(ActionStatus.AMBIGUOUS)
        self._do(action)
        return ActionOutcome(ActionStatus.AMBIGUOUS if trouble == "silent after the work" else ActionStatus.DONE)

    def _do(self, action: Action) -> None:
        if self.done.setdefault(action.key, action) != action:
            self.changed.append(action)
        if not (self.capabilities.deduplicates_keys and self.times[action.key]):
            self.times[action.key] += 1

    def do_what_is_late(self) -> None:
        for action in self.late:
            if action.key not in self.refused:
                self._do(action)
        self.late.clear()

    def look_up(self, key: str) -> ActionOutcome:
        if self.books_out_of_reach:
            self.books_out_of_reach -= 1
            return ActionOutcome(ActionStatus.AMBIGUOUS)
        return ActionOutcome(ActionStatus.REFUSED) if key in self.refused else super().look_up(key)

    def given(self, order_id: str, *types: ActionType) -> Iterator[Action]:
        """What was done for an order, each as often as it was done."""
        for key, action in self.done.items():
            if action.order_id == order_id and action.type in types:
                yield from [action] * self.times[key]
