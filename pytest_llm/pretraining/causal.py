"""Causal language modelling: `-Σ log p(x_t given x_<t)` (Radford et al. 2018). Gate it with `assert_perplexity_below`."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_llm.pretraining.batch import Batch
from pytest_llm.pretraining.stream import Stream, generator_of


@dataclass(frozen=True, slots=True)
class CausalObjective:
    """Rows from anywhere in the text; each token but the first is predicted. For a `CausalLM`."""

    stream: Stream
    rows: int
    length: int
    """Of what is read; one token more is predicted."""
    seed: int = 0

    def __call__(self, number: int) -> Batch:
        """Batch number `number`, always the same."""
        tokens, _ = self.stream.rows(self.rows, self.length + 1, generator_of(self.seed, number))
        return Batch({"tokens": tokens[:, :-1]}, tokens[:, 1:])
