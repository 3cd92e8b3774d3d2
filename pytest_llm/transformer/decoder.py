"""The decoder: a token sees those before it, and the states of an encoder if there is one. GPT and Llama are nothing else."""

from __future__ import annotations

from torch import Tensor, nn

from pytest_llm.errors import MisuseError
from pytest_llm.transformer.cache import Cache
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.embedding import Embedding
from pytest_llm.transformer.layers import Layer
from pytest_llm.transformer.masks import all_real, positions_of, real_and_before, real_tokens
from pytest_llm.transformer.normalization import norm
from pytest_llm.transformer.positions import rotation


class Decoder(nn.Module):
    """Tokens to hidden states, each of which depends on the tokens up to its own.

    Args:
        config: the shape.
        cross: whether its layers attend to an encoder's states; it then has `decoder_layers` layers.
        tokens: the embeddings of tokens, where an encoder shares them.
    """

    def __init__(self, config: Config, *, cross: bool = False, tokens: nn.Embedding | None = None) -> None:
        super().__init__()
        self.config = config
        self.cross = cross
        self.embedding = Embedding(config, tokens)
        count = config.decoder_layers if cross else config.layers
        self.layers = nn.ModuleList(Layer(config, cross=cross) for _ in range(count))
        self.norm = norm(config) if config.norm_first else None

    def forward(
        self,
        tokens: Tensor,
        mask: Tensor | None = None,
        *,
        cache: Cache | None = None,
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """`[batch, length]` to `[batch, length, width]`.

        Args:
            tokens: with a cache only the new ones.
            mask: 1 for tokens, 0 for padding, of the same shape; without one all are tokens.
            cache: what was read before; is extended by these tokens.
            memory: the encoder's states, `[batch, source length, width]`.
            memory_mask: of the source, as `mask`.

        Raises:
            MisuseError: more tokens than `max_length`; a mask of another shape; a memory for a decoder without
                cross-attention, or none for one with it.
        """
        if self.cross != (memory is not None):
            raise MisuseError("a decoder with cross-attention needs a memory, one without takes none")
        real = real_tokens(tokens, mask)
        if cache is not None:
            real = cache.extend(real)
        positions = positions_of(real, self.config.max_length)[:, -tokens.shape[1] :]
        x: Tensor = self.embedding(tokens, positions)
        turn = rotation(self.config, positions, x)
        look_back = real_and_before(real, tokens.shape[1])
        look_across = None if memory_mask is None else all_real(memory_mask.to(device=x.device).bool())
        for number, layer in enumerate(self.layers):
            x = layer(
                x,
                mask=look_back,
                rotation=turn,
                cache=None if cache is None else cache.own[number],
                memory=memory,
                memory_mask=look_across,
                memory_cache=None if cache is None else cache.cross[number],
            )
        return x if self.norm is None else self.norm(x)

    def new_cache(self) -> Cache:
        """An empty cache for this decoder."""
        return Cache(len(self.layers))
