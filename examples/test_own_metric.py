"""A metric of your own: how much a model repeats itself when it goes on with a novel.

    pytest examples/test_own_metric.py

The function says what one example contributes: how many of its word pairs have stood in it before, of how many.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from pytest_llm import Example, Generate, LanguageModel, assert_metric_below, embedded, llm_metric, load_examples

OPENINGS = [" ".join(example.text.split()[:60]) for example in load_examples(embedded("data/held_out.jsonl"))]


@llm_metric("below", task=Generate("{text}", max_tokens=60), counts="word pairs")
def repetition(example: Example, output: str) -> tuple[int, int]:
    words = output.split()
    pairs = list(pairwise(words))
    return len(pairs) - len(set(pairs)), len(pairs)


def test_greedy_text_does_not_go_round_in_circles(llm: LanguageModel) -> None:
    assert_metric_below(llm, OPENINGS, repetition, 0.5)


@pytest.mark.parametrize("seed", [1, 2])
def test_drawn_text_hardly_repeats_itself(llm: LanguageModel, seed: int) -> None:
    drawn = Generate("{text}", max_tokens=60, temperature=0.8, top_p=0.95, seed=seed)
    assert_metric_below(llm, OPENINGS, repetition, 0.1, task=drawn)
