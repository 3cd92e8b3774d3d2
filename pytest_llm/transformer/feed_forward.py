"""The position-wise feed-forward layer: each token's vector by itself, through a wider space and back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn
from torch.nn.functional import gelu, relu, silu

from pytest_llm.transformer.config import Config

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": relu,
    "gelu": gelu,
    "gelu_tanh": partial(gelu, approximate="tanh"),
    "swiglu": silu,
}


class FeedForward(nn.Module):
    """`down(activation(up(x)))`; for SwiGLU (Shazeer 2020) `down(silu(gate(x)) · up(x))`."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[config.feed_forward]
        self.gate = None
        if config.feed_forward == "swiglu":
            self.gate = nn.Linear(config.width, config.inner_width, bias=config.bias)
        self.up = nn.Linear(config.width, config.inner_width, bias=config.bias)
        self.down = nn.Linear(config.inner_width, config.width, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.activation(self.up(x)) if self.gate is None else self.activation(self.gate(x)) * self.up(x)
        projected: Tensor = self.down(inner)
        return projected
