"""Smoothness: how much a model's answer changes when the vectors that its tokens become are moved a little, in the worst direction.

    embedding_divergence = 1/n Σ_texts max_δ JS(f(e), f(e + δ)),     ‖δ‖₂ ≤ ε · ‖e‖₂          in nats, 0 to ln 2

with e the embeddings of a text's tokens (its special tokens among them), f the probabilities of the labels or of the token
behind the text, and JS(p, q) = ½ KL(p ‖ m) + ½ KL(q ‖ m), m = (p + q)/2. The maximum is what a few steps of gradient ascent
find, a lower bound of the true one. SMART (Jiang et al. 2020) penalises the same quantity, with the symmetric KL, in training.

It needs the gradients of the model, is cheap, and for one seed the same each time: a number to draw a trend of. It bounds nothing
about edited texts: the embedding of another token is mostly far outside of the ball, and what lies inside is no text at all. A
model whose gradients lead nowhere looks smooth and need not be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.comparison import ratio
from pytest_llm.statistics.jackknife import FloatArray, Scale
from pytest_llm.tasks.perturb import Per, Perturb


@dataclass(frozen=True)
class EmbeddingDivergence:
    """The mean over texts of the largest divergence that was found; see the module for formula and source.

    Args:
        epsilon: as in `Perturb`, and so all others.
    """

    epsilon: float | None = None
    steps: int = 4
    per: Per = "sequence"
    seed: int = 0

    name: ClassVar[str] = "embedding_divergence"
    lower_is_better: ClassVar[bool] = True
    scale: ClassVar[Scale] = "linear"
    counts: ClassVar[str] = "texts"

    @property
    def task(self) -> Perturb:
        if self.epsilon is None:
            raise MisuseError("no epsilon: say how far embeddings may be moved, as in epsilon=0.05 of their norm")
        return Perturb(self.epsilon, self.steps, self.per, self.seed)

    def signature(self, window: int | None = None) -> str:
        return f"{self.name}|unit:nats"

    def statistics(self, example: Example, output: float) -> Sequence[float]:
        """(divergence, 1)."""
        return float(output), 1.0

    def aggregate(self, totals: FloatArray) -> FloatArray:
        return ratio(totals[..., 0], totals[..., 1])
