"""One look at the units that were seen: on which side of 0 the total of all units lies, if that can be said."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import scipy

from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.statistics.sequential.betting import caps_left, wealth
from pytest_llm.statistics.sequential.confidence_sequence import confidence_bounds
from pytest_llm.statistics.sequential.hypergeometric import confidence_set
from pytest_llm.stopping.question import Question

ERROR = 0.01
"""How often, at most, what is said is wrong, on either side."""
_HALVINGS = 40
_CAUTION = 1.25
"""How much larger than estimated the standard error of a full run may be; a few wrecked documents say little of it."""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Finding:
    """On which side the total is, and between which bounds, in parts of the size of all units."""

    decided: Literal["passes", "fails"]
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Look:
    """What is known after the first units of an order."""

    question: Question
    order: list[int]
    sums: FloatArray
    """`[n, 2]`: numerators and denominators of the units seen."""

    @cached_property
    def sizes(self) -> FloatArray:
        """Of the units seen."""
        return self.question.sizes[self.order[: len(self.sums)]]

    @cached_property
    def total(self) -> float:
        """The size of all units."""
        return float(self.question.sizes.sum())

    @cached_property
    def values(self) -> FloatArray:
        """Z / size of the units seen."""
        return self.question.excess(self.sums, self.order[: len(self.sums)]) / self.sizes

    def certain(self) -> Finding | None:
        """What the units left cannot change, at their best and at their worst."""
        q, rest, seen = self.question, self.order[len(self.sums) :], self.values * self.sizes
        low = float(seen.sum() + (q.least[rest] * q.sizes[rest]).sum()) / self.total
        high = float(seen.sum() + (q.most[rest] * q.sizes[rest]).sum()) / self.total
        rounding = _ROUNDING * float(np.abs(seen).sum()) / self.total
        if high < -rounding:
            return Finding("passes", low, high)
        return Finding("fails", low, high) if low > rounding else None

    def sequential(self, tolerated: float | None, alpha: float) -> Finding | None:
        """What is wrong with probability `ERROR` at most.

        Args:
            tolerated: None, or by how much it may be worse than a baseline; then a failure also takes proof that text like
                this is worse at all.
            alpha: of that proof.
        """
        if self.question.whole:
            return self._counted()
        low, high = confidence_bounds(self.values, self.sizes, self.total, ERROR)
        if self._is_below(0.0):
            return Finding("passes", low, self._lowest_bound(low))
        mirrored = self._mirrored if self.question.bounded else None
        if not (low > 0 if mirrored is None else mirrored._is_below(0.0)):
            return None
        if tolerated is not None and not self._is_worse_elsewhere(low + tolerated, tolerated, alpha):
            return None
        return Finding("fails", low if mirrored is None else -mirrored._lowest_bound(-high), high)

    def quotients(self, finding: Finding) -> tuple[float, float]:
        """Between which the quotient of all units lies."""
        densities = self.sums[:, 1] / self.sizes  # denominators in a unit of size
        density = sum(confidence_bounds(densities, self.sizes, self.total, ERROR)) / 2
        ends = (self.question.limit + self.question.sign * end / density for end in (finding.low, finding.high))
        low, high = sorted(ends)
        return low, high

    def _counted(self) -> Finding | None:
        units, right = len(self.order), round(float(self.sums[:, 0].sum()))
        ends = confidence_set(units, len(self.sums), right, ERROR)
        low, high = sorted(self.question.sign * (end / units - self.question.limit) for end in ends)
        if high < 0:
            return Finding("passes", low, high)
        return Finding("fails", low, high) if low >= 0 else None

    def _is_below(self, bound: float) -> bool:
        """Whether the total, in parts of the size, is proven to be below a bound, by a bet that it is not."""
        caps = caps_left(self.question.most[self.order])[: len(self.sums)]
        if not np.isfinite(caps).all() or (self.values > caps + _ROUNDING).any():
            return False  # a unit was worse than the worst: nothing is known of those left
        won = wealth(self.values - bound, self.sizes, self.total, caps - bound)
        return bool(won.max() >= 1 / ERROR)

    def _lowest_bound(self, low: float) -> float:
        """The lowest bound, between `low` and 0, that the total is proven to be below."""
        high = 0.0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (low, middle) if self._is_below(middle) else (middle, high)
        return high

    def _is_worse_elsewhere(self, drop: float, tolerated: float, alpha: float) -> bool:
        """Whether text like this is proven to be worse, by the units seen, and will be to a full run of at least that drop."""
        low, _ = confidence_bounds(self.values + tolerated, self.sizes, math.inf, alpha)
        # a full run weighs each document's share of the variance by its size once more
        variance = float((self.sizes * (self.values - self.values.mean()) ** 2).mean()) / self.total
        return low > 0 and drop > _CAUTION * float(scipy.stats.norm.isf(alpha)) * math.sqrt(variance)

    @cached_property
    def _mirrored(self) -> Look:
        return Look(self.question.mirrored(), self.order, self.sums)
