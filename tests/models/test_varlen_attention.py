"""Attention of sequences of different lengths: what the kernels are held against, and when they are used."""

from __future__ import annotations

import logging
from itertools import pairwise
from typing import Any

import pytest
import torch

from pytest_llm.models import varlen_attention
from pytest_llm.models.varlen_attention import Bounds, varlen_kernel, written_out
from tests import old_releases

CPU = torch.device("cpu")


def tensors(rows: int, keys: int, *, heads: int = 4, key_heads: int = 2, width: int = 8) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = [(1, heads, rows, width), *([(1, key_heads, keys, width)] * 2)]
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def test_the_last_row_of_each_sequence_sees_its_last_key() -> None:
    query, key, value = tensors(6, 12)
    found = written_out(query, key, value, Bounds.of((1, 5), (7, 5), CPU), 0.3)
    for (first, last), (start, end) in zip(pairwise((0, 1, 6)), pairwise((0, 7, 12)), strict=True):
        for row in range(first, last):
            sees = slice(start, end - (last - 1 - row))
            for head in range(4):
                weights = torch.softmax(0.3 * key[0, head // 2, sees] @ query[0, head, row], dim=0)
                torch.testing.assert_close(found[0, head, row], weights @ value[0, head // 2, sees])


def test_a_cpu_has_no_kernel() -> None:
    query, key, _ = tensors(3, 3)
    assert varlen_kernel(query, key) is None


def wrong(*_: Any) -> torch.Tensor:
    return torch.zeros(1, 4, 109, 8)


def missing(*_: Any) -> torch.Tensor:
    raise RuntimeError("no such operator")


@pytest.mark.parametrize(
    ("kernel", "said"), [(wrong, "wrong gives wrong results"), (missing, "missing cannot be used")]
)
def test_a_kernel_that_fails_or_errs_is_not_used(
    kernel: Any, said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(varlen_attention, "_flash", kernel)
    monkeypatch.setattr(varlen_attention, "_memory_efficient", missing)
    with caplog.at_level(logging.INFO, "pytest_llm"):
        found = varlen_attention._right_kernel.__wrapped__(CPU, torch.float32, 4, 2, 8)
    assert found is None
    assert said in caplog.text


def test_a_right_kernel_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(varlen_attention, "_flash", missing)
    monkeypatch.setattr(varlen_attention, "_memory_efficient", written_out)
    assert varlen_attention._right_kernel.__wrapped__(CPU, torch.float32, 4, 2, 8) is written_out


@old_releases.has_no_shapes_of_varlen_kernels
@pytest.mark.parametrize(
    ("kernel", "dtype"),
    [
        (varlen_attention._flash, torch.bfloat16),
        (varlen_attention._memory_efficient, torch.float32),
    ],
)
def test_torchs_operators_take_what_they_are_given(kernel: Any, dtype: torch.dtype) -> None:
    """Shapes only, on no device: whether they are right is tried where they run, before they are used."""
    query, key, value = (part.to("meta", dtype) for part in tensors(6, 12, width=64))
    bounds = Bounds.of((1, 5), (7, 5), torch.device("meta"))
    attended = kernel(query, key, value, bounds, 0.3)
    assert attended.shape == query.shape
    assert attended.dtype == dtype
