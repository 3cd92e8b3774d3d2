"""Fewer layers: the model that is left is the one that its configuration describes."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

from pytest_llm import assert_cache_consistent, assert_model_size_below, measure
from pytest_llm.errors import MisuseError
from pytest_llm.finetuning.compression.depth import keep_layers
from pytest_llm.models.core_model import core_model
from pytest_llm.transformer.architectures import CausalLM
from tests import old_releases
from tests.finetuning.compression.makes import HELD_OUT, answers, kinds, trained

TRAINED, KINDS = trained(), kinds()
ONE_STACK = ["tiny_llama", "tiny_gpt2", "tiny_bert", "tiny_classifier", "core encoder", "core decoder"]


def test_it_is_the_model_of_transformers_with_so_many_layers() -> None:
    model = TRAINED["transformers"]()
    made = keep_layers(model, [0, 2])
    config = type(model.module.config)(**{**model.module.config.to_dict(), "num_hidden_layers": 2})
    untyped: Any = LlamaForCausalLM
    reference = untyped(config).eval()
    state = model.module.state_dict()
    kept = {name.replace("layers.2.", "layers.1."): value for name, value in state.items() if "layers.1." not in name}
    reference.load_state_dict(kept)
    tokens = torch.tensor([[5, 9, 17, 6, 8, 30]])
    with torch.inference_mode():
        torch.testing.assert_close(made.model.module(tokens).logits, reference(tokens).logits)
    assert made.changed == ("model.layers.1",)
    assert made.bytes_before - made.bytes_after == sum(
        tensor.nbytes for name, tensor in state.items() if "layers.1." in name
    )
    assert_model_size_below(made.model, made.bytes_before)


def test_it_is_the_model_of_the_core_with_so_many_layers() -> None:
    """The same as in transformers, and as a core that was made with that shape."""
    model = TRAINED["core"]()
    made = keep_layers(model, [0, 2]).model
    core = CausalLM(dataclasses.replace(model.core.config, layers=2, decoder_layers=2))
    kept = {
        name.replace("layers.2.", "layers.1."): value
        for name, value in model.core.state_dict().items()
        if "layers.1." not in name
    }
    core.load_state_dict(kept)
    reference = core_model(core, model.tokenizer, name=made.name)
    assert made.core.config == core.config == made.core.body.config
    assert made.cache_key() == reference.cache_key() is not None
    assert torch.equal(answers(made), answers(reference))
    other = keep_layers(TRAINED["transformers"](), [0, 2]).model
    values = [measure(one, HELD_OUT[:1], "perplexity").value for one in (made, other)]
    assert values[0] == pytest.approx(values[1], rel=1e-5)


@pytest.mark.parametrize("name", ONE_STACK)
def test_every_kind_with_one_stack_answers_and_the_original_stays(name: str) -> None:
    model = KINDS[name]()
    before = answers(model)
    made = keep_layers(model, [1])
    assert answers(made.model).shape == before.shape
    assert not torch.equal(answers(made.model), before)
    assert torch.equal(answers(model), before)
    assert made.model.fingerprint() != model.fingerprint()


@pytest.mark.parametrize(
    "name", [pytest.param("tiny_llama", marks=old_releases.writes_into_expanded_masks), "core decoder"]
)
def test_keys_and_values_have_their_place_in_a_cache(name: str) -> None:
    assert_cache_consistent(keep_layers(KINDS[name](), [1]).model)


@pytest.mark.parametrize("layers", [[], [0, 1], [1, 0], [0, 0], [2], [-1]])
def test_layers_that_are_not_some_of_them_are_refused(layers: list[int]) -> None:
    with pytest.raises(MisuseError, match="expected some, in rising order, of the 2"):
        keep_layers(KINDS["core decoder"](), layers)


@pytest.mark.parametrize("name", ["tiny_t5", "tiny_bart", "core encoder-decoder"])
def test_two_stacks_are_refused(name: str) -> None:
    with pytest.raises(MisuseError, match="no single stack"):
        keep_layers(KINDS[name](), [1])
