"""Retrieval: how high the relevant documents stand in the ranking that a model gives for a query.

    recall_at_k   relevant documents among the first k / relevant documents
    mrr           1 / rank of the first relevant document, 0 if there is none (among the first k, if k is given)
    ndcg_at_k     DCG / DCG of the best ranking possible, DCG = Σ_{i ≤ k} gainᵢ / log₂(i + 1)

each averaged over queries. `nDCG` is that of Järvelin and Kekäläinen (2002) with gains as given, as in scikit-learn's
`ndcg_score` and trec_eval (not 2^gain − 1).

Ties. Where documents have equal scores, the value is the mean over all orders of the equals, computed in closed form
(McSherry and Najork, "Computing information retrieval performance measures efficiently in the presence of tied scores", 2008;
scikit-learn's default). So a model that gives all documents one score gets what chance gives, wherever the right one
happens to stand in the list. A ranking of ids has no ties.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence, Set
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from scipy.special import comb

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.class_counts import ratio
from pytest_llm.statistics.jackknife import FloatArray, Scale
from pytest_llm.tasks.embed import Embed
from pytest_llm.tasks.task import Task


@dataclass(frozen=True, slots=True)
class _Ranked:
    """The retrieved documents of one query, best first, with equals side by side."""

    gains: FloatArray
    groups: list[slice]
    """The runs of documents with equal scores."""
    ideal: FloatArray
    """All gains there are to be had, retrieved or not, greatest first."""


@dataclass(frozen=True)
class _Retrieval:
    """What the metrics share: reading output and target, and the mean over queries.

    An output is a ranking (a sequence of document ids, best first), a mapping from ids to scores, or an array of floats, the
    scores of documents 0, 1, 2, …. `example.target` is a collection of the relevant ids, or a mapping from ids to gains ≥ 0
    (relevant: gain > 0). A relevant document that was not retrieved is missed.
    """

    k: int | None = None
    """How many of the first documents count; None: all."""

    task: ClassVar[Task] = Embed()
    lower_is_better = False
    counts = "queries"

    def __post_init__(self) -> None:
        if self.k is not None and (isinstance(self.k, bool) or not isinstance(self.k, int) or self.k < 1):
            raise MisuseError(f"k={self.k!r}: expected a whole number of documents, at least 1, or None for all")

    @property
    def name(self) -> str:
        raise NotImplementedError

    @property
    def scale(self) -> Scale:
        return "linear"

    def signature(self, window: int | None = None) -> str:
        return f"{self.name}|k:{'all' if self.k is None else self.k}|ties:mean"

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """(value of the query, 1); NaN if a score is."""
        gains = _gains(example)
        ranked = _ranked(example, output, gains)
        return (np.nan if ranked is None else self._value(ranked)), 1.0

    def aggregate(self, totals: FloatArray) -> FloatArray:
        return ratio(totals[..., 0], totals[..., 1])

    def _value(self, ranked: _Ranked) -> float:
        raise NotImplementedError

    def _depth(self, ranked: _Ranked) -> int:
        return len(ranked.gains) if self.k is None else self.k


@dataclass(frozen=True)
class RecallAtK(_Retrieval):
    """The share of the relevant documents that stand among the first k; see the module."""

    k: int | None = 10

    @property
    def name(self) -> str:
        return "recall_at_k"

    def _value(self, ranked: _Ranked) -> float:
        found = 0.0
        for group in ranked.groups:
            inside = min(max(self._depth(ranked) - group.start, 0), group.stop - group.start)
            found += inside * float((ranked.gains[group] > 0).mean())
        return found / int((ranked.ideal > 0).sum())


@dataclass(frozen=True)
class ReciprocalRank(_Retrieval):
    """1 / rank of the first relevant document, averaged over queries (mean reciprocal rank); see the module."""

    @property
    def name(self) -> str:
        return "mrr"

    def _value(self, ranked: _Ranked) -> float:
        for group in ranked.groups:
            relevant = int((ranked.gains[group] > 0).sum())
            if relevant:
                return self._expected(group.start, group.stop - group.start, relevant, self._depth(ranked))
        return 0.0

    def _expected(self, before: int, size: int, relevant: int, depth: int) -> float:
        """The mean of 1 / rank over all orders of `size` equals, of which `relevant` are, after `before` others."""
        place = np.arange(1, size - relevant + 2)  # of the first relevant one among the equals
        probability = comb(size - place, relevant - 1) / comb(size, relevant)
        rank = before + place
        return float((probability / rank)[rank <= depth].sum())


@dataclass(frozen=True)
class NDCG(_Retrieval):
    """Normalised discounted cumulative gain of the first k documents; see the module for formula and source."""

    k: int | None = 10

    @property
    def name(self) -> str:
        return "ndcg_at_k"

    def _value(self, ranked: _Ranked) -> float:
        expected = ranked.gains.copy()
        for group in ranked.groups:
            expected[group] = expected[group].mean()
        return self._dcg(expected) / self._dcg(ranked.ideal)

    def _dcg(self, gains: FloatArray) -> float:
        first = gains if self.k is None else gains[: self.k]
        return float((first / np.log2(np.arange(2, len(first) + 2))).sum())


def _gains(example: Example) -> dict[Hashable, float]:
    """The gain of each document of the target.

    Raises:
        MisuseError: no collection or mapping, a gain that is no number ≥ 0, or nothing relevant.
    """
    target = example.target
    if isinstance(target, Mapping):
        gains = dict(target)
    elif isinstance(target, Set | list | tuple):
        gains = dict.fromkeys(target, 1.0)
    else:
        raise MisuseError(
            f"the target of example {example.label} is {target!r} ({type(target).__name__}); "
            f"expected the set of relevant document ids, or a mapping from ids to gains"
        )
    for document, gain in gains.items():
        if not isinstance(gain, Real) or not 0 <= float(gain) < np.inf:
            raise MisuseError(f"example {example.label} gives document {document!r} the gain {gain!r}; expected ≥ 0")
    if not any(gains.values()):
        raise MisuseError(f"no document is relevant to example {example.label}, so nothing can be found: drop it")
    return gains


def _ranked(example: Example, output: Any, gains: Mapping[Hashable, float]) -> _Ranked | None:
    """The output put in order; None if a score is NaN.

    Raises:
        MisuseError: an output of another kind, a document ranked twice, or ids that can never be those of the target.
    """
    ideal = np.sort(np.array(list(gains.values()), dtype=np.float64))[::-1]
    if isinstance(output, np.ndarray) and output.ndim == 1 and np.issubdtype(output.dtype, np.floating):
        return _in_order(_gains_by_position(example, len(output), gains), output.astype(np.float64), ideal)
    found = _gains_by_id(example, _ids(example, output), gains)
    if isinstance(output, Mapping):
        return _in_order(found, np.array(list(output.values()), dtype=np.float64), ideal)
    return _Ranked(found, [slice(i, i + 1) for i in range(len(found))], ideal)


def _in_order(gains: FloatArray, scores: FloatArray, ideal: FloatArray) -> _Ranked | None:
    if np.isnan(scores).any():
        return None
    sizes = np.unique(-scores, return_counts=True)[1]
    stops = np.cumsum(sizes).tolist()
    groups = [slice(stop - size, stop) for stop, size in zip(stops, sizes.tolist(), strict=True)]
    return _Ranked(gains[np.argsort(-scores, kind="stable")], groups, ideal)


def _gains_by_position(example: Example, documents: int, gains: Mapping[Hashable, float]) -> FloatArray:
    found = np.zeros(documents)
    for document, gain in gains.items():
        if not isinstance(document, int | np.integer) or not 0 <= document < documents:
            raise MisuseError(
                f"the target of example {example.label} names document {document!r}, but its output is scores of "
                f"{documents} documents; call them 0 to {documents - 1}, or give a mapping from ids to scores"
            )
        found[document] = gain
    return found


def _gains_by_id(example: Example, ids: Sequence[Hashable], gains: Mapping[Hashable, float]) -> FloatArray:
    if len(set(ids)) < len(ids):
        twice = next(document for document in ids if ids.count(document) > 1)
        raise MisuseError(f"the ranking of example {example.label} holds {twice!r} twice; rank each document once")
    if ids and not {isinstance(i, str) for i in ids} & {isinstance(i, str) for i in gains}:
        raise MisuseError(
            f"the target of example {example.label} names document {next(iter(gains))!r} and its output {ids[0]!r}: strings "
            f"and numbers are never equal; use the same ids in both"
        )
    return np.array([gains.get(document, 0.0) for document in ids], dtype=np.float64)


def _ids(example: Example, output: Any) -> list[Hashable]:
    if isinstance(output, np.ndarray) and output.ndim == 1:
        return list(output.tolist())
    if isinstance(output, Mapping | list | tuple) and not any(isinstance(document, float) for document in output):
        return list(output)
    raise MisuseError(
        f"the output of example {example.label} is {output!r:.80} ({type(output).__name__}); expected a ranking of document "
        f"ids, a mapping from ids to scores, or a one-dimensional numpy array of scores"
    )
