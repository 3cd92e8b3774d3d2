"""A share of independent units that are one way or the other, with exact bounds (Clopper & Pearson 1934).

The bounds hold at least as often as they say, whatever the share and however few the units: with 0 of n the one-sided 95 % bound
is `1 − 0.05^(1/n)`, about 3/n.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import scipy

from pytest_llm.errors import MisuseError
from pytest_llm.statistics.jackknife import Basis, Interval

_MOST_UNITS = 1_000_000


@dataclass(frozen=True, slots=True)
class ShareEstimate:
    """`count` of `units`; asked for the same things as `jackknife.Estimate`.

    Raises:
        MisuseError: no units, or a count that is no part of them.
    """

    count: int
    units: int
    basis: Basis = Basis.SEEDS

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.units or not self.units:
            raise MisuseError(f"{self.count} of {self.units} is no share")

    @property
    def value(self) -> float:
        return self.count / self.units

    def interval(self, confidence: float = 0.95) -> Interval:
        """The two-sided interval, each tail by itself."""
        tail = (1 + confidence) / 2
        return Interval(self.lower(tail), self.upper(tail), confidence)

    def upper(self, confidence: float) -> float:
        """One-sided: the share is below this with at least this probability."""
        if self.count == self.units:
            return 1.0
        return float(scipy.stats.beta.ppf(confidence, self.count + 1, self.units - self.count))

    def lower(self, confidence: float) -> float:
        """One-sided: the share is above this with at least this probability."""
        if self.count == 0:
            return 0.0
        return float(scipy.stats.beta.ppf(1 - confidence, self.count, self.units - self.count + 1))

    def p_above(self, null: float) -> float:
        """One-sided: how probable so many, or more, are if the share is `null`."""
        return float(scipy.stats.binomtest(self.count, self.units, null, alternative="greater").pvalue)

    def units_to_decide(self, limit: float, confidence: float) -> int | None:
        """About how many units would bring the one-sided bound to `limit`, if the share stays what it is; None: too many."""
        above = self.value > limit
        units = self.units

        def decides(n: int) -> bool:
            scaled = ShareEstimate(round(self.value * n), n)
            return scaled.lower(confidence) > limit if above else scaled.upper(confidence) < limit

        while units <= _MOST_UNITS and not decides(units):
            units = math.ceil(units * 1.1)
        return units if units <= _MOST_UNITS else None
