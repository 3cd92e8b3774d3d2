"""Assertions about a change: a candidate is held against a baseline."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pytest_llm.assertions.gate import assertion, conclude, gate
from pytest_llm.baselines.baseline import as_baseline
from pytest_llm.baselines.comparing import (
    judge_against,
    judge_models,
    judge_stored,
    of_same_examples,
    stored_before,
)
from pytest_llm.baselines.current import current_shelf
from pytest_llm.baselines.files import read
from pytest_llm.baselines.shelf import MAIN
from pytest_llm.data.loading import Data
from pytest_llm.data.predictions import Predictions
from pytest_llm.data.provenance import Identity
from pytest_llm.errors import MisuseError
from pytest_llm.inference.engine import Engine
from pytest_llm.inference.measure import measure
from pytest_llm.inference.slowdown import measure_slowdown
from pytest_llm.inference.time_budget import TimeBudget
from pytest_llm.judging.measurement import Measurement
from pytest_llm.limit import Limit, parse_share
from pytest_llm.metrics import default_tolerance
from pytest_llm.metrics.efficiency import Time
from pytest_llm.metrics.metric import Metric
from pytest_llm.models.loading import Model
from pytest_llm.recording import recording
from pytest_llm.stopping.gates import Known, until_change
from pytest_llm.stopping.mode import EarlyStop
from pytest_llm.tasks.generate import Generate
from pytest_llm.tasks.task import Task
from pytest_llm.tolerance import Estimand, Inconclusive, Tolerance, parse_amount


@assertion
def assert_no_regression(
    model: Model | Predictions,
    data: Data,
    metric: Metric | str = "perplexity",
    *,
    tolerance: str | float | None = None,
    alpha: float = 0.01,
    estimand: Estimand = "population",
    baseline: str | Path = MAIN,
    reference: Model | Predictions | None = None,
    max_example_drop: str | float | None = None,
    detect: str | float | None = None,
    on_inconclusive: Inconclusive = "warn",
    key: str | None = None,
    cluster: str | None = None,
    task: Task | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    early_stop: EarlyStop | None = None,
    max_unit_drop: float | None = None,
    **settings: Any,
) -> Measurement:
    """Assert that a metric is not worse than it was when its baseline was recorded, or than a reference model's now.

    Both sides are compared example by example: what makes a text hard is the same on both and cancels, so that a change of a
    fraction of a per cent shows where two separate scores would hide ten. The gate fails only if the drop on this data
    exceeds the tolerance *and* an unchanged model would show as large a drop with probability below alpha. A drop that may
    be chance passes as suspect, with a `MetricWarning`; the message says which drop would have been caught, and how
    many documents it would take. Improvements pass.

    The baseline is a file beside the test (`llm_baselines/…`), written only by `pytest --llm-update-baselines`: a test without
    one fails, and so does one whose baseline cannot be compared (other examples, tokens, settings, dtype) or read.

    Args:
        model: what is measured, or predictions; see `measure`.
        data: rows, the same as when the baseline was recorded.
        metric: its name, such as "perplexity", or the metric itself; a function of sums over examples.
        tolerance: "1%" of the baseline's value, "1pp" (0.01), or a number in the metric's unit; None: the metric's default (1 % of
            a perplexity, 1 point of BLEU, chrF and TER, half a percentage point of an error rate, one of any other share).
        alpha: how often an unchanged model may fail.
        estimand: "population" judges text like this; "dataset" this text alone, where any drop beyond the tolerance fails: right
            for the same weights in a new engine or format.
        baseline: its name (`main`), or the path of a baseline's .json file.
        reference: a model to measure now and compare with, instead of a baseline.
        max_example_drop: how much worse a single example may get, as `tolerance`; None: any amount.
        detect: the drop that should be caught, for the advice on how many documents that takes; None: twice the tolerance.
        on_inconclusive: what becomes of a drop beyond the tolerance that may be chance: "warn", "fail", "skip" or "xfail".
        key: the gate's name, where a test has two of one metric.
        cluster: the column of the rows that says which examples belong together, and are no proof of each other; as in `measure`.
        task: what the model is asked to do; None: what the metric asks for.
        engine: how the model is asked.
        budget: how long it may take, such as "5min". See `budget`.
        early_stop: "sequential" asks about documents in random order until a full run would disagree with probability 1 % at most;
            "certain" until it cannot disagree; "off" about all of them; None: as the session does. See `stopping.watch`.
        max_unit_drop: how much worse a single document is presumed to be at the worst, for passing early: in nats a token, by
            default 0.5; of shares it is known; of other metrics in their own unit, and without it they cannot pass early.
        **settings: the metric's, where it is given by name.

    Returns:
        The measurement of the model.

    Raises:
        QualityError: worse, or not comparable, or without a baseline; `error.verdict` says which.
        MisuseError: (a ValueError) data, model or settings that give no number at all, a baseline that cannot be read.
    """
    name = metric if isinstance(metric, str) else metric.name
    claim = Tolerance(
        parse_amount("tolerance", default_tolerance(name) if tolerance is None else tolerance),
        alpha,
        estimand,
        None if max_example_drop is None else parse_amount("max_example_drop", max_example_drop),
        None if detect is None else parse_amount("detect", detect),
        on_inconclusive,
    )
    shelf = current_shelf()
    if shelf is not None:
        claim = shelf.asks(claim)
    if reference is not None and baseline != MAIN:
        raise MisuseError(f"both reference= and baseline={str(baseline)!r} are given: compare with one of them")
    rows: Data = list(data) if isinstance(data, Iterator) else data  # a reference has to answer them too

    def measured(of: Model | Predictions, known: Known | None = None) -> Measurement:
        until = known and until_change(claim, known, early_stop, max_unit_drop)
        return measure(of, rows, metric, task=task, engine=engine, cluster=cluster, until=until, **settings)

    if reference is not None:
        with recording():  # what is measured of the reference is no result of this test
            other = measured(reference)
        known = partial(of_same_examples, as_baseline(other, Identity(), {}))
        verdict = judge_models(measured(model, known), other, claim)
    elif isinstance(baseline, Path):
        stored = read(baseline) if shelf is None else shelf.read(baseline)
        measurement = measured(model, partial(of_same_examples, stored))
        verdict = judge_against(measurement, claim, stored, f"baseline {baseline.name!r}")
    elif shelf is None:
        raise MisuseError(
            f"baseline={baseline!r} is a name, which means something in a test under pytest: give a path, or reference="
        )
    else:
        measurement = measured(model, partial(stored_before, shelf, baseline, key))
        verdict = judge_stored(measurement, claim, shelf, name=baseline, key=key)
    return conclude(verdict)


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
    budget: TimeBudget | None = None,
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
        budget: how long it may take, such as "5min"; None: as the session says. Times are not kept for a later run.

    Returns:
        The measurement of the ratio: `value`, `estimate`, `example_values` of the blocks.

    Raises:
        QualityError: the candidate is slower by more than the tolerance, or a request has no such time.
        MisuseError: (a ValueError) models that cannot be asked so, settings that make no sense.
    """
    tolerated = parse_share("tolerance", tolerance)
    shelf = current_shelf()
    gates = 1 if shelf is None else shelf.gates
    claim = Limit("below", 1 + tolerated, origin="the assertion's tolerance", alpha=alpha, gates=gates)
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
        alpha=alpha / gates,
    )
    return gate(measurement, claim)
