"""Relations about labels: above 0 exactly where the label flips, by the amount that is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm import ChoiceScores, Choose, Example, MisuseError
from pytest_llm.adversarial.relations.label import InvariantLabel, MonotonicProbability, NoLabelRegression

EXAMPLE = Example("a", "a text", "#0", target="x")
SHARES = st.lists(st.integers(1, 50), min_size=2, max_size=4)


def probabilities(shares: Sequence[int]) -> dict[str, float]:
    return {name: share / sum(shares) for name, share in zip("xyzw", shares, strict=False)}


@given(SHARES, st.data())
def test_the_label_flips_exactly_where_the_loss_is_above_zero(shares: list[int], data: st.DataObject) -> None:
    """But for ties, of which none is a flip."""
    other = data.draw(st.lists(st.integers(1, 50), min_size=len(shares), max_size=len(shares)))
    clean, output = probabilities(shares), probabilities(other)
    label = max(clean, key=lambda name: clean[name])
    loss = InvariantLabel().loss(EXAMPLE, clean, output)
    best = max(p for name, p in output.items() if name != label)
    flips = best > output[label] and clean[label] > output[label]
    assert (loss > 0) == flips
    assert InvariantLabel(tolerance=0.2).loss(EXAMPLE, clean, output) <= loss


def test_a_flip_counts_only_beyond_the_tolerance() -> None:
    clean, output = {"x": 0.55, "y": 0.45}, {"x": 0.45, "y": 0.55}
    assert InvariantLabel().loss(EXAMPLE, clean, output) == pytest.approx(0.1)
    assert InvariantLabel(tolerance=0.15).loss(EXAMPLE, clean, output) == pytest.approx(-0.05)


def test_bare_labels_and_sets_of_labels_flip_too() -> None:
    assert InvariantLabel().loss(EXAMPLE, {"x": 1.0}, {"y": 1.0}) == 1
    assert InvariantLabel().loss(EXAMPLE, {"x": 1.0}, {"x": 1.0}) < 0
    assert InvariantLabel().loss(EXAMPLE, ["x", "y"], ["y", "x"]) < 0
    assert InvariantLabel().loss(EXAMPLE, ["x"], ["x", "y"]) > 0


def test_choices_are_labels_by_their_numbers() -> None:
    first, second = (ChoiceScores(np.log([p, 1 - p])) for p in (0.7, 0.4))
    relation = InvariantLabel(Choose(choices=["yes", "no"]))
    assert relation.loss(EXAMPLE, first, second) == pytest.approx(0.2)
    asked = Example("a", "a text", "#0", target=0, row={"choices": ["yes", "no"]})
    assert not relation.is_wrong(asked, first)
    assert relation.is_wrong(asked, second)
    assert relation.shown(asked, second) == {"label": "no", "probability": pytest.approx(0.6)}


def test_what_is_wrong_is_told_by_the_target() -> None:
    assert InvariantLabel().is_wrong(EXAMPLE, {"y": 0.6, "x": 0.4})
    assert not InvariantLabel().is_wrong(EXAMPLE, {"x": 0.6, "y": 0.4})
    assert not InvariantLabel().is_wrong(Example("a", "a text", "#0"), {"y": 1.0})


@pytest.mark.parametrize(("direction", "after", "loss"), [("up", 0.3, 0.1), ("up", 0.6, -0.2), ("down", 0.6, 0.0)])
def test_a_probability_may_move_one_way(direction: Any, after: float, loss: float) -> None:
    relation = MonotonicProbability("x", direction, tolerance=0.1)
    assert relation.loss(EXAMPLE, {"x": 0.5, "y": 0.5}, {"x": after, "y": 1 - after}) == pytest.approx(loss)


def test_a_label_without_a_probability_is_refused() -> None:
    with pytest.raises(MisuseError, match="gives 'z' no probability"):
        MonotonicProbability("z").loss(EXAMPLE, {"x": 1.0}, {"x": 1.0})


class Fixed:
    """Gives the right label to texts that hold none of its words."""

    def __init__(self, *confusing: str) -> None:
        self.confusing = confusing

    def classify(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
        wrong = [any(word in text for word in self.confusing) for text in texts]
        return [{"x": 0.2 if is_wrong else 0.9, "y": 0.8 if is_wrong else 0.1} for is_wrong in wrong]


def test_a_regression_is_where_the_new_model_alone_is_wrong() -> None:
    relation = NoLabelRegression(Fixed("both", "old"))
    new = Fixed("both", "new")
    clean = list(relation.outputs(new, [EXAMPLE]))
    texts = ["new", "old", "both", "none"]
    losses = [loss for loss, _ in relation.judged(new, [EXAMPLE] * 4, clean * 4, texts)]
    assert losses == pytest.approx([0.6, -0.8, -0.6, -0.8])
    assert relation.is_wrong(EXAMPLE, ({"y": 1.0}, {"x": 1.0}))
    assert relation.is_wrong(EXAMPLE, ({"x": 1.0}, {"y": 1.0}))


def test_an_edited_text_stands_in_each_column_that_held_it() -> None:
    example = Example("a", "a text", "#0", row={"question": "a text", "hint": "none"})
    edited = example.with_text("A text")
    assert (edited.text, edited.row) == ("A text", {"question": "A text", "hint": "none"})


@pytest.mark.parametrize("wrong", [{"tolerance": 1}, {"tolerance": -0.1}])
def test_a_tolerance_is_a_probability(wrong: dict[str, float]) -> None:
    with pytest.raises(MisuseError, match="tolerance"):
        InvariantLabel(**wrong)  # type: ignore[arg-type]
