"""A metric of your own, in one function: what one example contributes.

    @llm_metric("above")
    def keyword_share(example, output):
        wanted = example.row["keywords"]
        return sum(word in output for word in wanted), len(wanted)

The value is the quotient of the sums, so that examples weigh by what they are counted in; a function that returns one number is
averaged over examples. Interval, worst examples, thresholds and records come with it, as for every metric.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics import METRICS, Entry
from pytest_llm.metrics.comparison import ratio
from pytest_llm.statistics.jackknife import FloatArray, Scale
from pytest_llm.stopping.question import Quotient
from pytest_llm.tasks.generate import Generate
from pytest_llm.tasks.task import Task


@dataclass(frozen=True)
class CustomMetric:
    """What `llm_metric` makes of a function; call it as the function was called."""

    function: Callable[[Example, Any], float | tuple[float, float]]
    name: str
    good: Literal["below", "above"]
    task: Task | None
    counts: str

    scale: Scale = "linear"
    quotient: ClassVar[Quotient] = Quotient(-math.inf, math.inf)

    def __call__(self, example: Example, output: Any) -> float | tuple[float, float]:
        return self.function(example, output)

    @property
    def lower_is_better(self) -> bool:
        return self.good == "below"

    def signature(self, window: int | None = None) -> str:
        return f"{self.name}|custom:{self.function.__module__}.{self.function.__qualname__}"

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """(numerator, denominator); of a single number, (number, 1).

        Raises:
            MisuseError: the function gave neither, or a denominator that is negative or infinite.
        """
        given = self.function(example, output)
        pair = given if isinstance(given, tuple) else (given, 1.0)
        if len(pair) != 2 or not all(isinstance(part, int | float | np.number) for part in pair):
            raise MisuseError(
                f"{self.name} gave {given!r} for example {example.label}; expected a number, or (numerator, denominator)"
            )
        numerator, denominator = map(float, pair)
        if not 0 <= denominator < math.inf:
            raise MisuseError(f"{self.name} gave the denominator {denominator:g} for example {example.label}")
        return numerator, denominator

    def aggregate(self, totals: FloatArray) -> FloatArray:
        return ratio(totals[..., 0], totals[..., 1])


def llm_metric(
    good: Literal["below", "above"],
    *,
    task: Task | None = Generate(),  # noqa: B008  # it is frozen
    name: str | None = None,
    counts: str = "examples",
) -> Callable[[Callable[[Example, Any], Any]], CustomMetric]:
    """Make a metric of a function `(example, output) -> number`, or `-> (numerator, denominator)`.

    The metric is then measured by `measure(model, data, metric)`, asserted by `assert_metric_above` or `assert_metric_below`,
    and limited by the marker, as in `llm_threshold(keyword_share_above=0.9)`.

    Args:
        good: the side of a limit that is the good one; use it as `@llm_metric("above")`.
        task: what the model is asked to do unless the test says; None: outputs have to be given.
        name: how it is called; the function's name by default.
        counts: what the denominators count, in the plural.

    Raises:
        MisuseError: a side that is none, or a name that another metric has.
    """
    if good not in ("below", "above"):
        raise MisuseError(f'llm_metric({good!r}): say which side of a limit is good, as in @llm_metric("above")')

    def decorate(function: Callable[[Example, Any], Any]) -> CustomMetric:
        metric = CustomMetric(function, name or function.__name__, good, task, counts)
        _register(metric)
        return metric

    return decorate


def _register(metric: CustomMetric) -> None:
    known = METRICS.get(metric.name)
    own = known.custom if known is not None else None
    if known is not None and (own is None or _home(own.function) != _home(metric.function)):
        raise MisuseError(f"a metric called {metric.name!r} exists already: give yours another name=…")
    METRICS[metric.name] = Entry(home="", good=metric.good, custom=metric)


def _home(function: Callable[..., Any]) -> tuple[str, str]:
    """A module that is imported twice, as pytest does at times, defines the same metric twice."""
    return function.__module__.rpartition(".")[2], function.__qualname__
