"""Causal attention of many sequences of different lengths in one kernel call, on a GPU.

Flash attention (Dao 2023, "FlashAttention-2") in half precision, else torch's memory-efficient attention (Rabe & Staats 2021), in
the form that takes the bounds of sequences in place of a mask. Torch has no public function for either that its releases since 2.4
share, so that its internal operators are called: each is held once against `written_out`, which is the same in plain
PyTorch, and is not used where it fails or differs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from typing import TypeAlias

import torch
from torch.nn.functional import scaled_dot_product_attention

from pytest_llm.models.memory import on_device

logger = logging.getLogger(__name__)

_FROM_BOTTOM_RIGHT = 2
"""In torch's memory-efficient attention: causal, the last query sees the last key."""
_TOLERANCES = {torch.float32: 1e-4, torch.bfloat16: 2e-2, torch.float16: 4e-3}


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where the rows and the keys of each sequence begin and end. Its last row sees its last key, each other row one less."""

    rows: tuple[int, ...]
    """`[sequences + 1]`, from 0."""
    keys: tuple[int, ...]
    rows_on_device: torch.Tensor
    """The same, int32, where the kernel reads them."""
    keys_on_device: torch.Tensor

    @classmethod
    def of(cls, rows: Sequence[int], keys: Sequence[int], device: torch.device) -> Bounds:
        """From the number of rows and of keys of each sequence."""
        bounds = [tuple(accumulate(lengths, initial=0)) for lengths in (rows, keys)]
        there = on_device(torch.tensor(bounds, dtype=torch.int32), device)
        return cls(bounds[0], bounds[1], there[0], there[1])


Kernel: TypeAlias = Callable[
    [torch.Tensor, torch.Tensor, torch.Tensor, Bounds, "float | None"],
    torch.Tensor,
]
"""Query, key and value `[1, heads, tokens, width]`, as many heads or fewer in key and value, to `[1, heads, rows, width]`."""


def varlen_kernel(query: torch.Tensor, key: torch.Tensor) -> Kernel | None:
    """The kernel for tensors like these; None where there is none, as on a CPU."""
    if query.device.type != "cuda":
        return None
    return _right_kernel(query.device, query.dtype, query.shape[1], key.shape[1], query.shape[3])


@cache
def _right_kernel(device: torch.device, dtype: torch.dtype, heads: int, key_heads: int, width: int) -> Kernel | None:
    generator = torch.Generator().manual_seed(0)
    rows, keys = (5, 1, 70, 33), (5, 40, 130, 33)
    shapes = [(1, heads, sum(rows), width), *([(1, key_heads, sum(keys), width)] * 2)]
    query, key, value = (torch.randn(shape, generator=generator).to(device, dtype) for shape in shapes)
    bounds = Bounds.of(rows, keys, device)
    expected = written_out(query, key, value, bounds, None)
    for kernel in (_flash, _memory_efficient):
        try:
            found = kernel(query, key, value, bounds, None)
        except (RuntimeError, TypeError, AttributeError) as error:
            logger.info("%s cannot be used for %s: %s", kernel.__name__.strip("_"), dtype, error)
            continue
        if torch.allclose(found, expected, rtol=0, atol=_TOLERANCES.get(dtype, 0.0)):
            return kernel
        logger.warning("%s gives wrong results for %s, and is not used", kernel.__name__.strip("_"), dtype)
    return None


def written_out(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bounds: Bounds, scaling: float | None
) -> torch.Tensor:
    """The same as the kernels, one sequence after the other."""
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    attended = []
    for (first, last), (start, end) in zip(pairwise(bounds.rows), pairwise(bounds.keys), strict=True):
        sees = torch.ones(last - first, end - start, dtype=torch.bool, device=query.device)
        attended.append(
            scaled_dot_product_attention(
                query[:, :, first:last],
                key[:, :, start:end],
                value[:, :, start:end],
                attn_mask=sees.tril(diagonal=(end - start) - (last - first)),
                scale=scaling,
            )
        )
    return torch.cat(attended, dim=2)


def _flash(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bounds: Bounds, scaling: float | None
) -> torch.Tensor:
    if query.dtype not in (torch.float16, torch.bfloat16):
        raise TypeError("it is for half precision")
    attended: torch.Tensor = torch.ops.aten._flash_attention_forward(
        *(part[0].transpose(0, 1) for part in (query, key, value)),
        bounds.rows_on_device,
        bounds.keys_on_device,
        _longest(bounds.rows),
        _longest(bounds.keys),
        0.0,  # dropout
        True,  # causal
        False,  # no mask for debugging
        scale=scaling,
    )[0]
    return attended.transpose(0, 1)[None]


def _memory_efficient(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bounds: Bounds, scaling: float | None
) -> torch.Tensor:
    groups = query.shape[1] // key.shape[1]
    key, value = (part.repeat_interleave(groups, dim=1) if groups > 1 else part for part in (key, value))
    attended: torch.Tensor = torch.ops.aten._efficient_attention_forward(
        *(part.transpose(1, 2) for part in (query, key, value)),
        None,  # bias
        bounds.rows_on_device,
        bounds.keys_on_device,
        _longest(bounds.rows),
        _longest(bounds.keys),
        0.0,  # dropout
        _FROM_BOTTOM_RIGHT,
        scale=scaling,
    )[0]
    return attended.transpose(1, 2)


def _longest(bounds: Sequence[int]) -> int:
    return max(end - start for start, end in pairwise(bounds))
