"""BART: post-LayerNorm, learned positions, cross-attention, one matrix of embeddings for encoder, decoder and logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from pytest_llm.errors import MisuseError
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.weights.names import activation_of, renamed

_LAYER = {
    "self_attn.q_proj": "attention.query",
    "self_attn.k_proj": "attention.key",
    "self_attn.v_proj": "attention.value",
    "self_attn.out_proj": "attention.output",
    "self_attn_layer_norm": "attention_norm",
    "encoder_attn.q_proj": "cross_attention.query",
    "encoder_attn.k_proj": "cross_attention.key",
    "encoder_attn.v_proj": "cross_attention.value",
    "encoder_attn.out_proj": "cross_attention.output",
    "encoder_attn_layer_norm": "cross_attention_norm",
    "fc1": "feed_forward.up",
    "fc2": "feed_forward.down",
    "final_layer_norm": "feed_forward_norm",
}
NAMES = {"lm_head": "head.output"}
for _stack in ("encoder", "decoder"):
    NAMES[f"{_stack}.embed_tokens"] = f"{_stack}.embedding.tokens"
    NAMES[f"{_stack}.embed_positions"] = f"{_stack}.embedding.positions"
    NAMES[f"{_stack}.layernorm_embedding"] = f"{_stack}.embedding.norm"
    NAMES |= {f"{_stack}.layers.*.{name}": f"{_stack}.layers.*.{own}" for name, own in _LAYER.items()}

FIRST_POSITION = 2
"""The first two rows of a table of positions are never used: a habit from a library whose padding token was number 1."""


def config_of(published: Mapping[str, Any]) -> Config:
    """Our configuration for a `config.json`.

    Raises:
        MisuseError: encoder and decoder differ in more than the number of layers, or another activation.
    """
    for name in ("attention_heads", "ffn_dim"):
        if (one := published[f"encoder_{name}"]) != (other := published[f"decoder_{name}"]):
            raise MisuseError(f"encoder_{name}={one} and decoder_{name}={other}: only equal ones are supported")
    return Config(
        vocabulary=published["vocab_size"],
        width=published["d_model"],
        layers=published["encoder_layers"],
        decoder_layers=published["decoder_layers"],
        heads=published["encoder_attention_heads"],
        max_length=published["max_position_embeddings"],
        inner_width=published["encoder_ffn_dim"],
        positions="learned",
        feed_forward=activation_of(published.get("activation_function", "gelu")),
        normalization="layer",
        norm_epsilon=1e-5,
        norm_first=False,
        embedding_norm=True,
        scale_embeddings=published.get("scale_embedding", False),
        bias=True,
        tied=published.get("tie_word_embeddings", True),
        head_bias=True,
        dropout=published.get("dropout", 0.1),
    )


def state_of(published: Mapping[str, Tensor], config: Config) -> dict[str, Tensor]:
    """Its tensors under our names, those of the body without a prefix."""
    state = {name.removeprefix("model."): tensor for name, tensor in published.items()}
    for name in [name for name in state if name.endswith("embed_positions.weight")]:
        state[name] = state[name][FIRST_POSITION:]
    if "final_logits_bias" in state:
        state["lm_head.bias"] = state.pop("final_logits_bias")[0]
    if "shared.weight" in state:
        state.setdefault("encoder.embed_tokens.weight", state.pop("shared.weight"))
    return renamed(state, NAMES)
