"""Krippendorff's alpha: agreement beyond chance of any number of raters, who need not have rated every item.

    α = 1 − Dₒ/Dₑ

Dₒ is the mean squared distance of two ratings of one item, Dₑ that of two ratings of any items. Each pair of one item is
divided by the number of its ratings less one, so that each rating weighs the same. Distances, by level:

    nominal   1 between any two different values
    ordinal   the ratings that lie between two values, half of those at either end counted: the distance of their mid-ranks
    interval  the difference of the values

Krippendorff, "Computing Krippendorff's alpha-reliability" (2011). An item with a single rating says nothing and is left out.
`agreement.py` says how the interval is made and when there is no value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.agreement import Agreement, Value
from pytest_llm.metrics.class_counts import ratio
from pytest_llm.statistics.jackknife import FloatArray

if TYPE_CHECKING:
    from typing_extensions import Self

Level: TypeAlias = Literal["nominal", "ordinal", "interval"]

_MOST_VALUES = 50
"""Of nominal and ordinal ratings; their statistics are as many as the square of this."""
_ROUNDING = 1e-9
"""Interval sums do not cancel exactly when an item is left out of the totals; below this share of the range, nothing is left."""


@dataclass(frozen=True)
class KrippendorffAlpha(Agreement):
    """Krippendorff's alpha; see the module for the formula and the source."""

    level: Level = "ordinal"
    """How values differ: at all ("nominal"), by the ratings between them ("ordinal"), or by their difference ("interval")."""

    def __post_init__(self) -> None:
        if self.level not in ("nominal", "ordinal", "interval"):
            raise MisuseError(f"level={self.level!r}: expected one of 'nominal', 'ordinal', 'interval'")

    @property
    def name(self) -> str:
        return "krippendorff_alpha"

    @property
    def _nominal(self) -> bool:
        return self.level == "nominal"

    def signature(self, window: int | None = None) -> str:
        return f"{super().signature(window)}|level:{self.level}"

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """The item's coincidences, then its ratings (0 if it has only one).

        The coincidences are a matrix of pairs of values; at level "interval", where values may be many, their squared
        differences, the sum of the values and the sum of their squares.
        """
        places = list(self._index(example, output).values())
        n = len(places)
        if self.level == "interval":
            x = self._centred()[places] if n > 1 else np.zeros(1)
            differences = float(((x[:, None] - x[None, :]) ** 2).sum()) / max(n - 1, 1)
            sums = [differences, float(x.sum()), float((x**2).sum())]
        else:
            counts = np.bincount(places, minlength=len(self.values)).astype(np.float64)
            pairs = (np.outer(counts, counts) - np.diag(counts)) / max(n - 1, 1)
            sums = [float(pair) for pair in pairs.ravel()]
        return [*sums, float(n if n > 1 else 0)]

    def _checked(self, made: Self, said: Sequence[Mapping[str, Value]]) -> Self:
        if self.level != "nominal" and any(isinstance(value, str) for value in made.values):
            raise MisuseError(
                f"categories such as {made.values[0]!r} have no order; use level='nominal', or give scores"
            )
        if self.level != "interval" and len(made.values) > _MOST_VALUES:
            raise MisuseError(
                f"there are {len(made.values)} different ratings; use level='interval', or round them to at most {_MOST_VALUES}"
            )
        return made

    def _observed(self, sums: FloatArray, totals: FloatArray) -> FloatArray:
        if self.level == "interval":
            return ratio(sums[..., 0], sums[..., -1])
        return ratio((self._pairs(sums) * self._distances(totals)).sum(axis=(-1, -2)), sums[..., -1])

    def _expected(self, totals: FloatArray) -> FloatArray:
        n = totals[..., -1]
        if self.level == "interval":
            by_chance = 2 * (n * totals[..., 2] - totals[..., 1] ** 2)
            nothing = float(np.ptp(self._centred())) ** 2 * _ROUNDING
            return ratio(np.where(by_chance > nothing, by_chance, 0.0), n * (n - 1))
        frequency = self._pairs(totals).sum(axis=-1)
        chances = frequency[..., :, None] * frequency[..., None, :]
        return ratio((chances * self._distances(totals)).sum(axis=(-1, -2)), n * (n - 1))

    def _pairs(self, sums: FloatArray) -> FloatArray:
        v = len(self.values)
        return sums[..., :-1].reshape(*sums.shape[:-1], v, v)

    def _centred(self) -> FloatArray:
        """The values, moved to the middle of their range, where squares lose no digits."""
        values = np.array(self.values, dtype=np.float64)
        return np.asarray(values - (values[0] + values[-1]) / 2)

    def _distances(self, totals: FloatArray) -> FloatArray:
        """Squared distances of values, `[..., V, V]`."""
        if self.level == "nominal":
            return 1 - np.eye(len(self.values))
        frequency = self._pairs(totals).sum(axis=-1)
        middle = frequency.cumsum(axis=-1) - frequency / 2
        return np.asarray((middle[..., :, None] - middle[..., None, :]) ** 2)
