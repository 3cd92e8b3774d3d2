"""The divergence of two distributions, against scipy's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon

from pytest_llm.models.jensen_shannon import jensen_shannon


def test_the_divergence_is_scipys() -> None:
    p, q = (torch.from_numpy(np.random.default_rng(seed).normal(size=(3, 7))).log_softmax(dim=1) for seed in (0, 1))
    expected = jensenshannon(p.exp().numpy(), q.exp().numpy(), axis=1) ** 2
    np.testing.assert_allclose(jensen_shannon(p, q).numpy(), expected, rtol=1e-12)


def test_distributions_that_share_nothing_are_ln_2_apart() -> None:
    one = torch.tensor([[0.0, -math.inf]])
    assert float(jensen_shannon(one, one.flip(1))) == pytest.approx(math.log(2))
    assert float(jensen_shannon(one, one)) == 0.0
