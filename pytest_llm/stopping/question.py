"""A gate as a question about a finite total: is Σ zᵢ above 0?

A metric that is a quotient of two sums misses a limit L if Σ ±(numeratorᵢ − L · denominatorᵢ) is not below 0, exactly. Compared
with a baseline, L is the worst value that is tolerated, and what the baseline had in the same unit is a control variate that
takes nearly all of the noise away and adds up to 0:

    zᵢ = ±(numeratorᵢ − L · denominatorᵢ + B · denominatorᵢᵇ − numeratorᵢᵇ)        B: the baseline's value
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from pytest_llm.statistics.jackknife import FloatArray, Scale


@dataclass(frozen=True, slots=True)
class Quotient:
    """What a metric says of itself whose value follows from Σ numerators / Σ denominators, its two statistics.

    The quotient is the value; on the scale "log" it is the logarithm of the value.
    """

    low: float
    high: float
    """What numerator / denominator of an example can be, whatever the model says."""
    whole: bool = False
    """The denominator is 1, the numerator 0 or 1."""
    unit: float = 1.0
    """The quotient where the value is 1, on the scale "linear"."""

    @property
    def bounded(self) -> bool:
        """Whether it is between two numbers."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def of(self, value: float, scale: Scale) -> float:
        """The quotient that gives a value; NaN if none does."""
        if scale == "log":
            return math.log(value) if value > 0 else math.nan
        return value * self.unit

    def value(self, quotient: float, scale: Scale) -> float:
        """The value that a quotient gives."""
        if scale == "log":
            return math.exp(quotient) if quotient < _LOG_LARGEST else math.inf
        return quotient / self.unit


_LOG_LARGEST = math.log(np.finfo(np.float64).max)


@dataclass(frozen=True, eq=False)
class Question:
    """The units of a data set, what is known of them before the model is asked, and what is asked about their total."""

    names: tuple[str, ...]
    sizes: FloatArray
    """`[units]`, positive: the denominators where these are known, else something like them."""
    limit: float
    """L, as a quotient."""
    sign: float
    """1 if it is bad to be above the limit, −1 if below."""
    control: FloatArray
    """`[units]`; its sum is 0."""
    most: FloatArray
    """`[units]`: no z / size is above this; infinite where that is not known."""
    least: FloatArray
    """`[units]`: none is below this."""
    bounded: bool = False
    """`most` and `least` are finite because the metric is a share."""
    whole: bool = False
    """Each unit is one example that is right or wrong, and there is no control."""

    def excess(self, sums: FloatArray, places: list[int]) -> FloatArray:
        """Z of some units; above 0 is bad.

        Args:
            sums: `[n, 2]`: numerators and denominators.
            places: which units these are.
        """
        return np.asarray(self.sign * (sums[:, 0] - self.limit * sums[:, 1] + self.control[places]))

    def mirrored(self) -> Question:
        """Is it below 0?"""
        return replace(self, sign=-self.sign, most=-self.least, least=-self.most)


def about_limit(
    names: tuple[str, ...], sizes: FloatArray, limit: float, sign: float, quotient: Quotient, *, known: bool
) -> Question:
    """Is the value on the wrong side of the limit?

    Args:
        names: of the units.
        sizes: of these.
        limit: as a quotient.
        sign: 1 if the value has to be below it, −1 if above.
        quotient: what the metric says of itself.
        known: whether the sizes are the denominators.
    """
    bounds = (quotient.low, quotient.high) if known else (-math.inf, math.inf)
    ends = [np.full(len(names), sign * (end - limit)) for end in bounds]
    whole = quotient.whole and known and bool((sizes == 1).all())
    bounded = known and quotient.bounded
    nothing = np.zeros(len(names))
    return Question(names, sizes, limit, sign, nothing, np.maximum(*ends), np.minimum(*ends), bounded, whole)


def about_change(
    names: tuple[str, ...], baseline: FloatArray, limit: float, sign: float, quotient: Quotient, cap: float | None
) -> Question:
    """Is the value worse than the limit, the worst that is tolerated after the baseline?

    Args:
        names: of the units.
        baseline: `[units, 2]`: numerators and denominators of the baseline.
        limit: as a quotient.
        sign: 1 if a rise is worse, −1 if a fall.
        quotient: what the metric says of itself.
        cap: how much worse than the baseline's the quotient of a unit is presumed to be at the worst; None: what is possible.
    """
    numerators, sizes = baseline[:, 0], baseline[:, 1]
    whole = float(numerators.sum() / sizes.sum())
    control = whole * sizes - numerators
    ends = [sign * (end - limit + control / sizes) for end in (quotient.low, quotient.high)]
    most, least = np.maximum(*ends), np.minimum(*ends)
    if cap is not None:
        most = np.minimum(most, cap - sign * (limit - whole))
    return Question(names, sizes, limit, sign, control, most, least, quotient.bounded)
