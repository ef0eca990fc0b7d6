"""The statistics of scores, beside scipy and numpy."""

from __future__ import annotations

import math
import random
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import interpolate as scipy_interpolate
from scipy import stats

from aftercare.kernel.statistics import Z_95, wilson
from aftercare.scores.model.statistics import (
    beta_binomial_strength,
    decimal_text,
    decimal_text_down,
    height_at,
    shrunk,
    weighted_quantiles,
    winsorised_mean,
)

COUNTS = st.integers(0, 1_000_000).flatmap(lambda cases: st.tuples(st.integers(0, cases), st.just(cases)))
LEAST, MOST = Decimal(1), Decimal(1_000_000)


@given(COUNTS)
def test_wilsons_interval_is_that_of_scipy(counts: tuple[int, int]) -> None:
    successes, cases = counts
    low, high = wilson(successes, cases)
    if cases == 0:
        assert (low, high) == (0.0, 1.0)
        return
    expected = stats.binomtest(successes, cases).proportion_ci(0.95, method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= low <= successes / cases <= high <= 1


def test_the_normal_quantile_is_that_of_scipy() -> None:
    assert pytest.approx(stats.norm.ppf(0.975), abs=1e-15) == Z_95


@given(COUNTS, st.decimals("0.001", "0.999", places=4), st.integers(1, 500))
def test_a_shrunk_rate_is_the_mean_of_the_beta_posterior(
    counts: tuple[int, int], prior: Decimal, strength: int
) -> None:
    successes, cases = counts
    posterior = stats.beta(float(prior * strength) + successes, float((1 - prior) * strength) + cases - successes)
    assert float(shrunk(successes, cases, prior, Decimal(strength))) == pytest.approx(posterior.mean(), rel=1e-9)


@given(COUNTS, st.decimals(0, 1, places=4), st.integers(1, 500))
def test_a_shrunk_rate_lies_between_what_was_seen_and_the_prior(
    counts: tuple[int, int], prior: Decimal, strength: int
) -> None:
    successes, cases = counts
    seen = Decimal(successes) / cases if cases else prior
    assert min(seen, prior) <= shrunk(successes, cases, prior, Decimal(strength)) <= max(seen, prior)


@pytest.mark.parametrize(("a", "b"), [(2.0, 18.0), (19.0, 1.0), (30.0, 70.0)])
def test_the_strength_of_a_beta_prior_is_found_in_shops_drawn_from_it(a: float, b: float) -> None:
    draw = np.random.default_rng(7)
    cases = draw.integers(20, 400, 4000)
    successes = stats.betabinom.rvs(cases, a, b, random_state=draw)
    found = beta_binomial_strength(list(zip(successes.tolist(), cases.tolist(), strict=True)), LEAST, MOST)
    assert found is not None
    assert float(found) == pytest.approx(a + b, rel=0.1)


def test_shops_that_differ_only_by_chance_are_drawn_to_the_category_as_strongly_as_allowed() -> None:
    samples = [(10, 100)] * 50
    assert beta_binomial_strength(samples, Decimal(10), Decimal(200)) == 200


def test_shops_that_are_all_good_or_all_bad_are_drawn_to_the_category_as_weakly_as_allowed() -> None:
    samples = [(0, 100), (100, 100)] * 20
    assert beta_binomial_strength(samples, Decimal(10), Decimal(200)) == 10


@pytest.mark.parametrize(
    "samples", [[], [(3, 10)], [(0, 10), (0, 20)], [(10, 10), (20, 20)], [(0, 0), (1, 2)], [(1, 1), (0, 1)]]
)
def test_without_a_difference_to_look_at_there_is_no_strength(samples: list[tuple[int, int]]) -> None:
    assert beta_binomial_strength(samples, LEAST, MOST) is None


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(50, 99)), min_size=2, max_size=30), st.randoms())
def test_the_order_of_shops_does_not_change_their_strength(
    samples: list[tuple[int, int]], chance: random.Random
) -> None:
    shuffled = list(samples)
    chance.shuffle(shuffled)
    assert beta_binomial_strength(samples, LEAST, MOST) == beta_binomial_strength(shuffled, LEAST, MOST)


@given(st.lists(st.integers(0, 10_000), min_size=1), st.integers(0, 10_000))
def test_a_winsorised_mean_is_that_of_numpy(values: list[int], cap: int) -> None:
    assert float(winsorised_mean(values, cap)) == pytest.approx(np.minimum(values, cap).mean())


@given(
    st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 60)), min_size=1, max_size=20),
    st.lists(st.integers(1, 99), min_size=1, max_size=5, unique=True),
)
def test_weighted_quantiles_are_those_of_repeated_values(samples: list[tuple[int, int]], percents: list[int]) -> None:
    levels = [Decimal(percent) / 100 for percent in sorted(percents)]
    found = weighted_quantiles([(Decimal(value), weight) for value, weight in samples], levels)
    repeated = sorted(value for value, weight in samples for _ in range(weight))
    assert list(found) == [repeated[math.ceil(level * len(repeated)) - 1] for level in levels]


def test_weighted_quantiles_are_those_of_numpy() -> None:
    draw = np.random.default_rng(3)
    values, weights = draw.integers(0, 500, 200), draw.integers(1, 50, 200)
    levels = [Decimal(percent) / 100 for percent in (10, 25, 50, 75, 90)]
    found = weighted_quantiles(
        [(Decimal(int(value)), int(weight)) for value, weight in zip(values, weights, strict=True)], levels
    )
    expected = np.quantile(values, [float(level) for level in levels], method="inverted_cdf", weights=weights)
    assert [float(value) for value in found] == list(expected)


@given(
    st.lists(st.integers(-1000, 1000), min_size=2, max_size=8, unique=True),
    st.data(),
)
def test_the_height_of_a_curve_is_that_of_scipy(places: list[int], data: st.DataObject) -> None:
    rising = sorted(places)
    heights = data.draw(st.lists(st.integers(-100, 100), min_size=len(rising), max_size=len(rising)))
    place = data.draw(st.integers(-1100, 1100))
    curve = [(Decimal(at), Decimal(height)) for at, height in zip(rising, heights, strict=True)]
    same = scipy_interpolate.interp1d(rising, heights, bounds_error=False, fill_value=(heights[0], heights[-1]))
    assert float(height_at(curve, Decimal(place))) == pytest.approx(float(same(place)), abs=1e-9)


def test_where_a_curve_jumps_the_greater_height_counts() -> None:
    curve = [(Decimal(0), Decimal(50)), (Decimal(1), Decimal(60)), (Decimal(1), Decimal(90))]
    assert height_at(curve, Decimal(1)) == 90
    assert height_at(curve, Decimal("0.5")) == 55
    assert height_at([(Decimal(0), Decimal(100)), (Decimal(0), Decimal(80))], Decimal(0)) == 100


@given(st.fractions(-1000, 1000, max_denominator=10_000), st.integers(0, 6))
def test_decimal_text_rounds_as_exact_fractions_do(value: Fraction, places: int) -> None:
    decimal = Decimal(value.numerator) / value.denominator
    assert Fraction(decimal_text(decimal, places)) == Fraction(round(value * 10**places), 10**places)
    assert Fraction(decimal_text_down(decimal, places)) == Fraction(math.floor(value * 10**places), 10**places)


def test_decimal_text_is_always_of_its_length() -> None:
    assert decimal_text(Decimal("0.9731"), 4) == "0.9731"
    assert decimal_text(Decimal("-0.5"), 2) == "-0.50"
    assert decimal_text(Decimal(200), 0) == "200"
    assert decimal_text_down(Decimal("4.9999"), 1) == "4.9"
    assert decimal_text(Decimal("-0.001"), 1) == "0.0"
