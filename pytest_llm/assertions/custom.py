"""Assertions about metrics of your own, and about any metric that is given whole."""

from __future__ import annotations

from pytest_llm.assertions.gate import assertion, gate
from pytest_llm.data.loading import Data
from pytest_llm.data.predictions import Predictions
from pytest_llm.inference.engine import Engine
from pytest_llm.inference.measure import measure
from pytest_llm.inference.time_budget import TimeBudget
from pytest_llm.judging.measurement import Measurement
from pytest_llm.limit import Limit
from pytest_llm.metrics.metric import Metric
from pytest_llm.models.loading import Model
from pytest_llm.stopping.gates import until_limit
from pytest_llm.stopping.mode import EarlyStop
from pytest_llm.tasks.task import Task


@assertion
def assert_metric_above(
    model: Model | Predictions,
    data: Data,
    metric: Metric | str,
    limit: float,
    *,
    task: Task | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    early_stop: EarlyStop | None = None,
    cluster: str | None = None,
    confidence: float | None = None,
) -> Measurement:
    """Assert that a metric is above a limit: one made by `llm_metric`, or any other, by name or given whole.

    Args:
        model: what is measured, or predictions; see `measure` for this and the three that follow.
        data: rows.
        metric: such as the function under `@llm_metric("above")`.
        limit: what must be exceeded.
        task: what the model is asked to do; None: what the metric asks for.
        engine: how the model is asked.
        budget: how long it may take, such as "5min". See `budget`.
        early_stop: "sequential" or "certain": stop when the verdict is as good as certain, or certain; None: as the session
            does. See `stopping.watch`.
        cluster: the column of the rows that says which examples belong together.
        confidence: None judges this data exactly; 0.95 demands proof for data like this.

    Raises:
        QualityError: the metric is not above the limit, not provably so if `confidence` asks for proof, or not a number.
        MisuseError: (a ValueError) data, model or settings that give no number at all.
    """
    claim = Limit.above(limit, confidence=confidence)
    return gate(
        measure(model, data, metric, task=task, engine=engine, cluster=cluster, until=until_limit(claim, early_stop)),
        claim,
    )


@assertion
def assert_metric_below(
    model: Model | Predictions,
    data: Data,
    metric: Metric | str,
    limit: float,
    *,
    task: Task | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    early_stop: EarlyStop | None = None,
    cluster: str | None = None,
    confidence: float | None = None,
) -> Measurement:
    """Assert that a metric is below a limit; as `assert_metric_above`."""
    claim = Limit.below(limit, confidence=confidence)
    return gate(
        measure(model, data, metric, task=task, engine=engine, cluster=cluster, until=until_limit(claim, early_stop)),
        claim,
    )
