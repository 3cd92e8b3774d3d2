"""Assertions about how far a model is from a reference model: for quantised, pruned, distilled, re-implemented ones."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pytest_llm.assertions.gate import assertion, gate
from pytest_llm.data.loading import Data
from pytest_llm.errors import MisuseError
from pytest_llm.inference.comparing import Reference
from pytest_llm.inference.engine import Engine
from pytest_llm.inference.measure import measure
from pytest_llm.inference.time_budget import TimeBudget
from pytest_llm.judging.measurement import Measurement
from pytest_llm.limit import Limit
from pytest_llm.metrics import closest, metric_named
from pytest_llm.metrics.divergence import NO_BOUND, Divergence
from pytest_llm.models.loading import Model

Statistic: TypeAlias = Literal["mean_kld", "median_kld", "kld_p99", "max_kld", "rms_delta_p", "perplexity_ratio"]

_STATISTICS = ("mean_kld", "median_kld", "kld_p99", "max_kld", "rms_delta_p", "perplexity_ratio")


@assertion
def assert_mean_kld_below(
    model: Model,
    data: Data,
    limit: float,
    *,
    reference: Reference,
    max_length: int | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    confidence: float | None = None,
) -> Measurement:
    """Assert that a model's next-token distributions stay close to a reference model's on the same text.

    The mean over all tokens of `Σᵥ p(v) ln(p(v) / q(v))`, in nats: p are the reference's probabilities, q the model's. 0 for equal
    models; unlike perplexity it sees changes that cancel. llama.cpp calls it "Mean KLD" (`llama-perplexity
    --kl-divergence`), and evaluates the second half of each window only. The message shows median, 99 % and largest
    value, the share of tokens with the same top token, RMS Δp and the ratio of perplexities too; `assert_divergence_below` gates
    them.

    Args:
        model: the path or hub id of a causal model, or a `(model, tokenizer)` pair.
        data: texts; see `measure`.
        limit: the divergence in nats that must not be reached.
        reference: the model to compare with, given as the model is; both must cut text into the same tokens. Or the
            `.safetensors` file that `save_reference` wrote, about these texts at least: the value is then a lower bound of the
            divergence from the model itself, by 2.7.1 of Cover & Thomas, Elements of Information Theory.
        max_length: longest window in tokens; None: that of the file, or 512, or the shorter context of the two models.
        engine: how the models are asked.
        budget: how long it may take, such as "5min". See `budget`.
        confidence: None judges this data exactly; 0.95 demands proof for text like this.

    Raises:
        QualityError: the divergence is not below the limit, not provably so if `confidence` asks for proof, or not a number.
        MisuseError: (a ValueError) models that cannot be compared, a file that was made of other texts or tokens or is damaged,
            data or settings that give no number at all.
    """
    claim = Limit.below(limit, confidence=confidence)
    return gate(measure(model, data, Divergence("mean_kld", reference, max_length), engine=engine), claim)


@assertion
def assert_divergence_below(
    model: Model,
    data: Data,
    limit: float,
    *,
    reference: Reference,
    statistic: Statistic = "mean_kld",
    max_length: int | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    confidence: float | None = None,
) -> Measurement:
    """Assert that a figure of the divergence from a reference model is below a limit: of the mean, or of the tail.

    A quantisation that is right on average may be far off at one token in a hundred, which a reader of the text meets in
    every paragraph. With the divergence of each token as in `assert_mean_kld_below`:

    - "mean_kld", "median_kld", "kld_p99", "max_kld": its mean, median, 99 % quantile and largest value over all tokens, in nats;
      what llama.cpp calls "Mean KLD", "Median KLD", "99.0% KLD" and "Maximum KLD". Quantiles are those of `numpy.quantile`.
    - "rms_delta_p": `√(mean (q(x) − p(x))²)` of the text's own tokens x, a share of 1; "RMS Δp".
    - "perplexity_ratio": the model's perplexity divided by the reference's; "Mean PPL(Q)/PPL(base)".

    Intervals of quantiles treat the tokens of one document as dependent (Woodruff 1952, Korn & Graubard 1998: see
    `statistics.clustered_quantile`). They have no upper end where there is too little text, and a maximum has none at all:
    what text like this may hold, no sample bounds.

    Args:
        model: as in `assert_mean_kld_below`, and the four that follow `statistic`.
        data: texts; 100 tokens at least for "kld_p99".
        limit: what must not be reached.
        reference: the model to compare with, or the file that `save_reference` wrote of it.
        statistic: which figure.
        max_length: longest window in tokens.
        engine: how the models are asked.
        budget: how long it may take, such as "5min". See `budget`.
        confidence: None judges this data exactly; 0.95 demands proof for text like this. There is none for "max_kld".

    Raises:
        QualityError: the figure is not below the limit, not provably so if `confidence` asks for proof, or not a number.
        MisuseError: (a ValueError) as `assert_mean_kld_below`; an unknown statistic, proof of a maximum, too few tokens.
    """
    claim = Limit.below(limit, confidence=confidence)
    if statistic not in _STATISTICS:
        hint = "use assert_same_top_above" if str(statistic) == "same_top" else closest(str(statistic), _STATISTICS)
        raise MisuseError(f"statistic={statistic!r} is none that should be low; {hint}")
    if statistic == "max_kld" and confidence is not None:
        raise MisuseError(f"confidence={confidence} asks for a bound of max_kld, and {NO_BOUND}: gate kld_p99 with it")
    metric = metric_named(statistic, reference=reference, max_length=max_length)
    return gate(measure(model, data, metric, engine=engine), claim)


@assertion
def assert_same_top_above(
    model: Model,
    data: Data,
    limit: float,
    *,
    reference: Reference,
    max_length: int | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    confidence: float | None = None,
) -> Measurement:
    """Assert that a model finds the same token most probable as a reference model, at a share of places above a limit.

    As `assert_mean_kld_below`; llama.cpp calls it "Same top p". A stored reference gives the same value as the model itself.
    """
    claim = Limit.above(limit, confidence=confidence)
    return gate(measure(model, data, Divergence("same_top", reference, max_length), engine=engine), claim)
