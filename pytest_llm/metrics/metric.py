"""The one shape of a quality metric: a function of summed per-example statistics.

    value = aggregate(Σ statistics(example, output))

From it follow, written once for all metrics, the value, its interval, the value of a single example, and later the
paired comparison, early stopping and the merging of shards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from pytest_llm.data.example import Example
from pytest_llm.statistics.jackknife import FloatArray, Scale
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
