"""The measured tolerance: rounding as it happens stays below it, faults stay above, and chance is not taken for rounding."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from pytest_llm.inference.contracts.rounding import Rounded, error_of_sum, measured_tolerance, ulp_of
from pytest_llm.models.network import as_network
from tests.planted_faults import dropout_left_on
from tests.tiny_checkpoints import tiny_bert, tiny_gpt2, tiny_llama, tiny_roberta


@pytest.mark.parametrize("tiny_model", [tiny_llama, tiny_gpt2, tiny_bert, tiny_roberta])
def test_the_rounding_of_float32_as_double_precision_shows_it_is_below_the_tolerance(tiny_model: Any) -> None:
    module, tokenizer = tiny_model()
    tokens = torch.randint(5, 50, (2, 24), generator=torch.Generator().manual_seed(4))
    network = as_network((module, tokenizer))
    allowed = measured_tolerance(network, [tokens])
    found = network.read(tokens).double()
    error = float((found - as_network(module.double()).read(tokens)).abs().max())
    assert 0 < error < allowed.amount
    assert allowed.amount < 100 * error  # and no more than it takes
    assert "products is off by its rounding" in allowed.basis


def test_chance_is_no_rounding() -> None:
    """A model whose answers differ by tenths from call to call has the tolerance of one whose answers do not."""
    tokens = torch.randint(5, 50, (1, 24))
    plain, random = (
        measured_tolerance(as_network(pair), [tokens]).amount for pair in (tiny_llama(), dropout_left_on())
    )
    assert random < 5 * plain


def test_a_network_without_products_has_an_ulp() -> None:
    allowed = measured_tolerance(as_network(lambda ids: nn.functional.one_hot(ids, 9) * 3.0), [torch.tensor([[1, 2]])])
    assert allowed.amount == 2 * torch.finfo(torch.float32).eps  # of 3, which lies in [2, 4)
    assert "no product of torch was seen to be rounded" in allowed.basis


def test_products_are_moved_by_the_rounding_of_their_sums() -> None:
    one, other = torch.ones(8, 64), torch.ones(64, 8)
    with Rounded(0, torch.device("cpu")) as rounding:
        moved = one @ other
        untouched = one + one
    assert rounding.products == 1
    assert torch.equal(untouched, one + one)
    off = (moved / 64 - 1).abs()
    assert float(off.max()) == pytest.approx(8 * 2.0**-24, rel=0.2)  # √64 · ε/2
    assert set((moved - 64).sign().flatten().tolist()) == {-1.0, 1.0}


def test_halves_are_rounded_once_and_summed_in_float32() -> None:
    half, whole = torch.finfo(torch.bfloat16).eps / 2, torch.finfo(torch.float32).eps / 2
    assert error_of_sum(100, torch.bfloat16) == half + 10 * whole
    assert error_of_sum(100, torch.float64) == 10 * torch.finfo(torch.float64).eps / 2
    assert error_of_sum(100, torch.float32, unit=half) == half + 10 * whole


def test_an_outer_product_sums_nothing_and_is_not_rounded_to_another_type() -> None:
    assert error_of_sum(1, torch.float32, unit=2.0**-8) == error_of_sum(1, torch.float32) == 2.0**-24


def test_what_torch_was_told_of_float32_products_counts() -> None:
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("high")
        assert error_of_sum(1, torch.float32) > 2.0**-11
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize(("value", "exponent"), [(1.0, -23), (1.99, -23), (2.0, -22), (0.75, -24)])
def test_an_ulp_is_the_distance_to_the_next_number(value: float, exponent: int) -> None:
    assert ulp_of(value, torch.float32) == 2.0**exponent
    following = torch.nextafter(torch.tensor(value), torch.tensor(math.inf))
    assert float(following) - float(torch.tensor(value)) == 2.0**exponent


def test_measuring_draws_nothing_from_the_test_s_own_random_numbers() -> None:
    network = as_network(dropout_left_on())
    assert network.dtype == torch.float32  # which is asked of the network once, by reading
    state = torch.get_rng_state()
    measured_tolerance(network, [torch.tensor([[5, 6, 7]])])
    assert torch.equal(torch.get_rng_state(), state)
