"""Layer normalisation (Ba et al. 2016) and RMS normalisation (Zhang & Sennrich 2019), in float32 or better."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pytest_llm.transformer.config import Config


class LayerNorm(nn.Module):
    """`(x - mean) / √(variance + ε) · weight + bias`, over the last dimension."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        centred = wide - wide.mean(dim=-1, keepdim=True)
        variance = centred.square().mean(dim=-1, keepdim=True)
        return (centred * torch.rsqrt(variance + self.epsilon) * self.weight + self.bias).to(x.dtype)


class RMSNorm(nn.Module):
    """`x / √(mean of squares + ε) · weight`, over the last dimension: neither mean nor bias."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        return self.weight * (wide * torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + self.epsilon)).to(x.dtype)


def norm(config: Config) -> nn.Module:
    """The kind of norm that the configuration asks for."""
    kind = LayerNorm if config.normalization == "layer" else RMSNorm
    return kind(config.width, config.norm_epsilon)
