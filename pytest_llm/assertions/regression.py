"""Assertions about a change: a candidate is held against a baseline."""

from __future__ import annotations

from pytest_llm.assertions.gate import assertion, gate
from pytest_llm.data.loading import Data
from pytest_llm.inference.slowdown import measure_slowdown
from pytest_llm.limit import Limit, parse_share
from pytest_llm.metrics.efficiency import Time
from pytest_llm.models.loading import Model
from pytest_llm.tasks.generate import Generate
from pytest_llm.verdict import Measurement


@assertion
def assert_latency_no_regression(
    candidate: Model,
    baseline: Model,
    prompts: Data,
    *,
    tolerance: str | float = "5%",
    alpha: float = 0.01,
    metric: Time = "latency",
    task: Generate | None = None,
    warmup: int = 2,
    blocks: int = 15,
    pairs: int = 10,
) -> Measurement:
    """Assert that a model is not slower than another one on this machine: no limit in seconds, and no stored number.

    The two are asked in turn, baseline, candidate, candidate, baseline, each prompt and the next: what disturbs the machine
    disturbs both. The logarithms of the ratios are cut into `blocks` of so many `pairs`; the median of each stands for it.
    It fails only if the median ratio exceeds `1 + tolerance` and Student's t over the blocks finds the candidate slower
    with one-sided p < alpha. If it exceeds the tolerance and chance does as much, it passes as suspect, with a
    `MetricWarning`; the message says which slow-down would have been caught.

    Timing one model after the other instead and comparing the samples fails unchanged models half of the time, because
    times of neighbouring requests depend on each other (Bulej et al. 2019, "Duet benchmarking").

    Args:
        candidate: a path, a hub id, a `(model, tokenizer)` pair, or an object; as in `assert_latency_below`.
        baseline: what it is compared with, given in the same way. Both are in memory at once.
        prompts: what both are asked; one is enough.
        tolerance: the slow-down that does not matter: "5%" or 0.05.
        alpha: how often an unchanged model may fail, at most.
        metric: "latency", "time_to_first_token" or "time_per_output_token".
        task: what is asked; None: up to 32 tokens that follow the text. The time per token compares models that write texts
            of different length.
        warmup: requests to each model before the first that counts.
        blocks: how many, at least 10.
        pairs: of requests in each block, an even number. 15 blocks of 10 pairs are 300 requests.

    Returns:
        The measurement of the ratio: `value`, `estimate`, `example_values` of the blocks.

    Raises:
        QualityError: the candidate is slower by more than the tolerance, or a request has no such time.
        MisuseError: (a ValueError) models that cannot be asked so, settings that make no sense.
    """
    tolerated = parse_share("tolerance", tolerance)
    claim = Limit("below", 1 + tolerated, origin="the assertion's tolerance", alpha=alpha)
    measurement = measure_slowdown(
        candidate,
        baseline,
        prompts,
        of=metric,
        task=task,
        warmup=warmup,
        blocks=blocks,
        pairs=pairs,
        tolerance=tolerated,
        alpha=alpha,
    )
    return gate(measurement, claim)
