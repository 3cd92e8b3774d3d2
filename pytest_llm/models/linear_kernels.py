"""Which kernel multiplies fastest on this CPU: torch's default (MKL in most builds) or oneDNN, with or without packed weights.

On some processors MKL's float32 product reaches half of oneDNN's rate, on others nine tenths, so nothing is assumed: each
shape is timed once in a process, and a layer is switched only if another kernel is clearly faster and gives the same result.
Packing copies the weights into the order in which the kernel reads them. It takes the time of about a thousand tokens and as
much memory as the weights, so it is done for work that is larger than that, and given back with the end of the `with` block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from typing import Any, Literal, TypeAlias

import torch
from torch.nn.functional import linear

from pytest_llm.models.timing import seconds

Kernel: TypeAlias = Literal["default", "onednn", "packed"]
Product: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
Shape: TypeAlias = tuple[int, int, int, bool, torch.dtype, int]
"""What is timed: width in, width out, rows, whether weights may be packed, their type, threads."""

CLEARLY_FASTER = 1.03
TOKENS_TO_PACK_FOR = 2048
COLUMNS_PER_TILE = {"cpu": 2048}
"""Of the vocabulary: with 1 024 rows a tile of logits has 8 MiB in float32, which stays in the cache."""
COLUMNS_PER_TILE_ELSEWHERE = 32768
"""128 MiB: on a GPU each tile costs the launch of its kernels."""


def alone(shape: Shape, own: Kernel) -> Kernel:
    """What this process found to be fastest is what it uses."""
    return own


agree: Callable[[Shape, Kernel], Kernel] = alone
"""Says which kernel is used where this process found one to be the fastest: processes that share work use the same."""
chosen: dict[Shape, Kernel] = {}
"""What is used in this process."""

_TOLERANCES = {torch.float32: 1e-4, torch.bfloat16: 2e-2}


@contextmanager
def fastest_linears(module: Any, *, tokens: int, rows: int = 512) -> Iterator[list[Product] | None]:
    """Within the block the model's linear layers on the CPU use the fastest kernel. Under inference mode only.

    Args:
        module: a model of `transformers`.
        tokens: how much work is ahead, which decides whether packing weights pays.
        rows: how many tokens are usually read at once, which decides what is fastest.

    Yields:
        The tiles of the head, each a product that gives the logits of the next entries of the vocabulary
        (`COLUMNS_PER_TILE` of them); None if the head is no plain linear layer.
    """
    head = module.get_output_embeddings()
    choose = partial(_product, rows=rows, may_pack=tokens >= TOKENS_TO_PACK_FOR)
    with ExitStack() as undo, torch.inference_mode():
        for layer in module.modules():
            # exactly Linear: quantised and adapted layers are classes of their own, and compute something else
            # and a hook may compute the weight anew before each call, or want to see the result
            if type(layer) is not torch.nn.Linear or layer is head or is_altered(layer):
                continue
            if (product := choose(layer.weight, layer.bias)) is not None:
                layer.forward = product  # type: ignore[assignment, method-assign]
                undo.callback(vars(layer).pop, "forward")
        yield _tiles(head, choose) if type(head) is torch.nn.Linear and not is_altered(head) else None


def is_altered(layer: torch.nn.Module) -> bool:
    """Whether calling a module does something else than its class says: hooks, or a forward of its own."""
    return bool(layer._forward_hooks or layer._forward_pre_hooks or "forward" in vars(layer))


def _tiles(
    head: torch.nn.Linear, choose: Callable[[torch.Tensor, torch.Tensor | None], Product | None]
) -> list[Product]:
    columns = COLUMNS_PER_TILE.get(head.weight.device.type, COLUMNS_PER_TILE_ELSEWHERE)
    weights = torch.split(head.weight, columns)
    biases = [None] * len(weights) if head.bias is None else torch.split(head.bias, columns)
    return [
        choose(weight, bias) or partial(linear, weight=weight, bias=bias)
        for weight, bias in zip(weights, biases, strict=True)
    ]


def _product(weight: torch.Tensor, bias: torch.Tensor | None, *, rows: int, may_pack: bool) -> Product | None:
    """The product with these weights by the fastest kernel; None if that is torch's default."""
    if weight.device.type != "cpu" or weight.dtype not in _TOLERANCES:
        return None
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return None
    width_out, width_in = weight.shape
    kernel = fastest_kernel(width_in, width_out, rows, may_pack, weight.dtype, torch.get_num_threads())
    if kernel == "default":
        return None
    if kernel == "packed":
        weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), rows)
    return partial(_onednn, weight, bias)


def _onednn(weight: torch.Tensor, bias: torch.Tensor | None, rows: torch.Tensor) -> torch.Tensor:
    # private to torch, hence the check against the public function in fastest_kernel
    product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return product


@cache
def fastest_kernel(
    width_in: int, width_out: int, rows: int, may_pack: bool, dtype: torch.dtype, threads: int
) -> Kernel:
    """Time the kernels on one shape. `threads` is part of the question only because it is part of the answer."""
    shape = width_in, width_out, rows, may_pack, dtype, threads
    chosen[shape] = agree(shape, _timed(width_in, width_out, rows, may_pack, dtype))
    return chosen[shape]


def _timed(width_in: int, width_out: int, rows: int, may_pack: bool, dtype: torch.dtype) -> Kernel:
    generator = torch.Generator().manual_seed(0)
    given = torch.randn(rows, width_in, generator=generator).to(dtype)
    weight = torch.randn(width_out, width_in, generator=generator).to(dtype)
    kernels: dict[Kernel, Product] = {
        "default": partial(linear, weight=weight),
        "onednn": partial(_onednn, weight, None),
    }
    with torch.inference_mode():
        try:
            if may_pack:
                packed = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
                kernels["packed"] = partial(_onednn, packed, None)
            right = [name for name in kernels if _same(kernels[name](given), kernels["default"](given))]
        except RuntimeError:  # the operators exist, but not for this build or processor
            return "default"
        taken = seconds({name: partial(kernels[name], given) for name in right})
    best: Kernel = "default"
    for name in right:
        if taken[best] > CLEARLY_FASTER * taken[name]:
            best = name
    return best


def _same(product: torch.Tensor, default: torch.Tensor) -> bool:
    tolerance = _TOLERANCES[default.dtype]
    return torch.allclose(product, default, rtol=tolerance, atol=10 * tolerance)
