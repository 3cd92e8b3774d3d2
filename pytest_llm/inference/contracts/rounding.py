"""How far rounding alone can move a model's logits: measured on the model itself, by Monte Carlo arithmetic.

The same products in another order, as another batch size, padding or a cache brings about, give other last digits. How much
that is at the logits depends on depth and conditioning, so no fixed number is right for two models. Here the model is read
again while the result of each of its products is moved, up or down at random, by what rounding may have done to it: a sum of n
terms is off by √n·u of itself (u = ε/2; Higham & Mary 2019, "A new approach to probabilistic rounding error analysis"), and
once more by u of its type where that is coarser than what it was summed in. Stochastic arithmetic of this kind is due to Parker
(1997, "Monte Carlo arithmetic").
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from pytest_llm.judging.contract import Tolerance
from pytest_llm.models.network import Network

TRIALS = 3
_PRODUCTS = frozenset(
    {"linear", "matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "addmm", "baddbmm", "einsum", "conv1d"}
    | {"scaled_dot_product_attention"}
)
# how torch may round the factors of float32 products on the way
_FACTORS = {"highest": 0.0, "high": 2.0**-11, "medium": 2.0**-8}


class Rounded(TorchFunctionMode):
    """While it is active, products are off by their rounding.

    Args:
        seed: of the signs.
        device: where the model is.
        unit: u of the type whose rounding is imitated; None: that of each product's own type.
    """

    def __init__(self, seed: int, device: torch.device, unit: float | None = None) -> None:
        super().__init__()
        self._random = torch.Generator(device).manual_seed(seed)
        self._unit = unit
        self.products = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if (
            getattr(func, "__name__", "") not in _PRODUCTS
            or not isinstance(out, torch.Tensor)
            or not out.is_floating_point()
        ):
            return out
        self.products += 1
        factors = [arg for arg in args if isinstance(arg, torch.Tensor)]
        terms = max((factor.shape[-1] for factor in factors[:1] if factor.dim()), default=1)
        signs = torch.randint(0, 2, out.shape, generator=self._random, device=out.device).mul_(2).sub_(1)
        wide = torch.promote_types(out.dtype, torch.float32)  # in a half type, 1 + error would be rounded itself
        return (out.to(wide) * (1 + error_of_sum(terms, out.dtype, self._unit) * signs)).to(out.dtype)


def error_of_sum(terms: int, dtype: torch.dtype, unit: float | None = None) -> float:
    """How far, relative to itself, a sum of so many products may be off."""
    own = torch.finfo(dtype).eps / 2
    summed_in = min(own, torch.finfo(torch.float32).eps / 2)  # halves are summed in float32
    coarser = own if own > summed_in else 0.0
    if unit is not None:
        # an outer product sums nothing: transformers 4 has rotary angles by one, in float32 whatever the model's type
        coarser = unit if terms > 1 else 0.0
    if dtype == torch.float32:
        coarser += _FACTORS[torch.get_float32_matmul_precision()]
    return math.sqrt(terms) * summed_in + coarser


def measured_tolerance(network: Network, texts: Sequence[torch.Tensor]) -> Tolerance:
    """How far two answers to the same question may be apart: twice what rounding moves them, since both are rounded.

    At least one ulp of the largest logit.

    Args:
        network: who is asked.
        texts: `[batch, length]` each.
    """
    most, largest, products = 0.0, 0.0, 0
    for tokens in texts:
        with _same_chance():
            plain = network.read(tokens)
        largest = max(
            largest, float(plain[plain.isfinite()].abs().max().nan_to_num()) if plain.isfinite().any() else 0.0
        )
        for seed in range(TRIALS):
            with _same_chance(), Rounded(seed, network.device) as rounding:
                moved = network.read(tokens)
            products = max(products, rounding.products)
            most = max(most, float((moved - plain).abs().nan_to_num(posinf=0.0).max()))
    ulp = ulp_of(largest, network.dtype)
    if 2 * most <= ulp:
        why = (
            f"rounding its {products} products moves it less"
            if products
            else "no product of torch was seen to be rounded"
        )
        return Tolerance(ulp, f"one ulp of the largest logit, {largest:.4g}: {why}")
    return Tolerance(
        2 * most,
        f"twice what the answer moves when each of its {products} products is off by its rounding, √n·ε/2 ({TRIALS} trials); "
        f"{2 * most / ulp:.3g} ulps of the largest logit, {largest:.4g}",
    )


def ulp_of(value: float, dtype: torch.dtype) -> float:
    """The distance to the next number of this type."""
    if value == 0:
        return float(torch.finfo(dtype).tiny)
    return float(torch.finfo(dtype).eps * 2.0 ** math.floor(math.log2(value)))


@contextmanager
def _same_chance() -> Iterator[None]:
    """Whatever the model draws at random (dropout that was left on) is drawn alike each time: chance is no rounding."""
    with torch.random.fork_rng(list(range(torch.cuda.device_count()))):
        torch.manual_seed(0)
        yield
