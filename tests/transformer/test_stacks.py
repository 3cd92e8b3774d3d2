"""Whole layers and stacks against `torch.nn.TransformerEncoder` and `TransformerDecoder`; the embedding of texts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cosine_similarity
from transformers import AutoTokenizer

from pytest_llm.models.sources import minilm_folder
from pytest_llm.transformer.architectures import TextEmbedder
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.fresh import fresh
from pytest_llm.transformer.layers import Layer
from pytest_llm.transformer.weights.files import load

WIDTH, HEADS, INNER = 12, 3, 20
NAMES = {
    "self_attn": "attention",
    "multihead_attn": "cross_attention",
    "linear1": "feed_forward.up",
    "linear2": "feed_forward.down",
}
NORMS = {
    False: ["attention_norm", "feed_forward_norm"],
    True: ["attention_norm", "cross_attention_norm", "feed_forward_norm"],
}


def ours_of(published: Any, cross: bool, norm_first: bool, activation: Any) -> Layer:
    """Our layer with the weights of torch's."""
    config = Config(
        vocabulary=9,
        width=WIDTH,
        layers=1,
        heads=HEADS,
        max_length=9,
        inner_width=INNER,
        positions="learned",
        feed_forward=activation,
        normalization="layer",
        norm_epsilon=1e-5,
        norm_first=norm_first,
        bias=True,
    )
    layer = Layer(config, cross=cross).double().eval()
    state = {}
    for name, tensor in published.state_dict().items():
        module, _, parameter = name.rpartition(".")
        first, _, rest = module.partition(".")
        if first.startswith("norm"):
            state[f"{NORMS[cross][int(first[-1]) - 1]}.{parameter}"] = tensor
        elif parameter.startswith("in_proj"):
            for part, piece in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                state[f"{NAMES[first]}.{part}.{parameter.removeprefix('in_proj_')}"] = piece
        else:
            state[f"{NAMES[first]}{'.output' if rest else ''}.{parameter}"] = tensor
    layer.load_state_dict(state)
    return layer


def shaken(module: Any) -> Any:
    """Biases and norms are not 0 and 1."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module.double().eval()


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm_first", [True, False], ids=["pre", "post"])
@torch.inference_mode()
def test_an_encoder_layer_is_torchs(norm_first: bool, activation: Any) -> None:
    published = shaken(
        nn.TransformerEncoderLayer(WIDTH, HEADS, INNER, activation=activation, batch_first=True, norm_first=norm_first)
    )
    layer = ours_of(published, False, norm_first, activation)
    x = torch.randn(2, 5, WIDTH, dtype=torch.float64)
    real = torch.tensor([[True] * 5, [True, True, False, False, False]])
    expected = published(x, src_key_padding_mask=~real)
    torch.testing.assert_close(layer(x, mask=real[:, None, None])[real], expected[real])


@pytest.mark.parametrize("norm_first", [True, False], ids=["pre", "post"])
@torch.inference_mode()
def test_a_decoder_layer_is_torchs(norm_first: bool) -> None:
    published = shaken(nn.TransformerDecoderLayer(WIDTH, HEADS, INNER, batch_first=True, norm_first=norm_first))
    layer = ours_of(published, True, norm_first, "relu")
    x, memory = torch.randn(2, 4, WIDTH, dtype=torch.float64), torch.randn(2, 6, WIDTH, dtype=torch.float64)
    before = torch.ones(4, 4, dtype=torch.bool).tril()
    expected = published(x, memory, tgt_mask=~before)
    torch.testing.assert_close(layer(x, mask=before, memory=memory), expected)


def test_a_text_has_the_mean_of_its_states_scaled_to_length_one() -> None:
    config = Config(vocabulary=20, width=8, layers=1, heads=2, max_length=16)
    model = fresh(TextEmbedder, config).double()
    tokens, mask = torch.randint(20, (2, 5)), torch.tensor([[1, 1, 1, 0, 0], [0, 0, 0, 0, 0]])
    found = model(tokens, mask)
    mean = model.body(tokens[:1, :3])[0].mean(dim=0)
    torch.testing.assert_close(found[0], mean / mean.norm())
    assert (found[1] == 0).all()


@pytest.mark.minilm
@torch.inference_mode()
def test_minilm_finds_what_means_the_same() -> None:
    encoder: Any = load(minilm_folder())
    model = TextEmbedder.of(encoder)
    untyped: Any = AutoTokenizer
    tokenizer = untyped.from_pretrained(minilm_folder())
    texts = ["A man is eating food.", "Somebody has a meal.", "The stock market fell on Monday."]
    encoded = tokenizer(texts, padding=True, return_tensors="pt")
    eating, meal, market = model(encoded["input_ids"], encoded["attention_mask"])
    assert float(cosine_similarity(eating, meal, dim=0)) > 0.5 > 0.2 > float(cosine_similarity(eating, market, dim=0))
