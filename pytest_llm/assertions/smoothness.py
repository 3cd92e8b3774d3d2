"""Assertions about smoothness: what becomes of a model's answers when the embeddings of texts are moved a little."""

from __future__ import annotations

from pytest_llm.assertions.gate import assertion, gate
from pytest_llm.data.loading import Data
from pytest_llm.inference.engine import Engine
from pytest_llm.inference.measure import measure
from pytest_llm.inference.time_budget import TimeBudget
from pytest_llm.judging.measurement import Measurement
from pytest_llm.limit import Limit
from pytest_llm.metrics.embedding_divergence import EmbeddingDivergence
from pytest_llm.models.loading import Model
from pytest_llm.tasks.perturb import Per


@assertion
def assert_smooth_below(
    model: Model,
    data: Data,
    limit: float,
    *,
    epsilon: float,
    steps: int = 4,
    per: Per = "sequence",
    seed: int = 0,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    cluster: str | None = None,
    confidence: float | None = None,
) -> Measurement:
    """Assert that a model's answers change little when the embeddings of texts are moved a little, in the worst direction.

        1/n Σ_texts max_δ JS(f(e), f(e + δ)),     ‖δ‖₂ ≤ epsilon · ‖e‖₂          in nats, 0 to ln 2 ≈ 0.693

    JS is the Jensen-Shannon divergence, e are the embeddings of a text's tokens with the special tokens around them, f the
    probabilities of the labels of a classification head, or of the token behind the text (targets are not read). The maximum
    is the largest of what `steps` steps of projected gradient ascent meet from a random point of the ball and from the opposite
    one: a lower bound of the true one, which more steps never make smaller. A text costs `2 steps + 3` passes forwards and
    `2 steps` backwards.

    *What it does not say.* It bounds nothing about edited text: other tokens lie mostly far outside of the ball, and points in it
    are no text. It is a scalar for the trend of one model; what edits do, `assert_robust` finds.

    Args:
        model: a causal model, or one with a classification head, of `transformers` or the core: a path, a hub id, a
            `(model, tokenizer)` pair. Or an object with a method `embedding_divergence`.
        data: texts that fit in the model's context; see `measure`.
        limit: the divergence in nats that must not be reached.
        epsilon: how far embeddings are moved at most, as a share of their norm.
        steps: of the search; 1 is the fast gradient method.
        per: whether the ball is one for all of a text's tokens together, or one for each.
        seed: of the point where the search begins.
        engine: how the model is asked.
        budget: how long it may take, such as "5min". See `budget`.
        cluster: the column of the rows that says which texts belong together, and are no proof of each other.
        confidence: None judges this data exactly; 0.95 demands proof for texts like these (jackknife over texts).

    Raises:
        QualityError: the divergence is not below the limit, not provably so if `confidence` asks for proof, or not a number.
        MisuseError: (a ValueError) a model whose gradients cannot be had or are hidden (int8 layers), texts that
            it cannot read, settings that are none.

    Example:
        >>> assert_smooth_below("./sentiment", "reviews.jsonl", 0.02, epsilon=0.05)  # doctest: +SKIP
    """
    claim = Limit.below(limit, confidence=confidence)
    metric = EmbeddingDivergence(epsilon, steps, per, seed)
    return gate(measure(model, data, metric, engine=engine, cluster=cluster), claim)
