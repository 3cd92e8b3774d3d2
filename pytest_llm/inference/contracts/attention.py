"""Attention against its formula: softmax(q·kᵀ/√d)·v in float64, and how far rounding can take a kernel from it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch

from pytest_llm.errors import MisuseError
from pytest_llm.wording import counted

Mask: TypeAlias = Literal["none", "causal", "boolean", "additive"]
Kernel: TypeAlias = Callable[..., Any]

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True)
class Shape:
    """One question to a kernel. The numbers in it follow from `seed`, so this is all that has to be drawn, shrunk and shown."""

    batch: int
    heads: int
    groups: int
    """Heads of keys and values, of which `heads` is a multiple."""
    queries: int
    keys: int
    width: int
    mask: Mask
    dtype: str
    magnitude: float
    """Standard deviation of queries and keys; large ones make the softmax sharp."""
    strided: bool
    """Whether the tensors are views into others, as after a transposition of heads and places."""
    seed: int

    def __str__(self) -> str:
        heads = counted(self.heads, "head") + (f" in {self.groups} groups" if self.groups != self.heads else "")
        parts = [
            f"batch {self.batch}",
            heads,
            f"{self.queries} × {self.keys} places",
            f"width {self.width}",
            self.dtype,
        ]
        parts += [{"none": "no mask", "causal": "causal"}.get(self.mask, f"{self.mask} mask")]
        parts += [f"magnitude {self.magnitude:g}"] * (self.magnitude != 1) + ["strided"] * self.strided
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a kernel is given, in its own type."""

    query: torch.Tensor
    """`[batch, heads, queries, width]`."""
    key: torch.Tensor
    """`[batch, groups, keys, width]`, as `value`."""
    value: torch.Tensor
    mask: torch.Tensor | None
    """`[batch, 1, queries, keys]`: True where a query may look, or what is added to the scores; None: there is none, or causal."""


def inputs(shape: Shape, device: str = "cpu") -> Inputs:
    """The tensors of a question; the first query of the last text may look nowhere if the mask is a boolean one."""
    random = torch.Generator().manual_seed(shape.seed)

    def drawn(heads: int, places: int, magnitude: float) -> torch.Tensor:
        numbers = torch.randn((shape.batch, places, heads, shape.width), generator=random) * magnitude
        numbers = numbers.to(device, DTYPES[shape.dtype]).transpose(1, 2)
        return numbers if shape.strided else numbers.contiguous()

    query = drawn(shape.heads, shape.queries, shape.magnitude)
    key = drawn(shape.groups, shape.keys, shape.magnitude)
    value = drawn(shape.groups, shape.keys, 1.0)
    where = (shape.batch, 1, shape.queries, shape.keys)
    mask = None
    if shape.mask == "boolean":
        mask = (torch.rand(where, generator=random) < 0.7).to(device)
        mask[-1, :, 0] = False
    elif shape.mask == "additive":
        mask = torch.randn(where, generator=random).to(device, DTYPES[shape.dtype])
    return Inputs(query, key, value, mask)


def asked(kernel: Kernel, shape: Shape, given: Inputs) -> torch.Tensor:
    """The kernel's answer, called as `torch.nn.functional.scaled_dot_product_attention` is.

    Raises:
        MisuseError: it returns something of another shape.
    """
    more: dict[str, Any] = {}
    if shape.mask == "causal":
        more["is_causal"] = True
    elif given.mask is not None:
        more["attn_mask"] = given.mask
    if shape.groups != shape.heads and "enable_gqa" in keywords(kernel):
        more["enable_gqa"] = True
    out = kernel(given.query, given.key, given.value, **more)
    if not isinstance(out, torch.Tensor) or out.shape != given.query.shape:
        found = tuple(out.shape) if hasattr(out, "shape") else type(out).__name__
        raise MisuseError(
            f"the kernel returned {found} for queries of shape {tuple(given.query.shape)}: expected the same shape"
        )
    return out


def keywords(kernel: Kernel) -> frozenset[str]:
    """What it can be told; of a builtin, what torch's own can."""
    try:
        return frozenset(inspect.signature(kernel).parameters)
    except (TypeError, ValueError):
        grouped = (
            {"enable_gqa"}
            if "enable_gqa" in (torch.nn.functional.scaled_dot_product_attention.__doc__ or "")
            else set[str]()
        )
        return frozenset({"attn_mask", "is_causal"} | grouped)  # torch has it since 2.5


def formula(shape: Shape, given: Inputs) -> tuple[torch.Tensor, torch.Tensor]:
    """softmax(q·kᵀ/√d + mask)·v in float64, and how far from it a kernel may be at each entry.

    The bound is the usual one of forward error (Higham 2002, "Accuracy and Stability of Numerical Algorithms", 3.1), u being half
    an ε of the inputs' type and w that of the type sums are kept in (float32 for the halves), n keys of width d:

        |δs| ≤ ((d + 4)·w + 2u) · (Σ|q||k|/√d + |mask|)
        |δp| ≤ p · (expm1(2·max|δs|) + (n + 4)·w + 2u)
        |δo| ≤ Σ (|δp| + n·w·p)·|v| + u·|o|

    Rows that may look nowhere have no value by the formula, which divides by 0: NaN here.
    """
    q, k, v = (tensor.double() for tensor in (given.query, given.key, given.value))
    k, v = (tensor.repeat_interleave(shape.heads // shape.groups, dim=1) for tensor in (k, v))
    scale = 1 / math.sqrt(shape.width)
    scores, sizes = q @ k.transpose(-1, -2) * scale, q.abs() @ k.abs().transpose(-1, -2) * scale
    seen = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device)
    if shape.mask == "causal":
        seen = seen.tril()
    elif shape.mask == "boolean" and given.mask is not None:
        seen = given.mask
    elif given.mask is not None:
        scores, sizes = scores + given.mask.double(), sizes + given.mask.double().abs()
    scores = scores.masked_fill(~seen, -math.inf)
    p = scores.softmax(dim=-1)
    own = torch.finfo(DTYPES[shape.dtype]).eps / 2
    sums = min(own, torch.finfo(torch.float32).eps / 2)
    score_error = (((shape.width + 4) * sums + 2 * own) * sizes).masked_fill(~seen, 0.0).amax(dim=-1, keepdim=True)
    relative = torch.expm1(2 * score_error) + (2 * shape.keys + 4) * sums + 2 * own
    out = p @ v
    return out, relative * (p @ v.abs()) + own * out.abs()


@dataclass(frozen=True, slots=True)
class Closeness:
    """How far a kernel was from the formula in one question."""

    ratio: float
    """The largest error, in multiples of what rounding explains; infinite where it gave no number."""
    finding: str


def closeness(kernel: Kernel, shape: Shape, device: str = "cpu") -> Closeness:
    """Ask a kernel, and compare. Rows that may look nowhere have to be finite, whatever they are: NaN spreads to the next layer."""
    given = inputs(shape, device)
    try:
        out = asked(kernel, shape, given)
    except MisuseError:
        raise
    except Exception as error:  # whatever a kernel makes of a shape: that is what is examined
        first = next(iter(str(error).splitlines()), "")
        return Closeness(math.inf, f"it raises {type(error).__name__}: {first}; {shape}")
    expected, bound = formula(shape, given)
    if not bool(out.isfinite().all()):
        batch, head, query, _ = (~out.isfinite()).nonzero()[0].tolist()
        nowhere = ", which may look nowhere," * bool(expected[batch, head, query].isnan().any())
        return Closeness(math.inf, f"query {query}{nowhere} of head {head} of text {batch} gives no number; {shape}")
    off = (out.double() - expected).abs()
    ratio = (off / bound.clamp(min=torch.finfo(DTYPES[shape.dtype]).tiny)).nan_to_num(nan=0.0)
    place = int(ratio.argmax())
    batch, head, query, _ = torch.unravel_index(torch.tensor(place), ratio.shape)
    most, explained = float(off.flatten()[place]), float(bound.flatten()[place])
    finding = (
        f"query {int(query)} of head {int(head)} of text {int(batch)} is off by {most:.3g}, where rounding explains "
        f"{explained:.2g}; {shape}"
    )
    return Closeness(float(ratio.flatten()[place]), finding)
