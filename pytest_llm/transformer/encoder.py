"""The encoder: every token sees all others. BERT is nothing else."""

from __future__ import annotations

from torch import Tensor, nn

from pytest_llm.transformer.config import Config
from pytest_llm.transformer.embedding import Embedding
from pytest_llm.transformer.layers import Layer
from pytest_llm.transformer.masks import all_real, positions_of, real_tokens
from pytest_llm.transformer.normalization import norm
from pytest_llm.transformer.positions import rotation


class Encoder(nn.Module):
    """Tokens to hidden states, each of which depends on all tokens.

    Args:
        config: the shape.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = Embedding(config)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = norm(config) if config.norm_first else None

    def forward(self, tokens: Tensor, mask: Tensor | None = None, *, segments: Tensor | None = None) -> Tensor:
        """`[batch, length]` to `[batch, length, width]`.

        Args:
            tokens: padded on either side.
            mask: 1 for tokens, 0 for padding, of the same shape; without one all are tokens.
            segments: the segment of each token, of the same shape; without them all are of segment 0.

        Raises:
            MisuseError: more tokens than `max_length`, a mask of another shape, segments for a model without.
        """
        real = real_tokens(tokens, mask)
        positions = positions_of(real, self.config.max_length)
        x: Tensor = self.embedding(tokens, positions, segments)
        turn = rotation(self.config, positions, x)
        for layer in self.layers:
            x = layer(x, mask=all_real(real), rotation=turn)
        return x if self.norm is None else self.norm(x)
