"""How a Transformer knows the order of its tokens, which attention by itself does not see.

Sinusoidal and learned positions are vectors that are added to the embeddings; rotary positions turn queries and keys.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_llm.transformer.config import Config


def frequencies(width: int, theta: float, like: Tensor) -> Tensor:
    """`theta^(-2i / width)` for i = 0 … width/2 - 1: radians per position, in float32 or better whatever the model's type."""
    dtype = torch.promote_types(like.dtype, torch.float32)
    return 1.0 / theta ** (torch.arange(0, width, 2, dtype=dtype, device=like.device) / width)


def sinusoidal(positions: Tensor, width: int, like: Tensor) -> Tensor:
    """`PE(pos, 2i) = sin(pos / 10000^(2i/width))`, `PE(pos, 2i+1) = cos(…)` (Vaswani et al. 2017, 3.5): `[…, width]`.

    Args:
        positions: whole numbers, of any shape.
        width: of the vectors.
        like: a tensor with the device and type that are wanted.
    """
    rates = frequencies(width, 10_000.0, like)
    angles = positions[..., None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)[..., :width].to(like.dtype)


class Rotation:
    """Rotary positions (Su et al. 2021): number pairs of a query or key are turned by an angle that grows with its position.

    `⟨turn(q, m), turn(k, n)⟩` depends on m and n only through m - n. Pair i is (x_i, x_{i + width/2}) and turns by
    `position · theta^(-2i / width)`: the layout of Llama's checkpoints in `transformers`.

    Args:
        positions: `[batch, length]`.
        width: of a head.
        theta: base of the frequencies.
        like: a tensor with the device and type that are wanted.
    """

    def __init__(self, positions: Tensor, width: int, theta: float, like: Tensor) -> None:
        angles = positions[:, None, :, None] * frequencies(width, theta, like)  # the same for all heads
        self._cos, self._sin = angles.cos().to(like.dtype), angles.sin().to(like.dtype)

    def __call__(self, x: Tensor) -> Tensor:
        """Queries or keys `[batch, heads, length, width]`, turned."""
        first, second = x.chunk(2, dim=-1)
        return torch.cat(
            [first * self._cos - second * self._sin, second * self._cos + first * self._sin],
            dim=-1,
        )


def rotation(config: Config, positions: Tensor, like: Tensor) -> Rotation | None:
    """The rotation of tokens at these positions; None if the model marks positions in another way."""
    if config.positions != "rotary":
        return None
    return Rotation(positions, config.head_width, config.rotary_theta, like)
