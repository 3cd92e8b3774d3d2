"""Assertions about time and memory: of requests that one user makes, one after the other, or that many make, at set times."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pytest_llm.assertions.gate import assertion, gate
from pytest_llm.data.loading import Data
from pytest_llm.errors import MisuseError
from pytest_llm.inference.calibration import Calibration, around
from pytest_llm.inference.measure import measure
from pytest_llm.inference.memory_probe import place_of
from pytest_llm.inference.sizing import Size, measure_size
from pytest_llm.inference.time_budget import TimeBudget
from pytest_llm.judging.measurement import Measurement
from pytest_llm.limit import Limit
from pytest_llm.metrics.efficiency import Latency, MemoryPeak, Phase, Throughput, Time
from pytest_llm.models.devices import parse_memory
from pytest_llm.models.loading import Model, as_language_model
from pytest_llm.replaying import replaying
from pytest_llm.tasks.arrival import Arrival
from pytest_llm.tasks.generate import Generate
from pytest_llm.tasks.timed import Place


@assertion
def assert_latency_below(
    model: Model,
    data: Data,
    limit: float,
    *,
    quantile: float = 0.95,
    metric: Time = "latency",
    relative_to: Calibration | None = None,
    task: Generate | None = None,
    warmup: int = 2,
    rounds: int | None = None,
    arrival: Arrival | None = None,
    confidence: float | None = None,
    budget: TimeBudget | None = None,
) -> Measurement:
    """Assert that a quantile of the time that single requests take is below a limit.

    *Times.* "latency" is from the request to the whole answer, tokenizing included. "time_to_first_token" is to the first
    token, "time_per_output_token" `(last − first token) / (tokens − 1)`, each of one request, in seconds.

    *How it is measured.* One request at a time, by the model's own `generate` with its cache: not batched, not remembered from
    earlier tests, not shared among processes, whatever the session's engine. After `warmup` requests that do not count, all
    prompts are asked in `rounds`; a prompt's time is the median of its rounds, and the value the smallest of these times that
    at least the share `quantile` of them does not exceed. A GPU is waited for. Requests follow each other, none waits for
    another one, so this says nothing of a server under load.

    *Under load.* With `arrival=Arrival(rate=5)` requests are sent at set times, 5 a second, whether or not earlier ones have been
    answered, and times count from when a request was to be sent, so that all who wait while a server stalls are counted (no
    coordinated omission). Each prompt is sent once, in order. A model that cannot be asked by several threads at once, as any
    that runs in this process, is a queue: one request is answered after the other, and waiting counts. An object says that it can
    by an attribute `concurrency`, a number.

    *Limits.* Seconds hold for one machine. With `relative_to=Calibration()` the limit is a multiple of a matrix product that is
    timed on the same device before and after the requests, and moves with the machine: `limit=40` are 40 products.
    The value stays in seconds; the message says what the product took.

    Args:
        model: a path, a hub id, a `(model, tokenizer)` pair, or an object with `generate(prompts, decoding)`; for the times of
            tokens an object also needs `stream(prompt, decoding)`, which yields the pieces of its answer as they come.
        data: the prompts; at least 2 for quantile 0.5, 10 for 0.9, 20 for 0.95, 100 for 0.99.
        limit: what must not be reached: seconds, or products of the calibration.
        quantile: a share such as 0.5, 0.9, 0.95 or 0.99.
        metric: which time.
        relative_to: what the limit is a multiple of; None: a second.
        task: what is asked; None: up to 32 tokens that follow the text.
        warmup: requests before the first that counts, one after the other.
        rounds: how often each prompt is asked, 3 times by default; with 1, as under load, what disturbs the machine counts too.
        arrival: when requests are sent; None: each when the one before it is answered.
        confidence: None judges these requests; 0.95 demands that the upper bound of the quantile, by order statistics, clears
            the limit (59 prompts at least for the p95, 299 for the p99).
        budget: how long it may take, such as "5min"; None: as the session says. Times are not kept for a later run.

    Returns:
        The measurement: `value`, `estimate` (for intervals), `example_values`, the seconds of each prompt.

    Raises:
        QualityError: the quantile is not below the limit, not provably so if `confidence` asks for proof, or a request has no
            such time.
        MisuseError: (a ValueError) too few prompts, a model that cannot be asked so, settings that make no sense.

    Example:
        >>> assert_latency_below(llm, "prompts.jsonl", 0.5, metric="time_to_first_token")  # doctest: +SKIP
    """
    claim = Limit.below(limit, confidence=confidence)
    made = Latency(metric, quantile, task, warmup, rounds, arrival)
    return _gate_time(model, data, made, claim, relative_to)


@assertion
def assert_throughput_above(
    model: Model,
    data: Data,
    limit: float,
    *,
    phase: Phase = "decoding",
    relative_to: Calibration | None = None,
    task: Generate | None = None,
    warmup: int = 2,
    rounds: int | None = None,
    confidence: float | None = None,
    budget: TimeBudget | None = None,
) -> Measurement:
    """Assert that a model reads, or writes, more tokens a second than a limit, at one request at a time.

    "prefill": `Σ prompt tokens / Σ time to first token`. "decoding": `Σ (tokens − 1) / Σ (last − first token)`: all tokens but
    the first of each answer, in the time they took. See `assert_latency_below` for how requests are made and timed.

    Args:
        model: as there.
        data: the prompts; one is enough for a number, two for its interval.
        limit: what must be exceeded: tokens a second, or tokens in the time of one product of the calibration.
        phase: "prefill" or "decoding".
        relative_to: as there, and the three that follow.
        task: what is asked.
        warmup: requests that do not count.
        rounds: how often each prompt is asked, 3 times by default.
        confidence: None judges these requests; 0.95 demands proof for requests like these (jackknife, ten at least).
        budget: how long it may take, as there.

    Raises:
        QualityError: the throughput is not above the limit, not provably so if `confidence` asks for proof, or no number.
        MisuseError: (a ValueError) a model that cannot be asked so, or count its prompts' tokens; settings that make no sense.
    """
    claim = Limit.above(limit, confidence=confidence)
    return _gate_time(model, data, Throughput(phase, task, warmup, rounds), claim, relative_to)


@assertion
def assert_peak_memory_below(
    model: Model,
    data: Data,
    limit: str | float,
    *,
    where: Literal["host", "device"] | None = None,
    task: Generate | None = None,
    warmup: int = 1,
    budget: TimeBudget | None = None,
) -> Measurement:
    """Assert that no single request takes more memory than a limit: the model's weights, and what the work needs besides.

    `weights + (most in use at once during the request − in use before it)`, in bytes: of the work, not of what the process did
    before. On the host, resident memory of this process, from the system's high-water mark, which is reset before each
    request; where the system does not let it be reset, looked at every millisecond. On a device, tensors that torch holds.

    Args:
        model: a path, a hub id, a `(model, tokenizer)` pair, or an object with `generate(prompts, decoding)`; of an object
            without a torch `module` the weights are not counted.
        data: the prompts; the longest should be among them.
        limit: what must not be reached: bytes, or an amount such as "1.5GB" or "800 MiB".
        where: "host" or "device"; None: where the model is.
        task: what is asked; None: up to 32 tokens that follow the text.
        warmup: requests before the first that counts.
        budget: how long it may take, such as "5min"; None: as the session says.

    Raises:
        QualityError: a request takes as much as the limit, or nothing was seen to be taken at all.
        MisuseError: (a ValueError) nothing there to watch, a model that cannot be asked so.
    """
    claim = Limit.below(_bytes(limit))
    asked = as_language_model(model)
    place: Place = where or place_of(asked)
    return gate(measure(asked, data, MemoryPeak(place, task, warmup)), claim)


@assertion
def assert_model_size_below(model: Model, limit: str | float, *, of: Size = "parameters") -> Measurement:
    """Assert that a model has fewer parameters than a limit, or takes fewer bytes in memory or on disk.

    Tied weights count once. In memory, buffers count too, and quantised weights as what they take. On disk, files with
    weights count, the ones that loading would read: safetensors, else pickles; not the tokenizer.

    Args:
        model: a path, a hub id, a `(model, tokenizer)` pair, or an object whose attribute `module` is a torch module. A
            path is not loaded for its size on disk.
        limit: what must not be reached: a number, or, of bytes, an amount such as "500MB" or "1.5 GiB".
        of: "parameters", "memory" or "disk".

    Raises:
        QualityError: the model is as large as the limit.
        MisuseError: (a ValueError) nothing that could be counted.
    """
    if of == "parameters" and isinstance(limit, str):
        raise MisuseError(f"limit={limit!r}: parameters are counted, so give a number such as 135e6")
    claim = Limit.below(_bytes(limit))
    return gate(measure_size(model, of), claim)


def _gate_time(
    model: Model, data: Data, metric: Latency | Throughput, claim: Limit, calibration: Calibration | None
) -> Measurement:
    asked = as_language_model(model)
    if calibration is None:
        return gate(measure(asked, data, metric), claim)
    if not isinstance(calibration, Calibration):
        raise MisuseError(f"relative_to={calibration!r}: expected Calibration(), or None for limits in seconds")
    if replaying() is not None:
        raise MisuseError(
            f"relative_to={calibration}: such a limit moves with the machine, which is not in the record; give one in seconds, "
            f"or run the test with its model"
        )
    measurement, product = around(calibration, getattr(asked, "device", "cpu"), lambda: measure(asked, data, metric))
    if isinstance(metric, Latency):
        value, stated = claim.value * product, f"{claim.value:g} products"
    else:
        value, stated = claim.value / product, f"{claim.value:g} tokens a product"
    shown = f"{measurement.overview}\nlimit {stated}, of {calibration}: {product:.4g} s each".strip()
    moved = replace(claim, value=value, origin=f"the assertion's limit of {stated}")
    return gate(replace(measurement, overview=shown), moved)


def _bytes(amount: str | float) -> float:
    return parse_memory(amount) if isinstance(amount, str) else amount
