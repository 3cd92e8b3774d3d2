"""A language model as a classifier: which word would it go on with?

Nothing is written; the words for the labels are scored after the prompt, and the most probable one is the prediction.
"""

import pytest

from pytest_llm import (
    Classify,
    LanguageModel,
    assert_accuracy_above,
    assert_calibration_error_below,
    assert_f1_above,
    embedded,
    load_examples,
)

pytestmark = pytest.mark.smollm2

WORDS = {"de": "German", "en": "English", "es": "Spanish", "fr": "French"}  # a label, and the word that stands for it
TEXTS = [text for text in load_examples(embedded("data/languages.jsonl")) if text.target in WORDS][::4]
WHICH = Classify(WORDS, "{text}\nThe language of this text is")


def test_it_knows_languages_when_it_sees_them(smollm2: LanguageModel) -> None:
    assert_accuracy_above(smollm2, TEXTS, 0.65, task=WHICH)  # 0.80; guessing gives 0.25
    assert_f1_above(smollm2, TEXTS, 0.6, task=WHICH)  # the mean over languages: 0.74


def test_it_takes_english_for_something_else(smollm2: LanguageModel) -> None:
    """Most labels are right, and still one class is nearly lost: the confusion matrix of the message shows it."""
    with pytest.raises(AssertionError, match=r"target \\ predicted +de +en +es +fr"):
        assert_f1_above(smollm2, TEXTS, 0.6, task=WHICH, label="en")


def test_it_is_not_much_surer_than_it_is_right(smollm2: LanguageModel) -> None:
    assert_calibration_error_below(smollm2, TEXTS, 0.4, task=WHICH)  # 0.27
