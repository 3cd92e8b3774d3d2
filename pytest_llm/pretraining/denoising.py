"""Denoising: write a text that spans are missing from, `-Σ log p(x_t given x_<t, x̂)` (Lewis et al. 2020, "text infilling").

Gate it with `assert_conditional_perplexity_below`, or `batch.accuracy` on batches of text that was not trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from pytest_llm.errors import MisuseError
from pytest_llm.pretraining.batch import Batch
from pytest_llm.pretraining.stream import Stream, generator_of


@dataclass(frozen=True, slots=True)
class DenoisingObjective:
    """Rows from anywhere in the text; the encoder reads them with spans hidden, the decoder writes them whole. For a `Seq2SeqLM`.

    Each span, however long, becomes one mask token, so that the model has to find out how much is missing. How many
    tokens and spans are hidden is the same in each row; where they are, and how long each is, is random, all divisions being
    equally probable (Raffel et al. 2020, `random_spans_noise_mask`).

    Raises:
        MisuseError: nothing would be hidden, or so much that spans would touch.
    """

    stream: Stream
    rows: int
    length: int
    mask_token: int
    start_token: int
    """What the decoder begins with."""
    end_token: int
    """What it ends with; sources too, as the tokenizers of BART and T5 end them."""
    share: float = 0.3
    """Of the tokens of each row that are hidden."""
    mean_span: float = 3.0
    """How many tokens a span has on average."""
    seed: int = 0

    def __post_init__(self) -> None:
        hidden, spans = self._counts
        if not 0 < self.share < 1 or self.mean_span < 1 or self.length - hidden < spans:
            raise MisuseError(
                f"share={self.share} of {self.length} tokens in spans of {self.mean_span}: expected a share in (0, 1), spans of "
                f"at least 1, and a token between any two"
            )

    @property
    def _counts(self) -> tuple[int, int]:
        """Tokens and spans to hide."""
        hidden = max(1, round(self.share * self.length))
        return hidden, max(1, round(hidden / max(self.mean_span, 1)))

    def __call__(self, number: int) -> Batch:
        """Batch number `number`, always the same."""
        generator = generator_of(self.seed, number)
        tokens, _ = self.stream.rows(self.rows, self.length, generator)
        source = torch.stack([self._corrupted(row, generator) for row in tokens])
        start, end = (tokens.new_full((self.rows, 1), token) for token in (self.start_token, self.end_token))
        inputs = {"source": torch.cat([source, end], dim=1), "target": torch.cat([start, tokens], dim=1)}
        return Batch(inputs, torch.cat([tokens, end], dim=1))

    def _corrupted(self, row: Tensor, generator: torch.Generator) -> Tensor:
        """Kept and hidden stretches in turn; the row begins with a kept one."""
        hidden, spans = self._counts
        mask = row.new_tensor([self.mask_token])
        parts: list[Tensor] = []
        begin = 0
        for kept, left_out in zip(
            _division(self.length - hidden, spans, generator), _division(hidden, spans, generator), strict=True
        ):
            parts += [row[begin : begin + kept], mask]
            begin += kept + left_out
        return torch.cat(parts)


def _division(total: int, parts: int, generator: torch.Generator) -> list[int]:
    """So many whole numbers of at least 1 with this sum, all such divisions being equally probable."""
    cuts = torch.randperm(total - 1, generator=generator)[: parts - 1].sort().values + 1
    bounds = [0, *cuts.tolist(), total]
    return [after - before for before, after in pairwise(bounds)]
