"""New models with random weights, the same for the same seed."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import nn

from pytest_llm.transformer.config import Config

Model = TypeVar("Model", bound=nn.Module)
DEVIATION = 0.02


def fresh(kind: type[Model], config: Config, *, seed: int = 0) -> Model:
    """A model in evaluation mode whose matrices are drawn from a normal distribution (Radford et al. 2019).

    The standard deviation is 0.02, and 0.02 / √(2 · layers) for the matrices that write to the residual stream, so that it does
    not grow with depth; biases are 0, norms 1. The global random state is not touched.

    Args:
        kind: a class such as `CausalLM`.
        config: its shape.
        seed: of the random numbers.
    """
    with torch.random.fork_rng(devices=[]):
        model = kind(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2:
                is_last = name.endswith(("attention.output.weight", "feed_forward.down.weight"))
                shrunk = DEVIATION / math.sqrt(2 * config.layers) if is_last else DEVIATION
                parameter.normal_(0.0, shrunk, generator=generator)
            elif name.endswith("bias"):
                parameter.zero_()
    return model.eval()
