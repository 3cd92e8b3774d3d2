"""Assertions about what a changed model keeps of the one it was made from."""

from __future__ import annotations

from typing import Any

from pytest_llm.assertions.both_models import measure_both
from pytest_llm.assertions.gate import assertion, gate
from pytest_llm.data.loading import Data
from pytest_llm.data.predictions import Predictions
from pytest_llm.errors import MisuseError
from pytest_llm.inference.engine import Engine
from pytest_llm.inference.time_budget import TimeBudget
from pytest_llm.judging.measurement import Measurement
from pytest_llm.judging.recovery import recovery
from pytest_llm.limit import Limit, parse_share
from pytest_llm.metrics.metric import Metric
from pytest_llm.models.loading import Model
from pytest_llm.recording import record_measurement
from pytest_llm.tasks.task import Task

_MOST = 10
"""A share above this was meant in per cent."""


@assertion
def assert_recovery_above(
    candidate: Model | Predictions,
    base: Model | Predictions,
    data: Data,
    metric: Metric | str,
    share: str | float,
    *,
    confidence: float | None = None,
    cluster: str | None = None,
    task: Task | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    **settings: Any,
) -> Measurement:
    """Assert that a changed model (quantised, pruned, distilled) keeps more than a share of its base model's quality.

    Recovery is `candidate / base` of a metric whose rise is good (accuracy, BLEU) and `base / candidate` of one whose fall is
    good (perplexity, word error rate): 1 is all of it, 0.97 is 3 % short, and more than 1 an improvement, either way. It is
    compared as it is, not rounded first.

    *What the ratio is of.* The metric's own values. Of perplexities it is `exp(−d)`, where the candidate is `d` nats a token worse:
    0.97 allows 0.030 nats, 3.1 % more perplexity, whatever the base has. Of `bits_per_byte` it is the ratio of the bits, their
    logarithm as it were: the same 0.97 allows 3.1 % more bits, which of a model with perplexity 20 makes 22. Of error rates it is
    the ratio of the errors: from 2 % to 3 % the recovery is 0.67, though the accuracy keeps 0.99 of what it was.

    *How sure.* Both models answer the same examples, and the interval is that of the ratio (paired jackknife over documents on
    the log scale): what makes an example hard is on both sides and cancels.

    Both models are asked once a session and remembered: ten gates against one base ask it once.

    Args:
        candidate: the changed model, or predictions; see `measure`.
        base: what it was made from, given in the same way.
        data: rows; both answer all of them.
        metric: its name, such as "perplexity", or the metric itself; a function of sums over examples.
        share: what must be exceeded: 0.97 or "97%".
        confidence: None judges this data exactly. 0.95 demands that the one-sided 95 % lower bound for text like this clears
            the share (at least ten independent documents).
        cluster: the column of the rows that says which examples belong together, and are no proof of each other; as in `measure`.
        task: what the models are asked to do; None: what the metric asks for.
        engine: how they are asked.
        budget: how long it may take, such as "5min". See `budget`.
        **settings: the metric's, where it is given by name.

    Returns:
        The measurement of the recovery: `value`, `estimate`, `example_values` (each example's own recovery).

    Raises:
        QualityError: less is recovered, not provably more if `confidence` asks for proof, or the candidate's value is not a number.
        MisuseError: (a ValueError) a base whose value is 0, negative or not finite, of which there is no share; models that
            cannot be compared (a metric that counts tokens, and other tokenizers); data, models or settings that give no
            number at all.

    Example:
        >>> assert_recovery_above("./model-int8", "./model", "held_out.jsonl", "perplexity", 0.97)  # doctest: +SKIP
    """
    claim = Limit.above(_checked(share), confidence=confidence)
    own, of_base = measure_both(candidate, base, data, metric, task=task, engine=engine, cluster=cluster, **settings)
    measurement = recovery(own, of_base)
    record_measurement(measurement)
    return gate(measurement, claim)


def _checked(share: str | float) -> float:
    number = parse_share("share", share)
    if not 0 < number <= _MOST:
        raise MisuseError(f"share={share!r}: expected a share of the base's quality such as 0.97 or '97%'")
    return number
