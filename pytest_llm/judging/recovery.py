"""What a changed model keeps of the one it was made from: recovery, for quantised, pruned and distilled models.

    recovery = candidate / base        of a metric whose rise is good (accuracy, BLEU)
               base / candidate        of one whose fall is good (perplexity, error rates)

1 is all of it and more is better, whichever way the metric points. Like a metric it is a function of sums, those of both models
side by side: its interval is the paired jackknife's, on the log scale, on which the error of a ratio is symmetric. What makes
an example hard is the same on both sides and cancels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pytest_llm.errors import MisuseError
from pytest_llm.judging.measurement import Measurement
from pytest_llm.statistics.jackknife import FloatArray, jackknife, sum_by_cluster
from pytest_llm.wording import number

Values = Callable[[FloatArray], FloatArray]


def recovery(candidate: Measurement, base: Measurement) -> Measurement:
    """The share of the base's quality that the candidate has.

    Args:
        candidate: of the changed model.
        base: of the model it was made from: the same metric, with equal settings, of the same examples in the same order.

    Returns:
        A measurement like any other: `value`, `estimate`, and each example's own recovery in `example_values`.

    Raises:
        MisuseError: a metric whose value is no function of sums; a base whose value is 0, negative or not finite, of which there
            is no share; a metric whose fall is good, at a negative value of the candidate.
    """
    name, k = candidate.metric, base.statistics.shape[1]
    if base.aggregate is None or base.value_of_each is None:
        raise MisuseError(f"{name} is no function of sums over examples, so that no share of it has an interval")
    if not 0 < base.value < math.inf:
        raise MisuseError(
            f"{name} of the base is {number(base.value)} on {base.data}: there is no share of that which could be kept; gate the "
            f"difference instead: assert_no_regression(candidate, data, {name!r}, reference=base)"
        )
    if base.lower_is_better and candidate.value < 0:
        raise MisuseError(
            f"{name} is {number(candidate.value)}: below zero a ratio does not say which of two is better"
        )
    better_is_more = not base.lower_is_better

    def kept(values: Values) -> Values:
        def shares(rows: FloatArray) -> FloatArray:
            own, other = values(rows[..., :k]), values(rows[..., k:])
            return _quotient(own, other) if better_is_more else _quotient(other, own)

        return shares

    aggregate, value_of_each = kept(base.aggregate), kept(base.value_of_each)
    statistics = np.hstack([candidate.statistics, base.statistics])
    by_unit = sum_by_cluster(statistics, candidate.units)
    return replace(
        candidate,
        metric=f"{name}_recovery",
        value=float(aggregate(statistics.sum(axis=0))),
        lower_is_better=False,
        estimate=jackknife(by_unit, aggregate, scale="log"),
        statistics=statistics,
        example_values=value_of_each(statistics),
        signature=f"recovery:{'candidate/base' if better_is_more else 'base/candidate'}|{candidate.signature}",
        overview=f"{name} {number(candidate.value)}, {number(base.value)} of the base {base.provenance}",
        without_interval="it takes two independent documents, and values above zero whichever of them is left out",
        aggregate=aggregate,
        value_of_each=value_of_each,
        scale="log",
        again=None,  # that would measure the candidate alone
    )


def _quotient(kept: FloatArray, of: FloatArray) -> FloatArray:
    """Equal values, zero of zero too, are all of it; something of zero is beyond measure; NaN stays NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(kept == of, 1.0, kept / of)
