"""Student's t distribution: what `scipy.stats.t` gives, without its import, which takes a second.

To the last bit; in old releases, where SciPy has two ways to it, to 1e-7.
"""

from __future__ import annotations

import math

from scipy.special import stdtr, stdtrit


def survival(t: float, degrees_of_freedom: float) -> float:
    """The probability of a value above t; NaN without degrees of freedom."""
    return float(stdtr(degrees_of_freedom, -t))


def quantile(probability: float, degrees_of_freedom: float) -> float:
    """The value that is not exceeded with this probability; NaN without degrees of freedom."""
    # `stdtrit` forgets the sign at 0, and in old releases has NaN at 1
    if probability in (0, 1) and degrees_of_freedom > 0:
        return math.copysign(math.inf, probability - 0.5)
    return float(stdtrit(degrees_of_freedom, probability))
