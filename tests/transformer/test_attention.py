"""Attention against the formula in float64 NumPy and `torch.nn.MultiheadAttention`, over drawn shapes and masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pytest_llm.errors import MisuseError
from pytest_llm.transformer.attention import Attention, attention_formula, fused_attention, use_attention
from pytest_llm.transformer.cache import KeysAndValues
from pytest_llm.transformer.config import Config

WAYS = [attention_formula, fused_attention]


def reference(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Any:
    """The formula, row by row, in float64; zeros where nothing may be seen."""
    q, k, v = (part.double().numpy() for part in (query, key, value))
    visible = mask.expand(*q.shape[:3], k.shape[2]).numpy()
    out = np.zeros((*q.shape[:3], v.shape[3]))
    for place in np.ndindex(*q.shape[:3]):
        batch, head, _ = place
        seen = np.flatnonzero(visible[place])
        if len(seen):
            scores = k[batch, head, seen] @ q[place] / np.sqrt(q.shape[3])
            weights = np.exp(scores - scores.max())
            out[place] = weights / weights.sum() @ v[batch, head, seen]
    return out


@st.composite
def questions(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Queries, keys, values and a mask that may hide everything; length 1 and one head included."""
    batch, heads, queries, keys = (draw(st.integers(1, most)) for most in (2, 3, 5, 6))
    width, wide = draw(st.integers(1, 9)), draw(st.integers(1, 4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    scale = draw(st.sampled_from([0.0, 1.0, 30.0]))
    query, key = (torch.randn(batch, heads, n, width, generator=generator) * scale for n in (queries, keys))
    value = torch.randn(batch, heads, keys, wide, generator=generator)
    share = draw(st.sampled_from([0.0, 0.5, 1.0]))
    mask = torch.rand(batch, 1, queries, keys, generator=generator) < share
    return query, key, value, mask


@pytest.mark.parametrize("attend", WAYS)
@given(questions())
@settings(max_examples=40, deadline=None)
def test_it_is_the_formula(attend: Any, question: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    query, key, value, mask = question
    np.testing.assert_allclose(
        attend(query.double(), key.double(), value.double(), mask), reference(*question), atol=1e-10
    )
    largest = (
        float((query.abs() @ key.abs().transpose(-2, -1)).max()) / query.shape[3] ** 0.5
    )  # score, before any cancels
    np.testing.assert_allclose(attend(query, key, value, mask), reference(*question), atol=1e-5 + 2e-6 * largest)


@given(questions())
@settings(max_examples=40, deadline=None)
def test_the_formula_and_the_fused_kernel_agree(question: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    query, key, value, mask = question
    query, key = query / query.abs().max().clamp(min=1), key / key.abs().max().clamp(min=1)
    torch.testing.assert_close(
        fused_attention(query, key, value, mask), attention_formula(query, key, value, mask), atol=1e-6, rtol=1e-6
    )
    torch.testing.assert_close(
        fused_attention(query, key, value), attention_formula(query, key, value), atol=1e-6, rtol=1e-6
    )


@pytest.mark.parametrize("attend", WAYS)
def test_a_query_that_sees_nothing_gets_zeros_and_a_finite_gradient(attend: Any) -> None:
    query, key, value = (torch.randn(1, 2, 3, 4, requires_grad=True) for _ in range(3))
    mixed = attend(query, key, value, torch.tensor([[True] * 3, [False] * 3, [True] * 3]))
    assert (mixed[:, :, 1] == 0).all()
    mixed.sum().backward()
    for part in (query, key, value):
        assert part.grad is not None
        assert part.grad.isfinite().all()


@given(
    heads=st.integers(1, 4),
    width=st.integers(1, 5),
    lengths=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    padding=st.integers(0, 5),
)
@settings(max_examples=40, deadline=None)
def test_several_heads_are_those_of_torch(heads: int, width: int, lengths: tuple[int, int], padding: int) -> None:
    queries, keys = lengths
    ours = Attention(_config(heads=heads, head_width=width, width=heads * width)).double()
    torchs = nn.MultiheadAttention(heads * width, heads, batch_first=True).double()
    with torch.no_grad():
        torchs.in_proj_weight.copy_(torch.cat([part.weight for part in (ours.query, ours.key, ours.value)]))
        torchs.in_proj_bias.copy_(torch.cat([part.bias for part in (ours.query, ours.key, ours.value)]))
        torchs.out_proj.load_state_dict(ours.output.state_dict())
    x, memory = (torch.randn(2, length, heads * width, dtype=torch.float64) for length in (queries, keys))
    real = torch.ones(2, keys, dtype=torch.bool)
    real[0, max(1, keys - padding) :] = False
    expected, _ = torchs(x, memory, memory, key_padding_mask=~real, need_weights=False)
    torch.testing.assert_close(ours(x, memory=memory, mask=real[:, None, None]), expected)


def test_grouped_queries_share_keys_and_values() -> None:
    """As if each key-value head stood there twice."""
    grouped = Attention(_config(heads=4, key_value_heads=2, head_width=3, width=12)).double()
    full = Attention(_config(heads=4, head_width=3, width=12)).double()
    state = grouped.state_dict()
    for name in ("key", "value"):
        for kind in ("weight", "bias"):
            shared = state[f"{name}.{kind}"].unflatten(0, (2, 3))
            state[f"{name}.{kind}"] = shared.repeat_interleave(2, dim=0).flatten(0, 1)
    full.load_state_dict(state)
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    torch.testing.assert_close(grouped(x), full(x))


def test_cross_attention_keeps_the_first_memory_in_its_cache() -> None:
    layer = Attention(_config()).double()
    x, memory = torch.randn(1, 2, 8, dtype=torch.float64), torch.randn(1, 3, 8, dtype=torch.float64)
    cache = KeysAndValues()
    first = layer(x, memory=memory, cache=cache)
    torch.testing.assert_close(layer(x, memory=memory, cache=cache), first)
    assert cache.keys is not None
    assert cache.keys.shape[2] == 3


def test_a_kernel_of_your_own_takes_part() -> None:
    calls = []

    def counted(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        calls.append(query.shape)
        return attention_formula(query, key, value, mask)

    layer = Attention(_config())
    x = torch.randn(1, 3, 8)
    expected = layer(x)
    use_attention(layer, counted)
    torch.testing.assert_close(layer(x), expected, atol=1e-6, rtol=1e-6)
    assert calls == [(1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"heads": 4, "key_value_heads": 3}, "4 heads cannot share 3 key-value heads"),
        ({"heads": 0}, "heads=0: expected at least 1"),
        ({"head_width": 3}, "head_width=3: rotary"),
        ({"positions": "relative"}, "positions='relative': expected one of sinusoidal, learned, rotary"),
        ({"dropout": 1.0}, "dropout=1.0"),
    ],
)
def test_impossible_shapes_are_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(MisuseError, match=complaint):
        _config(**{"positions": "rotary", **settings})


def _config(**settings: Any) -> Config:
    shape = {"vocabulary": 9, "width": 8, "layers": 1, "heads": 2, "max_length": 16, "bias": True}
    return Config(**{**shape, "positions": "learned", **settings})
