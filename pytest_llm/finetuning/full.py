"""Full fine-tuning: every parameter is trained (Devlin et al. 2019). The most it can learn, and the most it can forget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_llm.finetuning.strategy import Strategy
from pytest_llm.models.checkpoint import Checkpoint
from pytest_llm.pretraining.trainer import ParameterGroup


@dataclass(frozen=True, slots=True)
class Full(Strategy):
    """All parameters, alike, from the first step on."""

    def groups(self, model: Checkpoint, steps: int) -> Sequence[ParameterGroup]:
        return [ParameterGroup(tuple(name for name, _ in model.module.named_parameters()))]
