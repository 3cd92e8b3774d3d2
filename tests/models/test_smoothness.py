"""The worst divergence in a ball: by hand where a model is linear, by a grid in the plane; laws of the search; no trace left."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pytest_llm.errors import MisuseError
from pytest_llm.finetuning.compression.quantization import quantize
from pytest_llm.models.core_factory import fresh_model, trained_model
from pytest_llm.models.embedding_perturbation import perturbed, unit
from pytest_llm.models.loading import as_language_model
from pytest_llm.models.smoothness import worst_divergences
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.tasks.perturb import Per, Perturb
from tests.tiny_checkpoints import TEXTS, tiny_classifier, tiny_gpt2

TEXT = "It was a dark and stormy"
SETTINGS: dict[str, Any] = {"epsilon": 0.02, "steps": 2, "per": "sequence", "seed": 0}


class OfVectors(nn.Module):
    """Logits as a function of the tokens' vectors, which are given."""

    def __init__(self, vectors: Tensor, logits: Any) -> None:
        super().__init__()
        self.table = nn.Embedding(len(vectors), vectors.shape[1], _weight=vectors)
        self.logits = logits

    def get_input_embeddings(self) -> Any:
        return self.table

    def forward(self, input_ids: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.logits(self.table(input_ids)))


def found(
    module: nn.Module, length: int, epsilon: float, steps: int = 4, per: Per = "sequence", seed: int = 0
) -> float:
    [value] = worst_divergences(module, [range(length)], lambda logits: logits, Perturb(epsilon, steps, per, seed))
    return value


def bernoulli_divergence(p: float, q: float) -> float:
    """Jensen-Shannon divergence of two coins, in nats, by its formula."""
    m = (p + q) / 2
    pairs = [(p, m), (1 - p, 1 - m), (q, m), (1 - q, 1 - m)]
    return sum(a * math.log(a / b) for a, b in pairs) / 2


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("margin", [0.0, -3.0])
@pytest.mark.parametrize("per", ["sequence", "token"])
def test_of_a_linear_classifier_it_is_the_step_towards_the_border(per: Per, margin: float, seed: int) -> None:
    """P = σ(b + Σ w·eᵢ) moves most along w: by ε‖e‖·√n‖w‖ where the ball is one, by ε Σ‖eᵢ‖·‖w‖ where each token has its own."""
    draw = torch.Generator().manual_seed(7)
    weight, vectors = (torch.randn(*shape, generator=draw, dtype=torch.float64) for shape in ((5,), (3, 5)))

    def logits(embeddings: Tensor) -> Tensor:
        score = ((embeddings - vectors) @ weight).sum(dim=1) + margin
        return torch.stack([score, torch.zeros_like(score)], dim=1)

    epsilon = 0.4
    reach = math.sqrt(3) * float(vectors.norm()) if per == "sequence" else float(vectors.norm(dim=1).sum())
    reach *= epsilon * float(weight.norm())
    expected = max(bernoulli_divergence(sigmoid(margin), sigmoid(margin + sign * reach)) for sign in (1, -1))
    value = found(OfVectors(vectors, logits), 3, epsilon, steps=8, per=per, seed=seed)
    assert value == pytest.approx(expected, rel=1e-3)
    assert value <= expected * (1 + 1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_in_the_plane_it_is_what_a_grid_finds(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    vector, inner, outer = (torch.randn(*shape, generator=draw).double() for shape in ((1, 2), (2, 4), (4, 3)))
    module = OfVectors(vector, lambda embeddings: (embeddings[:, 0] @ inner).tanh() @ outer)
    angles = np.linspace(0, 2 * np.pi, 2000)
    ball = torch.tensor(np.stack([np.cos(angles), np.sin(angles)], axis=1)) * 0.2 * vector.norm()
    ball = torch.cat([ball * share for share in (0.25, 0.5, 0.75, 1.0)])
    moved = ((vector + ball) @ inner).tanh() @ outer
    p, q = (((vector @ inner).tanh() @ outer).softmax(dim=1).numpy(), moved.softmax(dim=1).numpy())
    m = (p + q) / 2
    grid = float(((p * np.log(p / m) + q * np.log(q / m)).sum(axis=1) / 2).max())
    assert found(module, 1, 0.2, steps=20, seed=seed) == pytest.approx(grid, rel=1e-3)


def test_it_grows_with_the_ball_from_nothing(tiny: TransformersModel) -> None:
    values = [
        tiny.embedding_divergence([TEXT], **{**SETTINGS, "epsilon": e, "steps": 4})[0] for e in (1e-6, 0.005, 0.02, 0.1)
    ]
    assert values[0] == pytest.approx(0, abs=1e-9)
    assert values[1] > 1e-3
    assert values == sorted(values)
    assert values[-1] <= math.log(2)


def test_more_steps_find_no_less_and_one_step_more_than_chance(tiny: TransformersModel) -> None:
    one, two, four = (tiny.embedding_divergence([TEXT], **{**SETTINGS, "steps": steps})[0] for steps in (1, 2, 4))
    assert one <= two <= four
    assert four > 1.5 * one  # the law would hold of steps that go nowhere, too
    assert one > 5 * max(by_chance(tiny, 0.02, seed) for seed in range(5))


def by_chance(model: TransformersModel, epsilon: float, seed: int) -> float:
    """The divergence at a random point of the ball's border, written out with scipy's own."""
    from scipy.spatial.distance import jensenshannon

    tokens = torch.tensor([[model.prefix_token, *model.encode([TEXT])[0]]])
    embeddings = model.module.get_input_embeddings()(tokens).detach()
    delta = torch.randn(embeddings.shape, generator=torch.Generator().manual_seed(seed))
    delta = epsilon * embeddings.norm() * unit(delta, "sequence")
    with torch.no_grad():
        clean = model.module(tokens).logits[0, -1].double().softmax(dim=0)
        with perturbed(model.module, delta):
            moved = model.module(tokens).logits[0, -1].double().softmax(dim=0)
    return float(jensenshannon(clean, moved)) ** 2


def test_the_core_is_as_smooth_as_the_same_weights_in_transformers(tiny: TransformersModel) -> None:
    core: Any = trained_model("decoder")
    assert core.embedding_divergence([TEXT], **SETTINGS) == pytest.approx(
        tiny.embedding_divergence([TEXT], **SETTINGS), rel=1e-3
    )


SENTENCES = [text[:40] for text in TEXTS[:3]]


def heads() -> dict[str, Any]:
    return {
        "transformers": as_language_model(tiny_classifier()),
        "core": fresh_model("encoder", labels=3),
        "gpt2": as_language_model(tiny_gpt2()),
    }


@pytest.mark.parametrize("name", ["transformers", "core", "gpt2"])
def test_an_answer_depends_on_seed_and_text_alone(name: str) -> None:
    model = heads()[name]
    together = model.embedding_divergence(SENTENCES, **SETTINGS)
    assert together == [model.embedding_divergence([text], **SETTINGS)[0] for text in SENTENCES]
    assert together != model.embedding_divergence(SENTENCES, **{**SETTINGS, "seed": 1})
    assert all(0 < value < math.log(2) for value in together)


@pytest.mark.parametrize("name", ["transformers", "core", "gpt2"])
def test_weights_gradients_and_modes_stay_as_they_were(name: str) -> None:
    model = heads()[name]
    expected = model.embedding_divergence(SENTENCES[:1], **SETTINGS)
    model.module.train()
    next(model.module.children()).eval()  # some parts in one mode, some in the other
    modes = [part.training for part in model.module.modules()]
    weights = {key: value.clone() for key, value in model.module.state_dict().items()}
    with torch.inference_mode():
        assert model.embedding_divergence(SENTENCES[:1], **SETTINGS) == expected
    assert [part.training for part in model.module.modules()] == modes
    assert all(torch.equal(value, weights[key]) for key, value in model.module.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.module.parameters())
    assert not model.module.get_input_embeddings()._forward_hooks


def test_an_error_inside_leaves_no_trace_either() -> None:
    module = OfVectors(torch.ones(2, 2), lambda embeddings: embeddings.sum(dim=1) * float("inf") * 0 + embeddings[:, 0])
    module.train()
    assert math.isnan(found(module, 2, 0.1))
    assert module.training
    broken = OfVectors(torch.ones(2, 2), lambda embeddings: embeddings.sum(dim=1).detach())
    with pytest.raises(MisuseError, match="OfVectors hides its gradients"):
        found(broken.train(), 2, 0.1)
    assert broken.training
    assert not broken.table._forward_hooks


def test_a_model_that_computes_in_whole_numbers_is_not_taken_for_a_smooth_one(tiny: TransformersModel) -> None:
    made: Any = quantize(tiny).model
    with pytest.raises(MisuseError, match=r"hides its gradients.*Measure the model that it was made from"):
        made.embedding_divergence([TEXT], **SETTINGS)


def test_texts_and_heads_without_one_distribution_are_refused(tiny: TransformersModel) -> None:
    with pytest.raises(MisuseError, match="has 1 tokens: expected some"):
        tiny.embedding_divergence([""], **SETTINGS)
    with pytest.raises(MisuseError, match="expected some, and at most"):
        tiny.embedding_divergence(["dark " * tiny.max_length], **SETTINGS)
    many: Any = as_language_model(tiny_classifier(problem_type="multi_label_classification"))
    with pytest.raises(MisuseError, match="several labels"):
        many.embedding_divergence(TEXTS[:1], **SETTINGS)
