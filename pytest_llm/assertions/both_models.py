"""Two models on the same rows, as assertions about a changed model ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_llm.baselines.baseline import as_baseline
from pytest_llm.baselines.comparability import differences
from pytest_llm.data.loading import Data
from pytest_llm.data.predictions import Predictions
from pytest_llm.errors import MisuseError
from pytest_llm.inference.engine import Engine
from pytest_llm.inference.measure import measure
from pytest_llm.judging.measurement import Measurement
from pytest_llm.metrics.metric import Metric
from pytest_llm.models.loading import Model
from pytest_llm.recording import recording
from pytest_llm.tasks.task import Task


def measure_both(
    candidate: Model | Predictions,
    base: Model | Predictions,
    data: Data,
    metric: Metric | str,
    *,
    task: Task | None,
    engine: Engine | None,
    cluster: str | None,
    base_task: Task | None = None,
    **settings: Any,
) -> tuple[Measurement, Measurement]:
    """The candidate's measurement, and the base's of the same examples, which is no result of the running test.

    Args:
        candidate: the changed model, or predictions; see `measure`.
        base: what it was made from, given in the same way.
        data: rows; both answer all of them.
        metric: its name, or the metric itself.
        task: what both are asked to do.
        engine: how they are asked.
        cluster: which column says what belongs together.
        base_task: what the base is asked to do, where that is something else; None: the same.
        **settings: the metric's.

    Raises:
        MisuseError: they cannot be compared: a metric that counts tokens, and other tokenizers; other settings.
    """
    rows: Data = list(data) if isinstance(data, Iterator) else data
    own_task = task if base_task is None else base_task
    with recording():
        of_base = measure(base, rows, metric, task=own_task, engine=engine, cluster=cluster, **settings)
    own = measure(candidate, rows, metric, task=task, engine=engine, cluster=cluster, **settings)
    reasons = differences(as_baseline(of_base, of_base.identity(), {}), own, own.identity(), same_dtype=False)
    if base_task is not None:  # another prompt is what is compared
        reasons = [reason for reason in reasons if not reason.startswith("settings:")]
    if reasons:
        raise MisuseError(f"candidate and base cannot be compared: {'; '.join(reasons)}")
    return own, of_base
