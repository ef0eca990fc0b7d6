"""The statistics that scores need, in a hundred lines: the libraries that have them do not fit a function.

Decimals of 28 digits where a published number hangs on them. The strength of a prior is a float made of sums, products
and quotients only, which are rounded the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

_STEPS = tuple(Decimal(1).scaleb(-places) for places in range(7))


def shrunk(total: Decimal | int, cases: int, prior: Decimal, strength: Decimal) -> Decimal:
    """A mean drawn toward ``prior`` as if ``strength`` cases of that value had been seen beside the real ones.

    For a proportion this is the mean of a beta-binomial's posterior. ``strength`` is above zero.
    """
    return (total + strength * prior) / (cases + strength)


def beta_binomial_strength(samples: Sequence[tuple[int, int]], least: Decimal, most: Decimal) -> Decimal | None:
    """How many cases a beta prior weighs, by the method of moments over (successes, cases) of many shops.

    The sum of squares, weighted by cases, is compared with what binomial chance alone would make. None when that cannot
    be told: fewer than two shops, one case each, or all cases alike. Rounded to a whole number within ``least`` and
    ``most``; shops that differ no more than by chance have ``most``.
    """
    seen = [(successes, cases) for successes, cases in samples if cases > 0]
    shops, cases = len(seen), sum(n for _, n in seen)
    successes = sum(x for x, _ in seen)
    if shops < 2 or successes in (0, cases):
        return None
    mean = successes / cases
    squares = math.fsum(n * (x / n - mean) ** 2 for x, n in seen)
    room = cases - math.fsum(n * n for _, n in seen) / cases - (shops - 1)
    if room <= 0:
        return None
    correlation = (squares / (mean * (1 - mean)) - (shops - 1)) / room
    if correlation <= 0:
        return most
    strength = max(0, round((1 - correlation) / correlation))
    return min(most, max(least, Decimal(strength)))


def winsorised_mean(values: Sequence[int], cap: int) -> Decimal:
    """The mean with no value counted for more than ``cap``: one lost parcel is not a slow shop."""
    return Decimal(sum(min(value, cap) for value in values)) / len(values)


def weighted_quantiles(samples: Iterable[tuple[Decimal, int]], levels: Sequence[Decimal]) -> tuple[Decimal, ...]:
    """For each level the least value up to which that share of all weight lies; ``samples`` are (value, weight > 0)."""
    rising = sorted(samples)
    weight = sum(each for _, each in rising)
    found = []
    reached, rest = 0, iter(rising)
    value = rising[0][0]
    for level in sorted(levels):
        while reached < level * weight:
            value, own = next(rest)
            reached += own
        found.append(value)
    return tuple(found)


def height_at(curve: Sequence[tuple[Decimal, Decimal]], place: Decimal) -> Decimal:
    """The height of a piecewise linear curve, level outside; where it jumps, the greater of both heights."""
    if place < curve[0][0]:
        return curve[0][1]
    if place > curve[-1][0]:
        return curve[-1][1]
    before, height = curve[0]
    for after, next_height in curve:
        if place == after:
            return max(h for p, h in curve if p == place)
        if place < after:
            return height + (next_height - height) * (place - before) / (after - before)
        before, height = after, next_height
    return height


def decimal_text(value: Decimal, places: int) -> str:
    """Rounded half to even: ``0.9731``."""
    return _text(value, places, ROUND_HALF_EVEN)


def decimal_text_down(value: Decimal, places: int) -> str:
    """Rounded down: a step is reached when it is reached."""
    return _text(value, places, ROUND_FLOOR)


def _text(value: Decimal, places: int, rounding: str) -> str:
    rounded = value.quantize(_STEPS[places], rounding)
    # there is no minus nothing
    return f"{abs(rounded) if rounded == 0 else rounded:f}"
