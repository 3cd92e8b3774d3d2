"""Real checkpoints on real rows: SmolLM2-135M with low-rank adapters, a new head on all-MiniLM-L6-v2. Minutes each."""

from __future__ import annotations

import pytest

from pytest_llm import (
    Classify,
    assert_causal,
    assert_finetuning_improves,
    assert_no_forgetting,
    embedded,
    load_examples,
)
from pytest_llm.finetuning.feed_forward import FeedForward
from pytest_llm.finetuning.heads import classifier_of
from pytest_llm.finetuning.low_rank import LowRank
from pytest_llm.finetuning.tuning import finetune
from pytest_llm.models.embedding_model import EmbeddingModel
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.pretraining.trainer import Recipe
from tests.finetuning.corpora import split

pytestmark = pytest.mark.slow

IBERIAN = {"ca": "Catalan", "es": "Spanish", "fr": "French", "gl": "Galician", "pt": "Portuguese"}
WHICH = Classify(IBERIAN, "{text}\nThe language of this text is")
NOVEL = [" ".join(example.text.split()[:60]) for example in load_examples(embedded("data/held_out.jsonl"))][:12]


@pytest.mark.smollm2
def test_smollm2_learns_to_tell_languages_apart_by_a_hundredth_of_its_parameters(smollm2: TransformersModel) -> None:
    training, held_out = split("languages", list(IBERIAN), held_out=2)
    recipe = Recipe(steps=24, learning_rate=5e-4, warm_up=3, weight_decay=0.0)
    tuned = finetune(smollm2, training, recipe, LowRank(rank=4), task=WHICH, rows=8)
    assert tuned.trained.share < 0.01
    assert_finetuning_improves(smollm2, tuned.model, held_out, "accuracy", task=WHICH)
    assert_no_forgetting(smollm2, tuned.model, NOVEL, "perplexity", "10%")
    assert_causal(tuned.model)


@pytest.mark.minilm
def test_minilm_learns_languages_with_a_new_head(minilm: EmbeddingModel) -> None:
    """It was trained on English; its pages are others than those that it is asked about."""
    languages = ["de", "en", "es", "fr", "nl", "pl", "sv"]
    training, held_out = split("languages", languages)
    base = classifier_of(minilm, languages)
    tuned = finetune(base, training, Recipe(steps=60, learning_rate=1e-3, warm_up=6), FeedForward(), rows=8)
    assert_finetuning_improves(base, tuned.model, held_out, "accuracy")
