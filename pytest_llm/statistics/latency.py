"""Quantiles of times, with bounds that assume no distribution; and whether one model is slower than another, asked in turn.

A quantile is a time that was measured: the smallest one that at least a share q of all does not exceed. With the order
statistics `X₍₁₎ ≤ … ≤ X₍ₙ₎` and `B ~ Binomial(n, q)`, `X₍ᵤ₎` lies above the true quantile with probability at least `P(B < u)`,
whatever the distribution (Conover, Practical Nonparametric Statistics, 3.2; `scipy.stats.quantile_test`). An upper bound
exists only from `n ≥ ln(1 − confidence) / ln q` times on: 59 for q = 0.95 and 299 for q = 0.99, at 95 %.

Two models are compared by the ratios of their times on the same request, one right after the other. Times of neighbouring
requests are disturbed together, so the ratios are taken in blocks, the median of each block stands for it, and Student's t
is taken over the blocks (Bulej et al. 2019 "Duet benchmarking"; raw times are not independent: Chen & Revels 2016).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from pytest_llm.statistics.jackknife import Basis, Estimate, FloatArray, Interval, jackknife

_ROUNDING = 1e-9
"""q · n is a whole number more often than floating point says: 0.07 · 100 is 7.000000000000001."""


def fewest_for(q: float) -> int:
    """How many times it takes to have one beyond the quantile: 2 for the p50, 10 for the p90, 20 for the p95, 100 for the p99."""
    return math.ceil(1 / min(q, 1 - q) - _ROUNDING)


def fewest_to_bound(q: float, confidence: float) -> int:
    """How many times it takes before there is an upper bound at all."""
    return math.ceil(math.log(1 - confidence) / math.log(q) - _ROUNDING)


def quantile(times: FloatArray, q: float) -> float:
    """The smallest time that at least a share `q` of all does not exceed; NaN if one of them is."""
    if not np.isfinite(times).all():
        return math.nan
    return float(np.sort(times)[max(1, math.ceil(q * len(times) - _ROUNDING)) - 1])


@dataclass(frozen=True, slots=True)
class QuantileEstimate:
    """A quantile of times with its uncertainty; asked for the same things as `jackknife.Estimate`."""

    value: float
    q: float
    times: tuple[float, ...]
    """In ascending order."""
    basis: Basis = Basis.REQUESTS

    @property
    def units(self) -> int:
        return len(self.times)

    def interval(self, confidence: float = 0.95) -> Interval:
        """The two-sided interval; 0 or infinity where so few times have no bound."""
        tail = (1 + confidence) / 2
        return Interval(self.lower(tail), self.upper(tail), confidence)

    def upper(self, confidence: float) -> float:
        """One-sided: the quantile is below this with at least this probability; infinity where so few times say nothing."""
        rank = int(scipy.stats.binom.ppf(confidence, self.units, self.q)) + 1
        return self.times[rank - 1] if rank <= self.units else math.inf

    def lower(self, confidence: float) -> float:
        """One-sided: the quantile is above this with at least this probability; 0 where so few times say nothing."""
        rank = int(scipy.stats.binom.ppf(1 - confidence, self.units, self.q))
        return self.times[rank - 1] if rank >= 1 else 0.0

    def units_to_decide(self, limit: float, confidence: float) -> int | None:
        """About how many times would decide, if the share of those below the limit stays what it is; None: no number would."""
        below = float(np.mean(np.array(self.times) < limit))
        distance = abs(below - self.q)
        if distance < _ROUNDING:
            return None
        reach = float(scipy.stats.norm.ppf(confidence))
        about = math.ceil(reach**2 * self.q * (1 - self.q) / distance**2)
        return max(about, fewest_to_bound(self.q, confidence), self.units + 1)


def autocorrelation(series: Sequence[FloatArray]) -> float:
    """How much neighbours resemble each other, from −1 to 1 (lag 1), pooled over several stretches; NaN if nothing varies."""
    centred = [stretch - stretch.mean() for stretch in series]
    squares = sum(float((stretch**2).sum()) for stretch in centred)
    products = sum(float((stretch[1:] * stretch[:-1]).sum()) for stretch in centred)
    return products / squares if squares > 0 else math.nan


def block_medians(log_ratios: FloatArray, blocks: int) -> FloatArray:
    """The median of each of so many stretches of equal length, `[blocks]`; NaN where a stretch holds one."""
    return np.asarray(np.median(log_ratios.reshape(blocks, -1), axis=1), dtype=np.float64)


def compare_blocks(medians: FloatArray) -> Estimate | None:
    """The ratio of the times of two models, from the block medians of its logarithm: geometric mean, Student's t.

    None where there are fewer than two blocks, or one is not finite.
    """
    ones = np.ones(len(medians))

    def mean_ratio(totals: FloatArray) -> FloatArray:
        return np.asarray(np.exp(totals[..., 0] / totals[..., 1]))

    return jackknife(np.column_stack([medians, ones]), mean_ratio, scale="log", basis=Basis.BLOCKS)


def smallest_caught(estimate: Estimate, tolerance: float, alpha: float, power: float = 0.95) -> float:
    """The smallest true slow-down that fails with probability `power`: 0.07 for 7 %.

    `max(ln(1 + tolerance), t₁₋ₐ · SE) + z · SE` on the logarithm: to fail, the ratio has to exceed both.
    """
    error = estimate.standard_error
    bar = max(math.log1p(tolerance), float(scipy.stats.t.ppf(1 - alpha, estimate.degrees_of_freedom)) * error)
    return math.expm1(bar + float(scipy.stats.norm.ppf(power)) * error)
