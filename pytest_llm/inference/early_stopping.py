"""Ask a model about one block of units after another, until a gate is decided."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.inference.answering import answer
from pytest_llm.metrics.metric import Metric
from pytest_llm.models.language_model import AnyModel
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.stopping.watch import Stopped, Watch
from pytest_llm.tasks.task import Task


def answer_until_decided(
    model: AnyModel, examples: Sequence[Example], task: Task, metric: Metric, watch: Watch
) -> tuple[list[int], list[Any], Stopped | None]:
    """The outputs for as many examples as it takes.

    Returns:
        Where the examples stand that were asked about, in order; their outputs; and how it was decided, None where it took all.
    """
    of_unit: dict[str, list[int]] = defaultdict(list)
    for place in sorted(range(len(examples)), key=lambda place: examples[place].id):  # whatever order they came in
        of_unit[examples[place].unit].append(place)
    asked: list[int] = []
    outputs: list[Any] = []
    sums: list[FloatArray] = []
    stopped = None
    for block in watch.blocks():
        units = [of_unit[watch.question.names[unit]] for unit in block]
        new = [place for unit in units for place in unit]
        given = dict(zip(new, answer(model, [examples[place] for place in new], task), strict=True))
        sums += [_sum(metric.statistics(examples[place], given[place]) for place in unit) for unit in units]
        asked += new
        outputs += given.values()
        stopped = watch.look(np.array(sums))
        if stopped is not None:
            break
    order = np.argsort(asked, kind="stable").tolist()
    return [asked[i] for i in order], [outputs[i] for i in order], stopped


def _sum(rows: Iterable[Sequence[float]]) -> FloatArray:
    return np.asarray(np.sum(list(rows), axis=0, dtype=np.float64))
