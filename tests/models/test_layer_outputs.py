"""What the layers of a module put out is heard while it reads, and not afterwards."""

from __future__ import annotations

import torch
from torch import nn

from pytest_llm.models.layer_outputs import listening, stack
from tests.tiny_checkpoints import tiny_llama

IDS = torch.tensor([[7, 8, 9, 10]])


def test_layers_are_heard_in_their_order_and_left_as_they_were() -> None:
    module, _ = tiny_llama()
    heard: list[tuple[str, tuple[int, ...]]] = []
    with listening(module, lambda name, states: heard.append((name, tuple(states.shape)))):
        module(IDS)
    assert heard == [("embeddings", (1, 4, 16)), ("model.layers.0", (1, 4, 16)), ("model.layers.1", (1, 4, 16))]
    module(IDS)
    assert len(heard) == 3
    assert stack(nn.Linear(2, 2)) == []
