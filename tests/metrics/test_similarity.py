"""Cosine similarity against the formula in Python, at the limits of floating point, and as an output for retrieval metrics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.retrieval import ReciprocalRank
from pytest_llm.metrics.similarity import cosine_similarities, rank_by_similarity
from pytest_llm.statistics.jackknife import FloatArray

ROWS = arrays(np.float64, st.tuples(st.integers(1, 4), st.just(3)), elements=st.floats(-10, 10))


@given(ROWS, ROWS)
def test_it_is_the_cosine(queries: FloatArray, documents: FloatArray) -> None:
    norms = [math.hypot(*vector) for vector in (*queries, *documents)]
    assume(min(norms) > 1e-3)
    similarities = cosine_similarities(queries, documents)
    for q, query in enumerate(queries):
        for d, document in enumerate(documents):
            expected = math.fsum(query * document) / (math.hypot(*query) * math.hypot(*document))
            assert similarities[q, d] == pytest.approx(expected, abs=2e-12)


def test_length_does_not_matter_not_even_where_squares_overflow_or_vanish() -> None:
    directions = np.array([[3.0, 4.0], [4.0, -3.0]])
    lengths = np.array([[1e300], [1e-300]])
    assert cosine_similarities(directions * lengths, directions).tolist() == [[1, 0], [0, 1]]


def test_equal_documents_tie_wherever_they_stand() -> None:
    random = np.random.default_rng(0)
    documents = np.tile(random.normal(size=(1, 384)), (1001, 1))
    assert len(np.unique(cosine_similarities(random.normal(size=(1, 384)), documents))) == 1


def test_the_most_similar_document_comes_first_and_of_equals_the_first() -> None:
    documents = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
    ranking = rank_by_similarity(np.array([[1.0, 0.1], [-1.0, 0.0]]), documents)
    assert ranking.tolist() == [[1, 3, 2, 0], [0, 2, 1, 3]]
    assert ranking.dtype == np.int64


def test_rankings_and_rows_are_outputs_of_retrieval_metrics() -> None:
    queries, documents = np.eye(2), np.array([[0.1, 1.0], [1.0, 0.2], [1.0, 0.0]])
    example = Example("0", "text", "#0", target={1})
    assert ReciprocalRank().statistics(example, rank_by_similarity(queries, documents)[0])[0] == 1 / 2
    assert ReciprocalRank().statistics(example, cosine_similarities(queries, documents)[0])[0] == 1 / 2


@pytest.mark.parametrize("broken", [0.0, math.nan, math.inf])
def test_an_embedding_without_direction_is_nan_and_has_no_rank(broken: float) -> None:
    documents = np.array([[1.0, 0.0], [broken, broken if broken == 0 else 1.0]])
    assert np.isnan(cosine_similarities(np.ones((1, 2)), documents)).tolist() == [[False, True]]
    with pytest.raises(MisuseError, match="query 0 and document 1 have no angle: one of the embeddings is zero or not"):
        rank_by_similarity(np.ones((1, 2)), documents)


def test_shapes_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(MisuseError, match=r"queries have the shape \(3,\) and documents \(2, 3\); expected \[n, d\]"):
        cosine_similarities(np.ones(3), np.ones((2, 3)))
