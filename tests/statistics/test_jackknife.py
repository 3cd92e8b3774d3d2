"""The jackknife against scipy, statsmodels and a plain loop, and the laws it obeys."""

from __future__ import annotations

import math
from dataclasses import astuple
from random import Random

import numpy as np
import pytest
import statsmodels.api as sm  # type: ignore[import-untyped]
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW  # type: ignore[import-untyped]

from pytest_llm.statistics.jackknife import Estimate, FloatArray, Scale, _Moments, jackknife, sum_by_cluster

# (nats, tokens) of a document
DOCUMENTS = st.lists(st.tuples(st.floats(0.1, 1000), st.integers(1, 1000)), min_size=2, max_size=30)
LAW = settings(deadline=None)


def ratio(totals: FloatArray) -> FloatArray:
    return np.asarray(totals[..., 0] / totals[..., 1])


def exp_ratio(totals: FloatArray) -> FloatArray:
    return np.asarray(np.exp(ratio(totals)))


def rows(documents: list[tuple[float, int]]) -> FloatArray:
    return np.array(documents, dtype=np.float64)


def some_rows(n: int) -> FloatArray:
    random = np.random.default_rng(7)
    tokens = random.integers(20, 400, n).astype(float)
    return np.column_stack([tokens * random.normal(3, 0.4, n), tokens])


def estimate(statistics: FloatArray, *, scale: Scale = "linear") -> Estimate:
    found = jackknife(statistics, ratio if scale == "linear" else exp_ratio, scale=scale)
    assert found is not None
    return found


def test_of_equal_weights_it_is_the_classical_error_of_the_mean() -> None:
    values = np.random.default_rng(1).normal(5, 2, 25)
    found = estimate(np.column_stack([values, np.ones(25)]))
    assert found.value == pytest.approx(values.mean(), rel=1e-13)
    assert found.standard_error == pytest.approx(stats.sem(values), rel=1e-12)
    assert found.units == 25
    assert found.degrees_of_freedom == pytest.approx(24)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_of_equal_weights_the_interval_is_the_t_interval_of_statsmodels(confidence: float) -> None:
    values = np.random.default_rng(2).normal(5, 2, 12)
    interval = estimate(np.column_stack([values, np.ones(12)])).interval(confidence)
    low, high = DescrStatsW(values).tconfint_mean(alpha=1 - confidence)
    assert astuple(interval) == pytest.approx((low, high, confidence), rel=1e-10)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_it_is_the_same_in_parts(scale: Scale, monkeypatch: pytest.MonkeyPatch) -> None:
    data = some_rows(23)
    whole = estimate(data, scale=scale)
    for size in (1, 5, 22):
        monkeypatch.setattr("pytest_llm.storage.growing_array.AT_ONCE", size)
        assert astuple(estimate(data, scale=scale))[:4] == pytest.approx(astuple(whole)[:4], rel=1e-12)
    assert np.array_equal(data, some_rows(23))  # nothing was written into what it was given


def test_one_sided_bounds_are_those_of_a_two_sided_interval_with_twice_the_error() -> None:
    found = estimate(some_rows(20))
    interval = found.interval(0.9)
    assert (found.lower(0.95), found.upper(0.95)) == pytest.approx((interval.low, interval.high), rel=1e-12)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_a_ratio_agrees_with_leaving_out_one_row_at_a_time_in_a_plain_loop(scale: Scale) -> None:
    data = some_rows(17).tolist()
    without = []
    for left_out in range(17):
        nats = math.fsum(row[0] for i, row in enumerate(data) if i != left_out)
        without.append(nats / math.fsum(row[1] for i, row in enumerate(data) if i != left_out))
    mean = math.fsum(without) / 17  # of the ratio on both scales: ln(exp(ratio)) is the ratio
    error = math.sqrt(16 / 17 * math.fsum((value - mean) ** 2 for value in without))
    assert estimate(np.array(data), scale=scale).standard_error == pytest.approx(error, rel=1e-12)


def test_a_ratio_is_close_to_the_hc3_error_of_a_regression_through_the_origin() -> None:
    data = some_rows(200)
    fit = sm.WLS(data[:, 0], data[:, 1], weights=1 / data[:, 1]).fit(cov_type="HC3")
    found = estimate(data)
    assert found.value == pytest.approx(fit.params[0], rel=1e-12)
    assert found.standard_error == pytest.approx(fit.bse[0], rel=0.005)  # they differ by about 1/(2n)


def test_degrees_of_freedom_count_unequal_weights_as_kish_does() -> None:
    found = estimate(np.array([[1.0, 3.0], [2.0, 1.0], [3.0, 1.0]]))
    assert found.degrees_of_freedom == pytest.approx(25 / 11 - 1)


@LAW
@given(DOCUMENTS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(documents: list[tuple[float, int]], random: Random) -> None:
    shuffled = list(documents)
    random.shuffle(shuffled)
    assert astuple(estimate(rows(shuffled)))[:4] == pytest.approx(astuple(estimate(rows(documents)))[:4], abs=1e-6)


@LAW
@given(DOCUMENTS, st.floats(0.01, 100))
def test_scaling_the_statistic_scales_value_and_error(documents: list[tuple[float, int]], factor: float) -> None:
    once, scaled = estimate(rows(documents)), estimate(rows(documents) * [factor, 1])
    assert scaled.value == pytest.approx(factor * once.value)
    assert scaled.standard_error == pytest.approx(factor * once.standard_error, abs=1e-6)


@LAW
@given(DOCUMENTS.filter(lambda documents: all(nats < 20 * tokens for nats, tokens in documents)))
def test_on_the_log_scale_the_interval_of_exp_is_exp_of_the_interval(documents: list[tuple[float, int]]) -> None:
    of_ratio, of_exp = estimate(rows(documents)), estimate(rows(documents), scale="log")
    assume(of_ratio.degrees_of_freedom >= 1)  # below it t is so large that the rounding of an error of 0 shows
    low, high = of_ratio.interval().low, of_ratio.interval().high
    assert (of_exp.interval().low, of_exp.interval().high) == pytest.approx((math.exp(low), math.exp(high)))


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_units_have_no_estimate(n: int) -> None:
    assert jackknife(some_rows(n), ratio) is None


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_row_that_is_not_finite_leaves_no_estimate_and_no_warning(bad: float) -> None:
    data = some_rows(5)
    data[2, 0] = bad
    assert jackknife(data, exp_ratio, scale="log") is None


def test_a_value_that_is_infinite_without_one_row_leaves_no_estimate() -> None:
    def first_or_infinite(totals: FloatArray) -> FloatArray:
        return np.where(totals[..., 1] < 3, np.inf, totals[..., 0])

    assert jackknife(np.ones((3, 2)), first_or_infinite) is None


def test_values_whose_squares_are_beyond_numbers_leave_no_estimate() -> None:
    rows = np.array([[1e200, 1.0], [-1e200, 1.0], [0.0, 1.0]])
    assert jackknife(rows, lambda totals: totals[..., 0]) is None
    assert _Moments.of(rows[:1, 0]).pooled(_Moments.of(rows[1:2, 0])).squares == math.inf


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_the_log_scale_has_no_estimate_of_what_is_not_positive(value: float) -> None:
    def positive_without_any_row(totals: FloatArray) -> FloatArray:
        return np.where(totals[..., 1] < 3, 1.0, value)

    assert jackknife(np.ones((3, 2)), positive_without_any_row, scale="log") is None


@pytest.mark.parametrize("weights", [[5, 0, 0], [0, 0, 0]])
def test_one_row_with_all_the_weight_has_no_estimate(weights: list[int]) -> None:
    data = np.column_stack([some_rows(3)[:, 0], weights])
    assert jackknife(data, ratio) is None


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_clusters_are_summed_in_order_of_first_appearance(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_llm.storage.growing_array.AT_ONCE", at_once)
    sums = sum_by_cluster(np.array([[1.0, 10], [2, 20], [3, 30], [4, 40]]), ["b", "a", "b", "c"])
    assert sums.tolist() == [[4, 40], [2, 20], [4, 40]]


@LAW
@given(DOCUMENTS, st.data())
def test_splitting_a_document_into_two_rows_of_one_cluster_changes_nothing(
    documents: list[tuple[float, int]], data: st.DataObject
) -> None:
    whole = rows(documents)
    split = data.draw(st.integers(0, len(documents) - 1))
    halves = np.vstack([whole, whole[split] / 2])
    halves[split] /= 2
    clusters = [str(i) for i in [*range(len(documents)), split]]
    assert astuple(estimate(sum_by_cluster(halves, clusters))) == pytest.approx(astuple(estimate(whole)), abs=1e-9)


def test_four_times_the_data_halve_the_error() -> None:
    once, fourfold = estimate(some_rows(100)), estimate(np.tile(some_rows(100), (4, 1)))
    assert fourfold.standard_error == pytest.approx(once.standard_error / 2, rel=0.01)


def test_units_to_decide_grow_with_the_square_of_reach_over_distance() -> None:
    found = Estimate(value=24, standard_error=1, degrees_of_freedom=19, units=20, scale="linear")
    reach = stats.t.ppf(0.95, 19)
    assert found.units_to_decide(25, 0.95) == math.ceil(20 * reach**2)
    assert found.units_to_decide(24.5, 0.95) == math.ceil(20 * (reach / 0.5) ** 2)


def test_about_as_many_units_as_decide_bring_the_bound_to_the_limit() -> None:
    data = some_rows(100)
    limit = 1.005 * estimate(data).value
    needed = estimate(data).units_to_decide(limit, 0.95)
    assert needed is not None
    copies = round(needed / 100)
    assert copies > 1
    more = estimate(np.tile(data, (copies, 1)))
    assert more.upper(0.95) - more.value == pytest.approx(limit - more.value, rel=0.05)
