"""Choose: where choices come from, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_llm import Choose, Example, MisuseError, Prompt, load_examples

ROW = {"text": "Which?", "choices": ["this", "that"], "target": 1}
(EXAMPLE,) = load_examples([ROW])


def test_a_row_brings_its_own_choices_unless_the_task_has_some() -> None:
    assert Choose().choices_of(EXAMPLE) == ("this", "that")
    assert Choose(choices=["yes", "no"]).choices_of(EXAMPLE) == ("yes", "no")


def test_the_prompt_is_that_of_a_question_and_shots_are_answered_by_the_right_choice() -> None:
    prompt = Choose(shots=[ROW]).prompt
    assert isinstance(prompt, Prompt)
    assert prompt.text(Example("other", "And now?", "other")) == (
        "Question: Which?\nAnswer: that\n\nQuestion: And now?\nAnswer:"
    )


def test_shots_are_answered_from_the_choices_that_hold_for_all() -> None:
    prompt = Choose("{text}", choices=["no", "yes"], shots=[{"text": "Really?", "target": 1}]).prompt
    assert isinstance(prompt, Prompt)
    assert prompt.text(Example("other", "Truly?", "other")) == "Really? yes\n\nTruly?"


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (["one"], "expected at least two, each once"),
        ([], "expected at least two"),
        (["a", "b", "a"], "each once"),
        (["a", ""], "expected a list of texts, none empty"),
        (["a", 1], "expected a list of texts"),
        ("ab", "expected a list of texts"),
    ],
)
def test_choices_that_are_none_are_refused(choices: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=f"choices: .*{message}"):
        Choose(choices=choices)
    (example,) = load_examples([{"id": "q7", "text": "Which?", "choices": choices}])
    with pytest.raises(MisuseError, match=f"choices of example q7: .*{message}"):
        Choose().choices_of(example)


def test_a_row_without_choices_is_told_where_they_may_stand() -> None:
    with pytest.raises(MisuseError, match=r"example #0 has no column 'choices': .* or the task choices=\[…\]"):
        Choose().choices_of(load_examples(["text"])[0])


@pytest.mark.parametrize(
    "other", [Choose("{text}"), Choose(delimiter=""), Choose(choices=["a", "b"]), Choose(shots=[ROW])]
)
def test_whatever_changes_the_scores_changes_the_signature(other: Choose) -> None:
    assert other.signature != Choose().signature
