"""How much slower one model is than another one, asked in turn on this machine."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.data.loading import Data, describe, load_examples
from pytest_llm.data.provenance import Provenance
from pytest_llm.errors import MisuseError
from pytest_llm.inference.probe import time_in_turn
from pytest_llm.judging.measurement import Measurement
from pytest_llm.judging.verdict import FEWEST_UNITS
from pytest_llm.metrics.efficiency import Latency, Time
from pytest_llm.models.language_model import provenance
from pytest_llm.models.loading import Model, as_language_model
from pytest_llm.recording import record_measurement
from pytest_llm.replaying import replaying
from pytest_llm.statistics.jackknife import Estimate, FloatArray
from pytest_llm.statistics.latency import block_medians, compare_blocks, smallest_caught
from pytest_llm.tasks.counts import check_counts
from pytest_llm.tasks.generate import Generate


def measure_slowdown(
    candidate: Model,
    baseline: Model,
    prompts: Data,
    *,
    of: Time = "latency",
    task: Generate | None = None,
    warmup: int = 2,
    blocks: int = 15,
    pairs: int = 10,
    tolerance: float = 0.05,
    alpha: float = 0.01,
) -> Measurement:
    """The ratio of the two models' times, candidate to baseline: the median of the medians of blocks of pairs of requests.

    Args:
        candidate: the model in question.
        baseline: what it is compared with.
        prompts: what both are asked, each prompt twice in a row, then the next one, and from the first one again.
        of: which time is compared.
        task: what is asked; None: up to 32 tokens that follow the text.
        warmup: requests to each model before the first that counts.
        blocks: how many; they are what is independent of each other.
        pairs: of requests in a block; even, so that each model comes second as often as the other.
        tolerance: for the message alone, which says the smallest slow-down that the gate would have caught.
        alpha: likewise.

    Raises:
        MisuseError: too few blocks, pairs that cannot be halved, a model that cannot be asked so.
    """
    check_counts(blocks=(blocks, FEWEST_UNITS), pairs=(pairs, 2))
    if pairs % 2:
        raise MisuseError(
            f"pairs={pairs}: expected an even number, so that each model comes second as often as the other"
        )
    timed = Latency(of, 0.5, task, warmup).task
    signature = f"{of}_ratio|order:ABBA|blocks:{blocks}|pairs:{pairs}|warmup:{warmup}|{timed.generate.signature}"
    if (tape := replaying()) is not None:
        stored = tape.counted(f"{of}_ratio", signature)
        record_measurement(stored)
        return stored
    examples = load_examples(prompts)
    models = as_language_model(candidate), as_language_model(baseline)
    seconds = time_in_turn(*models, examples, timed, of=of, pairs=blocks * pairs)
    medians = block_medians(np.log(seconds[:, 0]) - np.log(seconds[:, 1]), blocks)
    estimate = compare_blocks(medians)
    measurement = Measurement(
        metric=f"{of}_ratio",
        value=float(np.exp(np.median(medians))),
        lower_is_better=True,
        estimate=estimate,
        examples=tuple(_block(index, pairs, examples) for index in range(blocks)),
        statistics=np.column_stack([medians, np.full(blocks, float(pairs))]),
        example_values=np.exp(medians),
        counts="pairs of requests",
        signature=signature,
        data=describe(prompts),
        provenance=Provenance(f"{provenance(models[0])}, compared with {provenance(models[1])}"),
        overview=_overview(seconds, estimate, tolerance, alpha),
        remedy=Latency.remedy,
        without_interval="a block has no time that could be compared",
        row="block",
    )
    record_measurement(measurement)
    return measurement


def _block(index: int, pairs: int, examples: Sequence[Example]) -> Example:
    first = index * pairs // 2
    labels = dict.fromkeys(examples[place % len(examples)].label for place in range(first, first + (pairs + 1) // 2))
    return Example(f"block-{index}", f"prompts {', '.join(labels)}", f"block {index}")


def _overview(seconds: FloatArray, estimate: Estimate | None, tolerance: float, alpha: float) -> str:
    own, other = np.median(seconds, axis=0)
    line = f"median {own:.4g} s, the baseline's {other:.4g} s"
    if estimate is None or not math.isfinite(estimate.standard_error):
        return line
    caught = smallest_caught(estimate, tolerance, alpha)
    return f"{line}\na slow-down of {caught:.1%} or more would have failed 19 times of 20"
