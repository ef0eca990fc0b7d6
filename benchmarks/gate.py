"""When a measured figure counts as missed: when it is far off twice in a row. What is counted needs no such mercy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

TOLERANCE = 0.15
"""So far a measured figure may pass its target: a shared machine is that uneven."""


@dataclass(frozen=True)
class Figure:
    """A ratio that shall not pass its target: of the best runs, and the median. ``subject`` is the function."""

    subject: str
    best: float
    median: float
    target: float

    @property
    def far_off(self) -> bool:
        """A lucky run of the other side spoils one of the two, seldom both."""
        return min(self.best, self.median) > self.target * (1 + TOLERANCE)

    def __str__(self) -> str:
        return f"{self.best:.2f} (median {self.median:.2f})"


@dataclass(frozen=True)
class Miss:
    first: Figure
    second: Figure

    def __str__(self) -> str:
        return f"{self.first.subject}: {self.first}, then {self.second}, target {self.first.target}"


def far_off_twice(figures: Sequence[Figure], measure_again: Callable[[frozenset[str]], Sequence[Figure]]) -> list[Miss]:
    """Measures what is far off once more, and answers what still is."""
    first = {figure.subject: figure for figure in figures if figure.far_off}
    if not first:
        return []
    return [Miss(first[second.subject], second) for second in measure_again(frozenset(first)) if second.far_off]
