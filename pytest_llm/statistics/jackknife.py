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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from itertools import islice
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pytest_llm.statistics import student
from pytest_llm.storage.growing_array import Rows, parts

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
_LOG_LARGEST = math.log(np.finfo(np.float64).max)


def jackknife(
    statistics: Rows[np.float64],
    aggregate: Callable[[FloatArray], FloatArray],
    *,
    scale: Scale = "linear",
    basis: Basis = Basis.DOCUMENTS,
) -> Estimate | None:
    """Estimate `aggregate(Σ statistics)` and its standard error.

    Args:
        statistics: shape `[n, k]`, one row per independent unit, of which a part at a time is looked at. The last column is how
            much each unit counts (tokens, words, 1), for the degrees of freedom only.
        aggregate: maps totals `[..., k]` to values `[...]`.
        scale: "log" for quantities whose error is relative (perplexity): they must be positive.
        basis: what a unit is, where it is no document.

    Returns:
        None where no interval exists: fewer than two units, a value that is not finite, or one whose square is not.
    """
    n = len(statistics)
    effective = _effective_units(statistics)
    if n < 2 or effective <= 1:
        return None
    if not all(np.isfinite(part).all() for part in parts(statistics)):
        return None
    totals = sum_of(statistics)
    value = float(aggregate(totals))
    left_out = _Moments.of_all(_left_out(statistics, totals, aggregate, scale))
    if left_out is None or not math.isfinite(value) or (scale == "log" and value <= 0):
        return None
    variance = (n - 1) / n * left_out.squares
    if not math.isfinite(variance):
        return None
    return Estimate(value, math.sqrt(variance), effective - 1, n, scale, basis)


def _effective_units(statistics: Rows[np.float64]) -> float:
    """Kish's, of the weights in the last column."""
    weight = squares = 0.0
    for part in parts(statistics):
        weight += float(part[:, -1].sum())
        squares += float((part[:, -1] ** 2).sum())
    return weight**2 / squares if squares else 0.0


def _left_out(
    statistics: Rows[np.float64], totals: FloatArray, aggregate: Callable[[FloatArray], FloatArray], scale: Scale
) -> Iterator[FloatArray]:
    """The values without each unit."""
    for part in parts(statistics):
        values = np.asarray(aggregate(totals - part), dtype=np.float64)
        if scale == "log":
            with np.errstate(divide="ignore", invalid="ignore"):
                values = np.log(values)
        yield values


class _Moments(NamedTuple):
    """How many values there are, their mean, and the squares of their differences from it, added up."""

    units: int
    mean: float
    squares: float

    @classmethod
    def of(cls, values: FloatArray) -> _Moments:
        with np.errstate(over="ignore", invalid="ignore"):
            mean = values.mean()
            return cls(len(values), float(mean), float(np.square(values - mean).sum()))

    @classmethod
    def of_all(cls, parts_of_them: Iterable[FloatArray]) -> _Moments | None:
        """None where a value is not finite."""
        found: _Moments | None = None
        for values in parts_of_them:
            if not np.isfinite(values).all():
                return None
            found = cls.of(values) if found is None else found.pooled(cls.of(values))
        return found

    def pooled(self, others: _Moments) -> _Moments:
        """With other values: Chan, Golub & LeVeque (1979), which needs no second pass over them."""
        units, apart = self.units + others.units, others.mean - self.mean
        between = apart * apart * self.units * others.units / units
        return _Moments(units, self.mean + apart * others.units / units, self.squares + others.squares + between)


def sum_of(rows: Rows[np.float64]) -> FloatArray:
    """The sum of rows `[n, k]`: `[k]`."""
    return reduce(np.add, (part.sum(axis=0) for part in parts(rows)))


def sum_by_cluster(rows: Rows[np.float64], clusters: Iterable[str]) -> FloatArray:
    """Add up the rows `[n, k]` of each cluster, clusters in order of first appearance: `[clusters, k]`."""
    index: dict[str, int] = {}
    names, sums = iter(clusters), np.zeros((0, rows[:0].shape[1]))
    for part in parts(rows):
        places = [index.setdefault(name, len(index)) for name in islice(names, len(part))]
        if len(index) > len(sums):
            more = max(len(index), len(sums) * 2) - len(sums)
            sums = np.concatenate([sums, np.zeros((more, sums.shape[1]))])
        np.add.at(sums, places, part)
    return sums[: len(index)]
