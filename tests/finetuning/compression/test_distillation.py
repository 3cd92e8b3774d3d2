"""Distillation: the loss against its formula, and that a student learns from its teacher what the text alone does not teach."""

from __future__ import annotations

import copy
import lzma
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from torch import nn

from pytest_llm import QualityError, assert_recovery_above, embedded
from pytest_llm.errors import MisuseError
from pytest_llm.finetuning.compression.depth import keep_layers
from pytest_llm.finetuning.compression.distillation import Distillation, distill, distillation_loss
from pytest_llm.finetuning.running_text import running_text
from pytest_llm.models.core_factory import fresh_model
from pytest_llm.pretraining.batch import IGNORED, Batch, total_loss
from pytest_llm.pretraining.trainer import Recipe
from tests.finetuning.compression.makes import HELD_OUT, kinds, trained

TRAINED, KINDS = trained(), kinds()
ROWS = [{"text": "a wife", "target": 1}, {"text": "a fortune", "target": 0}]


@cache
def paragraphs() -> list[str]:
    with lzma.open(embedded("data/austen_train.txt.xz"), "rt", encoding="utf-8") as lines:
        return [line.strip() for line, _ in zip(lines, range(300), strict=False)]


def drawn(seed: int) -> torch.Tensor:
    return 3 * torch.randn(5, 11, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("temperature", "hard"), [(1.0, 0.0), (4.0, 0.0), (2.0, 0.3), (3.0, 1.0)])
def test_the_loss_is_its_formula(temperature: float, hard: float) -> None:
    student, teacher, targets = drawn(0), drawn(1), torch.tensor([0, 3, 10, 3, 7])
    log_p, log_q = (log_softmax(logits.numpy() / temperature, axis=-1) for logits in (teacher, student))
    soft = (np.exp(log_p) * (log_p - log_q)).sum()
    right = -log_softmax(student.numpy(), axis=-1)[np.arange(5), targets.numpy()].sum()
    found = float(distillation_loss(student, teacher, targets, temperature=temperature, hard=hard))
    assert found == pytest.approx(hard * right + (1 - hard) * temperature**2 * soft, rel=1e-5)


def test_at_a_high_temperature_logits_themselves_are_matched() -> None:
    """The gradient becomes (student - teacher) / entries, of logits without their means: equation 4 of Hinton et al."""
    student, teacher = drawn(0).requires_grad_(), drawn(1)
    distillation_loss(student, teacher, torch.zeros(5, dtype=torch.long), temperature=3000.0, hard=0.0).backward()  # type: ignore[no-untyped-call]
    centred = [logits.detach() - logits.detach().mean(dim=-1, keepdim=True) for logits in (student, teacher)]
    assert student.grad is not None
    torch.testing.assert_close(student.grad, (centred[0] - centred[1]) / 11, atol=5e-3, rtol=0)


class Table(nn.Module):
    """Logits by token."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(drawn(seed).float())

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.logits[tokens]


def test_only_places_with_a_target_count_and_the_teacher_gets_no_gradient() -> None:
    student, teacher = Table(0), Table(1)
    batch = Batch({"tokens": torch.tensor([[0, 1, 2]])}, torch.tensor([[IGNORED, 4, IGNORED]]))
    loss = Distillation(teacher, 2.0, 0.5)(student, batch)
    expected = distillation_loss(student.logits[[1]], teacher.logits[[1]], torch.tensor([4]), temperature=2.0, hard=0.5)
    torch.testing.assert_close(loss, expected)
    torch.autograd.backward(loss)
    assert teacher.logits.grad is None
    assert student.logits.grad is not None
    assert student.logits.grad.abs().sum(dim=1).bool().tolist() == [False, True, False, False, False]


def test_other_numbers_of_logits_are_refused() -> None:
    batch = Batch({"tokens": torch.tensor([[0, 1]])}, torch.tensor([[3, 4]]))
    wider = Table(1)
    wider.logits = nn.Parameter(torch.zeros(5, 12))
    with pytest.raises(MisuseError, match=r"logits of shape \(1, 2, 11\) cannot learn from \(1, 2, 12\)"):
        Distillation(wider)(Table(0), batch)


def test_of_targets_alone_it_is_the_usual_loss() -> None:
    student, batch = Table(0), Batch({"tokens": torch.tensor([[0, 1]])}, torch.tensor([[3, 4]]))
    torch.testing.assert_close(Distillation(Table(1), 2.0, 1.0)(student, batch), total_loss(student, batch))


def test_a_student_comes_near_its_teacher_and_in_one_step_it_does_not() -> None:
    """Two of three layers, 20 steps. Neither the teacher nor the student that was given is changed."""
    teacher = TRAINED["core"]()
    student = keep_layers(teacher, [0, 2]).model
    text = running_text(teacher, paragraphs())
    before = [copy.deepcopy(model.module.state_dict()) for model in (teacher, student)]
    made = {
        steps: distill(teacher, student, text, Recipe(steps=steps, learning_rate=1e-3, warm_up=5)).model
        for steps in (1, 20)
    }
    assert_recovery_above(made[20], teacher, HELD_OUT, "perplexity", 0.65)
    with pytest.raises(QualityError, match=r"perplexity_recovery 0.56.* is not above 0.65"):
        assert_recovery_above(made[1], teacher, HELD_OUT, "perplexity", 0.65)
    for model, state in zip((teacher, student), before, strict=True):
        assert all(torch.equal(tensor, state[name]) for name, tensor in model.module.state_dict().items())
    assert len({model.cache_key() for model in (teacher, student, *made.values())}) == 4


@pytest.mark.parametrize("name", ["tiny_classifier", "tiny_llama"])
def test_models_of_transformers_learn_from_rows(name: str) -> None:
    """What a teacher says of the same examples; with a task, as in fine-tuning."""
    teacher = KINDS[name]()
    rows: Any = ROWS if name == "tiny_classifier" else [{"text": "a man in", "target": " want"}]
    tuned = distill(
        teacher, keep_layers(teacher, [1]).model, rows, Recipe(steps=8, learning_rate=1e-2), hard=0.0, rows=2
    )
    assert tuned.losses[-1] < tuned.losses[0]
    assert type(tuned.model) is type(teacher)


def test_other_tokenizers_and_numbers_out_of_range_are_refused(tiny: Any) -> None:
    recipe = Recipe(steps=1, learning_rate=1e-3)
    with pytest.raises(MisuseError, match="have other tokenizers"):
        distill(tiny, fresh_model("decoder"), ROWS, recipe)
    with pytest.raises(MisuseError, match="temperature=0"):
        distill(tiny, tiny, ROWS, recipe, temperature=0)
    with pytest.raises(MisuseError, match=r"hard=1\.5"):
        distill(tiny, tiny, ROWS, recipe, hard=1.5)


def test_running_text_is_for_causal_models_and_long_enough(tiny: Any) -> None:
    with pytest.raises(MisuseError, match="no causal language model"):
        running_text(KINDS["tiny_bert"](), ["a"])
    with pytest.raises(MisuseError, match="fewer than one row of 65"):
        running_text(tiny, ["too short"])
    batch = running_text(tiny, paragraphs(), rows=3, length=7)(0)
    assert batch.inputs["input_ids"].shape == batch.targets.shape == (3, 7)
    assert torch.equal(batch.inputs["input_ids"][:, 1:], batch.targets[:, :-1])
