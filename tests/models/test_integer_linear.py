"""A linear layer of integers: against the formula in float64, and how far rounding may take it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm.errors import MisuseError
from pytest_llm.models.integer_linear import IntegerLinear


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def rounded(x: Any, bits: int) -> tuple[Any, Any]:
    """Integers and scales in float64, row by row; none of the numbers here is halfway between two integers."""
    scale = np.abs(x).max(axis=-1, keepdims=True) / (2 ** (bits - 1) - 1)
    return np.rint(x / scale).astype(np.int64), scale


@pytest.mark.parametrize(("bits", "activation_bits"), [(8, 8), (4, 8), (2, 3)])
def test_integers_are_multiplied_and_scaled(bits: int, activation_bits: int) -> None:
    """Exactly: more of them than float32 could add up without rounding if they were large."""
    weight, bias, x = drawn(7, 1500), drawn(7, seed=1), drawn(2, 3, 1500, seed=2)
    layer = IntegerLinear(weight, bias, bits=bits, activation_bits=activation_bits)
    (w, of_row), (given_x, of_token) = (
        rounded(weight.double().numpy(), bits),
        rounded(x.double().numpy(), activation_bits),
    )
    expected = (given_x @ w.T) * of_token * of_row[:, 0] + bias.double().numpy()
    np.testing.assert_allclose(layer(x).double().numpy(), expected, rtol=1e-5, atol=1e-4)
    assert layer.weight.dtype == torch.int8
    assert torch.equal(layer.weight, torch.from_numpy(w).to(torch.int8))


def test_inputs_stay_as_they_are_where_only_weights_are_rounded() -> None:
    weight, x = drawn(5, 40), drawn(3, 40, seed=1)
    w, of_row = rounded(weight.double().numpy(), 4)
    found = IntegerLinear(weight, None, bits=4, activation_bits=None)(x)
    np.testing.assert_allclose(found.double().numpy(), x.double().numpy() @ (w * of_row).T, rtol=1e-4, atol=1e-5)


@given(seed=st.integers(0, 2**32 - 1), bits=st.integers(2, 8), largest=st.sampled_from([1e-20, 1.0, 1e20]))
def test_no_weight_moves_further_than_half_a_step(seed: int, bits: int, largest: float) -> None:
    """So that an output moves by no more than half a step of its row, times the sum of the magnitudes that come in."""
    weight, x = drawn(4, 9, seed=seed) * largest, drawn(2, 9, seed=seed + 1)
    moved = (IntegerLinear(weight, None, bits=bits, activation_bits=None)(x) - x @ weight.T).abs().double()
    step = weight.abs().amax(dim=1).double() / (2 ** (bits - 1) - 1)
    assert bool((moved <= (0.5 + 1e-4) * step * x.abs().sum(dim=1, keepdim=True).double()).all())


def test_rows_and_tokens_of_zeros_stay_zero() -> None:
    layer = IntegerLinear(torch.tensor([[0.0, 0.0], [1.0, 2.0]]), None)
    assert layer(torch.tensor([[0.0, 0.0], [0.0, 3.0]])).tolist() == [[0.0, 0.0], [0.0, 6.0]]


def test_half_precision_comes_out_as_it_came_in() -> None:
    layer = IntegerLinear(drawn(3, 8).bfloat16(), drawn(3).bfloat16())
    assert layer(drawn(2, 8).bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("wrong", [{"bits": 1}, {"bits": 9}, {"activation_bits": 0}, {"bits": 4.5}])
def test_bits_that_do_not_fit_are_refused(wrong: Any) -> None:
    with pytest.raises(MisuseError, match=f"{next(iter(wrong))}=.*expected 2 to 8"):
        IntegerLinear(drawn(2, 2), None, **wrong)


@pytest.mark.parametrize("damage", [math.nan, math.inf])
def test_weights_that_are_no_numbers_are_refused(damage: float) -> None:
    weight = drawn(2, 2)
    weight[1, 0] = damage
    with pytest.raises(MisuseError, match="not finite"):
        IntegerLinear(weight, None)
