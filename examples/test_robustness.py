"""What a few edits that hardly anyone notices do to a language model.

    pytest examples/test_robustness.py

Hypothesis draws the edits, and shrinks those that break the test to as few and as mild ones as do.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from pytest_llm import LanguageModel, assert_robust, measure
from pytest_llm.adversarial import BoundedLoss, Budget, EditScript, operations, perturbed_texts, sanitise

OPENINGS = [
    "It was a fine morning, and the whole family walked to the village before breakfast.",
    "Her mother was not at all surprised to hear of the engagement.",
]
HIDDEN = operations("unicode", preserves="exact")  # what a reader cannot see


def bits(llm: LanguageModel, text: str) -> float:
    return measure(llm, [text], "bits_per_byte").value


@pytest.mark.llm_batch  # what all examples ask is answered in a few calls
@settings(max_examples=20)
@given(script=perturbed_texts(OPENINGS, operations=HIDDEN))
def test_behind_a_sanitiser_nothing_hidden_reaches_the_model(llm: LanguageModel, script: EditScript) -> None:
    assert bits(llm, sanitise(script.perturbed)) == bits(llm, script.text)


@settings(max_examples=30, database=None, derandomize=True)
@given(script=perturbed_texts(OPENINGS, operations=HIDDEN, budget=Budget(max_edits=2)))
def test_what_is_hidden_in_a_text_costs_little(llm: LanguageModel, script: EditScript) -> None:
    """It costs much: fails on purpose."""
    cost = bits(llm, script.perturbed) / bits(llm, script.text)
    assert cost < 1.5, f"{cost:.2f} times as many bits as without the edits"


def test_a_typo_spoils_little_of_what_comes_next(llm: LanguageModel) -> None:
    """A search for the typo that costs the next words most, of each text; a gate on how many texts have one that costs much."""
    beginnings = [{"text": text[:-20], "target": text[-20:]} for text in OPENINGS]
    assert_robust(
        llm, beginnings, attack="typo.swap", relation=BoundedLoss(1.0), budget=Budget(max_edits=1), max_success_rate=0.5
    )
