"""Which kernel multiplies fastest on this CPU: torch's default (MKL in most builds) or oneDNN.

On some processors MKL's float32 product reaches half of oneDNN's rate, on others nine tenths, so nothing is assumed: each
shape is timed once in a process, and a layer is switched only if oneDNN is clearly faster and gives the same result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial

import torch

CLEARLY_FASTER = 1.05
_ROWS, _ROUNDS = 512, 5


@contextmanager
def fastest_linears(module: torch.nn.Module) -> Iterator[None]:
    """Within the block the model's float32 linear layers on the CPU use the faster kernel. Under inference mode only."""
    with ExitStack() as undo:
        for layer in module.modules():
            # exactly Linear: quantised and adapted layers are classes of their own, and compute something else
            if type(layer) is torch.nn.Linear and _may_switch(layer) and "forward" not in vars(layer):
                layer.forward = partial(_onednn, layer.weight, layer.bias)  # type: ignore[method-assign]
                undo.callback(vars(layer).pop, "forward")
        yield


def _may_switch(layer: torch.nn.Linear) -> bool:
    return (
        layer.weight.device.type == "cpu"
        and layer.weight.dtype is torch.float32
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and onednn_is_faster(layer.in_features, layer.out_features, torch.get_num_threads())
    )


def _onednn(weight: torch.Tensor, bias: torch.Tensor | None, rows: torch.Tensor) -> torch.Tensor:
    # private to torch, hence the check against the public function in onednn_is_faster
    product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return product


@cache
def onednn_is_faster(width_in: int, width_out: int, threads: int) -> bool:
    """Time both kernels on one shape. `threads` is part of the question only because it is part of the answer."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(_ROWS, width_in, generator=generator)
    weight = torch.randn(width_out, width_in, generator=generator)
    with torch.inference_mode():
        try:
            same = torch.allclose(
                _onednn(weight, None, rows), torch.nn.functional.linear(rows, weight), rtol=1e-4, atol=1e-3
            )
        except RuntimeError:  # the operator exists, but not for this build or processor
            return False
        if not same:
            return False
        default = _seconds(lambda: torch.nn.functional.linear(rows, weight))
        return default > CLEARLY_FASTER * _seconds(lambda: _onednn(weight, None, rows))


def _seconds(call: Callable[[], object]) -> float:
    """The fastest of a few rounds: what is slower than it was disturbed."""
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return best
