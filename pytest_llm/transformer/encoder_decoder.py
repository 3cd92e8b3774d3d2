"""Encoder and decoder together: the decoder writes, and looks at what the encoder has read. BART is nothing else."""

from __future__ import annotations

from torch import Tensor, nn

from pytest_llm.transformer.cache import Cache
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.decoder import Decoder
from pytest_llm.transformer.encoder import Encoder


class EncoderDecoder(nn.Module):
    """Source and target tokens to the hidden states of the target. Both stacks share the embeddings of tokens.

    Args:
        config: the shape; `layers` are the encoder's, `decoder_layers` the decoder's.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config, cross=True, tokens=self.encoder.embedding.tokens)

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        *,
        source_mask: Tensor | None = None,
        target_mask: Tensor | None = None,
        memory: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """`[batch, source length]` and `[batch, target length]` to `[batch, target length, width]`.

        Args:
            source: what is read.
            target: what is written so far, from the start token on; with a cache only the new tokens.
            source_mask: 1 for tokens, 0 for padding, as the source.
            target_mask: as the target.
            memory: the encoder's states of the source, where they are known already.
            cache: what was written before; is extended by the target.
        """
        if memory is None:
            memory = self.encoder(source, source_mask)
        states: Tensor = self.decoder(target, target_mask, cache=cache, memory=memory, memory_mask=source_mask)
        return states

    @property
    def embedding(self) -> nn.Module:
        """The encoder's, whose embeddings of tokens are the decoder's too."""
        return self.encoder.embedding
