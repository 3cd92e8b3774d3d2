"""The ratio of two models' times, asked in turn by a clock that the tests hold."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from pytest_llm.errors import MisuseError
from pytest_llm.inference.slowdown import measure_slowdown
from pytest_llm.recording import recording
from pytest_llm.statistics.latency import compare_blocks, smallest_caught
from tests.timed_models import Clock, Streamer, Writer

PROMPTS = ["one", "two words", "three more words"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock().put_in_place(monkeypatch)


def test_the_value_is_the_median_of_the_blocks_medians(clock: Clock) -> None:
    """Ratios of the blocks, each of two pairs: 1.0, 1.1, … 1.9; the baseline takes longer for longer prompts."""
    call = itertools.count()

    def candidate(prompt: str) -> float:
        return len(prompt) * (1 + 0.1 * (next(call) // 2))

    measured = measure_slowdown(
        Writer(clock, candidate), Writer(clock, lambda p: len(p)), PROMPTS, warmup=0, blocks=10, pairs=2
    )
    ratios = np.arange(1.0, 2.0, 0.1)
    assert measured.example_values == pytest.approx(ratios)
    assert measured.value == pytest.approx(math.sqrt(1.4 * 1.5))
    assert measured.estimate is not None
    assert measured.estimate.value == pytest.approx(math.exp(np.log(ratios).mean()))
    assert measured.n == 10
    assert measured.lower_is_better
    assert measured.metric == "latency_ratio"


def test_an_interruption_in_each_block_changes_nothing(clock: Clock) -> None:
    call = itertools.count()
    candidate = Writer(clock, lambda _: 100.0 if next(call) % 10 == 3 else 1.0)
    measured = measure_slowdown(candidate, Writer(clock, lambda _: 1.0), PROMPTS, warmup=0)
    assert measured.example_values.tolist() == [1.0] * 15
    assert next(call) == 150


def test_it_is_recorded_and_says_what_it_would_have_caught(clock: Clock) -> None:
    random = np.random.default_rng(2)
    with recording() as recorder:
        measured = measure_slowdown(
            Writer(clock, lambda _: random.uniform(0.8, 1.2)), Writer(clock, lambda _: 2.0), PROMPTS, tolerance=0.02
        )
    assert recorder.measurements == [measured]
    medians = np.log(measured.example_values)
    estimate = compare_blocks(medians)
    assert estimate is not None
    assert f"a slow-down of {smallest_caught(estimate, 0.02, 0.01):.1%} or more would have failed" in measured.overview
    assert "the baseline's 2 s" in measured.overview
    assert measured.signature.startswith("latency_ratio|order:ABBA|blocks:15|pairs:10|warmup:2|task:generate|")


def test_other_times_are_compared_likewise(clock: Clock) -> None:
    slow, quick = Streamer(clock, first=3.0, each=1.0), Streamer(clock, first=1.0, each=2.0)
    first = measure_slowdown(slow, quick, PROMPTS, of="time_to_first_token", blocks=10, pairs=2)
    each = measure_slowdown(slow, quick, PROMPTS, of="time_per_output_token", blocks=10, pairs=2)
    assert [first.metric, each.metric] == ["time_to_first_token_ratio", "time_per_output_token_ratio"]
    assert [first.value, each.value] == pytest.approx([3, 0.5])


def test_a_block_without_a_time_leaves_no_number(clock: Clock) -> None:
    call = itertools.count()
    candidate = Writer(clock, lambda _: 0.0 if next(call) == 7 else 1.0)
    measured = measure_slowdown(candidate, Writer(clock, lambda _: 1.0), PROMPTS, warmup=0, blocks=10, pairs=2)
    assert math.isnan(measured.value)
    assert measured.estimate is None
    assert [math.isnan(value) for value in measured.example_values] == [False] * 3 + [True] + [False] * 6


def test_blocks_are_named_by_their_prompts(clock: Clock) -> None:
    model = Writer(clock, lambda _: 1.0)
    measured = measure_slowdown(model, model, PROMPTS, blocks=10, pairs=4)
    assert [example.text for example in measured.examples[:4]] == [
        "prompts #0, #1",
        "prompts #2, #0",
        "prompts #1, #2",
        "prompts #0, #1",
    ]
    assert measured.examples[3].label == "block 3"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"blocks": 9}, "blocks=9: expected a whole number, at least 10"),
        ({"pairs": 0}, "pairs=0: expected a whole number, at least 2"),
        ({"pairs": 3}, "pairs=3: expected an even number"),
        ({"warmup": -1}, "warmup=-1: expected a whole number"),
    ],
)
def test_settings_without_a_meaning_are_refused_before_a_request(
    clock: Clock, settings: dict[str, Any], message: str
) -> None:
    model = Writer(clock, lambda _: 1.0)
    with pytest.raises(MisuseError, match=message):
        measure_slowdown(model, model, PROMPTS, **settings)
    assert model.asked == []
