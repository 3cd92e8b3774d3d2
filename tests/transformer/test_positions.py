"""Positions against their formulas in float64."""

from __future__ import annotations

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llm.transformer.positions import Rotation, sinusoidal

DOUBLE = torch.zeros(1, dtype=torch.float64)


@given(position=st.integers(0, 5000), width=st.integers(1, 33))
@settings(max_examples=50, deadline=None)
def test_sinusoids_are_those_of_the_paper(position: int, width: int) -> None:
    expected = [(math.cos if i % 2 else math.sin)(position / 10_000 ** ((i - i % 2) / width)) for i in range(width)]
    found = sinusoidal(torch.tensor([[position]]), width, DOUBLE)
    torch.testing.assert_close(found[0, 0], torch.tensor(expected, dtype=torch.float64), atol=1e-9, rtol=0)


@given(position=st.integers(0, 5000), half=st.integers(1, 16), theta=st.sampled_from([100.0, 10_000.0, 500_000.0]))
@settings(max_examples=50, deadline=None)
def test_rotation_turns_each_pair_by_its_angle(position: int, half: int, theta: float) -> None:
    """As multiplication with `e^(i · angle)` in the complex plane."""
    x = torch.randn(1, 1, 1, 2 * half, dtype=torch.float64)
    angles = torch.tensor([position * theta ** (-2 * i / (2 * half)) for i in range(half)], dtype=torch.float64)
    turned = torch.complex(x[..., :half], x[..., half:]) * torch.exp(1j * angles)
    found = Rotation(torch.tensor([[position]]), 2 * half, theta, x)(x)
    torch.testing.assert_close(found, torch.cat([turned.real, turned.imag], dim=-1), atol=1e-9, rtol=0)


@given(shift=st.integers(0, 1000), distance=st.integers(0, 50))
@settings(max_examples=50, deadline=None)
def test_what_two_turned_vectors_have_in_common_depends_on_their_distance_alone(shift: int, distance: int) -> None:
    query, key = torch.randn(2, 1, 1, 1, 8, dtype=torch.float64)

    def product(m: int, n: int) -> float:
        turned = [Rotation(torch.tensor([[p]]), 8, 10_000.0, query)(x) for p, x in ((m, query), (n, key))]
        return float((turned[0] * turned[1]).sum())

    assert math.isclose(product(distance, 0), product(distance + shift, shift), abs_tol=1e-9)


def test_half_precision_does_not_round_the_angles() -> None:
    """In bfloat16 the positions 256 and 257 would be one."""
    x = torch.ones(1, 1, 2, 2, dtype=torch.bfloat16)
    turned = Rotation(torch.tensor([[256, 257]]), 2, 10_000.0, x)(x)
    expected = torch.tensor([[math.cos(a) - math.sin(a), math.cos(a) + math.sin(a)] for a in (256, 257)])
    torch.testing.assert_close(turned[0, 0].float(), expected, atol=0.02, rtol=0)
