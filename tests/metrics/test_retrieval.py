"""Retrieval metrics against plain formulas over all orders of the equals and scikit-learn, by hand, and what they refuse."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.retrieval import NDCG, RecallAtK, ReciprocalRank

AnyMetric: TypeAlias = "RecallAtK | ReciprocalRank | NDCG"
Gains: TypeAlias = "dict[int, float]"

DEPTHS = st.one_of(st.none(), st.integers(1, 8))
SCORED = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=6).filter(
    lambda documents: any(gain for _, gain in documents)
)
"""Documents as (score, gain), with many ties."""


def value(metric: AnyMetric, target: Any, output: Any) -> float:
    score, weight = metric.statistics(Example("0", "text", "#0", target=target), output)
    assert weight == 1
    return score


def recall(ranking: Sequence[int], gains: Gains, k: int) -> float:
    relevant = {document for document, gain in gains.items() if gain}
    return len(relevant.intersection(ranking[:k])) / len(relevant)


def reciprocal_rank(ranking: Sequence[int], gains: Gains, k: int) -> float:
    return next((1 / rank for rank, document in enumerate(ranking[:k], 1) if gains.get(document)), 0)


def ndcg(ranking: Sequence[int], gains: Gains, k: int) -> float:
    def dcg(values: Sequence[float]) -> float:
        return math.fsum(gain / math.log2(rank + 1) for rank, gain in enumerate(values[:k], 1))

    return dcg([gains.get(document, 0) for document in ranking]) / dcg(sorted(gains.values(), reverse=True))


METRICS: list[tuple[type[AnyMetric], Callable[[Sequence[int], Gains, int], float]]] = [
    (RecallAtK, recall),
    (ReciprocalRank, reciprocal_rank),
    (NDCG, ndcg),
]


@pytest.mark.parametrize(("metric", "formula"), METRICS)
@settings(deadline=None, max_examples=60)
@given(documents=SCORED, k=DEPTHS)
def test_ties_get_the_mean_over_all_their_orders(
    metric: type[AnyMetric], formula: Callable[..., float], documents: list[tuple[int, int]], k: int | None
) -> None:
    scores = [score for score, _ in documents]
    gains = {document: float(gain) for document, (_, gain) in enumerate(documents)}
    orders = [
        order
        for order in itertools.permutations(range(len(scores)))
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order))
    ]
    expected = math.fsum(formula(order, gains, k or len(scores)) for order in orders) / len(orders)
    assert value(metric(k), gains, np.array(scores, dtype=np.float32)) == pytest.approx(expected)
    assert value(metric(k), gains, dict(enumerate(scores))) == pytest.approx(expected)


@pytest.mark.parametrize(("metric", "formula"), METRICS)
@given(
    ranking=st.permutations(range(7)), cut=st.integers(0, 7), relevant=st.sets(st.integers(0, 9), min_size=1), k=DEPTHS
)
def test_a_ranking_may_lack_documents_relevant_or_not(
    metric: type[AnyMetric],
    formula: Callable[..., float],
    ranking: list[int],
    cut: int,
    relevant: set[int],
    k: int | None,
) -> None:
    expected = formula(ranking[:cut], dict.fromkeys(relevant, 1.0), k or 99)
    assert value(metric(k), relevant, ranking[:cut]) == pytest.approx(expected)
    assert value(metric(k), relevant, np.array(ranking[:cut], dtype=np.int64)) == pytest.approx(expected)


def test_without_k_the_best_ranking_possible_holds_all_relevant_documents() -> None:
    assert value(NDCG(None), {1, 2}, [1]) == pytest.approx(1 / (1 + 1 / math.log2(3)))


@settings(deadline=None)
@given(SCORED.filter(lambda documents: len(documents) > 1), DEPTHS)
def test_ndcg_is_that_of_scikit_learn_ties_included(documents: list[tuple[int, int]], k: int | None) -> None:
    scores, gains = (np.array(column, dtype=np.float64) for column in zip(*documents, strict=True))
    expected = ndcg_score([gains], [scores], k=k)
    assert value(NDCG(k), dict(enumerate(gains)), scores) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (RecallAtK(1), 0),
        (RecallAtK(3), 1 / 2),
        (RecallAtK(), 1),
        (ReciprocalRank(), 1 / 2),
        (ReciprocalRank(1), 0),
        (NDCG(), (3 / math.log2(3) + 1 / math.log2(5)) / (3 + 1 / math.log2(3))),
    ],
)
def test_one_ranking_by_hand(metric: AnyMetric, expected: float) -> None:
    assert value(metric, {"x": 3, "y": 1, "z": 0}, ["a", "x", "b", "y", "z"]) == pytest.approx(expected)


@pytest.mark.parametrize("right", range(4))
def test_one_score_for_all_documents_gets_what_chance_gets(right: int) -> None:
    collapsed = np.ones(4)
    assert value(RecallAtK(1), {right}, collapsed) == pytest.approx(1 / 4)
    assert value(ReciprocalRank(), {right}, collapsed) == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)


@pytest.mark.parametrize("metric", [RecallAtK(), ReciprocalRank(), NDCG()])
def test_nothing_retrieved_is_0_nan_is_nan_and_minus_infinity_is_last(metric: AnyMetric) -> None:
    assert value(metric, {"a"}, []) == 0
    assert math.isnan(value(metric, {0}, np.array([math.nan, 1.0])))
    assert math.isnan(value(metric, {"a"}, {"a": 1.0, "b": math.nan}))
    assert value(metric, {1}, np.array([-math.inf, 0.0])) == 1


def test_the_value_is_the_mean_over_queries() -> None:
    assert RecallAtK().aggregate(np.array([[1.5, 3.0], [0.0, 0.0]])).tolist() == pytest.approx(
        [0.5, math.nan], nan_ok=True
    )


def test_names_and_signatures() -> None:
    assert [metric().name for metric, _ in METRICS] == ["recall_at_k", "mrr", "ndcg_at_k"]
    assert RecallAtK().signature() == "recall_at_k|k:10|ties:mean"
    assert ReciprocalRank().signature() == "mrr|k:all|ties:mean"
    assert NDCG(5).signature() == "ndcg_at_k|k:5|ties:mean"


@pytest.mark.parametrize(
    ("target", "output", "message"),
    [
        ("a", ["a"], r"the target of example #0 is 'a' \(str\); expected the set of relevant document ids"),
        (set(), ["a"], "no document is relevant to example #0, so nothing can be found: drop it"),
        ({"a": 0}, ["a"], "no document is relevant to example #0"),
        ({"a": -1}, ["a"], "example #0 gives document 'a' the gain -1; expected ≥ 0"),
        ({"a": "1"}, ["a"], "example #0 gives document 'a' the gain '1'"),
        ({"a": math.nan}, ["a"], "example #0 gives document 'a' the gain nan"),
        ({"a"}, ["b", "a", "b"], "the ranking of example #0 holds 'b' twice"),
        ({"1"}, [1, 2], "names document '1' and its output 1: strings and numbers are never equal"),
        ({3}, np.zeros(3), "names document 3, but its output is scores of 3 documents; call them 0 to 2"),
        ({"a"}, np.zeros(3), "names document 'a', but its output is scores of 3 documents"),
        ({1}, [0.5, 0.2], r"the output of example #0 is \[0\.5, 0\.2\] \(list\); expected a ranking of document ids"),
        ({1}, "1", r"the output of example #0 is '1' \(str\); expected a ranking"),
        ({1}, np.zeros((2, 2)), r"the output of example #0 is array.*; expected a ranking"),
    ],
)
def test_what_cannot_be_scored_is_refused(target: Any, output: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=f"(?s){message}"):
        value(RecallAtK(), target, output)


@pytest.mark.parametrize("k", [0, -1, True, 1.0, "3"])
def test_a_depth_that_is_no_number_is_refused(k: Any) -> None:
    with pytest.raises(MisuseError, match=f"k={k!r}: expected a whole number of documents"):
        NDCG(k)
