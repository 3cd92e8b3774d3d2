"""Masks and positions on examples small enough to be written out."""

from __future__ import annotations

import pytest
import torch

from pytest_llm.errors import MisuseError
from pytest_llm.transformer.masks import positions_of, real_and_before, real_tokens

REAL = torch.tensor([[1, 1, 1], [0, 1, 1], [1, 0, 0], [0, 0, 0]]).bool()


def test_padding_shifts_no_position() -> None:
    assert positions_of(REAL, 3).tolist() == [[0, 1, 2], [0, 0, 1], [0, 0, 0], [0, 0, 0]]


def test_nobody_looks_ahead_or_at_padding() -> None:
    assert real_and_before(REAL, 3).int().tolist() == [
        [[[1, 0, 0], [1, 1, 0], [1, 1, 1]]],
        [[[0, 0, 0], [0, 1, 0], [0, 1, 1]]],
        [[[1, 0, 0], [1, 0, 0], [1, 0, 0]]],
        [[[0, 0, 0], [0, 0, 0], [0, 0, 0]]],
    ]


def test_new_tokens_look_at_all_old_ones() -> None:
    assert real_and_before(REAL[:1], 2).int().tolist() == [[[[1, 1, 0], [1, 1, 1]]]]


def test_what_counts_is_how_many_tokens_are_real() -> None:
    assert positions_of(torch.tensor([[0, 0, 1, 1]]).bool(), 2).tolist() == [[0, 0, 0, 1]]
    with pytest.raises(MisuseError, match="3 tokens are more than the 2 that the model can read"):
        positions_of(REAL, 2)


def test_a_mask_has_the_shape_of_the_tokens() -> None:
    tokens = torch.zeros(2, 3, dtype=torch.long)
    assert real_tokens(tokens, None).tolist() == [[True] * 3] * 2
    with pytest.raises(MisuseError, match=r"the mask has shape \(2, 4\), the tokens have \(2, 3\)"):
        real_tokens(tokens, torch.ones(2, 4))
