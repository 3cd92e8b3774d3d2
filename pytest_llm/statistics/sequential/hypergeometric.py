"""How many of N units are right, from those drawn so far: exact, at every look at once.

With S right among t drawn in random order, the number K of right ones among all N has, under a uniform prior, the posterior of a
beta-binomial distribution for the N − t units left. The ratio of prior to posterior

    eₜ(K) = BB(K; N, 1, 1) / BB(K − S; N − t, 1 + S, 1 + t − S)

is a nonnegative supermartingale that starts at 1 if K is the truth, so that it reaches 1/α with probability α at most: the K with
eₜ(K) < 1/α are a confidence set at every t (Waudby-Smith & Ramdas 2020, arXiv 2006.04347). At t = N only the truth is left.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import betaln, gammaln

from pytest_llm.statistics.jackknife import FloatArray


def log_ratio(units: int, drawn: int, right: int) -> FloatArray:
    """The logarithm of eₜ(K) for K = 0 … N; infinite where K is impossible."""
    among_left = np.arange(units + 1, dtype=np.float64) - right
    left = units - drawn
    possible = (among_left >= 0) & (among_left <= left)
    k = np.where(possible, among_left, 0.0)
    choose = gammaln(left + 1) - gammaln(k + 1) - gammaln(left - k + 1)
    posterior = choose + betaln(1 + right + k, 1 + drawn - right + left - k) - betaln(1 + right, 1 + drawn - right)
    return np.where(possible, -math.log(units + 1) - posterior, np.inf)


def confidence_set(units: int, drawn: int, right: int, alpha: float) -> tuple[int, int]:
    """The smallest and the largest number of right units that is not ruled out."""
    (kept,) = np.nonzero(log_ratio(units, drawn, right) < math.log(1 / alpha))
    return int(kept[0]), int(kept[-1])
