"""Batches of examples, epoch after epoch, each example once in each: an objective over what was tokenized before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pytest_llm.errors import MisuseError
from pytest_llm.pretraining.batch import IGNORED, Batch, padded
from pytest_llm.pretraining.stream import generator_of

_MASKS = {"input_ids": "attention_mask"}
"""Inputs whose padding a model has to be told of; behind a decoder's tokens it is seen by none of them."""


@dataclass(frozen=True, slots=True)
class Item:
    """One example as tokens."""

    inputs: Mapping[str, tuple[int, ...]]
    """Of the model's forward, by name."""
    targets: tuple[int, ...] | int
    """The token to predict at each place, `IGNORED` where none is; or the number of the text's label."""


@dataclass(frozen=True, slots=True)
class Epochs:
    """Rows padded on the right to the longest of their batch, in an order of its own for each epoch.

    Raises:
        MisuseError: no examples, or no rows.
    """

    items: Sequence[Item]
    rows: int
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.items or self.rows < 1:
            raise MisuseError(f"{len(self.items)} examples in batches of {self.rows}: expected at least one of each")

    def __len__(self) -> int:
        """How many examples there are."""
        return len(self.items)

    def __call__(self, number: int) -> Batch:
        """Batch number `number`, always the same; it may reach into the next epoch."""
        first = number * self.rows
        orders: dict[int, list[int]] = {}
        chosen = []
        for place in range(first, first + self.rows):
            epoch, rank = divmod(place, len(self.items))
            if epoch not in orders:
                order = torch.randperm(len(self.items), generator=generator_of(self.seed, epoch))
                orders[epoch] = order.tolist()
            chosen.append(self.items[orders[epoch][rank]])
        return collated(chosen)


def collated(items: Sequence[Item]) -> Batch:
    """Several examples as one batch."""
    inputs: dict[str, Tensor] = {}
    for name in items[0].inputs:
        inputs[name], mask = padded([item.inputs[name] for item in items])
        if name in _MASKS:
            inputs[_MASKS[name]] = mask
    targets = [item.targets for item in items]
    labels = [target for target in targets if isinstance(target, int)]
    places = [target for target in targets if not isinstance(target, int)]
    return Batch(inputs, torch.tensor(labels) if labels else padded(places, IGNORED)[0])
