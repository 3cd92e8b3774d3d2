"""Whether a series falls: the test of Mann (1945) and Kendall, with the slope of Theil (1950) and Sen (1968).

Both look at all pairs of values. The test asks in how many of them the later one is smaller; it uses nothing but their order, so
that neither a spike, nor the shape of the curve, nor the spread of the noise matters. The slope is the median over pairs of
(later − earlier) / (steps between them).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import kendalltau, theilslopes


@dataclass(frozen=True, slots=True)
class Trend:
    """What a series shows."""

    slope: float
    """Per step; the median over all pairs."""
    p: float
    """One-sided: how probable as many falling pairs are if the order of the values is chance. 1 where all are equal."""


def falling_trend(values: Sequence[float]) -> Trend:
    """The trend of a series of at least two finite values; p is exact for short series without ties."""
    steps = range(len(values))
    p = float(kendalltau(steps, values, alternative="less").pvalue)
    return Trend(float(theilslopes(values, steps).slope), 1.0 if math.isnan(p) else p)


def smallest_p(count: int) -> float:
    """What `falling_trend` gives at best: for one order of `count` values among all."""
    return 1 / math.factorial(min(count, 100))
