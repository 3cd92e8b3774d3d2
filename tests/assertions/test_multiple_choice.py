"""The assertion about multiple choice: what is compared, and what a failure shows."""

from __future__ import annotations

import math

import pytest

from pytest_llm import ChoiceScores, Choose, MisuseError, QualityError, assert_acc_above
from tests.stub_models import PairTable, UniformModel

ROWS = [
    {"id": "sea", "text": "What is in the sea?", "choices": ["air", "water with salt"], "target": 1},
    {"id": "sky", "text": "What is in the sky?", "choices": ["clouds", "fish"], "target": 0},
]
# tokens: " air", then " water" " with" " salt"
TABLE = {
    ("Question: What is in the sea?\nAnswer:", " air"): [-2.0],
    ("Question: What is in the sea?\nAnswer:", " water with salt"): [-3.0, -2.0, -1.0],
    ("Question: What is in the sky?\nAnswer:", " clouds"): [-1.0],
    ("Question: What is in the sky?\nAnswer:", " fish"): [-4.0],
}


def test_a_long_choice_is_right_once_its_length_is_taken_out() -> None:
    model = PairTable(TABLE)
    assert assert_acc_above(model, ROWS, 0.4).value == 0.5
    assert assert_acc_above(model, ROWS, 0.9, per="character").value == 1  # −2/3 against −6/15
    assert assert_acc_above(model, ROWS, 0.9, per="byte").value == 1
    assert assert_acc_above(model, ROWS, 0.4, per="token").value == 0.5  # −2/1 against −6/3: the first of equals
    assert model.calls[0] == list(TABLE)


def test_a_failure_shows_the_choices_in_the_order_of_the_model() -> None:
    with pytest.raises(QualityError) as caught:
        assert_acc_above(PairTable(TABLE), ROWS, 0.9)
    lines = str(caught.value).splitlines()
    assert lines[0] == "acc 0.5 is not above 0.9: under the limit by 0.4 (44.4 %)"
    at = next(number for number, line in enumerate(lines) if line.startswith("  worst"))
    assert lines[at].endswith("0  sea  'What is in the sea?'")
    shown = [line.split() for line in lines[at + 1 : at + 3]]
    assert shown == [["-2", "'air'"], ["right", "-6", "'water", "with", "salt'"]]


def test_scores_that_were_made_elsewhere() -> None:
    scores = [ChoiceScores.of([-1, -2], ["a", "b"]), ChoiceScores.of([-2, -1], ["a", "b"])]
    with pytest.raises(QualityError, match=r"right +-2  'choice 0'"):
        assert_acc_above(scores, [0, 0], 0.9)
    with pytest.raises(QualityError, match="acc is not a number: 1 of 2 examples gave NaN"):
        assert_acc_above([scores[0], ChoiceScores.of([math.nan, -1], ["a", "b"])], [0, 1], 0.1)


def test_choices_that_hold_for_all_rows_and_another_delimiter() -> None:
    task = Choose("{text}", choices=["x", "y"], delimiter="")
    model = PairTable({("a", "x"): [-1.0], ("a", "y"): [-2.0]})
    assert assert_acc_above(model, [{"text": "a", "target": 0}], 0.9, task=task).value == 1


def test_rows_without_choices_are_refused() -> None:
    with pytest.raises(MisuseError, match="example #0 has no column 'choices': give each row a list"):
        assert_acc_above(PairTable({}), [{"text": "a", "target": 0}], 0.5)


def test_a_model_that_scores_no_pairs_is_named_with_what_could() -> None:
    with pytest.raises(MisuseError, match=r"UniformModel cannot say how probable an answer is, .*score_pairs\(pairs\)"):
        assert_acc_above(UniformModel(), ROWS, 0.5)
