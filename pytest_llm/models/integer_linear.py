"""A linear layer whose weights are small integers, and whose inputs are rounded to integers when it is called.

torch's own (`torch.ao.quantization.quantize_dynamic`, and the quantised tensors under it) is announced to be removed, and
torchao's supports the newest releases of torch only; both keep their weights where neither a size, a digest nor a cache sees them.
Here they are a plain int8 tensor and a scale for each row.

What it answers is what kernels on integers answer; how fast they are it does not show.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from pytest_llm.errors import MisuseError


class IntegerLinear(nn.Module):
    """`y = (x̂ Ŵᵀ) · sₓ · s_w + b` with integers `x̂ = round(x / sₓ)` and `Ŵ = round(W / s_w)`.

    Each token of the input and each row of the weights has its own scale, its largest magnitude over the largest integer
    (symmetric: 0 stays 0). A sum of products of integers is exact up to float32.

    Args:
        weight: `[out, in]`, of the layer that it stands for.
        bias: `[out]`, or None.
        bits: of a weight, 2 to 8; from -(2^(bits-1) - 1) to 2^(bits-1) - 1. Fewer than 8 take as much memory as 8.
        activation_bits: of an input, likewise; None: inputs stay as they are.

    Raises:
        MisuseError: bits out of range, or weights that are not finite.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, *, bits: int = 8, activation_bits: int | None = 8) -> None:
        super().__init__()
        for name, given in (("bits", bits), ("activation_bits", activation_bits)):
            if given is not None and given not in range(2, 9):
                raise MisuseError(f"{name}={given!r}: expected 2 to 8")
        if not bool(weight.isfinite().all()):
            raise MisuseError("weights that are not finite have no place on a grid of integers")
        self.out_features, self.in_features = weight.shape
        self.bits, self.activation_bits = bits, activation_bits
        integers, scale = on_grid(weight.detach(), bits)
        self.weight = nn.Parameter(integers.to(torch.int8), requires_grad=False)
        self.register_buffer("scale", scale[:, 0])
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """`[…, in]` to `[…, out]`, in the type of `x`."""
        given, scale = x.float(), self.get_buffer("scale").float()
        if self.activation_bits is not None:
            given, own = on_grid(given, self.activation_bits)
            y = linear(given, self.weight.float()) * own * scale
        else:
            y = linear(given, self.weight.float()) * scale
        return (y if self.bias is None else y + self.bias).to(x.dtype)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, bits={self.bits}, activation_bits={self.activation_bits}"


def on_grid(x: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Integers as float32, and for each vector along the last dimension what one of them stands for: x ≈ integers · scale."""
    x = x.float()
    scale = x.abs().amax(dim=-1, keepdim=True) / (2 ** (bits - 1) - 1)
    scale = torch.where(scale == 0, 1.0, scale)
    return (x / scale).round(), scale
