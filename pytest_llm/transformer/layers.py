"""One layer of a Transformer: attention, in a decoder attention to the encoder too, and a feed-forward layer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from pytest_llm.transformer.attention import Attention
from pytest_llm.transformer.cache import KeysAndValues
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.feed_forward import FeedForward
from pytest_llm.transformer.normalization import norm
from pytest_llm.transformer.positions import Rotation


class Layer(nn.Module):
    """Each sublayer adds to what passes by: `x + f(norm(x))`, or `norm(x + f(x))` with post-normalisation.

    Args:
        config: the shape.
        cross: whether it attends to an encoder's states as well.
    """

    def __init__(self, config: Config, *, cross: bool = False) -> None:
        super().__init__()
        self.norm_first = config.norm_first
        self.attention_norm = norm(config)
        self.attention = Attention(config)
        self.cross_attention_norm = norm(config) if cross else None
        self.cross_attention = Attention(config) if cross else None
        self.feed_forward_norm = norm(config)
        self.feed_forward = FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        *,
        mask: Tensor,
        rotation: Rotation | None = None,
        cache: KeysAndValues | None = None,
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
        memory_cache: KeysAndValues | None = None,
    ) -> Tensor:
        """`[batch, length, width]` to the same; the arguments are those of `Attention`, twice."""
        x = self._add(x, self.attention_norm, partial(self.attention, mask=mask, rotation=rotation, cache=cache))
        if self.cross_attention is not None and self.cross_attention_norm is not None:
            look = partial(self.cross_attention, memory=memory, mask=memory_mask, cache=memory_cache)
            x = self._add(x, self.cross_attention_norm, look)
        return self._add(x, self.feed_forward_norm, self.feed_forward)

    def _add(self, x: Tensor, norm: nn.Module, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        if self.norm_first:
            added: Tensor = x + self.dropout(sublayer(norm(x)))
        else:
            added = norm(x + self.dropout(sublayer(x)))
        return added
