"""Attention (Vaswani et al. 2017, 3.2): each query takes the values of the keys that it resembles.

    attention(q, k, v) = softmax(q·kᵀ / √d_k) · v

as a formula, as torch's fused kernel, and as a layer of several heads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from pytest_llm.transformer.cache import KeysAndValues
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.positions import Rotation

Attend: TypeAlias = Callable[[Tensor, Tensor, Tensor, "Tensor | None"], Tensor]
"""A function like `attention_formula`: queries, keys, values and mask to what each query takes."""


def attention_formula(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """`softmax(q·kᵀ / √d_k) · v`, as it is written.

    Args:
        query: `[batch, heads, queries, d_k]`.
        key: `[batch, heads, keys, d_k]`.
        value: `[batch, heads, keys, d_v]`.
        mask: booleans that broadcast to `[batch, heads, queries, keys]`; True where a query may look.

    Returns:
        `[batch, heads, queries, d_v]`; zeros for a query that may look nowhere. The softmax is taken in float32 or better.
    """
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    blind = None
    if mask is not None:
        mask, blind = _open_for_the_blind(mask)
        scores = scores.masked_fill(~mask, -math.inf)
    weights = scores.softmax(dim=-1, dtype=torch.promote_types(scores.dtype, torch.float32)).to(value.dtype)
    mixed = weights @ value
    return mixed if blind is None else mixed.masked_fill(blind, 0)


def fused_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """The same by `torch.nn.functional.scaled_dot_product_attention`, which never holds all scores in memory."""
    if mask is None:
        return scaled_dot_product_attention(query, key, value)
    mask, blind = _open_for_the_blind(mask)
    return scaled_dot_product_attention(query, key, value, attn_mask=mask).masked_fill(blind, 0)


def _open_for_the_blind(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Let queries that may look nowhere look everywhere, and say which: a softmax over nothing would be NaN, its gradient too."""
    blind = ~mask.any(dim=-1, keepdim=True)
    return mask | blind, blind


class Attention(nn.Module):
    """`Concat(head_1 … head_h) · W_O`, where head_i is the attention of projected queries, keys and values.

    With fewer key-value heads than heads, neighbouring heads share one (grouped-query attention, Ainslie et al. 2023).
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.head_width = config.head_width
        self.sharing = config.heads // config.key_value_heads
        width, shared = config.heads * config.head_width, config.key_value_heads * config.head_width
        self.query = nn.Linear(config.width, width, bias=config.bias)
        self.key = nn.Linear(config.width, shared, bias=config.bias)
        self.value = nn.Linear(config.width, shared, bias=config.bias)
        self.output = nn.Linear(width, config.width, bias=config.bias)
        self.attend: Attend = fused_attention

    def forward(
        self,
        x: Tensor,
        *,
        memory: Tensor | None = None,
        mask: Tensor | None = None,
        rotation: Rotation | None = None,
        cache: KeysAndValues | None = None,
    ) -> Tensor:
        """Let `x` attend to itself, or to `memory`.

        Args:
            x: `[batch, queries, width]`.
            memory: the states of an encoder, `[batch, keys, width]`, for cross-attention.
            mask: who may look at whom: broadcasts to `[batch, heads, queries, keys]`; keys are those of the cache and the new.
            rotation: for rotary positions, that of the new tokens.
            cache: keys and values of earlier calls; is extended, or in cross-attention filled once.
        """
        query = self._heads(self.query(x))
        if rotation is not None:
            query = rotation(query)
        key, value = self._keys_and_values(x, memory, rotation, cache)
        if self.sharing > 1:
            key, value = (part.repeat_interleave(self.sharing, dim=1) for part in (key, value))
        mixed = self.attend(query, key, value, mask)
        projected: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return projected

    def _keys_and_values(
        self, x: Tensor, memory: Tensor | None, rotation: Rotation | None, cache: KeysAndValues | None
    ) -> tuple[Tensor, Tensor]:
        if memory is not None and cache is not None and cache.keys is not None and cache.values is not None:
            return cache.keys, cache.values  # the encoder's states do not change
        source = x if memory is None else memory
        key, value = self._heads(self.key(source)), self._heads(self.value(source))
        if rotation is not None:
            key = rotation(key)
        return (key, value) if cache is None else cache.extend(key, value)

    def _heads(self, x: Tensor) -> Tensor:
        """`[batch, length, heads · head width]` as `[batch, heads, length, head width]`."""
        return x.view(*x.shape[:2], -1, self.head_width).transpose(1, 2)


def use_attention(model: nn.Module, attend: Attend) -> None:
    """Let every attention layer of a model compute with this function: the formula, the fused kernel, or one of your own."""
    for part in model.modules():
        if isinstance(part, Attention):
            part.attend = attend
