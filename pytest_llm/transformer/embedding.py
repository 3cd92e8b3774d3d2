"""From token numbers to vectors: what the token is, where it stands, which segment it belongs to."""

from __future__ import annotations

import math

from torch import Tensor, nn

from pytest_llm.errors import MisuseError
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.normalization import norm
from pytest_llm.transformer.positions import sinusoidal


class Embedding(nn.Module):
    """The sum of the embeddings of token, position (unless rotary) and segment, normalised if the configuration says so.

    Args:
        config: the shape.
        tokens: the embeddings of tokens, where two stacks share them.
    """

    def __init__(self, config: Config, tokens: nn.Embedding | None = None) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width) if tokens is None else tokens
        self.positions = nn.Embedding(config.max_length, config.width) if config.positions == "learned" else None
        self.segments = nn.Embedding(config.segments, config.width) if config.segments else None
        self.norm = norm(config) if config.embedding_norm else None
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Tensor, positions: Tensor, segments: Tensor | None = None) -> Tensor:
        """Of tokens at positions, both `[batch, length]`, to `[batch, length, width]`; segments are 0 where none are given.

        Raises:
            MisuseError: segments for a model without.
        """
        x: Tensor = self.tokens(tokens)
        if self.config.scale_embeddings:
            x = x * math.sqrt(self.config.width)
        if self.positions is not None:
            x = x + self.positions(positions)
        elif self.config.positions == "sinusoidal":
            x = x + sinusoidal(positions, self.config.width, x)
        if self.segments is not None:
            x = x + self.segments(tokens.new_zeros(1, 1) if segments is None else segments)
        elif segments is not None:
            raise MisuseError("this model knows no segments: its configuration has segments=0")
        if self.norm is not None:
            x = self.norm(x)
        dropped: Tensor = self.dropout(x)
        return dropped
