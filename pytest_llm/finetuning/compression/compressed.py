"""What all ways to compress have in common: a copy, the layers that may be changed, and what has become of them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from pytest_llm.errors import MisuseError
from pytest_llm.models.checkpoint import Checkpoint
from pytest_llm.models.loading import Model, as_language_model
from pytest_llm.models.size import in_memory


@dataclass(frozen=True, slots=True)
class Compressed:
    """A smaller model, and in what it differs from the one it was made from."""

    model: Any
    """For every assertion: of the same class, with the same tokenizer."""
    changed: tuple[str, ...]
    """The modules that are other ones now, or are gone, by their names in the original."""
    sparsity: float
    """The share of zeros among the weights of those that are still there."""
    bytes_before: int
    """What parameters and buffers of the original take in memory."""
    bytes_after: int

    def __str__(self) -> str:
        return (
            f"{self.model.name}: {len(self.changed)} modules changed, {self.sparsity:.1%} zeros, "
            f"{self.bytes_before:,} bytes → {self.bytes_after:,}"
        )


def original(model: Model) -> Checkpoint:
    """The model as one that can be copied.

    Raises:
        MisuseError: its weights are not here.
    """
    found = as_language_model(model)
    if not isinstance(found, Checkpoint):
        raise MisuseError(f"{type(found).__name__} has no weights here to compress: give a checkpoint or a pair")
    return found


def copied(model: Checkpoint, how: str) -> Any:
    """A copy that shares nothing with the model but its tokenizer, in evaluation mode; its name says how it was changed."""
    twin = copy.deepcopy(model, {id(model.tokenizer): model.tokenizer})
    twin.name = f"{model.name}, {how}"
    twin.module.eval()
    return twin


def linear_layers(model: Checkpoint, *, head: bool) -> dict[str, nn.Module]:
    """Its linear layers by name, those of GPT-2 (`Conv1D`) too; the one that gives the logits only if `head` says so.

    Raises:
        MisuseError: there are none, or one whose weight is computed anew at each call (a pruning that was not made permanent, an
            adapter): what was made of it would be lost.
    """
    last = getattr(model.module, "get_output_embeddings", lambda: None)()
    layers = {
        name: part
        for name, part in model.module.named_modules()
        # exactly: derived classes compute something else
        if (type(part) is nn.Linear or is_conv1d(part)) and (head or part is not last)
    }
    if not layers:
        raise MisuseError(f"{model.name} has no linear layer of torch or transformers: is it compressed already?")
    for name, part in layers.items():
        if not isinstance(part._parameters.get("weight"), nn.Parameter):
            raise MisuseError(f"{name} computes its weight when it is called: make that permanent first")
    return layers


def is_conv1d(part: nn.Module) -> bool:
    """Whether it is the linear layer of GPT-2 in `transformers`, whose matrix is stored the other way round."""
    return type(part).__name__ == "Conv1D" and type(part).__module__ == "transformers.pytorch_utils"


def result(before: Checkpoint, after: Any, changed: tuple[str, ...], weights: list[Tensor]) -> Compressed:
    """What was done; `weights` are those of the changed modules that are left."""
    zeros, numbers = sum(int((weight == 0).sum()) for weight in weights), sum(weight.numel() for weight in weights)
    sizes = [sum(in_memory(model).values()) for model in (before, after)]
    return Compressed(after, changed, zeros / numbers if numbers else 0.0, *sizes)
