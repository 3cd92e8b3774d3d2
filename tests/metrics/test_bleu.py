"""BLEU against sacreBLEU and against NLTK, over strange text; sums left out one by one; and what its settings refuse."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu.tokenizers.tokenizer_ja_mecab
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.translate.bleu_score import corpus_bleu
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

from pytest_llm.errors import MisuseError
from pytest_llm.metrics.bleu import Bleu
from tests.metrics.corpora import example, pairs, rows, value

SMOOTHING: list[dict[str, Any]] = [
    {},
    {"smooth_method": "none"},
    {"smooth_method": "floor"},
    {"smooth_method": "floor", "smooth_value": 0.5},
    {"smooth_method": "add-k"},
    {"smooth_method": "add-k", "smooth_value": 0.25},
    {"effective_order": True},
    {"effective_order": True, "smooth_method": "add-k"},
    {"max_ngram_order": 2},
    {"max_ngram_order": 6, "effective_order": True},
]


@pytest.mark.parametrize("setting", SMOOTHING, ids=str)
@settings(deadline=None, max_examples=30)
@given(corpus=st.lists(pairs(), min_size=1, max_size=5))
def test_totals_give_the_score_of_sacrebleu(setting: dict[str, Any], corpus: list[tuple[tuple[str, ...], str]]) -> None:
    expected = BLEU(**setting).corpus_score([output for _, output in corpus], [[wanted[0] for wanted, _ in corpus]])
    assert value(Bleu(**setting), corpus) == pytest.approx(expected.score, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("tokenize", ["13a", "intl", "zh", "char", "none"])
@pytest.mark.parametrize("lowercase", [False, True])
@settings(deadline=None, max_examples=15)
@given(corpus=st.lists(pairs(references=3), min_size=1, max_size=4))
def test_so_it_does_for_each_tokenizer_and_several_references(
    tokenize: str, lowercase: bool, corpus: list[tuple[tuple[str, ...], str]]
) -> None:
    streams = [list(stream) for stream in zip(*(wanted for wanted, _ in corpus), strict=True)]
    library = BLEU(tokenize=tokenize, lowercase=lowercase)
    expected = library.corpus_score([output for _, output in corpus], streams).score
    metric = Bleu(tokenize=tokenize, lowercase=lowercase, nrefs=3)
    assert value(metric, corpus) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert metric.signature() == f"bleu|{library.get_signature()}"


@settings(deadline=None, max_examples=30)
@given(st.lists(pairs(), min_size=2, max_size=6), st.sampled_from(SMOOTHING))
def test_many_totals_at_once_give_what_each_gives_alone(
    corpus: list[tuple[tuple[str, ...], str]], setting: dict[str, Any]
) -> None:
    metric = Bleu(**setting)
    statistics = rows(metric, corpus)
    left_out = metric.aggregate(statistics.sum(axis=0) - statistics)
    alone = [value(metric, corpus[:i] + corpus[i + 1 :]) for i in range(len(corpus))]
    assert left_out.shape == (len(corpus),)
    assert left_out.tolist() == pytest.approx(alone, rel=1e-12, abs=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.lists(pairs(references=2), max_size=5))
def test_nltk_which_counts_for_itself_agrees(corpus: list[tuple[tuple[str, ...], str]]) -> None:
    # NLTK takes an output without n-grams for one with one, and warns where nothing matches: four words more avoid both
    corpus = [(("a b c d e f", "a b"), "a b c d e"), *((wanted, f"{output} a b c d") for wanted, output in corpus)]
    references = [[text.split() for text in wanted] for wanted, _ in corpus]
    expected = 100 * corpus_bleu(references, [output.split() for _, output in corpus])
    assert value(Bleu(tokenize="none", nrefs=2), corpus) == pytest.approx(expected, rel=1e-9)


def test_a_case_worked_out_by_hand() -> None:
    # the/cat/on/mat of 5 words, "the cat" and "on mat" of 4 pairs, no triple: ½ of 3 for exp smoothing, ¼ of 2 for the next
    assert rows(Bleu(), [(("the cat sat there on mat",), "the cat stood on mat")]).tolist() == [
        [4, 2, 0, 0, 5, 4, 3, 2, 5, 6]
    ]
    expected = 100 * math.exp(1 - 6 / 5) * (4 / 5 * 2 / 4 * 1 / 6 * 1 / 8) ** 0.25
    assert value(Bleu(), [(("the cat sat there on mat",), "the cat stood on mat")]) == pytest.approx(
        expected, rel=1e-12
    )


def test_the_closest_reference_gives_the_length() -> None:
    assert rows(Bleu(nrefs=3), [(("a", "a b c d", "a b c d e f g"), "a b c")])[0, -2:].tolist() == [3, 4]


def test_an_identical_corpus_is_100() -> None:
    assert value(Bleu(), [(("a b c d e",), "a b c d e")]) == pytest.approx(100, rel=1e-12)


@pytest.mark.parametrize(("reference", "output"), [("a b c d", ""), ("", "a b c d"), ("", ""), ("a b c d", "e f g h")])
def test_where_nothing_matches_the_score_is_0_and_never_a_pass(reference: str, output: str) -> None:
    assert value(Bleu(), [((reference,), output)]) == 0


def test_nothing_is_kept_of_the_lines() -> None:
    caches = [Tokenizer13a.__call__, TokenizerRegexp.__call__]
    before = [cache.cache_info().currsize for cache in caches]
    assert rows(Bleu(), [(("a line, that was never seen before",), "nor was this")])[0, -1] == 8
    assert [cache.cache_info().currsize for cache in caches] == before


def test_a_long_output_is_counted_like_a_short_one() -> None:
    words = [f"w{i % 97}" for i in range(20_000)]
    assert Counter(rows(Bleu(tokenize="none"), [((" ".join(words),), " ".join(words))])[0, :4].tolist()) == Counter(
        [20_000, 19_999, 19_998, 19_997]
    )


@pytest.mark.parametrize(
    ("metric", "signature"),
    [
        (Bleu(), "bleu|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:"),
        (Bleu(lowercase=True, nrefs="var"), "bleu|nrefs:var|case:lc|eff:no|tok:13a|smooth:exp|version:"),
        (
            Bleu(smooth_method="floor", smooth_value=0.5),
            "bleu|nrefs:1|case:mixed|eff:no|tok:13a|smooth:floor[0.50]|version:",
        ),
        (Bleu(max_ngram_order=2, nrefs=4), "bleu|order:2|nrefs:4|case:mixed|eff:no|tok:13a|smooth:exp|version:"),
    ],
)
def test_the_signature_is_that_of_sacrebleu_and_what_it_leaves_out(metric: Bleu, signature: str) -> None:
    rows(metric, [(("a",) * (metric.nrefs if isinstance(metric.nrefs, int) else 3), "a")])
    assert metric.signature(512) == f"{signature}{sacrebleu.__version__}"


def test_an_example_that_lost_a_reference_is_refused() -> None:
    with pytest.raises(MisuseError, match=r'example #7 has 1 reference, but nrefs=2: pass nrefs=1 .*, or nrefs="var"'):
        Bleu(nrefs=2).statistics(example("one"), "out")
    assert rows(Bleu(nrefs="var"), [(("one",), "one"), (("one", "two"), "one")]).shape == (2, 10)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"nrefs": 0}, "nrefs=0: expected the number of references"),
        ({"nrefs": True}, "nrefs=True: expected the number of references"),
        ({"tokenize": "13b"}, "tokenize='13b': expected one of 'none', 'zh', '13a'"),
        ({"smooth_method": "laplace"}, "smooth_method='laplace': expected one of 'none', 'floor'"),
        ({"smooth_value": 1.0}, "smooth_value=1.0 has no effect with smooth_method='exp'"),
        ({"smooth_method": "add-k", "smooth_value": -1}, "smooth_value=-1: expected a positive number"),
        ({"smooth_method": "floor", "smooth_value": math.nan}, "smooth_value=nan: expected a positive number"),
        ({"max_ngram_order": 0}, "max_ngram_order=0: expected a whole number"),
    ],
    ids=str,
)
def test_settings_without_a_meaning_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        Bleu(**wrong)


def test_a_tokenizer_whose_package_is_missing_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sacrebleu.tokenizers.tokenizer_ja_mecab, "MeCab", None)
    with pytest.raises(MisuseError, match=r"tokenize='ja-mecab' needs a package .*: pip install 'sacrebleu\[ja\]'"):
        Bleu(tokenize="ja-mecab")


def test_a_tokenizer_that_would_be_downloaded_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sacrebleu.utils.SACREBLEU_DIR", str(tmp_path))
    with pytest.raises(MisuseError, match=r"tokenize='flores200' needs .*, and metrics download nothing: save it as"):
        Bleu(tokenize="flores200")


def test_values_are_float64() -> None:
    assert Bleu().aggregate(np.ones((3, 10))).dtype == np.float64
