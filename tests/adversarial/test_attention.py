"""Kernels against the formula: torch's own pass, and each planted fault is found and shrunk to a small shape."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch.nn.functional import scaled_dot_product_attention

from pytest_llm import MisuseError, QualityError, assert_attention_close
from pytest_llm.adversarial.attention import attention_shapes, default_masks
from pytest_llm.inference.contracts.attention import Shape, closeness, formula, inputs
from pytest_llm.transformer.attention import attention_formula, fused_attention
from tests import old_releases

Tensor = torch.Tensor


def written_out(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False, **fault: Any
) -> Tensor:
    """Attention as in a textbook, with faults to be switched on."""
    if key.shape[1] != query.shape[1]:
        times = query.shape[1] // key.shape[1]
        if fault.get("groups_in_turn"):
            key, value = key.repeat(1, times, 1, 1), value.repeat(1, times, 1, 1)
        else:
            key, value = key.repeat_interleave(times, dim=1), value.repeat_interleave(times, dim=1)
    scores = query @ key.transpose(-1, -2) * (1.0 if fault.get("unscaled") else 1 / math.sqrt(query.shape[-1]))
    if is_causal:
        hidden = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1 + fault.get("later", 0))
        scores = scores.masked_fill(hidden, -torch.inf)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -torch.inf if fault.get("nan") else torch.finfo(scores.dtype).min)
    elif attn_mask is not None and not fault.get("no_additive"):
        scores = scores + attn_mask
    if fault.get("half_softmax"):
        scores = torch.where(scores > -1e30, scores.bfloat16().float(), scores)
    if query.shape[2] == 1 and fault.get("not_one"):
        raise IndexError("no block of 1")
    return scores.softmax(dim=-1) @ value


def with_fault(**fault: Any) -> Callable[..., Tensor]:
    def kernel(
        query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False
    ) -> Tensor:
        return written_out(query, key, value, attn_mask, is_causal, **fault)

    return kernel


@old_releases.has_no_number_for_who_looks_nowhere
def test_the_kernels_of_torch_and_of_the_core_pass() -> None:
    grouped = "enable_gqa" in (scaled_dot_product_attention.__doc__ or "")  # torch can since 2.5
    found = assert_attention_close(scaled_dot_product_attention, grouped=grouped)
    shared = "yes" if grouped else "no"
    assert found.signature == f"attention_closeness|masks:none+causal+boolean+additive|grouped:{shared}|examples:100"
    assert found.value < 0.5  # rounding is far below its bound
    assert_attention_close(with_fault(), grouped=grouped, examples=40)
    for kernel in (attention_formula, fused_attention):  # whose masks are positional, and boolean
        assert_attention_close(
            lambda q, k, v, attn_mask=None, kernel=kernel: kernel(q, k, v, attn_mask),
            masks=["none", "boolean"],
            examples=40,
        )


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_other_types_pass(dtype: str) -> None:
    assert_attention_close(scaled_dot_product_attention, dtypes=[dtype], masks=["none", "causal"], examples=50)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            {"unscaled": True},
            r"query 0 of head 0 of text 0 is off by .*; batch 1, 1 head, 1 × 2 places, width 2, float32, no mask",
        ),
        (
            {"later": 1},
            r"query 0 of head 0 of text 0 is off by .*; batch 1, 1 head, 2 × 2 places, width 1, float32, causal",
        ),
        ({"no_additive": True}, r"is off by .*; batch 1, 1 head, 1 × 2 places, width 1, float32, additive mask"),
        (
            {"nan": True},
            r"query 0, which may look nowhere, of head 0 of text 0 gives no number; batch 1, 1 head, 1 × 1 places",
        ),
        (
            {"half_softmax": True},
            r"is off by .*, where rounding explains .*; batch 1, 1 head, 1 × 2 places, width 1, float32",
        ),
        (
            {"not_one": True},
            r"it raises IndexError: no block of 1; batch 1, 1 head, 1 × 1 places, width 1, float32, (no mask|causal)",
        ),
        (
            {"groups_in_turn": True},
            r"query 0 of head 1 of text 0 is off by .*; batch 1, 4 heads in 2 groups, 1 × 1 places",
        ),
    ],
)
def test_each_fault_is_found_and_shrunk(fault: dict[str, Any], message: str) -> None:
    with pytest.raises(QualityError) as caught:
        assert_attention_close(with_fault(**fault), grouped="groups_in_turn" in fault)
    first_line = str(caught.value).partition("\n")[0]
    assert re.match(r"not attention by its formula: .*" + message, first_line), first_line


def test_the_search_is_the_same_each_time() -> None:
    def found() -> str:
        with pytest.raises(QualityError) as caught:
            assert_attention_close(with_fault(unscaled=True))
        return str(caught.value)

    assert found() == found()


@given(attention_shapes(grouped=True, dtypes=["float64"]))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_formula_is_that_of_torch_in_double_precision(shape: Shape) -> None:
    given_ = inputs(shape)
    expected, bound = formula(shape, given_)
    causal = shape.mask == "causal"
    # torch itself shares heads since 2.5
    key, value = (part.repeat_interleave(shape.heads // shape.groups, dim=1) for part in (given_.key, given_.value))
    theirs = scaled_dot_product_attention(given_.query, key, value, given_.mask, is_causal=causal)
    has_value = ~expected.isnan()
    torch.testing.assert_close(theirs[has_value], expected[has_value], rtol=1e-10, atol=1e-12)
    assert bool((bound[has_value] >= 0).all())


@given(attention_shapes(masks=["none", "causal", "additive"]))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_rounding_stays_below_its_bound(shape: Shape) -> None:
    assert closeness(with_fault(), shape).ratio < 1


def test_masks_are_those_that_the_keywords_allow() -> None:
    assert default_masks(scaled_dot_product_attention) == ("none", "causal", "boolean", "additive")
    assert default_masks(lambda query, key, value: query) == ("none",)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: assert_attention_close(3), "int is no kernel"),  # type: ignore[arg-type]
        (
            lambda: assert_attention_close(with_fault(), dtypes=["int8"]),
            r"dtypes=\['int8'\]: expected some of 'float32'",
        ),
        (lambda: assert_attention_close(with_fault(), masks=["left"]), r"masks=\['left'\]: expected some of 'none'"),  # type: ignore[list-item]
        (lambda: assert_attention_close(with_fault(), examples=0), "examples=0: expected at least 1"),
        (lambda: assert_attention_close(lambda query, key, value: query[..., :0]), "expected the same shape"),
    ],
)
def test_what_is_no_kernel_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        call()
