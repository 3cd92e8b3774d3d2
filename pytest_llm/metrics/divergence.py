"""Divergence: how far a model's next-token distributions are from a reference model's, on the same text.

For quantised, pruned, distilled and re-implemented models. With the reference's probabilities p and the model's q over the
vocabulary, at each of n tokens of the text, xₜ the token that stands there, and KLₜ = Σᵥ p(v) ln(p(v) / q(v)) in nats:

    mean_kld          1/n Σₜ KLₜ                            0 for equal models
    median_kld        the median of the KLₜ of all tokens, and
    kld_p99           their 99 % quantile, between neighbours linearly
    max_kld           the largest of them
    same_top          share of tokens where both find the same token most probable
    rms_delta_p       √(1/n Σₜ (q(xₜ) − p(xₜ))²)
    perplexity_ratio  exp(1/n Σₜ (ln p(xₜ) − ln q(xₜ)))    1 for equal models

Definitions are those of llama.cpp's `llama-perplexity --kl-divergence`: its "Mean KLD", "Median KLD", "99.0% KLD", "Maximum KLD",
"Same top p", "RMS Δp" and "Mean PPL(Q)/PPL(base)". It evaluates the second half of each window only, and drops terms with p below
e⁻¹⁶; here every token counts, the first of a text given BOS, and every term.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.comparison import ratio
from pytest_llm.statistics.clustered_quantile import ClusteredQuantile, clustered_quantile, interpolated
from pytest_llm.statistics.jackknife import FloatArray, Scale
from pytest_llm.statistics.latency import fewest_for
from pytest_llm.tasks.compare import Compare

Statistic: TypeAlias = Literal["mean_kld", "same_top", "rms_delta_p", "perplexity_ratio"]

NO_BOUND = "a maximum has none, because more text has rarer tokens"
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
    reference: str = ""
    """What the model was compared with, in the words of a report."""


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
        return _signature(self.name, window)

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
        return _all_figures(outputs)


@dataclass(frozen=True)
class KldQuantile:
    """A quantile of the divergence over all tokens: what a mean does not show. It is no function of sums, see `pooled`."""

    quantile: float = 0.99
    """1 for the largest."""
    reference: Any = None
    max_length: int | None = None

    counts: ClassVar[str] = "tokens"
    lower_is_better: ClassVar[bool] = True
    scale: ClassVar[Scale] = "linear"

    def __post_init__(self) -> None:
        if isinstance(self.quantile, bool) or not isinstance(self.quantile, int | float) or not 0 < self.quantile <= 1:
            raise MisuseError(f"quantile={self.quantile!r}: expected a share such as 0.99, or 1 for the largest")

    @property
    def name(self) -> str:
        return {0.5: "median_kld", 1: "max_kld"}.get(self.quantile, f"kld_p{100 * self.quantile:.6g}")

    @property
    def task(self) -> Compare:
        return Compare(self.reference, self.max_length)

    @property
    def without_interval(self) -> str:
        return NO_BOUND if self.quantile == 1 else "it takes at least two independent documents with finite values"

    def signature(self, window: int | None = None) -> str:
        return _signature(self.name, window)

    def statistics(self, example: Example, output: TokenDivergence) -> Sequence[float]:
        """(the quantile of this text alone, tokens)."""
        return interpolated(output.kl, self.quantile), float(len(output.kl))

    def aggregate(self, totals: FloatArray) -> FloatArray:
        """The quantile of one text: that of all is no function of sums, see `pooled`."""
        return np.asarray(totals[..., 0])

    def pooled(
        self, outputs: Sequence[TokenDivergence], units: Sequence[str]
    ) -> tuple[float, ClusteredQuantile | None]:
        """The quantile over the tokens of all texts, and its bounds.

        Raises:
            MisuseError: so few tokens that the quantile would simply be the largest of them.
        """
        kl = [output.kl for output in outputs]
        everything = np.concatenate(kl)
        if self.quantile == 1:
            return float(everything.max()), None
        fewest = fewest_for(self.quantile)
        if len(everything) < fewest:
            raise MisuseError(
                f"{self.name} takes at least {fewest} tokens, and the texts have {len(everything)}: give more text, or gate "
                f"max_kld"
            )
        return interpolated(everything, self.quantile), clustered_quantile(kl, units, self.quantile)

    def explain_outputs(self, outputs: Sequence[TokenDivergence]) -> str:
        """All figures, as lines of text."""
        return _all_figures(outputs)


def _signature(name: str, window: int | None) -> str:
    return f"{name}|bos:yes|windows:rolling-{window}|log-softmax:float32"


def _all_figures(outputs: Sequence[TokenDivergence]) -> str:
    kl = np.concatenate([output.kl for output in outputs])
    median, high, most = (interpolated(kl, q) for q in (0.5, 0.99, 1))
    same = np.concatenate([output.same_top for output in outputs]).mean()
    delta = np.sqrt(np.mean(np.concatenate([output.delta_p for output in outputs]) ** 2))
    gain = np.concatenate([output.reference_log_prob - output.log_prob for output in outputs]).mean()
    with np.errstate(over="ignore"):
        ratio_of_perplexities = np.exp(gain)
    return (
        f"KLD mean {kl.mean():.4g}, median {median:.4g}, 99 % {high:.4g}, max {most:.4g}\n"
        f"same top token {same:.2%}, RMS Δp {delta:.2%}, perplexity × {ratio_of_perplexities:.4g}\n"
        f"reference: {outputs[0].reference}"
    )
