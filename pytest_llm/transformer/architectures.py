"""Whole models: a body and a head. `body` gives hidden states, the model itself what it predicts."""

from __future__ import annotations

from torch import Tensor, nn

from pytest_llm.transformer.cache import Cache
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.decoder import Decoder
from pytest_llm.transformer.encoder import Encoder
from pytest_llm.transformer.encoder_decoder import EncoderDecoder
from pytest_llm.transformer.heads import (
    ClassificationHead,
    LanguageModelingHead,
    TokenClassificationHead,
    mean_embedding,
)
from pytest_llm.transformer.masks import real_tokens


class CausalLM(nn.Module):
    """A decoder that predicts the next token: GPT-2, Llama."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.body = Decoder(config)
        self.head = LanguageModelingHead(config, self.body.embedding.tokens)

    def forward(self, tokens: Tensor, mask: Tensor | None = None, *, cache: Cache | None = None) -> Tensor:
        """Logits of the token after each, `[batch, length, vocabulary]`; the arguments are those of `Decoder`."""
        logits: Tensor = self.head(self.body(tokens, mask, cache=cache))
        return logits


class MaskedLM(nn.Module):
    """An encoder that predicts the tokens that were masked: BERT."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.body = Encoder(config)
        self.head = LanguageModelingHead(config, self.body.embedding.tokens)

    def forward(self, tokens: Tensor, mask: Tensor | None = None, *, segments: Tensor | None = None) -> Tensor:
        """Logits of the token at each place, `[batch, length, vocabulary]`; the arguments are those of `Encoder`."""
        logits: Tensor = self.head(self.body(tokens, mask, segments=segments))
        return logits


class Seq2SeqLM(nn.Module):
    """An encoder-decoder that predicts the next token of the target: BART."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.body = EncoderDecoder(config)
        self.head = LanguageModelingHead(config, self.body.encoder.embedding.tokens)

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
        """Logits of the token after each of the target, `[batch, target length, vocabulary]`, as `EncoderDecoder`."""
        states = self.body(source, target, source_mask=source_mask, target_mask=target_mask, memory=memory, cache=cache)
        logits: Tensor = self.head(states)
        return logits


class SequenceClassifier(nn.Module):
    """An encoder that says which label a text has."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.body = Encoder(config)
        self.head = ClassificationHead(config)

    def forward(self, tokens: Tensor, mask: Tensor | None = None, *, segments: Tensor | None = None) -> Tensor:
        """Logits of the labels, `[batch, labels]`; texts are padded on the right, since the first token stands for all."""
        logits: Tensor = self.head(self.body(tokens, mask, segments=segments))
        return logits


class TokenClassifier(nn.Module):
    """An encoder that says which label each token has."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.body = Encoder(config)
        self.head = TokenClassificationHead(config)

    def forward(self, tokens: Tensor, mask: Tensor | None = None, *, segments: Tensor | None = None) -> Tensor:
        """Logits of the labels of each token, `[batch, length, labels]`."""
        logits: Tensor = self.head(self.body(tokens, mask, segments=segments))
        return logits


class TextEmbedder(nn.Module):
    """An encoder that gives a text one vector of length 1, the mean over its tokens: Sentence-BERT."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.body = Encoder(config)

    @classmethod
    def of(cls, encoder: Encoder) -> TextEmbedder:
        """With the weights of an encoder, which are not copied."""
        model = cls(encoder.config)
        model.body = encoder
        return model.train(encoder.training)

    def forward(self, tokens: Tensor, mask: Tensor | None = None, *, segments: Tensor | None = None) -> Tensor:
        """`[batch, width]`; the product of two rows is the cosine of the angle between them."""
        return mean_embedding(self.body(tokens, mask, segments=segments), real_tokens(tokens, mask))
