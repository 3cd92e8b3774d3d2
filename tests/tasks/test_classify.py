"""Classify: labels, and the words that stand for them."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_llm import Classify, MisuseError, Prompt, load_examples


def test_labels_stand_for_themselves_or_have_words() -> None:
    assert Classify(["a", "b"]).words == {"a": "a", "b": "b"}
    assert Classify([0, 1]).words == {0: "0", 1: "1"}
    assert Classify({0: "no", 1: "yes"}).words == {0: "no", 1: "yes"}
    assert Classify().words is None


def test_label_words_are_chosen_like_choices() -> None:
    choose = Classify({0: "no", 1: "yes"}, "{text}?", delimiter="\n", system="Judge!").choose
    assert choose.choices == ("no", "yes")
    assert choose.delimiter == "\n"
    assert isinstance(choose.prompt, Prompt)
    assert choose.prompt.text(load_examples(["True"])[0]) == "Judge!\n\nTrue?"


def test_shots_show_the_word_of_their_label() -> None:
    shots = [{"text": "awful", "target": 0}, {"text": "great", "target": 1}]
    prompt = Classify({0: "no", 1: "yes"}, "Good? {text}\n", shots=shots, answer="{target}").choose.prompt
    assert isinstance(prompt, Prompt)
    assert prompt.text(load_examples(["fine"])[0]) == "Good? awful\nno\n\nGood? great\nyes\n\nGood? fine\n"


@pytest.mark.parametrize("target", [2, None, [0]])
def test_a_shot_with_another_label_is_refused(target: Any) -> None:
    with pytest.raises(MisuseError, match=r"worked example #0 is .*, which is none of the labels \[0, 1\]"):
        Classify({0: "no", 1: "yes"}, shots=[{"text": "a", "target": target}])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("ab", "labels='ab': expected a list of labels"),
        (["a"], "at least two"),
        ({0: "same", 1: "same"}, "each once"),
        ({0: "", 1: "b"}, "none empty"),
    ],
)
def test_labels_that_are_none_are_refused(labels: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        Classify(labels)


def test_a_broken_prompt_is_refused_at_once() -> None:
    with pytest.raises(MisuseError, match="for braces that are meant"):
        Classify(["a", "b"], "{")


def test_the_signature_says_how_labels_are_found() -> None:
    assert Classify().signature == "task:classify|by:head"
    assert Classify(["a", "b"]).signature.startswith("task:classify|by:label words|prompt:plain-")
    assert Classify(["a", "b"]).signature != Classify(["a", "c"]).signature
