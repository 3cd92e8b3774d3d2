"""ROUGE against rouge-score, over strange text, and by hand; what it says of scripts that rouge-score cannot read."""

from __future__ import annotations

import tracemalloc
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from pytest_llm.errors import MetricWarning, MisuseError
from pytest_llm.metrics.rouge import Rouge, Variant
from tests.metrics.corpora import example, pairs, rows, value

VARIANTS: tuple[Variant, ...] = ("rouge1", "rouge2", "rougeL", "rougeLsum")


@pytest.mark.filterwarnings("ignore::pytest_llm.MetricWarning")
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("stemmer", [False, True])
@settings(deadline=None, max_examples=30)
@given(corpus=st.lists(pairs(references=2), min_size=1, max_size=4))
def test_the_mean_is_that_of_rouge_score(
    variant: Variant, stemmer: bool, corpus: list[tuple[tuple[str, ...], str]]
) -> None:
    scorer = RougeScorer([variant], use_stemmer=stemmer)
    expected = [scorer.score_multi(wanted, output)[variant].fmeasure for wanted, output in corpus]
    metric = Rouge(variant, stemmer=stemmer)
    statistics = rows(metric, corpus)
    assert metric.aggregate(statistics).tolist() == pytest.approx(expected, rel=1e-12)
    assert float(metric.aggregate(statistics.sum(axis=0))) == pytest.approx(float(np.mean(expected)), rel=1e-9)


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("rouge1", 2 * (4 / 5) * (4 / 6) / (4 / 5 + 4 / 6)),  # the, cat, mat, on
        ("rouge2", 2 * (1 / 4) * (1 / 5) / (1 / 4 + 1 / 5)),  # the cat
        ("rougeL", 2 * (3 / 5) * (3 / 6) / (3 / 5 + 3 / 6)),  # the cat … mat, or the cat … on
        (
            "rougeLsum",
            2 * (4 / 5) * (4 / 6) / (4 / 5 + 4 / 6),
        ),  # the cat, from the first line; on and mat from the second
    ],
)
def test_a_case_worked_out_by_hand(variant: Variant, expected: float) -> None:
    assert value(Rouge(variant), [(("the cat sat\ndown on mat",), "The cat!\nmat\nis on")]) == pytest.approx(expected)


def test_of_several_references_the_best_counts() -> None:
    assert value(Rouge("rouge1"), [(("a b c d", "x y", "a b"), "x y")]) == 1


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("reference", "output"), [("a b", ""), ("a b", "c d"), ("a b", "。")])
def test_where_nothing_matches_the_score_is_0(variant: Variant, reference: str, output: str) -> None:
    assert value(Rouge(variant), [((reference,), output)]) == 0


def test_no_examples_are_no_number() -> None:
    assert np.isnan(Rouge().aggregate(np.zeros(2)))


def test_the_subsequence_of_documents_is_found_in_little_memory() -> None:
    text = " ".join(f"w{i % 500}" for i in range(2_000))  # rouge-score's table of all pairs would take 32 MB
    metric = Rouge("rougeL")
    value(metric, [(("warm",), "up")])
    tracemalloc.start()
    try:
        assert value(metric, [((text,), text)]) == 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8e6


@pytest.mark.parametrize("reference", ["你好", "", "👩‍👩‍👧"])
def test_a_reference_that_rouge_score_cannot_read_is_told_of_once(reference: str) -> None:
    metric = Rouge()
    with pytest.warns(MetricWarning, match="no reference of example #7 holds a letter a–z or a digit.*or use chrf"):
        assert metric.statistics(example(reference), reference)[0] == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metric.statistics(example(reference), reference)


def test_a_tokenizer_of_ones_own_reads_every_script() -> None:
    assert value(Rouge("rouge1", tokenize=list), [(("你好世界",), "你好")]) == pytest.approx(2 * 1 * 0.5 / 1.5)
    assert value(Rouge("rougeLsum", tokenize=list), [(("你好世界",), "你好世界")]) == 1


@pytest.mark.parametrize(
    ("metric", "signature"),
    [
        (Rouge(), "rougeL|tok:rouge-score|stemmer:no|refs:best-f1|mean:f1"),
        (Rouge("rouge2", stemmer=True), "rouge2|tok:rouge-score|stemmer:porter|refs:best-f1|mean:f1"),
        (Rouge("rouge1", tokenize=str.split), "rouge1|tok:str.split|stemmer:no|refs:best-f1|mean:f1"),
    ],
)
def test_the_signature_holds_every_setting_that_changes_the_number(metric: Rouge, signature: str) -> None:
    assert metric.signature(8) == signature


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"variant": "rouge"}, "variant='rouge': expected one of 'rouge1', 'rouge2', 'rougeL', 'rougeLsum'"),
        ({"tokenize": "13a"}, "tokenize='13a' with stemmer=False: expected a function"),
        (
            {"tokenize": str.split, "stemmer": True},
            "with stemmer=True: expected a function .* which does its own stemming",
        ),
    ],
)
def test_settings_without_a_meaning_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        Rouge(**wrong)
