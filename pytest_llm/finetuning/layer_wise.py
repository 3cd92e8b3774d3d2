"""Layer-wise fine-tuning: from the output down, one layer thawing after another, lower ones learning more slowly.

ULMFiT (Howard & Ruder 2018): *gradual unfreezing* keeps a new head's first, random gradients from the layers below; *discriminative
learning rates* (each layer 1/2.6 of the rate above it) keep what is most general at the bottom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_llm.errors import MisuseError
from pytest_llm.finetuning.anatomy import anatomy
from pytest_llm.finetuning.strategy import Strategy
from pytest_llm.models.checkpoint import Checkpoint
from pytest_llm.pretraining.trainer import ParameterGroup


@dataclass(frozen=True, slots=True)
class LayerWise(Strategy):
    """Head, last layer, …, first layer, embeddings thaw at equal distances.

    The learning rate of a group is `decay` times that of the one above it. Of a model without a head of its own (its logits come
    from tied embeddings) the last layer comes first.

    Raises:
        MisuseError: a decay or a share out of range.
    """

    decay: float = 1 / 2.6
    """Of the learning rate, from one group to the one below; 1: all the same."""
    thawed: float = 0.5
    """The share of the steps after which all that is trained has thawed; 0: all from the first step."""
    layers: int | None = None
    """How many layers are trained, from the last one down; the embeddings only with all of them (None). 0: the head alone."""

    def __post_init__(self) -> None:
        if not (0 < self.decay <= 1 and 0 <= self.thawed < 1 and (self.layers is None or self.layers >= 0)):
            raise MisuseError(
                f"decay={self.decay}, thawed={self.thawed}, layers={self.layers}: expected a decay in (0, 1], a share in [0, 1) "
                f"and at least 0 layers"
            )

    def groups(self, model: Checkpoint, steps: int) -> Sequence[ParameterGroup]:
        parts = anatomy(model.module)
        downwards = list(reversed(parts.layers))
        stacked = [*downwards, parts.embeddings] if self.layers is None else downwards[: self.layers]
        chosen = [names for names in (parts.head, *stacked) if names]
        if not chosen:
            raise MisuseError(f"layers=0 leaves nothing to train of {model.name}: it has no head of its own")
        apart = self.thawed * steps / max(1, len(chosen) - 1)
        return [
            ParameterGroup(names, self.decay**place, min(steps - 1, round(place * apart)))
            for place, names in enumerate(chosen)
        ]
