"""Identities by enumeration, and how often it is wrong at any look, by simulation with fixed seeds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.statistics.sequential.confidence_sequence import boundary, confidence_bounds
from pytest_llm.statistics.sequential.drawing import left_before
from tests.statistics.sequential.test_betting import EQUAL, TOTALS, UNEQUAL, all_orders


@pytest.mark.parametrize("sizes", [EQUAL, UNEQUAL], ids=["equal", "unequal"])
def test_at_the_end_it_is_the_value(sizes: FloatArray) -> None:
    low, high = confidence_bounds(TOTALS / sizes + 0.3, sizes, float(sizes.sum()), 0.01)
    assert low == high == pytest.approx(0.3 + TOTALS.sum() / sizes.sum())


@pytest.mark.parametrize("sizes", [EQUAL, UNEQUAL], ids=["equal", "unequal"])
@pytest.mark.parametrize("drawn", [2, 4, 6])
def test_its_middle_is_right_in_the_mean(sizes: FloatArray, drawn: int) -> None:
    """Over all orders, weighted by the time v that has run, as the martingale is."""
    total, off = float(sizes.sum()), 0.0
    for order, probability in all_orders(sizes):
        first = order[:drawn]
        low, high = confidence_bounds((TOTALS / sizes)[first] + 0.3, sizes[first], total, 0.05)
        time = ((total / left_before(sizes[first], total)) ** 2).sum()
        off += probability * time * ((low + high) / 2 - 0.3 - TOTALS.sum() / total)
    assert off == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize(("alpha", "crossings"), [(0.05, 58), (0.01, 12)])
def test_a_random_walk_crosses_the_boundary_no_more_often_than_it_may(alpha: float, crossings: int) -> None:
    runs, steps = 2000, 2000
    random = np.random.default_rng(7)
    line = np.array([boundary(float(v), alpha) for v in range(1, steps + 1)])
    crossed = sum(bool((random.standard_normal(steps).cumsum() >= line).any()) for _ in range(runs))
    assert crossed <= stats.binom.ppf(1 - 1e-4, runs, alpha)
    assert crossed == crossings  # pinned: another algorithm is seen even where it keeps the promise


def test_units_of_one_size_give_the_formula_of_a_sample_from_a_finite_population() -> None:
    """θ̂ ± z·SE·√(1 − n/N), nearly: the time that runs is n/(1 − n/N)."""
    values = np.random.default_rng(3).standard_normal(300)
    low, high = confidence_bounds(values, np.ones(300), 1000.0, 0.01)
    v = 300 / (1 - 300 / 1000)
    reach = boundary(v, 0.01) / np.sqrt(v) * values.std(ddof=1) / np.sqrt(300) * np.sqrt(1 - 300 / 1000)
    assert (high - low) / 2 == pytest.approx(reach, rel=0.03)
    assert (high + low) / 2 == pytest.approx(values.mean(), abs=0.02)


def ever_wrong(n: int, sigma: float, noise: str, alpha: float, runs: int, seed: int) -> int:
    """How many runs have a look, from the 32nd unit on, at which the lower bound is above the truth."""
    random, wrong = np.random.default_rng(seed), 0
    for _ in range(runs):
        sizes = np.exp(random.normal(0, sigma, n))
        drawn = random.standard_normal(n) if noise == "normal" else random.standard_t(5, n)
        truth = float((drawn * sizes).sum() / sizes.sum())
        order = np.argsort(random.exponential(size=n) / sizes)
        looks = (confidence_bounds(drawn[order[:t]], sizes[order[:t]], sizes.sum(), alpha) for t in range(32, n, 16))
        wrong += any(low > truth for low, _ in looks)
    return wrong


@pytest.mark.parametrize(("n", "sigma", "noise", "wrong"), [(200, 0.5, "normal", 0), (200, 1.3, "t5", 2)])
def test_it_is_seldom_wrong_at_any_look(n: int, sigma: float, noise: str, wrong: int) -> None:
    runs, alpha = 150, 0.05
    seen = ever_wrong(n, sigma, noise, alpha, runs, seed=11)
    assert seen <= stats.binom.ppf(1 - 1e-4, runs, alpha)
    assert seen == wrong


@pytest.mark.slow
@pytest.mark.parametrize("n", [50, 200, 1000])
@pytest.mark.parametrize("sigma", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("noise", ["normal", "t5"])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_it_is_seldom_wrong_at_any_look_in_2000_runs(n: int, sigma: float, noise: str, alpha: float) -> None:
    assert ever_wrong(n, sigma, noise, alpha, 2000, seed=12) <= stats.binom.ppf(1 - 1e-4, 2000, alpha)


def test_it_does_not_see_what_is_rare() -> None:
    """Why a model is never passed by it: of documents of which one in 100 is wrecked, the first 32 mostly look perfect."""
    random, passed = np.random.default_rng(5), 0
    for _ in range(100):
        values = 0.001 * random.standard_normal(1000) - 0.01
        values[random.choice(1000, 10, replace=False)] += 2  # on the whole 0.01 too much
        passed += confidence_bounds(values[:32], np.ones(32), 1000.0, 0.01)[1] < 0
    assert passed > 60
