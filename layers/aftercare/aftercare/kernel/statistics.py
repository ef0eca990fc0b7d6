"""What can be told of a proportion from few cases: own code, since the libraries that have it do not fit a function.

Floats made of sums, products, quotients and square roots only, which are rounded the same everywhere.
"""

from __future__ import annotations

import math

Z_95 = 1.959963984540054
"""The normal quantile of 0.975: 95 % lie within."""


def wilson(successes: int, cases: int) -> tuple[float, float]:
    """Wilson's score interval of a proportion at 95 %; everything is possible where nothing was seen."""
    if cases == 0:
        return 0.0, 1.0
    z2 = Z_95 * Z_95
    middle = (successes + z2 / 2) / (cases + z2)
    half = Z_95 / (cases + z2) * math.sqrt(successes * (cases - successes) / cases + z2 / 4)
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    high = 1.0 if successes == cases else min(1.0, middle + half)
    return low, high
