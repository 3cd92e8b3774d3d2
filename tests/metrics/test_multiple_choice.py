"""Multiple choice against lm-evaluation-harness's definition, by hand, and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.multiple_choice import ChoiceScores, MultipleChoice, Per

NAMES: dict[Per, str] = {"choice": "acc", "character": "acc_norm", "byte": "acc_bytes", "token": "acc_tokens"}
CHOICES = st.lists(st.tuples(st.floats(-1e3, 0), st.text(min_size=1)), min_size=2, max_size=6)


def right(per: Per, output: Any, target: Any = 0) -> float:
    score, weight = MultipleChoice(per).statistics(Example("0", "text", "#0", target=target), output)
    assert weight == 1
    return score


@given(CHOICES, st.data())
def test_the_choices_are_those_of_lm_eval(choices: list[tuple[float, str]], data: st.DataObject) -> None:
    gold = data.draw(st.integers(0, len(choices) - 1))
    log_likelihoods = [ll for ll, _ in choices]
    texts = [text for _, text in choices]
    # as in lm_eval/api/task.py, ConfigurableTask.process_results, release 0.4.13
    completion_len = np.array([float(len(i)) for i in texts])
    byte_length = np.array([float(len(i.encode("utf-8", "surrogatepass"))) for i in texts])
    lls = np.array(log_likelihoods)
    expected = {
        "choice": np.argmax(lls) == gold,
        "character": np.argmax(lls / completion_len) == gold,
        "byte": np.argmax(lls / byte_length) == gold,
    }
    output = ChoiceScores.of(log_likelihoods, texts)
    assert {per: bool(right(per, output, gold)) for per in ("choice", "character", "byte")} == expected


@pytest.mark.parametrize(("per", "chosen"), [("choice", 0), ("character", 1), ("byte", 2), ("token", 3)])
def test_each_unit_may_choose_differently(per: Per, chosen: int) -> None:
    output = ChoiceScores(
        np.array([-1.0, -4.0, -4.0, -4.0]),
        characters=np.array([1.0, 9.0, 2.0, 2.0]),
        bytes=np.array([1.0, 9.0, 27.0, 2.0]),
        tokens=np.array([1.0, 1.0, 1.0, 9.0]),
    )
    assert [right(per, output, target) for target in range(4)] == [float(target == chosen) for target in range(4)]


def test_of_equally_likely_choices_the_first_is_taken_as_lm_eval_does() -> None:
    output = ChoiceScores(np.array([-1.0, -1.0]))
    assert (right("choice", output, 0), right("choice", output, 1)) == (1, 0)


def test_several_choices_may_be_right() -> None:
    output = ChoiceScores(np.array([-3.0, -1.0, -2.0]))
    assert right("choice", output, [0, 1]) == 1
    assert right("choice", output, {0, 2}) == 0
    assert right("choice", output, np.int64(1)) == 1


def test_an_impossible_choice_is_never_chosen_and_nan_is_never_right() -> None:
    assert right("choice", ChoiceScores(np.array([-math.inf, -9.0])), 1) == 1
    assert math.isnan(right("choice", ChoiceScores(np.array([math.nan, -9.0])), 0))


def test_the_value_is_the_share_that_is_right() -> None:
    totals = np.array([[3.0, 4.0], [0.0, 2.0], [math.nan, 1.0], [0.0, 0.0]])
    assert MultipleChoice().aggregate(totals).tolist() == pytest.approx([0.75, 0, math.nan, math.nan], nan_ok=True)


@pytest.mark.parametrize(("per", "name"), NAMES.items())
def test_names_and_signatures(per: Per, name: str) -> None:
    assert MultipleChoice(per).name == name
    assert MultipleChoice(per).signature() == f"{name}|per:{per}|ties:first"


@pytest.mark.parametrize(
    ("per", "output", "target", "message"),
    [
        ("choice", [-1.0, -2.0], 0, r"the output of example #0 is \[-1.0, -2.0\] \(list\); expected ChoiceScores"),
        ("choice", ChoiceScores(np.array([-1.0])), 0, r"have the shape \(1,\); expected .* at least two choices"),
        ("choice", ChoiceScores(np.zeros((2, 2))), 0, r"have the shape \(2, 2\)"),
        ("choice", ChoiceScores(np.array([2.0, 1.0])), 0, "log-likelihood 2, but .* neither losses nor probabilities"),
        ("choice", ChoiceScores.of([-1, -2], ["a", "b"]), 2, r"target of example #0 is 2; .* its 2 choices"),
        ("choice", ChoiceScores.of([-1, -2], ["a", "b"]), -1, "target of example #0 is -1"),
        ("choice", ChoiceScores.of([-1, -2], ["a", "b"]), "a", "target of example #0 is 'a'"),
        ("choice", ChoiceScores.of([-1, -2], ["a", "b"]), True, "target of example #0 is True"),
        ("choice", ChoiceScores.of([-1, -2], ["a", "b"]), [], "target of example #0 is empty"),
        ("character", ChoiceScores(np.array([-1.0, -2.0])), 0, "acc_norm divides by .* in characters, which .* lacks"),
        ("byte", ChoiceScores.of([-1, -2], ["a", ""]), 0, r"are \[1\.0, 0\.0\] bytes long; .* no acc_bytes"),
        ("token", ChoiceScores.of([-1, -2], ["a", "b"], [1]), 0, r"are \[1\.0\] tokens long; .* each of 2 choices"),
    ],
)
def test_what_has_no_answer_is_refused(per: Per, output: Any, target: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        right(per, output, target)


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(MisuseError, match="per='word': expected one of 'choice', 'character', 'byte', 'token'"):
        MultipleChoice("word")  # type: ignore[arg-type]
