"""The shape of a Transformer, as one value: what BERT, GPT-2, Llama and BART differ in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from pytest_llm.errors import MisuseError

Positions: TypeAlias = Literal["sinusoidal", "learned", "rotary"]
FeedForwardKind: TypeAlias = Literal["relu", "gelu", "gelu_tanh", "swiglu"]
NormalizationKind: TypeAlias = Literal["layer", "rms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All that decides which tensors a Transformer has and what it computes from them. The defaults are Llama's.

    Raises:
        MisuseError: a number out of range, an unknown choice, sizes that do not divide.
    """

    vocabulary: int
    width: int
    """Of the hidden states: d_model."""
    layers: int
    heads: int
    max_length: int
    """How many tokens can be read."""
    key_value_heads: int = 0
    """Fewer than `heads`: grouped-query attention; 1: multi-query attention; 0 stands for `heads`."""
    head_width: int = 0
    """Of queries, keys and values: d_k; 0 stands for width / heads."""
    inner_width: int = 0
    """Of the feed-forward layers; 0 stands for 4 · width."""
    decoder_layers: int = 0
    """Of the decoder, in an encoder-decoder; 0 stands for `layers`."""
    positions: Positions = "rotary"
    rotary_theta: float = 10_000.0
    """The longest wavelength of rotary positions is about 2π times this."""
    feed_forward: FeedForwardKind = "swiglu"
    normalization: NormalizationKind = "rms"
    norm_epsilon: float = 1e-6
    norm_first: bool = True
    """Pre-normalisation, x + f(norm(x)), with one more norm behind the last layer; else norm(x + f(x)), as in 2017."""
    embedding_norm: bool = False
    """Normalise the embeddings (BERT, BART)."""
    scale_embeddings: bool = False
    """Multiply the embeddings of tokens by √width (Vaswani et al. 2017)."""
    segments: int = 0
    """How many kinds of segments tokens may belong to (BERT: 2)."""
    bias: bool = False
    """Whether the linear layers add a bias."""
    tied: bool = True
    """The matrix that embeds tokens gives the logits, too."""
    head_bias: bool = False
    """Add a bias to each token's logit (BERT, BART)."""
    head_transform: bool = False
    """One more layer and norm before the logits (BERT)."""
    labels: int = 0
    """Of a classifier."""
    dropout: float = 0.0
    """In training, of embeddings and of what each sublayer adds."""

    def __post_init__(self) -> None:
        for name, stands_for in (
            ("key_value_heads", self.heads),
            ("head_width", self.width // max(self.heads, 1)),
            ("inner_width", 4 * self.width),
            ("decoder_layers", self.layers),
        ):
            if getattr(self, name) == 0:
                object.__setattr__(self, name, stands_for)
        for name in ("vocabulary", "width", "layers", "heads", "max_length", "key_value_heads", "head_width"):
            if getattr(self, name) < 1:
                raise MisuseError(f"{name}={getattr(self, name)}: expected at least 1")
        for name, kinds in (
            ("positions", Positions),
            ("feed_forward", FeedForwardKind),
            ("normalization", NormalizationKind),
        ):
            if getattr(self, name) not in get_args(kinds):
                raise MisuseError(f"{name}={getattr(self, name)!r}: expected one of {', '.join(get_args(kinds))}")
        if self.heads % self.key_value_heads:
            raise MisuseError(f"{self.heads} heads cannot share {self.key_value_heads} key-value heads evenly")
        if self.positions == "rotary" and self.head_width % 2:
            raise MisuseError(
                f"head_width={self.head_width}: rotary positions turn pairs of numbers, so it must be even"
            )
        if not 0 <= self.dropout < 1:
            raise MisuseError(f"dropout={self.dropout}: expected a share in [0, 1)")
