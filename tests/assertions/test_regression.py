"""Whether a slower model fails, and an unchanged one does not; by a clock that the tests hold."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from pytest_llm import MetricWarning, MisuseError, Outcome, QualityError, assert_latency_no_regression
from pytest_llm.recording import recording
from tests.timed_models import Clock, Writer

PROMPTS = ["one", "two words"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock().put_in_place(monkeypatch)


def noisy(clock: Clock, mean: float, spread: float, seed: int) -> Writer:
    random = np.random.default_rng(seed)
    return Writer(clock, lambda _: mean * float(np.exp(random.normal(0, spread))))


def test_an_equal_model_passes(clock: Clock) -> None:
    with recording() as recorder:
        measured = assert_latency_no_regression(noisy(clock, 1, 0.1, 1), noisy(clock, 1, 0.1, 2), PROMPTS)
    assert measured.value == pytest.approx(1, abs=0.05)
    assert [verdict.outcome for verdict in recorder.verdicts] == [Outcome.PASSED]


@pytest.mark.parametrize("factor", [0.5, 1.04])
def test_a_faster_one_and_one_within_the_tolerance_pass_however_certain_it_is(clock: Clock, factor: float) -> None:
    measured = assert_latency_no_regression(Writer(clock, lambda _: factor), Writer(clock, lambda _: 1.0), PROMPTS)
    assert measured.value == pytest.approx(factor)


def test_a_slower_one_fails_and_the_message_says_how_sure_that_is(clock: Clock) -> None:
    with pytest.raises(QualityError) as caught:
        assert_latency_no_regression(noisy(clock, 1.2, 0.1, 1), noisy(clock, 1, 0.1, 2), PROMPTS)
    said = str(caught.value)
    assert said.startswith("latency_ratio 1.193")
    assert " is not below 1.05: over the limit by " in said
    assert "; p = " in said.splitlines()[0]
    assert "on a machine like this (95 %, t over the medians of blocks)" in said
    assert "measured   15 blocks, 150 pairs of requests, a list given in the test" in said
    assert "would have failed 19 times of 20" in said
    assert "model      writer, compared with writer" in said
    assert "the assertion's tolerance is the place to say so" in said


def test_one_that_may_be_slower_by_chance_passes_with_a_warning_at_the_caller_s_line(clock: Clock) -> None:
    """Slower in eight blocks of fifteen, and faster in seven."""
    call = itertools.count()
    candidate = Writer(clock, lambda _: 1.1 if next(call) // 10 % 2 == 0 else 0.9)
    with (
        recording() as recorder,
        pytest.warns(
            MetricWarning, match=r"^latency_ratio 1\.1 is not below 1\.05.*; chance alone does this"
        ) as warned,
    ):
        measured = assert_latency_no_regression(candidate, Writer(clock, lambda _: 1.0), PROMPTS, warmup=0)
    assert measured.value == pytest.approx(1.1)
    (verdict,) = recorder.verdicts
    assert (verdict.outcome, verdict.passed) == (Outcome.SUSPECT, True)
    assert warned[0].filename == __file__


def test_alpha_and_tolerance_decide(clock: Clock) -> None:
    def judge(**settings: Any) -> object:
        return assert_latency_no_regression(noisy(clock, 1.12, 0.2, 1), noisy(clock, 1, 0.2, 2), PROMPTS, **settings)

    with pytest.raises(QualityError, match=r"is not below 1\.05"):
        judge()
    judge(tolerance="30%")
    judge(tolerance=0.3)
    with pytest.warns(UserWarning, match="alpha 1e-12"):
        judge(alpha=1e-12)


def test_a_model_without_a_time_fails(clock: Clock) -> None:
    with pytest.raises(QualityError, match="latency_ratio is not a number: 15 of 15 blocks gave NaN"):
        assert_latency_no_regression(Writer(clock, lambda _: 0.0), Writer(clock, lambda _: 1.0), PROMPTS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tolerance": "much"}, "tolerance='much': expected a share such as '5%' or 0.05"),
        ({"tolerance": -0.1}, "tolerance=-0.1: expected a share"),
        ({"alpha": 0}, "alpha=0: expected None or a small probability"),
        ({"metric": "speed"}, "metric='speed': expected one of"),
        ({"blocks": 3}, "blocks=3: expected a whole number, at least 10"),
    ],
)
def test_settings_without_a_meaning_are_refused_before_a_request(
    clock: Clock, settings: dict[str, Any], message: str
) -> None:
    model = Writer(clock, lambda _: 1.0)
    with pytest.raises(MisuseError, match=message):
        assert_latency_no_regression(model, model, PROMPTS, **settings)
    assert model.asked == []
