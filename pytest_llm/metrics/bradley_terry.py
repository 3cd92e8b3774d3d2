"""Bradley–Terry: strengths of several candidates from comparisons of two at a time.

The model: P(i is preferred to j) = 1 / (1 + exp(θⱼ − θᵢ)), a tie being half a win for each. Strengths θ are those of greatest
likelihood, with mean 0 over the candidates; their unit is the natural log-odds (Elo points: · 400 / ln 10). Bradley and Terry
(1952); ties as halves as in Chatbot Arena (Chiang et al. 2024). The likelihood depends on the comparisons only by how often
each candidate beat each other, which are sums over comparisons, so intervals come from the jackknife over clusters.

Strengths are finite only if nobody stands apart: from each candidate a chain of wins must lead to each other (Ford 1957). Else
the value is NaN, unless `prior` adds some imagined wins to each pair in both directions. For two candidates the win rate says
the same and is easier to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.data.ratings import Cluster, Preference, RatingRows, preference_examples, read_preferences
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.preference import BASES, Summary, as_preference, summarise
from pytest_llm.statistics.jackknife import Basis, FloatArray, Scale

if TYPE_CHECKING:
    from typing_extensions import Self

_ITERATIONS = 200
_CONVERGED = 1e-12


@dataclass(frozen=True)
class BradleyTerry:
    """The strength of one candidate among all; see the module for model, unit and source."""

    candidate: str
    prior: float = 0.0
    """Imagined wins of each candidate over each other; 0 is maximum likelihood."""
    candidates: Sequence[str] = ()
    """All names; empty: `fitted` reads them off the comparisons."""
    cluster: Cluster = "rater"
    """What makes comparisons depend on each other; see `preference_examples`."""

    task = None
    lower_is_better = False
    scale: Scale = "linear"
    counts = "comparisons"
    name = "bradley_terry"

    def __post_init__(self) -> None:
        if not 0 <= self.prior < np.inf:
            raise MisuseError(f"prior={self.prior!r}: expected a number of wins, at least 0")
        object.__setattr__(self, "candidates", tuple(self.candidates))

    def fitted(self, examples: Sequence[Example]) -> Self:
        """A copy that knows all candidates.

        Raises:
            MisuseError: targets that are no preferences, or a candidate whom nobody was compared with.
        """
        compared = [as_preference(example.target, example) for example in examples]
        names = tuple(self.candidates) or tuple(sorted({name for p in compared for name in (p.first, p.second)}))
        if self.candidate not in names:
            raise MisuseError(
                f"no comparison is about {self.candidate!r}; candidates are {', '.join(map(repr, names))}"
            )
        return replace(self, candidates=names)

    def signature(self, window: int | None = None) -> str:
        names = ",".join(self.candidates) or "from comparisons"
        return f"{self.name}|candidate:{self.candidate}|prior:{self.prior:g}|ties:half|candidates:{names}|cluster:{self.cluster}"

    @property
    def basis(self) -> Basis:
        return BASES[self.cluster]

    def examples_of(self, data: RatingRows) -> tuple[Example, ...]:
        """One a comparison, of any two candidates; see `read_preferences` for the rows."""
        return preference_examples(read_preferences(data), cluster=self.cluster)

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """How often each candidate (row) beat each other (column), then 1."""
        preference = as_preference(output, example)
        wins = np.zeros((len(self.candidates), len(self.candidates)))
        try:
            first, second = (self.candidates.index(name) for name in (preference.first, preference.second))
        except ValueError:
            raise MisuseError(
                f"example {example.label} compares {preference.first!r} with {preference.second!r}; known candidates are "
                f"{', '.join(map(repr, self.candidates)) or 'none'}: use fitted(examples)"
            ) from None
        wins[first, second], wins[second, first] = (
            preference.points(preference.first),
            preference.points(preference.second),
        )
        return [*map(float, wins.ravel()), 1.0]

    def aggregate(self, totals: FloatArray) -> FloatArray:
        n = len(self.candidates)
        wins = totals[..., :-1].reshape(*totals.shape[:-1], n, n)
        return strengths_of(wins + self.prior * (1 - np.eye(n)))[..., self.candidates.index(self.candidate)]


def strengths(
    preferences: Sequence[Preference], *, prior: float = 0.0, cluster: Cluster = "rater"
) -> dict[str, Summary]:
    """The strength of each candidate, strongest first, with its interval.

    Args:
        preferences: the comparisons.
        prior: imagined wins of each candidate over each other, which keep strengths finite; 0 is maximum likelihood.
        cluster: what makes comparisons depend on each other: the rater, or the item.

    Raises:
        MisuseError: no comparisons, or (without prior) candidates of whom one never lost to any of the others, or never won.
    """
    examples = preference_examples(preferences, cluster=cluster)
    names = sorted({name for p in preferences for name in (p.first, p.second)})
    found = {name: summarise(BradleyTerry(name, prior).fitted(examples), examples) for name in names}
    if any(np.isnan(summary.value) for summary in found.values()):
        raise MisuseError(
            f"no strengths exist: among {', '.join(map(repr, names))}, no chain of wins leads from each to each other, so the "
            f"likelihood grows without end; compare more, leave out who stands apart, or give prior=0.5"
        )
    return dict(sorted(found.items(), key=lambda pair: -pair[1].value))


def strengths_of(wins: FloatArray) -> FloatArray:
    """Strengths of greatest likelihood, by Newton's method on all tables at once.

    Args:
        wins: shape `[..., n, n]`: how often the row's candidate beat the column's; the diagonal is 0.

    Returns:
        Shape `[..., n]`, with mean 0; NaN where no finite strengths exist.
    """
    n = wins.shape[-1]
    solvable = _each_reaches_each(wins > 0)
    wins = np.where(solvable[..., None, None], wins, 1 - np.eye(n))
    losses = np.swapaxes(wins, -1, -2)
    theta = np.zeros(wins.shape[:-1])
    for _ in range(_ITERATIONS):
        chance = 1 / (1 + np.exp(theta[..., None, :] - theta[..., :, None]))
        other = np.swapaxes(chance, -1, -2)  # 1 − chance, with all its digits where that is tiny
        gradient = (wins * other - losses * chance).sum(axis=-1)
        information = (wins + losses) * chance * other
        # the Laplacian of the information has no answer for shifts of all strengths; 1/n pins their mean
        hessian = information.sum(axis=-1)[..., None] * np.eye(n) - information + 1 / n
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        reach = np.abs(step).max(axis=-1, keepdims=True)
        theta += step / np.maximum(reach, 1)  # Newton overshoots where somebody nearly always wins
        if reach.max(initial=0) < _CONVERGED:
            break
    settled = solvable & (reach[..., 0] < np.sqrt(_CONVERGED))
    return np.where(settled[..., None], theta - theta.mean(axis=-1, keepdims=True), np.nan)


def _each_reaches_each(beats: np.ndarray[Any, np.dtype[np.bool_]]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether a chain of wins leads from each candidate to each other, for all tables at once."""
    n = beats.shape[-1]
    reaches = beats | np.eye(n, dtype=bool)
    for _ in range(max(n - 1, 1).bit_length()):
        reaches = (reaches.astype(np.float64) @ reaches.astype(np.float64)) > 0
    return np.asarray(reaches.all(axis=(-1, -2)))
