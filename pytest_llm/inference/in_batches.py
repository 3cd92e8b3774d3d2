"""The statistics of a stream: a batch of examples is asked about at a time, and its texts and outputs are dropped."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.data.stored_examples import StoredExamples
from pytest_llm.data.streaming import Pair, Stream, batches
from pytest_llm.errors import MisuseError
from pytest_llm.inference.engine import current_engine
from pytest_llm.judging.measurement import WORST
from pytest_llm.metrics.metric import Metric, fit, value_of_each
from pytest_llm.storage.growing_array import GrowingArray, Rows

BATCH = 1024
"""Examples in memory at once; with a cluster, so many for each actor: all of them wait for the end of a batch."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What is counted of examples. Of a stream the worst ones are whole, and the others have no text and no output."""

    examples: Sequence[Example]
    outputs: Sequence[Any]
    statistics: Rows[np.float64]
    """`[examples, k]`."""
    values: Rows[np.float64]
    """`[examples]`: the metric of each by itself."""


class FewOutputs(Sequence[Any]):
    """An output for each example, all but a few of them None, which take no memory.

    Args:
        count: of all.
        kept: by their places.
    """

    def __init__(self, count: int, kept: Mapping[int, Any]) -> None:
        self._places, self._kept = range(count), kept

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Any]: ...
    def __getitem__(self, place: int | slice) -> Any:
        places = self._places[place]
        return self._kept.get(places) if isinstance(places, int) else tuple(map(self._kept.get, places))

    def __iter__(self) -> Iterator[Any]:
        return map(self._kept.get, self._places)


def refuse_whole(metric: Metric) -> None:
    """Raise MisuseError for a metric that takes all outputs at once."""
    if any(hasattr(metric, name) for name in ("summary", "pooled", "explain_outputs", "refuse_too_few")):
        raise MisuseError(f"{metric.name} takes all outputs at once: give it data that fit in memory, and no stream")


def fitted_to(metric: Metric, source: Stream, pairs: Iterable[Pair]) -> Metric:
    """The metric, fitted to the examples that will be measured.

    Raises:
        MisuseError: it has to see all targets first, and the data can be read only once.
    """
    if not hasattr(metric, "fitted"):
        return metric
    drawn = isinstance(pairs, list)
    if not drawn and not source.rereadable:
        raise MisuseError(f"{metric.name} reads all targets before it counts, and these data can be read only once")
    examples = (example for example, _ in pairs) if drawn else source
    return fit(metric, [Example(e.id, "", e.label, target=e.target) for e in examples])


def _sharing() -> int:
    """How many actors a batch is shared among."""
    cluster = current_engine().cluster
    if cluster is None:
        return 1
    from pytest_llm.inference.cluster.asking import actors

    return actors(cluster)


def summed(metric: Metric, pairs: Iterable[Pair], ask: Callable[[Sequence[Example]], Sequence[Any]] | None) -> Counted:
    """The statistics of every example, made batch by batch.

    Args:
        metric: fitted, if it can be.
        pairs: examples, with their outputs where these are given.
        ask: the outputs for a batch; None where they are given.
    """
    of_each = value_of_each(metric)
    kept = StoredExamples()
    statistics, all_values, width = GrowingArray(np.float64), GrowingArray(np.float64), 0
    worst: list[tuple[tuple[bool, float, int], Example, Any]] = []
    for batch in batches(pairs, BATCH if ask is None else BATCH * _sharing()):
        examples = [example for example, _ in batch]
        outputs = [output for _, output in batch] if ask is None else ask(examples)
        made = [metric.statistics(*pair) for pair in zip(examples, outputs, strict=True)]
        rows = np.array(made, dtype=np.float64)
        if width not in (0, rows.shape[1]):
            raise ValueError(f"{metric.name} has {rows.shape[1]} statistics of an example, and {width} of one before")
        width = rows.shape[1]
        statistics.extend(rows)
        values = np.atleast_1d(of_each(rows))
        all_values.extend(values)
        # as Measurement.worst_places orders them: NaN first, then by value, then by place
        badness = np.where(np.isnan(values), np.inf, values if metric.lower_is_better else -values)
        for place in np.lexsort((-badness, ~np.isnan(values)))[:WORST].tolist():
            key = (not math.isnan(values[place]), -float(badness[place]), len(kept) + place)
            worst.append((key, examples[place], outputs[place]))
        worst = sorted(worst, key=lambda entry: entry[0])[:WORST]
        for example in examples:
            kept.append(example)
    for (_, _, place), example, _ in worst:
        kept.keep_whole(place, example)
    shown = FewOutputs(len(kept), {place: output for (_, _, place), _, output in worst})
    return Counted(kept, shown, statistics, all_values)
