"""Drifts and changes of a series: found where they were planted, and rarely where there are none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, kendalltau, theilslopes

from pytest_llm.statistics.course import FEWEST, Course, course
from pytest_llm.statistics.jackknife import FloatArray


def noise(n: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(size=n)


@pytest.mark.parametrize(("at", "n"), [(6, 12), (10, 30), (25, 30), (90, 100)])
def test_a_planted_change_is_found_where_it_is(at: int, n: int) -> None:
    found = course(noise(n) * 0.2 + np.where(np.arange(n) < at, 10.0, 12.0))
    assert [change.at for change in found.changes] == [at]
    assert found.changes[0].before == pytest.approx(10, abs=0.3)
    assert found.changes[0].after == pytest.approx(12, abs=0.3)
    assert not found.drifts


def test_several_changes_are_found_in_order() -> None:
    levels = np.repeat([5.0, 8.0, 3.0], 15)
    assert [change.at for change in course(levels + noise(45) * 0.3).changes] == [15, 30]


def test_a_slow_drift_is_one_and_no_stairs() -> None:
    """Each step is a fifth of the noise."""
    found = course(100 + 0.1 * np.arange(40) + noise(40) * 0.5)
    assert found.drifts
    assert found.changes == ()
    assert found.low < 0.1 < found.high


def test_without_noise_a_ramp_drifts_and_a_step_changes() -> None:
    ramp, step = course(np.arange(12.0)), course([1.0] * 8 + [2.0] * 4)
    assert (ramp.drifts, ramp.changes, ramp.slope) == (True, (), 1.0)
    assert (step.drifts, [change.at for change in step.changes]) == (False, [8])


def test_after_a_change_the_trend_is_that_since() -> None:
    series = np.concatenate([np.full(15, 20.0) + noise(15) * 0.1, 10 + 0.5 * np.arange(15) + noise(15, 1) * 0.1])
    found = course(series)
    assert found.changes[0].at == 15
    assert len(found.changes) == 1
    assert found.slope == pytest.approx(0.5, abs=0.05)
    assert found.drifts


def test_a_spike_is_neither() -> None:
    series = noise(30) * 0.1
    series[12] = 50.0
    found = course(series)
    assert (found.drifts, found.changes) == (False, ())


def test_slope_and_p_are_those_of_the_books() -> None:
    series = noise(25) + np.arange(25) * 0.02
    found = course(series)
    slope, _, low, high = theilslopes(series, np.arange(25), 0.95)
    assert (found.slope, found.low, found.high) == pytest.approx((slope, low, high))
    assert found.p == pytest.approx(kendalltau(np.arange(25), series).pvalue)


def test_noise_alone_changes_and_drifts_as_rarely_as_alpha_says() -> None:
    runs = 150
    for kind in ("normal", "standard_cauchy"):
        found = [course(getattr(np.random.default_rng(seed), kind)(size=20), alpha=0.05) for seed in range(runs)]
        for said in (sum(bool(one.changes) for one in found), sum(one.drifts for one in found)):
            assert binomtest(said, runs, 0.05, alternative="greater").pvalue > 1e-3


@pytest.mark.parametrize("series", [[], [1.0], [2.0, 2.0, 2.0], [1.0, 2.0, 3.0, 4.0, 5.0][: FEWEST - 1]])
def test_what_is_too_short_or_always_the_same_shows_nothing(series: list[float]) -> None:
    found = course(series)
    assert (found.drifts, found.changes) == (False, ())
    assert isinstance(found, Course)
