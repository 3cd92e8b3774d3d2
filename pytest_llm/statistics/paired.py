"""The paired comparison: how much worse one model is than another on the same examples, and how sure that is.

With totals `C = Σ cᵢ` of the candidate and `B = Σ bᵢ` of the baseline, a metric g and a sign such that more is worse,

    D = ±(f(g(C)) − f(g(B)))                            f = ln on the scale "log" (perplexity), else the identity
    SE² = (n − 1)/n · Σ (D₍ᵢ₎ − mean D₍·₎)²              each unit left out of both sides (delete-one jackknife)

and Student's t with Kish's effective number of units less one as degrees of freedom. For equal weights and a mean this is the
paired t test. Where all examples are right or wrong (0/1) and none hang together, the p-value is McNemar's exact one.

The examples' own difficulty, most of the noise of one model's score, is the same on both sides and cancels: changes are seen that
two separate intervals hide completely (Miller 2024, arXiv 2411.00640; Koehn 2004).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from scipy.special import ndtri

from pytest_llm.statistics import student
from pytest_llm.statistics.jackknife import FloatArray, Scale, sum_by_cluster

Aggregate = Callable[[FloatArray], FloatArray]

POWER = 0.95
"""A drop counts as caught if it fails the gate with this probability."""


@dataclass(frozen=True, slots=True)
class Flips:
    """Of a 0/1 metric: how many examples changed sides."""

    lost: int
    gained: int

    @property
    def p(self) -> float:
        """McNemar's exact one-sided p-value: as many losses among the flips if each were a fair coin (McNemar 1947)."""
        if self.lost + self.gained == 0:
            return 1.0
        return float(scipy.stats.binomtest(self.lost, self.lost + self.gained, 0.5, alternative="greater").pvalue)


@dataclass(frozen=True, slots=True)
class PairedChange:
    """How much worse, on the scale on which the metric's errors are symmetric; above 0 is worse."""

    drop: float
    standard_error: float
    degrees_of_freedom: float
    units: int
    """How many independent units (documents or clusters) stand behind it."""
    flips: Flips | None = None

    @property
    def p(self) -> float:
        """One-sided: how probable a drop this large is, or larger, if nothing has changed."""
        if self.flips is not None:
            return self.flips.p
        if self.standard_error == 0:
            return 0.0 if self.drop > 0 else 1.0
        return student.survival(self.drop / self.standard_error, self.degrees_of_freedom)

    @property
    def reversed(self) -> PairedChange:
        """The same with both sides exchanged: what was a gain is a drop."""
        flips = None if self.flips is None else Flips(self.flips.gained, self.flips.lost)
        return PairedChange(-self.drop, self.standard_error, self.degrees_of_freedom, self.units, flips)

    def p_beyond(self, drop: float) -> float:
        """One-sided: how probable a drop this large is, or larger, if the true one is `drop`. For 0 this is `p`."""
        if drop == 0:
            return self.p
        if self.standard_error == 0:
            return 0.0 if self.drop > drop else 1.0
        return student.survival((self.drop - drop) / self.standard_error, self.degrees_of_freedom)

    def bound(self, quantile: float) -> float:
        """The drop on text like this is below this with probability `quantile`."""
        return self.drop + self._quantile(quantile) * self.standard_error

    def smallest_caught(self, tolerance: float, alpha: float) -> float:
        """The smallest true drop that fails the gate with probability `POWER` (the minimal detectable effect)."""
        reach = float(ndtri(POWER)) * self.standard_error
        return float(max(tolerance, self._quantile(1 - alpha) * self.standard_error) + reach)

    def units_to_catch(self, drop: float, tolerance: float, alpha: float) -> int | None:
        """About how many units like these it takes to catch a drop; None where none do: it is tolerated.

        From the standard error that `smallest_caught` would need, which falls with the root of their number.
        """
        if drop <= tolerance:
            return None
        power, test = float(ndtri(POWER)), self._quantile(1 - alpha)
        needed = min((drop - tolerance) / power, drop / (test + power))
        return max(2, math.ceil(self.units * (self.standard_error / needed) ** 2))

    def _quantile(self, quantile: float) -> float:
        return student.quantile(quantile, self.degrees_of_freedom)


def paired_change(
    candidate: FloatArray,
    baseline: FloatArray,
    aggregate: Aggregate,
    clusters: Sequence[str],
    *,
    lower_is_better: bool,
    scale: Scale,
) -> PairedChange | None:
    """Compare two models by their statistics of the same examples.

    Args:
        candidate: `[n, k]`, one row per example, the last column its weight.
        baseline: the same of the other model, rows in the same order.
        aggregate: maps totals `[..., k]` to values `[...]`.
        clusters: of each example the unit it belongs to; different for examples that are independent of each other.
        lower_is_better: whether a rise of the metric is worse.
        scale: "log" compares logarithms.

    Returns:
        None where there is no estimate: fewer than two units, a value that is not finite on either side.
    """
    ours, theirs = sum_by_cluster(candidate, clusters), sum_by_cluster(baseline, clusters)
    n, weights = len(theirs), theirs[:, -1]
    effective = float(weights.sum() ** 2 / (weights**2).sum()) if weights.any() else 0.0
    if n < 2 or effective <= 1 or not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return None
    sign = 1.0 if lower_is_better else -1.0

    def drops(c: FloatArray, b: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            values = [np.asarray(aggregate(totals), dtype=np.float64) for totals in (c, b)]
            if scale == "log":
                values = [np.log(value) for value in values]
            return sign * (values[0] - values[1])

    totals = ours.sum(axis=0), theirs.sum(axis=0)
    drop, left_out = float(drops(*totals)), drops(totals[0] - ours, totals[1] - theirs)
    if not (math.isfinite(drop) and np.isfinite(left_out).all()):
        return None
    # equal rows leave nothing to chance, while the sums that leave one out differ in their last digits
    variance = 0.0 if np.array_equal(ours, theirs) else (n - 1) / n * float(((left_out - left_out.mean()) ** 2).sum())
    flips = _flips(ours, theirs, lower_is_better) if n == len(candidate) else None
    return PairedChange(drop, math.sqrt(variance), effective - 1, n, flips)


def _flips(ours: FloatArray, theirs: FloatArray, lower_is_better: bool) -> Flips | None:
    """The flips, if each example is one and right or wrong."""
    both = np.stack([ours, theirs])
    if both.shape[2] != 2 or not ((both[..., 1] == 1).all() and np.isin(both[..., 0], (0, 1)).all()):
        return None
    gained = (ours[:, 0] != theirs[:, 0]) & ((ours[:, 0] > theirs[:, 0]) != lower_is_better)
    lost = (ours[:, 0] != theirs[:, 0]) & ~gained
    return Flips(int(lost.sum()), int(gained.sum()))
