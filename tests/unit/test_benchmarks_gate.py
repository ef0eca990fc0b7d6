"""A measured target is missed when it is far off twice in a row, and only then; a counted one at once."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from benchmarks.costs import CaseCost, Excess
from benchmarks.gate import Figure, Miss, far_off_twice
from benchmarks.run import verdict


def figure(best: float, median: float | None = None, subject: str = "relay") -> Figure:
    return Figure(subject, best, best if median is None else median, target=1.0)


class Again:
    """Answers the second measurement, and remembers of whom it was asked."""

    def __init__(self, *figures: Figure) -> None:
        self._figures = figures
        self.asked: list[frozenset[str]] = []

    def __call__(self, subjects: frozenset[str]) -> Sequence[Figure]:
        self.asked.append(subjects)
        return self._figures


def test_what_is_far_off_twice_is_missed() -> None:
    first, second = figure(1.3), figure(1.2)
    assert far_off_twice([first], Again(second)) == [Miss(first, second)]


def test_what_is_far_off_once_is_not_missed() -> None:
    assert far_off_twice([figure(1.3)], Again(figure(1.15))) == []


@pytest.mark.parametrize("value", [0.5, 1.0, 1.15])
def test_what_is_within_a_sixth_of_its_target_is_not_measured_again(value: float) -> None:
    again = Again()
    assert far_off_twice([figure(value)], again) == []
    assert again.asked == []


def test_only_what_is_far_off_is_measured_again() -> None:
    again = Again(figure(1.0, subject="slow"))
    far_off_twice([figure(1.3, subject="slow"), figure(1.0, subject="fast")], again)
    assert again.asked == [frozenset({"slow"})]


def test_one_lucky_run_of_the_other_side_does_not_make_a_figure_far_off() -> None:
    assert not figure(1.5, median=1.1).far_off
    assert not figure(1.1, median=1.5).far_off
    assert figure(1.2, median=1.5).far_off


def cost(*excesses: Excess) -> CaseCost:
    return CaseCost(
        name="declined",
        calls={"offer_page": 2 + sum(excess.calls for excess in excesses)},
        least={"offer_page": 2},
        excesses=excesses,
        write_units=1,
        read_units=1,
        events=1,
        messages=1,
        dollars_a_million=Decimal(1),
    )


def test_nothing_is_missed_where_every_target_is_met() -> None:
    assert verdict([cost()], [], []) == []


def test_one_call_too_many_is_a_miss_without_any_tolerance() -> None:
    chatty = cost(Excess("offer_page", "POST", 1, "2 BatchGetItem, PutItem"))
    assert verdict([chatty], [], []) == ["declined makes 3 calls, 1 more than it must"]


def test_a_slow_handler_and_a_late_start_are_misses() -> None:
    miss = Miss(figure(1.3), figure(1.25))
    assert verdict([], [miss], []) == ["CPU time of relay: 1.30 (median 1.30), then 1.25 (median 1.25), target 1.0"]
    assert len(verdict([], [miss], [miss])) == 2
