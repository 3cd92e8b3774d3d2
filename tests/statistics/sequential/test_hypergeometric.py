"""Exact, by all orders of a small population."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
import pytest

from pytest_llm.statistics.sequential.hypergeometric import confidence_set, log_ratio

UNITS, RIGHT, ALPHA = 14, 5, 0.1


@cache
def at_a_look(drawn: int, right: int) -> tuple[int, int]:
    return confidence_set(UNITS, drawn, right, ALPHA)


def test_the_truth_is_ever_ruled_out_in_28_of_1000_orders() -> None:
    """All C(14, 5) orders: the promise is 100 of 1000."""
    orders = list(combinations(range(UNITS), RIGHT))
    assert len(orders) == 2002
    wrong = 0
    for places in orders:
        right = np.cumsum(np.isin(np.arange(UNITS), places)).tolist()
        looks = (at_a_look(t, s) for t, s in enumerate(right, 1))
        wrong += any(not low <= RIGHT <= high for low, high in looks)
    assert wrong / len(orders) == pytest.approx(0.028, abs=5e-4)


@pytest.mark.parametrize("drawn", [1, 5, 9, 13])
def test_nothing_is_won_in_the_mean_at_the_truth(drawn: int) -> None:
    """Less by what the prior gives to numbers that the truth makes impossible, such as 6 right ones among 9 drawn."""
    ratios = [
        np.exp(log_ratio(UNITS, drawn, sum(place < drawn for place in places))[RIGHT])
        for places in combinations(range(UNITS), RIGHT)
    ]
    possible = min(RIGHT, drawn) - max(0, drawn - (UNITS - RIGHT)) + 1
    assert np.mean(ratios) == pytest.approx(possible / (drawn + 1), rel=1e-9)


def test_when_all_is_seen_only_the_truth_is_left() -> None:
    assert confidence_set(UNITS, UNITS, RIGHT, ALPHA) == (RIGHT, RIGHT)


def test_what_was_seen_is_possible_and_no_more() -> None:
    assert confidence_set(1000, 10, 10, 1e-30) == (10, 1000)
    assert confidence_set(1000, 10, 0, 1e-30) == (0, 990)


def test_the_set_closes_in() -> None:
    widths = [np.diff(confidence_set(2000, t, round(0.8 * t), 0.01))[0] for t in (100, 400, 1600)]
    assert widths == sorted(widths, reverse=True)
