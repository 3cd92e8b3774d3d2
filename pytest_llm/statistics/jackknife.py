"""The delete-one jackknife: a standard error for any function of summed per-example statistics.

With totals `S = Σ sᵢ` and an estimate `θ = g(S)`, leave each unit out in turn, `θ₍ᵢ₎ = g(S − sᵢ)`, and

    SE² = (n − 1)/n · Σ (θ₍ᵢ₎ − mean θ₍·₎)²

Intervals use Student's t with Kish's effective number of units less one as degrees of freedom,
`n_eff = (Σ wᵢ)²/Σ wᵢ²`, which keeps the nominal error from 10 documents of very unequal length on (where the percentile
bootstrap has twice the nominal error). Deterministic: no random numbers. Efron & Stein (1981); Kish (1965).

The unit is the document, or the cluster of documents that belong together; never the token: tokens of one document
depend on each other, and a standard error that ignores this is many times too small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pytest_llm.statistics import student

FloatArray: TypeAlias = NDArray[np.float64]
Scale: TypeAlias = Literal["linear", "log"]


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the value lies on text like this, with probability `confidence`."""

    low: float
    high: float
    confidence: float


class Basis(Enum):
    """What an estimate rests on, in the words of a report: what is independent of each other, what the interval is about, how."""

    DOCUMENTS = ("document", "on text like this", "jackknife over documents")
    RATERS = ("rater", "by people like these", "jackknife over raters")
    ITEMS = ("item", "for items like these", "jackknife over items")
    REQUESTS = ("request", "for requests like these", "order statistics of the requests")
    TOKENS = ("document", "on text like this", "order statistics of the tokens, by documents")
    SEEDS = ("seed text", "on texts like these", "Clopper-Pearson over seed texts")
    BLOCKS = ("block", "on a machine like this", "t over the medians of blocks")

    def __init__(self, unit: str, claim: str, method: str) -> None:
        self.unit, self.claim, self.method = unit, claim, method


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its uncertainty. For scale "log" the error is that of ln(value), and intervals are exponentiated."""

    value: float
    standard_error: float
    degrees_of_freedom: float
    units: int
    """How many independent units (documents or clusters) stand behind it."""
    scale: Scale
    basis: Basis = Basis.DOCUMENTS

    def interval(self, confidence: float = 0.95) -> Interval:
        """The two-sided interval."""
        tail = (1 - confidence) / 2
        return Interval(self._bound(tail), self._bound(1 - tail), confidence)

    def upper(self, confidence: float) -> float:
        """One-sided: the value is below this with probability `confidence`."""
        return self._bound(confidence)

    def lower(self, confidence: float) -> float:
        """One-sided: the value is above this with probability `confidence`."""
        return self._bound(1 - confidence)

    def p_above(self, null: float) -> float:
        """One-sided: how probable an estimate as far above `null` as this one is, or farther, if the value is `null`."""
        distance = self._forward(self.value) - self._forward(null)
        if self.standard_error == 0:
            return 0.0 if distance > 0 else 1.0
        return student.survival(distance / self.standard_error, self.degrees_of_freedom)

    def units_to_decide(self, limit: float, confidence: float) -> int | None:
        """About how many units would bring the one-sided bound to `limit`, if the value stays what it is; None: too many."""
        distance = abs(self._forward(limit) - self._forward(self.value))
        reach = student.quantile(confidence, self.degrees_of_freedom) * self.standard_error
        factor = reach / distance if distance > 0 else math.inf
        return math.ceil(self.units * factor**2) if factor < _FACTOR_TO_GIVE_UP else None

    def _bound(self, quantile: float) -> float:
        reach = student.quantile(quantile, self.degrees_of_freedom) * self.standard_error
        return self._backward(self._forward(self.value) + reach)

    def _forward(self, value: float) -> float:
        return math.log(value) if self.scale == "log" else value

    def _backward(self, value: float) -> float:
        if self.scale == "linear":
            return value
        return math.exp(value) if value < _LOG_LARGEST else math.inf


_FACTOR_TO_GIVE_UP = 1000
_AT_ONCE = 2**16
"""Units that are left out in one call of `aggregate`: so many differences from the totals are in memory."""
_LOG_LARGEST = math.log(np.finfo(np.float64).max)


def jackknife(
    statistics: FloatArray,
    aggregate: Callable[[FloatArray], FloatArray],
    weights: FloatArray,
    *,
    scale: Scale = "linear",
    basis: Basis = Basis.DOCUMENTS,
) -> Estimate | None:
    """Estimate `aggregate(Σ statistics)` and its standard error.

    Args:
        statistics: shape `[n, k]`, one row per independent unit.
        aggregate: maps totals `[..., k]` to values `[...]`.
        weights: shape `[n]`, how much each unit counts (tokens, words, 1); for the degrees of freedom only.
        scale: "log" for quantities whose error is relative (perplexity): they must be positive.
        basis: what a unit is, where it is no document.

    Returns:
        None where no interval exists: fewer than two units, or a value that is not finite.
    """
    n = len(statistics)
    effective = float(weights.sum() ** 2 / (weights**2).sum()) if weights.any() else 0.0
    if n < 2 or effective <= 1:
        return None
    if not np.isfinite(statistics).all():
        return None
    totals = statistics.sum(axis=0)
    value = float(aggregate(totals))
    left_out = np.empty(n)
    for first in range(0, n, _AT_ONCE):
        left_out[first : first + _AT_ONCE] = aggregate(totals - statistics[first : first + _AT_ONCE])
    if scale == "log":
        with np.errstate(divide="ignore", invalid="ignore"):
            np.log(left_out, out=left_out)
    if not (math.isfinite(value) and np.isfinite(left_out).all()) or (scale == "log" and value <= 0):
        return None
    left_out -= left_out.mean()
    variance = (n - 1) / n * float(np.square(left_out, out=left_out).sum())
    return Estimate(value, math.sqrt(variance), effective - 1, n, scale, basis)


def sum_by_cluster(rows: FloatArray, clusters: Sequence[str]) -> FloatArray:
    """Add up the rows `[n, k]` of each cluster, clusters in order of first appearance: `[clusters, k]`."""
    index = {name: position for position, name in enumerate(dict.fromkeys(clusters))}
    sums = np.zeros((len(index), rows.shape[1]))
    np.add.at(sums, [index[name] for name in clusters], rows)
    return sums
