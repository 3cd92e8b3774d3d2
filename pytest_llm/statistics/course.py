"""The course of a number over many runs: does it drift, and where did it change at once?

A drift is a trend (Mann and Kendall's test, Theil and Sen's slope); a change is a place where what comes after is on another
level than what came before. Each looks like the other to a test that asks for it alone, so both descriptions are fitted and the
better one is kept, by the Bayesian information criterion (Schwarz 1978) of their squared errors: a line with two numbers, against
steps with a level each and a place between them.

Changes are found by binary segmentation (Scott and Knott 1974). Whether a part has one, a permutation test of ranks decides: the
largest difference of the mean ranks of two sides, standardised, over all places (as in Pettitt's test), held against the same
over random orders of the part. Where it is, the least absolute deviations from the two sides' medians say. So the chance of a
change in a series that has none is `alpha` whatever the noise looks like, and a spike is none; the penalty of PELT and its kin
bounds no such chance for a few dozen values. Each side of a change is asked with half of alpha.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.stats import kendalltau, rankdata, theilslopes

from pytest_llm.statistics.jackknife import FloatArray

FEWEST = 6
"""Shorter series show nothing: of 6 values in order p is 1 in 720, of 5 it is 1 in 120."""
_ORDERS = 999
_SHORTEST = 2
"""Runs on each side of a change, since a single one may be a spike."""


@dataclass(frozen=True, slots=True)
class Change:
    """Another level from one value on."""

    at: int
    """Where the new level begins."""
    before: float
    """The median since the change before this one."""
    after: float
    """The median until the next."""
    p: float
    """How probable as large a difference is at any place, if the order of the values is chance."""


@dataclass(frozen=True, slots=True)
class Course:
    """What a series shows; the slope and what is said of it since the last change."""

    slope: float
    """Per step: the median over all pairs."""
    low: float
    """Its 95 % interval (Sen 1968)."""
    high: float
    p: float
    """Two-sided: how probable as clear a trend is if the order of the values is chance."""
    drifts: bool
    changes: tuple[Change, ...] = ()


def course(values: Sequence[float] | FloatArray, alpha: float = 0.01) -> Course:
    """What a series of finite values shows.

    Args:
        values: in the order of time.
        alpha: how often a series of exchangeable values is said to drift, and how often to change.
    """
    series = np.asarray(values, dtype=np.float64)
    places = _places(series, alpha)
    if not places:
        return _trend(series, alpha)
    ends = [0, *(at for at, _ in places), len(series)]
    levels = [float(np.median(series[begin:end])) for begin, end in pairwise(ends)]
    changes = tuple(Change(at, levels[i], levels[i + 1], p) for i, (at, p) in enumerate(places))
    since = _trend(series[places[-1][0] :], alpha)
    return Course(since.slope, since.low, since.high, since.p, since.drifts, changes)


def _trend(series: FloatArray, alpha: float) -> Course:
    if len(series) < 2 or np.ptp(series) == 0:
        return Course(0.0, 0.0, 0.0, 1.0, drifts=False)
    steps = np.arange(len(series))
    p = float(kendalltau(steps, series).pvalue)
    slope, _, low, high = theilslopes(series, steps, 0.95)
    return Course(float(slope), float(low), float(high), p, drifts=len(series) >= FEWEST and p < alpha)


def _places(series: FloatArray, alpha: float) -> list[tuple[int, float]]:
    """Where levels change, each with its p, in order; none where a line says it better."""
    if len(series) < FEWEST or np.ptp(series) == 0:
        return []
    at, p = _likeliest(series)
    if p >= alpha:
        return []
    after = [(at + place, chance) for place, chance in _places(series[at:], alpha / 2)]
    places = [*_places(series[:at], alpha / 2), (at, p), *after]
    is_line = _trend(series, alpha).drifts and _bic_of_line(series) <= _bic_of_steps(series, [at for at, _ in places])
    return [] if is_line else places


def _likeliest(part: FloatArray) -> tuple[int, float]:
    """The place that divides a part best, and how probable as good a division is in a random order."""
    n = len(part)
    ranks = rankdata(part) - (n + 1) / 2
    places = np.arange(_SHORTEST, n - _SHORTEST + 1)
    scale = np.sqrt(places * (n - places) / n)

    def largest(rows: FloatArray) -> FloatArray:
        differences: FloatArray = np.abs(np.cumsum(rows, axis=-1)[..., places - 1]) / scale
        return np.asarray(differences.max(axis=-1))

    orders = np.random.default_rng(n).permuted(np.tile(ranks, (_ORDERS, 1)), axis=1)
    p = (1 + int((largest(orders) >= largest(ranks) * (1 - 1e-12)).sum())) / (1 + _ORDERS)
    return min(places.tolist(), key=lambda at: _deviations(part[:at]) + _deviations(part[at:])), p


def _deviations(values: FloatArray) -> float:
    return float(np.abs(values - np.median(values)).sum())


def _bic_of_line(series: FloatArray) -> float:
    steps = np.arange(len(series))
    slope, intercept = np.polyfit(steps, series, 1)
    return _bic(series - slope * steps - intercept, 2)


def _bic_of_steps(series: FloatArray, places: Sequence[int]) -> float:
    parts = np.split(series, list(places))
    return _bic(np.concatenate([part - part.mean() for part in parts]), 2 * len(parts) - 1)


def _bic(errors: FloatArray, numbers: int) -> float:
    n = len(errors)
    spread = float(np.mean(errors**2))
    return (n * math.log(spread) if spread > 0 else -math.inf) + numbers * math.log(n)
