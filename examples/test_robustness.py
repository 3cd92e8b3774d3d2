"""What a few edits that hardly anyone notices do to a language model.

    pytest examples/test_robustness.py

Hypothesis draws the edits, and shrinks those that break the test to as few and as mild ones as do.
"""

from __future__ import annotations

from hypothesis import Phase, given, settings

from pytest_llm import LanguageModel, measure
from pytest_llm.adversarial import Budget, EditScript, operations, perturbed_texts, sanitise

OPENINGS = [
    "It was a fine morning, and the whole family walked to the village before breakfast.",
    "Her mother was not at all surprised to hear of the engagement.",
]
HIDDEN = operations("unicode", preserves="exact")


def bits(llm: LanguageModel, text: str) -> float:
    return measure(llm, [text], "bits_per_byte").value


@settings(max_examples=20, deadline=None, phases=(Phase.generate, Phase.shrink))
@given(script=perturbed_texts(OPENINGS, operations=HIDDEN))
def test_behind_a_sanitiser_nothing_hidden_reaches_the_model(llm: LanguageModel, script: EditScript) -> None:
    assert bits(llm, sanitise(script.perturbed)) == bits(llm, script.text)


@settings(max_examples=30, deadline=None, database=None, derandomize=True, phases=(Phase.generate, Phase.shrink))
@given(script=perturbed_texts(OPENINGS, operations=HIDDEN, budget=Budget(max_edits=2)))
def test_what_is_hidden_in_a_text_costs_little(llm: LanguageModel, script: EditScript) -> None:
    """It costs much: fails on purpose."""
    assert bits(llm, script.perturbed) < 1.5 * bits(llm, script.text)
