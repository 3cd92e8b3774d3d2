"""What a model of English has to know, asked in many words, layouts and lengths: a woman finds herself, a man himself.

    pytest examples/test_minimum_functionality.py

Hypothesis fills templates, lays out prompts and hides needles in hay; what fails shrinks to the first words, the plain layout, the
shortest context.
"""

from __future__ import annotations

from hypothesis import given, settings

from pytest_llm import ConditionalModel
from pytest_llm.adversarial import Context, Filled, PromptFormat, contexts, prompt_formats, templates

WOMEN = ["She", "Her mother", "Isabella", "Miss Tilney", "Miss Thorpe"]
MEN = ["He", "Mr. Tilney", "John Thorpe", "Henry", "The General"]


def finds_herself(llm: ConditionalModel, text: str) -> bool:
    herself, himself = llm.score_pairs([(text, " herself"), (text, " himself")])
    return bool(sum(herself) > sum(himself))


@settings(max_examples=30)
@given(filled=templates("{who} found", "{who} then found", who=WOMEN))
def test_a_woman_finds_herself(llm: ConditionalModel, filled: Filled) -> None:
    assert finds_herself(llm, filled.text)


@settings(max_examples=30, database=None, derandomize=True)
@given(filled=templates("{who} found", "{who} then found", who=MEN))
def test_a_man_finds_himself(llm: ConditionalModel, filled: Filled) -> None:
    """The tiny model does not know all of them: fails on purpose."""
    assert not finds_herself(llm, filled.text)


@settings(max_examples=30)
@given(layout=prompt_formats(spacings=["\n", "\n\n"]))
def test_it_does_in_any_layout(llm: ConditionalModel, layout: PromptFormat) -> None:
    assert finds_herself(llm, layout.render({"Catherine": "Who is she?", "Isabella": "My friend found"}))


@settings(max_examples=30)
@given(hay=contexts("Isabella looked in the glass, and found", lengths=[10, 30, 60, 100], depths=[1.0]))
def test_it_does_behind_much_else(llm: ConditionalModel, hay: Context) -> None:
    assert finds_herself(llm, hay.text)
