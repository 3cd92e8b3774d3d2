"""Human evaluation: mean rating and win rate, from the examples that `data/ratings.py` makes of what people said.

    mean_rating  Σ score / ratings
    win_rate     (wins + ½ ties) / comparisons

Raters are clusters: what one person says of many items is not independent, so intervals are over people, and with few people
they are wide. `cluster="item"` of the examples makes them intervals over items (prompts), for these same raters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.data.ratings import (
    Cluster,
    Preference,
    RatingRows,
    preference_examples,
    rating_examples,
    read_preferences,
    read_ratings,
)
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.class_counts import ratio
from pytest_llm.metrics.metric import Metric, estimate_of
from pytest_llm.statistics.jackknife import Basis, Estimate, FloatArray, Scale

BASES: dict[Cluster, Basis] = {"rater": Basis.RATERS, "item": Basis.ITEMS}
"""What an interval is about, by what makes answers depend on each other."""


@dataclass(frozen=True)
class MeanRating:
    """The mean of the scores that people gave; each rating weighs the same."""

    lowest: float | None = None
    """The lowest score there is; one below it is refused. None: not checked."""
    highest: float | None = None
    cluster: Cluster = "rater"
    """What makes ratings depend on each other; see `rating_examples`."""

    task = None
    lower_is_better = False
    scale: Scale = "linear"
    counts = "ratings"
    name = "mean_rating"

    def signature(self, window: int | None = None) -> str:
        return f"{self.name}|cluster:{self.cluster}"

    @property
    def basis(self) -> Basis:
        return BASES[self.cluster]

    def examples_of(self, data: RatingRows) -> tuple[Example, ...]:
        """One a rating; see `read_ratings` for the rows."""
        return rating_examples(read_ratings(data), cluster=self.cluster)

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """(score, 1)."""
        if isinstance(output, bool) or not isinstance(output, Real) or not math.isfinite(output):
            raise MisuseError(f"the rating of example {example.label} is {output!r}; expected a finite number")
        score = float(output)
        low, high = (
            (-math.inf if self.lowest is None else self.lowest),
            (math.inf if self.highest is None else self.highest),
        )
        if not low <= score <= high:
            raise MisuseError(f"the rating of example {example.label} is {score:g}; the scale is {low:g} to {high:g}")
        return score, 1.0

    def aggregate(self, totals: FloatArray) -> FloatArray:
        return ratio(totals[..., 0], totals[..., 1])


@dataclass(frozen=True)
class WinRate:
    """How often people prefer the candidate; a tie is half a win. ½ is what equally good candidates get."""

    candidate: str
    against: str | None = None
    """Only comparisons with this opponent; None: with any."""
    cluster: Cluster = "rater"

    task = None
    lower_is_better = False
    scale: Scale = "linear"
    counts = "comparisons"
    name = "win_rate"

    def signature(self, window: int | None = None) -> str:
        return (
            f"{self.name}|candidate:{self.candidate}|against:{self.against or 'any'}|ties:half|cluster:{self.cluster}"
        )

    @property
    def basis(self) -> Basis:
        return BASES[self.cluster]

    def examples_of(self, data: RatingRows) -> tuple[Example, ...]:
        """One a comparison of the candidate; see `read_preferences` for the rows."""
        compared = read_preferences(data)
        return preference_examples(compared, candidate=self.candidate, against=self.against, cluster=self.cluster)

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """(points, 1)."""
        preference = as_preference(output, example)
        if self.candidate not in (preference.first, preference.second):
            raise MisuseError(
                f"example {example.label} compares {preference.first!r} with {preference.second!r}, not {self.candidate!r}; "
                f"leave it out: preference_examples(…, candidate={self.candidate!r})"
            )
        return preference.points(self.candidate), 1.0

    def aggregate(self, totals: FloatArray) -> FloatArray:
        return ratio(totals[..., 0], totals[..., 1])


@dataclass(frozen=True, slots=True)
class Summary:
    """What people said, in one number."""

    name: str
    value: float
    estimate: Estimate | None
    """Its uncertainty over clusters; None where there is none to be had (a single rater)."""
    examples: int


def summarise(metric: Metric, examples: Sequence[Example]) -> Summary:
    """The value of a metric of human evaluation with its interval over the clusters of the examples.

    Args:
        metric: of human evaluation; fitted to the examples, if it has `fitted`.
        examples: from `rating_examples`, `preference_examples` or `item_examples`.

    Raises:
        MisuseError: no examples, or targets that the metric does not take.
    """
    if not examples:
        raise MisuseError("no ratings: there is nothing to summarise")
    rows = np.array([metric.statistics(example, example.target) for example in examples], dtype=np.float64)
    value = float(metric.aggregate(rows.sum(axis=0)))
    return Summary(metric.name, value, estimate_of(metric, examples, rows), len(examples))


def as_preference(output: Any, example: Example) -> Preference:
    """Refuse what is no preference."""
    if not isinstance(output, Preference):
        raise MisuseError(
            f"the output of example {example.label} is {output!r} ({type(output).__name__}); expected a Preference"
        )
    return output
