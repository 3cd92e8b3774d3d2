"""Low-rank adaptation: to each matrix of the layers a product of two thin ones is added, and only these are trained.

    W + (alpha / rank) · B·A        A: [rank, in], random; B: [out, rank], zero at first, so that the model begins as it was

(Hu et al. 2022, "LoRA"). By the library `peft`, the extra `[finetuning]`; what comes out is the model with its matrices changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pytest_llm.errors import MisuseError
from pytest_llm.finetuning.anatomy import anatomy, layers_of
from pytest_llm.finetuning.strategy import Strategy
from pytest_llm.models.checkpoint import Checkpoint
from pytest_llm.models.reading_model import ReadingModel
from pytest_llm.pretraining.trainer import ParameterGroup

_MATRICES = ("Linear", "Conv1D")  # GPT-2's are the latter


@dataclass(frozen=True, slots=True)
class LowRank(Strategy):
    """Every linear layer in the Transformer's layers; of a classifier its head as well, in full.

    Raises:
        MisuseError: a rank below 1, an alpha that is not above 0; `peft` is not installed.
    """

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    """In training, of what goes into the added matrices."""
    seed: int = 0
    """Of A."""

    def __post_init__(self) -> None:
        if self.rank < 1 or not self.alpha > 0 or not 0 <= self.dropout < 1:
            raise MisuseError(
                f"rank={self.rank}, alpha={self.alpha}, dropout={self.dropout}: expected at least 1, above 0, and a share in [0, 1)"
            )

    def attach(self, model: Checkpoint) -> Checkpoint:
        peft = _library()
        layers = layers_of(model.module)
        targets = {
            name: type(part).__name__
            for name, part in model.module.named_modules()
            if type(part).__name__ in _MATRICES and any(name.startswith(f"{layer}.") for layer in layers)
        }
        config = peft.LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=list(targets),
            fan_in_fan_out="Conv1D" in targets.values(),
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            peft.inject_adapter_in_model(config, model.module)  # in place: its class stays what it was
        return model

    def groups(self, model: Checkpoint, steps: int) -> Sequence[ParameterGroup]:
        names = [name for name, _ in model.module.named_parameters() if ".lora_" in name]
        head = anatomy(model.module).head if isinstance(model, ReadingModel) else ()
        return [ParameterGroup((*names, *head))]

    def detach(self, model: Checkpoint) -> Checkpoint:
        """The same with each product added to its matrix: nothing of `peft` is left in it."""
        for name, part in list(model.module.named_modules()):
            if hasattr(part, "lora_A"):
                part.merge(safe_merge=True)
                above, _, own = name.rpartition(".")
                setattr(model.module.get_submodule(above), own, part.get_base_layer())
        model.module.requires_grad_(True)
        return model


def _library() -> Any:
    """The package `peft`.

    Raises:
        MisuseError: it is not installed.
    """
    try:
        import peft
    except ImportError:
        raise MisuseError(
            "low-rank adapters need the package peft: pip install 'pytest-llm-regression[finetuning]'"
        ) from None
    return peft
