"""What run-to-run noise does to the difference of two runs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pytest_llm.errors import MisuseError
from pytest_llm.statistics.repeats import Noise


@pytest.mark.parametrize("runs", [3, 10])
def test_two_runs_of_an_unchanged_model_differ_by_more_as_seldom_as_alpha_says(runs: int) -> None:
    random, times, alpha = np.random.default_rng(runs), 4000, 0.05
    drawn = random.normal(20, 0.3, (times, runs + 2))
    reaches = [Noise(tuple(row)).reach(alpha, "linear") for row in drawn[:, :runs].tolist()]
    beyond = int((drawn[:, runs] - drawn[:, runs + 1] > reaches).sum())
    low, high = stats.binom.ppf([1e-4, 1 - 1e-4], times, alpha)
    assert low <= beyond <= high


def test_with_many_runs_and_both_sides_it_is_the_repeatability_limit() -> None:
    """2.8 standard deviations, as ISO 5725-6 and lm-evaluation-harness's issue 1883 have it."""
    noise = Noise(tuple(np.random.default_rng(1).normal(20, 0.3, 5000).tolist()))
    assert noise.reach(0.025, "linear") / noise.deviation() == pytest.approx(2.8, abs=0.03)


def test_on_the_log_scale_it_is_relative() -> None:
    noise = Noise((20.0, 20.2, 20.4))
    assert noise.deviation("log") == pytest.approx(np.std(np.log([20, 20.2, 20.4]), ddof=1))
    assert noise.reach(0.01, "log") == pytest.approx(stats.t.ppf(0.99, 2) * math.sqrt(2) * noise.deviation("log"))


def test_equal_runs_have_none() -> None:
    assert Noise((0.1, 0.1, 0.1)).deviation() == 0
    assert Noise((0.1, 0.1, 0.1)).reach(0.01, "log") == 0


@pytest.mark.parametrize("values", [(), (1.0,), (1.0, math.nan), (1.0, math.inf)])
def test_what_has_no_deviation_is_refused(values: tuple[float, ...]) -> None:
    with pytest.raises(MisuseError, match="expected at least 2 finite values"):
        Noise(values)


@pytest.mark.parametrize("scale", [1e-300, 1.0, 3e-7, 1e300])
def test_the_size_of_the_values_does_not_matter(scale: float) -> None:
    values = [20 * scale, 20.5 * scale, 21.5 * scale]
    assert Noise(tuple(values)).deviation() / scale == pytest.approx(np.std([20, 20.5, 21.5], ddof=1))


def test_runs_further_apart_than_numbers_reach_are_refused() -> None:
    with pytest.raises(MisuseError, match="further apart than numbers reach"):
        Noise((1.7e308, -1.7e308))
