"""The bet is fair: by all orders in which a small population can be drawn, not by simulation."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np
import pytest

from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.statistics.sequential.betting import caps_left, wealth

TOTALS = np.array([0.7, -0.3, -1.1, 0.9, -0.6, 0.4])
EQUAL = np.ones(6)
UNEQUAL = np.array([3.0, 1.0, 0.5, 2.0, 5.0, 0.25])


def all_orders(sizes: FloatArray) -> Iterator[tuple[list[int], float]]:
    """Each order, and how probable it is if the next unit is drawn in proportion to its size."""
    for order in permutations(range(len(sizes))):
        left = sizes.sum() - np.concatenate([[0.0], np.cumsum(sizes[list(order)])[:-1]])
        yield list(order), float(np.prod(sizes[list(order)] / left))


def expected_wealth(totals: FloatArray, sizes: FloatArray) -> FloatArray:
    values = totals / sizes
    caps = np.full(len(sizes), values.max() + 0.5)
    expected = np.zeros(len(sizes))
    for order, probability in all_orders(sizes):
        expected += probability * wealth(values[order], sizes[order], float(sizes.sum()), caps)
    return expected


@pytest.mark.parametrize("sizes", [EQUAL, UNEQUAL], ids=["equal", "unequal"])
def test_nothing_is_won_where_the_total_is_0(sizes: FloatArray) -> None:
    assert TOTALS.sum() == pytest.approx(0)
    assert expected_wealth(TOTALS, sizes) == pytest.approx(np.ones(6), abs=1e-12)


@pytest.mark.parametrize("sizes", [EQUAL, UNEQUAL], ids=["equal", "unequal"])
def test_something_is_lost_where_it_is_more(sizes: FloatArray) -> None:
    expected = expected_wealth(TOTALS + 0.1 * sizes, sizes)
    assert (expected < 1).all()
    assert (np.diff(expected) <= 0).all()


def test_a_unit_that_can_be_worse_than_its_cap_breaks_the_promise() -> None:
    """So that the test above is seen to test something: a cap that is exceeded makes the bet unfair."""
    values = TOTALS / UNEQUAL
    caps = np.full(6, 0.1)
    expected = sum(
        probability * wealth(values[order], UNEQUAL[order], float(UNEQUAL.sum()), caps)[-1]
        for order, probability in all_orders(UNEQUAL)
    )
    assert abs(expected - 1) > 0.01


def test_caps_of_the_units_that_are_left_are_fair_too() -> None:
    values, own = TOTALS / UNEQUAL, TOTALS / UNEQUAL + np.arange(6) / 4 + 0.1
    expected = np.zeros(6)
    for order, probability in all_orders(UNEQUAL):
        caps = caps_left(own[order])
        expected += probability * wealth(values[order], UNEQUAL[order], float(UNEQUAL.sum()), caps)
    assert expected == pytest.approx(np.ones(6), abs=1e-12)


def test_caps_of_the_units_that_are_left() -> None:
    assert caps_left(np.array([1.0, 3.0, 0.0, 2.0])).tolist() == [3, 3, 2, 2]


def test_what_the_rest_cannot_make_up_for_is_certain() -> None:
    values = np.array([-2.0, -2.0, -2.0, 0.0])
    won = wealth(values, np.ones(4), 4.0, np.ones(4))
    assert np.isfinite(won[:2]).all()
    assert won[3] == np.inf  # three units are 6 below, and one is left that has 1 at most


def test_a_bet_is_won_after_about_cap_over_gap_times_ln_of_ten_over_alpha_units() -> None:
    n, gap, cap, alpha = 100_000, 0.01, 0.5, 0.01
    won = wealth(np.full(n, -gap), np.ones(n), float(n), np.full(n, cap - gap))
    needed = int(np.argmax(won >= 1 / alpha)) + 1
    assert needed == pytest.approx(cap / gap * np.log(10 / alpha), rel=0.05)  # one of ten players wins it
