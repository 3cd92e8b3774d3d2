"""Quantiles against numpy; their bounds against order statistics of independent values, and by simulation of dependent ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llm.statistics.clustered_quantile import ClusteredQuantile, clustered_quantile, interpolated
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.statistics.latency import QuantileEstimate, quantile

LAW = settings(deadline=None)
QUANTILES = st.sampled_from([0.5, 0.9, 0.99])


def estimate(documents: Sequence[FloatArray], q: float, units: Sequence[str] | None = None) -> ClusteredQuantile:
    found = clustered_quantile(documents, units or [str(i) for i in range(len(documents))], q)
    assert found is not None
    return found


def alone(n: int) -> list[FloatArray]:
    """1, 2, …, n, each a document of one token."""
    return [np.array([value]) for value in np.random.default_rng(3).permutation(np.arange(1.0, n + 1))]


def dependent(generator: np.random.Generator, count: int = 40, spread: float = 0.5) -> list[FloatArray]:
    """Documents of 20 to 500 log-normal values, each document at a height of its own."""
    sizes = np.clip(generator.lognormal(np.log(110), 1, count), 20, 500).astype(int)
    return [np.exp(generator.normal(0, spread) + generator.normal(0, 1, size)) for size in sizes]


@LAW
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.floats(0.01, 1))
def test_the_value_is_that_of_numpy(values: list[float], q: float) -> None:
    assert interpolated(np.array(values), q) == np.quantile(values, q)


def test_a_nan_leaves_no_quantile() -> None:
    assert math.isnan(interpolated(np.array([1.0, math.nan, 2.0]), 0.5))
    assert clustered_quantile([np.array([1.0, math.nan]), np.ones(2)], ["a", "b"], 0.5) is None


def test_infinite_values_count_as_the_largest() -> None:
    values = np.array([1.0, 2.0, 3.0, math.inf, math.inf])
    assert [interpolated(values, q) for q in (0.5, 0.6, 0.9, 1)] == [3, math.inf, math.inf, math.inf]


def test_the_value_is_of_all_documents_together() -> None:
    documents = dependent(np.random.default_rng(1))
    for q in (0.5, 0.99):
        assert estimate(documents, q).value == np.quantile(np.concatenate(documents), q)


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_independent_values_have_the_bounds_of_their_order_statistics(q: float) -> None:
    values = np.arange(1.0, 3001)
    expected = QuantileEstimate(quantile(values, q), q, tuple(values.tolist())).interval()
    found = estimate(alone(3000), q).interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=3)  # ranks of 3 000


def test_saying_everything_ten_times_proves_nothing_more() -> None:
    once = estimate(alone(500), 0.9).interval()
    repeated = estimate([np.repeat(document, 10) for document in alone(500)], 0.9).interval()
    assert (repeated.low, repeated.high) == pytest.approx((once.low, once.high), abs=1)


@LAW
@given(st.integers(0, 100), QUANTILES, st.integers(0, 39))
def test_two_halves_of_one_cluster_count_as_one_document(seed: int, q: float, split: int) -> None:
    documents = dependent(np.random.default_rng(seed))
    whole = estimate(documents, q)
    half = len(documents[split]) // 2
    halves = [*documents, documents[split][half:]]
    halves[split] = documents[split][:half]
    found = estimate(halves, q, [str(i) for i in [*range(40), split]])
    assert (found.value, found.units, found.interval()) == (whole.value, whole.units, whole.interval())


@LAW
@given(st.integers(0, 100), QUANTILES, st.sampled_from([0.9, 0.95, 0.99]))
def test_bounds_lie_around_the_value_and_widen_with_confidence(seed: int, q: float, confidence: float) -> None:
    found = estimate(dependent(np.random.default_rng(seed)), q)
    assert found.lower(confidence) <= found.value <= found.upper(confidence)
    assert found.lower(0.999) <= found.lower(confidence)
    assert found.upper(0.999) >= found.upper(confidence)


@pytest.mark.parametrize("q", [0.5, 0.99])
def test_the_interval_holds_the_quantile_of_all_text_as_often_as_it_says(q: float) -> None:
    """Ignoring that a document's tokens depend on each other, it holds it in less than three quarters of all cases."""
    generator = np.random.default_rng(0)
    everything = np.exp(generator.normal(0, 0.5, 10**6) + generator.normal(0, 1, 10**6))
    truth = float(np.quantile(everything, q))
    held = ignoring = 0
    for _ in range(300):
        documents = dependent(generator)
        found = estimate(documents, q)
        interval = found.interval()
        held += interval.low <= truth <= interval.high
        times = tuple(found.values.tolist())
        interval = QuantileEstimate(found.value, q, times).interval()
        ignoring += interval.low <= truth <= interval.high
    assert 0.93 * 300 < held < 300
    assert ignoring < 0.85 * 300


def test_too_little_text_has_no_bound() -> None:
    few = estimate(alone(100), 0.99)
    assert few.upper(0.95) == math.inf
    assert estimate(alone(3), 0.5).lower(0.95) == 0


def test_documents_that_agree_have_the_bounds_of_independent_values() -> None:
    values = np.arange(1.0, 101)
    found = estimate([values] * 5, 0.5)
    assert found.share.standard_error == 0
    assert found.effective(0.95) == 500
    assert 40 < found.lower(0.95) < found.upper(0.95) < 61


def test_equal_values_have_an_interval_of_one_point() -> None:
    interval = estimate([np.zeros(50)] * 12, 0.5).interval()
    assert (interval.low, interval.high) == (0, 0)


@pytest.mark.parametrize("units", [["a"], ["a", "a"]])
def test_one_unit_has_no_estimate(units: list[str]) -> None:
    assert clustered_quantile([np.arange(10.0)] * len(units), units, 0.5) is None


def test_as_many_documents_as_decide_bring_the_bound_to_the_limit() -> None:
    documents = dependent(np.random.default_rng(2))
    found = estimate(documents, 0.5)
    limit = found.value + 0.3 * (found.upper(0.95) - found.value)
    needed = found.units_to_decide(limit, 0.95)
    assert needed is not None
    assert needed > 2 * found.units
    more = estimate(documents * math.ceil(1.3 * needed / found.units), 0.5)
    assert more.upper(0.95) < limit
    assert estimate(documents * math.ceil(0.5 * needed / found.units), 0.5).upper(0.95) > limit


def test_no_number_of_documents_decides_where_the_limit_is_the_quantile() -> None:
    assert estimate(alone(100), 0.5).units_to_decide(50.5, 0.95) is None
