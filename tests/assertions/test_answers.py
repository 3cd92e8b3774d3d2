"""Assertions about short answers: filters cut them out, failures show them."""

from __future__ import annotations

import re

import pytest

from pytest_llm import Generate, MisuseError, QualityError, assert_exact_match_above, assert_squad_f1_above
from tests.stub_models import Writer

ROWS = [
    {"id": "fr", "text": "France", "target": ["Paris", "Lutetia"], "context": "Paris is its capital."},
    {"id": "it", "text": "Italy", "target": "Rome", "context": "All roads lead to Rome."},
]
TEXTS = {"Capital of France?": "I think it is: Paris!", "Capital of Italy?": "I think it is: Milan."}
TASK = Generate("Capital of {text}?", filter=re.compile(r": (\w+)"))


def test_a_filter_cuts_the_answer_out_of_the_text() -> None:
    measured = assert_exact_match_above(Writer(TEXTS), ROWS, 0.4, task=TASK)
    assert measured.outputs == ("Paris", "Milan")
    assert measured.example_values.tolist() == [1, 0]


def test_a_failure_shows_the_wrong_answer() -> None:
    with pytest.raises(QualityError, match=r"^exact_match 0\.5 is not above 0\.9: under the limit by 0\.4") as caught:
        assert_exact_match_above(Writer(TEXTS), ROWS, 0.9, task=TASK)
    assert "worst              0  it  'Milan', wanted 'Rome'" in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ({}, 0),
        ({"ignore_case": True}, 0.5),
        ({"ignore_case": True, "ignore_punctuation": True}, 1),
        ({"regexes_to_ignore": ["[PRM!.]"]}, 0),
    ],
)
def test_what_is_ignored_is_said(settings: dict[str, bool], value: float) -> None:
    assert assert_exact_match_above(["paris", "ROME."], ROWS, -1, **settings).value == value  # type: ignore[arg-type]


def test_of_several_answers_the_closest_counts() -> None:
    assert assert_squad_f1_above(["the Lutetia of old", "Rome"], ROWS, 0.7).value == (2 / 4 + 1) / 2
    with pytest.raises(QualityError, match=r"squad_f1 0\.25 is not above 0\.5"):
        assert_squad_f1_above(["the Lutetia of old", "Milan"], ROWS, 0.5)


def test_other_columns_stand_in_the_prompt() -> None:
    writer = Writer({"Paris is its capital. France": "Paris", "All roads lead to Rome. Italy": "Rome"})
    assert assert_squad_f1_above(writer, ROWS, 0.9, task=Generate("{context} {text}")).value == 1


def test_a_number_is_no_answer() -> None:
    with pytest.raises(MisuseError, match="expected the predicted text, a string"):
        assert_exact_match_above([1, 2], ROWS, 0.5)
