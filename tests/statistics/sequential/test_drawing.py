"""Which unit is drawn when: by size, by the seed, and by nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pytest_llm.statistics.sequential.drawing import draw, left_before


@given(st.permutations(range(8)))
def test_the_order_of_input_does_not_matter(shuffled: list[int]) -> None:
    names, sizes = [f"unit {i}" for i in shuffled], np.array([float(i + 1) for i in shuffled])
    drawn = [names[place] for place in draw(names, sizes, "seed")]
    assert drawn == [f"unit {i}" for i in draw([f"unit {i}" for i in range(8)], np.arange(1.0, 9), "seed")]


def test_another_seed_is_another_order() -> None:
    names, sizes = [str(i) for i in range(50)], np.ones(50)
    assert draw(names, sizes, "a") == draw(names, sizes, "a") != draw(names, sizes, "b")


def test_the_next_unit_is_drawn_in_proportion_to_its_size() -> None:
    """First and second of three, against the probabilities of drawing without replacement; 4 standard errors."""
    sizes, runs = np.array([1.0, 2.0, 5.0]), 4000
    orders = [draw(["a", "b", "c"], sizes, f"seed {run}") for run in range(runs)]
    for first, second in [(2, 1), (1, 2), (0, 1)]:
        expected = sizes[first] / 8 * sizes[second] / (8 - sizes[first])
        seen = sum(order[:2] == [first, second] for order in orders)
        assert abs(seen - runs * expected) < 4 * stats.binom.std(runs, expected)


def test_what_is_left_before_each_draw() -> None:
    assert left_before(np.array([2.0, 3.0, 1.0]), 10.0).tolist() == pytest.approx([10, 8, 5])
