"""Choices, worked examples and label words in other orders: what stays true, what they shrink to, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from pytest_llm import Choose, measure
from pytest_llm.adversarial.task_strategies import choice_orders, label_words, shot_orders
from pytest_llm.models.transformers_model import TransformersModel
from tests.adversarial.shrinking import smallest

ROW = {"text": "What boils?", "choices": ["Ice", "Water", "Sand"], "target": 1, "id": "a"}


@given(choice_orders(ROW))
def test_the_right_choice_stays_the_right_one(row: dict[str, Any]) -> None:
    assert row["choices"][row["target"]] == "Water"
    assert sorted(row["choices"]) == ["Ice", "Sand", "Water"]
    assert (row["text"], row["id"]) == (ROW["text"], ROW["id"])


def test_every_order_is_drawn_and_the_first_is_the_own() -> None:
    assert smallest(choice_orders(ROW)) == ROW
    for target in range(3):
        assert smallest(choice_orders(ROW), lambda row, target=target: row["target"] == target)["target"] == target


def test_worked_examples_shrink_to_their_order() -> None:
    assert smallest(shot_orders(["a", "b", "c"])) == ("a", "b", "c")
    assert smallest(shot_orders(["a", "b", "c"]), lambda shots: shots[-1] == "a") in [("b", "c", "a"), ("c", "b", "a")]


def test_label_words_shrink_to_the_first_of_each() -> None:
    words = {0: ["negative", "bad"], 1: ["positive", "good", "negative"]}
    assert smallest(label_words(words)) == {0: "negative", 1: "positive"}
    assert smallest(label_words(words), lambda drawn: drawn[1] == "negative") == {0: "bad", 1: "negative"}


@given(label_words({0: ["a", "b"], 1: ["b", "a"], 2: ["a", "b", "c"]}))
def test_no_word_stands_for_two_labels(words: dict[int, str]) -> None:
    assert len(set(words.values())) == 3


def test_a_model_is_asked_about_choices_in_another_order(tiny: TransformersModel) -> None:
    """Each choice is scored by itself, so that its place changes no answer."""
    row = smallest(choice_orders(ROW), lambda row: row["choices"][0] == "Sand")
    own, other = (measure(tiny, [one], "acc", task=Choose("{text}")).value for one in (ROW, row))
    assert own == other


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (choice_orders({"text": "?"}), "choices=None"),
        (choice_orders({"choices": "abc", "target": 0}), "expected choices"),
        (choice_orders({"choices": ["a"], "target": 1}), "number of the right one"),
        (choice_orders({"choices": ["a"], "target": True}), "number of the right one"),
        (label_words({}), "at least one label"),
        (label_words({0: []}), "one that is free"),
        (label_words({0: "bad"}), "one that is free"),
        (label_words({0: ["a"], 1: ["a"]}), "1 has the words"),
    ],
)
def test_what_makes_no_sense_is_refused(strategy: st.SearchStrategy[Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        smallest(strategy)
