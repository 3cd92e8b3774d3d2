"""What counts as right: a label, all labels, a choice; and what could never be equal is refused."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_llm import MisuseError, load_examples
from pytest_llm.metrics.multiple_choice import ChoiceScores
from pytest_llm.metrics.right_answer import is_right

CHOICES = ChoiceScores.of([-2.0, -1.0, -3.0], ["a", "b", "c"])


@pytest.mark.parametrize(
    ("target", "output", "right"),
    [
        ("good", "good", True),
        ("good", {"good": 0.4, "bad": 0.6}, False),
        ("good", None, False),
        (["x", "y"], ["y", "x", "x"], True),
        (["x", "y"], {"x"}, False),
        (1, CHOICES, True),
        (0, CHOICES, False),
    ],
)
def test_it_is_the_target_that_is_chosen(target: Any, output: Any, right: bool) -> None:
    [example] = load_examples([{"text": "a film", "target": target}])
    assert is_right(example, output) is right


@pytest.mark.parametrize(("target", "output"), [("1", 1), (["x"], "x"), (["x"], {"x": 0.9})])
def test_what_could_never_be_equal_is_refused(target: Any, output: Any) -> None:
    [example] = load_examples([{"text": "a film", "target": target}])
    with pytest.raises(MisuseError):
        is_right(example, output)
