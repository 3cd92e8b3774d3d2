"""Student's t distribution is that of scipy.stats, bit for bit; where SciPy has two ways to it, in old releases, nearly so."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pytest_llm.statistics.student import quantile, survival
from tests.old_releases import SCIPY

RTOL = 0 if SCIPY >= (1, 17) else 1e-7
DEGREES = (-1.0, 0.0, 0.5, 1.0, 2.0, 7.0, 10.3, 99.0, 1e6, math.inf, math.nan)


@pytest.mark.parametrize("degrees", DEGREES)
def test_it_is_that_of_scipy(degrees: float) -> None:
    probabilities = [-0.1, 0.0, 1e-300, 1e-9, *np.linspace(0.01, 0.99, 25), 1 - 1e-9, 1.0, 1.1, math.nan]
    found = [quantile(probability, degrees) for probability in probabilities]
    assert np.allclose(found, stats.t.ppf(probabilities, degrees), rtol=RTOL, atol=RTOL, equal_nan=True)
    values = [-math.inf, -40, -1.5, 0.0, 1e-9, 2.5, 40, math.inf, math.nan]
    found = [survival(value, degrees) for value in values]
    assert np.allclose(found, stats.t.sf(values, degrees), rtol=RTOL, atol=RTOL, equal_nan=True)
