"""The one shape of a quality metric: a function of summed per-example statistics.

    value = aggregate(Σ statistics(example, output))

From it follow, written once for all metrics, the value, its interval, the value of a single example, and later the
paired comparison, early stopping and the merging of shards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.data.stored_examples import StoredExamples
from pytest_llm.statistics.jackknife import Estimate, FloatArray, Scale, jackknife, sum_by_cluster
from pytest_llm.storage.growing_array import Rows
from pytest_llm.tasks.task import Task


class Metric(Protocol):
    """What the engine needs of a metric. `language_modeling.py` is the model to copy.

    A metric whose value is the quotient of its only two statistics, or the exponential of that, has a `quotient` besides
    (`stopping.question.Quotient`), by which its gates can be decided before all of the data is seen.
    """

    @property
    def name(self) -> str:
        """As in `METRICS`; names follow lm-evaluation-harness and sacreBLEU."""

    @property
    def lower_is_better(self) -> bool: ...

    @property
    def scale(self) -> Scale:
        """On which scale errors are symmetric: "log" for perplexity, else "linear"."""

    @property
    def task(self) -> Task | None:
        """What the model is asked to do with each example, unless the test says; None: outputs have to be given."""

    @property
    def counts(self) -> str:
        """What the last statistic counts, in the plural: "tokens", "words"."""

    def signature(self, window: int | None) -> str:
        """All settings that change the number, in the style of sacreBLEU: `unit:token|bos:yes|…`.

        Args:
            window: the context length in tokens that was used; None where the model plans its own.
        """

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """The sums that one example contributes; the last one is its weight (tokens, words, 1)."""

    def aggregate(self, totals: FloatArray) -> FloatArray:
        """Totals of shape `[..., k]` to values of shape `[...]`."""


def fit(metric: Metric, examples: Sequence[Example]) -> Metric:
    """The metric as these examples make it (their labels, their raters), where it has to know them before it counts."""
    made: Metric = metric.fitted(examples) if hasattr(metric, "fitted") else metric
    return made


def value_of_each(metric: Metric) -> Callable[[FloatArray], FloatArray]:
    """Rows of statistics to the value of each example by itself: `aggregate`, unless the metric says otherwise."""
    own: Callable[[FloatArray], FloatArray] = getattr(metric, "example_values", metric.aggregate)
    return own


def value_of_one(metric: Metric, example: Example, output: Any) -> float:
    """The value of a single example by itself."""
    statistics = np.array([metric.statistics(example, output)], dtype=np.float64)
    return float(value_of_each(metric)(statistics)[0])


def estimate_of(metric: Metric, examples: Sequence[Example], statistics: Rows[np.float64]) -> Estimate | None:
    """How sure the value is: the jackknife over independent units; None where there is no estimate."""
    by_unit: Rows[np.float64] = statistics  # ids are unique, so that an example without a cluster is a unit of its own
    if _are_clustered(examples):
        by_unit = sum_by_cluster(statistics, (example.unit for example in examples))
    estimate = jackknife(by_unit, metric.aggregate, scale=metric.scale)
    return estimate and replace(estimate, basis=getattr(metric, "basis", estimate.basis))


def _are_clustered(examples: Sequence[Example]) -> bool:
    if isinstance(examples, StoredExamples):  # which would have to unpack them all
        return examples.clustered
    return any(example.cluster is not None for example in examples)
