"""Forty questions of an amateur radio exam, four choices each: chance is 0.25.

SmolLM2-135M knows a little of radio. It shows only where the choices' lengths are taken out: a long answer is less probable
than a short one for being long.
"""

import pytest

from pytest_llm import LanguageModel, assert_acc_above, embedded, load_examples

pytestmark = pytest.mark.smollm2

QUESTIONS = load_examples(embedded("data/multiple_choice.jsonl"))[::6]


def test_it_knows_something_of_radio(smollm2: LanguageModel) -> None:
    assert_acc_above(smollm2, QUESTIONS, 0.3, per="character")  # acc_norm 0.40


def test_it_sees_through_short_answers(smollm2: LanguageModel) -> None:
    """It does not: by bare log-likelihood it is at chance. Fails on purpose."""
    assert_acc_above(smollm2, QUESTIONS, 0.3)
