"""The assertions about time, memory and size: what passes, what fails, what is said; by a clock that the tests hold."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from pytest_llm import (
    Calibration,
    Measurement,
    MisuseError,
    Outcome,
    QualityError,
    assert_latency_below,
    assert_model_size_below,
    assert_peak_memory_below,
    assert_throughput_above,
    measure,
)
from pytest_llm.inference import memory_probe
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.recording import recording
from pytest_llm.tasks.decoding import Decoding
from pytest_llm.tasks.generate import Generate
from tests.timed_models import Clock, Streamer, Writer

PROMPTS = [f"prompt number {number}" for number in range(1, 21)]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock().put_in_place(monkeypatch)


def numbered(prompt: str) -> float:
    """As many seconds as the prompt's number."""
    return float(prompt.split()[-1])


def verdict_of(call: Callable[[], object]) -> str:
    with pytest.raises(QualityError) as caught:
        call()
    return str(caught.value)


def test_the_p95_of_twenty_requests_is_the_nineteenth(clock: Clock) -> None:
    with recording() as recorder:
        measured = assert_latency_below(Writer(clock, numbered), PROMPTS, 19.5)
    assert (measured.metric, measured.value) == ("latency_p95", 19)
    assert measured.example_values == pytest.approx(range(1, 21))
    assert recorder.measurements == [measured]
    assert [verdict.outcome for verdict in recorder.verdicts] == [Outcome.PASSED]


def test_a_failure_shows_quantiles_the_slowest_prompts_and_how_it_was_measured(clock: Clock) -> None:
    said = verdict_of(lambda: assert_latency_below(Writer(clock, numbered), PROMPTS, 15))
    assert said.startswith("latency_p95 19 is not below 15: over the limit by 4 (26.7 %)")
    for line in (
        r"interval   17 to inf for requests like these \(95 %, order statistics of the requests\)",
        r"measured   20 examples, 60 requests, a list given in the test",
        r"worst             20  #19  'prompt number 20'",
        r"in all     p50 10 s, p90 18 s, p95 19 s, longest 20 s; rounds differ by 0.0%",
        r"model      writer",
        r"signature  latency_p95\|unit:s\|rounds:3\|warmup:2\|task:generate\|",
        r"to change  if 19 is acceptable, the assertion's limit is the place to say so",
    ):
        assert re.search(line, said), line


@pytest.mark.parametrize(
    ("metric", "value"), [("latency", 0.9), ("time_to_first_token", 0.5), ("time_per_output_token", 0.1)]
)
def test_each_kind_of_time_can_be_gated(clock: Clock, metric: Any, value: float) -> None:
    model = Streamer(clock)
    measured = assert_latency_below(model, PROMPTS[:2], value + 0.01, quantile=0.5, metric=metric)
    assert measured.value == pytest.approx(value)
    assert measured.metric == f"{metric}_p50"
    verdict_of(lambda: assert_latency_below(model, PROMPTS[:2], value - 0.01, quantile=0.5, metric=metric))


def test_a_request_without_a_time_fails_and_says_what_to_do(clock: Clock) -> None:
    said = verdict_of(
        lambda: assert_latency_below(
            Streamer(clock, tokens=1), PROMPTS[:2], 9, quantile=0.5, metric="time_per_output_token"
        )
    )
    assert said.startswith("time_per_output_token_p50 is not a number: 2 of 2 examples gave NaN (#0, #1)")
    assert "to change  a request without a time took none that the clock could see, or wrote fewer tokens" in said


def test_a_clock_that_stands_still_fails(clock: Clock) -> None:
    assert "is not a number" in verdict_of(lambda: assert_latency_below(Writer(clock, lambda _: 0.0), PROMPTS, 1e9))


def test_too_few_prompts_are_refused_before_the_model_is_asked(clock: Clock) -> None:
    model = Writer(clock, numbered)
    with pytest.raises(MisuseError, match="latency_p99 takes at least 100 requests, and there are 20: give 80 more"):
        assert_latency_below(model, PROMPTS, 9, quantile=0.99)
    assert model.asked == []


@pytest.mark.parametrize("limit", [math.nan, "fast", None])
def test_a_limit_that_is_none_is_refused_before_the_model_is_asked(clock: Clock, limit: Any) -> None:
    model = Writer(clock, numbered)
    with pytest.raises(MisuseError, match="expected a finite number"):
        assert_latency_below(model, PROMPTS, limit)
    assert model.asked == []


def test_proof_takes_the_bound_of_order_statistics(clock: Clock) -> None:
    def ask(count: int, limit: float) -> Measurement:
        prompts = [f"prompt {number}" for number in range(1, count + 1)]
        return assert_latency_below(Writer(clock, numbered), prompts, limit, rounds=1, confidence=0.95)

    assert ask(59, 59.5).value == 57
    said = verdict_of(lambda: ask(59, 58.5))
    assert said.startswith("latency_p95 57 is not proven below 58.5: the 95 % upper bound is 59; about ")
    assert "requests like these would decide (59 now)" in said
    assert "to change  add requests, or drop confidence= to judge these requests alone" in said
    few = verdict_of(lambda: ask(20, 1000))
    assert "the 95 % upper bound is inf; about 59 requests like these would decide (20 now)" in few


def test_a_limit_in_products_moves_with_the_machine(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same model on a machine twice as slow: it needs twice the seconds, and may."""
    slowness = 1.0
    monkeypatch.setattr(Calibration, "blocks", lambda *_: [0.5 * slowness] * 9)
    model = Writer(clock, lambda prompt: slowness * numbered(prompt))
    assert assert_latency_below(model, PROMPTS, 39, relative_to=Calibration()).value == 19
    slowness = 2.0
    assert assert_latency_below(model, PROMPTS, 39, relative_to=Calibration()).value == 38
    said = verdict_of(lambda: assert_latency_below(model, PROMPTS, 37, relative_to=Calibration()))
    assert said.startswith("latency_p95 38 is not below 37")
    assert "limit 37 products, of one product of two 512 × 512 matrices: 1 s each" in said
    assert "if 38 is acceptable, the assertion's limit of 37 products is the place to say so" in said


def test_the_calibration_runs_on_the_model_s_device(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = []

    def blocks(_: Calibration, device: object) -> list[float]:
        devices.append(device)
        return [1.0]

    monkeypatch.setattr(Calibration, "blocks", blocks)
    model = Writer(clock, numbered)
    assert_latency_below(model, PROMPTS, 99, relative_to=Calibration())
    model.device = "mps-like"  # type: ignore[attr-defined]
    assert_latency_below(model, PROMPTS, 99, relative_to=Calibration())
    assert devices == ["cpu", "cpu", "mps-like", "mps-like"]


def test_something_else_than_a_calibration_is_refused(clock: Clock) -> None:
    wrong: Any = "matmul"
    with pytest.raises(MisuseError, match=r"relative_to='matmul': expected Calibration\(\)"):
        assert_latency_below(Writer(clock, numbered), PROMPTS, 9, relative_to=wrong)


def test_throughput_of_reading_and_of_writing(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Streamer(clock)  # 3 tokens are read in 0.5 s, 4 written in 0.4 s
    assert assert_throughput_above(model, PROMPTS, 9.9).value == pytest.approx(10)
    assert assert_throughput_above(model, PROMPTS, 5.9, phase="prefill").value == pytest.approx(6)
    said = verdict_of(lambda: assert_throughput_above(model, PROMPTS, 10.1))
    assert said.startswith("decoding_throughput 10 is not above 10.1: under the limit by 0.1")
    monkeypatch.setattr(Calibration, "blocks", lambda *_: [0.5] * 9)
    assert_throughput_above(model, PROMPTS, 4.9, relative_to=Calibration())  # tokens in the time of a product
    said = verdict_of(lambda: assert_throughput_above(model, PROMPTS, 5.1, relative_to=Calibration()))
    assert "limit 5.1 tokens a product, of" in said
    assert_throughput_above(model, PROMPTS, 9, confidence=0.95)


def test_the_task_says_what_is_asked(clock: Clock) -> None:
    seen = []

    class Told(Writer):
        def generate(self, prompts: Any, decoding: Decoding) -> list[str]:
            seen.append((prompts[0], decoding.max_tokens))
            return super().generate(prompts, decoding)

    model = Told(clock, lambda _: 1.0)
    assert_latency_below(
        model, ["one", "two"], 9, quantile=0.5, task=Generate("Say {text}", max_tokens=7), warmup=0, rounds=1
    )
    measure(model, ["three", "four"], "latency_p50", task=Generate(max_tokens=5), warmup=0, rounds=1)
    assert seen == [("Say one", 7), ("Say two", 7), ("three", 5), ("four", 5)]


def test_memory_is_weighed_where_the_model_is_unless_told(
    monkeypatch: pytest.MonkeyPatch, tiny: TransformersModel
) -> None:
    places = []

    class Fixed:
        def begin(self) -> None: ...

        def taken(self) -> int:
            return 1_000_000

    def gauge_for(place: str, device: str) -> Fixed:
        places.append(place)
        return Fixed()

    monkeypatch.setattr(memory_probe, "gauge_for", gauge_for)
    task = Generate(max_tokens=2)
    measured = assert_peak_memory_below(tiny, ["It is", "Catherine"], "9MB", task=task)
    assert measured.metric == "peak_host_memory"
    assert 7e6 < measured.value < 9e6
    said = verdict_of(lambda: assert_peak_memory_below(tiny, ["It is"], "7 MB", task=task))
    assert re.match(r"peak_host_memory 7,\d\d\d,\d\d\d is not below 7,000,000: over the limit by", said)
    assert "interval   none: a maximum has none" in said
    assert re.search(r"in all     weights 6,\d\d\d,\d\d\d bytes, and up to 1,000,000 more during a request", said)
    assert_peak_memory_below(tiny, ["It is"], 9e6, where="device", task=task)
    assert places == ["host", "host", "device"]


def test_work_that_is_done_elsewhere_is_no_number(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    class Still:
        def begin(self) -> None: ...

        def taken(self) -> int:
            return 0

    monkeypatch.setattr(memory_probe, "gauge_for", lambda *_: Still())
    said = verdict_of(lambda: assert_peak_memory_below(Writer(clock, numbered), PROMPTS, "1GB"))
    assert "to change  no memory was seen to be taken, so what does the work is elsewhere" in said


def test_size_is_counted_and_the_largest_tensors_are_named(tiny: TransformersModel) -> None:
    assert_model_size_below(tiny, 1_600_000)
    assert_model_size_below(tiny, "7MB", of="disk")
    assert_model_size_below("tiny-decoder", "7 MB", of="disk")
    assert_model_size_below(tiny, "7MB", of="memory")
    said = verdict_of(lambda: assert_model_size_below(tiny, 1e6))
    assert re.match(r"parameters 1,573,\d\d\d|parameters 1,574,\d\d\d", said)
    assert "interval   none: this is counted, not estimated" in said
    assert re.search(r"measured   \d+ tensors, \d+ parameters, tiny-decoder", said)
    assert re.search(r"worst      *\d[\d.e+]+  model\.", said)


def test_an_amount_of_memory_is_no_number_of_parameters(tiny: TransformersModel) -> None:
    with pytest.raises(MisuseError, match=r"limit='1\.5B': parameters are counted, so give a number such as 135e6"):
        assert_model_size_below(tiny, "1.5B")
    with pytest.raises(MisuseError, match="memory 'little': expected something like '40GB'"):
        assert_peak_memory_below(tiny, ["It is"], "little")


def test_real_requests_give_real_numbers(tiny: TransformersModel) -> None:
    """No limit on time: only that there is one, and that the whole takes longer than its first token."""
    prompts, task = ["It is a truth", "No one who had"], Generate(max_tokens=4)
    values = {
        name: measure(tiny, prompts, name, task=task, rounds=1).value
        for name in ("latency_p50", "time_to_first_token_p50", "prefill_throughput", "decoding_throughput")
    }
    assert all(0 < value < math.inf for value in values.values())
    assert 0 < Calibration(16).blocks()[0] < math.inf
    assert measure(tiny, prompts, "peak_host_memory", task=task).value > 6e6
