"""Assertions about labels: by a head, by label words, or given; a failure shows what was taken for what."""

from __future__ import annotations

import math

import pytest

from pytest_llm import (
    Classify,
    MisuseError,
    QualityError,
    assert_accuracy_above,
    assert_calibration_error_below,
    assert_f1_above,
    assert_matthews_correlation_above,
    assert_precision_above,
    assert_recall_above,
)
from tests.stub_models import Labeller, PairTable, UniformModel

ROWS = [{"id": text, "text": text, "target": target} for text, target in (("fine", 1), ("good", 1), ("bad", 0))]
HEAD = Labeller({"fine": {0: 0.75, 1: 0.25}, "good": {0: 0.0, 1: 1.0}, "bad": {0: 1.0, 1: 0.0}})
WORDS = Classify({0: "negative", 1: "positive"}, "{text}\nThis is")


def words(probability: float) -> list[float]:
    return [math.log(probability) / 2] * 2  # as if of two tokens


TABLE = PairTable(
    {
        ("fine\nThis is", " negative"): words(0.3),
        ("fine\nThis is", " positive"): words(0.1),
        ("good\nThis is", " negative"): words(1e-9),
        ("good\nThis is", " positive"): words(0.2),
        ("bad\nThis is", " negative"): words(0.2),
        ("bad\nThis is", " positive"): words(1e-9),
    }
)


def test_a_head_is_asked_about_the_text_itself() -> None:
    assert assert_accuracy_above(HEAD, ROWS, 0.6).value == 2 / 3
    assert HEAD.calls[-1] == ["fine", "good", "bad"]


def test_label_words_are_chosen_by_their_probability() -> None:
    measured = assert_accuracy_above(TABLE, ROWS, 0.6, task=WORDS)
    assert measured.value == 2 / 3
    assert measured.outputs is not None
    assert measured.outputs[0] == pytest.approx({0: 0.75, 1: 0.25})  # of the two words, not of all there are


def test_the_confusion_matrix_shows_what_was_taken_for_what() -> None:
    with pytest.raises(QualityError) as caught:
        assert_f1_above(TABLE, ROWS, 0.9, task=WORDS)
    lines = [line[13:] for line in str(caught.value).splitlines()]
    assert str(caught.value).startswith("f1 0.6667 is not above 0.9: ")
    at = next(number for number, line in enumerate(lines) if line.startswith("target"))
    assert [line.split() for line in lines[at : at + 3]] == [
        ["target", "\\", "predicted", "0", "1", "other"],
        ["0", "1", "0", "0"],
        ["1", "1", "1", "0"],
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_the_message_shows_the_most_probable_label_in_whichever_order_they_come(order: int) -> None:
    given = [dict([(0, 0.75), (1, 0.25)][::order]), {1: 1.0}, {0: 1.0}]
    with pytest.raises(QualityError, match="worst              0  fine  '0', wanted '1'"):
        assert_accuracy_above(given, ROWS, 0.9)


def test_no_label_is_wrong_and_shown_wherever_it_stands() -> None:
    with pytest.raises(QualityError, match="worst              0  fine  'None', wanted '1'") as caught:
        assert_accuracy_above([None, 1, 0], ROWS, 0.9)
    assert "good  '1', wanted '1'" in str(caught.value)


def test_the_score_of_one_class() -> None:
    given = [0, 1, 0]
    assert assert_precision_above(given, ROWS, 0.4, label=0).value == 0.5
    assert assert_recall_above(given, ROWS, 0.9, label=0).value == 1
    assert assert_f1_above(given, ROWS, 0.6, label=0, labels=[0, 1]).value == 2 / 3
    with pytest.raises(MisuseError, match="label=0 with average='micro'"):
        assert_f1_above(given, ROWS, 0.6, label=0, average="micro")


def test_several_labels_to_an_example() -> None:
    given, wanted = [{"a"}, {"a", "b"}], [{"a", "b"}, {"a", "b"}]
    assert assert_accuracy_above(given, wanted, 0.4).value == 0.5
    assert assert_f1_above(given, wanted, 0.8, average="micro").value == 2 * 3 / (3 + 4)


def test_calibration_is_about_how_sure_the_model_is() -> None:
    assert assert_calibration_error_below(HEAD, ROWS, 0.3).value == pytest.approx(0.75 / 3)
    assert assert_calibration_error_below(TABLE, ROWS, 0.3, task=WORDS).value == pytest.approx(0.75 / 3, abs=1e-6)
    with pytest.raises(QualityError, match=r"confidence +examples +said +right"):
        assert_calibration_error_below(HEAD, ROWS, 0.1)
    with pytest.raises(MisuseError, match=r"expected \(label, confidence\) or a mapping"):
        assert_calibration_error_below([1, 1, 0], ROWS, 0.3)


def test_a_value_that_does_not_exist_fails_and_says_so() -> None:
    with pytest.raises(QualityError) as caught:
        assert_matthews_correlation_above([1, 1], [1, 1], 0.5)
    message = str(caught.value)
    assert message.startswith("matthews_correlation is not a number: it has no value for these 2 examples together")
    assert "to change  give examples that the metric has a value for" in message


def test_a_model_without_a_head_is_told_of_label_words() -> None:
    with pytest.raises(MisuseError, match=r"UniformModel cannot say which label .* task=Classify\(labels=\[…\]\)"):
        assert_accuracy_above(UniformModel(), ROWS, 0.5)


def test_labels_of_another_type_are_refused() -> None:
    with pytest.raises(MisuseError, match=r"'1' .*and its target is 1"):
        assert_accuracy_above(["1", "1", "0"], ROWS, 0.5)
