"""Distillation: a student learns what its teacher finds probable, not only what is right (Hinton et al. 2015).

    loss = hard · -log q(target)  +  (1 - hard) · T² · KL(p_T ‖ q_T)        p_T = softmax(teacher / T),  q_T = softmax(student / T)

at each place that has a target. A higher temperature T shows more of what the teacher finds less probable; T² keeps the two terms
in proportion, because gradients through a softmax at T shrink with its square.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div

from pytest_llm.data.loading import Data
from pytest_llm.errors import MisuseError
from pytest_llm.finetuning.compression.compressed import original
from pytest_llm.finetuning.strategy import Strategy
from pytest_llm.finetuning.tuning import Tuned, finetune
from pytest_llm.models.loading import Model
from pytest_llm.pretraining.batch import IGNORED, Batch, Objective, logits_of
from pytest_llm.pretraining.trainer import Recipe
from pytest_llm.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Distillation:
    """The loss of a student, for a `Trainer`.

    Raises:
        MisuseError: a temperature that is not positive, a share that is none.
    """

    teacher: nn.Module
    """Takes the same inputs; it is not trained."""
    temperature: float = 2.0
    hard: float = 0.5
    """The share of the loss that is of the targets themselves, 0 to 1."""

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise MisuseError(f"temperature={self.temperature!r}: expected more than 0")
        if not 0 <= self.hard <= 1:
            raise MisuseError(f"hard={self.hard!r}: expected a share from 0 to 1")

    def __call__(self, student: nn.Module, batch: Batch) -> Tensor:
        """In nats, over all targets of the batch."""
        with torch.no_grad():
            taught = logits_of(self.teacher, batch)
        learned = logits_of(student, batch)
        if learned.shape != taught.shape:
            raise MisuseError(f"logits of shape {tuple(learned.shape)} cannot learn from {tuple(taught.shape)}")
        wanted = batch.targets != IGNORED
        return distillation_loss(
            learned[wanted], taught[wanted], batch.targets[wanted], temperature=self.temperature, hard=self.hard
        )


def distillation_loss(student: Tensor, teacher: Tensor, targets: Tensor, *, temperature: float, hard: float) -> Tensor:
    """The sum of the loss of each place, in float32: logits `[places, entries]` twice, and targets `[places]`."""
    student, teacher = student.float(), teacher.float()
    soft = kl_div(
        (student / temperature).log_softmax(dim=-1),
        (teacher / temperature).log_softmax(dim=-1),
        reduction="sum",
        log_target=True,
    )
    return hard * cross_entropy(student, targets, reduction="sum") + (1 - hard) * temperature**2 * soft


def distill(
    teacher: Model,
    student: Model,
    data: Data | Objective,
    recipe: Recipe,
    strategy: Strategy | None = None,
    *,
    task: Task | None = None,
    temperature: float = 2.0,
    hard: float = 0.5,
    rows: int = 16,
    seed: int = 0,
) -> Tuned:
    """Train a copy of a student on what its teacher says; neither is changed.

    Args:
        teacher: a checkpoint, or a pair.
        student: a smaller one with the same tokenizer and as many logits, such as `keep_layers(teacher, [0, 2]).model`.
        data: as of `finetune`: rows, or an objective such as `running_text`.
        recipe: as of `finetune`.
        strategy: as of `finetune`.
        task: as of `finetune`.
        temperature: of the teacher's and the student's probabilities.
        hard: the share of the loss that is of the targets themselves.
        rows: as of `finetune`.
        seed: as of `finetune`.

    Raises:
        MisuseError: tokenizers or numbers of logits that differ, a temperature or share that is none; and as `finetune`.
    """
    of_teacher = original(teacher)
    of_student: Any = original(student)  # loaded once; every checkpoint is one of the kinds of models
    if of_teacher.identity().tokenizer != of_student.identity().tokenizer:
        raise MisuseError(
            f"{of_teacher.name} and {of_student.name} have other tokenizers: one token is not the other's"
        )
    loss = Distillation(of_teacher.module, temperature, hard)
    return finetune(of_student, data, recipe, strategy, task=task, rows=rows, seed=seed, loss=loss)
