"""Adversarial training: its loss by hand, weights untouched, and that an attack gains less on a model that was trained with it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

from pytest_llm.errors import MisuseError
from pytest_llm.finetuning.adversarial_training import AdversarialLoss
from pytest_llm.finetuning.heads import classifier_of
from pytest_llm.finetuning.tuning import finetune
from pytest_llm.models.core_factory import fresh_model
from pytest_llm.models.loading import as_language_model
from pytest_llm.pretraining.batch import Batch, accuracy, total_loss
from pytest_llm.pretraining.stream import generator_of
from pytest_llm.pretraining.trainer import Recipe, Trainer
from pytest_llm.transformer.architectures import SequenceClassifier
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.embedding import Embedding
from pytest_llm.transformer.fresh import fresh
from tests.tiny_checkpoints import tiny_bart, tiny_bert, tiny_llama, tiny_t5

SHAPE = Config(vocabulary=20, width=16, layers=1, heads=2, max_length=16, labels=2)


class Linear(nn.Module):
    """One token, two labels: logits 0 and w·e."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = Embedding(Config(vocabulary=3, width=2, layers=1, heads=1, max_length=2))
        self.weight = nn.Parameter(torch.tensor([3.0, 4.0]))
        with torch.no_grad():
            self.embedding.tokens.weight.copy_(torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.6, 0.8]]))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        score = self.embedding(tokens, torch.zeros_like(tokens))[:, 0] @ self.weight
        return torch.stack([torch.zeros_like(score), score], dim=1)


@pytest.mark.parametrize("steps", [1, 4])
def test_of_a_linear_classifier_it_is_the_loss_at_a_margin_that_is_smaller(steps: int) -> None:
    """Logistic loss ln(1 + exp(-s)) of the score s = w·e of the right label; the worst δ is -ε‖e‖ w/‖w‖: s falls by ε‖e‖‖w‖."""
    model = Linear()
    batch = Batch({"tokens": torch.tensor([[1], [2]])}, torch.tensor([1, 0]))
    margins = [3.0 * 2.0, -(3 * 0.6 + 4 * 0.8)]
    clean = sum(math.log1p(math.exp(-margin)) for margin in margins)
    lowered = [margins[0] - 0.1 * 2.0 * 5.0, margins[1] - 0.1 * 1.0 * 5.0]
    attacked = sum(math.log1p(math.exp(-margin)) for margin in lowered)
    found = AdversarialLoss(0.1, steps=steps).both(model, batch)
    assert [float(value.detach()) for value in found] == pytest.approx([clean, attacked], rel=1e-5)
    loss = AdversarialLoss(0.1, steps=steps, share=0.25)(model, batch)
    assert float(loss.detach()) == pytest.approx(0.75 * clean + 0.25 * attacked, rel=1e-5)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("family", ["core", "transformers", "writes"])
def test_nothing_is_left_behind(family: str, steps: int) -> None:
    """Neither in weights nor in gradients nor in hooks; and the gradient of the loss is that at the perturbed point."""
    makes: dict[str, Callable[[], Any]] = {
        "core": lambda: classifier_of(fresh_model("encoder"), "ab"),
        "transformers": lambda: classifier_of(tiny_bert(), "ab"),
        "writes": lambda: as_language_model(tiny_llama()),
    }
    base = makes[family]()
    tokens = torch.tensor([[5, 9, 17], [8, 30, 2]])
    batch = Batch({"input_ids": tokens}, tokens if family == "writes" else torch.tensor([0, 1]))
    before, fingerprint = copy.deepcopy(base.module.state_dict()), base.fingerprint()
    clean, attacked = AdversarialLoss(0.01, steps=steps).both(base.module, batch)
    assert float(attacked.detach()) > float(clean.detach())
    assert all(parameter.grad is None for parameter in base.module.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in base.module.state_dict().items())
    assert base.fingerprint() == fingerprint
    torch.autograd.backward(attacked)
    assert all(parameter.grad is not None for parameter in base.module.get_input_embeddings().parameters())


@dataclass(frozen=True)
class Votes:
    """Eight tokens, each of the text's own kind four times of five."""

    seed: int
    rows: int

    def __call__(self, number: int) -> Batch:
        generator = generator_of(self.seed, number)
        labels = torch.randint(2, (self.rows,), generator=generator)
        own = torch.rand(self.rows, 8, generator=generator) < 0.8
        kinds = torch.where(own, labels[:, None], 1 - labels[:, None])
        return Batch({"tokens": 10 * kinds + torch.randint(10, kinds.shape, generator=generator)}, labels)


@cache
def gain(epsilon: float, steps: int) -> float:
    """How much five steps of an attack add to the loss of a classifier that was trained so, in nats a text."""
    model = fresh(SequenceClassifier, SHAPE)
    loss = AdversarialLoss(epsilon, steps=steps) if epsilon else total_loss
    list(Trainer(model, Votes(0, 16), Recipe(steps=100, learning_rate=1e-2, warm_up=5), loss=loss).run())
    unseen = Votes(1, 200)(0)
    assert accuracy(model, unseen) >= 0.95
    clean, attacked = AdversarialLoss(0.3, steps=5).both(model, unseen)
    return float((attacked - clean).detach()) / 200


@pytest.mark.parametrize(("steps", "left"), [(1, 0.75), (3, 0.6)])
def test_an_attack_gains_less_on_a_model_that_was_trained_with_it(steps: int, left: float) -> None:
    assert gain(0, 1) > 0.2
    assert 0 < gain(0.3, steps) < left * gain(0, 1)


def test_it_is_a_loss_for_fine_tuning() -> None:
    rows = [{"text": "a man", "target": "a"}, {"text": "a wife", "target": "b"}]
    base = classifier_of(fresh_model("encoder"), "ab")
    tuned = finetune(base, rows, Recipe(steps=10, learning_rate=3e-3), rows=2, loss=AdversarialLoss(0.05, per="token"))
    assert tuned.losses[-1] < tuned.losses[0]
    assert tuned.model.fingerprint() is not None


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"epsilon": 0}, "epsilon=0"),
        ({"epsilon": math.nan}, "epsilon=nan"),
        ({"epsilon": 0.1, "steps": 0}, "steps=0"),
        ({"epsilon": 0.1, "share": 0}, "share=0"),
        ({"epsilon": 0.1, "per": "word"}, "per='word'"),
    ],
)
def test_settings_that_make_no_attack_are_refused(settings: Any, complaint: str) -> None:
    with pytest.raises(MisuseError, match=complaint):
        AdversarialLoss(**settings)


@pytest.mark.parametrize("make", [tiny_t5, tiny_bart, lambda: fresh_model("encoder-decoder")])
def test_models_that_read_two_texts_are_refused(make: Any) -> None:
    made = make()
    model: Any = as_language_model(made) if isinstance(made, tuple) else made
    tokens = torch.tensor([[5, 9, 17]])
    batch = Batch({"input_ids": tokens, "decoder_input_ids": tokens[:, :2]}, tokens[:, 1:])
    with pytest.raises(MisuseError, match="only models that read one text at a time"):
        AdversarialLoss(0.1)(model.module, batch)
