"""Norms against torch's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pytest_llm.transformer.normalization import LayerNorm, RMSNorm


@pytest.mark.parametrize(("ours", "torchs"), [(LayerNorm, nn.LayerNorm), (RMSNorm, nn.RMSNorm)])
@given(
    length=st.integers(1, 4),
    width=st.integers(1, 40),
    scale=st.sampled_from([0.0, 1e-4, 1.0, 1e4]),
    epsilon=st.sampled_from([1e-12, 1e-5]),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=50, deadline=None)
def test_norms_are_torchs(
    ours: Any, torchs: Any, length: int, width: int, scale: float, epsilon: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    norm, expected = ours(width, epsilon), torchs(width, eps=epsilon)
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.normal_(generator=generator)
    expected.load_state_dict(norm.state_dict())
    x = torch.randn(1, length, width, generator=generator) * scale + scale
    torch.testing.assert_close(norm.double()(x.double()), expected.double()(x.double()))
    if width > 3:  # few numbers may happen to be so close to each other that float32 rounds what they differ in
        torch.testing.assert_close(norm.float()(x), expected.float()(x), atol=1e-4, rtol=1e-4)


def test_half_precision_is_squared_in_float32() -> None:
    """The square of 300 is more than float16 can hold."""
    x = torch.tensor([[300.0, -300.0]], dtype=torch.float16)
    assert RMSNorm(2, 1e-6).half()(x).tolist() == [[1.0, -1.0]]
    assert LayerNorm(2, 1e-6).half()(x).tolist() == [[1.0, -1.0]]
