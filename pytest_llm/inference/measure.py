"""From a model, data and a metric to a measurement: the middle of the path of every quality assertion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.data.loading import Data, describe, load_examples
from pytest_llm.errors import MisuseError
from pytest_llm.inference.answering import answer, context_length
from pytest_llm.metrics import metric_named
from pytest_llm.metrics.metric import Metric
from pytest_llm.models.language_model import provenance
from pytest_llm.models.loading import Model, as_language_model
from pytest_llm.recording import record_measurement
from pytest_llm.statistics.jackknife import Estimate, FloatArray, jackknife, sum_by_cluster
from pytest_llm.verdict import Measurement


def measure(model: Model, data: Data, metric: Metric | str, **settings: Any) -> Measurement:
    """Measure a metric, judge nothing.

    Args:
        model: a path, a hub id, a `(model, tokenizer)` pair, or any object with the method that the metric needs: `score`,
            `score_pairs`, `pseudo_log_probs`.
        data: texts, rows, a `datasets.Dataset` or a path; see `load_examples`.
        metric: its name, such as "perplexity", or the metric itself.
        **settings: the metric's settings, such as `stride=512`, where it is given by name.

    Returns:
        The measurement, with the statistics of every example. Inside a test it is recorded as well, so that the marker
        `llm_threshold` can judge it.

    Raises:
        MisuseError: data, model or settings that give no number; the message says which and how to mend it.
    """
    if isinstance(metric, str):
        metric = metric_named(metric, **settings)
    elif settings:
        raise MisuseError(f"settings {sorted(settings)} belong to a metric given by name; this one was given whole")
    examples = load_examples(data)
    language_model = as_language_model(model)
    window = context_length(language_model, metric.task)
    outputs = answer(language_model, examples, metric.task)
    statistics = np.array([metric.statistics(*pair) for pair in zip(examples, outputs, strict=True)], dtype=np.float64)
    measurement = Measurement(
        metric=metric.name,
        value=float(metric.aggregate(statistics.sum(axis=0))),
        lower_is_better=metric.lower_is_better,
        estimate=_estimate(metric, examples, statistics),
        examples=examples,
        statistics=statistics,
        example_values=metric.aggregate(statistics),
        counts=metric.counts,
        signature=metric.signature(window),
        data=describe(data),
        provenance=provenance(language_model),
    )
    record_measurement(measurement)
    return measurement


def _estimate(metric: Metric, examples: Sequence[Example], statistics: FloatArray) -> Estimate | None:
    units = [f"example {e.id}" if e.cluster is None else f"cluster {e.cluster}" for e in examples]
    by_unit = sum_by_cluster(statistics, units)
    return jackknife(by_unit, metric.aggregate, by_unit[:, -1], scale=metric.scale)
