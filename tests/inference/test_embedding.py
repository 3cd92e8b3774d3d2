"""Asking a model to rank documents: what it is asked, what its answers become, what is refused."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pytest_llm import Embed, MisuseError, assert_mrr_above, load_examples, measure
from pytest_llm.inference.answering import answer
from pytest_llm.inference.memo import remembering
from tests.stub_models import UniformModel

DOCUMENTS = {"zoo": "aabb", "bar": "bbcc", "end": "cccc"}
QUERIES = load_examples([{"text": "ab", "target": ["zoo"]}, {"text": "bc", "target": ["bar"]}])


class Letters:
    """How often each letter stands in a text."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def fingerprint(self) -> str:
        return "letters"

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.seen += texts
        return [[text.count(letter) for letter in string.ascii_lowercase] for text in texts]


class Truncating(Letters):
    def embed(self, texts: Sequence[str], *, truncate: bool = False) -> list[list[float]]:
        return super().embed([text[:3] if truncate else text for text in texts])


class Giving:
    """Whatever it was made of."""

    def __init__(self, given: Any) -> None:
        self.given = given

    def embed(self, texts: Sequence[str]) -> Any:
        return [self.given[text] for text in texts] if isinstance(self.given, dict) else self.given


def test_an_output_is_the_cosine_of_the_angle_to_each_document() -> None:
    first, second = answer(Letters(), QUERIES, Embed(DOCUMENTS))
    assert first == pytest.approx({"zoo": 1, "bar": 0.5, "end": 0})
    assert second == pytest.approx({"zoo": 0.5, "bar": 1, "end": 1 / np.sqrt(2)})


def test_documents_without_ids_are_called_by_their_place() -> None:
    (scores, _) = answer(Letters(), QUERIES, Embed(list(DOCUMENTS.values())))
    np.testing.assert_allclose(scores, [1, 0.5, 0], atol=1e-12)


def test_a_model_is_held_against_a_limit() -> None:
    measured = assert_mrr_above(Letters(), QUERIES, 0.9, task=Embed(DOCUMENTS))
    assert measured.value == 1
    assert measure(Letters(), QUERIES, "ndcg_at_k", task=Embed(DOCUMENTS), k=1).value == 1
    by_place = [{"text": "ab", "target": [2]}]
    assert measure(Letters(), by_place, "mrr", task=Embed(list(DOCUMENTS.values()))).value == pytest.approx(1 / 3)


def test_equal_documents_share_their_ranks() -> None:
    twins = {"zoo": "aabb", "twin": "bbaa", "end": "cccc"}
    assert measure(Letters(), QUERIES[:1], "mrr", task=Embed(twins)).value == pytest.approx((1 + 1 / 2) / 2)


def test_an_embedding_of_zeros_is_no_number() -> None:
    model = Giving({"ab": [0, 0], "x": [1, 0], "y": [0, 1]})
    with pytest.raises(AssertionError, match="mrr is not a number"):
        assert_mrr_above(model, [{"text": "ab", "target": [0]}], 0.1, task=Embed(["x", "y"]))


def test_templates_stand_around_both_kinds_of_text() -> None:
    model = Letters()
    answer(model, QUERIES, Embed(DOCUMENTS, query="query: {text}", document="passage: {text}"))
    assert model.seen == ["query: ab", "query: bc", "passage: aabb", "passage: bbcc", "passage: cccc"]


def test_documents_are_embedded_once_in_a_session() -> None:
    model = Letters()
    with remembering():
        measure(model, QUERIES, "mrr", task=Embed(DOCUMENTS))
        measure(model, QUERIES, "recall_at_k", task=Embed(DOCUMENTS))
    assert model.seen == ["ab", "bc", "aabb", "bbcc", "cccc"]


def test_truncation_is_asked_of_a_model_that_knows_it() -> None:
    model = Truncating()
    answer(model, QUERIES, Embed(DOCUMENTS, truncate=True))
    assert model.seen[2:] == ["aab", "bbc", "ccc"]
    with pytest.raises(MisuseError, match=r"Letters\.embed has no keyword truncate"):
        answer(Letters(), QUERIES, Embed(DOCUMENTS, truncate=True))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (UniformModel(), r"UniformModel cannot say where a text lies among others: that takes an encoder"),
        (Giving([[1.0]]), r"Giving.embed returned 1 results for 2 texts"),
        (Giving([1.0, 2.0]), r"Giving.embed returned 1.0 for 'ab'; expected a list of numbers"),
        (Giving([[], []]), r"Giving.embed returned \[\] for 'ab'"),
        (Giving([["a"], ["b"]]), r"returned \['a'\] for 'ab'; expected a list of numbers"),
        (Giving([[1.0], [1.0, 2.0]]), r"Giving.embed gave embeddings of \[1, 2\] numbers; expected one length"),
    ],
)
def test_what_is_no_embedding_is_refused(model: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        answer(model, QUERIES, Embed(DOCUMENTS))


def test_documents_have_to_be_named() -> None:
    with pytest.raises(MisuseError, match=r"no documents to be ranked: say which, as in task=Embed\(documents\)"):
        assert_mrr_above(Letters(), QUERIES, 0.5)
