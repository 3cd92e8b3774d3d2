"""Each parameter is in one place, for every architecture of the table, in transformers and in the core."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from pytest_llm import MisuseError
from pytest_llm.finetuning.anatomy import FEED_FORWARD, anatomy
from pytest_llm.models.core_factory import fresh_model
from tests.tiny_checkpoints import (
    tiny_bart,
    tiny_bert,
    tiny_classifier,
    tiny_distilbert,
    tiny_gpt2,
    tiny_llama,
    tiny_roberta,
    tiny_t5,
)

# what stands outside of the layers; a tied head is the embedding
HEADS: dict[str, tuple[Any, set[str]]] = {
    "llama": (tiny_llama, {"model.norm.weight", "lm_head.weight"}),
    "gpt2": (tiny_gpt2, {"transformer.ln_f.weight", "transformer.ln_f.bias"}),
    "bart": (tiny_bart, set()),
    "t5": (tiny_t5, {"encoder.final_layer_norm.weight", "decoder.final_layer_norm.weight"}),
    "classifier": (
        tiny_classifier,
        {"bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight", "classifier.bias"},
    ),
}
FEED_FORWARD_WIDTH = 24
MAKERS = [
    tiny_llama,
    partial(tiny_gpt2, n_inner=FEED_FORWARD_WIDTH),
    tiny_bart,
    tiny_t5,
    tiny_bert,
    tiny_roberta,
    tiny_distilbert,
]


@pytest.mark.parametrize("make", MAKERS)
def test_each_parameter_of_transformers_is_in_one_place(make: Any) -> None:
    module, _ = make()
    parts = anatomy(module)
    names = [*parts.embeddings, *parts.head, *(name for layer in parts.layers for name in layer)]
    assert sorted(names) == sorted(name for name, _ in module.named_parameters())
    assert parts.embeddings
    own = dict(module.named_parameters())
    for of_layer in parts.layers:
        wide = [name for name in of_layer if FEED_FORWARD_WIDTH in own[name].shape]
        assert wide  # the feed-forward part is the one that goes through the wider space
        assert set(wide) <= set(parts.feed_forward)
        for name in set(parts.feed_forward) & set(of_layer) - set(wide):
            assert own[name].dim() == 1  # the bias of the way back


@pytest.mark.parametrize("kind", HEADS)
def test_what_is_neither_embedding_nor_layer_is_the_head(kind: str) -> None:
    make, expected = HEADS[kind]
    assert set(anatomy(make()[0]).head) == expected


@pytest.mark.parametrize(("architecture", "layers"), [("encoder", 2), ("decoder", 2), ("encoder-decoder", 4)])
def test_models_of_the_core_are_taken_apart(architecture: Any, layers: int) -> None:
    module = fresh_model(architecture).module
    parts = anatomy(module)
    names = [*parts.embeddings, *parts.head, *(name for layer in parts.layers for name in layer)]
    assert sorted(names) == sorted(name for name, _ in module.named_parameters())
    assert len(parts.layers) == layers
    assert all(".feed_forward." in name for name in parts.feed_forward)
    assert len({name.partition(".feed_forward.")[0] for name in parts.feed_forward}) == layers


def test_layers_come_from_first_to_last_and_an_encoder_s_before_its_decoder_s() -> None:
    firsts = [layer[0].partition(".self_attn")[0] for layer in anatomy(tiny_bart()[0]).layers]
    assert firsts == [f"model.{stack}.layers.{number}" for stack in ("encoder", "decoder") for number in (0, 1)]


def test_an_unknown_architecture_is_named() -> None:
    class Mamba(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mixer = torch.nn.Linear(2, 2)

    with pytest.raises(MisuseError, match=r"the layers of Mamba are not known: .*BertLayer.*Full\(\)"):
        anatomy(Mamba())
    assert "Layer" in FEED_FORWARD
