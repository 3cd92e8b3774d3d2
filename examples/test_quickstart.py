"""The shortest gate there is: how surprised is the model by prose that it has never seen?

The second test demands too much, on purpose: run it and read what a failing gate says.
"""

from pytest_llm import LanguageModel, assert_perplexity_below, embedded

HELD_OUT = embedded("data/held_out.jsonl")  # the openings of the 31 chapters of Northanger Abbey


def test_model_reads_austen(llm: LanguageModel) -> None:
    assert_perplexity_below(llm, HELD_OUT, 60)


def test_model_reads_austen_like_a_scholar(llm: LanguageModel) -> None:
    assert_perplexity_below(llm, HELD_OUT, 20)
