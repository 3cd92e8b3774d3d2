"""The head a tile of its rows at a time: the log-softmax of all of them."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import linear

from pytest_llm.models import packed
from pytest_llm.models.packed import head_log_probs


@settings(max_examples=30)
@given(rows=st.integers(1, 40), vocabulary=st.integers(1, 70), bias=st.booleans(), seed=st.integers(0, 99))
def test_the_tiled_head_is_a_log_softmax(rows: int, vocabulary: int, bias: bool, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    head = torch.nn.Linear(6, vocabulary, bias=bias)
    hidden = 5 * torch.randn(rows, 6, generator=generator)
    asked = torch.randint(rows, (2 * rows,), generator=generator)  # some rows often, some never
    targets = torch.randint(vocabulary, (2 * rows,), generator=generator)
    weights, biases = torch.split(head.weight, 32), torch.split(head.bias, 32) if bias else [None] * vocabulary
    tiles = [partial(linear, weight=weight, bias=of_tile) for weight, of_tile in zip(weights, biases, strict=False)]
    with torch.inference_mode(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "_ROWS_PER_TILE", 16)
        tiled = head_log_probs(hidden, tiles, asked.numpy(), targets.tolist())
        expected = torch.log_softmax(head(hidden).double(), dim=1)[asked, targets]
    torch.testing.assert_close(tiled.double(), expected, rtol=1e-5, atol=1e-5)


def test_a_very_unlikely_target_keeps_its_log_probability() -> None:
    head = [partial(linear, weight=torch.tensor([[0.0], [-90.0]])), partial(linear, weight=torch.tensor([[-120.0]]))]
    scores = head_log_probs(torch.ones(1, 1), head, np.array([0, 0, 0]), [0, 1, 2])
    assert scores.tolist() == pytest.approx([0, -90, -120])
