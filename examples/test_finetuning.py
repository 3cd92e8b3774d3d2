"""A model is tuned to a new task: did it learn it, and did it keep what it could do?

    pytest examples/test_finetuning.py

The base has read five novels by Jane Austen and nothing else. It is taught to say which language a sentence is in, on pages of a
manual, and asked about other pages; whether it still reads novels is asked of a sixth one.
"""

import hashlib
from typing import Any

import pytest

from pytest_llm import (
    Classify,
    LanguageModel,
    assert_finetuning_improves,
    assert_no_forgetting,
    embedded,
    load_examples,
)
from pytest_llm.finetuning.layer_wise import LayerWise
from pytest_llm.finetuning.tuning import finetune
from pytest_llm.pretraining.trainer import Recipe

WORDS = {"de": "German", "en": "English", "es": "Spanish", "fr": "French"}  # a label, and the word that stands for it
WHICH = Classify(WORDS, "{text}\nLanguage:")
RECIPE = Recipe(steps=25, learning_rate=3e-3, warm_up=3)
NOVEL = [" ".join(chapter.text.split()[:60]) for chapter in load_examples(embedded("data/held_out.jsonl"))]


def is_held_out(row: dict[str, Any]) -> bool:
    """Half of the pages, whole: sentences of one page say the same in each language."""
    return hashlib.sha256(row["cluster"].encode()).digest()[0] % 2 == 0


ROWS = [
    {"text": " ".join(row.text.split()[:8]), "target": row.target, "cluster": row.cluster}
    for row in load_examples(embedded("data/languages.jsonl"))
    if row.target in WORDS
]
TRAINING = [row for row in ROWS if not is_held_out(row)]
HELD_OUT = [row for row in ROWS if is_held_out(row)]


@pytest.fixture(scope="module")
def tuned(llm: LanguageModel) -> Any:
    """A copy of the base, trained from the last layer down, each lower one more slowly; the base stays as it is."""
    return finetune(llm, TRAINING, RECIPE, LayerWise(thawed=0.3), task=WHICH, rows=8)


def test_it_learned_the_task(llm: LanguageModel, tuned: Any) -> None:
    assert_finetuning_improves(llm, tuned.model, HELD_OUT, "accuracy", task=WHICH)  # 0.41 before, 0.72 after


def test_all_layers_at_once_forget(llm: LanguageModel) -> None:
    """The same steps at the same learning rate, for every parameter. Fails on purpose."""
    everything = finetune(llm, TRAINING, RECIPE, task=WHICH, rows=8).model
    assert_no_forgetting(llm, everything, NOVEL, "perplexity", "30%")


def test_it_still_reads_novels(llm: LanguageModel, tuned: Any) -> None:
    assert_no_forgetting(llm, tuned.model, NOVEL, "perplexity", "30%")


def test_each_layer_learns_more_slowly_than_the_one_above(tuned: Any) -> None:
    print(tuned.trained)  # which parameters, from which step on, at which share of the learning rate
    scales = [group.scale for group in tuned.trained.groups]
    assert scales == sorted(scales, reverse=True)
