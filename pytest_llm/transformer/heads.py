"""What stands on top of the hidden states: logits of tokens, of labels, or one vector for a text."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import normalize

from pytest_llm.errors import MisuseError
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.feed_forward import ACTIVATIONS
from pytest_llm.transformer.normalization import norm


class LanguageModelingHead(nn.Module):
    """The logit of each entry of the vocabulary, `[…, width]` to `[…, vocabulary]`.

    Args:
        config: says whether the matrix is that of the embeddings (`tied`), and whether BERT's extra layer comes first.
        tokens: the embeddings of tokens.
    """

    def __init__(self, config: Config, tokens: nn.Embedding) -> None:
        super().__init__()
        self.transform = nn.Linear(config.width, config.width) if config.head_transform else None
        self.norm = norm(config) if config.head_transform else None
        self.activation = ACTIVATIONS[config.feed_forward]
        self.output = nn.Linear(config.width, config.vocabulary, bias=config.head_bias)
        if config.tied:
            self.output.weight = tokens.weight

    def forward(self, x: Tensor) -> Tensor:
        if self.transform is not None and self.norm is not None:
            x = self.norm(self.activation(self.transform(x)))
        logits: Tensor = self.output(x)
        return logits


class ClassificationHead(nn.Module):
    """The logit of each label of a text, from the state of its first token: `[batch, length, width]` to `[batch, labels]`."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.pooler = nn.Linear(config.width, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(config.width, labels_of(config))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.output(self.dropout(self.pooler(x[:, 0]).tanh()))
        return logits


class TokenClassificationHead(nn.Module):
    """The logit of each label of each token: `[batch, length, width]` to `[batch, length, labels]`."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(config.width, labels_of(config))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.output(self.dropout(x))
        return logits


def mean_embedding(x: Tensor, real: Tensor) -> Tensor:
    """The mean of the states of the real tokens, scaled to length 1: `[batch, width]`; zeros if no token is real."""
    weights = real[:, :, None].to(x.dtype)
    return normalize((x * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1), dim=-1)


def labels_of(config: Config) -> int:
    """How many labels there are.

    Raises:
        MisuseError: the configuration does not say.
    """
    if config.labels < 1:
        raise MisuseError(f"labels={config.labels}: a classifier needs to know how many labels there are")
    return config.labels
