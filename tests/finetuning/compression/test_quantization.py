"""Quantization: which modules, how many bytes, what is left of quality; and that no cache takes it for the original."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn.utils import prune as torch_pruning

from pytest_llm import QualityError, assert_finite_logits, assert_model_size_below, assert_recovery_above, measure
from pytest_llm.errors import MisuseError
from pytest_llm.finetuning.compression.quantization import quantize
from pytest_llm.models.integer_linear import IntegerLinear
from pytest_llm.models.size import in_memory
from tests.finetuning.compression.makes import HELD_OUT, answers, kinds, trained

TRAINED, KINDS = trained(), kinds()


@pytest.mark.parametrize("name", TRAINED)
def test_eight_bits_keep_the_quality_and_a_quarter_of_the_bytes(name: str) -> None:
    model = TRAINED[name]()
    made = quantize(model)
    assert_recovery_above(made.model, model, HELD_OUT, "perplexity", 0.99)
    linear = sum(part.weight.numel() for part in model.module.modules() if isinstance(part, torch.nn.Linear))
    head = model.module.get_output_embeddings().weight.numel()
    rows = sum(part.out_features for part in made.model.module.modules() if isinstance(part, IntegerLinear))
    assert made.bytes_before - made.bytes_after == 3 * (linear - head) - 4 * rows  # a scale each
    assert made.bytes_after == sum(in_memory(made.model).values())
    assert_model_size_below(made.model, 0.45 * made.bytes_before)
    assert len(made.changed) == 21  # seven in each of three layers


def test_two_bits_do_not() -> None:
    model = TRAINED["core"]()
    with pytest.raises(QualityError, match=r"perplexity_recovery 0.*is not above 0.9"):
        assert_recovery_above(quantize(model, bits=2).model, model, HELD_OUT, "perplexity", 0.9)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_model_is_copied_and_answers_nearly_as_before(name: str) -> None:
    model = KINDS[name]()
    before, weights = answers(model), copy.deepcopy(model.module.state_dict())
    made = quantize(model, bits=8)
    found = answers(made.model)
    assert type(made.model) is type(model)
    assert 0 < float((found - before).abs().mean()) < 0.05 * float(before.std())
    assert torch.equal(answers(model), before)
    assert all(torch.equal(one, weights[name]) for name, one in model.module.state_dict().items())
    assert made.model.tokenizer is model.tokenizer


def test_the_formula_holds_inside_a_real_model(tiny: Any) -> None:
    """Its layers are those of `IntegerLinear`, and no other module is another one."""
    made = quantize(tiny)
    parts = dict(made.model.module.named_modules())
    assert {name for name, part in parts.items() if isinstance(part, IntegerLinear)} == {*made.changed}
    for name, part in tiny.module.named_modules():
        assert name in made.changed or type(parts[name]) is type(part)
    name = "model.layers.1.mlp.down_proj"
    inside = torch.randn(3, 512, generator=torch.Generator().manual_seed(0))
    expected = IntegerLinear(tiny.module.get_submodule(name).weight, None)(inside)
    assert torch.equal(parts[name](inside), expected)


def test_the_head_is_quantised_on_demand_and_embeddings_are_not(tiny: Any) -> None:
    made = quantize(tiny, head=True)
    assert made.changed[-1] == "lm_head"
    assert torch.equal(made.model.module.get_input_embeddings().weight, tiny.module.get_input_embeddings().weight)
    # the matrix was one with the embeddings, and is there as integers besides
    assert made.bytes_after == quantize(tiny).bytes_after + 2048 * 192 + 4 * 2048


def test_no_cache_takes_it_for_the_original_or_for_other_bits(tiny: Any) -> None:
    """In one session: what is remembered of one model is no answer of another, and the same model is the same."""
    made = [quantize(tiny, bits=bits, activation_bits=inputs).model for bits, inputs in ((8, 8), (4, 8), (8, None))]
    assert len({model.fingerprint() for model in (tiny, *made)}) == 4
    assert len({model.cache_key() for model in (tiny, *made)}) == 4
    assert made[0].cache_key() == quantize(tiny).model.cache_key() is not None
    assert tiny.identity().weights != made[0].identity().weights
    values = [measure(model, HELD_OUT[:1], "perplexity").value for model in (tiny, *made, tiny)]
    assert values[0] == values[-1]
    assert len(set(values)) == 4


def test_a_changed_integer_is_another_model(tiny: Any) -> None:
    made = quantize(tiny).model
    before = made.fingerprint(), made.cache_key()
    made.module.model.layers[1].mlp.up_proj.weight[3, 5] += 1
    assert made.fingerprint() != before[0]
    assert made.cache_key() != before[1]


def test_it_takes_part_in_contracts(tiny: Any) -> None:
    assert_finite_logits(quantize(tiny).model)


def test_layers_that_are_used_twice_are_one_layer() -> None:
    model = KINDS["tiny_llama"]()
    model.module.model.layers[1].mlp = model.module.model.layers[0].mlp
    made = quantize(model).model.module.model.layers
    assert made[0].mlp.up_proj is made[1].mlp.up_proj
    assert type(made[0].mlp.up_proj) is IntegerLinear


def half_pruned(model: Any) -> Any:
    untyped: Any = torch_pruning
    untyped.l1_unstructured(model.module.model.layers[0].mlp.up_proj, "weight", amount=0.5)
    return model


def hooked(model: Any) -> Any:
    model.module.model.layers[0].mlp.up_proj.register_forward_hook(lambda *_: None)
    return model


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: quantize(KINDS["tiny_llama"]()).model, "is it compressed already"),
        (lambda: half_pruned(KINDS["tiny_llama"]()), "up_proj computes its weight when it is called"),
        (lambda: hooked(KINDS["tiny_llama"]()), "up_proj has hooks"),
        (lambda: type("Own", (), {"score": lambda self, texts: []})(), "no weights here"),
    ],
)
def test_what_cannot_be_quantised_is_refused(make: Callable[[], Any], complaint: str) -> None:
    with pytest.raises(MisuseError, match=complaint):
        quantize(make())


@pytest.mark.slow
@pytest.mark.smollm2
def test_eight_bits_keep_a_real_model_and_two_do_not(smollm2: Any) -> None:
    assert_recovery_above(quantize(smollm2).model, smollm2, HELD_OUT[:3], "perplexity", 0.93)
    with pytest.raises(QualityError, match=r"perplexity_recovery .* is not above 0.93"):
        assert_recovery_above(quantize(smollm2, bits=2).model, smollm2, HELD_OUT[:3], "perplexity", 0.93)
