"""Masked language modelling: `-Σ_{t∈M} log p(x_t given x̂)` (Devlin et al. 2019).

Gate it with `assert_pseudo_perplexity_below`, or `batch.accuracy` on batches of text that was not trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pytest_llm.errors import MisuseError
from pytest_llm.pretraining.batch import IGNORED, Batch
from pytest_llm.pretraining.stream import Stream, generator_of


@dataclass(frozen=True, slots=True)
class MaskedObjective:
    """Rows from anywhere in the text, of which a share is hidden and predicted. For a `MaskedLM`.

    Of the tokens chosen, 80 % become the mask token, 10 % a random one, 10 % stay, so that the model cannot rely on a mask to
    tell it where to look.

    Raises:
        MisuseError: the shares are none, or no token may be chosen at random.
    """

    stream: Stream
    rows: int
    length: int
    mask_token: int
    vocabulary: int
    """Random tokens are drawn from 0 … vocabulary - 1."""
    special: frozenset[int] = frozenset()
    """Tokens that are neither hidden nor drawn: separators, the mask token."""
    share: float = 0.15
    """Of the tokens of each row that are predicted; at least one is."""
    masked: float = 0.8
    """Of these, the share that become the mask token."""
    replaced: float = 0.1
    """Of these, the share that become a random token; the rest stay."""
    whole_words: bool = False
    """Hide all tokens of a word or none (Cui et al. 2021)."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1 or min(self.masked, self.replaced) < 0 or self.masked + self.replaced > 1:
            raise MisuseError(
                f"share={self.share}, masked={self.masked}, replaced={self.replaced}: expected shares of 1"
            )
        if not set(range(self.vocabulary)) - self.special:
            raise MisuseError("all tokens are special: none is left to be drawn")

    def __call__(self, number: int) -> Batch:
        """Batch number `number`, always the same."""
        generator = generator_of(self.seed, number)
        tokens, words = self.stream.rows(self.rows, self.length, generator)
        chosen = self._chosen(tokens, words, generator)
        fate = torch.rand(tokens.shape, generator=generator)
        ordinary = torch.tensor(sorted(set(range(self.vocabulary)) - self.special))
        drawn = ordinary[torch.randint(len(ordinary), tokens.shape, generator=generator)]
        shown = torch.where(chosen & (fate < self.masked), self.mask_token, tokens)
        shown = torch.where(chosen & (fate >= self.masked) & (fate < self.masked + self.replaced), drawn, shown)
        return Batch({"tokens": shown}, torch.where(chosen, tokens, IGNORED))

    def _chosen(self, tokens: Tensor, words: Tensor, generator: torch.Generator) -> Tensor:
        """In each row units (tokens, or whole words) in random order, until a share of the ordinary tokens is reached."""
        chosen = torch.zeros_like(tokens, dtype=torch.bool)
        for row, (of_row, word_of) in enumerate(zip(tokens.tolist(), words.tolist(), strict=True)):
            places = [place for place, token in enumerate(of_row) if token not in self.special]
            wanted = max(1, round(self.share * len(places)))
            units: dict[int, list[int]] = {}
            for place in places:
                units.setdefault(word_of[place] if self.whole_words else place, []).append(place)
            shuffled = [list(units.values())[unit] for unit in torch.randperm(len(units), generator=generator).tolist()]
            taken = 0
            for unit in shuffled:
                if taken >= wanted:
                    break
                chosen[row, unit] = True
                taken += len(unit)
        return chosen
