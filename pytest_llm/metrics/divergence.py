"""Divergence: how far a model's next-token distributions are from a reference model's, on the same text.

For quantised, pruned, distilled and re-implemented models. With the reference's probabilities p and the model's q over the
vocabulary, at each of n tokens of the text, and xₜ the token that stands there:

    mean_kld          1/n Σₜ Σᵥ p(v) ln(p(v) / q(v))       nats; 0 for equal models
    same_top          share of tokens where both find the same token most probable
    rms_delta_p       √(1/n Σₜ (q(xₜ) − p(xₜ))²)
    perplexity_ratio  exp(1/n Σₜ (ln p(xₜ) − ln q(xₜ)))    1 for equal models

Definitions and names are those of llama.cpp's `llama-perplexity --kl-divergence` (its "Mean KLD", "Same top p", "RMS Δp" and "Mean
PPL(Q)/PPL(base)"), which evaluates the second half of each window only; here every token counts, the first of a text given BOS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.comparison import ratio
from pytest_llm.statistics.jackknife import FloatArray, Scale
from pytest_llm.tasks.compare import Compare

Statistic: TypeAlias = Literal["mean_kld", "same_top", "rms_delta_p", "perplexity_ratio"]

_STATISTICS = ("mean_kld", "same_top", "rms_delta_p", "perplexity_ratio")


@dataclass(frozen=True, slots=True, eq=False)
class TokenDivergence:
    """What two models make of each token of one text: arrays `[tokens]`."""

    kl: FloatArray
    """Kullback-Leibler divergence of the model from the reference, nats."""
    same_top: FloatArray
    """1 where the most probable token is the same, else 0."""
    delta_p: FloatArray
    """Probability of the text's token: the model's less the reference's."""
    log_prob: FloatArray
    """Log-probability of the text's token, by the model."""
    reference_log_prob: FloatArray


@dataclass(frozen=True)
class Divergence:
    """One figure of divergence; see the module for the formulas."""

    statistic: Statistic = "mean_kld"
    reference: Any = None
    max_length: int | None = None

    counts = "tokens"

    def __post_init__(self) -> None:
        if self.statistic not in _STATISTICS:
            raise MisuseError(f"statistic={self.statistic!r}: expected one of {', '.join(map(repr, _STATISTICS))}")

    @property
    def name(self) -> str:
        return self.statistic

    @property
    def task(self) -> Compare:
        return Compare(self.reference, self.max_length)

    @property
    def lower_is_better(self) -> bool:
        return self.statistic != "same_top"

    @property
    def scale(self) -> Scale:
        return "log" if self.statistic == "perplexity_ratio" else "linear"

    def signature(self, window: int | None = None) -> str:
        return f"{self.name}|bos:yes|windows:rolling-{window}|log-softmax:float32"

    def statistics(self, example: Example, output: TokenDivergence) -> Sequence[float]:
        """(Σ KL, Σ same top, Σ Δp², nll of the model, nll of the reference, tokens)."""
        sums = output.kl, output.same_top, output.delta_p**2, -output.log_prob, -output.reference_log_prob
        return [*(float(np.sum(column, dtype=np.float64)) for column in sums), float(len(output.kl))]

    def aggregate(self, totals: FloatArray) -> FloatArray:
        tokens = totals[..., 5]
        match self.statistic:
            case "mean_kld":
                return ratio(totals[..., 0], tokens)
            case "same_top":
                return ratio(totals[..., 1], tokens)
            case "rms_delta_p":
                return np.sqrt(ratio(totals[..., 2], tokens))
            case "perplexity_ratio":
                with np.errstate(over="ignore"):  # beyond e^709 infinite, which fails as such
                    return np.asarray(np.exp(ratio(totals[..., 3] - totals[..., 4], tokens)))

    def explain_outputs(self, outputs: Sequence[TokenDivergence]) -> str:
        """All figures, and the tail that a mean does not show, as lines of text."""
        kl = np.concatenate([output.kl for output in outputs])
        median, high, most = np.quantile(kl, 0.5), np.quantile(kl, 0.99), kl.max()
        same = np.concatenate([output.same_top for output in outputs]).mean()
        delta = np.sqrt(np.mean(np.concatenate([output.delta_p for output in outputs]) ** 2))
        gain = np.concatenate([output.reference_log_prob - output.log_prob for output in outputs]).mean()
        return (
            f"KLD mean {kl.mean():.4g}, median {median:.4g}, 99 % {high:.4g}, max {most:.4g}\n"
            f"same top token {same:.2%}, RMS Δp {delta:.2%}, perplexity × {np.exp(gain):.4g}"
        )
