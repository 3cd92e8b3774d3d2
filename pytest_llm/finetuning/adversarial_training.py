"""Adversarial training: a model also learns from its examples as they are hardest for it, within a small ball round the embeddings.

    loss = (1 - share) · L(e)  +  share · L(e + δ)        δ = the worst perturbation with ‖δ‖ ≤ epsilon · ‖e‖

One step gives the fast gradient method (Miyato et al. 2017, "Adversarial training methods for semi-supervised text
classification"), several projected gradient descent (Madry et al. 2018). The ball is a share of the embeddings' own norm, so that
it means the same in every model; where training gets nowhere, it was too large. Each step costs a pass forwards and backwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pytest_llm.errors import MisuseError
from pytest_llm.models.embedding_perturbation import norms, perturbed, worst
from pytest_llm.pretraining.batch import Batch, Loss, total_loss
from pytest_llm.tasks.perturb import Per


@dataclass(frozen=True, slots=True)
class AdversarialLoss:
    """A loss for `finetune`, `distill` or a `Trainer`, of models of `transformers` and the core that read one text at a time.

    Raises:
        MisuseError: an epsilon that is not positive, no steps, a share that is none.
    """

    epsilon: float
    """The radius of the ball, as a share of the norm of the embeddings."""
    steps: int = 1
    share: float = 0.5
    """Of the loss under attack in what is made small."""
    per: Per = "sequence"
    """Whether the ball is one for all of a text's tokens together, or one for each."""
    loss: Loss = total_loss
    """What is made small, and made large by the attack."""

    def __post_init__(self) -> None:
        if not 0 < self.epsilon < math.inf:
            raise MisuseError(f"epsilon={self.epsilon!r}: expected more than 0")
        if self.steps < 1 or not 0 < self.share <= 1:
            raise MisuseError(f"steps={self.steps}, share={self.share}: expected at least 1, and a share of 1")
        if self.per not in ("sequence", "token"):
            raise MisuseError(f"per={self.per!r}: expected 'sequence' or 'token'")

    def __call__(self, model: nn.Module, batch: Batch) -> Tensor:
        """In nats, summed over the batch's targets."""
        clean, attacked = self.both(model, batch)
        return (1 - self.share) * clean + self.share * attacked

    def both(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss as it is, and under attack; the difference is what the attack gains."""
        with perturbed(model, None) as seen:
            clean = self.loss(model, batch)
        if len(seen) != 1:
            raise MisuseError(
                f"{type(model).__name__} looked up its embeddings {len(seen)} times in one pass: only models that read one "
                f"text at a time can be perturbed"
            )
        (embeddings,) = seen

        def attacked(delta: Tensor) -> Tensor:
            with perturbed(model, delta):
                return self.loss(model, batch)

        radius = self.epsilon * norms(embeddings, self.per)
        delta = worst(attacked, torch.zeros_like(embeddings), radius, steps=self.steps, per=self.per)
        return clean, attacked(delta)
