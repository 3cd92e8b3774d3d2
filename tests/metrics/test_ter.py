"""TER against sacreBLEU and against the word edit distance, over strange text; and what it says where there is no reference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein
from sacrebleu.metrics.ter import TER
from sacrebleu.tokenizers.tokenizer_ter import TercomTokenizer

from pytest_llm.metrics.ter import Ter
from tests.metrics.corpora import pairs, rows, value

SETTINGS: list[dict[str, Any]] = [
    {},
    {"case_sensitive": True},
    {"normalized": True},
    {"no_punct": True},
    {"normalized": True, "no_punct": True, "asian_support": True},
]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
@settings(deadline=None, max_examples=30)
@given(corpus=st.lists(pairs(references=2), min_size=1, max_size=4))
def test_totals_give_the_score_of_sacrebleu(setting: dict[str, Any], corpus: list[tuple[tuple[str, ...], str]]) -> None:
    corpus = [(("at least one word", ""), ""), *corpus]
    streams = [list(stream) for stream in zip(*(wanted for wanted, _ in corpus), strict=True)]
    expected = TER(**setting).corpus_score([output for _, output in corpus], streams).score
    metric = Ter(nrefs=2, **setting)
    statistics = rows(metric, corpus)
    assert float(metric.aggregate(statistics.sum(axis=0))) == pytest.approx(expected, rel=1e-9)
    assert metric.aggregate(statistics.sum(axis=0) - statistics[1:]).tolist() == pytest.approx(
        [value(metric, corpus[:i] + corpus[i + 1 :]) for i in range(1, len(corpus))], rel=1e-12
    )


@settings(deadline=None, max_examples=60)
@given(pairs())
def test_shifts_can_only_save_edits(pair: tuple[tuple[str, ...], str]) -> None:
    (reference,), output = pair
    edits, length = rows(Ter(case_sensitive=True), [pair])[0]
    wanted, said = reference.split(), output.split()
    assert abs(len(wanted) - len(said)) <= edits <= Levenshtein.distance(wanted, said)
    assert length == len(wanted)


@pytest.mark.parametrize(
    ("reference", "output", "edits"),
    [
        ("a b c d", "a b c d", 0),
        ("a b c d", "", 4),
        ("a b c d", "A x c", 2),  # a substitution and a deletion, case ignored
        ("a b c d e f", "d e f a b c", 1),  # one shift, where words alone would need 6 edits
        ("a", "b c d", 3),  # more than 100
    ],
)
def test_cases_worked_out_by_hand(reference: str, output: str, edits: int) -> None:
    assert value(Ter(), [((reference,), output)]) == pytest.approx(100 * edits / len(reference.split()))


def test_of_several_references_the_closest_counts_edits_and_all_count_length() -> None:
    assert rows(Ter(nrefs=2), [(("a b c d", "a b"), "a b")]).tolist() == [[0, 3]]


@pytest.mark.parametrize("output", ["", "a b"])
def test_without_a_reference_word_there_is_no_number_where_sacrebleu_has_0_or_100(output: str) -> None:
    assert math.isnan(value(Ter(), [(("",), output)]))
    corpus = [(("",), output), (("a b c d",), "a b c d")]  # but an empty line among others counts as it does there
    assert value(Ter(), corpus) == 100 * len(output.split()) / 4
    assert np.isnan(Ter().aggregate(rows(Ter(), corpus))).tolist() == [True, False]


def test_nothing_is_kept_of_the_lines() -> None:
    before = TercomTokenizer.__call__.cache_info().currsize
    assert rows(Ter(), [(("a line that was never seen before",), "nor this")])[0, -1] == 7
    assert TercomTokenizer.__call__.cache_info().currsize == before


def test_the_signature_is_that_of_sacrebleu() -> None:
    metric = Ter(normalized=True, case_sensitive=True, nrefs="var")
    expected = f"ter|nrefs:var|case:mixed|tok:tercom|norm:yes|punct:yes|asian:no|version:{sacrebleu.__version__}"
    assert metric.signature() == expected
