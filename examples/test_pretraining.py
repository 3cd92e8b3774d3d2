"""A training run is code, too: that it learns, and that it can be stopped and resumed, are tests that take seconds.

The recipe here is that of a real run, shrunk: a one-layer decoder, 120 small steps on a part of five novels by Jane Austen. It
is gated with a sixth novel.
"""

import copy
import lzma
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_llm import (
    Embed,
    assert_gradients_finite,
    assert_gradients_reach_everything,
    assert_loss_decreases,
    assert_mrr_above,
    assert_overfits_one_batch,
    assert_perplexity_below,
    assert_recall_at_k_above,
    embedded,
    load_examples,
)
from pytest_llm.models.core_factory import fresh_model
from pytest_llm.models.core_model import core_model
from pytest_llm.pretraining.batch import total_loss
from pytest_llm.pretraining.causal import CausalObjective
from pytest_llm.pretraining.cross_view import CrossViewObjective, TwoViews, views_of
from pytest_llm.pretraining.stream import stream_of
from pytest_llm.pretraining.trainer import Recipe, Trainer
from pytest_llm.transformer.architectures import TextEmbedder
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.fresh import fresh

HELD_OUT = [" ".join(example.text.split()[:40]) for example in load_examples(embedded("data/held_out.jsonl"))]
RECIPE = Recipe(steps=120, learning_rate=1e-2, warm_up=10)


@pytest.fixture(scope="module")
def untrained() -> Any:
    return fresh_model("decoder", layers=1, dropout=0.1)


@pytest.fixture(scope="module")
def objective(untrained: Any) -> CausalObjective:
    with lzma.open(embedded("data/austen_train.txt.xz"), "rt", encoding="utf-8") as lines:
        paragraphs = [line.strip() for line, _ in zip(lines, range(600), strict=False)]
    return CausalObjective(stream_of(untrained.tokenizer, paragraphs, separator=0), rows=8, length=32)


def test_it_learns(untrained: Any, objective: CausalObjective) -> None:
    model = copy.deepcopy(untrained)
    assert_perplexity_below(model, HELD_OUT, 2200)  # 2 050 tokens, all alike
    list(Trainer(model.core, objective, RECIPE).run())
    assert_perplexity_below(model, HELD_OUT, 600)


def test_its_loop_is_sound(untrained: Any, objective: CausalObjective) -> None:
    """What holds of any training loop: gradients arrive, they are numbers, one batch is learned by heart, the loss falls."""
    model = copy.deepcopy(untrained.core)
    assert_gradients_reach_everything(model, lambda: total_loss(model, objective(0)))
    assert_gradients_finite(model, lambda: total_loss(model, objective(0)))
    assert_overfits_one_batch(Trainer(model, lambda number: objective(0), RECIPE).run(), 3.0)
    assert_loss_decreases(Trainer(copy.deepcopy(untrained.core), objective, RECIPE).run(until=20))


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(
    untrained: Any, objective: CausalObjective, tmp_path: Path
) -> None:
    whole, stopped, resumed = (Trainer(copy.deepcopy(untrained.core), objective, RECIPE) for _ in range(3))
    losses = list(whole.run(until=6))
    before = list(stopped.run(until=3))
    stopped.save(tmp_path / "run.pt")
    resumed.resume(tmp_path / "run.pt")
    assert before + list(resumed.run(until=6)) == losses
    for one, other in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_an_embedder_finds_the_translation_of_a_text() -> None:
    """Cross-view prediction: a text and its translation are two views of one thing, to be told from those of other texts."""
    rows = load_examples(embedded("data/translation_en_de.jsonl"))
    tokenizer = fresh_model("encoder").tokenizer
    shape = Config(vocabulary=len(tokenizer), width=64, layers=1, heads=4, max_length=512)
    embedder = fresh(TextEmbedder, shape)
    pairs = views_of(tokenizer, [(row.text, row.target) for row in rows[:150]], length=48)
    recipe = Recipe(steps=20, learning_rate=1e-3, warm_up=10)
    list(Trainer(TwoViews(embedder, temperature=0.1), CrossViewObjective(pairs, rows=32), recipe).run())

    unseen = rows[150:]
    questions = [{"text": row.text, "target": [row.id]} for row in unseen]
    task = Embed({row.id: row.target for row in unseen})
    assert_recall_at_k_above(core_model(embedder, tokenizer), questions, 0.2, task=task, k=5)  # by chance 0.1
    assert_mrr_above(core_model(embedder, tokenizer), questions, 0.15, task=task)  # by chance 0.09
