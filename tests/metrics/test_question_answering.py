"""Exact match against Hugging Face's formula, SQuAD against the official one, written out here; and what matches nothing."""

from __future__ import annotations

import re
import string
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llm.errors import MisuseError
from pytest_llm.metrics.question_answering import ExactMatch, SquadMatch
from tests.metrics.corpora import example, pairs, value

IGNORING: list[dict[str, Any]] = [
    {},
    {"ignore_case": True},
    {"ignore_punctuation": True},
    {"ignore_numbers": True},
    {"ignore_case": True, "ignore_punctuation": True, "ignore_numbers": True},
    {"regexes_to_ignore": ["the ", r"\s+$"]},
    {"regexes_to_ignore": ["T"], "ignore_case": True},
]


def hugging_face(output: str, reference: str, setting: dict[str, Any]) -> tuple[bool, str]:
    """`evaluate/metrics/exact_match`, as lm-evaluation-harness has it: numpy's character functions, in this order."""
    both = np.array([output, reference], dtype=object)
    for regex in setting.get("regexes_to_ignore", ()):
        both = np.array([re.sub(regex, "", text) for text in both], dtype=object)
    if setting.get("ignore_case"):
        both = np.array([str(np.char.lower(text)) for text in both], dtype=object)
    for ignored, characters in (("ignore_punctuation", string.punctuation), ("ignore_numbers", string.digits)):
        if setting.get(ignored):
            both = np.array(["".join(c for c in text if c not in characters) for text in both], dtype=object)
    return bool(both[0] == both[1]), str(both[1])


@pytest.mark.parametrize("setting", IGNORING, ids=str)
@settings(deadline=None, max_examples=60)
@given(pair=pairs(text=st.text("aA tT1.-é\n", max_size=5)))
def test_a_match_is_one_of_hugging_face(setting: dict[str, Any], pair: tuple[tuple[str, ...], str]) -> None:
    (reference,), output = pair
    expected, left = hugging_face(output, reference, setting)
    metric = ExactMatch(**setting)
    if reference and not left:
        with pytest.raises(MisuseError, match="nothing is left of the reference"):
            value(metric, [pair])
    else:
        assert value(metric, [pair]) == expected


def test_the_share_of_matches_any_reference_will_do() -> None:
    corpus = [(("a", "b"), "b"), (("a",), "a "), (("",), ""), (("a",), "A")]
    assert value(ExactMatch(), corpus) == 0.5


@pytest.mark.parametrize("output", ["42", "", "7"])
def test_a_reference_of_which_nothing_is_left_would_meet_an_empty_output_and_is_refused(output: str) -> None:
    with pytest.raises(
        MisuseError, match=r"nothing is left of the reference '42' of example #7 .*numbers.*, so that an empty output"
    ):
        ExactMatch(ignore_numbers=True).statistics(example("forty-two", "42"), output)


@pytest.mark.parametrize(
    ("metric", "signature"),
    [
        (ExactMatch(), "exact_match|ignored:nothing|refs:any"),
        (
            ExactMatch(True, True, True, ["a+", "b"]),
            "exact_match|ignored:case+punctuation+numbers|regex:a+|regex:b|refs:any",
        ),
        (SquadMatch(), "squad_f1|norm:squad-2|refs:best"),
        (SquadMatch("exact_match"), "squad_exact_match|norm:squad-2|refs:best"),
    ],
)
def test_the_signature_holds_every_setting_that_changes_the_number(
    metric: ExactMatch | SquadMatch, signature: str
) -> None:
    assert metric.signature(8) == signature


@pytest.mark.parametrize("wrong", ["abc", ["a", 3]])
def test_regexes_are_a_list(wrong: Any) -> None:
    with pytest.raises(MisuseError, match=r"regexes_to_ignore=.*: expected a list of regular expressions"):
        ExactMatch(regexes_to_ignore=wrong)


def test_a_broken_regex_is_named() -> None:
    with pytest.raises(MisuseError, match=r"regexes_to_ignore: '\(' is no regular expression"):
        ExactMatch(regexes_to_ignore=["a", "("])


def official(output: str, references: tuple[str, ...]) -> tuple[float, float]:
    """`evaluate-v2.0.py`: (exact, f1), with its filter of references that normalise to nothing."""

    def normalise(text: str) -> str:
        bare = "".join(character for character in text.lower() if character not in set(string.punctuation))
        return " ".join(re.sub(re.compile(r"\b(a|an|the)\b", re.UNICODE), " ", bare).split())

    def f1(gold: str, said: str) -> float:
        wanted, given = normalise(gold).split(), normalise(said).split()
        if not wanted or not given:
            return float(wanted == given)
        rest, same = list(wanted), 0
        for token in given:
            if token in rest:
                rest.remove(token)
                same += 1
        if same == 0:
            return 0.0
        precision, recall = same / len(given), same / len(wanted)
        return 2 * precision * recall / (precision + recall)

    golds = [gold for gold in references if normalise(gold)] or [""]
    exact = max(float(normalise(gold) == normalise(output)) for gold in golds)
    return exact, max(f1(gold, output) for gold in golds)


@settings(deadline=None, max_examples=150)
@given(pairs(references=2))
def test_squad_is_the_official_script(pair: tuple[tuple[str, ...], str]) -> None:
    exact, f1 = official(pair[1], pair[0])
    assert value(SquadMatch("exact_match"), [pair]) == exact
    assert value(SquadMatch("f1"), [pair]) == pytest.approx(f1, rel=1e-12)


@pytest.mark.parametrize(
    ("references", "output", "exact", "f1"),
    [
        (("The Eiffel Tower",), "eiffel tower!", 1, 1),
        (("the Eiffel Tower", "Paris"), "in Paris", 0, 2 / 3),
        (("to be or not to be",), "to be", 0, 2 * 1 * (2 / 6) / (1 + 2 / 6)),
        (("",), "", 1, 1),  # a question without an answer, and none given
        (("",), "Paris", 0, 0),
        (("Paris",), "", 0, 0),
        (("the", "Paris"), "an", 0, 0),  # "the" normalises to nothing, and does not count beside a real answer
    ],
)
def test_cases_worked_out_by_hand(references: tuple[str, ...], output: str, exact: float, f1: float) -> None:
    assert value(SquadMatch("exact_match"), [(references, output)]) == exact
    assert value(SquadMatch("f1"), [(references, output)]) == pytest.approx(f1, rel=1e-12)


def test_squad_measures_two_things() -> None:
    with pytest.raises(MisuseError, match="measure='em': expected 'f1' or 'exact_match'"):
        SquadMatch("em")  # type: ignore[arg-type]
