"""METEOR against an alignment written out here, and by hand; which stages run; and WordNet from a folder, never from the net."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.stem.porter import PorterStemmer
from nltk.tokenize.destructive import NLTKWordTokenizer

from pytest_llm.errors import MisuseError
from pytest_llm.metrics.meteor import Meteor
from tests.metrics.corpora import example, pairs, value


def aligned(reference: list[str], hypothesis: list[str], forms: Sequence[Callable[[str], str]]) -> dict[int, int]:
    """From the last word to the first, each takes the last free one of the same form; form by form."""
    taken: dict[int, int] = {}
    for form in forms:
        for i in reversed(range(len(hypothesis))):
            free = [
                j
                for j in range(len(reference))
                if j not in taken.values() and form(reference[j]) == form(hypothesis[i])
            ]
            if i not in taken and free:
                taken[i] = max(free)
    return taken


def meteor(
    reference: list[str], hypothesis: list[str], *, alpha: float = 0.9, beta: float = 3, gamma: float = 0.5
) -> float:
    reference, hypothesis = [word.lower() for word in reference], [word.lower() for word in hypothesis]
    pairs = sorted(aligned(reference, hypothesis, [str, PorterStemmer().stem]).items())
    if not pairs:
        return 0.0
    chunks = 1 + sum((b[0] - a[0], b[1] - a[1]) != (1, 1) for a, b in pairwise(pairs))
    precision, recall = len(pairs) / len(hypothesis), len(pairs) / len(reference)
    mean = precision * recall / (alpha * precision + (1 - alpha) * recall)
    return mean * (1 - gamma * math.pow(chunks / len(pairs), beta))


@pytest.mark.parametrize("parameters", [{}, {"alpha": 0.5, "beta": 1.0, "gamma": 0.8}])
@settings(deadline=None, max_examples=50)
@given(corpus=st.lists(pairs(references=2), min_size=1, max_size=4))
def test_an_alignment_written_out_agrees(parameters: dict[str, Any], corpus: list[tuple[tuple[str, ...], str]]) -> None:
    words = NLTKWordTokenizer().tokenize
    scores = [max(meteor(words(text), words(output), **parameters) for text in wanted) for wanted, output in corpus]
    assert value(Meteor(**parameters), corpus) == pytest.approx(sum(scores) / len(scores), rel=1e-9)


@pytest.mark.parametrize(
    ("reference", "output", "expected"),
    [
        ("the cat sat", "the cat sat", 1 - 0.5 * (1 / 3) ** 3),  # one chunk of 3 words
        ("the cat sat", "The Cat", (1 * 2 / 3) / (0.9 + 0.1 * 2 / 3) * (1 - 0.5 * (1 / 2) ** 3)),  # case is ignored
        ("running cats", "run cat", 1 - 0.5 * (1 / 2) ** 3),  # by stem
        ("a b", "b a", 1 - 0.5),  # as many chunks as words
        ("a car", "a automobile", 0.5 * (1 - 0.5)),  # no synonyms without WordNet
    ],
)
def test_cases_worked_out_by_hand(reference: str, output: str, expected: float) -> None:
    assert value(Meteor(), [((reference,), output)]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("reference", "output"), [("a b", ""), ("", "a b"), ("", ""), ("a b", "c d")])
def test_where_nothing_is_aligned_the_score_is_0(reference: str, output: str) -> None:
    assert value(Meteor(), [((reference,), output)]) == 0


def test_of_several_references_the_best_counts() -> None:
    assert value(Meteor(), [(("x y z", "a b c"), "a b c")]) == pytest.approx(1 - 0.5 / 27)


def test_words_are_found_as_asked() -> None:
    pair = (("(Paris)",), "Paris")
    assert value(Meteor(tokenize="treebank"), [pair]) == pytest.approx((1 / 3) / (0.9 + 0.1 / 3) * 0.5)
    assert value(Meteor(tokenize="none"), [pair]) == 0
    assert value(Meteor(tokenize=lambda text: [text.strip("()")]), [pair]) == 0.5


def test_the_network_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a metric asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert value(Meteor(), [(("a car",), "an automobile")]) == 0


LEMMAS = {"n": ("car", "auto"), "v": ("run",), "a": ("fast",), "r": ("fast",)}
NAMES = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
LICENCE = "  1 WordNet 9.5 Copyright of nobody\n"


@pytest.fixture
def wordnet(tmp_path: Path) -> Path:
    """A WordNet of one synset for each part of speech; "car" and "auto" are synonyms."""
    (tmp_path / "lexnames").write_text("00\tall\t1\n")
    for pos, lemmas in LEMMAS.items():
        name, offset = NAMES[pos], len(LICENCE)
        members = " ".join(f"{lemma} 0" for lemma in lemmas)
        frames = " 01 + 02 00" if pos == "v" else ""
        (tmp_path / f"data.{name}").write_text(
            f"{LICENCE}{offset:08d} 00 {pos} {len(lemmas):02x} {members} 000{frames} | a gloss\n"
        )
        rows = "".join(f"{lemma} {pos} 1 0 1 0 {offset:08d}\n" for lemma in sorted(lemmas))
        (tmp_path / f"index.{name}").write_text(LICENCE + rows)
        (tmp_path / f"{name}.exc").write_text("")
    return tmp_path


def test_a_folder_with_wordnet_adds_the_stage_of_synonyms(wordnet: Path) -> None:
    pair = (("the car",), "the auto")
    assert value(Meteor(wordnet=wordnet), [pair]) == pytest.approx(1 - 0.5 / 8)
    assert value(Meteor(wordnet=str(wordnet)), [pair]) == pytest.approx(1 - 0.5 / 8)
    assert value(Meteor(), [pair]) == pytest.approx(0.5 * 0.5)
    assert Meteor(wordnet=wordnet).signature().startswith("meteor|stages:exact+stem+synonym[9.5]|")


def test_a_folder_without_wordnet_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(
        MisuseError, match=r"wordnet='.*' holds no WordNet that NLTK can read .*; expected the folder with"
    ):
        Meteor(wordnet=tmp_path)


def test_the_signature_holds_every_setting_that_changes_the_number() -> None:
    expected = "meteor|stages:exact+stem|tok:treebank|case:lc|alpha:0.9|beta:3|gamma:0.5|refs:best|mean:score"
    assert Meteor().signature(64) == expected
    assert "|tok:str.split|" in Meteor(tokenize=str.split).signature()
    assert "|alpha:0.85|beta:0.2|gamma:0.6|" in Meteor(alpha=0.85, beta=0.2, gamma=0.6).signature()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tokenize": "13a"}, 'tokenize=\'13a\': expected "treebank", "none" or a function'),
        ({"alpha": 1.5}, "alpha=1.5: expected a number from 0 to 1"),
        ({"beta": -1}, "beta=-1: expected a number from 0 to inf"),
        ({"gamma": math.nan}, "gamma=nan: expected a number from 0 to 1"),
        ({"gamma": "high"}, "gamma='high': expected a number from 0 to 1"),
    ],
)
def test_settings_without_a_meaning_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        Meteor(**wrong)


def test_an_empty_example_is_not_a_crash_of_the_library() -> None:
    assert Meteor().statistics(example("👩‍👩‍👧 e\u0301"), "\u200d") == (0.0, 1.0)
