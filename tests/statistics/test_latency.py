"""Quantiles against numpy and scipy, their bounds against exact binomial sums, and the comparison of models asked in turn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.statistics.latency import (
    QuantileEstimate,
    autocorrelation,
    block_medians,
    compare_blocks,
    fewest_for,
    fewest_to_bound,
    quantile,
    smallest_caught,
)

QUANTILES = st.sampled_from([0.07, 0.5, 0.9, 0.95, 0.99])
LAW = settings(deadline=None)


def estimate(times: FloatArray, q: float) -> QuantileEstimate:
    return QuantileEstimate(quantile(times, q), q, tuple(np.sort(times).tolist()))


def ramp(n: int) -> FloatArray:
    """1, 2, …, n: a time is its own rank."""
    return np.random.default_rng(3).permutation(np.arange(1.0, n + 1))


@LAW
@given(st.integers(1, 300), QUANTILES)
def test_a_quantile_is_the_first_time_that_enough_others_do_not_exceed(n: int, q: float) -> None:
    found = quantile(ramp(n), q)
    percent = round(100 * q)
    assert 100 * found >= percent * n > 100 * (found - 1)  # in whole numbers
    if percent * n % 100:  # else numpy takes the next one where q · n is rounded up: 22 for 0.07 · 300
        assert found == np.quantile(ramp(n), q, method="inverted_cdf")


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_time_that_is_no_number_leaves_no_quantile(broken: float) -> None:
    assert math.isnan(quantile(np.array([1.0, broken, 2.0]), 0.5))


def test_how_many_times_a_quantile_takes() -> None:
    assert [fewest_for(q) for q in (0.5, 0.9, 0.95, 0.99, 0.999, 0.05)] == [2, 10, 20, 100, 1000, 20]


@LAW
@given(QUANTILES, st.sampled_from([0.9, 0.95, 0.99]))
def test_the_fewest_times_with_an_upper_bound_are_those_whose_longest_is_one(q: float, confidence: float) -> None:
    fewest = fewest_to_bound(q, confidence)
    assert 1 - q**fewest >= confidence > 1 - q ** (fewest - 1)
    assert estimate(ramp(fewest), q).upper(confidence) <= fewest
    if fewest > 1:
        assert estimate(ramp(fewest - 1), q).upper(confidence) == math.inf


@LAW
@given(st.integers(2, 200), QUANTILES, st.sampled_from([0.9, 0.95, 0.99]))
def test_bounds_are_the_tightest_order_statistics_that_keep_the_confidence(n: int, q: float, confidence: float) -> None:
    def below(k: int) -> float:  # P(B ≤ k), summed term by term
        return math.fsum(math.comb(n, j) * q**j * (1 - q) ** (n - j) for j in range(k + 1))

    found = estimate(ramp(n), q)
    upper, lower = found.upper(confidence), int(found.lower(confidence))
    if upper < math.inf:
        assert below(int(upper) - 1) >= confidence - 1e-12
    assert upper == 1 or below(int(min(upper, n + 1)) - 2) < confidence + 1e-12
    if lower > 0:
        assert 1 - below(lower - 1) >= confidence - 1e-12
    assert 1 - below(lower) < confidence + 1e-12


@pytest.mark.skipif(not hasattr(stats, "quantile_test"), reason="SciPy has it since 1.15")
@pytest.mark.parametrize(("n", "q"), [(100, 0.5), (200, 0.9), (400, 0.95)])
def test_the_interval_is_that_of_scipy(n: int, q: float) -> None:
    ours = estimate(ramp(n), q).interval(0.95)
    theirs = stats.quantile_test(ramp(n), p=q).confidence_interval(0.95)
    assert (ours.low, ours.high) == (theirs.low, theirs.high)


def test_too_few_times_are_bounded_by_nothing() -> None:
    interval = estimate(ramp(20), 0.95).interval()
    assert (interval.low, interval.high) == (17, math.inf)


def test_how_many_requests_would_decide() -> None:
    found = estimate(ramp(60), 0.9)
    needed = found.units_to_decide(58, 0.95)  # 95 % are below the limit
    assert needed == math.ceil(stats.norm.ppf(0.95) ** 2 * 0.09 / 0.05**2) == 98
    assert found.units_to_decide(55, 0.95) is None  # 90 % are: no number of requests tells 0.9 from 0.9
    assert estimate(ramp(20), 0.95).units_to_decide(1000, 0.95) == 59


def test_neighbours_that_alternate_and_neighbours_that_are_alike() -> None:
    assert autocorrelation([np.array([1.0, -1.0] * 50)]) == pytest.approx(-0.99)
    assert autocorrelation([np.array([1.0] * 50 + [-1.0] * 50)]) == pytest.approx(0.97)
    assert math.isnan(autocorrelation([np.ones(5), np.full(5, 2.0)]))


def test_stretches_are_not_joined_to_each_other() -> None:
    """Each falls; put behind each other without centring each, the step between them would dominate."""
    falling = np.array([1.0, 0.0, -1.0])
    alone = autocorrelation([falling])
    assert alone == 0.0
    assert autocorrelation([falling, falling + 100]) == pytest.approx(alone)


def test_a_block_is_its_median_and_the_blocks_are_compared_by_students_t() -> None:
    log_ratios = np.random.default_rng(5).normal(0.03, 0.02, (12, 10))
    log_ratios[:, 0] = 5  # one request of each block was interrupted
    medians = block_medians(log_ratios.ravel(), 12)
    assert medians.tolist() == [float(np.median(row)) for row in log_ratios]
    found = compare_blocks(medians)
    assert found is not None
    expected = stats.ttest_1samp(medians, 0, alternative="greater")
    assert found.value == pytest.approx(math.exp(medians.mean()))
    assert found.p_above(1) == pytest.approx(expected.pvalue)
    assert np.log([found.lower(0.99)]) == pytest.approx(expected.confidence_interval(0.99).low)
    assert found.units == 12


def test_a_block_that_is_no_number_leaves_no_comparison() -> None:
    assert compare_blocks(block_medians(np.array([0.1, math.nan, 0.1, 0.1]), 2)) is None
    assert compare_blocks(np.array([0.1])) is None


@pytest.mark.parametrize(("ratio", "p"), [(1.2, 0.0), (1.0, 1.0), (0.8, 1.0)])
def test_without_any_noise_the_sign_decides(ratio: float, p: float) -> None:
    found = compare_blocks(np.full(10, math.log(ratio)))
    assert found is not None
    assert found.p_above(1) == pytest.approx(p, abs=1e-100)


def test_the_smallest_slow_down_caught_is_one_that_fails_nineteen_times_of_twenty() -> None:
    """Simulated: models slower by that much, judged as the assertion judges."""
    random = np.random.default_rng(9)
    template = compare_blocks(random.normal(0, 0.05, 15))
    assert template is not None
    error = 0.05
    planned = compare_blocks(np.array([0.05 * math.sqrt(14 / 15), -0.05 * math.sqrt(14 / 15)] * 7 + [0.0]))
    assert planned is not None
    slower = math.log1p(smallest_caught(planned, tolerance=0.02, alpha=0.01))
    runs = random.normal(slower, error, (2000, 15))
    scores = runs.mean(axis=1) / (runs.std(axis=1, ddof=1) / math.sqrt(15))
    failed = (scores > stats.t.ppf(0.99, 14)) & (runs.mean(axis=1) > math.log1p(0.02))
    assert 0.90 <= failed.mean() <= 0.98


def test_an_unchanged_model_fails_one_run_in_a_hundred_on_a_machine_with_drift_and_bursts() -> None:
    """The machine of the comparison's design: drift AR(1) of 3 %, bursts of +35 % for about ten calls, a thermal ramp."""
    random = np.random.default_rng(11)
    alarms, runs = 0, 300
    for _ in range(runs):
        drift = np.zeros(300)
        for call in range(1, 300):
            drift[call] = 0.95 * drift[call - 1] + 0.03 * math.sqrt(1 - 0.95**2) * random.normal()
        bursts = np.zeros(300)
        for start in random.integers(0, 290, 3):
            bursts[start : start + 10] = math.log(1.35)
        seconds = drift + bursts + np.linspace(0, 0.04, 300) + random.normal(0, 0.01, 300)
        first, second = seconds[::2], seconds[1::2]
        swap = np.arange(150) % 2 == 1  # A B B A
        found = compare_blocks(block_medians(np.where(swap, first - second, second - first), 15))
        assert found is not None
        alarms += found.p_above(1) < 0.01
    assert alarms <= stats.binom.ppf(1 - 1e-4, runs, 0.01)
