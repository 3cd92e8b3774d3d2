"""Assertions about rankings: ids, scores, gains."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_llm import MisuseError, QualityError, assert_mrr_above, assert_ndcg_above, assert_recall_at_k_above

ROWS = [
    {"id": "zoom", "text": "how to zoom", "target": {"d1": 3, "d4": 1}},
    {"id": "print", "text": "how to print", "target": ["d2"]},
]
RANKED = [["d4", "d1", "d2"], ["d2", "d1", "d4"]]


def test_gains_count_where_there_are_some() -> None:
    found, best = 1 + 3 / math.log2(3), 3 + 1 / math.log2(3)
    assert assert_ndcg_above(RANKED, ROWS, 0.8).value == pytest.approx((found / best + 1) / 2)
    assert assert_ndcg_above(RANKED, ROWS, 0.6, k=1).value == pytest.approx((1 / 3 + 1) / 2)


def test_how_many_documents_count() -> None:
    assert assert_recall_at_k_above(RANKED, ROWS, 0.7, k=1).value == 0.75
    assert assert_recall_at_k_above(RANKED, ROWS, 0.9).value == 1
    assert assert_mrr_above([["d9", "d1"], ["d2"]], ROWS, 0.7).value == 0.75
    assert assert_mrr_above([["d9", "d1"], ["d2"]], ROWS, 0.4, k=1).value == 0.5
    with pytest.raises(MisuseError, match="k=0"):
        assert_mrr_above(RANKED, ROWS, 0.5, k=0)


def test_scores_in_place_of_a_ranking() -> None:
    scores = [{"d1": 0.5, "d4": 0.9}, {"d1": 0.1, "d2": 0.2}]
    assert assert_mrr_above(scores, ROWS, 0.9).value == 1
    by_position = [np.array([0.2, 0.9]), np.array([0.9, 0.2])]
    assert assert_mrr_above(by_position, [[0], [0]], 0.7).value == 0.75
    with pytest.raises(QualityError, match="mrr is not a number: 1 of 2 examples gave NaN"):
        assert_mrr_above([np.array([math.nan, 0.9]), np.array([0.9, 0.2])], [[0], [0]], 0.1)


def test_a_failure_names_the_query() -> None:
    with pytest.raises(QualityError) as caught:
        assert_recall_at_k_above(RANKED, ROWS, 0.9, k=1)
    message = str(caught.value)
    assert message.startswith("recall_at_k 0.75 is not above 0.9: under the limit by 0.15 (16.7 %)")
    assert "worst            0.5  zoom  'how to zoom'" in message


def test_a_query_to_which_nothing_is_relevant_is_refused() -> None:
    with pytest.raises(MisuseError, match="no document is relevant to example #0"):
        assert_ndcg_above([["d1"]], [[]], 0.5)
