"""Causal attention of one sequence on its own keys: torch's fused kernel, or products in blocks where these are faster.

The fused kernel skips the work above the diagonal, but multiplies each query head by itself. In blocks of rows the query heads
that share a key head stand together in one larger product, over the keys up to the block's last row. On CPUs that pays for
bfloat16, whose products gain more from size; which is faster is timed once for a shape, as for linear layers.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch.nn.functional import scaled_dot_product_attention

from pytest_llm.models.timing import seconds

FEWEST_ROWS = 128
"""A shorter sequence is one block, and always left to the fused kernel."""
_ROWS_PER_BLOCK = 128
_ROWS_TIMED = 512
_CLEARLY_FASTER = 1.1


def causal_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None
) -> torch.Tensor:
    """`softmax(scaling · q kᵀ, each row over the keys up to its own) v`.

    Args:
        query: `[1, heads, rows, width]`.
        key: `[1, key heads, rows, width]`; each serves `heads / key heads` neighbouring query heads.
        value: as the keys; its width may differ.
        scaling: None for `1 / √width`.

    Returns:
        `[1, heads, rows, value width]`.
    """
    rows = query.shape[2]
    if rows >= FEWEST_ROWS and query.device.type == "cpu" and query.dtype is torch.bfloat16:
        shape = (query.shape[1], key.shape[1], query.shape[3], value.shape[3])
        if blocks_are_faster(*shape, query.dtype, torch.get_num_threads()):
            return in_blocks(query, key, value, scaling)
    return fused(query, key, value, scaling)


def fused(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None) -> torch.Tensor:
    """By torch's own kernel."""
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    return scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling)


def in_blocks(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None) -> torch.Tensor:
    """The same, a block of rows at a time, the query heads of one key head in one product. Softmax in float32 or finer."""
    _, heads, rows, width = query.shape
    key_heads = key.shape[1]
    groups = heads // key_heads
    scale = 1 / math.sqrt(width) if scaling is None else scaling
    folded = (query[0] * scale).view(key_heads, groups, rows, width)
    keys, values = key[0].transpose(1, 2), value[0]
    above = torch.ones(_ROWS_PER_BLOCK, _ROWS_PER_BLOCK, dtype=torch.bool, device=query.device).triu(1)
    attended = query.new_empty(key_heads, groups, rows, value.shape[3])
    for start in range(0, rows, _ROWS_PER_BLOCK):
        end = min(start + _ROWS_PER_BLOCK, rows)
        size = end - start
        block = folded[:, :, start:end].reshape(key_heads, groups * size, width)
        scores = torch.bmm(block, keys[:, :, :end]).view(key_heads, groups, size, end)
        scores[..., start:].masked_fill_(above[:size, :size], float("-inf"))
        weights = torch.softmax(scores, dim=-1, dtype=torch.promote_types(query.dtype, torch.float32)).to(query.dtype)
        seen = torch.bmm(weights.view(key_heads, groups * size, end), values[:, :end])
        attended[:, :, start:end] = seen.view(key_heads, groups, size, -1)
    return attended.view(1, heads, rows, -1)


@cache
def blocks_are_faster(
    heads: int, key_heads: int, width: int, value_width: int, dtype: torch.dtype, threads: int
) -> bool:
    """Time both on one shape. `threads` is part of the question only because it is part of the answer."""
    generator = torch.Generator().manual_seed(0)

    def random(count: int, size: int) -> torch.Tensor:
        return torch.randn(1, count, _ROWS_TIMED, size, generator=generator).to(dtype)

    given = random(heads, width), random(key_heads, width), random(key_heads, value_width)
    taken = seconds({"fused": lambda: fused(*given, None), "blocks": lambda: in_blocks(*given, None)})
    return taken["fused"] > _CLEARLY_FASTER * taken["blocks"]
