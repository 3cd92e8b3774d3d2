"""An asymptotic confidence sequence: where the mean of a finite population lies, at every look at once.

With yₜ = z/w of the t-th unit drawn, Wₜ the size that was left before it and cₜ = W/Wₜ,

    M_n(θ) = Σ cₜ (yₜ − (Wθ − Σ_before z)/Wₜ)

is a martingale if θ = Σz/W, with variance σ² v_n, v_n = Σ cₜ². For units of one size v_n is about n/(1 − n/N): time runs to
infinity as the population is used up. Robbins' normal mixture gives the boundary that it ever crosses with probability α at
most (Howard et al. 2021; one-sided as in Waudby-Smith et al. 2024, arXiv 2103.06476):

    ψ(v) = √(2 (v + r) ln(1 + √((v + r)/r) / (2α)))        r chosen to be tightest about v = 64

Solved for θ: mean = Σ cₜ (yₜ + Σ_before z/Wₜ) / v_n, give or take σ ψ(v_n)/v_n. For σ stands the standard deviation of the draws,
and Student's t for the normal distribution: an approximation, good from some tens of units on and *blind to what is rare*.
Where a few units in a hundred are wrecked and none of them was drawn yet, it is sure of the wrong thing. It may fail a
model early, never pass one.
"""

from __future__ import annotations

import math

import numpy as np
import scipy

from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.statistics.sequential.drawing import left_before

_TIGHTEST = 64
_ROUNDING = 1e-9


def boundary(v: float, alpha: float) -> float:
    """ψ(v): what a martingale of variance v exceeds, ever, with probability alpha at most."""
    doubts = 2 * math.log(1 / alpha)
    r = _TIGHTEST / (doubts + math.log(1 + doubts))
    return math.sqrt(2 * (v + r) * math.log(1 + math.sqrt((v + r) / r) / (2 * alpha)))


def confidence_bounds(values: FloatArray, sizes: FloatArray, total: float, alpha: float) -> tuple[float, float]:
    """Where Σz/W lies: above the first with confidence 1 − alpha, below the second with confidence 1 − alpha.

    Args:
        values: z/w of the units drawn so far, in order; at least two.
        sizes: w of these.
        total: W, the size of all units; infinite for the mean of text like this, of which these are a sample.
        alpha: of each side.
    """
    seen = np.cumsum(values * sizes)
    if math.isinf(total):
        weights, carried = np.ones(len(values)), np.zeros(len(values))
    elif total - sizes.sum() <= _ROUNDING * total:  # nothing is left to be uncertain about
        return float(seen[-1] / total), float(seen[-1] / total)
    else:
        left = left_before(sizes, total)
        weights, carried = total / left, np.concatenate([[0.0], seen[:-1]]) / left
    v = float((weights**2).sum())
    mean = float((weights * (values + carried)).sum()) / v
    effective = float(weights.sum() ** 2) / v
    reach = _student(boundary(v, alpha) / math.sqrt(v), effective - 1) * float(values.std(ddof=1)) / math.sqrt(v)
    return mean - reach, mean + reach


def _student(z: float, degrees_of_freedom: float) -> float:
    """The quantile of Student's t that leaves as much above it as z of the normal distribution."""
    return float(scipy.stats.t.isf(scipy.stats.norm.sf(z), degrees_of_freedom))
