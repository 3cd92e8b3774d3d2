"""Calibration: whether a model that says "90 % sure" is right in 90 % of such cases.

    calibration_error = Σ_b |right_b − Σ confidence_b| / examples

over M bins of equal width, bin b holding the confidences in ((b−1)/M, b/M] (0 goes to the first). This is the *expected
calibration error* (ECE) of Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks" (ICML 2017), written
with sums; their M = 15 is the default. 0 is perfect, 1 the worst.

Like every ECE it is biased upwards with few examples (Kumar, Liang and Ma 2019), so values are comparable at equal numbers
of examples and bins only; and as a sum of absolute values it is not smooth where a bin is perfect, where intervals are rough.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.class_counts import ratio
from pytest_llm.metrics.labels import Label, as_label, predicted_label
from pytest_llm.statistics.jackknife import FloatArray, Scale
from pytest_llm.tasks.classify import Classify
from pytest_llm.tasks.task import Task

_ROUNDING = 1e-3
"""How far a softmax in half precision may be from adding up to 1."""


@dataclass(frozen=True)
class CalibrationError:
    """Expected calibration error of the most probable label; see the module for formula and source.

    An output is `(label, confidence)`, or a mapping from each label to its probability, of which the most probable counts
    (the first of equals). A probability that is NaN makes the value NaN.
    """

    bins: int = 15

    task: ClassVar[Task] = Classify()
    lower_is_better = True
    scale: Scale = "linear"
    counts = "examples"
    name = "calibration_error"

    def __post_init__(self) -> None:
        if isinstance(self.bins, bool) or not isinstance(self.bins, int) or self.bins < 1:
            raise MisuseError(f"bins={self.bins!r}: expected a whole number of bins, at least 1")

    def signature(self, window: int | None = None) -> str:
        return f"{self.name}|bins:{self.bins}|width:equal"

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """(examples, sum of confidence, right answers) of each bin, then 1."""
        label, confidence = _answer(output, example)
        right = predicted_label(label, example) == as_label(example.target, example, "target")
        sums = np.zeros((3, self.bins))
        if math.isnan(confidence):
            sums[:] = math.nan
        else:
            # compared with the edges, not ⌈confidence · bins⌉: 7/25 · 25 is above 7 in floating point
            upper_edges = np.arange(1, self.bins + 1) / self.bins
            sums[:, np.searchsorted(upper_edges, confidence)] = 1, confidence, right
        return [*map(float, sums.ravel()), 1.0]

    def aggregate(self, totals: FloatArray) -> FloatArray:
        _, confidence, right = self._split(totals)
        return ratio(np.abs(right - confidence).sum(axis=-1), totals[..., -1])

    def explain_total(self, totals: FloatArray) -> str:
        """The reliability diagram as lines of text: each bin that is not empty."""
        lines = ["confidence     examples  said  right"]
        for b, (n, confidence, right) in enumerate(zip(*self._split(totals), strict=True)):
            if n:
                edges = f"{b / self.bins:.3f}–{(b + 1) / self.bins:.3f}"
                lines.append(f"{edges:<13}  {n:>8.0f}  {confidence / n:.2f}   {right / n:.2f}")
        return "\n".join(lines)

    def _split(self, totals: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        m = self.bins
        return totals[..., :m], totals[..., m : 2 * m], totals[..., 2 * m : 3 * m]


def _answer(output: Any, example: Example) -> tuple[Label, float]:
    """The label and its probability; NaN if any probability is.

    Raises:
        MisuseError: neither form of output, no probabilities, or ones that do not add up to 1.
    """
    if isinstance(output, Mapping) and output:
        probabilities = [_probability(value, example) for value in output.values()]
        total = math.fsum(probabilities)
        if abs(total - 1) > _ROUNDING:
            raise MisuseError(
                f"the probabilities of example {example.label} add up to {total:.4g}, not to 1; "
                f"normalise them over the labels (softmax)"
            )
        labels = list(output)
        best = labels[int(np.argmax(probabilities))]
        return best, math.nan if math.isnan(total) else max(probabilities)
    if isinstance(output, tuple | list) and len(output) == 2:
        return output[0], _probability(output[1], example)
    raise MisuseError(
        f"the output of example {example.label} is {output!r} ({type(output).__name__}); "
        f"expected (label, confidence) or a mapping from labels to probabilities"
    )


def _probability(value: Any, example: Example) -> float:
    if isinstance(value, bool | str) or not np.isscalar(value):
        raise MisuseError(f"the confidence of example {example.label} is {value!r}; expected a number from 0 to 1")
    number = float(value)  # type: ignore[arg-type]  # np.isscalar admits complex numbers, which float() refuses
    if number < 0 or number > 1:
        raise MisuseError(
            f"the confidence of example {example.label} is {number!r}; expected a number from 0 to 1 "
            f"(of a log-probability, take exp)"
        )
    return number
