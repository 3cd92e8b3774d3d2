"""The worst small change of embeddings: formulas on models where they can be written down, laws of the ball, and no trace left."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pytest_llm.errors import MisuseError
from pytest_llm.models.core_factory import fresh_model
from pytest_llm.models.embedding_perturbation import drawn_inside, norms, perturbed, projected, unit, worst
from pytest_llm.models.loading import as_language_model
from pytest_llm.tasks.perturb import Per
from tests.tiny_checkpoints import tiny_bert, tiny_gpt2, tiny_llama

PERS: list[Per] = ["sequence", "token"]
TOKENS = torch.tensor([[5, 9, 17, 6], [8, 30, 2, 2]])


def drawn(seed: int = 0, *shape: int) -> torch.Tensor:
    return torch.randn(shape or (3, 4, 5), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("per", PERS)
def test_of_a_linear_model_it_is_the_normal_of_the_plane(steps: int, per: Per) -> None:
    """f(e) = Σ w·e grows most along w: by ε‖w‖, in one step and in many."""
    weight, radius = drawn(), 0.3
    found = worst(lambda delta: (weight * delta).sum(), torch.zeros_like(weight), radius, steps=steps, per=per)
    length = weight.square().sum(dim=(1, 2) if per == "sequence" else 2, keepdim=True).sqrt()
    torch.testing.assert_close(found, radius * weight / length)
    torch.testing.assert_close((weight * found).sum(), radius * length.sum())


def test_steps_follow_the_gradient_and_stay_in_the_ball() -> None:
    """f(δ) = -‖δ - a‖²/2 with its peak outside the ball: it ends at the border, nearest to the peak; inside, at the peak."""
    peak = drawn(1, 1, 1, 2)
    outside = worst(
        lambda delta: -(delta - peak).square().sum(),
        drawn(2, 1, 1, 2) / 9,
        0.5 * float(peak.norm()),
        steps=200,
        step_size=0.02,
    )
    torch.testing.assert_close(outside, 0.5 * peak, atol=0.02, rtol=0)
    inside = worst(lambda delta: -(delta - peak).square().sum(), torch.zeros_like(peak), 9.0, steps=200, step_size=0.02)
    torch.testing.assert_close(inside, peak, atol=0.03, rtol=0)


def test_each_norm_has_its_own_radius() -> None:
    weight = drawn()
    radius = 0.1 * norms(drawn(3), "token")
    found = worst(lambda delta: (weight * delta).sum(), torch.zeros_like(weight), radius, steps=4, per="token")
    torch.testing.assert_close(norms(found, "token"), radius)


@given(
    seed=st.integers(0, 2**32 - 1),
    radius=st.floats(1e-3, 10),
    size=st.sampled_from([0.0, 0.01, 1.0, 100.0]),
    per=st.sampled_from(PERS),
)
def test_projection_gives_the_nearest_point_of_the_ball(seed: int, radius: float, size: float, per: Per) -> None:
    delta = size * drawn(seed)
    found = projected(delta, radius, per)
    assert bool((norms(found, per) <= radius * (1 + 1e-12)).all())
    torch.testing.assert_close(projected(found, radius, per), found)
    inside = norms(delta, per) <= radius
    assert torch.equal(torch.where(inside, found, 0), torch.where(inside, delta, 0))
    torch.testing.assert_close(unit(found, per), unit(delta, per))


@given(seed=st.integers(0, 2**32 - 1), per=st.sampled_from(PERS))
def test_a_start_is_inside_and_the_same_for_the_same_seed(seed: int, per: Per) -> None:
    one, other = (drawn_inside(drawn(), 0.7, per, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert torch.equal(one, other)
    assert bool((norms(one, per) <= 0.7).all())
    assert bool((norms(one, per) > 0).all())


def test_where_there_is_no_gradient_nothing_moves() -> None:
    flat = worst(lambda delta: (0 * delta).sum(), torch.zeros(2, 3, 4), 1.0, steps=3)
    assert torch.equal(flat, torch.zeros(2, 3, 4))


@pytest.mark.parametrize(
    "make", [tiny_llama, tiny_gpt2, tiny_bert, lambda: fresh_model("decoder"), lambda: fresh_model("encoder")]
)
def test_it_is_added_to_the_embeddings_and_leaves_no_trace(make: Any) -> None:
    made = make()
    model: Any = as_language_model(made) if isinstance(made, tuple) else made
    table = model.module.get_input_embeddings()
    fingerprint = model.fingerprint()
    with torch.no_grad():
        before = model.module(TOKENS).logits
        delta = 0.1 * torch.randn(2, 4, table.weight.shape[1], generator=torch.Generator().manual_seed(0))
        with perturbed(model.module, delta) as seen:
            found = model.module(TOKENS).logits
        assert torch.equal(seen[0], nn.functional.embedding(TOKENS, table.weight))
        assert not torch.equal(found, before)
        with perturbed(model.module, torch.zeros_like(delta)):
            assert torch.equal(model.module(TOKENS).logits, before)
        assert torch.equal(model.module(TOKENS).logits, before)
    assert model.fingerprint() == fingerprint


def test_a_model_of_transformers_agrees_with_its_own_way_to_take_embeddings() -> None:
    module, _ = tiny_llama()
    delta = 0.1 * torch.randn(2, 4, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        with perturbed(module, delta):
            found = module(TOKENS).logits
        expected = module(inputs_embeds=module.get_input_embeddings()(TOKENS) + delta).logits
    torch.testing.assert_close(found, expected)


def test_an_error_inside_takes_the_hook_off_too() -> None:
    model: Any = fresh_model("decoder")
    with (
        pytest.raises(MisuseError, match=r"in the place of \(1, 1, 64\)"),
        perturbed(model.core, torch.zeros(1, 1, 64)),
    ):
        model.core(TOKENS)
    assert not model.module.get_input_embeddings()._forward_hooks


def test_other_modules_and_numbers_are_refused() -> None:
    with pytest.raises(MisuseError, match="has no embedding"), perturbed(nn.Linear(2, 2), None):
        pass
    with pytest.raises(MisuseError, match="steps=0"):
        worst(lambda delta: delta.sum(), torch.zeros(1, 1, 1), 1.0, steps=0)
    with pytest.raises(MisuseError, match="is not a number"):
        worst(lambda delta: (delta * float("nan")).sum(), torch.zeros(1, 1, 1), 1.0)
