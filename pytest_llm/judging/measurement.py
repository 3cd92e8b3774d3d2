"""What was measured: a metric's value on a data set, with everything that is needed to judge it again without the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.data.provenance import Identity, Provenance
from pytest_llm.statistics.clustered_quantile import ClusteredQuantile
from pytest_llm.statistics.jackknife import Estimate, FloatArray, Scale
from pytest_llm.statistics.latency import QuantileEstimate
from pytest_llm.statistics.share import ShareEstimate
from pytest_llm.stopping.watch import Stopped
from pytest_llm.storage.growing_array import parts
from pytest_llm.wording import number

WORST = 5
"""So many of the worst examples are shown."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """A metric's value on a data set, with everything needed to judge it again without the model."""

    metric: str
    value: float
    lower_is_better: bool
    estimate: Estimate | QuantileEstimate | ClusteredQuantile | ShareEstimate | None
    """Its uncertainty over documents; None where there is none to be had (a single document)."""
    examples: Sequence[Example]
    statistics: FloatArray
    """`[examples, k]`: what each example adds to the sums; the last column counts tokens, words, …"""
    example_values: FloatArray
    """`[examples]`: the metric of each example by itself."""
    counts: str
    signature: str
    data: str
    provenance: Provenance
    outputs: Sequence[Any] | None = None
    """What the model gave for each example, where that says something to a reader: texts, labels."""
    overview: str = ""
    """More about the whole, such as a confusion matrix: lines of text."""
    explain: Callable[[Example, Any], str] | None = None
    """What happened in one example, such as an alignment: lines of text."""
    remedy: str = (
        "find the layer that yields NaN: weights that overflow float16 are the usual cause (try dtype float32)"
    )
    """What to do where the value is no number."""
    without_interval: str = "it takes at least two independent documents with finite values"
    """Why there is no estimate, where there is none."""
    row: str = "example"
    """What one row of the statistics is about."""
    aggregate: Callable[[FloatArray], FloatArray] | None = None
    """Totals of the statistics to the value, for comparisons; None where the value is no function of sums."""
    value_of_each: Callable[[FloatArray], FloatArray] | None = None
    """Rows of the statistics to `example_values`, where that is not the same."""
    scale: Scale = "linear"
    """On which scale errors, and changes, are symmetric."""
    again: Callable[[], Measurement] | None = None
    """Asks the model once more, past all that is remembered; None where no model was asked."""
    identity: Callable[[], Identity] = Identity
    """What the model is made of; asked for only where it matters, since it reads all weights."""
    left_out: int = 0
    """How many examples of the data `--llm-limit`, or the tier, left out."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The metric's settings, as data: see `metrics.settings`."""
    recorded: Mapping[str, str] = field(default_factory=dict)
    """When and with what it was measured, if not now: it was read from a run record."""
    stopped: Stopped | None = None
    """How a gate was decided before all of the data was seen; examples, statistics and value are then those of what was seen,
    and nothing but that gate can be judged by them."""

    @property
    def n(self) -> int:
        return len(self.examples)

    @property
    def units(self) -> list[str]:
        """Of each example the independent unit it belongs to."""
        return [example.unit for example in self.examples]

    def worst(self, count: int = WORST) -> list[tuple[Example, float]]:
        """The examples with the worst values of their own, worst first; NaN counts as worst of all."""
        return [(self.examples[i], float(self.example_values[i])) for i in self.worst_places(count)]

    def worst_places(self, count: int = WORST) -> list[int]:
        """Where these examples stand."""
        worst, seen = np.zeros(0, np.intp), 0
        for part in parts(self.example_values):
            places = np.concatenate([worst, np.arange(seen, seen + len(part))])
            badness = self.example_values[places] if self.lower_is_better else -self.example_values[places]
            worst = places[np.lexsort((-badness, ~np.isnan(badness)))[:count]]
            seen += len(part)
        order: list[int] = worst.tolist()
        return order


def interval_of(m: Measurement) -> str:
    """Between which values the one of all of the data, or of text like this, lies."""
    if m.stopped is not None and m.stopped.decided != "undefined":
        ends = f"{number(m.stopped.low)} to {number(m.stopped.high)}"
        return f"{ends} on all {m.stopped.units} documents ({m.stopped.certainty})"
    if m.estimate is None:
        return f"none: {m.without_interval}"
    interval, basis = m.estimate.interval(), m.estimate.basis
    return f"{number(interval.low)} to {number(interval.high)} {basis.claim} (95 %, {basis.method})"
