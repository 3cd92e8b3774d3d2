"""chrF and chrF++ against sacreBLEU and against a count written out here, over strange text; and what the settings refuse."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.chrf import CHRF

from pytest_llm.errors import MisuseError
from pytest_llm.metrics.chrf import Chrf
from tests.metrics.corpora import example, pairs, rows, value

SETTINGS: list[dict[str, Any]] = [
    {},
    {"word_order": 2},
    {"word_order": 1, "lowercase": True},
    {"eps_smoothing": True},
    {"eps_smoothing": True, "word_order": 2},
    {"whitespace": True},
    {"beta": 1, "char_order": 3},
]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
@settings(deadline=None, max_examples=30)
@given(corpus=st.lists(pairs(references=2), min_size=1, max_size=5))
def test_totals_give_the_score_of_sacrebleu(setting: dict[str, Any], corpus: list[tuple[tuple[str, ...], str]]) -> None:
    streams = [list(stream) for stream in zip(*(wanted for wanted, _ in corpus), strict=True)]
    expected = CHRF(**setting).corpus_score([output for _, output in corpus], streams).score
    assert value(Chrf(nrefs=2, **setting), corpus) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
@settings(deadline=None, max_examples=15)
@given(corpus=st.lists(pairs(), min_size=2, max_size=5))
def test_many_totals_at_once_give_what_each_gives_alone(
    setting: dict[str, Any], corpus: list[tuple[tuple[str, ...], str]]
) -> None:
    metric = Chrf(**setting)
    statistics = rows(metric, corpus)
    left_out = metric.aggregate(statistics.sum(axis=0) - statistics)
    alone = [value(metric, corpus[:i] + corpus[i + 1 :]) for i in range(len(corpus))]
    assert left_out.tolist() == pytest.approx(alone, rel=1e-12, abs=1e-12)


def ngrams(text: str, order: int) -> Counter[str]:
    solid = "".join(text.split())
    return Counter(solid[i : i + order] for i in range(len(solid) - order + 1))


@settings(deadline=None, max_examples=60)
@given(pairs())
def test_a_count_written_out_agrees(pair: tuple[tuple[str, ...], str]) -> None:
    (reference,), output = pair
    shares = []
    for order in range(1, 7):
        wanted, said = ngrams(reference, order), ngrams(output, order)
        if wanted and said:
            common = (wanted & said).total() if hasattr(wanted, "total") else sum((wanted & said).values())
            shares.append((common / sum(said.values()), common / sum(wanted.values())))
    precision, recall = np.mean(shares, axis=0) if shares else (0.0, 0.0)
    expected = 100 * 5 * precision * recall / (4 * precision + recall) if precision + recall else 0.0
    assert value(Chrf(), [pair]) == pytest.approx(expected, rel=1e-9)
    assert rows(Chrf(), [pair])[0, -1] == sum(ngrams(reference, 1).values())


def test_a_case_worked_out_by_hand() -> None:
    # "abc" for "abd": 2 of 3 characters, 1 of 2 pairs, no triple; precision and recall are (2/3 + 1/2 + 0) / 3
    assert value(Chrf(), [(("a bd",), "ab c")]) == pytest.approx(100 * (2 / 3 + 1 / 2) / 3, rel=1e-12)


def test_recall_counts_twice_as_much() -> None:
    precision, recall = 1.0, 1 / 2  # "ab" for "abab", characters only
    expected = 100 * 5 * precision * recall / (4 * precision + recall)
    assert value(Chrf(char_order=1), [(("abab",), "ab")]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("setting", [{}, {"word_order": 2}])
@pytest.mark.parametrize(("reference", "output"), [("abcd", ""), ("", "abcd"), ("", ""), ("abcd", "efgh")])
def test_where_nothing_matches_the_score_is_0_and_never_a_pass(
    setting: dict[str, Any], reference: str, output: str
) -> None:
    assert value(Chrf(**setting), [((reference,), output)]) == 0


@pytest.mark.parametrize("text", ["你好世界", "สวัสดีครับ", "שלום עולם", "👩‍👩‍👧 👨‍👨‍👦", "e\u0301te\u0301"])
def test_every_script_can_be_right(text: str) -> None:
    assert value(Chrf(), [((text,), text)]) == pytest.approx(100, rel=1e-12)


@pytest.mark.parametrize(
    ("metric", "name", "signature"),
    [
        (Chrf(), "chrf", "chrf|nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:"),
        (
            Chrf(word_order=1, beta=3),
            "chrf_plus",
            "chrf_plus|beta:3|nrefs:1|case:mixed|eff:yes|nc:6|nw:1|space:no|version:",
        ),
        (
            Chrf(word_order=2, eps_smoothing=True, whitespace=True),
            "chrf_plus_plus",
            "chrf_plus_plus|nrefs:1|case:mixed|eff:no|nc:6|nw:2|space:yes|version:",
        ),
    ],
)
def test_the_signature_is_that_of_sacrebleu_and_what_it_leaves_out(metric: Chrf, name: str, signature: str) -> None:
    assert metric.name == name
    assert metric.signature() == f"{signature}{sacrebleu.__version__}"


@pytest.mark.parametrize(
    "wrong", [{"char_order": 0}, {"word_order": -1}, {"beta": 0}, {"beta": 2.5}, {"char_order": True}]
)
def test_settings_without_a_meaning_are_refused(wrong: dict[str, Any]) -> None:
    ((setting, given),) = wrong.items()
    with pytest.raises(MisuseError, match=f"{setting}={given!r}: expected a whole number, at least"):
        Chrf(**wrong)


def test_an_output_that_is_no_text_is_refused() -> None:
    with pytest.raises(
        MisuseError, match=r"the output for example #7 is \[1, 2\] \(list\); expected the predicted text"
    ):
        Chrf().statistics(example("a"), [1, 2])
