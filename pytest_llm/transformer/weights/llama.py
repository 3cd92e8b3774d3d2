"""Llama and its kin (SmolLM2, TinyLlama, …): pre-RMSNorm, rotary positions, grouped-query attention, SwiGLU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from pytest_llm.errors import MisuseError
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.weights.names import renamed, without

NAMES = {
    "embed_tokens": "embedding.tokens",
    "layers.*.input_layernorm": "layers.*.attention_norm",
    "layers.*.self_attn.q_proj": "layers.*.attention.query",
    "layers.*.self_attn.k_proj": "layers.*.attention.key",
    "layers.*.self_attn.v_proj": "layers.*.attention.value",
    "layers.*.self_attn.o_proj": "layers.*.attention.output",
    "layers.*.post_attention_layernorm": "layers.*.feed_forward_norm",
    "layers.*.mlp.gate_proj": "layers.*.feed_forward.gate",
    "layers.*.mlp.up_proj": "layers.*.feed_forward.up",
    "layers.*.mlp.down_proj": "layers.*.feed_forward.down",
    "norm": "norm",
    "lm_head": "head.output",
}


def config_of(published: Mapping[str, Any]) -> Config:
    """Our configuration for a `config.json`.

    Raises:
        MisuseError: it asks for something that is not here: scaled rotary positions, another activation, biases in some layers.
    """
    rotary = published.get("rope_parameters") or published.get("rope_scaling") or {}
    kind = rotary.get("rope_type", rotary.get("type", "default"))
    if kind != "default":
        raise MisuseError(f"rotary positions of type {kind!r} are not supported, only the default ones")
    if published.get("hidden_act", "silu") != "silu":
        raise MisuseError(f"hidden_act={published['hidden_act']!r} is not supported, only silu")
    bias = bool(published.get("attention_bias", False))
    if bias != bool(published.get("mlp_bias", False)):
        raise MisuseError(
            "attention_bias and mlp_bias differ: only biases in all linear layers or in none are supported"
        )
    return Config(
        vocabulary=published["vocab_size"],
        width=published["hidden_size"],
        layers=published["num_hidden_layers"],
        heads=published["num_attention_heads"],
        max_length=published["max_position_embeddings"],
        key_value_heads=published.get("num_key_value_heads") or 0,
        head_width=published.get("head_dim") or 0,
        inner_width=published["intermediate_size"],
        positions="rotary",
        rotary_theta=float(rotary.get("rope_theta", published.get("rope_theta", 10_000.0))),
        feed_forward="swiglu",
        normalization="rms",
        norm_epsilon=published.get("rms_norm_eps", 1e-6),
        bias=bias,
        tied=bool(published.get("tie_word_embeddings", False)),
    )


def state_of(published: Mapping[str, Tensor], config: Config) -> dict[str, Tensor]:
    """Its tensors under our names, those of the body without a prefix."""
    used = without(published, [r".*rotary_emb\.inv_freq"])  # computed, where it is needed
    return renamed({name.removeprefix("model."): tensor for name, tensor in used.items()}, NAMES)
