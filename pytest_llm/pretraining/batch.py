"""What a model is shown and what it should say: the one form that all objectives bring their data into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from pytest_llm.errors import MisuseError

IGNORED = -100
"""The target of a place where nothing is predicted."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs of a model's forward by name, and the token or label that it should predict at each place."""

    inputs: dict[str, Tensor]
    targets: Tensor
    """Of the shape of the logits without their last dimension; `IGNORED` where nothing is predicted."""

    @property
    def predicted(self) -> int:
        """How many places have a target."""
        return int((self.targets != IGNORED).sum())

    def to(self, device: torch.device) -> Batch:
        return Batch({name: tensor.to(device) for name, tensor in self.inputs.items()}, self.targets.to(device))


Objective: TypeAlias = Callable[[int], Batch]
"""Batch number n. It is the same whenever it is asked for: that is what makes a run resumable."""
Loss: TypeAlias = Callable[[Any, Batch], Tensor]
"""What is made small: a sum over the targets of a batch. The trainer divides it by their number."""


def logits_of(model: nn.Module, batch: Batch) -> Tensor:
    """What the model answers, of ours (the logits themselves) or of `transformers` (an object that has them)."""
    answer = model(**batch.inputs)
    logits: Tensor = getattr(answer, "logits", answer)
    return logits


def total_loss(model: nn.Module, batch: Batch) -> Tensor:
    """`-Σ log p(target)` over all places that have one, in nats, from a float32 softmax.

    Raises:
        MisuseError: there is no target at all.
    """
    if not batch.predicted:
        raise MisuseError("a batch has no targets: there is nothing to learn from it")
    logits = logits_of(model, batch)
    return cross_entropy(logits.flatten(0, -2).float(), batch.targets.flatten(), ignore_index=IGNORED, reduction="sum")


@torch.inference_mode()
def predictions(model: nn.Module, batch: Batch) -> tuple[list[int], list[int]]:
    """What the model finds most probable wherever there is a target, and the targets: for `assert_accuracy_above` and its like.

    Raises:
        MisuseError: there is no target at all.
    """
    wanted = batch.targets != IGNORED
    if not wanted.any():
        raise MisuseError("a batch has no targets: there is nothing to be right about")
    found: list[int] = logits_of(model, batch).argmax(dim=-1)[wanted].tolist()
    return found, batch.targets[wanted].tolist()


def accuracy(model: nn.Module, batch: Batch) -> float:
    """The share of targets to which the model gives the highest logit: masked accuracy, for masked tokens."""
    found, targets = predictions(model, batch)
    return sum(one == other for one, other in zip(found, targets, strict=True)) / len(targets)


def padded(rows: Sequence[Sequence[int]], filler: int = 0) -> tuple[Tensor, Tensor]:
    """Rows of tokens behind each other, `[rows, longest]`, padded on the right, and a mask: 1 for tokens, 0 for padding."""
    tensors = [torch.tensor(row) for row in rows]
    masks = [torch.ones_like(row) for row in tensors]
    return pad_sequence(tensors, batch_first=True, padding_value=filler), pad_sequence(masks, batch_first=True)
