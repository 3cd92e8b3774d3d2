"""Agreement of raters beyond chance: 1 is perfect, 0 is what chance gives, below 0 is systematic disagreement.

All three are 1 − Dₒ/Dₑ, observed over expected disagreement:

    krippendorff_alpha  any number of raters, with gaps; nominal, ordinal or interval values: `krippendorff_alpha.py`
    cohen_kappa         two raters who both rated every item; nominal, or weighted by the distance of categories (Cohen 1960, 1968)
    fleiss_kappa        the same number of ratings for every item, nominal (Fleiss 1971)

Dₒ and Dₑ are functions of sums over items, so intervals come from the jackknife over items, as in the resampling of items that
Zapf et al. (2016) recommend for alpha and Fleiss' kappa. They hold for other items rated by *these* raters. Leaving raters out
instead has too few units to be worth a number: agreement usually has two to five raters.

Where all ratings are the same, chance agrees perfectly too: the value is NaN, which fails a gate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.data.ratings import RatingRows, item_examples, read_ratings
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.class_counts import ratio
from pytest_llm.statistics.jackknife import Basis, FloatArray, Scale

if TYPE_CHECKING:
    from typing_extensions import Self

Value: TypeAlias = "float | str"
Weights: TypeAlias = Literal["linear", "quadratic"]

_FEW_RATERS = 6


@dataclass(frozen=True)
class Agreement:
    """What measures of agreement share. An output is a mapping from raters to what they said of the item."""

    values: Sequence[Value] = ()
    """All values that occur, in order; empty: `fitted` reads them off the targets."""
    raters: Sequence[str] = ()

    task = None
    lower_is_better = False
    counts = "ratings"
    row: ClassVar[str] = "item"
    basis: ClassVar[Basis] = Basis.ITEMS

    @property
    def name(self) -> str:
        raise NotImplementedError

    @property
    def scale(self) -> Scale:
        return "linear"

    def fitted(self, examples: Sequence[Example]) -> Self:
        """A copy that knows the values and the raters.

        Raises:
            MisuseError: targets that are no ratings, a single rater, or ratings that this measure is not made for.
        """
        said = [_ratings(example.target, example) for example in examples]
        raters = sorted({rater for ratings in said for rater in ratings})
        if len(raters) < 2:
            raise MisuseError(f"agreement takes at least two raters; there is {', '.join(map(repr, raters)) or 'none'}")
        if not any(len(ratings) > 1 for ratings in said):
            raise MisuseError(
                "no item has two ratings, so nobody can agree or disagree; have items rated by two people"
            )
        try:
            values = sorted({value for ratings in said for value in ratings.values()})
        except TypeError:
            raise MisuseError("some ratings are numbers and some names of categories; make all of one kind") from None
        return self._checked(replace(self, values=tuple(values), raters=tuple(raters)), said)

    def signature(self, window: int | None = None) -> str:
        return f"{self.name}|raters:{len(self.raters) or 'from data'}|values:{len(self.values) or 'from data'}"

    def examples_of(self, data: RatingRows) -> tuple[Example, ...]:
        """One an item, with what each rater said of it; see `read_ratings` for the rows."""
        return item_examples(read_ratings(data, categories=self._nominal))

    def explain(self, example: Example, output: Mapping[str, Value]) -> str:
        """How often each value was said of the item; by whom, if few said anything."""
        by_value: dict[Value, list[str]] = {}
        for rater, value in output.items():
            by_value.setdefault(value, []).append(rater)
        few = len(output) <= _FEW_RATERS
        return ", ".join(
            f"{value if isinstance(value, str) else f'{value:g}'} {'by ' + ' and '.join(who) if few else f'× {len(who)}'}"
            for value, who in sorted(by_value.items())
        )

    @property
    def _nominal(self) -> bool:
        """Whether values are names without order."""
        return True

    def aggregate(self, totals: FloatArray) -> FloatArray:
        return 1 - ratio(self._observed(totals, totals), self._expected(totals))

    def example_values(self, statistics: FloatArray) -> FloatArray:
        """1 − the item's own disagreement over the expected one of all; 1 where an item has one rating only."""
        totals = statistics.sum(axis=0)
        own = 1 - ratio(self._observed(statistics, totals), self._expected(totals))
        return np.where(statistics[:, -1] == 0, 1.0, own)

    def _index(self, example: Example, output: Any) -> dict[str, int]:
        """The place of each rater's value among the values."""
        ratings = _ratings(output, example)
        try:
            return {rater: self.values.index(value) for rater, value in ratings.items()}
        except ValueError:
            raise MisuseError(
                f"the ratings of item {example.label} are {dict(ratings)!r}; known values are {tuple(self.values)!r}: "
                f"use fitted(examples)"
            ) from None

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """The sums that one item adds; the last one is the number of its ratings."""
        raise NotImplementedError

    def _checked(self, made: Self, said: Sequence[Mapping[str, Value]]) -> Self:
        return made

    def _observed(self, sums: FloatArray, totals: FloatArray) -> FloatArray:
        """The mean disagreement in sums over items; distances between values may depend on the totals."""
        raise NotImplementedError

    def _expected(self, totals: FloatArray) -> FloatArray:
        raise NotImplementedError


@dataclass(frozen=True)
class CohenKappa(Agreement):
    """Cohen's kappa of two raters who both rated every item."""

    weights: Weights | None = None
    """How disagreements weigh: all the same, or by how many values (in order) lie apart, or by the square of that."""

    def __post_init__(self) -> None:
        if self.weights not in (None, "linear", "quadratic"):
            raise MisuseError(f"weights={self.weights!r}: expected None, 'linear' or 'quadratic'")

    @property
    def name(self) -> str:
        return "cohen_kappa"

    @property
    def _nominal(self) -> bool:
        return self.weights is None

    def signature(self, window: int | None = None) -> str:
        return f"{super().signature(window)}|weights:{self.weights or 'none'}"

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """A one in the cell (first rater's value, second rater's value), then the number of ratings."""
        places = self._index(example, output)
        cell = np.zeros((len(self.values), len(self.values)))
        cell[places[self.raters[0]], places[self.raters[1]]] = 1
        return [*map(float, cell.ravel()), 2.0]

    def _checked(self, made: Self, said: Sequence[Mapping[str, Value]]) -> Self:
        if len(made.raters) != 2 or any(len(ratings) != 2 for ratings in said):
            gaps = sum(len(ratings) < len(made.raters) for ratings in said)
            raise MisuseError(
                f"Cohen's kappa takes two raters who both rated every item; there are {len(made.raters)}, and {gaps} of "
                f"{len(said)} items lack a rating; use krippendorff_alpha"
            )
        if self.weights and any(isinstance(value, str) for value in made.values):
            raise MisuseError(f"categories such as {made.values[0]!r} have no order; use weights=None, or give scores")
        return made

    def _observed(self, sums: FloatArray, totals: FloatArray) -> FloatArray:
        cells = self._cells(sums)
        return ratio((cells * self._distances()).sum(axis=(-1, -2)), cells.sum(axis=(-1, -2)))

    def _expected(self, totals: FloatArray) -> FloatArray:
        cells = self._cells(totals)
        first, second = cells.sum(axis=-1), cells.sum(axis=-2)
        by_chance = first[..., :, None] * second[..., None, :] * self._distances()
        return ratio(by_chance.sum(axis=(-1, -2)), cells.sum(axis=(-1, -2)) ** 2)

    def _cells(self, sums: FloatArray) -> FloatArray:
        return sums[..., :-1].reshape(*sums.shape[:-1], len(self.values), len(self.values))

    def _distances(self) -> FloatArray:
        place = np.arange(len(self.values), dtype=np.float64)
        apart = np.abs(place[:, None] - place[None, :])
        return np.asarray({None: (apart > 0).astype(np.float64), "linear": apart, "quadratic": apart**2}[self.weights])


@dataclass(frozen=True)
class FleissKappa(Agreement):
    """Fleiss' kappa: every item has the same number of ratings, by the same people or by others."""

    @property
    def name(self) -> str:
        return "fleiss_kappa"

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """How often each value was given, disagreeing pairs / pairs · ratings, and the number of ratings."""
        places = list(self._index(example, output).values())
        n = len(places)
        counts = np.bincount(places, minlength=len(self.values)).astype(np.float64)
        disagreeing = 1 - float((counts * (counts - 1)).sum()) / (n * (n - 1))
        return [*map(float, counts), disagreeing * n, float(n)]

    def _checked(self, made: Self, said: Sequence[Mapping[str, Value]]) -> Self:
        sizes = sorted({len(ratings) for ratings in said})
        if len(sizes) > 1:
            raise MisuseError(
                f"Fleiss' kappa takes the same number of ratings for every item; there are items with {sizes[0]} and with "
                f"{sizes[-1]}; use krippendorff_alpha"
            )
        return made

    def _observed(self, sums: FloatArray, totals: FloatArray) -> FloatArray:
        return ratio(sums[..., -2], sums[..., -1])

    def _expected(self, totals: FloatArray) -> FloatArray:
        share = ratio(totals[..., :-2], totals[..., -1:])
        return np.asarray(1 - (share**2).sum(axis=-1))


def _ratings(value: Any, example: Example) -> Mapping[str, Value]:
    if not isinstance(value, Mapping) or not value:
        raise MisuseError(
            f"the ratings of item {example.label} are {value!r} ({type(value).__name__}); "
            f"expected a mapping from raters to values: item_examples(ratings)"
        )
    return value
