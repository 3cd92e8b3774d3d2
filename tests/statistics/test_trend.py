"""Whether a series falls: p and slope against their definitions, and how often chance passes."""

from __future__ import annotations

from itertools import combinations, permutations
from statistics import median

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from pytest_llm.statistics.trend import falling_trend, smallest_p


def falling_pairs(values: tuple[float, ...]) -> int:
    return sum(later < earlier for earlier, later in combinations(values, 2))


@pytest.mark.parametrize("values", [(3.0, 1.0, 2.0, 0.5, 0.4), (1.0, 2.0, 3.0, 4.0, 5.0), (2.0, 5.0, 1.0, 4.0, 3.0)])
def test_p_is_the_share_of_orders_that_fall_as_clearly(values: tuple[float, ...]) -> None:
    orders = [falling_pairs(order) for order in permutations(values)]
    expected = sum(count >= falling_pairs(values) for count in orders) / len(orders)
    assert falling_trend(values).p == pytest.approx(expected)


def test_p_of_a_long_series_with_ties_is_that_of_mann_and_kendall() -> None:
    """Their normal approximation with the variance of ties (Kendall 1948), written out."""
    values = tuple(np.round(np.random.default_rng(0).normal(size=60) - np.arange(60) * 0.02, 1).tolist())
    s = sum(np.sign(later - earlier) for earlier, later in combinations(values, 2))
    n, ties = len(values), np.unique(values, return_counts=True)[1]
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    assert falling_trend(values).p == pytest.approx(norm.cdf(s / np.sqrt(variance)), rel=1e-6)


def test_the_slope_is_the_median_over_pairs() -> None:
    values = (3.0, 2.5, 9.0, 1.5, 1.2)
    slopes = [(values[j] - values[i]) / (j - i) for i, j in combinations(range(5), 2)]
    assert falling_trend(values).slope == pytest.approx(median(slopes))


def test_what_never_changes_does_not_fall() -> None:
    assert falling_trend([0.7] * 20).p == 1
    assert falling_trend([0.7] * 20).slope == 0


def test_the_best_p_is_that_of_one_order() -> None:
    assert falling_trend([4.0, 3.0, 2.0, 1.0]).p == pytest.approx(smallest_p(4)) == pytest.approx(1 / 24)


def test_chance_passes_as_often_as_alpha_says() -> None:
    random = np.random.default_rng(1)
    passes = sum(falling_trend(random.standard_cauchy(20).tolist()).p < 0.05 for _ in range(150))
    assert binomtest(passes, 150, 0.05, alternative="greater").pvalue > 0.01
    assert passes > 1
