"""How fast this machine is at the moment: the time of a matrix product, in which a limit on latency can be stated.

A limit in seconds fails on a slower machine, though the model is the same. Stated as a multiple of a product that is timed on the
same device before and after the requests, it moves with the machine, and with what else runs there.

It does not move exactly with it: a product is bound by arithmetic, writing a text one token at a time by how fast the weights are
read and by the overhead of Python. So leave a margin, and compare two models with `assert_latency_no_regression`, which
needs no such limit.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pytest_llm.errors import MisuseError
from pytest_llm.inference import probe

_BLOCKS = 9
_PER_BLOCK = 3


@dataclass(frozen=True, slots=True)
class Calibration:
    """A unit of time that this machine sets: one product of two square matrices in float32, on the model's device.

    Args:
        size: rows and columns of the matrices. 512 take 268 million operations, milliseconds on a CPU.

    Raises:
        MisuseError: no such size.
    """

    size: int = 512

    def __post_init__(self) -> None:
        if isinstance(self.size, bool) or not isinstance(self.size, int) or self.size < 1:
            raise MisuseError(f"size={self.size!r}: expected a whole number of rows and columns, at least 1")

    def blocks(self, device: Any = "cpu") -> list[float]:
        """Seconds of one product, in blocks of a few; the first block does not count."""
        import torch

        left, right = (torch.ones(self.size, self.size, device=device) / self.size for _ in range(2))
        on_device = _Holder(left.device)
        return [_seconds(lambda: left @ right, on_device) for _ in range(_BLOCKS + 1)][1:]

    def __str__(self) -> str:
        return f"one product of two {self.size} × {self.size} matrices"


@dataclass(frozen=True, slots=True)
class _Holder:
    """What has a device to wait for."""

    device: Any


def around(calibration: Calibration, device: Any, work: Callable[[], Any]) -> tuple[Any, float]:
    """What the work gives, and the seconds of a product: the median of blocks timed before and after the work.

    Raises:
        MisuseError: the product took no time that the clock could see.
    """
    before = calibration.blocks(device)
    given = work()
    product = statistics.median([*before, *calibration.blocks(device)])
    if not product > 0:
        raise MisuseError(f"{calibration} took {product:g} s: take larger matrices, such as Calibration(size=1024)")
    return given, product


def _seconds(product: Callable[[], object], on_device: _Holder) -> float:
    probe.synchronise(on_device)
    began = probe.clock()
    for _ in range(_PER_BLOCK):
        product()
    probe.synchronise(on_device)
    return (probe.clock() - began) / _PER_BLOCK
