"""Minimum functionality: simple cases that a model has to have right, as a rate of those that it has wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.comparison import output_text, ratio, references
from pytest_llm.metrics.right_answer import is_right
from pytest_llm.statistics.jackknife import FloatArray, Scale
from pytest_llm.tasks.choose import Choose
from pytest_llm.tasks.classify import Classify
from pytest_llm.tasks.generate import Generate


@dataclass(frozen=True)
class FailureRate:
    """The share of cases that are answered wrong. From 0 to 1.

    Args:
        task: how the model is asked.
    """

    task: Classify | Choose | Generate

    name: ClassVar[str] = "failure_rate"
    lower_is_better: ClassVar[bool] = True
    scale: ClassVar[Scale] = "linear"
    counts: ClassVar[str] = "cases"
    row: ClassVar[str] = "case"

    def signature(self, window: int | None = None) -> str:
        del window
        return self.name

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """Laid out as those of an attack: (wrong, 0, 0, 0, 0, 1).

        Raises:
            MisuseError: a case without a target, or an answer of another kind.
        """
        if example.target is None:
            raise MisuseError(f"case {example.label} has no target: nobody knows what it should be")
        if isinstance(self.task, Generate):
            right = output_text(example, output) in references(example)
        else:
            right = is_right(example, output)
        return float(not right), 0.0, 0.0, 0.0, 0.0, 1.0

    def aggregate(self, totals: FloatArray) -> FloatArray:
        return ratio(totals[..., 0], totals[..., -1])
