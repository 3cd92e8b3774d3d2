"""Attention in blocks is the fused kernel's attention, and both are the formula."""

from __future__ import annotations

import math
from typing import TypeAlias

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llm.models import causal_attention as module
from pytest_llm.models.causal_attention import causal_attention, fused, in_blocks

Tensors: TypeAlias = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def tensors(rows: int, key_heads: int, groups: int, value_width: int, dtype: torch.dtype = torch.float64) -> Tensors:
    generator = torch.Generator().manual_seed(rows)

    def random(heads: int, width: int) -> torch.Tensor:
        return torch.randn(1, heads, rows, width, generator=generator, dtype=torch.float64).to(dtype)

    return random(key_heads * groups, 4), random(key_heads, 4), random(key_heads, value_width)


def formula(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None) -> torch.Tensor:
    groups, rows = query.shape[1] // key.shape[1], query.shape[2]
    scale = 1 / math.sqrt(query.shape[3]) if scaling is None else scaling
    out = torch.empty(*query.shape[:3], value.shape[3], dtype=torch.float64)
    for head in range(query.shape[1]):
        for row in range(rows):
            scores = scale * key[0, head // groups, : row + 1] @ query[0, head, row]
            out[0, head, row] = scores.softmax(0) @ value[0, head // groups, : row + 1]
    return out


@settings(max_examples=25, deadline=None)
@given(
    rows=st.sampled_from([1, 2, 127, 128, 129, 200]),
    key_heads=st.integers(1, 2),
    groups=st.integers(1, 3),
    value_width=st.sampled_from([4, 6]),
    scaling=st.sampled_from([None, 0.3]),
)
def test_both_ways_compute_the_formula(
    rows: int, key_heads: int, groups: int, value_width: int, scaling: float | None
) -> None:
    given_tensors = tensors(rows, key_heads, groups, value_width)
    expected = formula(*given_tensors, scaling)
    torch.testing.assert_close(in_blocks(*given_tensors, scaling), expected)
    torch.testing.assert_close(fused(*given_tensors, scaling), expected)


@pytest.mark.parametrize(("rows", "faster", "expected"), [(128, True, 1), (127, True, 0), (128, False, 0)])
def test_blocks_are_for_long_bfloat16_where_they_are_faster(
    rows: int, faster: bool, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def counted(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None) -> torch.Tensor:
        calls.append(query.shape[2])
        return in_blocks(query, key, value, scaling)

    monkeypatch.setattr(module, "blocks_are_faster", lambda *shape: faster)
    monkeypatch.setattr(module, "in_blocks", counted)
    query, key, value = tensors(rows, 2, 2, 4, torch.bfloat16)
    answer = causal_attention(query, key, value, None)
    assert len(calls) == expected
    torch.testing.assert_close(
        answer.double(), formula(query.double(), key.double(), value.double(), None), atol=0.03, rtol=0.03
    )


def test_float32_is_left_to_the_fused_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "in_blocks", None)  # would raise
    causal_attention(*tensors(200, 2, 2, 4, torch.float32), None)
