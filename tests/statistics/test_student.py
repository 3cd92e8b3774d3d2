"""Student's t distribution is that of scipy.stats, bit for bit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pytest_llm.statistics.student import quantile, survival

DEGREES = (-1.0, 0.0, 0.5, 1.0, 2.0, 7.0, 10.3, 99.0, 1e6, math.inf, math.nan)


@pytest.mark.parametrize("degrees", DEGREES)
def test_it_is_that_of_scipy(degrees: float) -> None:
    probabilities = [-0.1, 0.0, 1e-300, 1e-9, *np.linspace(0.01, 0.99, 25), 1 - 1e-9, 1.0, 1.1, math.nan]
    found = [quantile(probability, degrees) for probability in probabilities]
    assert np.array_equal(found, stats.t.ppf(probabilities, degrees), equal_nan=True)
    values = [-math.inf, -40, -1.5, 0.0, 1e-9, 2.5, 40, math.inf, math.nan]
    assert np.array_equal([survival(value, degrees) for value in values], stats.t.sf(values, degrees), equal_nan=True)
