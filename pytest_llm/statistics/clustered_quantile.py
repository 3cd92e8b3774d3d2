"""Quantiles over tokens, with bounds that know that the tokens of one document depend on each other.

The value is that of `numpy.quantile` on all tokens together (linear interpolation, as in llama.cpp). Its bounds follow Woodruff
(1952), who turns the question round: x is above the q-quantile of all text if more than the share q of all text lies below x. With
F the share of the tokens up to the value, and SE the jackknife's standard error of that share over documents, these
tokens say as much of F as n* independent ones would,

    n* = q (1 − q) / SE² · (z / t)²,    at most the number of tokens,

z the quantile of the normal distribution, t that of Student's with the jackknife's degrees of freedom (Korn & Graubard 1998, for
shares near 0 and 1). The bounds are the order statistics that bound the quantile of n* independent numbers
(`statistics.latency`), read at the same shares of the tokens. There is none above where n* is too small: n* < 299 for a one-sided
95 % bound of the 99 % quantile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from pytest_llm.statistics.jackknife import Basis, Estimate, FloatArray, Interval, jackknife, sum_by_cluster
from pytest_llm.statistics.latency import fewest_to_bound

_ROUNDING = 1e-9


def interpolated(values: FloatArray, q: float) -> float:
    """The q-quantile as `numpy.quantile` has it; NaN if one value is, infinite where it lies next to an infinite one."""
    if np.isnan(values).any():
        return math.nan
    below, above = (float(np.quantile(values, q, method=side)) for side in ("lower", "higher"))
    if below == above or math.isinf(above):  # numpy would multiply infinity by 0
        return above
    return float(np.quantile(values, q))


@dataclass(frozen=True, slots=True, eq=False)
class ClusteredQuantile:
    """A quantile with its uncertainty; asked for the same things as `jackknife.Estimate`."""

    value: float
    q: float
    values: FloatArray
    """In ascending order, of all documents together."""
    share: Estimate
    """Of the values up to `value`, over documents."""
    basis: Basis = Basis.TOKENS

    @property
    def units(self) -> int:
        return self.share.units

    def interval(self, confidence: float = 0.95) -> Interval:
        """The two-sided interval; 0 or infinity where so few documents have no bound."""
        tail = (1 + confidence) / 2
        return Interval(self.lower(tail), self.upper(tail), confidence)

    def upper(self, confidence: float) -> float:
        """One-sided: the quantile is below this with about this probability; infinity where so little text says nothing."""
        n = self.effective(confidence)
        rank = int(scipy.stats.binom.ppf(confidence, n, self.q)) + 1
        if n < 1 or rank > n:
            return math.inf
        return float(self.values[math.ceil(rank / n * len(self.values) - _ROUNDING) - 1])

    def lower(self, confidence: float) -> float:
        """One-sided: the quantile is above this with about this probability; 0 where so little text says nothing."""
        n = self.effective(confidence)
        rank = int(scipy.stats.binom.ppf(1 - confidence, n, self.q)) if n >= 1 else 0
        place = math.floor(rank / n * len(self.values) + _ROUNDING) if rank >= 1 else 0
        return float(self.values[place - 1]) if place >= 1 else 0.0

    def effective(self, confidence: float) -> int:
        """How many independent values would say as much: n*."""
        error = self.share.standard_error
        if error == 0:
            return len(self.values)
        widened = float(scipy.stats.norm.ppf(confidence) / scipy.stats.t.ppf(confidence, self.share.degrees_of_freedom))
        independent = self.q * (1 - self.q) / error**2 * widened**2
        return int(min(independent, float(len(self.values))))

    def units_to_decide(self, limit: float, confidence: float) -> int | None:
        """About how many documents would decide, if the share of values below the limit stays what it is; None: no number would."""
        distance = abs(float(np.mean(self.values < limit)) - self.q)
        now = self.effective(confidence)
        if distance < _ROUNDING or now < 1:
            return None
        reach = float(scipy.stats.norm.ppf(confidence))
        needed = max(reach**2 * self.q * (1 - self.q) / distance**2, fewest_to_bound(self.q, confidence))
        return max(math.ceil(self.units * needed / now), self.units + 1)


def clustered_quantile(values: Sequence[FloatArray], units: Sequence[str], q: float) -> ClusteredQuantile | None:
    """Estimate the q-quantile of all values together.

    Args:
        values: of each document.
        units: what each document belongs to: documents with the same name are not independent of each other.
        q: a share between 0 and 1.

    Returns:
        None where no interval exists: fewer than two units, or a value that is no number.
    """
    everything = np.sort(np.concatenate(list(values)))
    found = interpolated(everything, q)
    if not math.isfinite(found):
        return None
    counts = np.array([[np.count_nonzero(of_one <= found), len(of_one)] for of_one in values], dtype=np.float64)
    by_unit = sum_by_cluster(counts, units)
    share = jackknife(by_unit, _share)
    return None if share is None else ClusteredQuantile(found, q, everything, share)


def _share(totals: FloatArray) -> FloatArray:
    return np.asarray(totals[..., 0] / totals[..., 1])
