"""Pruning: which weights go, how many, for good; what is left of quality; and that no cache takes it for the original."""

from __future__ import annotations

import copy
from typing import Any, Literal

import numpy as np
import pytest
import torch

from pytest_llm import QualityError, assert_recovery_above
from pytest_llm.errors import MisuseError
from pytest_llm.finetuning.compression.pruning import prune
from pytest_llm.finetuning.compression.quantization import quantize
from tests.finetuning.compression.makes import HELD_OUT, answers, kinds, trained

TRAINED, KINDS = trained(), kinds()


@pytest.mark.parametrize("name", TRAINED)
def test_a_fifth_can_go(name: str) -> None:
    model = TRAINED[name]()
    assert_recovery_above(prune(model, 0.2).model, model, HELD_OUT, "perplexity", 0.97)


def test_nearly_all_cannot() -> None:
    model = TRAINED["core"]()
    with pytest.raises(QualityError, match=r"perplexity_recovery .* is not above 0.97"):
        assert_recovery_above(prune(model, 0.99).model, model, HELD_OUT, "perplexity", 0.97)


@pytest.mark.parametrize("among", ["all", "layer"])
@pytest.mark.parametrize("name", KINDS)
def test_the_smallest_weights_go_and_nothing_else_changes(name: str, among: Literal["all", "layer"]) -> None:
    model = KINDS[name]()
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    made = prune(model, 0.3, among=among)
    after = made.model.module.state_dict()
    assert list(after) == list(before)
    names = [f"{name}.weight" for name in made.changed]
    groups = [names] if among == "all" else [[name] for name in names]
    for group in groups:
        old, new = (np.concatenate([state[name].numpy().ravel() for name in group]) for state in (before, after))
        gone = new == 0
        assert gone.sum() == round(0.3 * len(old))
        assert np.abs(old[gone]).max() <= np.abs(old[~gone]).min()
        assert np.array_equal(new[~gone], old[~gone])
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items() if name not in names)
    assert all(torch.equal(model.module.state_dict()[name], tensor) for name, tensor in before.items())
    assert made.sparsity == pytest.approx(0.3, abs=0.002)
    assert made.bytes_after == made.bytes_before  # zeros take as much


def test_the_mask_is_gone(tiny: Any) -> None:
    """The layers are plain ones again: no hook, a parameter of the old name, so that caches and kernels take them."""
    made = prune(tiny, 0.5).model
    assert not any(part._forward_pre_hooks for part in made.module.modules())
    assert [name for name, _ in made.module.named_parameters()] == [name for name, _ in tiny.module.named_parameters()]
    assert made.module.model.layers[0].mlp.up_proj.weight.is_leaf


def test_a_tied_head_stays_tied_and_is_pruned_with_the_embeddings_only_on_demand(tiny: Any) -> None:
    head = prune(tiny, 0.5, among="layer", head=True)
    module = head.model.module
    assert head.changed[-1] == "lm_head"
    assert module.get_output_embeddings().weight is module.get_input_embeddings().weight
    assert float((module.get_input_embeddings().weight == 0).float().mean()) == pytest.approx(0.5, abs=1e-3)
    assert "lm_head" not in prune(tiny, 0.5).changed


def test_no_cache_takes_it_for_the_original_or_for_another_share(tiny: Any) -> None:
    made = [prune(tiny, share).model for share in (0.2, 0.21)]
    assert len({model.fingerprint() for model in (tiny, *made)}) == 3
    assert len({model.cache_key() for model in (tiny, *made)}) == 3
    assert len({model.identity().weights for model in (tiny, *made)}) == 3


def test_what_was_pruned_can_be_quantised(tiny: Any) -> None:
    """Zeros stay zeros: the grid is symmetric."""
    pruned = prune(tiny, 0.4)
    made = quantize(pruned.model)
    assert made.sparsity >= pruned.sparsity
    assert made.model.name == "tiny-decoder, 40% pruned, 8 bits"
    assert answers(made.model).isfinite().all()
    assert str(made).startswith("tiny-decoder, 40% pruned, 8 bits: 21 modules changed, 4")


def test_the_original_keeps_its_class_and_mode() -> None:
    model = KINDS["tiny_llama"]()
    before = copy.deepcopy(vars(model))
    assert not prune(model, 0.5).model.module.training
    assert vars(model).keys() == before.keys()


@pytest.mark.parametrize("wrong", [0, 1, -0.5, 50])
def test_a_share_that_is_none_is_refused(wrong: float, tiny: Any) -> None:
    with pytest.raises(MisuseError, match=f"share={wrong}"):
        prune(tiny, wrong)


def test_groups_that_are_not_known_are_refused(tiny: Any) -> None:
    with pytest.raises(MisuseError, match="among='row'"):
        prune(tiny, 0.5, among="row")  # type: ignore[arg-type]
