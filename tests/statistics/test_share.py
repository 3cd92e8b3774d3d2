"""Exact bounds of a share: scipy's, in the limits that can be written down, and covering as often as they say."""

from __future__ import annotations

import pytest
from scipy import stats

from pytest_llm import MisuseError
from pytest_llm.statistics.share import ShareEstimate


@pytest.mark.parametrize(("count", "units"), [(0, 20), (3, 20), (20, 20), (1, 1), (37, 300)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_bounds_are_those_of_scipy(count: int, units: int, confidence: float) -> None:
    own = ShareEstimate(count, units)
    exact = stats.binomtest(count, units).proportion_ci(confidence, method="exact")
    assert (own.interval(confidence).low, own.interval(confidence).high) == pytest.approx((exact.low, exact.high))
    above = stats.binomtest(count, units, alternative="less").proportion_ci(confidence, method="exact")
    below = stats.binomtest(count, units, alternative="greater").proportion_ci(confidence, method="exact")
    assert (own.lower(confidence), own.upper(confidence)) == pytest.approx((below.low, above.high))


def test_none_of_n_is_bounded_by_about_three_nths() -> None:
    assert ShareEstimate(0, 300).upper(0.95) == pytest.approx(1 - 0.05 ** (1 / 300))


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_the_lower_bound_exceeds_the_truth_at_most_as_often_as_it_says(share: float) -> None:
    units = 25
    missed = sum(
        stats.binom.pmf(count, units, share)
        for count in range(units + 1)
        if ShareEstimate(count, units).lower(0.95) > share
    )
    assert missed <= 0.05


def test_p_and_bound_agree() -> None:
    own = ShareEstimate(9, 30)
    assert (own.p_above(0.15) < 0.05) == (own.lower(0.95) > 0.15)
    assert own.p_above(0.0) == 0.0


def test_more_units_decide_what_these_do_not() -> None:
    own = ShareEstimate(2, 20)
    needed = own.units_to_decide(0.2, 0.95)
    assert needed is not None
    assert needed > 20
    assert ShareEstimate(round(needed * 0.1), needed).upper(0.95) < 0.2
    assert own.units_to_decide(0.1, 0.95) is None


@pytest.mark.parametrize(("count", "units"), [(0, 0), (3, 2), (-1, 4)])
def test_what_is_no_share_is_refused(count: int, units: int) -> None:
    with pytest.raises(MisuseError, match="is no share"):
        ShareEstimate(count, units)
