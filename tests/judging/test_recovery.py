"""The share of a base's quality that a changed model has, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from pytest_llm.errors import MisuseError
from pytest_llm.judging.limit_verdict import judge
from pytest_llm.judging.measurement import Measurement
from pytest_llm.judging.recovery import recovery
from pytest_llm.judging.verdict import Outcome
from pytest_llm.limit import Limit
from pytest_llm.statistics.jackknife import Estimate, FloatArray
from pytest_llm.statistics.paired import paired_change
from tests.simulated_changes import changed, documents, measured, perplexity


def mean(totals: FloatArray) -> FloatArray:
    return np.asarray(totals[..., 0] / totals[..., 1])


def scored(scores: FloatArray, *, lower_is_better: bool = False) -> Measurement:
    """Of a metric that is the mean of scores."""
    statistics = np.column_stack([scores, np.ones(len(scores))])
    return replace(
        measured(statistics),
        metric="score",
        value=float(np.mean(scores)),
        lower_is_better=lower_is_better,
        example_values=np.asarray(scores, dtype=np.float64),
        counts="answers",
        aggregate=mean,
        value_of_each=mean,
        scale="linear",
    )


def estimate(m: Measurement) -> Estimate:
    assert isinstance(m.estimate, Estimate)
    return m.estimate


@pytest.fixture
def scores() -> tuple[FloatArray, FloatArray]:
    """Of a base, and of a candidate that keeps about nine tenths of it."""
    random = np.random.default_rng(4)
    base = random.beta(4, 2, 300)
    return base, np.clip(0.9 * base + 0.05 * random.standard_normal(300), 0, None)


def test_more_is_better_whichever_way_the_metric_points(scores: tuple[FloatArray, FloatArray]) -> None:
    base, candidate = scores
    assert recovery(scored(candidate), scored(base)).value == pytest.approx(candidate.mean() / base.mean())
    errors = recovery(scored(candidate, lower_is_better=True), scored(base, lower_is_better=True))
    assert errors.value == pytest.approx(base.mean() / candidate.mean())
    assert errors.lower_is_better is False


def test_of_perplexities_it_is_their_ratio() -> None:
    random = np.random.default_rng(5)
    before = documents(50, random)
    after = np.column_stack([before[:, 0] + 0.030 * before[:, 1], before[:, 1]])  # 0.030 nats a token
    kept = recovery(measured(after), measured(before))
    assert kept.value == pytest.approx(math.exp(-0.030))
    assert kept.example_values == pytest.approx(np.full(50, math.exp(-0.030)))


def test_the_interval_is_that_of_the_delta_method(scores: tuple[FloatArray, FloatArray]) -> None:
    """Var ln(ȳ/x̄) ≈ (s²ʸ/ȳ² + s²ˣ/x̄² − 2sˣʸ/(x̄ȳ))/n."""
    base, candidate = scores
    (xx, xy), (_, yy) = np.cov(base, candidate)
    x, y = base.mean(), candidate.mean()
    error = math.sqrt((yy / y**2 + xx / x**2 - 2 * xy / (x * y)) / len(base))
    own = estimate(recovery(scored(candidate), scored(base)))
    assert own.standard_error == pytest.approx(error, rel=0.01)
    low = y / x * math.exp(-stats.t.ppf(0.975, len(base) - 1) * error)
    assert own.interval().low == pytest.approx(low, rel=1e-4)


def test_the_interval_is_that_of_the_bootstrap(scores: tuple[FloatArray, FloatArray]) -> None:
    base, candidate = scores
    drawn = stats.bootstrap(
        (candidate, base),
        lambda c, b, axis: c.mean(axis=axis) / b.mean(axis=axis),
        paired=True,
        n_resamples=4000,
        method="percentile",
        random_state=np.random.default_rng(0),
    ).confidence_interval
    own = estimate(recovery(scored(candidate), scored(base))).interval()
    width = own.high - own.low
    assert own.low == pytest.approx(drawn.low, abs=0.08 * width)
    assert own.high == pytest.approx(drawn.high, abs=0.08 * width)


def test_of_perplexities_it_is_as_sure_as_the_paired_comparison() -> None:
    random = np.random.default_rng(6)
    before = documents(80, random)
    after = changed(before, "small", 0.02, random)
    names = [f"d{row}" for row in range(80)]
    change = paired_change(after, before, perplexity, names, lower_is_better=True, scale="log")
    assert change is not None
    kept = recovery(measured(after), measured(before))
    assert estimate(kept).standard_error == pytest.approx(change.standard_error, rel=1e-9)
    assert kept.value == pytest.approx(math.exp(-change.drop))


def test_examples_of_one_cluster_are_one() -> None:
    random = np.random.default_rng(7)
    before = documents(60, random)
    after = changed(before, "small", 0.02, random)
    clusters: list[str | None] = [f"book {row // 6}" for row in range(60)]
    assert estimate(recovery(measured(after, clusters=clusters), measured(before, clusters=clusters))).units == 10


def test_equal_models_recover_all_of_it_for_sure() -> None:
    base = scored(np.array([0.0, 1.0, 1.0, 0.0] * 5))
    kept = recovery(base, base)
    assert (kept.value, estimate(kept).standard_error) == (1, 0)
    assert kept.example_values.tolist() == [1] * 20


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    random, hits, runs = np.random.default_rng(8), 0, 400
    for _ in range(runs):
        base = random.gamma(4, 0.1, 40)
        candidate = base * 0.9 + 0.1 * (random.gamma(4, 0.1, 40) - 0.4)
        inside = estimate(recovery(scored(candidate), scored(base))).interval()
        hits += inside.low < 0.9 < inside.high
    low, high = stats.binom.ppf([1e-4, 1 - 1e-4], runs, 0.95)
    assert low <= hits <= high


@pytest.mark.parametrize("base", [0.0, -0.25, math.nan, math.inf])
def test_a_base_without_a_share_is_refused(base: float) -> None:
    with pytest.raises(MisuseError, match=r"score of the base is .*: there is no share of that which could be kept"):
        recovery(scored(np.full(12, 0.5)), scored(np.full(12, base)))


def test_errors_below_zero_have_no_ratio() -> None:
    with pytest.raises(MisuseError, match=r"score is -0\.5: below zero a ratio does not say which of two is better"):
        recovery(scored(np.full(12, -0.5), lower_is_better=True), scored(np.full(12, 0.5), lower_is_better=True))


def test_below_zero_nothing_is_recovered() -> None:
    kept = recovery(scored(np.full(12, -0.5)), scored(np.full(12, 0.5)))
    assert kept.value == -1
    assert judge(kept, Limit.above(0.9)).outcome is Outcome.FAILED


def test_no_errors_at_all_are_beyond_measure() -> None:
    kept = recovery(scored(np.zeros(12), lower_is_better=True), scored(np.full(12, 0.5), lower_is_better=True))
    assert kept.value == math.inf
    assert kept.estimate is None
    assert judge(kept, Limit.above(0.97)).passed


def test_a_candidate_that_is_no_number_is_an_error() -> None:
    scores = np.full(12, 0.5)
    scores[3] = math.nan
    verdict = judge(recovery(scored(scores), scored(np.full(12, 0.5))), Limit.above(0.5))
    assert verdict.outcome is Outcome.ERROR
    assert verdict.sentence == "score_recovery is not a number: 1 of 12 examples gave NaN (d3)"


def test_a_metric_that_is_no_sum_is_refused() -> None:
    m = replace(scored(np.full(12, 0.5)), aggregate=None)
    with pytest.raises(MisuseError, match="score is no function of sums over examples"):
        recovery(m, m)
