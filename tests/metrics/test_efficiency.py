"""From times of requests to numbers: against formulas written out, and what is no number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics import METRICS, metric_named
from pytest_llm.metrics.efficiency import Latency, MemoryPeak, PeakMemory, RequestTimes, Throughput, Time
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.tasks.generate import Generate
from pytest_llm.tasks.timed import Timed, Watched

EXAMPLE = Example("0", "text", "#0")
OWN = [name for name, entry in METRICS.items() if entry.home.startswith("efficiency:")]


def times(*rounds: tuple[float, float, float, int], prompt_tokens: int | None = None) -> RequestTimes:
    """Each round: first token, last token, whole answer, tokens."""
    first, last, whole, tokens = np.array(rounds, dtype=np.float64).T
    return RequestTimes(first, last, whole, tokens, prompt_tokens)


def whole(*seconds: float) -> RequestTimes:
    return times(*((math.nan, math.nan, second, 0) for second in seconds))


@pytest.mark.parametrize(
    ("of", "expected"),
    [("latency", 4.0), ("time_to_first_token", 1.0), ("time_per_output_token", 0.5)],
)
def test_the_time_of_a_prompt_is_the_median_of_its_rounds(of: Time, expected: float) -> None:
    """The second round was interrupted before its first token, the third one after it."""
    output = times((1.0, 3.0, 3.5, 5), (9.0, 11.0, 12.0, 5), (0.9, 3.9, 4.0, 5))
    assert Latency(of).statistics(EXAMPLE, output) == (expected, 3.0)


@pytest.mark.parametrize(
    ("of", "output"),
    [
        ("latency", whole(0.0)),
        ("latency", whole(-1.0)),
        ("latency", whole(math.nan)),
        ("latency", whole(math.inf)),
        ("latency", whole(1.0, math.nan, 1.0)),
        ("latency", whole(1.0, 1.0, -1.0)),  # a clock that went back once may have gone forth before
        ("time_to_first_token", times((math.nan, math.nan, 2.0, 0))),
        ("time_to_first_token", times((0.0, 1.0, 2.0, 3))),
        ("time_per_output_token", times((1.0, 1.0, 2.0, 1))),
        ("time_per_output_token", times((1.0, 1.0, 2.0, 3))),  # all tokens came at once
    ],
)
def test_no_time_and_zero_seconds_are_no_numbers(of: Time, output: RequestTimes) -> None:
    assert math.isnan(output.seconds(of))


def test_a_quantile_is_a_time_that_was_measured_with_its_bounds() -> None:
    seconds: FloatArray = np.random.default_rng(1).permutation(np.arange(1.0, 101))
    value, estimate = Latency(quantile=0.9).summary(seconds)
    assert value == 90
    assert estimate is not None
    assert (estimate.value, estimate.units, estimate.interval().low) == (90, 100, 84)


def test_one_request_without_a_time_leaves_no_quantile() -> None:
    value, estimate = Latency(quantile=0.5).summary(np.array([1.0, math.nan, 3.0]))
    assert math.isnan(value)
    assert estimate is None


@pytest.mark.parametrize(("quantile", "fewest"), [(0.5, 2), (0.9, 10), (0.95, 20), (0.99, 100)])
def test_too_few_requests_are_refused_with_how_many_it_takes(quantile: float, fewest: int) -> None:
    metric = Latency(quantile=quantile)
    metric.refuse_too_few(fewest)
    with pytest.raises(MisuseError, match=f"{metric.name} takes at least {fewest} requests, .* give 1 more prompts"):
        metric.refuse_too_few(fewest - 1)
    with pytest.raises(MisuseError, match=f"at least {fewest} requests"):
        metric.summary(np.ones(fewest - 1))


def test_one_request_is_named_in_the_singular() -> None:
    with pytest.raises(MisuseError, match=r"takes at least 20 requests, and there is 1: give 19 more prompts"):
        Latency().refuse_too_few(1)


def test_the_message_shows_other_quantiles_and_how_rounds_differ() -> None:
    outputs = [whole(second, second * 1.1, second) for second in np.arange(1.0, 21)]
    assert Latency().explain_outputs(outputs) == "p50 10 s, p90 18 s, p95 19 s, longest 20 s; rounds differ by 10.0%"


def test_it_says_so_when_neighbouring_requests_are_disturbed_together() -> None:
    disturbed = [1.0] * 10 + [2.0] * 10
    told = Latency().explain_outputs([whole(second, 3 - second) for second in disturbed])
    assert "neighbouring requests are alike (autocorrelation 0.85)" in told
    alternating = Latency().explain_outputs([whole(second, 3 - second) for second in [1.0, 2.0] * 10])
    assert "alike" not in alternating


@pytest.mark.parametrize("outputs", [[whole(1.0), whole(2.0)], [whole(1.0, 0.0), whole(1.0, 2.0)]])
def test_nothing_is_said_of_rounds_that_cannot_be_compared(outputs: list[RequestTimes]) -> None:
    assert "rounds" not in Latency(quantile=0.5).explain_outputs(outputs)


def value(metric: Throughput, outputs: list[RequestTimes]) -> float:
    return float(metric.aggregate(np.sum([metric.statistics(EXAMPLE, output) for output in outputs], axis=0)))


def test_decoding_counts_all_tokens_but_the_first_in_the_time_after_it() -> None:
    outputs = [times((1.0, 3.0, 9.0, 5)), times((2.0, 3.0, 9.0, 11))]
    assert value(Throughput("decoding"), outputs) == pytest.approx((4 + 10) / (2.0 + 1.0))


def test_prefill_counts_the_tokens_of_prompts_in_the_time_to_the_first_token() -> None:
    outputs = [times((1.0, 3.0, 9.0, 5), prompt_tokens=30), times((2.0, 3.0, 9.0, 1), prompt_tokens=90)]
    assert value(Throughput("prefill"), outputs) == pytest.approx(120 / 3.0)


def test_an_answer_of_one_token_says_nothing_of_decoding() -> None:
    outputs = [times((1.0, 3.0, 9.0, 5)), times((2.0, 2.0, 9.0, 1)), times((math.nan, math.nan, 9.0, 0))]
    assert value(Throughput("decoding"), outputs) == 2.0
    assert math.isnan(value(Throughput("decoding"), outputs[1:]))


@pytest.mark.parametrize("phase", ["prefill", "decoding"])
def test_a_clock_that_stands_still_leaves_no_throughput(phase: Any) -> None:
    assert math.isnan(
        value(
            Throughput(phase), [times((0.0, 0.0, 0.0, 5), prompt_tokens=3), times((1.0, 2.0, 3.0, 5), prompt_tokens=3)]
        )
    )


def test_prompts_that_cannot_be_counted_have_no_prefill_throughput() -> None:
    with pytest.raises(MisuseError, match=r"this model cannot: give it a method encode\(texts\)"):
        Throughput("prefill").statistics(EXAMPLE, times((1.0, 2.0, 3.0, 5)))


def test_a_peak_is_the_worst_request_with_the_weights() -> None:
    metric = MemoryPeak("host")
    outputs = [PeakMemory(1000, work) for work in (30, 70, 50)]
    values = np.array([metric.statistics(EXAMPLE, output)[0] for output in outputs])
    assert values.tolist() == [1030, 1070, 1050]
    assert metric.summary(values) == (1070, None)
    assert metric.explain_outputs(outputs) == "weights 1,000 bytes, and up to 70 more during a request"


def test_a_request_that_took_nothing_is_no_number() -> None:
    assert math.isnan(MemoryPeak().statistics(EXAMPLE, PeakMemory(0, 0))[0])


@pytest.mark.parametrize("name", OWN)
def test_rows_of_the_table_make_what_they_name(name: str) -> None:
    metric = metric_named(name)
    assert metric.name == name
    assert metric.signature(None).split("|")[0] == name
    assert metric.lower_is_better == (METRICS[name].good == "below")
    assert metric.scale == "linear"
    assert isinstance(metric.task, Watched if "memory" in name else Timed)


def test_all_times_have_their_usual_quantiles_as_rows() -> None:
    assert len(OWN) == 3 * 4 + 2 + 2
    assert metric_named("time_to_first_token_p99") == Latency("time_to_first_token", 0.99)
    assert Latency(quantile=0.999).name == "latency_p99.9"


def test_settings_reach_the_task() -> None:
    generate = Generate(max_tokens=3)
    assert Latency("time_to_first_token", 0.5, generate, 7, 9).task == Timed(generate, tokens=True, warmup=7, rounds=9)
    assert Latency(generate=generate).task == Timed(generate)
    assert Throughput("prefill", generate, 7, 9).task == Timed(generate, tokens=True, warmup=7, rounds=9)
    assert MemoryPeak("device", generate, 7).task == Watched(generate, "device", 7)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (Latency, {"of": "speed"}, "metric='speed': expected one of 'latency', 'time_to_first_token'"),
        *(
            (Latency, {"quantile": wrong}, "expected a share such as 0.95")
            for wrong in (0, 1, 95, True, "p95", math.nan)
        ),
        (Throughput, {"phase": "writing"}, "phase='writing': expected 'prefill' or 'decoding'"),
    ],
)
def test_settings_without_a_meaning_are_refused(kind: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        kind(**settings)
