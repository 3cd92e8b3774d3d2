"""Cross-view prediction: of two views of the same thing, find one by the other, among those of a batch.

The loss is InfoNCE (van den Oord et al. 2018) in the symmetric form of CLIP (Radford et al. 2021): with the cosine similarities
`s_ij` of N first and N second views,

    -1/2 · (log softmax_j(s_ij / τ)[i] + log softmax_j(s_ji / τ)[i]), the mean over i

Gate it with `assert_recall_at_k_above` and `assert_mrr_above`, on the embedder as a core model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from pytest_llm.errors import MisuseError
from pytest_llm.pretraining.batch import Batch, padded
from pytest_llm.pretraining.stream import generator_of
from pytest_llm.transformer.architectures import TextEmbedder

Views: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]
"""The tokens of one thing, seen twice: a sentence and its translation, two halves of a paragraph."""


class TwoViews(nn.Module):
    """An embedder that sees both views; what it predicts is which belong together.

    Args:
        embedder: gives vectors of length 1.
        temperature: τ; the smaller, the more the hardest of the others count.

    Raises:
        MisuseError: a temperature that is not above 0.
    """

    def __init__(self, embedder: TextEmbedder, *, temperature: float = 0.07) -> None:
        super().__init__()
        if not temperature > 0:
            raise MisuseError(f"temperature={temperature}: expected a number above 0")
        self.embedder, self.temperature = embedder, temperature

    def forward(self, first: Tensor, second: Tensor, first_mask: Tensor, second_mask: Tensor) -> Tensor:
        """`[2, N, N]`: the logit of each second view for each first, and of each first for each second.

        With the targets 0 … N-1 for both, cross-entropy over all 2N rows is the symmetric loss.
        """
        similarities = self.embedder(first, first_mask) @ self.embedder(second, second_mask).T / self.temperature
        return torch.stack([similarities, similarities.T])


@dataclass(frozen=True, slots=True)
class CrossViewObjective:
    """Pairs of views; those of the other pairs in a batch are what each has to be told from. For `TwoViews`.

    No pair is in a batch twice. How hard a batch is depends on its rows: two batches of 8 are not one of 16, nor is their
    accumulated gradient.

    Raises:
        MisuseError: fewer than two rows, or more than there are pairs.
    """

    pairs: tuple[Views, ...]
    rows: int
    seed: int = 0

    def __post_init__(self) -> None:
        if not 2 <= self.rows <= len(self.pairs):
            raise MisuseError(
                f"rows={self.rows} of {len(self.pairs)} pairs: expected at least 2, and no more than there are"
            )

    def __call__(self, number: int) -> Batch:
        """Batch number `number`, always the same."""
        chosen = torch.randperm(len(self.pairs), generator=generator_of(self.seed, number))[: self.rows].tolist()
        inputs: dict[str, Tensor] = {}
        for view, name in enumerate(("first", "second")):
            inputs[name], inputs[f"{name}_mask"] = padded([self.pairs[pair][view] for pair in chosen])
        return Batch(inputs, torch.arange(self.rows).expand(2, -1))


def views_of(tokenizer: Any, pairs: Sequence[tuple[str, str]], *, length: int) -> tuple[Views, ...]:
    """The tokens of each pair, special tokens included, as a core model reads them; what is behind `length` is left out.

    Raises:
        MisuseError: a text without tokens.
    """
    sides = []
    for texts in zip(*pairs, strict=True):
        if not all(texts):
            raise MisuseError("one view of a pair is empty: leave the pair out")
        encoded = tokenizer(list(texts), truncation=True, max_length=length, verbose=False)["input_ids"]
        sides.append([tuple(tokens) for tokens in encoded])
    return tuple(zip(*sides, strict=True))


def halves(text: str) -> tuple[str, str]:
    """Two views of a text: the first half of its words, and the others.

    Raises:
        MisuseError: it has fewer than two words.
    """
    words = text.split()
    if len(words) < 2:
        raise MisuseError(f"the text {text[:40]!r} has {len(words)} words: two halves take at least 2")
    middle = len(words) // 2
    return " ".join(words[:middle]), " ".join(words[middle:])
