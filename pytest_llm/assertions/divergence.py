"""Assertions about how far a model is from a reference model: for quantised, pruned, distilled, re-implemented ones."""

from __future__ import annotations

from pytest_llm.assertions.gate import assertion, gate
from pytest_llm.data.loading import Data
from pytest_llm.inference.engine import Engine
from pytest_llm.inference.measure import measure
from pytest_llm.limit import Limit
from pytest_llm.metrics.divergence import Divergence
from pytest_llm.models.loading import Model
from pytest_llm.verdict import Measurement


@assertion
def assert_mean_kld_below(
    model: Model,
    data: Data,
    limit: float,
    *,
    reference: Model,
    max_length: int | None = None,
    engine: Engine | None = None,
    confidence: float | None = None,
) -> Measurement:
    """Assert that a model's next-token distributions stay close to a reference model's on the same text.

    The mean over all tokens of `Σᵥ p(v) ln(p(v) / q(v))`, in nats: p are the reference's probabilities, q the model's. 0 for equal
    models; unlike perplexity it sees changes that cancel. llama.cpp calls it "Mean KLD" (`llama-perplexity
    --kl-divergence`), and evaluates the second half of each window only. The message shows median, 99 % and largest
    value, the share of tokens with the same top token, RMS Δp and the ratio of perplexities too.

    Args:
        model: the path or hub id of a causal model, or a `(model, tokenizer)` pair.
        data: texts; see `measure`.
        limit: the divergence in nats that must not be reached.
        reference: the model to compare with, given as the model is. Both must cut text into the same tokens.
        max_length: longest window in tokens; None: 512, or the shorter context of the two models.
        engine: how the models are asked.
        confidence: None judges this data exactly; 0.95 demands proof for text like this.

    Raises:
        QualityError: the divergence is not below the limit, not provably so if `confidence` asks for proof, or not a number.
        MisuseError: (a ValueError) models that cannot be compared, data or settings that give no number at all.
    """
    claim = Limit.below(limit, confidence=confidence)
    return gate(measure(model, data, Divergence("mean_kld", reference, max_length), engine=engine), claim)


@assertion
def assert_same_top_above(
    model: Model,
    data: Data,
    limit: float,
    *,
    reference: Model,
    max_length: int | None = None,
    engine: Engine | None = None,
    confidence: float | None = None,
) -> Measurement:
    """Assert that a model finds the same token most probable as a reference model, at a share of places above a limit.

    As `assert_mean_kld_below`; llama.cpp calls it "Same top p".
    """
    claim = Limit.above(limit, confidence=confidence)
    return gate(measure(model, data, Divergence("same_top", reference, max_length), engine=engine), claim)
